/* What Windows' verifier has in place of glibc's functions, against these. */
#include <arpa/inet.h>
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/windows/inet.h"

_Static_assert(INET_FOUR == AF_INET && INET_SIX == AF_INET6, "families of this system");

enum { TRIES = 100000 };

/* Reads text as both families and both ways. */
static void
same_reading(const char *text)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (int i = 0; i < 2; i++) {
		uint8_t ours[16] = {0}, theirs[16] = {0};
		int want = inet_pton(families[i], text, theirs);

		ck_assert_msg(inet_read(families[i], text, ours) == want, "'%s' as %d", text, i);
		if (want == 1)
			ck_assert_msg(memcmp(ours, theirs, 16) == 0, "'%s' as %d", text, i);
	}
}

START_TEST(every_address_is_written_as_glibc_writes_it_and_read_again)
{
	srand(1);
	for (int i = 0; i < TRIES; i++) {
		char ours[INET_TEXT_BYTES], theirs[INET6_ADDRSTRLEN];
		uint8_t b[16] = {0};
		int family = i % 4 ? AF_INET6 : AF_INET;

		/* zeros are what spellings differ in */
		for (int k = 0; k < 16; k += 2)
			if (rand() % 3 == 0) {
				b[k] = (uint8_t)(rand() % 2 ? 0 : rand());
				b[k + 1] = (uint8_t)rand();
			}
		if (i % 7 == 0)
			memset(b + 10, 0xff, 2);
		ck_assert_ptr_nonnull(inet_ntop(family, b, theirs, sizeof theirs));
		ck_assert_ptr_nonnull(inet_write(family, b, ours, sizeof ours));
		ck_assert_str_eq(ours, theirs);
		same_reading(ours);
	}
}
END_TEST

START_TEST(what_is_no_address_is_none)
{
	static const char *const texts[] = {
		"",
		":",
		"::",
		":::",
		"1",
		"1:",
		":1",
		"::1:",
		"1::",
		"1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7::",
		"::2:3:4:5:6:7:8",
		"1::3:4:5:6:7:8",
		"1:2:3:4::5:6:7:8",
		"1::2::3",
		"12345::",
		"g::",
		"1.2.3.4",
		"01.2.3.4",
		"1.2.3",
		"1.2.3.4.5",
		"1.2.3.256",
		"1.2.3.4 ",
		" 1.2.3.4",
		"::1.2.3.4",
		"::1.2.3.4:5",
		"1:2:3:4:5:6:1.2.3.4",
		"1:2:3:4:5:6:7:1.2.3.4",
		"1:2:3:4:5:6::1.2.3.4",
		"::ffff:1.2.3.04",
		"1.2.3.4::",
		"::%1",
		"0.0.0.0",
		"00.0.0.0",
		"::FFFF:1.2.3.4",
		"::00001",
		"1..2.3",
		"1:2:3:4:5:6:7:",
		":1:2:3:4:5:6:7:8",
		"0:0:0:0:0:0:0:0",
		"1:2:3:4:5:6:7:8::",
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		same_reading(texts[i]);
}
END_TEST

START_TEST(any_text_is_read_as_glibc_reads_it)
{
	static const char letters[] = "0123:::..af9";

	srand(2);
	for (int i = 0; i < TRIES; i++) {
		char text[24];
		int n = rand() % (int)sizeof text;

		for (int k = 0; k < n; k++)
			text[k] = letters[(size_t)rand() % (sizeof letters - 1)];
		text[n] = '\0';
		same_reading(text);
	}
	for (int i = 0; i < TRIES; i++) { /* an address with one letter changed */
		char text[INET6_ADDRSTRLEN];
		uint8_t b[16];

		for (int k = 0; k < 16; k++)
			b[k] = (uint8_t)(rand() % 4 ? 0 : rand());
		inet_ntop(AF_INET6, b, text, sizeof text);
		text[(size_t)rand() % strlen(text)] =
			letters[(size_t)rand() % (sizeof letters - 1)];
		same_reading(text);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("inet");
	TCase *t = tcase_create("inet");
	SRunner *runner;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, every_address_is_written_as_glibc_writes_it_and_read_again);
	tcase_add_test(t, what_is_no_address_is_none);
	tcase_add_test(t, any_text_is_read_as_glibc_reads_it);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
