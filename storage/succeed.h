/*
 * The server's identity is replaced by a next one (crypto/identity.h). In the order it happens:
 *   1. the keyring is written: the statements that the old identity made are kept as they are;
 *      the record of the act, in `_system`, is submitted
 *   2. the writer knows the record's index: the next key and the succession note are made, and
 *      lie in keys/identity, durably, beside the identity in force, with the place of the
 *      record; the note becomes a member of the record
 *   3. the commit is flushed: from here on the next identity is the server's
 *   4. it takes over in memory: all that is signed from now on, it signs
 *   5. the old private key leaves keys/identity, and memory with the last one that uses it
 *
 * A crash before 3 leaves the old identity, and the next start removes the prepared one; after 3
 * the next start finds that very note at that place, and does 4 and 5 (recover.c). Meanwhile no
 * key statement is made: logs are not founded and keys not replaced (store->creating).
 */
#ifndef STELE_STORAGE_SUCCEED_H
#define STELE_STORAGE_SUCCEED_H

#include <stdbool.h>

#include "crypto/identity.h"
#include "storage/append.h"

/*
 * Step 1, without submitting. The job, prepared, holds the record: one JSON object, which is
 * given the members "number", "vkey" and "succession" at its end. store->creating is held until
 * succeed_end. STELE_ECONFLICT while a backup copies the store: its key files must be of the
 * same moment; STELE_ELIMIT after LIMIT_SUCCESSIONS; STELE_EREADONLY; STELE_ENOSPACE; STELE_ENOMEM.
 */
int succeed_begin(struct append_job *job);

/*
 * Steps 4 and 5, after the job was answered; job->err is returned. *destroyed says whether the old
 * private key has left its file: else the disk was full or failed, which was said, and it leaves
 * at the next start at the latest.
 */
int succeed_end(struct append_job *job, bool *destroyed);

/* Whether this is the record that puts the prepared identity in force. */
bool succeed_is_record(const struct identity_next *next, struct slice payload);

/* At a start: step 4, or the prepared one is forgotten. The file is succeed_settle's. */
void succeed_take(struct store *st, bool in_force);
/* Writes keys/identity as it is in memory. Errors as keyfile_write. */
int succeed_settle(struct store *st);

#endif
