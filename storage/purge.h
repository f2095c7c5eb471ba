/*
 * A purge: payloads leave for good, their entries and commitments stay, and the log itself
 * says that it was so. In the order it happens:
 *   1. what is not sealed of the ranges is sealed, so that every payload lies in a segment
 *   2. the ranges are held against the log (no control entry, nothing that is gone already), and
 *      the RFC 6962 root over the entry hashes of what goes is computed from the tree
 *   3. the writer asks the caller once more, in its own step, and then the purge entry is one of
 *      its commit's records: whatever was sequenced before it, a hold say, was seen
 *   4. the commit is flushed: the purge entry is the promise. From here on the payloads are not
 *      read any more (STELE_EGONE), and what follows happens, now or after a crash
 *   5. the log's tail gets a new data key and no dictionary: nothing that comes is sealed under the
 *      old one, and what was trained on old payloads packs nothing that comes
 *   6. exports that may have some of it are destroyed, with their keys (storage/spool.h); files of
 *      the objects that go are removed
 *   7. each segment concerned is made again, thinned, as its next generation under a key of its
 * own: steps 1 to 4 of storage/seal.h. Dictionary and salts are those of what stays: a seed from
 *      which a salt of what went could be computed is not kept
 *   8. the tail is sealed as far as the old tail keys reach
 *   9. the catalogue is saved; files and data keys of what was replaced are destroyed, and the old
 *      tail keys: what lies in WAL files, written over or not, and in earlier backups opens no more
 *  10. the log's list of purges under way forgets this one, with the next save of the catalogue
 *
 * A crash before 4 leaves nothing but a segment more. After 4 the entry is on the list of
 * purges under way (in the catalogue, or found in the WAL, or by the walk over control entries
 * when the catalogue is made anew), and purge_resume goes through 5 to 10 again; each of them
 * does nothing where it was done.
 *
 * Idempotency digests of what went: the key from which digests are made is the store's, of an
 * epoch of LIMIT_DIGEST_EPOCH_S, and leaves the keyring when no digest made with it has to be
 * recognised any more. So a digest loses its meaning by itself, at the latest two epochs after its
 * record came, purged or not, and repeats of what stays are recognised as before. A record that
 * repeats a purged one is refused with STELE_EGONE.
 *
 * Everything here blocks, and runs beside the writer in the caller's thread: a worker of low
 * priority. The writer's part is the entry, and one look at the caller's generation counter.
 */
#ifndef STELE_STORAGE_PURGE_H
#define STELE_STORAGE_PURGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/control.h"
#include "proto/slice.h"
#include "storage/log.h"

struct append_job;
struct store;
struct writer;

struct purge_request {
	const struct control_range
		*ranges; /* 1..LIMIT_PURGE_RANGES, in order, apart from each other */
	size_t n_ranges;
	/*
	 * What only the caller knows, one JSON object: "policy", "allowed_by", "clock", "plan",
	 * "approvers", …; its members follow those that are added here (docs/formats.md section 1).
	 * None of them is "type", "ranges", "count" or "root".
	 */
	struct slice members;
	struct slice writer;       /* principal id */
	struct append_job *record; /* prepared, of another log, in the same commit; or NULL */
	/*
	 * Asked on the writer's thread, when the entry's index is known and before it is
	 * sequenced: 0, or an error that ends the purge with nothing done. It must not block. NULL:
	 * yes.
	 */
	int (*still_allowed)(void *ctx);
	void *ctx;
	/*
	 * Control entries and what is gone already are left out of the ranges, instead of being
	 * refused; the entry says what went. With nothing left it is STELE_ENOTFOUND.
	 */
	bool skip;
};

