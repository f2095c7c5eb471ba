/*
 * The catalogue: DATA/catalog.mdb, one LMDB file with what start-up must know
 * without reading the WAL. It follows the WAL, never leads it, and can be made
 * again from it. Beside segfile.h the only file that knows <lmdb.h>.
 *
 * LMDB trusts its pages; we do not. Every value goes into a sum of SHA-256
 * hashes over the whole content, and before the file is opened a child
 * process walks all of it: a child that crashes, hangs or finds another sum
 * means "damaged", and the catalogue is rebuilt.
 */
#ifndef STELE_STORAGE_CATALOG_H
#define STELE_STORAGE_CATALOG_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"
#include "storage/wal.h"

struct catalog;

/* Tables are the first byte of a key. */
enum catalog_table {
	CATALOG_LOG = 'l',     /* log id */
	CATALOG_DICT = 'd',    /* log id, dictionary id */
	CATALOG_EXTENT = 'e',  /* log id, number of the part */
	CATALOG_NODE = 'n',    /* log id, level, tile */
	CATALOG_SEGMENT = 's', /* log id, first index */
	CATALOG_CONTROL = 'c', /* log id, index: what storage/locks.h folds, but for entry 0 */
	CATALOG_PURGE = 'p',   /* log id, index of the entry of a purge under way */
};

/* What the content reflects, written with every commit. */
struct catalog_state {
	uint64_t incarnation;
	uint64_t sequence; /* the last commit included */
	uint8_t hash[32];
	struct wal_pos end;
	uint64_t keys_sequence; /* the first commit whose keys are in no run */
	uint8_t keys_prev[32];
	struct wal_pos keys_from;
	uint32_t first_run, last_run; /* numbers of the runs of keys */
	uint64_t next_log_id;
	uint32_t era; /* of the clocks, in the last commit's frame */
	int64_t wall_ns, lock_ns;
};

/*
 * Checks and opens DATA/catalog.mdb; *state is what it reflects. STELE_ENOTFOUND
 * when there is none, STELE_EDAMAGED when it does not hold what was put in;
 * STELE_EIO. Forks: no threads may run yet.
 */
int catalog_open(struct catalog **out, const char *data_dir, struct catalog_state *state);

/* Removes what is there and opens an empty one. */
int catalog_create(struct catalog **out, const char *data_dir);

/*
 * Copies what was committed last to a new file at path, flushed. No transaction may be
 * under way, nor begin meanwhile. STELE_EEXIST, STELE_ENOSPACE, STELE_EIO.
 */
int catalog_copy(struct catalog *c, const char *path);

/* Closes it; a transaction that was begun is dropped. NULL is fine. */
void catalog_close(struct catalog *c);

/*
 * Nothing of it is to be looked at again: a transaction met a page that is not in the file
 * any more. Closing it then frees nothing: its map and what the transaction held stay until the
 * process ends.
 */
void catalog_abandon(struct catalog *c);

/*
 * Calls fn for every entry of a table in key order (key without the table's
 * byte), until it returns non-zero, which is returned. The slices live as long
 * as the call.
 */
int catalog_each(struct catalog *c, enum catalog_table table,
		 int (*fn)(void *ctx, struct slice key, struct slice value), void *ctx);

/*
 * A transaction with a sticky error: begin, put in straight lines, and look at
 * what commit returns. A put replaces; what is deleted need not be there. Commit
 * flushes; on an error nothing of the transaction is kept.
 */
void catalog_begin(struct catalog *c);
void catalog_put(struct catalog *c, enum catalog_table table, struct slice key, struct slice value);
void catalog_delete(struct catalog *c, enum catalog_table table, struct slice key);
int catalog_commit(struct catalog *c, const struct catalog_state *state);

#endif
