/* Where a passphrase comes from: one source, read to its first newline, and no trace of more. */
#include "crypto/passphrase.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "tests/unit/folder.h"

static struct folder folder;
static struct buf text, why;
static char credential[300];

static void
write_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(p, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

static void
setup(void)
{
	folder_init(&folder);
	buf_init(&text);
	buf_init(&why);
	snprintf(credential, sizeof credential, "%s/stele.passphrase", folder.dir);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void
teardown(void)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	passphrase_wipe(&text);
	buf_fini(&why);
	folder_fini(&folder);
}

static int
read_it(const char *file, uint64_t fd, bool prompt)
{
	struct passphrase_source s = {.file = file, .fd = fd, .prompt = prompt};

	passphrase_wipe(&text);
	buf_reset(&why);
	return passphrase_read(&text, &s, &why);
}

/* What was read is this, ends with a NUL, and nothing else lies in its memory. */
static void
expect(const char *want)
{
	ck_assert_str_eq((char *)text.p, want);
	ck_assert_uint_eq(text.n, strlen(want));
	for (size_t i = text.n; i < text.cap; i++)
		ck_assert_uint_eq(text.p[i], 0);
}

static void
expect_refused(int err, const char *word)
{
	ck_assert_int_eq(err, STELE_EINVAL);
	buf_put_u8(&why, 0);
	ck_assert_msg(strstr((char *)why.p, word) != NULL, "%s", why.p);
}

static int
from_file(const void *p, size_t n)
{
	char path[300];

	snprintf(path, sizeof path, "%s/file", folder.dir);
	write_file(path, p, n);
	return read_it(path, PASSPHRASE_NO_FD, false);
}

START_TEST(a_text_ends_at_the_first_newline_or_the_end)
{
	static char most[LIMIT_PASSPHRASE_BYTES + 3];

	ck_assert_int_eq(from_file("correct horse \nbattery\n", 23), 0);
	expect("correct horse ");
	ck_assert_int_eq(from_file("staple", 6), 0);
	expect("staple");
	expect_refused(from_file("", 0), "empty");
	expect_refused(from_file("\nsecond", 7), "empty");
	expect_refused(from_file("a\0b\n", 4), "NUL");
	memset(most, 'x', sizeof most);
	ck_assert_int_eq(from_file(most, LIMIT_PASSPHRASE_BYTES), 0);
	ck_assert_uint_eq(text.n, LIMIT_PASSPHRASE_BYTES);
	expect_refused(from_file(most, LIMIT_PASSPHRASE_BYTES + 1), "1023");
	expect_refused(from_file(most, sizeof most), "1023");
	expect_refused(read_it("/nonexistent/x", PASSPHRASE_NO_FD, false), "/nonexistent/x");
	expect_refused(read_it(folder.dir, PASSPHRASE_NO_FD, false), "directory");
}
END_TEST

START_TEST(a_descriptor_is_read_to_the_newline_and_closed)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "from a pipe\n", 12), 12); /* its other end stays open */
	ck_assert_int_eq(read_it(NULL, (uint64_t)fds[0], false), 0);
	expect("from a pipe");
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
	expect_refused(read_it(NULL, (uint64_t)fds[0], false), "not open");
	expect_refused(read_it(NULL, 1ull << 40, false), "not open");
	close(fds[1]);
}
END_TEST

START_TEST(a_credential_is_taken_when_nothing_else_is_given)
{
	ck_assert_int_eq(read_it(NULL, PASSPHRASE_NO_FD, false), 0);
	ck_assert_uint_eq(text.n, 0);
	ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", folder.dir, 1), 0);
	ck_assert_int_eq(read_it(NULL, PASSPHRASE_NO_FD, false), 0); /* of other services */
	ck_assert_uint_eq(text.n, 0);
	write_file(credential, "by systemd", 10);
	ck_assert_int_eq(read_it(NULL, PASSPHRASE_NO_FD, false), 0);
	expect("by systemd");
	write_file(credential, "", 0);
	expect_refused(read_it(NULL, PASSPHRASE_NO_FD, false), "empty");
}
END_TEST

START_TEST(two_sources_are_one_too_many)
{
	static const char *const words[] = {"a file", "a descriptor", "a prompt", "the credential"};

	write_file(credential, "x", 1);
	for (unsigned which = 0; which < 16; which++) {
		if (__builtin_popcount(which) < 2)
			continue;
		if (which & 8)
			setenv("CREDENTIALS_DIRECTORY", folder.dir, 1);
		else
			unsetenv("CREDENTIALS_DIRECTORY");
		for (unsigned i = 0; i < 4; i++) {
			if (which >> i & 1)
				expect_refused(read_it(which & 1 ? credential : NULL,
						       which & 2 ? 0 : PASSPHRASE_NO_FD, which & 4),
					       words[i]);
		}
		ck_assert_uint_eq(text.n, 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("passphrase");
	TCase *t = tcase_create("passphrase");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_text_ends_at_the_first_newline_or_the_end);
	tcase_add_test(t, a_descriptor_is_read_to_the_newline_and_closed);
	tcase_add_test(t, a_credential_is_taken_when_nothing_else_is_given);
	tcase_add_test(t, two_sources_are_one_too_many);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