struct purge_result {
	uint64_t entry;          /* index of the purge entry */
	uint64_t records;        /* whose payloads went */
	uint64_t payload_bytes;  /* of these, as they came */
	uint64_t returned_bytes; /* of files: what segments and objects are shorter by */
	uint64_t segments;       /* made again */
	uint64_t objects;        /* removed */
	uint64_t exports;        /* destroyed: they may have had some of it */
	/*
	 * No key is left under which a payload, salt, descriptor or dictionary of what went could
	 * be opened, in whatever copy of the files, and no file of it is left here. Otherwise the
	 * purge stays under way, purge_resume goes on with it, and the counts below say why.
	 */
	bool destroyed;
	uint64_t immutable;   /* replaced files that could not be removed; their keys stay */
	uint64_t quarantined; /* segments that cannot be read, so not made again */
	bool backup;          /* a backup is being made: nothing leaves the disk meanwhile */
	/*
	 * Files of segments and objects that had other hard links when they left: copies outside
	 * of the data directory. They do not count against `destroyed`: their keys are gone.
	 */
	uint64_t linked;
};

/*
 * Runs a purge of a log, steps 1 to 10. 0: the entry is committed, the payloads are not readable
 * any more, and out->destroyed says whether anything is left of them; what an error in steps
 * 5 to 10 was is in why then. Otherwise nothing was purged: STELE_EINVAL for ranges that are not in
 * order, not released, or hold control entries or what is gone (why names the first), and for
 * members that are not as above; STELE_EPERM for `_system`, whose records stay (log_stays);
 * STELE_ELIMIT for too many ranges; STELE_ENOTFOUND, see skip;
 * STELE_ECONFLICT while a backup is made; what still_allowed returned; STELE_EDAMAGED when a
 * segment of the ranges cannot be read; STELE_EREADONLY, STELE_ENOSPACE, STELE_ECLOSED,
 * STELE_EIO, STELE_ENOMEM. why says what was tried. A worker thread; one purge of a store at a
 * time, others wait. w is NULL where there are no threads: the caller's is the writer's then.
 */
int purge_run(struct store *st, struct writer *w, struct log *log, const struct purge_request *rq,
	      struct purge_result *out, struct buf *why);

/*
 * Steps 1 to 4 of purge_run alone, for who has no time for the rest: 0 and *entry, the index of the
 * purge entry. The rest is purge_finish's, or purge_resume's, some seconds later. Errors as
 * purge_run; STELE_EBUSY while another purge is at its steps.
 */
int purge_begin(struct store *st, struct writer *w, struct log *log, const struct purge_request *rq,
		uint64_t *entry, struct buf *why);

/*
 * Steps 5 to 10 of a purge that was begun: *out, in which records and payload_bytes are not
 * filled in. When another thread has ended it meanwhile, only out->destroyed is. why says what
 * keeps it from its end.
 */
void purge_finish(struct store *st, struct log *log, uint64_t entry, struct purge_result *out,
		  struct buf *why);

/*
 * Steps 5 to 10 for purges whose entry is committed and that are still under way: after a start,
 * and what was kept from being destroyed. The sealing thread calls it between seals. 1 when
 * something was done, 0 when nothing is to do or can be done now, or an error, already said.
 */
int purge_resume(struct store *st);

/* How many purges are under way: entries committed, something of the payloads still there. */
uint64_t purge_pending(struct store *st);

/*
 * After a restore from a backup that is older than a purge: does it again, given the payload of
 * the purge entry as it was known elsewhere. The ranges are cut off at size, which the log had in
 * the backup: behind it are other entries than the purge knew. What is gone already is left out.
 * The new entry has the caller's members, which say whence it is known. STELE_ENOTFOUND when there
 * is nothing of it to do; STELE_ESYNTAX when the payload is none of a purge entry; STELE_EVERIFY
 * when all of the ranges are in the backup and their root is another one: then it is another log's.
 * What is cut off has no root to be held against: unless it follows, which is that its entry is
 * known to come after these `size` entries, STELE_EVERIFY. Else as purge_run. rq has no ranges and
 * no skip.
 */
int purge_reapply(struct store *st, struct writer *w, struct log *log, uint64_t size, bool follows,
		  struct slice entry_payload, const struct purge_request *rq,
		  struct purge_result *out, struct buf *why);

#endif
