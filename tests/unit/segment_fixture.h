/*
 * A log in memory, of records of every kind a segment can hold, and the
 * segments built of it. The same records for the same numbers, always.
 */
#ifndef STELE_TESTS_UNIT_SEGMENT_FIXTURE_H
#define STELE_TESTS_UNIT_SEGMENT_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/salt.h"
#include "folder.h"
#include "proto/err.h"
#include "storage/read.h"
#include "storage/segbuild.h"
#include "storage/toolbox.h"

#define FIXTURE_ORIGIN "ledger.example.com/payments"

enum { FIXTURE_BATCH = 40 }; /* records that one seed salts; every third batch has none */

struct fixture {
	struct folder folder;
	struct toolbox *t;
	struct signer *signer;
	uint8_t data_key[32];
	uint64_t n;            /* records of the log */
	uint64_t from, to, at; /* what the source gives */
	uint8_t (*leaves)[32];
	uint8_t empty_root[32];
	uint64_t *ctl; /* of each record */
	uint8_t seed[32];
	struct buf payload; /* of the record given last */
	int fail_at;        /* the source fails at this record; -1: never */
	struct arena arena; /* of mapping */
	const struct mapping *mapping;
	bool events;     /* payloads that a schema fits, most of them, with values of their own */
	bool all_second; /* every event has the second resource */
	struct buf why;
};

/* A cloud API call: few actors, one id each; some have a second resource
 * and fail, one in 90 has no time. */
static inline void
fixture_event(struct fixture *f, uint64_t i)
{
	struct buf *b = &f->payload;
	bool second = !(i * 2654435761u >> 20 & 1);

	buf_reset(b);
	buf_printf(
		b,
		"{\"eventVersion\":\"1.08\",\"eventSource\":\"s3\",\"eventName\":\"act%llu\","
		"\"userIdentity\":{\"userName\":\"user%llu\"},\"sourceIPAddress\":\"10.0.%llu.%llu\","
		"\"eventID\":\"id-%llu\",\"resources\":[{\"ARN\":\"arn:%llu\"}%s]",
		(unsigned long long)(i * i % 23), (unsigned long long)(i % 7),
		(unsigned long long)(i / 300), (unsigned long long)(i % 251), (unsigned long long)i,
		(unsigned long long)(i % 400),
		second || f->all_second ? ",{\"ARN\":\"arn:second\"}" : "");
	if (second)
		buf_put_str(b, ",\"errorCode\":\"Twice\"");
	if (i % 90)
		buf_printf(b, ",\"eventTime\":\"2026-01-%02lluT00:00:%02lluZ\"",
			   (unsigned long long)(1 + i / 256 % 28), (unsigned long long)(i % 60));
	buf_put_u8(b, '}');
}

/* A payload of n bytes that has the record's number in it; every 50th is random. */
static inline void
fixture_payload(struct fixture *f, uint64_t i)
{
	struct buf *b = &f->payload;

	if (f->events && i % 31) {
		fixture_event(f, i);
		return;
	}
	buf_reset(b);
	if (i % 97 == 5)
		return; /* empty */
	buf_printf(b, "{\"actor\":\"user%llu\",\"action\":\"%s\",\"amount\":%llu,\"note\":\"",
		   (unsigned long long)(i % 17), i % 3 ? "pay" : "login",
		   (unsigned long long)(i * 7919));
	for (uint64_t k = 0; k < i % 7; k++)
		buf_printf(b, "the quick brown fox %llu ", (unsigned long long)(i * k));
	buf_put_str(b, "\"}");
	if (i % 50 == 7) {
		uint32_t x = (uint32_t)i * 2654435761u + 1;
		for (int k = 0; k < 400; k++) {
			x = x * 1664525u + 1013904223u;
			buf_put_u8(b, (uint8_t)(x >> 24));
		}
	}
	if (i % 331 == 11) { /* its commitment is stored */
		while (b->n <= LIMIT_DERIVED_BYTES)
			buf_printf(b, "long text %llu; ", (unsigned long long)(i * 31 + b->n));
	}
	if (i % 700 == 13) { /* larger than a block */
		while (b->n < LIMIT_BLOCK_BYTES + 1000)
			buf_printf(b, "longer text %llu; ", (unsigned long long)(i * 37 + b->n));
	}
}

