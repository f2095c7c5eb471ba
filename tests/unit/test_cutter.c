/* The cutter of batches: whole lines, nothing lost, cuts that depend on the bytes alone. */
#include "tools/cutter.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/limits.h"

/* A file of n bytes at p, positioned at its start. */
static int
file_of(const void *p, size_t n)
{
	int fd = memfd_create("cutter", 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The next batch, reading as needed; false at the end or at a line too long. */
static bool
next(struct cutter *c, struct cutter_batch *b)
{
	while (!cutter_cut(c, false, b)) {
		if (c->eof || c->too_long)
			return false;
		ck_assert(cutter_room(c));
		ck_assert_int_eq(cutter_fill(c), 0);
	}
	return true;
}

START_TEST(lines_come_whole_and_counted)
{
	static const char text[] = "{\"a\":1}\n\n{\"b\":2}\r\n\r\nlast";
	int fd = file_of(text, strlen(text));
	struct cutter c;
	struct cutter_batch b;

	ck_assert_int_eq(cutter_init(&c, fd, 1000, 1000), 0);
	ck_assert(next(&c, &b));
	ck_assert_uint_eq(b.body.n, strlen(text));
	ck_assert_uint_eq(b.lines, 5);
	ck_assert_uint_eq(b.offset, 0);
	ck_assert_uint_eq(b.line, 1);
	ck_assert(!next(&c, &b));
	ck_assert(c.eof && !c.too_long);
	cutter_fini(&c);
	close(fd);
}
END_TEST

START_TEST(batches_end_at_the_last_line_that_fits)
{
	int fd = file_of("1234567\n1234567\n1234567\n12", 26);
	struct cutter c;
	struct cutter_batch b;

	ck_assert_int_eq(cutter_init(&c, fd, 16, 1000), 0);
	ck_assert(next(&c, &b));
	ck_assert_uint_eq(b.body.n, 16);
	ck_assert(next(&c, &b));
	ck_assert_uint_eq(b.offset, 16);
	ck_assert_uint_eq(b.line, 3);
	ck_assert_uint_eq(b.body.n, 10);
	ck_assert(!next(&c, &b));
	cutter_fini(&c);
	close(fd);
}
END_TEST

START_TEST(a_batch_has_at_most_so_many_lines)
{
	int fd = file_of("1\n2\n3\n4\n5\n", 10);
	struct cutter c;
	struct cutter_batch b;
	size_t sizes[] = {2, 2, 1};

	ck_assert_int_eq(cutter_init(&c, fd, 1000, 2), 0);
	for (size_t i = 0; i < 3; i++) {
		ck_assert(next(&c, &b));
		ck_assert_uint_eq(b.lines, sizes[i]);
		ck_assert_uint_eq(b.line, 1 + 2 * i);
	}
	ck_assert(!next(&c, &b));
	cutter_fini(&c);
	close(fd);
}
END_TEST

START_TEST(a_record_of_the_greatest_size_goes_alone)
{
	size_t n = LIMIT_RECORD_BYTES;
	char *text = malloc(n + 6);
	struct cutter c;
	struct cutter_batch b;
	int fd;

	memset(text, 'x', n);
	memcpy(text + n, "\r\ny\n", 4);
	fd = file_of(text, n + 4);
	ck_assert_int_eq(cutter_init(&c, fd, 1000, 1000), 0);
	ck_assert(next(&c, &b));
	ck_assert_uint_eq(b.body.n, n + 2);
	ck_assert(next(&c, &b));
	ck_assert_uint_eq(b.body.n, 2);
	cutter_fini(&c);
	close(fd);
	free(text);
}
END_TEST

START_TEST(a_longer_line_stops_after_what_came_before)
{
	size_t n = LIMIT_RECORD_BYTES + 1;
	char *text = malloc(n + 6);
	struct cutter c;
	struct cutter_batch b;

	for (int ended = 0; ended < 2; ended++) {
		int fd;

		memcpy(text, "ok\n", 3);
		memset(text + 3, 'x', n);
		text[3 + n] = '\n';
		fd = file_of(text, 3 + n + (size_t)ended);
		ck_assert_int_eq(cutter_init(&c, fd, 1000, 1000), 0);
		ck_assert(next(&c, &b));
		ck_assert_uint_eq(b.body.n, 3);
		ck_assert(!next(&c, &b));
		ck_assert(c.too_long);
		ck_assert_uint_eq(c.line, 2);
		ck_assert_uint_eq(c.offset, 3);
		cutter_fini(&c);
		close(fd);
	}
	free(text);
}
END_TEST

START_TEST(hurry_takes_the_whole_lines_there_are)
{
	struct cutter c;
	struct cutter_batch b;
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(cutter_init(&c, p[0], 1000, 1000), 0);
	ck_assert(!cutter_ready(&c));
	ck_assert_int_eq(write(p[1], "one\ntw", 6), 6);
	ck_assert(cutter_ready(&c));
	ck_assert_int_eq(cutter_fill(&c), 0);
	ck_assert(!cutter_cut(&c, false, &b));
	ck_assert(cutter_cut(&c, true, &b));
	ck_assert_uint_eq(b.body.n, 4);
	ck_assert(!cutter_cut(&c, true, &b)); /* half a line is never sent */
	ck_assert_int_eq(write(p[1], "o", 1), 1);
	close(p[1]);
	ck_assert(next(&c, &b));
	ck_assert_uint_eq(b.body.n, 3);
	ck_assert_mem_eq(b.body.p, "two", 3);
	ck_assert_uint_eq(b.offset, 4);
	cutter_fini(&c);
	close(p[0]);
}
END_TEST

/* Pseudo-random lines, some blank, some longer than a batch. */
static size_t
make_text(char *text, size_t cap, unsigned *seed)
{
	size_t n = 0;

	while (n < cap - 200) {
		size_t line = (size_t)rand_r(seed) % 150;

		memset(text + n, 'x', line);
		n += line;
		text[n++] = '\n';
	}
	return n;
}

START_TEST(resuming_at_any_cut_gives_the_same_cuts)
{
	enum { TEXT_BYTES = 8000 };
	char *text = malloc(TEXT_BYTES);
	unsigned seed = 7;
	size_t n = make_text(text, TEXT_BYTES, &seed), n_cuts = 0;
	uint64_t offset[TEXT_BYTES], line[TEXT_BYTES], at = 0;
	struct cutter c;
	struct cutter_batch b;
	int fd = file_of(text, n);

	ck_assert_int_eq(cutter_init(&c, fd, 100, 1000), 0);
	while (next(&c, &b)) {
		ck_assert_uint_eq(b.offset, at);
		ck_assert_mem_eq(b.body.p, text + at, b.body.n);
		at += b.body.n;
		offset[n_cuts] = b.offset;
		line[n_cuts++] = b.line;
	}
	ck_assert_uint_eq(at, n);
	ck_assert_uint_gt(n_cuts, 50);
	cutter_fini(&c);
	for (size_t from = 0; from < n_cuts; from++) {
		ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
		ck_assert_int_eq(cutter_init(&c, fd, 100, 1000), 0);
		ck_assert_int_eq(cutter_skip(&c, offset[from]), 0);
		for (size_t i = from; i < n_cuts; i++) {
			ck_assert(next(&c, &b));
			ck_assert_uint_eq(b.offset, offset[i]);
			ck_assert_uint_eq(b.line, line[i]);
		}
		ck_assert(!next(&c, &b));
		cutter_fini(&c);
	}
	close(fd);
	free(text);
}
END_TEST

START_TEST(skipping_past_the_end_is_refused)
{
	int fd = file_of("1\n2\n", 4);
	struct cutter c;

	ck_assert_int_eq(cutter_init(&c, fd, 100, 100), 0);
	ck_assert_int_eq(cutter_skip(&c, 5), STELE_EINVAL);
	cutter_fini(&c);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cutter");
	TCase *t = tcase_create("cutter");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, lines_come_whole_and_counted);
	tcase_add_test(t, batches_end_at_the_last_line_that_fits);
	tcase_add_test(t, a_batch_has_at_most_so_many_lines);
	tcase_add_test(t, a_record_of_the_greatest_size_goes_alone);
	tcase_add_test(t, a_longer_line_stops_after_what_came_before);
	tcase_add_test(t, hurry_takes_the_whole_lines_there_are);
	tcase_add_test(t, resuming_at_any_cut_gives_the_same_cuts);
	tcase_add_test(t, skipping_past_the_end_is_refused);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
