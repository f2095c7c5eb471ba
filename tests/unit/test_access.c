/* Who may do what: only the right secret opens, grants are exact, acts fold into one state. */
#include "server/access.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "act_case.h"
#include "suite.h"

static int
act(struct access *a, const char *json)
{
	return act_at(a, 1000, json);
}

static int
make(struct access *a, const char *id, const char *grants)
{
	char json[512];

	snprintf(json, sizeof json,
		 "{\"type\":\"principal.create\",\"principal\":{\"id\":\"%s\",\"kind\":\"person\","
		 "\"grants\":[%s]}}",
		 id, grants);
	return act(a, json);
}

#define ROOT "{\"scopes\":[\"access\"],\"logs\":[\"*\"]}"

/* A token of a principal, with more members. */
static void
token_of(struct access *a, const char *principal, const char *more, char text[TOKEN_CHARS + 1])
{
	uint8_t hash[TOKEN_HASH_BYTES];
	struct buf json;
	char z[1024];

	access_new_token(a, text, hash);
	buf_init(&json);
	buf_printf(&json,
		   "{\"type\":\"token.create\",\"token\":{\"id\":\"%.10s\",\"principal\":\"%s\"%s,"
		   "\"hash\":\"",
		   text + 6, principal, more);
	buf_put_base64(&json, hash, sizeof hash);
	buf_put_str(&json, "\"}}");
	snprintf(z, sizeof z, "%.*s", (int)json.n, (const char *)json.p);
	buf_fini(&json);
	ck_assert_int_eq(act(a, z), 0);
}

static enum access_answer
ask(struct access *a, const char *text, int64_t now_ns)
{
	struct token *t = NULL;
	enum access_answer answer = access_check(a, slice_str(text), now_ns, &t);

	ck_assert_int_eq(answer == ACCESS_OPENS, t != NULL);
	token_unref(t);
	return answer;
}

static bool
may(struct access *a, const char *text, unsigned scopes, const char *log)
{
	struct token *t = NULL;
	bool may;

	ck_assert_int_eq(access_check(a, slice_str(text), 2000, &t), ACCESS_OPENS);
	may = token_may(t, scopes, slice_str(log));
	token_unref(t);
	return may;
}

START_TEST(every_changed_character_is_refused)
{
	struct access *a = access_new();
	char text[TOKEN_CHARS + 1];

	ck_assert_int_eq(make(a, "p-1", ROOT), 0);
	token_of(a, "p-1", "", text);
	for (int round = 0; round < 2; round++) { /* by the hash, then by the secret proven */
		for (size_t i = 0; i < TOKEN_CHARS; i++) {
			char was = text[i];
			text[i] = was == 'a' ? 'b' : 'a';
			ck_assert_int_eq(ask(a, text, 5), ACCESS_UNKNOWN);
			text[i] = was;
		}
		ck_assert_int_eq(ask(a, text, 5), ACCESS_OPENS);
	}
	text[TOKEN_CHARS - 1] = '\0';
	ck_assert_int_eq(ask(a, text, 5), ACCESS_UNKNOWN);
	ck_assert_int_eq(ask(a, "", 5), ACCESS_UNKNOWN);
	access_free(a);
}
END_TEST

