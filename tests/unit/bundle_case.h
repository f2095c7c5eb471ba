/*
 * Bundles of a scratch store, and a small reader of them that knows docs/formats.md section 10 and
 * nothing of the code that writes them.
 */
#ifndef STELE_TESTS_UNIT_BUNDLE_CASE_H
#define STELE_TESTS_UNIT_BUNDLE_CASE_H

#include <jansson.h>
#include <zlib.h>

#include "purge_case.h"

#include "crypto/merkle.h"
#include "proto/base64.h"
#include "proto/hex.h"
#include "proto/le.h"
#include "storage/bundle.h"
#include "storage/file.h"
#include "storage/mapping.h"

#define BUNDLE_ID "x-abcdefgh27"

enum { CASE_LOGS = 6, CASE_RUNS = 16, CASE_FILES = 256 };

/* What is to be exported: runs of each log. */
struct bundle_case {
	struct scratch s;
	struct arena arena;
	struct bundle_job job;
	struct bundle_log logs[CASE_LOGS];
	struct bundle_run runs[CASE_LOGS][CASE_RUNS];
	size_t n_runs[CASE_LOGS];
	uint64_t restricted; /* this index of the first log */
	uint64_t took, steps, stop_at;
	void (*at_step)(struct bundle_case *c); /* once, at stop_at, in place of a stop */
	struct bundle_result result;
	struct buf why;
};

static inline int
case_next(void *ctx, size_t log, uint64_t from, struct bundle_run *out)
{
	struct bundle_case *c = ctx;

	for (size_t i = 0; i < c->n_runs[log]; i++) {
		*out = c->runs[log][i];
		if (out->last < from)
			continue;
		out->first = out->first > from ? out->first : from;
		return 0;
	}
	return 1;
}

static inline bool
case_restricted(void *ctx, size_t log, uint64_t index)
{
	struct bundle_case *c = ctx;

	return log == 0 && c->restricted && index == c->restricted;
}

static inline void
case_took(void *ctx, size_t log, uint64_t index)
{
	(void)log;
	(void)index;
	((struct bundle_case *)ctx)->took++;
}

static inline bool
case_step(void *ctx, const struct bundle_counts *so_far)
{
	struct bundle_case *c = ctx;

	(void)so_far;
	if (++c->steps != c->stop_at)
		return false;
	if (!c->at_step)
		return true;
	c->at_step(c);
	return false;
}

static inline void
case_begin(struct bundle_case *c)
{
	memset(c, 0, sizeof *c);
	scratch_begin(&c->s);
	arena_init(&c->arena);
	buf_init(&c->why);
	c->job = (struct bundle_job){
		.id = slice_str(BUNDLE_ID),
		.request = slice_str("{\"kind\":\"range\",\"logs\":[\"l\"]}"),
		.requester = slice_str("p-test"),
		.reason = slice_str("<b>\"case\" & 7</b>"),
		.begun_ns = 1795000000000000000,
		.version = slice_str("9.9"),
		.logs = c->logs,
		.custody = slice_str("{\"custody\":true}\n"),
		.next = case_next,
		.restricted = case_restricted,
		.took = case_took,
		.step = case_step,
		.ctx = c,
	};
}

static inline void
case_end(struct bundle_case *c)
{
	for (size_t i = 0; i < c->job.n_logs; i++)
		head_unref(c->logs[i].head);
	arena_fini(&c->arena);
	buf_fini(&c->why);
	scratch_end(&c->s);
}

/* One more log, pinned as it is now, of which nothing is asked yet. */
static inline size_t
case_add(struct bundle_case *c, struct log *log)
{
	size_t i = c->job.n_logs++;

	c->logs[i] = (struct bundle_log){
		.log = log,
		.head = log_head(log),
		.mapping = mapping_builtin(&c->arena, c->s.tools->sha),
		.permitted = true,
	};
	ck_assert_ptr_nonnull(c->logs[i].mapping);
	return i;
}

/* One more run of it. */
static inline void
case_run(struct bundle_case *c, size_t log, uint64_t first, uint64_t last, bool asked)
{
	c->runs[log][c->n_runs[log]++] = (struct bundle_run){first, last, asked};
}

static inline int
case_make(struct bundle_case *c)
{
	int err;

	c->job.st = c->s.st;
	c->steps = 0;
	buf_reset(&c->why);
	err = bundle_make(&c->job, &c->result, &c->why);
	if (getenv("STELE_TEST_VERBOSE") && err)
		fprintf(stderr, "bundle: %.*s\n", (int)c->why.n, (const char *)c->why.p);
	ck_assert((err == 0) == (c->why.n == 0));
	return err;
}

static inline void
case_save(struct bundle_case *c, const char *folder, struct slice bytes)
{
	struct identity *id = store_identity(c->s.st);
	static unsigned number;
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/%u.zip", folder, ++number);
	f = fopen(path, "w");
	ck_assert(f && fwrite(bytes.p, 1, bytes.n, f) == bytes.n && fclose(f) == 0);
	snprintf(path, sizeof path, "%s/%u.key", folder, number);
	f = fopen(path, "w");
	ck_assert(f && fputs(identity_vkey(id), f) >= 0 && fclose(f) == 0);
	identity_unref(id);
}

/*
 * The whole archive, the caller's to free; also into files N.zip
 * and N.key of the folder that STELE_BUNDLE_OUT names: for other people's programs. */
static inline struct slice
case_bytes(struct bundle_case *c)
{
	const char *to = getenv("STELE_BUNDLE_OUT");
	struct spool_reader *r;
	uint8_t *p;
	size_t n;

	ck_assert_int_eq(spool_open(&r, c->s.st, slice_str(BUNDLE_ID)), 0);
	n = (size_t)spool_bytes(r);
	ck_assert_uint_eq(n, c->result.bytes);
	ck_assert_mem_eq(spool_digest(r), c->result.digest, 32);
	p = malloc(n + 1);
	ck_assert_int_eq(spool_read(r, 0, p, n), 0);
	spool_close(r);
	if (to)
		case_save(c, to, slice_of(p, n));
	return slice_of(p, n);
}

