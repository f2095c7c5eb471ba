/*
 * A section of the WAL, read: its columns and one block after the other into the toolbox, where
 * they stay for the next record. Inside storage/ only.
 */
#ifndef STELE_STORAGE_TAILREAD_H
#define STELE_STORAGE_TAILREAD_H

#include <stdint.h>

#include "storage/internal.h"

/*
 * The section's columns into the memo. STELE_EDAMAGED, also when the place holds another section by
 * now; STELE_EIO; STELE_ENOMEM. After an error that is not put right the memo is to be forgotten:
 * its log_id is set to 0.
 */
int tailread_meta(struct log *log, const struct extent *e, struct section_memo *m);

/* The block that holds the record ordinal of the memo's section, opened into the memo. Errors
 * likewise. */
int tailread_block(struct log *log, uint32_t ordinal, struct toolbox *t);

#endif
