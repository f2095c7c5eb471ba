/*
 * A scratch store with sealed records, for tests of what happens to segments: many
 * records quickly, seals, damaged files, and whether everything reads as it was written.
 */
#ifndef STELE_TESTS_UNIT_SEALED_LOG_H
#define STELE_TESTS_UNIT_SEALED_LOG_H

#include <dirent.h>
#include <sys/stat.h>

#include "scratch_store.h"
#include "storage/internal.h"

/* The payload of the record at index i. */
static inline struct slice
sealed_log_payload(uint64_t i)
{
	static char text[64];

	snprintf(text, sizeof text, "{\"i\":%llu,\"fill\":\"%llx\"}", (unsigned long long)i,
		 (unsigned long long)(i * 0x9e3779b97f4a7c15ull));
	return slice_str(text);
}

/* Records up to size, in commits of at most 64. */
static inline void
sealed_log_fill(struct scratch *s, struct log *log, uint64_t size)
{
	scratch_fill(s, log, size, 64, sealed_log_payload);
}

/* Seals all of it, saves the catalogue, and lets what was replaced leave. */
static inline void
sealed_log_seal(struct scratch *s, struct log *log)
{
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(store_seal_log(s->st, log, &why), 0);
	buf_fini(&why);
	ck_assert_int_eq(store_maintain(s->st), 0);
	ck_assert_int_ge(store_seal_due(s->st), 0);
}

/* Whether the record at index reads as it was written: 0, or the error. */
static inline int
sealed_log_read(struct scratch *s, struct log *log, uint64_t index)
{
	struct record r;
	struct arena a;
	int err;

	arena_init(&a);
	err = read_record(s->st, log, index, s->tools, &a, &r);
	if (err == 0)
		ck_assert(slice_eq(r.payload, sealed_log_payload(index)));
	arena_fini(&a);
	return err;
}

/* Every record from 1 on reads as it was written. */
static inline void
sealed_log_reads(struct scratch *s, struct log *log, uint64_t size)
{
	for (uint64_t i = 1; i < size; i++)
		ck_assert_int_eq(sealed_log_read(s, log, i), 0);
}

/* DATA/segments/LOG/NAME, valid until the next call. */
static inline const char *
sealed_log_path(struct scratch *s, const char *log, const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/segments/%s/%s", s->dir, log, name);
	return path;
}

/* Flips a bit of a file. */
static inline void
sealed_log_damage(const char *path, long at)
{
	FILE *f;
	int c;

	ck_assert_int_eq(chmod(path, 0600), 0);
	f = fopen(path, "r+");
	ck_assert_ptr_nonnull(f);
	fseek(f, at, SEEK_SET);
	c = fgetc(f);
	fseek(f, at, SEEK_SET);
	fputc(c ^ 1, f);
	fclose(f);
}

#endif
