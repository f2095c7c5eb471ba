/* Tokens: only the right secret opens, revocation and restarts are believed, files are guarded. */
#include "server/tokens.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "tests/unit/folder.h"

static struct folder folder;

static struct tokens *
open_tokens(const char *passphrase, int want)
{
	struct tokens *t = NULL;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(tokens_open(&t, folder.dir, passphrase, &why), want);
	ck_assert_int_eq(why.n > 0, want != 0);
	buf_fini(&why);
	return t;
}

static void
start(void)
{
	folder_init(&folder);
	ck_assert_int_eq(mkdir(folder_path(&folder, "keys"), 0700), 0);
}

/* The text in admin.token, without its newline. */
static void
admin_text(char text[TOKEN_CHARS + 1])
{
	FILE *f = fopen(folder_path(&folder, "admin.token"), "r");
	struct stat st;

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fread(text, 1, TOKEN_CHARS + 1, f), TOKEN_CHARS + 1);
	ck_assert_int_eq(fgetc(f), EOF);
	ck_assert_int_eq(fstat(fileno(f), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(text[TOKEN_CHARS], '\n');
	text[TOKEN_CHARS] = '\0';
	fclose(f);
}

static struct token_request
request(unsigned scopes, const char *pattern)
{
	return (struct token_request){
		.scopes = scopes,
		.kind = 's',
		.created_ns = 1000,
		.patterns = {slice_str(pattern)},
		.n_patterns = 1,
	};
}

START_TEST(the_first_start_leaves_a_token_that_may_do_everything)
{
	char text[TOKEN_CHARS + 1], again[TOKEN_CHARS + 1];
	struct tokens *t;
	struct token *token;

	start();
	t = open_tokens(NULL, 0);
	admin_text(text);
	token = tokens_check(t, slice_str(text), 5);
	ck_assert_ptr_nonnull(token);
	ck_assert(token_may(token, SCOPE_ACCESS, slice_str("")));
	ck_assert(token_may(token, SCOPE_APPEND, slice_str("any")));
	ck_assert_int_eq(strncmp(token->principal, "p-", 2), 0);
	token_unref(token);
	tokens_free(t);

	t = open_tokens(NULL, 0); /* a second start makes no other */
	admin_text(again);
	ck_assert_str_eq(text, again);
	token = tokens_check(t, slice_str(text), 5);
	ck_assert_ptr_nonnull(token);
	token_unref(token);
	tokens_free(t);
	folder_fini(&folder);
}
END_TEST

START_TEST(every_changed_character_is_refused)
{
	char text[TOKEN_CHARS + 1];
	struct tokens *t;
	size_t i;

	start();
	t = open_tokens(NULL, 0);
	admin_text(text);
	for (i = 0; i < TOKEN_CHARS; i++) {
		char was = text[i];

		text[i] = was == 'a' ? 'b' : 'a';
		ck_assert_ptr_null(tokens_check(t, slice_str(text), 5));
		text[i] = was;
	}
	ck_assert_ptr_null(tokens_check(t, slice_of(text, TOKEN_CHARS - 1), 5));
	ck_assert_ptr_null(tokens_check(t, slice_of("", 0), 5));
	tokens_free(t);
	folder_fini(&folder);
}
END_TEST

START_TEST(a_token_may_do_what_it_was_made_for_until_it_expires)
{
	struct token_request req = request(SCOPE_APPEND | SCOPE_VERIFY, "k8s-*");
	char text[TOKEN_CHARS + 1];
	struct token *token, *made;
	struct tokens *t;

	start();
	t = open_tokens(NULL, 0);
	req.expires_ns = 2000;
	ck_assert_int_eq(tokens_create(t, &req, text, &made), 0);
	ck_assert_int_eq(strncmp(made->principal, "s-", 2), 0);
	token = tokens_check(t, slice_str(text), 1999);
	ck_assert_ptr_eq(token, made);
	ck_assert(token_may(token, SCOPE_APPEND, slice_str("k8s-prod")));
	ck_assert(token_may(token, SCOPE_READ | SCOPE_VERIFY, slice_str("k8s-prod")));
	ck_assert(!token_may(token, SCOPE_READ, slice_str("k8s-prod")));
	ck_assert(!token_may(token, SCOPE_APPEND, slice_str("payments")));
	token_unref(token);
	token_unref(made);
	ck_assert_ptr_null(tokens_check(t, slice_str(text), 2000));
	tokens_free(t);
	folder_fini(&folder);
}
END_TEST

START_TEST(what_was_made_and_revoked_is_so_after_a_restart)
{
	enum { N = 40 };
	struct token_request req = request(SCOPE_READ, "a");
	char text[N][TOKEN_CHARS + 1];
	struct token *token, *rows[N + 2];
	struct tokens *t;
	size_t i;

	start();
	t = open_tokens("correct horse", 0);
	req.principal = slice_str("svc-1");
	for (i = 0; i < N; i++) {
		ck_assert_int_eq(tokens_create(t, &req, text[i], &token), 0);
		token_unref(token);
	}
	for (i = 0; i < N; i += 2)
		ck_assert_int_eq(tokens_revoke(t, slice_of(text[i] + 6, TOKEN_ID_CHARS)), 0);
	ck_assert_int_eq(tokens_revoke(t, slice_of(text[0] + 6, TOKEN_ID_CHARS)), STELE_ENOTFOUND);
	ck_assert_int_eq(tokens_revoke(t, slice_str("x")), STELE_ENOTFOUND);
	tokens_free(t);

	open_tokens("wrong", STELE_EKEY);
	t = open_tokens("correct horse", 0);
	for (i = 0; i < N; i++) {
		token = tokens_check(t, slice_str(text[i]), 5);
		ck_assert_int_eq(token != NULL, i % 2);
		if (token)
			ck_assert_str_eq(token->principal, "svc-1");
		token_unref(token);
	}
	ck_assert_uint_eq(tokens_list(t, slice_str(""), rows, N + 2), N / 2 + 1);
	for (i = 0; i < N / 2 + 1; i++) {
		ck_assert(i == 0 || strcmp(rows[i - 1]->id, rows[i]->id) < 0);
		token_unref(rows[i]);
	}
	ck_assert_uint_eq(tokens_list(t, slice_str(rows[4]->id), rows, 2), 2);
	token_unref(rows[0]);
	token_unref(rows[1]);
	tokens_free(t);
	folder_fini(&folder);
}
END_TEST

START_TEST(a_damaged_file_is_said_and_not_replaced)
{
	struct tokens *t;
	FILE *f;

	start();
	t = open_tokens(NULL, 0);
	tokens_free(t);
	f = fopen(folder_path(&folder, "keys/tokens"), "r+");
	ck_assert_ptr_nonnull(f);
	fseek(f, 100, SEEK_SET);
	fputc('!', f);
	fclose(f);
	open_tokens(NULL, STELE_EDAMAGED);
	ck_assert_int_eq(chmod(folder_path(&folder, "keys/tokens"), 0644), 0);
	open_tokens(NULL, STELE_EPERM);
	folder_fini(&folder);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tokens");
	TCase *t = tcase_create("tokens");
	SRunner *r;
	int failed;

	if (crypto_init() != 0)
		return 1;
	tcase_set_timeout(t, 60);
	tcase_add_test(t, the_first_start_leaves_a_token_that_may_do_everything);
	tcase_add_test(t, every_changed_character_is_refused);
	tcase_add_test(t, a_token_may_do_what_it_was_made_for_until_it_expires);
	tcase_add_test(t, what_was_made_and_revoked_is_so_after_a_restart);
	tcase_add_test(t, a_damaged_file_is_said_and_not_replaced);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
