/*
 * Purges of a scratch store, and what must hold afterwards: for tests of storage/purge.c.
 * Payloads are some 560 bytes, incompressible, and committed 64 at a time, so that a seed salts
 * them.
 */
#ifndef STELE_TESTS_UNIT_PURGE_CASE_H
#define STELE_TESTS_UNIT_PURGE_CASE_H

#include "faulty_disk.h"
#include "scratch_object.h"
#include "sealed_log.h"

#include "crypto/init.h"
#include "crypto/salt.h"
#include "storage/fsck.h"
#include "storage/locate.h"
#include "storage/purge.h"
#include "storage/segcache.h"
#include "suite.h"

enum { PURGE_PAYLOAD = 560 };

/* The payload of the record at index i. */
static inline struct slice
purge_payload(uint64_t i)
{
	static char text[PURGE_PAYLOAD + 64];
	int n = snprintf(text, sizeof text, "{\"i\":%llu,\"fill\":\"", (unsigned long long)i);
	uint64_t x = i * 0x9e3779b97f4a7c15ull + 1;

	while (n < PURGE_PAYLOAD) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		text[n++] = "0123456789abcdefghijklmnopqrstuv"[x >> 59];
	}
	text[n++] = '"';
	text[n++] = '}';
	return slice_of(text, (size_t)n);
}

/* Records up to size, 64 in a commit. */
static inline void
purge_fill(struct scratch *s, struct log *log, uint64_t size)
{
	scratch_fill(s, log, size, 64, purge_payload);
}

/* A scratch store whose log l has records up to size. */
static inline struct log *
purge_filled(struct scratch *s, uint64_t size)
{
	struct log *log;

	scratch_begin(s);
	log = scratch_log(s, "l", "{}");
	purge_fill(s, log, size);
	return log;
}

/* Purges the ranges; the error. What it says is printed when STELE_TEST_VERBOSE is set. */
static inline int
purge_of(struct scratch *s, struct log *log, const struct control_range *ranges, size_t n,
	 struct purge_result *out)
{
	const struct purge_request rq = {.ranges = ranges,
					 .n_ranges = n,
					 .members = slice_str("{\"policy\":0,\"plan\":\"pl-1\"}"),
					 .writer = slice_str("p-purger")};
	struct buf why;
	int err;

	buf_init(&why);
	err = purge_run(s->st, NULL, log, &rq, out, &why);
	if (getenv("STELE_TEST_VERBOSE") && why.n)
		fprintf(stderr, "purge: %.*s\n", (int)why.n, (const char *)why.p);
	buf_fini(&why);
	return err;
}

/* Purges [first, last], destroyed; the index of the entry. */
static inline uint64_t
purge_range(struct scratch *s, struct log *log, uint64_t first, uint64_t last)
{
	const struct control_range range = {first, last};
	struct purge_result out;

	ck_assert_int_eq(purge_of(s, log, &range, 1, &out), 0);
	ck_assert(out.destroyed);
	ck_assert_uint_eq(out.records, last - first + 1);
	return out.entry;
}

/* Records [first, last] are gone by this entry: all that is left is served, and nothing else. */
static inline void
purge_gone(struct scratch *s, struct log *log, uint64_t first, uint64_t last, uint64_t entry)
{
	for (uint64_t i = first; i <= last; i++) {
		static const uint8_t zeros[16];
		struct record r;
		struct arena a;
		arena_init(&a);
		ck_assert_int_eq(read_record(s->st, log, i, s->tools, &a, &r), STELE_EGONE);
		ck_assert_int_eq(read_entry(s->st, log, i, s->tools, &a, &r), 0);
		ck_assert(r.gone && !r.object);
		ck_assert_uint_eq(r.purge, entry);
		ck_assert_uint_eq(r.payload.n, 0);
		ck_assert_mem_eq(r.salt, zeros, 16);
		ck_assert_uint_eq(r.entry.index, i);
		arena_fini(&a);
	}
}

/* Records [first, last] read as they were written. */
static inline void
purge_reads(struct scratch *s, struct log *log, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++) {
		struct record r;
		struct arena a;
		arena_init(&a);
		ck_assert_msg(read_record(s->st, log, i, s->tools, &a, &r) == 0, "record %llu",
			      (unsigned long long)i);
		ck_assert(slice_eq(r.payload, purge_payload(i)));
		ck_assert(!r.gone);
		arena_fini(&a);
	}
}

static inline struct log *
purge_reopen(struct scratch *s)
{
	struct log *log;

	scratch_close(s);
	ck_assert_int_eq(scratch_open(s), 0);
	ck_assert_int_eq(store_log_find(s->st, slice_str("l"), &log), 0);
	return log;
}

static inline void
purge_finding(void *ctx, const char *where, const char *what)
{
	unsigned *n = ctx;

	++*n;
	fprintf(stderr, "fsck: %s: %s\n", where, what);
}

/* How much fsck finds in the closed store. */
static inline unsigned
purge_fsck(struct scratch *s)
{
	unsigned n = 0;
	const struct fsck_options o = {
		.dir = s->dir, .threads = 1, .finding = purge_finding, .ctx = &n};
	struct fsck_result r;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(fsck_run(&o, &r, &why), 0);
	buf_fini(&why);
	return n;
}

/* Data keys of this kind for a log in the store's keyring: their number, and the newest's id. */
static inline unsigned
purge_keys(struct scratch *s, const struct log *log, enum keyring_kind kind, uint64_t *newest)
{
	const struct keyring_data *d;
	unsigned found = 0;
	size_t n;

	d = keyring_each_data(s->st->keyring, &n);
	for (size_t i = 0; i < n; i++) {
		if (d[i].log_id != log->id || d[i].kind != kind)
			continue;
		found++;
		*newest = d[i].key_id;
	}
	return found;
}

#endif