/* --- the reader ---------------------------------------------------------------------------- */

struct case_file {
	char path[256]; /* in the bag */
	struct slice data;
};

struct case_zip {
	struct slice bytes;
	struct case_file files[CASE_FILES];
	size_t n;
};

static inline void
case_unpack(struct case_file *f, struct slice packed, unsigned method, size_t size, uint32_t crc)
{
	uint8_t *out = malloc(size + 1);
	z_stream z = {0};

	ck_assert_ptr_nonnull(out);
	if (method == 0) {
		ck_assert_uint_eq(packed.n, size);
		memcpy(out, packed.p, size);
	} else {
		ck_assert_uint_eq(method, 8);
		z.next_in = (Bytef *)(uintptr_t)packed.p;
		z.avail_in = (uInt)packed.n;
		z.next_out = out;
		z.avail_out = (uInt)size + 1;
		ck_assert_int_eq(inflateInit2(&z, -15), Z_OK);
		ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
		ck_assert_uint_eq(z.total_out, size);
		ck_assert_uint_eq(z.avail_in, 0);
		inflateEnd(&z);
	}
	ck_assert_uint_eq(crc32(0, out, (uInt)size), crc);
	out[size] = '\0';
	f->data = slice_of(out, size);
}

/* Takes a strict archive apart: what is in it, from the first byte to the last. */
static inline void
case_unzip(struct case_zip *z, struct slice bytes)
{
	static const char prefix[] = "stele-" BUNDLE_ID "/";
	const uint8_t *end = bytes.p + bytes.n - 22, *c;
	size_t at = 0, n_prefix = sizeof prefix - 1;

	z->bytes = bytes;
	ck_assert_uint_eq(le_get32(end), 0x06054b50);
	z->n = le_get16(end + 10);
	ck_assert_uint_lt(z->n, CASE_FILES);
	c = bytes.p + le_get32(end + 16);
	for (size_t i = 0; i < z->n; i++) {
		const uint8_t *l = bytes.p + at;
		size_t name = le_get16(l + 26), packed = le_get32(l + 18);

		ck_assert_uint_eq(le_get32(l), 0x04034b50);
		ck_assert_uint_eq(le_get32(c), 0x02014b50);
		ck_assert_uint_eq(le_get16(l + 4), 20);
		ck_assert_uint_eq(le_get16(l + 28), 0);
		ck_assert_mem_eq(l + 4, c + 6, 24); /* version to the name's length */
		ck_assert_uint_eq(le_get32(c + 38), 0x81240000);
		ck_assert_uint_eq(le_get32(c + 42), at);
		ck_assert_mem_eq(l + 30, c + 46, name);
		ck_assert_mem_eq(l + 30, prefix, n_prefix);
		memcpy(z->files[i].path, l + 30 + n_prefix, name - n_prefix);
		z->files[i].path[name - n_prefix] = '\0';
		case_unpack(&z->files[i], slice_of(l + 30 + name, packed), le_get16(l + 8),
			    le_get32(l + 22), le_get32(l + 14));
		at += 30 + name + packed;
		c += 46 + name;
	}
	ck_assert_uint_eq(at, le_get32(end + 16));
	ck_assert_ptr_eq(c, end);
	ck_assert_uint_eq(le_get32(end + 12), (size_t)(end - bytes.p) - at);
}

static inline void
case_zip_free(struct case_zip *z)
{
	for (size_t i = 0; i < z->n; i++)
		free((void *)(uintptr_t)z->files[i].data.p);
	free((void *)(uintptr_t)z->bytes.p);
	free(z);
}

/* Makes the bundle and takes it apart. */
static inline struct case_zip *
case_open(struct bundle_case *c)
{
	struct case_zip *z = calloc(1, sizeof *z);

	ck_assert_int_eq(case_make(c), 0);
	case_unzip(z, case_bytes(c));
	ck_assert_uint_eq(z->n, c->result.files);
	return z;
}

/* The file of that path; NULL data when there is none. */
static inline struct slice
case_file(const struct case_zip *z, const char *path)
{
	for (size_t i = 0; i < z->n; i++)
		if (strcmp(z->files[i].path, path) == 0)
			return z->files[i].data;
	return slice_of(NULL, 0);
}

/* The JSON document in line i of a file, from 0; NULL behind the last. */
static inline json_t *
case_line(struct slice file, size_t i)
{
	json_t *j;
	const uint8_t *p = file.p, *end = file.p + file.n, *stop;

	while (i-- && p < end)
		p = (const uint8_t *)memchr(p, '\n', (size_t)(end - p)) + 1;
	if (p >= end)
		return NULL;
	stop = memchr(p, '\n', (size_t)(end - p));
	ck_assert_ptr_nonnull(stop);
	j = json_loadb((const char *)p, (size_t)(stop - p), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
		       NULL);
	ck_assert_ptr_nonnull(j);
	return j;
}

static inline struct slice
case_string(const json_t *line, const char *member)
{
	const json_t *s = json_object_get(line, member);

	return s ? slice_of(json_string_value(s), json_string_length(s)) : slice_of(NULL, 0);
}

static inline void
case_hash(const json_t *list, size_t i, uint8_t out[32])
{
	struct slice s = slice_str(json_string_value(json_array_get(list, i)));

	ck_assert_uint_eq(s.n, 44);
	ck_assert_int_eq(base64_decode_exact(out, 32, s), 0);
}

#endif
