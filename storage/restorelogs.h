/*
 * Steps 5 to 7 of storage/restore.h in the opened store, and what its entries say.
 */
#ifndef STELE_STORAGE_RESTORELOGS_H
#define STELE_STORAGE_RESTORELOGS_H

#include "crypto/sha256.h"
#include "storage/backuplist.h"
#include "storage/restore.h"

struct log;
struct toolbox;

/*
 * Checks that the store is what the note says and has its keys, verifies the checkpoints,
 * and gives every log its new epoch and the `restore` entry that says so. Errors as
 * store_restore, with why; nothing is changed unless all checks hold.
 */
int restore_logs(struct store *st, const struct backup_note *note, const struct restore_options *o,
		 struct toolbox *t, struct buf *why);

/*
 * restorepurges.c, step 8: does the purges again, each by an entry of its own. One of which the
 * backup has nothing left is passed over. STELE_ENOTFOUND for a log that is not there; errors of
 * purge_reapply, with why.
 */
int restore_purges(struct store *st, const struct restore_options *o, struct buf *why);

/* How many logs there are. */
uint64_t restore_count(struct store *st);

/*
 * Appends the payload of a `restore` entry at index `size` (docs/formats.md section 1). newest
 * is a signed checkpoint of newest_size entries; of no bytes: none is known.
 */
void restore_entry_put(struct buf *out, struct slice key_statement,
		       const struct backup_note *backup, uint64_t size, struct slice newest,
		       uint64_t newest_size);

#endif
