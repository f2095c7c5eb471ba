/*
 * The segments that are open: a bounded number, the one used longest ago closed
 * first. Opening reads the manifest under the log's key and hashes the whole file,
 * so a segment that is read is one that was checked in this process. That takes ten
 * milliseconds, so as many stay open as a query over a hundred million records asks in turn;
 * those that were not used lately rest (segment.h), and take some 20 KB each, their index's head.
 */
#ifndef STELE_STORAGE_SEGCACHE_H
#define STELE_STORAGE_SEGCACHE_H

#include <stdint.h>

#include "storage/log.h"
#include "storage/sealed.h"
#include "storage/segment.h"

struct segcache;
struct toolbox;

enum {
	SEGCACHE_OPEN = 1024,         /* at most; and a quarter of the process's descriptors */
	SEGCACHE_LATELY = 128,        /* uses: one that was not among these rests */
	SEGCACHE_CHAINS = 32,         /* of open segments, by log and first record */
	SEGCACHE_NONE = SEGCACHE_OPEN /* ends a chain */
};

/* An empty cache, or NULL when memory is out. NULL is fine to free. */
struct segcache *segcache_new(void);
void segcache_free(struct segcache *c);

/*
 * The segment s of the log, open, with a reference for the caller. STELE_ENOTFOUND
 * when its files are gone, STELE_EDAMAGED when they are not what the list says, with
 * why; STELE_EKEY when the keyring has not its key; STELE_EIO; STELE_ENOMEM. Any thread.
 */
int segcache_get(struct segcache *c, struct log *log, const struct sealed *s, struct toolbox *t,
		 struct segment **out, struct buf *why);

/*
 * Opens the segment's files as they are now, whatever the cache has of them: *out is the
 * caller's. Errors as segcache_get. Any thread.
 */
int segcache_open(struct log *log, const struct sealed *s, struct toolbox *t, struct segment **out,
		  struct buf *why);

/*
 * Reads the manifest of one of the log's segments, signed by a key that may speak for its
 * range (storage/logkeys.c). Errors as manifest_read, with why.
 */
int segcache_manifest(struct log *log, const struct segment_name *name, struct segment_facts *facts,
		      struct buf *why);

/* Closes what is open of the log's segments that begin in [from, to): they were replaced. */
void segcache_forget(struct segcache *c, uint64_t log_id, uint64_t from, uint64_t to);

/* Memory of the segments that are open: their indexes' heads, and the dictionaries of those that do
 * not rest. Any thread. */
void segcache_memory(struct segcache *c, uint64_t *indexes, uint64_t *dictionaries);

/* DATA/segments/LOG into out, cap bytes: 0 or STELE_ELIMIT. */
int segcache_dir(char *out, size_t cap, const struct log *log);

#endif