/* Record i, its commitment always filled in. Slices are valid until the next call. */
static inline void
fixture_record(struct fixture *f, uint64_t i, struct segment_record *r)
{
	uint64_t batch = i / FIXTURE_BATCH;
	uint8_t seed[32];

	fixture_payload(f, i);
	*r = (struct segment_record){
		.kind = i == 0           ? ENTRY_POLICY
			: i % 500 == 499 ? ENTRY_HOLD
					 : ENTRY_RECORD,
		.ctl = f->ctl[i],
		.size = f->payload.n,
		.time_ns = INT64_C(1795448880000000000) + (int64_t)(i / 3) * 1234567,
		.media_type = slice_str(i % 11 ? "application/json" : "text/plain; charset=utf-8"),
		.writer = slice_str(i / 100 % 2 ? "s-7k2m9q" : "p-4x8w2c"),
		.payload = buf_slice(&f->payload),
		.has_key = i % 5 == 2,
	};
	if (r->kind == ENTRY_RECORD && i % 13) {
		r->mode = i % 26 < 13 ? ENTRY_MODE_GOVERNANCE : ENTRY_MODE_COMPLIANCE;
		if (i % 29 == 3)
			r->event = slice_str("case-closed");
		else
			r->retain_until_ns = r->time_ns + INT64_C(86400000000000) * 3650;
	}
	memcpy(seed, f->seed, 32);
	seed[0] = (uint8_t)batch;
	seed[1] = (uint8_t)(batch >> 8);
	salt_expand(seed, (uint32_t)(i % FIXTURE_BATCH), 1, &r->salt);
	sha256_hash(f->t->sha, r->commitment, slice_of(r->salt, 16));
	memcpy(r->key, r->commitment, 16); /* in no order */
	if (batch % 3) {
		static uint8_t given[32];
		memcpy(given, seed, 32);
		r->seed = given;
		r->seed_ordinal = (uint32_t)(i % FIXTURE_BATCH);
	}
	sha256_commitment(f->t->sha, r->commitment, r->salt, r->payload);
	if (i % 401 == 200) { /* an object: its payload is said to be elsewhere */
		static const char descriptor[] = "object 5f2a, sealed under key 9";
		r->object = true;
		r->size = UINT64_C(10) << 30;
		r->payload = slice_of(descriptor, sizeof descriptor - 1);
	}
	memcpy(r->leaf, f->leaves[i], 32);
}

static inline int
fixture_rewind(void *ctx)
{
	struct fixture *f = ctx;

	f->at = f->from;
	return 0;
}

static inline int
fixture_next(void *ctx, struct segment_record *r)
{
	struct fixture *f = ctx;

	if (f->at == f->to)
		return 1;
	if (f->fail_at >= 0 && f->at == (uint64_t)f->fail_at)
		return STELE_EIO;
	fixture_record(f, f->at, r);
	/* only what is stored is asked for */
	if (!r->object && r->size <= LIMIT_DERIVED_BYTES)
		memset(r->commitment, 0xee, 32);
	f->at++;
	return 0;
}

/* The tree of the first size records. */
static inline void
fixture_tree(struct fixture *f, uint64_t size, struct merkle_frontier *out)
{
	merkle_frontier_init(out);
	for (uint64_t i = 0; i < size; i++)
		merkle_frontier_append(f->t->sha, out, f->leaves[i]);
}

static inline void
fixture_prev(const struct fixture *f, uint64_t i, uint8_t prev[32])
{
	memcpy(prev, i ? f->leaves[i - 1] : f->empty_root, 32);
}

/* Entries and their hashes, of what the fixture says of each record now. */
static inline void
fixture_hash(struct fixture *f)
{
	for (uint64_t i = 0; i < f->n; i++) {
		char text[LIMIT_ENTRY_BYTES];
		struct segment_record r;
		struct entry e;
		uint8_t prev[32];
		int len;
		fixture_record(f, i, &r);
		fixture_prev(f, i, prev);
		segment_entry(&e, slice_str(FIXTURE_ORIGIN), i, prev, &r);
		len = entry_write(text, sizeof text, &e);
		ck_assert_int_gt(len, 0);
		sha256_leaf(f->t->sha, f->leaves[i], slice_of(text, (size_t)len));
	}
}

