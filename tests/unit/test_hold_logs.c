/* What entries make of a hold in a log, and what is shown of it. */
#include "scratch_store.h"

#include <jansson.h>

#include "crypto/init.h"
#include "server/deeds.h"
#include "server/hold_logs.h"
#include "server/kit.h"
#include "storage/locks.h"
#include "suite.h"

#define BASE "\"id\":\"h-aaaaaaaaaa\",\"matter\":\"m\",\"name\":\"n\",\"reason\":\"r\""
#define FILTER                                                                                     \
	"{" BASE ",\"logs\":[\"*\"],\"filter\":\"a = 1\",\"filter_digest\":"                       \
	"\"AQEBAQEBAQEBAQEBAQEBAQ==\",\"mapping\":"                                                \
	"\"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"}"
#define ID slice_str("h-aaaaaaaaaa")

static struct hold *
hold_of(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	struct hold *h;
	struct buf why;

	buf_init(&why);
	ck_assert_msg(o && hold_read(&h, o, slice_str("p-1"), &why) == 0, "%s: %.*s", json,
		      (int)why.n, (char *)why.p);
	buf_fini(&why);
	json_decref(o);
	return h;
}

/* Writes all entries in one commit; the index of the first. */
static uint64_t
write_all(struct scratch *s, struct hold_entries *all)
{
	struct kit *kit = kit_new();
	struct append_job *first;
	struct deed_jobs *jobs;
	uint64_t index;

	ck_assert_int_eq(deed_jobs_new(&jobs, all->e, all->n, slice_str("p-1"), NULL, kit, &first),
			 0);
	ck_assert_int_eq(store_append_batch(s->st, first), 0);
	for (const struct append_job *j = first; j; j = j->next) {
		ck_assert_int_eq(j->err, 0);
		ck_assert(j->tied == (j->next != NULL)); /* all in one commit, or none */
	}
	deed_jobs_free(jobs);
	index = all->e[0].index;
	hold_entries_fini(all);
	kit_free(kit);
	return index;
}

/* A store with a log of four records behind entry 0. */
static struct log *
begin(struct scratch *s)
{
	struct log *log;

	scratch_begin(s);
	log = scratch_log(s, "a", "{}");
	for (int i = 0; i < 4; i++)
		scratch_append(s, log, "{}");
	return log;
}

static uint64_t
place(struct scratch *s, struct log *log, const struct hold *h)
{
	struct hold_entries all;

	hold_entries_init(&all);
	ck_assert_int_eq(hold_entries_first(&all, log, h, h->mapping, slice_str(",\"by\":\"p-1\"")),
			 0);
	return write_all(s, &all);
}

/* Whether the record is held, as far as anything says so. */
static bool
held(struct log *log, uint64_t index)
{
	const struct entry e = {.kind = ENTRY_RECORD};
	struct lock_state s;

	locks_look(log_locks(log), index, &e, 0, &s);
	return s.holds != 0;
}

static void
covers(const char *json, uint64_t first, uint64_t last)
{
	struct hold *h = hold_of(json);
	struct scratch s;
	struct log *log = begin(&s);
	uint64_t at = place(&s, log, h);

	ck_assert_uint_eq(at, 5);
	for (uint64_t i = 0; i < 20; i++)
		ck_assert_msg(held(log, i) == (i >= first && i <= last), "%s: %d", json, (int)i);
	scratch_close(&s); /* and so after a start */
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("a"), &log), 0);
	for (uint64_t i = 0; i < 20; i++)
		ck_assert(held(log, i) == (i >= first && i <= last));
	hold_free(h);
	scratch_end(&s);
}

START_TEST(first_entries_cover_what_the_hold_says)
{
	covers("{" BASE ",\"logs\":[\"*\"]}", 0, 4);
	covers("{" BASE ",\"logs\":[\"*\"],\"open_ended\":true}", 0, UINT64_MAX);
	covers("{" BASE ",\"logs\":[\"a\"],\"range\":[2,7]}", 2, 7);
	covers("{" BASE ",\"logs\":[\"a\"],\"range\":[2,null]}", 2, 4);
	covers("{" BASE ",\"logs\":[\"a\"],\"range\":[5,null]}", 1, 0); /* its own entry's index */
	covers("{" BASE ",\"logs\":[\"a\"],\"range\":[2,null],\"open_ended\":true}", 2, UINT64_MAX);
	covers("{" BASE ",\"logs\":[\"a\"],\"records\":[[3,3]]}", 3, 3);
	covers(FILTER, 0, UINT64_MAX);
}
END_TEST

