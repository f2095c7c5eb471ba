/* bench/events and its requests: distinct, valid, the same for one seed, nothing left out. */
#include "bench/events.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "bench/requests.h"
#include "proto/err.h"

static int
by_bytes(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int d = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return d ? d : (x->n > y->n) - (x->n < y->n);
}

static void
check_kind(enum events_kind kind, size_t low, size_t high)
{
	struct events e;

	ck_assert_int_eq(events_generate(&e, kind, 7, 5000), 0);
	ck_assert_uint_eq(e.n, 5000);
	ck_assert_uint_ge(e.n_bytes / e.n, low);
	ck_assert_uint_le(e.n_bytes / e.n, high);
	for (size_t i = 0; i < e.n; i++) {
		json_t *doc = json_loadb((const char *)e.items[i].p, e.items[i].n,
					 JSON_REJECT_DUPLICATES, NULL);
		ck_assert_msg(json_is_object(doc), "%.*s", (int)e.items[i].n, e.items[i].p);
		json_decref(doc);
		ck_assert_uint_eq(e.items[i].p[e.items[i].n], '\n');
	}
	qsort(e.items, e.n, sizeof *e.items, by_bytes);
	for (size_t i = 1; i < e.n; i++)
		ck_assert(!slice_eq(e.items[i - 1], e.items[i]));
	events_fini(&e);
}

START_TEST(generated_events_are_json_of_their_size_and_all_differ)
{
	check_kind(EVENTS_CLOUD, 950, 1150);
	check_kind(EVENTS_KUBERNETES, 450, 560);
	check_kind(EVENTS_MIXED, 600, 900);
}
END_TEST

START_TEST(a_seed_gives_the_same_events_and_another_seed_others)
{
	struct events a, b, c;

	ck_assert_int_eq(events_generate(&a, EVENTS_CLOUD, 1, 100), 0);
	ck_assert_int_eq(events_generate(&b, EVENTS_CLOUD, 1, 100), 0);
	ck_assert_int_eq(events_generate(&c, EVENTS_CLOUD, 2, 100), 0);
	ck_assert(slice_eq(slice_of(a.bytes, a.n_bytes), slice_of(b.bytes, b.n_bytes)));
	ck_assert(!slice_eq(slice_of(a.bytes, a.n_bytes), slice_of(c.bytes, c.n_bytes)));
	events_fini(&a);
	events_fini(&b);
	events_fini(&c);
}
END_TEST

START_TEST(what_is_written_to_a_file_is_what_is_generated)
{
	enum events_kind kind;
	struct events made, e;
	char path[80];
	size_t n;
	FILE *f;

	ck_assert_int_eq(events_read_kind("mixed:4000", &kind, &n), 0);
	ck_assert_int_eq(kind, EVENTS_MIXED);
	ck_assert_uint_eq(n, 4000);
	sprintf(path, "/tmp/stele-test-%d-written", (int)getpid());
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(events_write(f, kind, 5, n), 0);
	fclose(f);
	ck_assert_int_eq(events_load(&e, path), 0);
	unlink(path);
	ck_assert_int_eq(events_generate(&made, kind, 5, n), 0);
	ck_assert(slice_eq(slice_of(made.bytes, made.n_bytes), slice_of(e.bytes, e.n_bytes)));
	events_fini(&made);
	events_fini(&e);
	f = fopen("/dev/full", "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(events_write(f, kind, 5, n), STELE_EIO);
	fclose(f);
	for (size_t i = 0; i < 5; i++)
		ck_assert_int_eq(events_read_kind((const char *[]){"mixed", "mixed:", "mixed:0",
								   "cloudy:1", "cloud:1x"}[i],
						  &kind, &n),
				 STELE_ESYNTAX);
}
END_TEST

/* A file of the given bytes, named so that its kind shows; removed by the caller. */
static void
write_file(char *path, const char *name, const void *p, size_t n)
{
	FILE *f;

	sprintf(path, "/tmp/stele-test-%d-%s", (int)getpid(), name);
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(p, 1, n, f), n);
	fclose(f);
}

START_TEST(a_files_lines_are_its_events_without_the_blank_ones)
{
	static const char text[] = "{\"a\":1}\n\n{\"b\":2}\n{\"c\":3}";
	struct events e;
	char path[80];

	write_file(path, "a.ndjson", text, sizeof text - 1);
	ck_assert_int_eq(events_load(&e, path), 0);
	unlink(path);
	ck_assert_uint_eq(e.n, 3);
	ck_assert(slice_eq_str(e.items[0], "{\"a\":1}"));
	ck_assert(slice_eq_str(e.items[2], "{\"c\":3}"));
	events_fini(&e);
	ck_assert_int_eq(events_load(&e, path), STELE_ENOTFOUND);
}
END_TEST