START_TEST(a_token_may_what_both_it_and_one_grant_say)
{
	struct access *a = access_new();
	char all[TOKEN_CHARS + 1], some[TOKEN_CHARS + 1], own[TOKEN_CHARS + 1];

	ck_assert_int_eq(make(a, "p-1",
			      "{\"scopes\":[\"append\",\"verify\"],\"logs\":[\"k8s-*\",\"pay\"]},"
			      "{\"scopes\":[\"read\"],\"logs\":[\"pay\",\"*\"]}"),
			 0);
	token_of(a, "p-1", "", all);
	token_of(a, "p-1", ",\"scopes\":[\"read\",\"append\",\"purge\"],\"logs\":[\"pay\"]", some);
	ck_assert(may(a, all, SCOPE_APPEND, "k8s-prod"));
	ck_assert(may(a, all, SCOPE_APPEND, "pay"));
	ck_assert(!may(a, all, SCOPE_APPEND, "paying"));
	ck_assert(may(a, all, SCOPE_READ, "paying"));
	ck_assert(may(a, all, SCOPE_VERIFY, ""));
	ck_assert(!may(a, all, SCOPE_ACCESS, ""));
	ck_assert(!may(a, all, SCOPE_PURGE, "pay"));
	ck_assert(may(a, some, SCOPE_APPEND | SCOPE_READ, "pay"));
	ck_assert(!may(a, some, SCOPE_VERIFY, "pay"));
	ck_assert(!may(a, some, SCOPE_APPEND, "k8s-prod"));
	ck_assert(!may(a, some, SCOPE_PURGE, "pay")); /* it says so, no grant does */
	ck_assert(!may(a, all, SCOPE_READ, "_system"));
	ck_assert_int_eq(make(a, "p-2", "{\"scopes\":[\"read\"],\"logs\":[\"_sys*\"]}"), 0);
	token_of(a, "p-2", "", own);
	ck_assert(may(a, own, SCOPE_READ, "_system"));
	ck_assert(!may(a, own, SCOPE_READ, "_access"));
	access_free(a);
}
END_TEST

START_TEST(tokens_end_by_themselves_with_their_principal_and_when_revoked)
{
	struct access *a = access_new();
	char mortal[TOKEN_CHARS + 1], guest[TOKEN_CHARS + 1], json[128];

	ck_assert_int_eq(make(a, "p-1", ROOT), 0);
	token_of(a, "p-1", ",\"expires\":\"1970-01-01T00:00:00.000002000Z\"", mortal);
	ck_assert_int_eq(ask(a, mortal, 1999), ACCESS_OPENS);
	ck_assert_int_eq(ask(a, mortal, 2000), ACCESS_EXPIRED);
	ck_assert_int_eq(act(a, "{\"type\":\"principal.create\",\"principal\":{\"id\":\"g\","
				"\"kind\":\"person\",\"ends\":\"1970-01-01T00:00:00.000003000Z\","
				"\"matter\":\"Case 7\",\"grants\":[]}}"),
			 0);
	token_of(a, "g", "", guest);
	ck_assert_int_eq(ask(a, guest, 2999), ACCESS_OPENS);
	ck_assert_int_eq(ask(a, guest, 3000), ACCESS_EXPIRED);
	snprintf(json, sizeof json, "{\"type\":\"token.revoke\",\"id\":\"%.10s\"}", guest + 6);
	ck_assert_int_eq(act(a, json), 0);
	ck_assert_int_eq(ask(a, guest, 5), ACCESS_UNKNOWN);
	ck_assert_int_eq(act(a, json), STELE_ENOTFOUND);
	access_free(a);
}
END_TEST

START_TEST(a_disabled_principal_opens_nothing_and_never_comes_back)
{
	struct access *a = access_new();
	struct principal *p;
	char text[TOKEN_CHARS + 1];

	ck_assert_int_eq(make(a, "p-1", ROOT), 0);
	ck_assert_int_eq(make(a, "p-2", "{\"scopes\":[\"read\"],\"logs\":[\"*\"]}"), 0);
	token_of(a, "p-2", "", text);
	ck_assert_int_eq(act(a, "{\"type\":\"principal.disable\",\"id\":\"p-2\",\"successor\":"
				"\"nobody\"}"),
			 STELE_ENOTFOUND);
	ck_assert_int_eq(act(a, "{\"type\":\"principal.disable\",\"id\":\"p-2\",\"successor\":"
				"\"p-2\"}"),
			 STELE_ENOTFOUND);
	ck_assert_int_eq(ask(a, text, 5), ACCESS_OPENS);
	ck_assert_int_eq(act(a, "{\"type\":\"principal.disable\",\"id\":\"p-2\",\"successor\":"
				"\"p-1\"}"),
			 0);
	ck_assert_int_eq(ask(a, text, 5), ACCESS_UNKNOWN);
	p = access_principal(a, slice_str("p-2"));
	ck_assert_int_eq(p->disabled_ns, 1000);
	ck_assert_str_eq(p->successor, "p-1");
	ck_assert_str_eq(p->grants[0].logs, "*");
	principal_unref(p);
	ck_assert_int_eq(act(a, "{\"type\":\"principal.disable\",\"id\":\"p-2\"}"),
			 STELE_ECONFLICT);
	ck_assert_int_eq(act(a, "{\"type\":\"principal.change\",\"principal\":{\"id\":\"p-2\","
				"\"kind\":\"person\",\"grants\":[]}}"),
			 STELE_ECONFLICT);
	ck_assert_int_eq(make(a, "p-2", ROOT), STELE_EEXIST);
	access_free(a);
}
END_TEST

