/* Objects in a scratch store: payloads made from a number, deposited and committed. */
#ifndef STELE_TESTS_SCRATCH_OBJECT_H
#define STELE_TESTS_SCRATCH_OBJECT_H

#include "scratch_store.h"

#include "storage/deposit.h"
#include "storage/object.h"

enum { SCRATCH_CHUNK = 1024 }; /* the smallest: many chunks in a small file */

/* n bytes that no compression shrinks and that differ for each seed; the caller's to free. */
static inline uint8_t *
scratch_payload(size_t n, uint32_t seed)
{
	uint8_t *p = malloc(n + 1);

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
	return p;
}

/* A deposit that holds the payload, sealed when `sealed` is true. */
static inline struct deposit *
scratch_deposit(struct scratch *s, struct log *log, struct slice payload, bool sealed)
{
	struct deposit *d;

	ck_assert_int_eq(deposit_new(&d, s->st, log, 0, SCRATCH_CHUNK), 0);
	ck_assert_int_eq(deposit_put(d, payload, s->tools), 0);
	if (sealed)
		ck_assert_int_eq(deposit_seal(d, s->tools), 0);
	return d;
}

/* A prepared job for a sealed deposit. */
static inline void
scratch_object_job(struct scratch *s, struct append_job *job, struct log *log,
		   const struct deposit *d, const char *key)
{
	scratch_job(s, job, log, "", key);
	deposit_item(d, job->items);
	ck_assert_int_eq(append_prepare(job, s->tools), 0);
}

/* Commits a payload as an object; its index. */
static inline uint64_t
scratch_object(struct scratch *s, struct log *log, struct slice payload)
{
	struct deposit *d = scratch_deposit(s, log, payload, true);
	struct append_job job;
	uint64_t index;

	scratch_object_job(s, &job, log, d, NULL);
	ck_assert_int_eq(store_append_batch(s->st, &job), 0);
	ck_assert_int_eq(job.err, 0);
	index = job.first;
	append_job_fini(&job);
	deposit_keep(d);
	return index;
}

/* Opens the object of a record. */
static inline int
scratch_open_object(struct scratch *s, struct log *log, uint64_t index, struct object **out,
		    char path[OBJECT_PATH_BYTES])
{
	struct object_descriptor d;
	struct record r;
	struct arena a;
	int err;

	arena_init(&a);
	err = read_record(s->st, log, index, s->tools, &a, &r);
	if (err == 0) {
		ck_assert(r.object);
		ck_assert_int_eq(object_descriptor_read(&d, r.payload), 0);
		ck_assert_uint_eq(d.size, r.entry.size);
		if (path)
			ck_assert_int_eq(object_path(path, OBJECT_PATH_BYTES, s->st, log, d.id), 0);
		err = object_open(out, s->st, log, index, r.payload);
	}
	arena_fini(&a);
	return err;
}

#endif
