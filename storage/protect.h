/*
 * What the file system can do for a sealed segment beyond mode 0444: the immutable attribute
 * (chattr(1) +i: nobody changes, renames, links or removes the file, root included, before
 * the attribute is taken off, for which CAP_LINUX_IMMUTABLE is needed) and fs-verity (the
 * kernel verifies what it reads, and nobody writes again). Where neither is to be had that is
 * no error: it is reported.
 */
#ifndef STELE_STORAGE_PROTECT_H
#define STELE_STORAGE_PROTECT_H

#include <stdbool.h>

#include "storage/segment.h"

struct store;

enum protection { PROTECT_IMMUTABLE = 1, PROTECT_VERITY = 2 };

/*
 * Protects a segment's two files as far as their file system does, when set is true; what
 * both of them have then, of enum protection. Any thread.
 */
unsigned protect_segment(const char *dir, const struct segment_name *name, bool set);

/* Takes the immutable attribute off, so that the file can be replaced: 0, STELE_EPERM, STELE_EIO.
 */
int protect_clear(const char *path);

/* Removes the file, its attribute first; one that is not there is fine. STELE_EIO, STELE_EPERM. */
int protect_unlink(const char *path);

/* At start: protects what is not yet when the store's options ask for it, and says what there is.
 */
void protect_all(struct store *st);

#endif
