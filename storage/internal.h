/*
 * The store from inside: what its own files share. Nobody else includes this.
 *
 * Who may touch what:
 *   writer's   only the thread that takes, closes and settles commits (and recovery)
 *   locked     under store->lock: the writer publishes, others read
 *   fixed      set before the object is visible, then never changed
 *   upkeep's   only the thread inside store_maintain (and recovery)
 */
#ifndef STELE_STORAGE_INTERNAL_H
#define STELE_STORAGE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "crypto/identity.h"
#include "crypto/keyring.h"
#include "crypto/merkle.h"
#include "crypto/merkle_batch.h"
#include "crypto/sign.h"
#include "proto/arena.h"
#include "storage/catalog.h"
#include "storage/compress.h"
#include "storage/digest.h"
#include "storage/keyindex.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/mapping.h"
#include "storage/place.h"
#include "storage/purging.h"
#include "storage/sealed.h"
#include "storage/spoolkeep.h"
#include "storage/store.h"
#include "storage/tail.h"
#include "storage/tailkey.h"
#include "storage/tilecache.h"
#include "storage/toolbox.h"
#include "storage/tree.h"
#include "storage/wal.h"

struct commit;
struct clocks;
struct backup;
struct scrub;
struct segcache;
struct sealer;

enum { SIGN_PARALLEL_MIN = 16 }; /* heads: below, waking threads costs more than it saves */
enum {
	COMMIT_RECORD_BYTES = 512
}; /* of a frame, payload aside, when no two records share
      a log, a block or a group */

/*
 * Where a dictionary's box lies, and the dictionary once it was loaded. One that
 * is retired is used by no commit that begins afterwards; its place in the WAL is
 * needed until every record that may have been packed with it is sealed.
 */
struct dict_place {
	uint32_t id;
	uint32_t box_bytes;
	uint64_t data_key_id; /* of the tail's key that its box is sealed under */
	struct wal_pos at;
	struct compress_dict *dict; /* locked; NULL until needed */
	struct last_use use;
};

struct logkeys {
	atomic_uint refs;
	uint32_t epoch;          /* of the signer, which is the last */
	size_t n;                /* of all below, in order of epoch */
	struct note_vkey *vkeys; /* names point to the log's origin */
	uint32_t *epochs;        /* their numbers: from 0, with gaps before those of restores */
	uint64_t *first_sizes;   /* of the trees from which on each speaks */
	uint8_t (*statements)[KEYRING_STATEMENT_BYTES]; /* as they were made */
	struct slice server;                            /* its name: the store's */
	char *vkey;                                     /* the last one as text */
	struct signer *signer;
};

struct log {
	/* fixed */
	struct store *store;
	uint64_t id;
	char name[LIMIT_LOG_NAME_BYTES + 1];
	char origin[LIMIT_ORIGIN_BYTES + 1];
	struct policy founding; /* the policy in entry 0 */
	struct locks *locks;    /* what later control entries say */
	int64_t created_ns;

	_Atomic(const struct policy *) policy; /* in force: the founding one, or one of locks */

	/* writer's */
	struct merkle_frontier frontier;
	uint8_t last_leaf[32];
	uint64_t ctl;
	int64_t time_ns;
	struct touched *touched;  /* its part of the commit that takes jobs, or NULL */
	struct touched *flushing; /* of the one that is closed and not settled, or NULL */
	uint64_t controls_taken;  /* control entries on their way: locks does not have them yet */

	/* locked */
	struct head *head;
	struct logkeys *keys; /* the writer changes them, and reads them without the lock */
	struct tree tree;
	struct tail tail;
	struct purging *purging;
	struct tail_key *tail_key; /* the newest, which seals; those before it hang on it */
	uint64_t payload_bytes;
	struct sealed_list sealed;
	struct dict_place *dicts;
	size_t n_dicts;
	uint32_t next_dict_id;
	struct compress_dict *dict;         /* for preparing: the newest one loaded */
	struct compress_dict *pending_dict; /* trained, not yet in the WAL */
	int64_t tail_since_ns; /* evidence time since which records wait to be sealed */
	struct buf gone;       /* keys that the catalogue is to forget: save.c */
	bool dirty;            /* on store->dirty */
	struct log *next_dirty;