START_TEST(the_last_one_who_lets_people_in_stays)
{
	static const char disable[] = "{\"type\":\"principal.disable\",\"id\":\"p-1\"}",
			  narrow[] = "{\"type\":\"principal.change\",\"principal\":{\"id\":\"p-1\","
				     "\"kind\":\"person\",\"grants\":[]}}",
			  end[] = "{\"type\":\"principal.change\",\"principal\":{\"id\":\"p-1\","
				  "\"kind\":\"person\",\"ends\":\"2030-01-01T00:00:00.000000000Z\","
				  "\"grants\":[" ROOT "]}}";
	struct access *a = access_new();

	ck_assert_int_eq(make(a, "p-1", ROOT), 0);
	ck_assert_int_eq(make(a, "p-2", "{\"scopes\":[\"read\"],\"logs\":[\"*\"]}"), 0);
	ck_assert_int_eq(act(a, disable), STELE_ECONFLICT);
	ck_assert_int_eq(act(a, narrow), STELE_ECONFLICT);
	ck_assert_int_eq(act(a, end), STELE_ECONFLICT);
	ck_assert_int_eq(make(a, "p-3", ROOT), 0);
	ck_assert_int_eq(act(a, end), 0);
	ck_assert_int_eq(act(a, narrow), 0);
	ck_assert_int_eq(act(a, disable), 0);
	access_free(a);
}
END_TEST

/* Changes p-1's grants and says whether it counted as widened. */
static bool
widens(struct access *a, const char *grants)
{
	static int64_t now_ns = 5000;
	struct principal *p;
	char json[512];
	bool widened;

	snprintf(json, sizeof json,
		 "{\"type\":\"principal.change\",\"principal\":{\"id\":\"p-1\",\"kind\":\"person\","
		 "\"grants\":[%s]}}",
		 grants);
	now_ns++;
	ck_assert_int_eq(act_at(a, now_ns, json), 0);
	p = access_principal(a, slice_str("p-1"));
	widened = p->widened_ns == now_ns;
	ck_assert_int_eq(p->created_ns, 1000);
	principal_unref(p);
	return widened;
}

START_TEST(whoever_may_more_than_before_is_widened)
{
	struct access *a = access_new();
	char text[TOKEN_CHARS + 1];

	ck_assert_int_eq(make(a, "root", ROOT), 0);
	ck_assert_int_eq(make(a, "p-1", "{\"scopes\":[\"read\",\"hold\"],\"logs\":[\"k8s-*\"]}"),
			 0);
	token_of(a, "p-1", "", text);
	ck_assert(!widens(a, "{\"scopes\":[\"read\",\"hold\"],\"logs\":[\"k8s-*\"]}"));
	ck_assert(!widens(a, "{\"scopes\":[\"read\"],\"logs\":[\"k8s-*\",\"k8s-a\"]}"));
	ck_assert(may(a, text, SCOPE_READ, "k8s-a"));
	ck_assert(!may(a, text, SCOPE_HOLD, "k8s-a"));
	ck_assert(widens(a, "{\"scopes\":[\"hold\"],\"logs\":[\"k8s-a\"]}"));
	ck_assert(may(a, text, SCOPE_HOLD, "k8s-a"));
	ck_assert(widens(a, "{\"scopes\":[\"hold\"],\"logs\":[\"*\"]}"));
	ck_assert(!widens(a, "{\"scopes\":[\"hold\"],\"logs\":[\"k8s-*\"]}"));
	ck_assert(widens(a, "{\"scopes\":[\"hold\"],\"logs\":[\"k8*\"]}"));
	ck_assert(widens(a, "{\"scopes\":[\"hold\"],\"logs\":[\"k8*\",\"_system\"]}"));
	ck_assert(!widens(a, ""));
	access_free(a);
}
END_TEST