START_TEST(a_compressed_file_is_the_same_and_a_cut_one_is_refused)
{
	struct events made, e;
	char path[80];
	uint8_t *packed;
	size_t n;

	ck_assert_int_eq(events_generate(&made, EVENTS_KUBERNETES, 1, 3000), 0);
	packed = malloc(ZSTD_compressBound(made.n_bytes));
	n = ZSTD_compress(packed, ZSTD_compressBound(made.n_bytes), made.bytes, made.n_bytes, 3);
	write_file(path, "a.ndjson.zst", packed, n);
	ck_assert_int_eq(events_load(&e, path), 0);
	ck_assert(slice_eq(slice_of(e.bytes, e.n_bytes), slice_of(made.bytes, made.n_bytes)));
	events_fini(&e);
	write_file(path, "a.ndjson.zst", packed, n - 1);
	ck_assert_int_eq(events_load(&e, path), STELE_ESYNTAX);
	write_file(path, "a.ndjson.zst", "not zstd", 8);
	ck_assert_int_eq(events_load(&e, path), STELE_ESYNTAX);
	unlink(path);
	free(packed);
	events_fini(&made);
}
END_TEST

START_TEST(runs_stay_within_their_bound_and_leave_no_event_out)
{
	struct events e;
	size_t total = 0, runs = 0;

	ck_assert_int_eq(events_generate(&e, EVENTS_CLOUD, 1, 1000), 0);
	for (size_t i = 0; i < e.n; runs++) {
		struct slice body;
		i = events_run(&e, i, 100000, &body);
		ck_assert_uint_le(body.n, 100000);
		ck_assert_uint_eq(body.p[body.n - 1], '\n');
		ck_assert_ptr_eq(body.p, e.bytes + total);
		total += body.n;
	}
	ck_assert_uint_eq(total, e.n_bytes);
	ck_assert_uint_eq(runs, e.n_bytes / 100000 + 1);
	events_fini(&e);
}
END_TEST

START_TEST(each_taking_of_a_request_has_another_key)
{
	const struct request_form form = {.method = "POST",
					  .path = "/x",
					  .host = "h",
					  .media_type = "application/json",
					  .key_prefix = "k"};
	struct request_set set;
	struct events e;
	char first[512];

	ck_assert_int_eq(events_generate(&e, EVENTS_KUBERNETES, 1, 2), 0);
	ck_assert_int_eq(requests_posts(&set, &form, &e), 0);
	ck_assert_uint_eq(set.n, 2);
	memcpy(first, requests_take(&set, 1), sizeof first);
	ck_assert_ptr_nonnull(memmem(first, sizeof first, "Key: k-0000000000000000\r\n\r\n{", 28));
	ck_assert_ptr_nonnull(
		memmem(requests_take(&set, 1), 512, "Key: k-0000000000000001\r\n\r\n{", 28));
	requests_fini(&set);
	events_fini(&e);
}
END_TEST

START_TEST(a_batch_carries_the_events_it_counts)
{
	const struct request_form form = {.method = "POST",
					  .path = "/x",
					  .host = "h",
					  .media_type = "application/x-ndjson",
					  .batch_bytes = 20000};
	struct request_set set;
	struct events e;
	uint64_t events = 0, lines = 0;

	ck_assert_int_eq(events_generate(&e, EVENTS_KUBERNETES, 1, 500), 0);
	ck_assert_int_eq(requests_posts(&set, &form, &e), 0);
	for (size_t i = 0; i < set.n; i++) {
		const uint8_t *p = requests_take(&set, i);
		events += set.items[i].events;
		for (size_t k = set.items[i].head_bytes; k < set.items[i].n; k++)
			lines += p[k] == '\n';
	}
	ck_assert_uint_eq(events, 500);
	ck_assert_uint_eq(lines, 500);
	requests_fini(&set);
	events_fini(&e);
}
END_TEST

START_TEST(reads_are_drawn_from_the_whole_range_and_nowhere_else)
{
	const struct request_form form = {
		.path = "/r/{}?x", .host = "h", .first_index = 10, .n_indexes = 20};
	struct request_set set;
	unsigned seen[40] = {0};

	ck_assert_int_eq(requests_gets(&set, &form, 2000), 0);
	for (size_t i = 0; i < set.n; i++) {
		unsigned index;
		ck_assert_int_eq(sscanf((const char *)requests_take(&set, i),
					"GET /r/%u?x HTTP/1.1\r\n", &index),
				 1);
		ck_assert_uint_lt(index, 40);
		seen[index]++;
	}
	for (unsigned i = 0; i < 40; i++)
		ck_assert((seen[i] > 0) == (i >= 10 && i < 30));
	requests_fini(&set);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("events");
	TCase *t = tcase_create("events");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, generated_events_are_json_of_their_size_and_all_differ);
	tcase_add_test(t, a_seed_gives_the_same_events_and_another_seed_others);
	tcase_add_test(t, what_is_written_to_a_file_is_what_is_generated);
	tcase_add_test(t, a_files_lines_are_its_events_without_the_blank_ones);
	tcase_add_test(t, a_compressed_file_is_the_same_and_a_cut_one_is_refused);
	tcase_add_test(t, runs_stay_within_their_bound_and_leave_no_event_out);
	tcase_add_test(t, each_taking_of_a_request_has_another_key);
	tcase_add_test(t, a_batch_carries_the_events_it_counts);
	tcase_add_test(t, reads_are_drawn_from_the_whole_range_and_nowhere_else);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
