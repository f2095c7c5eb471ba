/*
 * Logs out of their sealed segments, for a start without a catalogue. What the WAL
 * still holds is replayed on top of it (storage/apply.c).
 */
#ifndef STELE_STORAGE_REBUILD_H
#define STELE_STORAGE_REBUILD_H

#include "storage/internal.h"

/*
 * Takes every log that has segments into an empty store: manifests under the log's own
 * key, files by their hash, the tree by the root that each manifest signs. Where two
 * generations hold a range, the one that reaches further and then the newer is taken.
 * STELE_EDAMAGED, and why names the file that is to be restored; STELE_EKEY, STELE_EIO,
 * STELE_ENOMEM.
 */
int rebuild_sealed(struct store *st, struct toolbox *t, struct buf *why);

/*
 * One log of it: the one that a signing seed of the keyring names, unless its epoch has ended. *log
 * is NULL when nothing of it is sealed, and with an error when nothing of it could be taken. Errors
 * as above; segments before the failing one stay taken.
 */
int rebuild_log(struct store *st, const struct keyring_seed *seed, struct toolbox *t,
		struct log **log, struct buf *why);

#endif