static struct lock_hold
said(struct log *log)
{
	struct lock_hold h;

	ck_assert(locks_hold(log_locks(log), ID, &h));
	return h;
}

/* In how many logs it is. */
static size_t
held_in(struct scratch *s)
{
	json_t *list = hold_logs_held(s->st, ID);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

START_TEST(an_examined_part_is_what_was_found_and_the_rest_stays_open)
{
	const struct control_range found[] = {{1, 1}, {3, 3}};
	struct hold *h = hold_of(FILTER);
	struct hold_entries all;
	struct scratch s;
	struct log *log = begin(&s);

	place(&s, log, h);
	hold_entries_init(&all);
	ck_assert_int_eq(hold_entries_cover(&all, log, h, found, 2, 0, 4, slice_of("", 0)), 0);
	write_all(&s, &all);
	ck_assert(!held(log, 0) && held(log, 1) && !held(log, 2) && held(log, 3));
	ck_assert(held(log, 4) && held(log, 99));
	ck_assert_uint_eq(said(log).open_from, 4);
	hold_entries_init(&all);
	ck_assert_int_eq(
		hold_entries_cover(&all, log, h, NULL, 0, 4, CONTROL_OPEN, slice_of("", 0)), 0);
	write_all(&s, &all);
	ck_assert(held(log, 1) && held(log, 3) && !held(log, 4) && !held(log, 99));
	hold_entries_init(&all);
	ck_assert_int_eq(hold_entries_release(&all, log, ID, slice_of("", 0)), 0);
	write_all(&s, &all);
	ck_assert(!held(log, 1) && !held(log, 3));
	ck_assert_uint_eq(held_in(&s), 0);
	hold_free(h);
	scratch_end(&s);
}
END_TEST

START_TEST(many_ranges_take_several_entries_and_nothing_is_let_go_between_them)
{
	enum { N = 2 * LIMIT_HOLD_ENTRY_RANGES + 1 };
	struct control_range *r = calloc(N, sizeof *r);
	struct hold *h = hold_of(FILTER);
	struct hold_entries all;
	struct scratch s;
	struct log *log = begin(&s);

	for (uint64_t i = 0; i < N; i++)
		r[i] = (struct control_range){2 * i, 2 * i};
	place(&s, log, h);
	hold_entries_init(&all);
	ck_assert_int_eq(hold_entries_cover(&all, log, h, r, N, 0, 2 * N, slice_of("", 0)), 0);
	ck_assert_uint_eq(all.n, 3);
	for (size_t i = 0; i < 3; i++) { /* only the last one ends what was open */
		struct control *c;
		struct buf why;
		buf_init(&why);
		ck_assert_int_eq(control_read(&c, ENTRY_HOLD, 1, buf_slice(&all.e[i].json), &why),
				 0);
		ck_assert_uint_eq(c->n_ranges, i < 2 ? LIMIT_HOLD_ENTRY_RANGES : 1);
		ck_assert_uint_eq(c->open_from, i < 2 ? 0 : 2 * N);
		control_free(c);
		buf_fini(&why);
	}
	write_all(&s, &all);
	ck_assert_uint_eq(said(log).records, N);
	ck_assert(held(log, 0) && !held(log, 1) && held(log, 2 * N - 2) && !held(log, 2 * N - 1));
	free(r);
	hold_free(h);
	scratch_end(&s);
}
END_TEST

static json_t *
shown(struct scratch *s, const struct hold *h)
{
	struct buf b;
	json_t *o;

	buf_init(&b);
	buf_put_str(&b, "{\"x\":0");
	hold_logs_put(&b, s->st, h, NULL);
	buf_put_u8(&b, '}');
	o = json_loadb((const char *)b.p, b.n, 0, NULL);
	ck_assert_msg(o != NULL, "%.*s", (int)b.n, (char *)b.p);
	buf_fini(&b);
	return o;
}

static long long
sum(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(o, "covered"), name));
}