	/* upkeep's */
	uint64_t saved_extents, saved_dropped; /* ordinals, as tail.dropped counts */
	size_t saved_up[TREE_LEVELS], saved_dicts, saved_controls;
	uint64_t trained_at_bytes; /* payload_bytes when a dictionary was last tried */

	/* recovery's */
	uint32_t seen_epoch; /* the newest that the catalogue or the WAL names */

	/* the sealer's */
	int64_t seal_again_ns; /* not before: a seal failed */
};

/* A place between two commits. */
struct position {
	uint64_t sequence;  /* of the last commit before it, 0 for none */
	uint8_t hash[32];   /* its hash */
	struct wal_pos end; /* where the next frame goes */
	uint32_t era;       /* of the clocks, as its frame has them; 0: no frame was seen */
	int64_t wall_ns, lock_ns;
};

struct store {
	/* fixed */
	struct store_options opts;
	char dir[3072];
	struct place place;
	struct keyfile_seal *seal;
	struct arena arena;            /* of mapping */
	const struct mapping *mapping; /* how segments index records, where opts say nothing */

	struct wal *wal;
	struct catalog *catalog;
	struct keyindex keys;
	struct clocks *clocks; /* NULL until they are open */
	struct tilecache *tiles;
	struct segcache *segments;
	struct sealer *sealer;
	struct scrub *scrub;
	struct backup *backup;
	/* set under the sealer's lock and saving: nothing leaves the disk (storage/backup.h) */
	atomic_bool pinned;
	pthread_mutex_t saving;  /* the catalogue's file: saves, and a copy of it */
	pthread_mutex_t purging; /* one purge at a time */
	struct spools spools;

	/* writer's */
	struct commit *commit;
	int64_t taken_ns; /* evidence time of the newest commit that took jobs */
	/*
	 * Threads lent by storage/writer.c: runs fn(arg, 0 .. parts - 1) side by side
	 * and waits. NULL: everything runs on the caller's thread.
	 */
	void (*parallel)(void *ctx, void (*fn)(void *arg, unsigned part), void *arg,
			 unsigned parts);
	void *parallel_ctx;
	unsigned parallel_parts;

	pthread_rwlock_t lock;
	/* locked */
	struct log **by_name; /* sorted */
	struct log **by_id;   /* by_id[id], NULL where there is none */
	size_t n_logs, cap_logs, cap_ids;
	struct log *dirty;
	struct position position;
	int64_t released_ns;  /* evidence time of the newest commit that was released */
	uint64_t saves_begun; /* snapshots taken for the catalogue */
	struct digest_keys digests;

	struct identity *identity; /* changes under creating, too */

	pthread_mutex_t creating; /* keyring, next_identity, next_log_id */
	struct keyring *keyring;
	struct identity_next next_identity; /* prepared: storage/succeed.h */
	uint64_t next_log_id;

	/* upkeep's */
	struct toolbox *upkeep;
	struct unsaved *unsaved;      /* a snapshot that the catalogue did not take yet */
	atomic_ullong saved_sequence; /* what the catalogue reflects */
	atomic_ullong saves_done;     /* the last snapshot that it took */
	bool walk_purges;          /* recovery's: the catalogue does not say which are under way */
	uint64_t marked_sequence;  /* what wal/released was flushed for */
	struct position keys_from; /* the first commit whose keys are in no run follows it */

	atomic_bool read_only, low_space;
	atomic_uint open_commits; /* that have taken jobs and are not settled */
	/* counters for store_stats */
	atomic_ullong commits, records, duplicates, payload_bytes, wal_bytes, flush_ns_total,
		flush_ns_max, sign_ns_total, segments_sealed, sealed_payload_bytes,
		sealed_file_bytes, sealed_index_bytes, damaged_reads, free_disk_bytes,
		catalog_commits, deposits_open, deposited_bytes, deposits_dropped, objects_stored;
};

/* Whether what is left below the soft limit still has half of it: the reserve. Any thread. */
static inline bool
store_has_reserve(const struct store *st)
{
	return atomic_load(&st->free_disk_bytes) >= st->opts.free_bytes / 2;
}

