/*
 * Re-verifying every byte of a data directory that no server has open.
 */
#ifndef STELE_STORAGE_FSCK_H
#define STELE_STORAGE_FSCK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"

struct fsck_options {
	const char *dir;
	const char *passphrase;    /* NULL: key files are not sealed */
	const char *identity_vkey; /* the server's key, got elsewhere; NULL: not compared */
	bool rebuild;              /* afterwards make the catalogue anew */
	/* One thing that is wrong: where (file and byte, or log and record) and what. */
	void (*finding)(void *ctx, const char *where, const char *what);
	unsigned threads; /* that check segments; 0: one a core */
	/* Now and then: bytes of segments and WAL done and in all. NULL: not wanted. */
	void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
	void *ctx;
};

struct fsck_result {
	uint64_t commits, logs, records, payload_bytes, wal_bytes;
	uint64_t segments, segment_bytes;
	uint64_t unindexed; /* of them, without an index of the schemas that come with stele */
	uint64_t problems;  /* findings reported */
};

/*
 * Checks keys, segments and their indexes, WAL, every record's entry, commitment, chain and tree,
 * every object, every log's key statement, the key runs and the catalogue. Returns 0 when it could
 * look (result->problems says what it found); STELE_EBUSY when a server runs;
 * STELE_EKEY, STELE_EDAMAGED (stele.id or a key file), STELE_EIO, with why.
 */
int fsck_run(const struct fsck_options *opts, struct fsck_result *result, struct buf *why);

#endif
