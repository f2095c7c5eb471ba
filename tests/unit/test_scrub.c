/* Scrubbing: what rots on the disk is found before anybody reads it. */
#include "scratch_object.h"
#include "sealed_log.h"

#include "crypto/init.h"
#include "storage/scrub.h"
#include "suite.h"

/* Steps until the pass has ended; its result. */
static struct scrub_pass
pass(struct scratch *s)
{
	struct scrub_state state;
	unsigned wait_ms;

	store_scrub_start(s->st);
	do {
		(void)store_scrub_step(s->st, &wait_ms);
		ck_assert_uint_le(wait_ms, LIMIT_SCRUB_IDLE_MS);
		store_scrub_get(s->st, &state);
		if (state.running)
			usleep(1000 * (wait_ms < 20 ? wait_ms : 20));
	} while (state.running);
	return state.last;
}

START_TEST(a_pass_reads_every_segment_of_every_log_and_finds_nothing_wrong)
{
	struct log *one, *two, *three;
	struct scrub_pass p;
	struct scratch s;

	scratch_begin(&s);
	one = scratch_log(&s, "one", "{}");
	two = scratch_log(&s, "two", "{}");
	three = scratch_log(&s, "three", "{}");
	sealed_log_fill(&s, one, 5000);
	sealed_log_seal(&s, one);
	sealed_log_fill(&s, one, 5300);
	sealed_log_seal(&s, one);
	sealed_log_seal(&s, three);
	p = pass(&s);
	ck_assert_uint_eq(p.segments, one->sealed.n + three->sealed.n);
	ck_assert_uint_eq(two->sealed.n, 0);
	ck_assert_uint_gt(p.bytes, 0);
	ck_assert_uint_eq(p.damaged + p.unread, 0);
	ck_assert_int_gt(p.ended_ns, p.begun_ns);
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

/* What is asked for while a pass runs begins after it: that one may be past the damage. */
START_TEST(a_pass_asked_for_while_one_runs_is_another_one)
{
	struct scrub_state state;
	struct scrub_pass p;
	struct scratch s;
	struct log *one, *two;
	unsigned wait_ms;

	scratch_begin(&s);
	one = scratch_log(&s, "one", "{}");
	two = scratch_log(&s, "two", "{}");
	sealed_log_fill(&s, one, 512);
	sealed_log_seal(&s, one);
	sealed_log_fill(&s, two, 512);
	sealed_log_seal(&s, two);
	store_scrub_start(s.st);
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 1);
	store_scrub_get(s.st, &state);
	ck_assert(state.running);
	ck_assert_uint_eq(state.now.segments, 1);
	sealed_log_damage(sealed_log_path(&s, "one", "0-512.1.seg"), 9000);
	p = pass(&s);
	ck_assert_uint_eq(p.damaged, 1);
	store_scrub_get(s.st, &state);
	ck_assert_uint_eq(state.passes, 2);
	scratch_end(&s);
}
END_TEST

/* The segment is open and mapped: what readers have of it is sound, the disk is not. */
START_TEST(a_flipped_bit_is_found_behind_an_open_segment_and_quarantines_it)
{
	struct store_stats stats;
	struct scrub_pass p;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	sealed_log_fill(&s, log, 512);
	sealed_log_seal(&s, log);
	sealed_log_fill(&s, log, 600);
	ck_assert_int_eq(sealed_log_read(&s, log, 5), 0);
	sealed_log_damage(sealed_log_path(&s, "l", "0-512.1.seg"), 9000);
	ck_assert_uint_eq(log->sealed.s[0].quarantined, 0);
	p = pass(&s);
	ck_assert_uint_eq(p.segments, 1);
	ck_assert_uint_eq(p.damaged, 1);
	ck_assert(log->sealed.s[0].quarantined);
	store_stats_get(s.st, &stats);
	ck_assert_uint_eq(stats.segments_quarantined, 1);
	ck_assert_uint_eq(stats.damaged_reads, 1);
	ck_assert_int_eq(sealed_log_read(&s, log, 5), STELE_EDAMAGED);
	ck_assert_int_eq(sealed_log_read(&s, log, 555), 0);
	p = pass(&s); /* every pass counts it, and nobody is alarmed twice */
	ck_assert_uint_eq(p.damaged, 1);
	store_stats_get(s.st, &stats);
	ck_assert_uint_eq(stats.damaged_reads, 2); /* the segment, and the read of record 5 */
	scratch_end(&s);
}
END_TEST

START_TEST(a_missing_file_and_a_damaged_manifest_are_found)
{
	struct scrub_pass p;
	struct scratch s;
	struct log *a, *b;

	scratch_begin(&s);
	a = scratch_log(&s, "a", "{}");
	b = scratch_log(&s, "b", "{}");
	sealed_log_fill(&s, a, 256);
	sealed_log_fill(&s, b, 256);
	sealed_log_seal(&s, a);
	sealed_log_seal(&s, b);
	ck_assert_int_eq(unlink(sealed_log_path(&s, "a", "0-256.1.seg")), 0);
	sealed_log_damage(sealed_log_path(&s, "b", "0-256.1.manifest"), 40);
	p = pass(&s);
	ck_assert_uint_eq(p.damaged, 2);
	ck_assert(a->sealed.s[0].quarantined && b->sealed.s[0].quarantined);
	scratch_end(&s);
}
END_TEST