/* store.c: one line to the operator, printf-like. */
void store_say(struct store *st, enum store_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A record for store_options.record, printed: JSON whole. */
void store_record(struct store *st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Evidence time, once the clocks are open: what the store does by age, it does by this one. */
int64_t store_now_ns(struct store *st);
int64_t store_wall_ns(struct store *st); /* what clocks.c is to judge */
/* A key file, keys/FILE, could not be written: the store becomes read-only, and says why. */
void store_key_failed(struct store *st, const char *file);
/* store.c: place, keys and WAL for checking: nothing is changed, nothing is replayed. */
int store_open_bare(struct store **out, const struct store_options *opts, struct buf *why);

/* log.c */
struct log *log_new(struct store *st, uint64_t id, struct slice name);
void log_free(struct log *log);

/* logkeys.c */
/*
 * Takes data keys, signing key and the verifier keys of all epochs from the keyring, in the
 * place of those the log has. STELE_EKEY when one is missing.
 */
int log_take_keys(struct log *log, struct sha256 *h);
struct logkeys *logkeys_ref(struct logkeys *k);
/*
 * Makes the key statement of an epoch, unless there is one, by the identity that is in force: in
 * the keyring's memory, to be committed with the epoch's key, since a start takes a log's keys
 * before it knows which identity is in force. STELE_ENOMEM.
 */
int logkeys_state(struct store *st, const struct keyring_seed *seed, struct sha256 *h);
/* What now is, and the epoch after it, begun with a seed that is prepared. STELE_ENOMEM. */
int logkeys_next(struct logkeys **out, const struct log *log, const struct logkeys *now,
		 const struct keyring_seed *seed, struct sha256 *h);
/*
 * The keys under which something the log's key signed about its first `size` entries may
 * be: that of the epoch they belong to, and later ones. *n of them, at least one.
 */
const struct note_vkey *logkeys_for(const struct logkeys *k, uint64_t size, size_t *n);
/*
 * Whether the JSON payload of a control entry has a "key_statement" that holds: by one of this
 * server's identities, for the log's key that speaks from the tree of first_size entries on. A
 * key that is prepared in the keyring counts, and a prepared identity: nobody else may change
 * those meanwhile.
 */
bool log_statement_holds(const struct log *log, uint64_t first_size, struct slice payload,
			 struct sha256 *h);
/* What to say of a `key` or `restore` entry in which it does not. */
extern const char log_statement_wrong[];

/* Room for a log of this id; the lock is held for writing. STELE_ENOMEM, STELE_ELIMIT. */
int log_reserve(struct store *st, uint64_t id);
/* Makes the log findable; room was reserved, the lock is held for writing. */
void log_publish(struct store *st, struct log *log);
struct log *log_by_id(struct store *st, uint64_t id);
/* Room for a step of count entries, so that log_advance cannot fail; lock held for writing. */
int log_make_room(struct log *log, uint32_t count, bool dict);
/* What one commit adds to one log. */
struct log_step {
	struct extent extent;
	uint32_t skip;                    /* of its first records, sealed already: replaying */
	const uint8_t (*leaves)[32];      /* extent.count entry hashes */
	const struct merkle_batch *batch; /* built from them upon the log's frontier */
	uint64_t ctl, payload_bytes;
	int64_t time_ns;
	struct head *head;       /* NULL while replaying */
	struct logkeys *keys;    /* of the epoch that begins with it; NULL: none does */
	struct purging *purging; /* whose entry is in it, the log's from here on; or NULL */
	uint32_t dict_id;        /* 0: none came with it */
	uint32_t dict_box_bytes;
	struct wal_pos dict_at;
	uint64_t data_key_id;       /* that the dictionary is sealed under */
	struct compress_dict *dict; /* NULL while replaying */
};
/* What a control entry that was committed says is in force from here on. It becomes the log's. */
void log_fold(struct log *log, struct control *c);
/* Takes the step: room was made, lock held for writing. */
void log_advance(struct log *log, const struct log_step *step);
/* Puts the log on the list of those that the catalogue must save; lock held for writing. */
void log_mark_dirty(struct log *log);
/*
 * A head for size and root, signed with the log's key and, when next is not NULL, with that of
 * the epoch that begins with it; NULL when memory is out.
 */
struct head *head_sign(struct log *log, const struct logkeys *next, uint64_t size,
		       const uint8_t root[32], int64_t time_ns);

/*
 * Takes a segment in and lets go of what it replaces and of the extents it covers;
 * room was reserved, lock held for writing.
 */
void log_take_segment(struct log *log, const struct sealed *s);

/* save.c: the catalogue's key is to be deleted with the next save; lock held for writing. */
void save_forget(struct log *log, enum catalog_table table, uint64_t key);

/* dict.c */
/* The dictionary of that id, referenced for the caller. STELE_EDAMAGED, STELE_EIO. */
int dict_get(struct log *log, uint32_t id, struct compress_dict **out);
/* Room for one more, so that dict_add cannot fail; lock held for writing. STELE_ENOMEM. */
int dict_reserve(struct log *log);
/*
 * Notes where a committed dictionary lies; lock held for writing. Its dict may be NULL. One that
 * is sealed under a key that seals no more is retired.
 */
void dict_add(struct log *log, const struct dict_place *place);
/* Retires all of them, and what is trained and not written yet; lock held for writing. */
void dict_retire_all(struct log *log);
/* Trains on the tail when due; leaves the result as pending. Upkeep's. */
int dict_train(struct log *log, struct toolbox *t);
/*
 * Retires every dictionary that lies in a WAL file before `file`; the newest one is
 * to be written again with the log's next commit. The sealer's; STELE_ENOMEM, or a
 * read's error.
 */
int dict_retire_before(struct log *log, uint32_t file);
/* Forgets the retired ones, of all logs, that nothing unsealed needs. */
void dict_sweep(struct store *st);

/*
 * applyctl.c: folds in the control entries of a section, but for entry 0. STELE_EDAMAGED, with
 * why; errors of block_open.
 */
int apply_controls(struct log *log, const struct frame_section *s, struct toolbox *t,
		   struct buf *why);
/* The control entry at index with this payload, read from the disk at start: as above. */
int apply_control(struct log *log, enum entry_kind kind, uint64_t index, struct slice payload,
		  struct buf *why);
/* apply.c: keeps a section's idempotency keys. STELE_ENOMEM. */
int apply_keys(struct store *st, const struct frame_section *s);
/* apply.c: takes a section of a replayed frame into the store. */
int apply_section(struct store *st, const struct frame_section *s, struct wal_pos at,
		  struct toolbox *t, struct merkle_batch *batch, struct buf *why);

/* block.c */
/* What a box held; all of it lies in the toolbox until its next use. */
struct opened_block {
	struct slice salts;  /* 16 bytes for each record, whatever form they came in */
	const uint8_t *seed; /* from which they expand, the first record's being salt 0; or NULL */
	struct slice payloads;
};
/* Opens the box of a block whose first record has index first: STELE_EDAMAGED, STELE_EIO,
   STELE_ENOMEM. */
int block_open(struct log *log, const struct frame_section *s, uint32_t block, uint64_t first,
	       struct slice box, struct toolbox *t, struct opened_block *out);

/* nodes.c: the hash of a perfect subtree, verified; cached: STELE_EBUSY instead of file I/O. */
struct node_source {
	struct store *st;
	struct log *log;
	struct toolbox *tools;
	bool cached;
};
int node_get(void *source, unsigned height, uint64_t index, uint8_t out[32]);
/* The frontier of the first `size` entries; errors as node_get. */
int node_frontier(struct node_source *s, uint64_t size, struct merkle_frontier *f);

/* read.c: counts and says that stored bytes failed verification; returns STELE_EDAMAGED. */
int read_damaged(struct log *log, uint64_t index, const char *what);

/*
 * commit.c: whether so many records with so many payload bytes may share a commit: within
 * the limits, and a WAL file holds them even when nothing compresses. A job that
 * is alone in its commit is not asked.
 */
bool commit_fits(const struct store *st, uint64_t records, uint64_t bytes);

/* recover.c: brings a freshly opened store to the WAL's end. */
int store_recover(struct store *st, bool rebuild, struct buf *why);

/*
 * found.c: the policy out of entry 0's payload, into the log, whose keys must be those of the
 * key statement there: STELE_EDAMAGED, STELE_EKEY, with why.
 */
int policy_from_entry0(struct log *log, struct slice payload, struct sha256 *h, struct buf *why);

#endif