static void
purge(struct log *log, uint64_t index, const char *ranges)
{
	char json[128];
	struct control *c;
	struct buf why;

	buf_init(&why);
	snprintf(json, sizeof json, "{\"type\":\"purge\",\"ranges\":%s}", ranges);
	ck_assert_int_eq(control_read(&c, ENTRY_PURGE, index, slice_str(json), &why), 0);
	locks_fold(log_locks(log), c);
	buf_fini(&why);
}

/* Looks through the log up to an index: how far it is shown to be examined. */
static void
examined_is(struct scratch *s, struct log *log, const struct hold *h, uint64_t next, long long want)
{
	struct hold_entries all;
	json_t *o;

	hold_entries_init(&all);
	ck_assert_int_eq(hold_entries_cover(&all, log, h, NULL, 0, 0, next, slice_of("", 0)), 0);
	write_all(s, &all);
	o = shown(s, h);
	ck_assert_int_eq(json_integer_value(json_object_get(
				 json_array_get(json_object_get(o, "covers"), 0), "examined")),
			 want);
	ck_assert(json_is_false(json_object_get(o, "examining")));
	json_decref(o);
}

START_TEST(what_it_covers_is_counted_with_what_was_purged_before)
{
	struct hold *h = hold_of("{" BASE ",\"logs\":[\"a\"],\"range\":[2,100]}"),
		    *f = hold_of(FILTER);
	struct scratch s;
	struct log *log = begin(&s), *other = scratch_log(&s, "b", "{}");
	json_t *o, *list;

	f->id[2] = 'b';
	place(&s, log, h);
	place(&s, other, f);
	o = shown(&s, h);
	ck_assert_int_eq(sum(o, "logs"), 1);
	ck_assert_int_eq(sum(o, "records"), 4); /* 2 to 4, and its own entry */
	ck_assert_int_eq(sum(o, "purged"), 0);
	json_decref(o);
	purge(log, 900, "[[0,2],[4,4]]");
	o = shown(&s, h);
	ck_assert_int_eq(sum(o, "purged"), 2);
	json_decref(o);
	o = shown(&s, f);
	ck_assert_int_eq(sum(o, "records"), 0);
	ck_assert_int_eq(sum(o, "pending"), 2);
	ck_assert(json_is_true(json_object_get(o, "examining")));
	json_decref(o);
	examined_is(&s, other, f, 50, 1); /* as far as it was placed */
	f->open_ended = true;
	examined_is(&s, other, f, 60, 60);
	f->released_ns = 1;
	o = shown(&s, f);
	ck_assert_ptr_null(json_object_get(o, "examining"));
	json_decref(o);
	ck_assert_uint_eq(held_in(&s), 1);
	list = hold_logs_matching(s.st, NULL, f);
	ck_assert_uint_eq(json_array_size(list), 2);
	json_decref(list);
	hold_free(h);
	hold_free(f);
	scratch_end(&s);
}
END_TEST

START_TEST(more_logs_than_one_look_takes)
{
	enum { LOGS = 300 };
	struct hold *h = hold_of("{" BASE ",\"logs\":[\"l*\"]}");
	char name[16];
	struct scratch s;
	json_t *list;

	scratch_begin(&s);
	(void)scratch_log(&s, "z", "{}");
	for (int i = 0; i < LOGS; i++) {
		snprintf(name, sizeof name, "l%d", i);
		(void)scratch_log(&s, name, "{}");
	}
	list = hold_logs_matching(s.st, NULL, h);
	ck_assert_uint_eq(json_array_size(list), LOGS);
	json_decref(list);
	hold_free(h);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		first_entries_cover_what_the_hold_says,
		an_examined_part_is_what_was_found_and_the_rest_stays_open,
		many_ranges_take_several_entries_and_nothing_is_let_go_between_them,
		what_it_covers_is_counted_with_what_was_purged_before,
		more_logs_than_one_look_takes,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("hold_logs", tests, sizeof tests / sizeof(tests[0]), 60.0);
}
