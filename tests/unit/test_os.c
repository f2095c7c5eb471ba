/* What is open, and what is read of it; os_windows.c is held against the same by
 * tests/e2e/windows_verify_test.py. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "verify/os.h"

static char dir[] = "/tmp/stele-os-XXXXXX";

static const char *
path_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void
make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
remove_dir(void)
{
	static const char *const names[] = {"some", "empty", "pipe"};

	for (size_t i = 0; i < 3; i++)
		unlink(path_of(names[i]));
	ck_assert_int_eq(rmdir(dir), 0);
	memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
}

START_TEST(a_file_is_read_in_turn_at_any_place_and_whole)
{
	struct os_file f;
	const uint8_t *map;
	char got[8];

	write_file("some", "evidence");
	ck_assert_int_eq(os_open(&f, path_of("some")), 0);
	ck_assert_int_eq(f.kind, OS_FILE);
	ck_assert_uint_eq(f.bytes, 8);
	ck_assert_int_eq(os_read(&f, got, 4), 4);
	ck_assert_int_eq(os_read_at(&f, 1, got, 3), 3);
	ck_assert_mem_eq(got, "vid", 3);
	ck_assert_int_eq(os_read(&f, got, 8), 4);
	ck_assert_mem_eq(got, "ence", 4);
	ck_assert_int_eq(os_read(&f, got, 8), 0);
	ck_assert_int_eq(os_read_at(&f, 8, got, 1), 0);
	map = os_map(&f);
	ck_assert_ptr_nonnull(map);
	os_close(&f);
	ck_assert_mem_eq(map, "evidence", 8);
	os_unmap(map, 8);
}
END_TEST

START_TEST(what_is_not_there_and_what_is_no_file_is_told_apart)
{
	struct os_file f;

	ck_assert_int_eq(os_open(&f, path_of("none")), STELE_ENOTFOUND);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(os_open_file(&f, path_of("none")), STELE_ENOTFOUND);
	ck_assert_int_eq(os_open(&f, dir), 0);
	ck_assert_int_eq(f.kind, OS_FOLDER);
	os_close(&f);
	ck_assert_int_eq(os_open_file(&f, dir), STELE_EIO);
	ck_assert_int_eq(errno, EISDIR);
	write_file("empty", "");
	ck_assert_int_eq(os_open_file(&f, path_of("empty")), 0);
	ck_assert_uint_eq(f.bytes, 0);
	os_close(&f);
}
END_TEST

START_TEST(a_pipe_that_nobody_writes_to_is_not_waited_for)
{
	struct os_file f;

	ck_assert_int_eq(mkfifo(path_of("pipe"), 0600), 0);
	ck_assert_int_eq(os_open_file(&f, path_of("pipe")), STELE_EIO);
	ck_assert_int_eq(errno, ESPIPE);
}
END_TEST

START_TEST(closing_standard_input_leaves_it_open)
{
	struct os_file f;

	os_open_stdin(&f);
	ck_assert_int_eq(f.kind, OS_STREAM);
	os_close(&f);
	ck_assert_int_ne(fcntl(STDIN_FILENO, F_GETFD), -1);
	ck_assert_uint_ge(os_processors(), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("os");
	TCase *t = tcase_create("os");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, make_dir, remove_dir);
	tcase_add_test(t, a_file_is_read_in_turn_at_any_place_and_whole);
	tcase_add_test(t, what_is_not_there_and_what_is_no_file_is_told_apart);
	tcase_add_test(t, a_pipe_that_nobody_writes_to_is_not_waited_for);
	tcase_add_test(t, closing_standard_input_leaves_it_open);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