/* Two who change it at once do not undo each other: the second one's picture is old. */
START_TEST(a_change_is_of_what_was_seen)
{
	static const char change[] =
		"{\"type\":\"principal.change\",\"principal\":{\"id\":\"p-2\",\"kind\":\"person\","
		"\"grants\":[]},\"was\":{\"id\":\"p-2\",\"kind\":\"person\",\"grants\":[" ROOT
		"],\"created\":\"1970-01-01T00:00:00.000001000Z\","
		"\"widened\":\"1970-01-01T00:00:00.000001000Z\"}}";
	struct access *a = access_new();

	ck_assert_int_eq(make(a, "p-1", ROOT), 0);
	ck_assert_int_eq(make(a, "p-2", ROOT), 0);
	ck_assert_int_eq(act(a, change), 0);
	ck_assert_int_eq(act(a, change), STELE_ECONFLICT);
	access_free(a);
}
END_TEST

START_TEST(a_rotated_token_goes_on_for_a_while)
{
	struct access *a = access_new();
	char old[TOKEN_CHARS + 1], new[TOKEN_CHARS + 1], json[512];
	uint8_t hash[TOKEN_HASH_BYTES];
	struct buf text;

	ck_assert_int_eq(make(a, "p-1", ROOT), 0);
	token_of(a, "p-1", "", old);
	access_new_token(a, new, hash);
	buf_init(&text);
	buf_put_base64(&text, hash, sizeof hash);
	snprintf(json, sizeof json,
		 "{\"type\":\"token.rotate\",\"id\":\"%.10s\",\"expires\":"
		 "\"1970-01-01T00:00:00.000005000Z\",\"token\":{\"id\":\"%.10s\",\"principal\":"
		 "\"p-1\",\"hash\":\"%.*s\"}}",
		 old + 6, new + 6, (int)text.n, (const char *)text.p);
	buf_fini(&text);
	ck_assert_int_eq(act(a, json), 0);
	ck_assert_int_eq(ask(a, old, 4999), ACCESS_OPENS);
	ck_assert_int_eq(ask(a, old, 5000), ACCESS_EXPIRED);
	ck_assert_int_eq(ask(a, new, 5000), ACCESS_OPENS);
	access_free(a);
}
END_TEST

