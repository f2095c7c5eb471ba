/* Each thing that the self-test tries, in a build that permits it: tests/crash/permits.c. */
#include "server/selftest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "tests/unit/folder.h"
#include "tests/unit/suite.h"

/* Runs it where that is permitted: its error. What it says must hold these words. */
static int
run(const char *permitted, const char *words)
{
	struct folder folder;
	struct stat sb;
	struct buf why;
	int err;

	folder_init(&folder);
	if (permitted)
		setenv("STELE_PERMITS", permitted, 1);
	else
		unsetenv("STELE_PERMITS");
	buf_init(&why);
	err = selftest_run(folder.dir, &why);
	unsetenv("STELE_PERMITS");
	buf_put_u8(&why, 0);
	ck_assert_msg(words ? strstr((char *)why.p, words) != NULL : why.n == 1, "%s: %s",
		      permitted, (char *)why.p);
	ck_assert(lstat(folder_path(&folder, "selftest"), &sb) != 0); /* nothing is left of it */
	buf_fini(&why);
	folder_fini(&folder);
	return err;
}

START_TEST(all_is_refused_that_must_be)
{
	ck_assert_int_eq(run(NULL, NULL), 0);
}
END_TEST

START_TEST(whatever_is_permitted_is_found_and_named)
{
	static const char *const cases[][2] = {
		{"early", "found that a record can be purged before its time"},
		{"held", "found that a record under a legal hold can be purged"},
		{"control", "found that a control entry can be purged"},
		{"shorten", "found that a lock in compliance mode can be shortened"},
		{"sooner", "found that a lock can be extended to an earlier end"},
		{"weaker", "found that a compliance policy can be made weaker"},
		{"forged", "found that a client can write a control entry"},
		{"forged-act", "found that a client can write a control entry"},
		{"last-ns", "found that a lock ends before its time"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_int_eq(run(cases[i][0], cases[i][1]), STELE_EVERIFY);
}
END_TEST

START_TEST(what_cannot_be_tried_is_never_passed_and_says_why)
{
	ck_assert_int_eq(run("frozen", "could not find out: clock-frozen. The clocks are frozen"),
			 STELE_ECONFLICT);
	ck_assert_int_eq(run("eio", "tried whether a record can be purged before its time, and "
				    "could not find out: input/output error"),
			 STELE_EIO);
	ck_assert_int_eq(run("enospace", "could not find out"), STELE_ENOSPACE);
	ck_assert_int_eq(run("no-store", "could not be run in"), STELE_EIO);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		all_is_refused_that_must_be,
		whatever_is_permitted_is_found_and_named,
		what_cannot_be_tried_is_never_passed_and_says_why,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("selftest", tests, sizeof tests / sizeof *tests, 120);
}