/* One object is sealed, one is not, and one is longer than a step reads. */
START_TEST(every_chunk_of_every_object_is_read_and_a_flipped_bit_found)
{
	static const size_t sizes[] = {3000, 1, (2 << 20) + 77};
	char path[3][OBJECT_PATH_BYTES];
	struct scrub_pass p;
	struct scratch s;
	struct log *log, *other;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	other = scratch_log(&s, "m", "{}");
	for (size_t i = 0; i < 3; i++) {
		uint8_t *payload = scratch_payload(sizes[i], (uint32_t)i + 1);
		struct log *to = i == 2 ? other : log;
		uint64_t index = scratch_object(&s, to, slice_of(payload, sizes[i]));
		struct object *o;
		ck_assert_int_eq(scratch_open_object(&s, to, index, &o, path[i]), 0);
		object_close(o);
		free(payload);
		if (i == 0)
			sealed_log_seal(&s, log);
	}
	p = pass(&s);
	ck_assert_uint_eq(p.segments, 1);
	ck_assert_uint_eq(p.objects, 3);
	ck_assert_uint_eq(p.object_bytes, sizes[0] + sizes[1] + sizes[2]);
	ck_assert_uint_eq(p.damaged + p.unread, 0);
	ck_assert_uint_eq(s.errors, 0);
	for (size_t i = 0; i < 3; i++) {
		sealed_log_damage(path[i], i == 2 ? 2 << 20 : OBJECT_HEADER_BYTES);
		p = pass(&s);
		ck_assert_uint_eq(p.objects, 3);
		ck_assert_uint_eq(p.damaged, 1);
		ck_assert_uint_eq(s.errors, 2 * (i + 1)); /* the object, and the pass */
		sealed_log_damage(path[i], i == 2 ? 2 << 20 : OBJECT_HEADER_BYTES); /* back again */
	}
	ck_assert_int_eq(truncate(path[0], 100), 0);
	ck_assert_int_eq(unlink(path[2]), 0);
	p = pass(&s);
	ck_assert_uint_eq(p.damaged, 2);
	ck_assert_uint_eq(p.objects, 3);
	scratch_end(&s);
}
END_TEST

START_TEST(passes_begin_by_themselves_when_they_are_due_and_not_before)
{
	struct scrub_state state;
	struct scratch s;
	struct log *log;
	unsigned wait_ms;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	sealed_log_fill(&s, log, 256);
	sealed_log_seal(&s, log);
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 0); /* 0: only on request */
	scratch_close(&s);
	s.opts.scrub_rate = 1 << 30;
	s.opts.scrub_every_ns = 3600 * 1000000000ll;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 1);
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 0);
	store_scrub_get(s.st, &state);
	ck_assert_uint_eq(state.passes, 1);
	s.now_ns += 3500 * 1000000000ll;
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 0);
	store_scrub_get(s.st, &state);
	ck_assert(!state.running);
	s.now_ns += 200 * 1000000000ll;
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 1);
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 0);
	store_scrub_get(s.st, &state);
	ck_assert_uint_eq(state.passes, 2);
	scratch_end(&s);
}
END_TEST

START_TEST(the_pace_is_kept)
{
	struct scrub_state state;
	struct scratch s;
	struct log *a, *b;
	unsigned wait_ms;

	scratch_begin(&s);
	a = scratch_log(&s, "a", "{}");
	b = scratch_log(&s, "b", "{}");
	sealed_log_seal(&s, a);
	sealed_log_seal(&s, b);
	s.st->opts.scrub_rate = a->sealed.s[0].file_bytes / 100; /* a segment in 100 s */
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 1);
	ck_assert_uint_eq(wait_ms, LIMIT_SCRUB_IDLE_MS);
	ck_assert_int_eq(store_scrub_step(s.st, &wait_ms), 0);
	store_scrub_get(s.st, &state);
	ck_assert(state.running);
	ck_assert_uint_eq(state.now.segments, 1);
	ck_assert_uint_eq(state.total_bytes, a->sealed.s[0].file_bytes + b->sealed.s[0].file_bytes);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_pass_reads_every_segment_of_every_log_and_finds_nothing_wrong,
		a_pass_asked_for_while_one_runs_is_another_one,
		a_flipped_bit_is_found_behind_an_open_segment_and_quarantines_it,
		a_missing_file_and_a_damaged_manifest_are_found,
		every_chunk_of_every_object_is_read_and_a_flipped_bit_found,
		passes_begin_by_themselves_when_they_are_due_and_not_before,
		the_pace_is_kept,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("scrub", tests, sizeof tests / sizeof *tests, 60);
}