/* A log of n records in a folder of its own. */
static inline void
fixture_init(struct fixture *f, uint64_t n)
{
	static const uint8_t seed[32] = {2};
	uint64_t ctl = 0;

	memset(f, 0, sizeof *f);
	folder_init(&f->folder);
	f->t = toolbox_new();
	arena_init(&f->arena);
	f->mapping = mapping_builtin(&f->arena, f->t->sha);
	f->n = n;
	f->fail_at = -1;
	f->ctl = calloc(n, sizeof *f->ctl);
	f->leaves = calloc(n, 32);
	ck_assert(f->t && f->ctl && f->leaves);
	memset(f->seed, 9, sizeof f->seed);
	memset(f->data_key, 5, sizeof f->data_key);
	ck_assert_int_eq(signer_new(&f->signer, f->t->sha, slice_str(FIXTURE_ORIGIN), seed), 0);
	sha256_hash(f->t->sha, f->empty_root, slice_of("", 0));
	for (uint64_t i = 0; i < n; i++) {
		f->ctl[i] = ctl;
		if (i == 0 || i % 500 == 499)
			ctl = i;
	}
	fixture_hash(f);
}

static inline void
fixture_fini(struct fixture *f)
{
	folder_fini(&f->folder);
	arena_fini(&f->arena);
	signer_free(f->signer);
	toolbox_free(f->t);
	buf_fini(&f->payload);
	buf_fini(&f->why);
	free(f->leaves);
	free(f->ctl);
}

/* The plan for [from, to), generation 1, and the source set to it; before is the caller's. */
static inline void
fixture_plan(struct fixture *f, uint64_t from, uint64_t to, struct merkle_frontier *before,
	     struct segment_plan *plan)
{
	struct merkle_frontier after;

	f->from = from;
	f->to = to;
	fixture_tree(f, from, before);
	fixture_tree(f, to, &after);
	*plan = (struct segment_plan){
		.dir = f->folder.dir,
		.facts = {.log_id = 3,
			  .first = from,
			  .count = to - from,
			  .generation = 1,
			  .data_key_id = 8,
			  .payload_bytes = 77 /* not for the caller to say */},
		.replaces = "",
		.data_key = f->data_key,
		.mapping = f->mapping,
		.signer = f->signer,
		.before = before,
	};
	snprintf(plan->facts.origin, sizeof plan->facts.origin, "%s", FIXTURE_ORIGIN);
	fixture_prev(f, from, plan->facts.prev);
	merkle_frontier_root(f->t->sha, &after, plan->facts.root);
}

static inline int
fixture_build_plan(struct fixture *f, const struct segment_plan *plan, struct segment_facts *out)
{
	const struct segment_source source = {f, fixture_rewind, fixture_next};

	buf_reset(&f->why);
	return segment_build(plan, &source, f->t, out, &f->why);
}

/* Builds [from, to); it must succeed. */
static inline void
fixture_build(struct fixture *f, uint64_t from, uint64_t to, struct segment_facts *out)
{
	struct merkle_frontier before;
	struct segment_plan plan;

	fixture_plan(f, from, to, &before, &plan);
	ck_assert_msg(fixture_build_plan(f, &plan, out) == 0, "%.*s", (int)f->why.n,
		      (const char *)f->why.p);
}

static inline int
fixture_open(struct fixture *f, const struct segment_facts *facts, struct segment **out)
{
	buf_reset(&f->why);
	return segment_open(out, f->folder.dir, facts, f->data_key, f->t, &f->why);
}

/* Whether a record that came out is the one that went in, seed and all. */
static inline void
fixture_same(struct fixture *f, uint64_t i, const struct segment_record *r)
{
	struct segment_record want;

	fixture_record(f, i, &want);
	ck_assert_msg(want.kind == r->kind && want.mode == r->mode && want.ctl == r->ctl &&
			      want.size == r->size && want.time_ns == r->time_ns &&
			      want.retain_until_ns == r->retain_until_ns &&
			      want.object == r->object,
		      "record %llu", (unsigned long long)i);
	ck_assert(slice_eq(want.media_type, r->media_type) && slice_eq(want.writer, r->writer) &&
		  slice_eq(want.event, r->event) && slice_eq(want.payload, r->payload));
	ck_assert_mem_eq(want.leaf, r->leaf, 32);
	ck_assert_mem_eq(want.salt, r->salt, 16);
	if (r->seed) {
		uint8_t salt[1][16];
		salt_expand(r->seed, r->seed_ordinal, 1, salt);
		ck_assert_mem_eq(salt, want.salt, 16);
		ck_assert(want.seed != NULL);
	}
}

#endif
