/* Settings: flags, the file beneath them, and refusals that say what to do. */
#include "server/config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "tests/unit/folder.h"

enum { MAX_ARGS = 16 };

/* Reads the flags in text, separated by spaces. */
static int
read_flags(struct config *c, const char *text, struct buf *why)
{
	char copy[1024], *argv[MAX_ARGS + 1], *save = NULL, *word;
	int argc = 0;

	snprintf(copy, sizeof copy, "steled %s", text);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	buf_reset(why);
	return config_read(c, argc, argv, why);
}

static void
assert_refused(const char *flags, const char *word)
{
	struct config c;
	struct buf why;

	buf_init(&why);
	ck_assert_msg(read_flags(&c, flags, &why) == STELE_EINVAL, "%s", flags);
	buf_put_u8(&why, 0);
	ck_assert_msg(strstr((char *)why.p, word) != NULL, "%s: %s", flags, why.p);
	config_fini(&c);
	buf_fini(&why);
}

START_TEST(only_the_data_directory_must_be_said)
{
	struct config c;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(read_flags(&c, "--data d", &why), 0);
	ck_assert_str_eq(c.data, "d");
	ck_assert_str_eq(c.listen, "127.0.0.1:8080");
	ck_assert_uint_eq(c.loops, 1);
	ck_assert_uint_eq(c.max_connections, LIMIT_CONNECTIONS);
	ck_assert_uint_eq(c.queue_bytes, LIMIT_QUEUE_BYTES);
	ck_assert_uint_eq(c.min_free_bytes, LIMIT_FREE_BYTES);
	ck_assert_uint_eq(c.header_timeout_ms, LIMIT_HEADER_TIMEOUT_MS);
	ck_assert_ptr_null(c.origin);
	config_fini(&c);
	assert_refused("", "--data DIR");
	buf_fini(&why);
}
END_TEST

START_TEST(numbers_have_units_and_bounds)
{
	struct config c;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(read_flags(&c,
				    "--data=d --queue-bytes 2m --min-free=1G --idle-timeout 3 "
				    "--wal-file-size 1048576 --loops=4 --moved --quiet",
				    &why),
			 0);
	ck_assert_uint_eq(c.queue_bytes, 2 << 20);
	ck_assert_uint_eq(c.min_free_bytes, 1 << 30);
	ck_assert_uint_eq(c.idle_timeout_ms, 3000);
	ck_assert_uint_eq(c.wal_file_bytes, 1 << 20);
	ck_assert_uint_eq(c.loops, 4);
	ck_assert(c.moved && c.quiet && !c.insecure);
	config_fini(&c);
	buf_fini(&why);
	assert_refused("--data d --loops 0", "loops must be a number from 1 to");
	assert_refused("--data d --loops 65", "loops");
	assert_refused("--data d --loops 4K", "loops");
	assert_refused("--data d --loops -1", "loops");
	assert_refused("--data d --queue-bytes 1X", "queue-bytes");
	assert_refused("--data d --queue-bytes 99999999999999999999", "queue-bytes");
	assert_refused("--data d --wal-file-size 1", "wal-file-size");
	assert_refused("--data d --moved=perhaps", "moved");
}
END_TEST

START_TEST(what_is_not_known_is_refused)
{
	assert_refused("--data d --lisen 127.0.0.1:0", "--lisen");
	assert_refused("--data d extra", "extra");
	assert_refused("--data", "needs a value");
	assert_refused("--data d --listen localhost:80", "listen");
	assert_refused("--data d --listen 127.0.0.1", "listen");
	assert_refused("--data d --listen 127.0.0.1:99999", "listen");
	assert_refused("--data d --config /nonexistent/x", "/nonexistent/x");
	assert_refused("--data d --passphrase-file /nonexistent/x", "/nonexistent/x");
}
END_TEST

START_TEST(beyond_this_machine_only_when_told_so_in_so_many_words)
{
	struct config c;
	struct buf why, url;

	buf_init(&why);
	buf_init(&url);
	assert_refused("--data d --listen 0.0.0.0:80", "--insecure");
	assert_refused("--data d --listen [::]:80", "--insecure");
	assert_refused("--data d --listen 10.0.0.1:80", "--tls-cert FILE and --tls-key FILE");
	ck_assert_int_eq(
		read_flags(&c, "--data d --listen 0.0.0.0:80 --tls-cert c --tls-key k", &why), 0);
	config_fini(&c);
	ck_assert_int_eq(read_flags(&c, "--data d --listen 0.0.0.0:80 --insecure", &why), 0);
	config_fini(&c);
	ck_assert_int_eq(read_flags(&c, "--data d --listen 127.9.9.9:0", &why), 0);
	config_fini(&c);
	ck_assert_int_eq(read_flags(&c, "--data d --listen [::1]:81", &why), 0);
	config_url(&url, &c);
	ck_assert(slice_eq_str(buf_slice(&url), "http://[::1]:81"));
	config_fini(&c);
	buf_reset(&url);
	ck_assert_int_eq(
		read_flags(&c, "--data d --listen 127.0.0.1:82 --tls-cert c --tls-key k", &why), 0);
	config_url(&url, &c);
	ck_assert(slice_eq_str(buf_slice(&url), "https://127.0.0.1:82"));
	config_fini(&c);
	buf_fini(&url);
	buf_fini(&why);
}
END_TEST

