/*
 * The store's state in the catalogue: saved behind the commits, loaded at
 * start. Used by storage/ only.
 */
#ifndef STELE_STORAGE_SAVE_H
#define STELE_STORAGE_SAVE_H

#include "proto/buf.h"
#include "storage/store.h"

struct toolbox;

/*
 * Commits what changed since the last save, with the WAL position that it
 * reflects. Upkeep's. STELE_ENOMEM, STELE_ENOSPACE, STELE_EIO; then the same
 * snapshot is tried again by the next call.
 */
int catalog_save(struct store *st);

/* Saves all that is so far, waiting for a save or a copy that is under way. As catalog_save. */
int catalog_save_now(struct store *st);

/*
 * Makes the catalogue anew from memory: there was no room for one, or the one
 * there is cannot be written. Upkeep's. Errors as catalog_save.
 */
int catalog_renew(struct store *st);

/* Forgets a snapshot that could not be saved. */
struct unsaved;
void unsaved_free(struct unsaved *u);

/* Fills an empty store from st->catalog. STELE_EDAMAGED, STELE_EKEY, STELE_ENOMEM. */
int catalog_load(struct store *st, struct toolbox *t, struct buf *why);

#endif
