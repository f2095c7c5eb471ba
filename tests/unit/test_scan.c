/* Scans: every record once, in order, as it was written, wherever it lies. */
#include "purge_case.h"

#include "storage/scan.h"

enum { RECORDS = 700, STOP = 77 };

struct seen {
	uint64_t next;            /* the index that comes */
	uint64_t gone_from, gone; /* these are gone */
	uint64_t stop_at;         /* STOP there */
};

static int
see(void *ctx, const struct scan_record *r)
{
	struct seen *s = ctx;

	if (r->index == s->stop_at)
		return STOP;
	ck_assert_uint_eq(r->index, s->next);
	s->next++;
	if (r->kind != ENTRY_RECORD)
		return 0;
	ck_assert(slice_eq_str(r->media_type, "application/json"));
	ck_assert_int_eq(r->gone, r->index >= s->gone_from && r->index < s->gone_from + s->gone);
	if (r->gone)
		ck_assert_uint_eq(r->payload.n, 0);
	else
		ck_assert(slice_eq(r->payload, purge_payload(r->index)));
	ck_assert_uint_eq(r->size, purge_payload(r->index).n);
	return 0;
}

/* From `from` on, in steps of so many records. */
static void
sees_all(struct scratch *s, struct log *log, uint64_t from, uint64_t step, struct seen *seen)
{
	uint64_t size = log->frontier.size, at = from;

	seen->next = from;
	seen->stop_at = UINT64_MAX;
	while (at < size) {
		uint64_t to = at + step < size ? at + step : size;
		ck_assert_int_eq(scan_records(log, &at, to, s->tools, see, seen), 0);
		ck_assert_uint_eq(at, to);
	}
	ck_assert_uint_eq(seen->next, size);
}

static void
sees_all_steps(struct scratch *s, struct log *log, struct seen *seen)
{
	static const uint64_t steps[] = {1, 7, 64, 255, 256};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		sees_all(s, log, 0, steps[i], seen);
		sees_all(s, log, 333, steps[i], seen);
	}
}

START_TEST(every_record_is_seen_once_and_in_order)
{
	struct scratch s;
	struct seen seen = {.gone = 0};
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	purge_fill(&s, log, RECORDS);
	sees_all_steps(&s, log, &seen);
	sealed_log_seal(&s, log);
	sees_all_steps(&s, log, &seen);
	purge_fill(&s, log, RECORDS + 100); /* a segment and a tail */
	sees_all_steps(&s, log, &seen);
	scratch_end(&s);
}
END_TEST

START_TEST(what_was_purged_is_seen_as_gone)
{
	struct scratch s;
	struct seen seen = {.gone_from = 200, .gone = 300};
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	purge_fill(&s, log, RECORDS);
	purge_range(&s, log, 200, 499);
	sees_all_steps(&s, log, &seen);
	scratch_end(&s);
}
END_TEST

START_TEST(a_scan_ends_where_it_is_told_to)
{
	struct scratch s;
	struct seen seen = {.stop_at = 130};
	struct log *log;
	uint64_t at = 0;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	purge_fill(&s, log, RECORDS);
	for (int sealed = 0; sealed < 2; sealed++) {
		at = seen.next = 0;
		ck_assert_int_eq(scan_records(log, &at, 256, s.tools, see, &seen), STOP);
		ck_assert_uint_eq(at, 130);
		sealed_log_seal(&s, log);
	}
	ck_assert_int_eq(scan_records(log, &at, at + 257, s.tools, see, &seen), STELE_EINVAL);
	ck_assert_int_eq(scan_records(log, &at, at - 1, s.tools, see, &seen), STELE_EINVAL);
	at = log->frontier.size;
	ck_assert_int_eq(scan_records(log, &at, at + 1, s.tools, see, &seen), STELE_EINVAL);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_record_is_seen_once_and_in_order,
		what_was_purged_is_seen_as_gone,
		a_scan_ends_where_it_is_told_to,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("scan", tests, sizeof tests / sizeof *tests, 120);
}