START_TEST(files_of_tls_that_need_others)
{
	struct config c;
	struct buf why;

	buf_init(&why);
	assert_refused("--data d --tls-cert c", "give --tls-key FILE");
	assert_refused("--data d --tls-key k", "give --tls-cert FILE");
	assert_refused("--data d --tls-client-ca a", "--tls-cert FILE and --tls-key FILE");
	assert_refused("--data d --tls-cert c --tls-key k --tls-crl l", "--tls-client-ca FILE");
	assert_refused("--data d --tls-cert c --tls-key k --tls-client-required",
		       "--tls-client-ca FILE");
	assert_refused("--data d --tls-client-required", "--tls-client-ca FILE");
	ck_assert_int_eq(read_flags(&c,
				    "--data d --tls-cert c --tls-key k --tls-client-ca a "
				    "--tls-crl l --tls-client-required",
				    &why),
			 0);
	ck_assert_str_eq(c.tls_cert, "c");
	ck_assert_str_eq(c.tls_key, "k");
	ck_assert_str_eq(c.tls_client_ca, "a");
	ck_assert_str_eq(c.tls_crl, "l");
	ck_assert(c.tls_client_required);
	config_fini(&c);
	buf_fini(&why);
}
END_TEST

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

START_TEST(the_file_says_what_no_flag_says)
{
	struct folder folder;
	char flags[600];
	struct config c;
	struct buf why;

	buf_init(&why);
	folder_init(&folder);
	write_file(folder_path(&folder, "c"), "; a comment\n[steled]\ndata = from file\n"
					      "loops = 3\nquiet = yes\norigin = x.example\n");
	snprintf(flags, sizeof flags, "--loops 2 --config %s", folder.path);
	ck_assert_int_eq(read_flags(&c, flags, &why), 0);
	ck_assert_str_eq(c.data, "from file");
	ck_assert_str_eq(c.origin, "x.example");
	ck_assert_uint_eq(c.loops, 2);
	ck_assert(c.quiet);
	ck_assert_uint_eq(why.n, 0);
	config_fini(&c);
	write_file(folder.path, "data = d\nlops = 3\n");
	assert_refused(flags, "lops");
	write_file(folder.path, "data = d\nloops = x\n");
	assert_refused(flags, "line 2");
	write_file(folder.path, "[other]\ndata = d\n");
	assert_refused(flags, "other.data");
	write_file(folder.path, "data = d\nconfig = e\n");
	assert_refused(flags, "config");
	write_file(folder.path, "data = d\nwhat is this\n");
	assert_refused(flags, "line 2");
	folder_fini(&folder);
	buf_fini(&why);
}
END_TEST

START_TEST(a_passphrase_is_a_files_first_line)
{
	struct folder folder;
	char flags[600];
	struct config c;
	struct buf why;

	buf_init(&why);
	folder_init(&folder);
	write_file(folder_path(&folder, "p"), "correct horse \nmore\n");
	snprintf(flags, sizeof flags, "--data d --passphrase-file %s", folder.path);
	ck_assert_int_eq(read_flags(&c, flags, &why), 0);
	ck_assert_str_eq(c.passphrase, "correct horse ");
	config_fini(&c);
	write_file(folder.path, "\n");
	assert_refused(flags, "empty");
	write_file(folder.path, "no newline");
	ck_assert_int_eq(read_flags(&c, flags, &why), 0);
	ck_assert_str_eq(c.passphrase, "no newline");
	config_forget_passphrase(&c);
	ck_assert_ptr_null(c.passphrase);
	config_fini(&c);
	snprintf(flags, sizeof flags, "--data d --passphrase-prompt --passphrase-file %s",
		 folder.path);
	assert_refused(flags, "exactly one");
	assert_refused("--data d --passphrase-fd 2000000", "not open");
	assert_refused("--data d --passphrase-fd -1", "passphrase-fd");
	folder_fini(&folder);
	buf_fini(&why);
}
END_TEST

START_TEST(help_names_every_flag)
{
	static const char *const flags[] = {"--data DIR",    "--listen ADDR:PORT",
					    "--origin NAME", "--insecure",
					    "--moved",       "--help"};
	struct buf out;
	size_t i;

	buf_init(&out);
	config_help(&out);
	for (i = 0; i < sizeof flags / sizeof *flags; i++)
		ck_assert_ptr_nonnull(memmem(out.p, out.n, flags[i], strlen(flags[i])));
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, only_the_data_directory_must_be_said);
	tcase_add_test(t, numbers_have_units_and_bounds);
	tcase_add_test(t, what_is_not_known_is_refused);
	tcase_add_test(t, beyond_this_machine_only_when_told_so_in_so_many_words);
	tcase_add_test(t, files_of_tls_that_need_others);
	tcase_add_test(t, the_file_says_what_no_flag_says);
	tcase_add_test(t, a_passphrase_is_a_files_first_line);
	tcase_add_test(t, help_names_every_flag);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
