/*
 * The payload of a `purge` entry (docs/formats.md section 1): which records went, and the root
 * over their entry hashes. Pure: JSON in, ranges out.
 */
#ifndef STELE_STORAGE_PURGEENTRY_H
#define STELE_STORAGE_PURGEENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"
#include "storage/purge.h"

/* n ranges, in order and apart from each other; records in all of them. */
struct purge_set {
	struct control_range *ranges;
	size_t n;
	uint64_t records;
	uint8_t root[32]; /* RFC 6962, over the entry hashes in order */
};

/* Frees the ranges. */
void purge_set_fini(struct purge_set *s);

/* The range that holds index, or NULL: O(log n). */
const struct control_range *purge_set_find(const struct purge_set *s, uint64_t index);

/*
 * Appends the payload. members is one JSON object, whose members come last: STELE_EINVAL when it
 * is none, or has one of those that are put here. STELE_ENOMEM.
 */
int purge_entry_put(struct buf *out, const struct purge_set *s, struct slice members);

/*
 * Reads a payload: STELE_ESYNTAX when it is none of a purge entry, ranges are not as above, or
 * their number is not count; STELE_ELIMIT; STELE_ENOMEM. purge_set_fini frees what it gives.
 */
int purge_entry_read(struct purge_set *s, struct slice payload);

#endif
