/*
 * Records of `_system`, found by their time or their place, and as receipts (docs/formats.md
 * section 4): what an export says of the store's own trail. On the caller's thread, with its kit.
 */
#ifndef STELE_SERVER_TRAIL_H
#define STELE_SERVER_TRAIL_H

#include <stdint.h>

#include "proto/buf.h"
#include "storage/log.h"
#include "storage/read.h"

struct kit;
struct server;

struct trail {
	struct server *s;
	struct kit *kit;
	struct log *log;   /* _system */
	struct head *head; /* of the time of trail_open: later records are not looked at */
	struct buf keys;   /* what stands behind each receipt, once trail_receipt was called */
};

/* Pins the head. STELE_ENOTFOUND: there is no `_system` yet. After success trail_close is due. */
int trail_open(struct trail *t, struct server *s, struct kit *kit);
void trail_close(struct trail *t);

/* The record at an index, as read_record. */
int trail_read(struct trail *t, uint64_t index, struct arena *a, struct record *r);

/* *out = the index of the first record whose time is not before that; the size when none is. */
int trail_first_at(struct trail *t, int64_t time_ns, uint64_t *out);

/* A checkpoint that receipts lead to. */
struct trail_checkpoint {
	uint64_t size;
	struct slice note;
};

/*
 * Appends a line: the receipt of the record at that index in that checkpoint, with payload, keys
 * and identities. STELE_EINVAL: it is not below the size; errors of read_inclusion.
 */
int trail_receipt(struct trail *t, uint64_t index, const struct record *r,
		  const struct trail_checkpoint *at, struct buf *out);

#endif
