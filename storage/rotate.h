/*
 * A log's signing key is replaced, while records come in. In the order it happens:
 *   1. the entry is submitted, and with it whatever shall lie in the same commit
 *   2. the writer knows the entry's index: the next key is made and lies in the keyring,
 *      durably, beside the one that signs; its statement becomes the entry's payload
 *   3. the commit is flushed: from here on the new key is the log's
 *   4. its checkpoint is signed by both keys and published; all later ones by the new key
 *   5. the old private key leaves memory, when no seal under way holds it, and the keyring
 *
 * A crash before 3 leaves the old key, and a prepared one that the next rotation replaces; after
 * 3 the next start finds the entry and does 5 (recover.c). What the old key signed about the tree
 * of step 4 is the same as what the new one did: never are there two histories.
 */
#ifndef STELE_STORAGE_ROTATE_H
#define STELE_STORAGE_ROTATE_H

#include <stdbool.h>

#include "storage/append.h"

/*
 * Step 1: fills the job, after append_job_init. store->creating is held until rotate_end.
 * STELE_ECONFLICT while a backup copies the store: its keyring must be of the same moment;
 * STELE_EREADONLY; STELE_ENOMEM.
 */
int rotate_begin(struct append_job *job, struct log *log, struct slice by, struct toolbox *tools);

/*
 * Step 5, after the job was answered; job->err is returned. *destroyed says whether the old
 * private key has left the keyring's file: else the disk was full or failed, which was said, and
 * it leaves with the next write of that file, at the next start at the latest.
 */
int rotate_end(struct append_job *job, bool *destroyed);

/* Appends the payload of a `key` entry (docs/formats.md section 1). */
void rotate_entry_put(struct buf *out, struct slice key_statement);

#endif
