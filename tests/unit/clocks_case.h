/*
 * A store whose clocks a test sets, and what it records of them: for tests of storage/clocks.h.
 */
#ifndef STELE_TESTS_UNIT_CLOCKS_CASE_H
#define STELE_TESTS_UNIT_CLOCKS_CASE_H

#include <stdbool.h>
#include <string.h>

#include "proto/limits.h"
#include "scratch_store.h"
#include "storage/internal.h"

#define S INT64_C(1000000000)
#define H (3600 * S)
#define D (24 * H)

enum { NEWS_BYTES = 16384 };

/* What the store recorded, line by line. */
struct news {
	char text[NEWS_BYTES];
	size_t n;
};

static inline void
note(void *ctx, struct slice json)
{
	struct news *news = ctx;

	ck_assert_uint_lt(news->n + json.n + 1, sizeof news->text);
	memcpy(news->text + news->n, json.p, json.n);
	news->n += json.n;
	news->text[news->n++] = '\n';
	news->text[news->n] = '\0';
}

static inline bool
was_noted(const struct news *news, const char *part)
{
	return strstr(news->text, part) != NULL;
}

static inline void
begin(struct scratch *s, struct news *news)
{
	memset(news, 0, sizeof *news);
	scratch_begin(s);
	scratch_close(s);
	s->opts.record = note;
	s->opts.record_ctx = news;
	s->opts.clock_credit_ns = LIMIT_CLOCK_CREDIT_NS;
	s->opts.clock_year_ns = LIMIT_CLOCK_YEAR_NS;
	ck_assert_int_eq(scratch_open(s), 0);
}

static inline struct clock_reading
readings(struct scratch *s)
{
	struct clock_reading r;

	store_clock_get(s->st, &r);
	return r;
}

static inline void
clock_path(const struct scratch *s, char path[300])
{
	snprintf(path, 300, "%s/clock", s->dir);
}

/* Ends as a kill does: nothing more is saved. */
static inline void
kill_store(struct scratch *s)
{
	atomic_store(&s->st->read_only, true);
	scratch_close(s);
}

/* The entry's lock end and time, of the newest record. */
static inline void
append_one(struct scratch *s, struct log *log, int64_t *time_ns, int64_t *until_ns)
{
	struct record r;
	struct arena a;
	uint64_t index = scratch_append(s, log, "{}");

	arena_init(&a);
	ck_assert_int_eq(read_record(s->st, log, index, s->tools, &a, &r), 0);
	*time_ns = r.entry.time_ns;
	*until_ns = r.entry.retain_until_ns;
	arena_fini(&a);
}

#define WEEK "{\"retain\":{\"default\":\"7d\"}}"

#endif