START_TEST(what_is_not_an_act_changes_nothing)
{
	static const char *const bad[] = {
		"{\"type\":\"principal.create\"}",
		"{\"type\":\"principal.create\",\"principal\":{\"id\":\"a b\",\"kind\":\"person\","
		"\"grants\":[]}}",
		"{\"type\":\"principal.create\",\"principal\":{\"id\":\"a\",\"kind\":\"robot\","
		"\"grants\":[]}}",
		"{\"type\":\"principal.create\",\"principal\":{\"id\":\"a\",\"kind\":\"person\","
		"\"grants\":[{\"scopes\":[],\"logs\":[\"*\"]}]}}",
		"{\"type\":\"principal.create\",\"principal\":{\"id\":\"a\",\"kind\":\"person\","
		"\"grants\":[{\"scopes\":[\"root\"],\"logs\":[\"*\"]}]}}",
		"{\"type\":\"principal.create\",\"principal\":{\"id\":\"a\",\"kind\":\"person\","
		"\"grants\":[{\"scopes\":[\"read\"],\"logs\":[\"A\"]}]}}",
		"{\"type\":\"principal.create\",\"principal\":{\"id\":\"a\",\"kind\":\"person\","
		"\"grants\":[{\"scopes\":[\"read\"],\"logs\":[\"*\"],\"x\":1}]}}",
		"{\"type\":\"principal.create\",\"principal\":{\"id\":\"a\",\"kind\":\"person\","
		"\"ends\":\"soon\",\"grants\":[]}}",
		"{\"type\":\"token.create\",\"token\":{\"id\":\"short\",\"principal\":\"p-1\"}}",
		"{\"type\":\"token.rotate\",\"id\":\"aaaaaaaaaa\"}",
	};
	struct access *a = access_new();

	ck_assert_int_eq(make(a, "p-1", ROOT), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(act(a, bad[i]), STELE_ESYNTAX);
	ck_assert_int_eq(act(a, "{\"type\":\"heads\"}"), 0);
	access_free(a);
}
END_TEST

START_TEST(a_snapshot_is_the_same_state)
{
	struct access *a = access_new(), *b = access_new();
	char text[3][TOKEN_CHARS + 1], id[16];
	struct buf one, two;
	uint64_t applied;

	for (int i = 0; i < 30; i++) {
		snprintf(id, sizeof id, "p-%d", i);
		ck_assert_int_eq(
			make(a, id, "{\"scopes\":[\"access\",\"read\"],\"logs\":[\"a*\",\"b\"]}"),
			0);
	}
	token_of(a, "p-3", "", text[0]);
	token_of(a, "p-29", ",\"scopes\":[\"read\"],\"logs\":[\"b\"]", text[1]);
	token_of(a, "p-4", "", text[2]);
	ck_assert_int_eq(act(a, "{\"type\":\"principal.disable\",\"id\":\"p-4\"}"), 0);
	ck_assert_int_eq(ask(a, text[1], INT64_C(200000000000)), ACCESS_OPENS);
	buf_init(&one);
	buf_init(&two);
	access_encode(a, 77, &one);
	ck_assert_int_eq(access_decode(b, buf_slice(&one), &applied), 0);
	ck_assert_uint_eq(applied, 77);
	access_encode(b, 77, &two);
	ck_assert(slice_eq(buf_slice(&one), buf_slice(&two)));
	ck_assert_int_eq(ask(b, text[0], 5), ACCESS_OPENS);
	ck_assert(may(b, text[1], SCOPE_READ, "b"));
	ck_assert(!may(b, text[1], SCOPE_READ, "a"));
	ck_assert_int_eq(ask(b, text[2], 5), ACCESS_UNKNOWN);
	for (size_t cut = 0; cut < one.n; cut += 7) {
		struct access *c = access_new();
		ck_assert_int_eq(access_decode(c, slice_of(one.p, cut), &applied), STELE_EDAMAGED);
		access_free(c);
	}
	buf_fini(&one);
	buf_fini(&two);
	access_free(a);
	access_free(b);
}
END_TEST

START_TEST(lists_come_in_order_and_in_pages)
{
	struct access *a = access_new();
	struct principal *rows[3];
	char id[16];

	for (int i = 9; i >= 0; i--) {
		snprintf(id, sizeof id, "p-%d", i);
		ck_assert_int_eq(make(a, id, ROOT), 0);
	}
	ck_assert_uint_eq(access_principals(a, slice_str("p-6"), rows, 3), 3);
	for (size_t i = 0; i < 3; i++) {
		snprintf(id, sizeof id, "p-%zu", 7 + i);
		ck_assert_str_eq(rows[i]->id, id);
		principal_unref(rows[i]);
	}
	ck_assert_uint_eq(access_principals(a, slice_str("p-9"), rows, 3), 0);
	ck_assert_uint_eq(access_principals(a, slice_str("p-8x"), rows, 3), 1);
	principal_unref(rows[0]);
	access_free(a);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_changed_character_is_refused,
		a_token_may_what_both_it_and_one_grant_say,
		tokens_end_by_themselves_with_their_principal_and_when_revoked,
		a_disabled_principal_opens_nothing_and_never_comes_back,
		the_last_one_who_lets_people_in_stays,
		whoever_may_more_than_before_is_widened,
		a_change_is_of_what_was_seen,
		a_rotated_token_goes_on_for_a_while,
		what_is_not_an_act_changes_nothing,
		a_snapshot_is_the_same_state,
		lists_come_in_order_and_in_pages,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("access", tests, sizeof tests / sizeof *tests, 60);
}
