/* Dual control at its boundaries: the 72 hours, the end of a request, what falls under it. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/access.h"
#include "act_case.h"
#include "suite.h"

#define HOUR INT64_C(3600000000000)
#define OFFICER "{\"scopes\":[\"access\",\"approve\"],\"logs\":[\"*\"]}"
#define READER "{\"scopes\":[\"read\"],\"logs\":[\"*\"]}"

static void
make(struct access *a, int64_t time_ns, const char *id, const char *grants)
{
	char json[512];

	snprintf(json, sizeof json,
		 "{\"type\":\"principal.create\",\"principal\":{\"id\":\"%s\",\"kind\":\"person\","
		 "\"grants\":[%s]}}",
		 id, grants);
	ck_assert_int_eq(act_at(a, time_ns, json), 0);
}

/* An approval that p-1 asks for, to disable p-3, until hour 100. */
static void
request(struct access *a, const char *id)
{
	char json[512];

	snprintf(json, sizeof json,
		 "{\"type\":\"approval.request\",\"id\":\"%s\",\"expires\":"
		 "\"1970-01-05T04:00:00.000000000Z\",\"by\":{\"principal\":\"p-1\"},\"act\":"
		 "{\"type\":\"principal.disable\",\"id\":\"p-3\"}}",
		 id);
	ck_assert_int_eq(act_at(a, HOUR, json), 0);
}

/* The digest of an approval, from its JSON. */
static void
digest_of(struct access *a, const char *id, char digest[65])
{
	struct buf b;
	const char *at;

	buf_init(&b);
	ck_assert_int_eq(access_put_approval(a, NULL, slice_str(id), HOUR, &b), 0);
	at = memmem(b.p, b.n, "\"digest\":\"", 10);
	ck_assert_ptr_nonnull(at);
	snprintf(digest, 65, "%s", at + 10);
	buf_fini(&b);
}

static int
grant(struct access *a, int64_t time_ns, const char *id, const char *by)
{
	char json[512], digest[65];

	digest_of(a, id, digest);
	snprintf(
		json, sizeof json,
		"{\"type\":\"approval.grant\",\"id\":\"%s\",\"digest\":\"%s\",\"by\":{\"principal\":"
		"\"%s\"}}",
		id, digest, by);
	return act_at(a, time_ns, json);
}

static bool
needs_second_by(struct access *a, const char *json, bool policies)
{
	json_t *act = json_loads(json, 0, NULL);
	bool needs = access_needs_second(a, act) == ACCESS_SECOND ||
		     (policies && access_needs_second(a, act) == ACCESS_SECOND_BY_POLICY);

	json_decref(act);
	return needs;
}

static bool
needs_second(struct access *a, const char *json)
{
	return needs_second_by(a, json, false);
}

/* p-1 to p-4, officers since hour 0, and dual control for disabling. */
static struct access *
begin(void)
{
	struct access *a = access_new();

	make(a, 0, "p-1", OFFICER);
	make(a, 0, "p-2", OFFICER);
	make(a, 0, "p-3", OFFICER);
	make(a, 0, "p-4", OFFICER);
	ck_assert_int_eq(
		act_at(a, 0, "{\"type\":\"dual_control.set\",\"acts\":[\"principal.disable\"]}"),
		0);
	return a;
}

START_TEST(grants_must_have_stood_for_72_hours_to_the_nanosecond)
{
	struct access *a = begin();

	request(a, "a-aaaaaaaaaa");
	ck_assert_int_eq(grant(a, 72 * HOUR - 1, "a-aaaaaaaaaa", "p-2"), STELE_EPERM);
	ck_assert_int_eq(grant(a, 72 * HOUR, "a-aaaaaaaaaa", "p-1"), STELE_EPERM);
	ck_assert_int_eq(grant(a, 72 * HOUR, "a-aaaaaaaaaa", "nobody"), STELE_EPERM);
	ck_assert_int_eq(grant(a, 72 * HOUR, "a-aaaaaaaaaa", "p-2"), 0);
	ck_assert_int_eq(grant(a, 72 * HOUR, "a-aaaaaaaaaa", "p-4"), STELE_ECONFLICT);
	access_free(a);
}
END_TEST

START_TEST(a_request_ends_to_the_nanosecond)
{
	struct access *a = begin();

	request(a, "a-aaaaaaaaaa");
	request(a, "a-bbbbbbbbbb");
	ck_assert_int_eq(grant(a, 100 * HOUR, "a-aaaaaaaaaa", "p-2"), STELE_ECONFLICT);
	ck_assert_int_eq(grant(a, 100 * HOUR - 1, "a-bbbbbbbbbb", "p-2"), 0);
	access_free(a);
}
END_TEST

START_TEST(what_is_forbidden_by_then_is_not_done)
{
	struct access *a = begin();

	request(a, "a-aaaaaaaaaa");
	request(a, "a-bbbbbbbbbb");
	ck_assert_int_eq(grant(a, 80 * HOUR, "a-aaaaaaaaaa", "p-2"), 0);
	ck_assert_int_eq(grant(a, 80 * HOUR, "a-bbbbbbbbbb", "p-2"), STELE_ECONFLICT);
	access_free(a);
}
END_TEST

/* Done again it would be no error: a change that somebody has taken back since. */
START_TEST(a_grant_counts_once)
{
	struct access *a = begin();

	make(a, 0, "x", READER);
	ck_assert_int_eq(
		act_at(a, HOUR,
		       "{\"type\":\"approval.request\",\"id\":\"a-aaaaaaaaaa\",\"expires\":"
		       "\"1970-01-05T04:00:00.000000000Z\",\"by\":{\"principal\":\"p-1\"},\"act\":"
		       "{\"type\":\"principal.change\",\"principal\":{\"id\":\"x\",\"kind\":"
		       "\"person\",\"grants\":[" OFFICER "]}}}"),
		0);
	ck_assert_int_eq(grant(a, 80 * HOUR, "a-aaaaaaaaaa", "p-2"), 0);
	ck_assert_int_eq(grant(a, 80 * HOUR, "a-aaaaaaaaaa", "p-2"), STELE_ECONFLICT);
	access_free(a);
}
END_TEST

#define CREATE(scopes)                                                                             \
	"{\"type\":\"principal.create\",\"principal\":{\"id\":\"x\",\"kind\":\"job\",\"grants\":"  \
	"[{\"scopes\":[\"" scopes "\"],\"logs\":[\"a\"]}]}}"

START_TEST(power_falls_under_it_by_itself_and_the_rest_when_it_is_listed)
{
	static const char *const powers[] = {CREATE("hold"), CREATE("retain"), CREATE("purge"),
					     CREATE("approve")};
	struct access *a = begin();

	make(a, 0, "reader", READER);
	for (size_t i = 0; i < 4; i++)
		ck_assert(needs_second(a, powers[i]));
	ck_assert(!needs_second(a, CREATE("read")));
	ck_assert(!needs_second(a, CREATE("access")));
	ck_assert(needs_second(a, "{\"type\":\"principal.disable\",\"id\":\"reader\"}"));
	ck_assert(!needs_second(a, "{\"type\":\"token.revoke\",\"id\":\"x\"}"));
	ck_assert(needs_second(a, "{\"type\":\"token.create\",\"token\":{\"principal\":\"p-2\"}}"));
	ck_assert(!needs_second(
		a, "{\"type\":\"token.create\",\"token\":{\"principal\":\"reader\"}}"));
	ck_assert(!needs_second(a, "{\"type\":\"principal.change\",\"principal\":{\"id\":\"p-2\","
				   "\"kind\":\"person\",\"grants\":[" OFFICER "]}}"));
	ck_assert(needs_second(a, "{\"type\":\"principal.change\",\"principal\":{\"id\":\"reader\","
				  "\"kind\":\"person\",\"grants\":[" OFFICER "]}}"));
	ck_assert(needs_second(a, "{\"type\":\"dual_control.set\",\"acts\":[]}"));
	ck_assert(needs_second(a, "{\"type\":\"clock.confirm\",\"step_seconds\":3600}"));
	ck_assert(!needs_second(a, "{\"type\":\"log.key.rotate\",\"log\":\"a\",\"epoch\":1}"));
	ck_assert(!needs_second(a, "{\"type\":\"identity.rotate\"}"));
	ck_assert(needs_second(a, "{\"type\":\"dual_control.set\",\"acts\":[\"token.revoke\"]}"));
	ck_assert(!needs_second(a, "{\"type\":\"dual_control.set\",\"acts\":[\"token.revoke\","
				   "\"principal.disable\"]}"));
	ck_assert_int_eq(act_at(a, 0, "{\"type\":\"dual_control.set\",\"acts\":[]}"), 0);
	for (size_t i = 0; i < 4; i++)
		ck_assert(!needs_second(a, powers[i]));
	access_free(a);
}
END_TEST

START_TEST(power_falls_under_it_when_policies_ask_for_two_and_there_are_two)
{
	struct access *a = access_new();

	make(a, 0, "p-1", OFFICER);
	make(a, 0, "reader", READER);
	ck_assert(!needs_second_by(a, CREATE("approve"), true)); /* nobody could approve it */
	make(a, 0, "p-2", OFFICER);
	ck_assert(!needs_second_by(a, CREATE("approve"), false));
	ck_assert(needs_second_by(a, CREATE("approve"), true));
	ck_assert(needs_second_by(
		a, "{\"type\":\"token.create\",\"token\":{\"principal\":\"p-2\"}}", true));
	ck_assert(!needs_second_by(a, CREATE("read"), true));
	ck_assert(!needs_second_by(a, "{\"type\":\"principal.disable\",\"id\":\"reader\"}", true));
	access_free(a);
}
END_TEST

/* Whoever makes tokens could make one of an approver's, and approve what it asked for itself. */
START_TEST(a_token_approves_when_it_is_72_hours_old_to_the_nanosecond)
{
	struct access *a = begin();
	char json[512], digest[65];

	ck_assert_int_eq(act_at(a, 20 * HOUR,
				"{\"type\":\"token.create\",\"token\":{\"id\":\"aaaaaaaaaa\","
				"\"principal\":\"p-2\",\"hash\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}}"),
			 0);
	request(a, "a-aaaaaaaaaa");
	digest_of(a, "a-aaaaaaaaaa", digest);
	snprintf(json, sizeof json,
		 "{\"type\":\"approval.grant\",\"id\":\"a-aaaaaaaaaa\",\"digest\":\"%s\",\"by\":"
		 "{\"principal\":\"p-2\",\"token\":\"aaaaaaaaaa\"}}",
		 digest);
	ck_assert_int_eq(act_at(a, 92 * HOUR - 1, json), STELE_EPERM);
	ck_assert_int_eq(act_at(a, 92 * HOUR, json), 0);
	access_free(a);
}
END_TEST

/* A timestamp confirms a step from `at` to that hour. */
static void
step(struct access *a, int64_t at_ns, int64_t hour)
{
	char wall[TIMESTAMP_BYTES + 1] = "", json[200];

	timestamp_format(wall, hour * HOUR);
	snprintf(json, sizeof json,
		 "{\"type\":\"clock.confirm\",\"timestamp\":9,\"step_seconds\":1,\"wall\":\"%s\"}",
		 wall);
	ck_assert_int_eq(act_at(a, at_ns, json), 0);
}

/* Nobody could have looked on for 72 hours at those who came within 72 hours before the step. */
START_TEST(hours_that_a_timestamp_made_pass_settle_nobody)
{
	struct access *a = begin();

	make(a, HOUR, "young", OFFICER);
	make(a, HOUR + 1, "new", OFFICER);
	request(a, "a-aaaaaaaaaa");
	request(a, "a-bbbbbbbbbb");
	step(a, 73 * HOUR, 74);
	ck_assert_int_eq(grant(a, 75 * HOUR, "a-aaaaaaaaaa", "new"), STELE_EPERM);
	ck_assert_int_eq(grant(a, 75 * HOUR, "a-aaaaaaaaaa", "young"), 0);
	access_free(a);
	a = begin();
	make(a, HOUR, "new", OFFICER);
	request(a, "a-aaaaaaaaaa");
	step(a, 2 * HOUR, 90);
	ck_assert_int_eq(grant(a, 90 * HOUR - 5, "a-aaaaaaaaaa", "new"), STELE_EPERM);
	ck_assert_int_eq(grant(a, 99 * HOUR, "a-aaaaaaaaaa", "new"), STELE_EPERM);
	access_free(a);
}
END_TEST

START_TEST(after_a_step_they_wait_to_the_nanosecond)
{
	struct access *a = begin();

	make(a, HOUR, "new", OFFICER);
	request(a, "a-aaaaaaaaaa");
	step(a, 2 * HOUR, 20);
	ck_assert_int_eq(grant(a, 92 * HOUR - 1, "a-aaaaaaaaaa", "new"), STELE_EPERM);
	ck_assert_int_eq(grant(a, 92 * HOUR, "a-aaaaaaaaaa", "new"), 0);
	access_free(a);
}
END_TEST

/* The second one must not make those settled that were not by the first. */
START_TEST(two_steps_count_as_one)
{
	struct access *a = begin();

	make(a, HOUR, "new", OFFICER);
	request(a, "a-aaaaaaaaaa");
	step(a, 2 * HOUR, 10);
	step(a, 80 * HOUR, 81); /* 70 hours after */
	ck_assert_int_eq(grant(a, 99 * HOUR, "a-aaaaaaaaaa", "new"), STELE_EPERM);
	access_free(a);
}
END_TEST

/* Backward, by an operator, or one that was recorded and then not followed. */
START_TEST(other_steps_change_nothing_for_approvers)
{
	struct access *a = begin();

	request(a, "a-aaaaaaaaaa");
	request(a, "a-bbbbbbbbbb");
	step(a, 50 * HOUR, 49);
	ck_assert_int_eq(act_at(a, 50 * HOUR,
				"{\"type\":\"clock.confirm\",\"step_seconds\":1,\"wall\":"
				"\"1970-01-04T00:00:00.000000000Z\"}"),
			 0);
	ck_assert_int_eq(grant(a, 73 * HOUR, "a-aaaaaaaaaa", "p-2"), 0);
	step(a, 50 * HOUR, 99);
	ck_assert_int_eq(grant(a, 74 * HOUR, "a-bbbbbbbbbb", "p-4"),
			 STELE_ECONFLICT); /* p-3 is gone */
	access_free(a);
}
END_TEST

START_TEST(two_who_can_approve_stay_while_it_is_on)
{
	struct access *a = access_new();
	static const char on[] = "{\"type\":\"dual_control.set\",\"acts\":[\"principal.disable\"]}";

	make(a, 0, "p-1", OFFICER);
	ck_assert_int_eq(act_at(a, 0, on), STELE_ECONFLICT);
	make(a, 0, "p-2", OFFICER);
	ck_assert_int_eq(act_at(a, 0, on), 0);
	ck_assert_int_eq(act_at(a, 0, "{\"type\":\"principal.disable\",\"id\":\"p-2\"}"),
			 STELE_ECONFLICT);
	ck_assert_int_eq(act_at(a, 0,
				"{\"type\":\"principal.change\",\"principal\":{\"id\":\"p-2\","
				"\"kind\":\"person\",\"grants\":[]}}"),
			 STELE_ECONFLICT);
	make(a, 0, "p-3", OFFICER);
	ck_assert_int_eq(act_at(a, 0, "{\"type\":\"principal.disable\",\"id\":\"p-2\"}"), 0);
	access_free(a);
}
END_TEST

START_TEST(a_snapshot_has_dual_control_and_every_approval)
{
	struct access *a = begin(), *b = access_new();
	struct buf one, two;
	uint64_t applied;

	request(a, "a-aaaaaaaaaa");
	request(a, "a-bbbbbbbbbb");
	request(a, "a-cccccccccc");
	ck_assert_int_eq(grant(a, 80 * HOUR, "a-aaaaaaaaaa", "p-2"), 0);
	ck_assert_int_eq(act_at(a, 80 * HOUR,
				"{\"type\":\"approval.refuse\",\"id\":\"a-bbbbbbbbbb\",\"by\":"
				"{\"principal\":\"p-2\"}}"),
			 0);
	step(a, 80 * HOUR, 81);
	buf_init(&one);
	buf_init(&two);
	access_encode(a, 1, &one);
	ck_assert_int_eq(access_decode(b, buf_slice(&one), &applied), 0);
	access_encode(b, 1, &two);
	ck_assert(slice_eq(buf_slice(&one), buf_slice(&two)));
	ck_assert(needs_second(b, "{\"type\":\"dual_control.set\",\"acts\":[]}"));
	ck_assert_int_eq(grant(b, 81 * HOUR, "a-bbbbbbbbbb", "p-2"), STELE_ECONFLICT);
	ck_assert_int_eq(grant(b, 81 * HOUR, "a-cccccccccc", "p-2"), STELE_ECONFLICT); /* done */
	buf_fini(&one);
	buf_fini(&two);
	access_free(a);
	access_free(b);
}
END_TEST

START_TEST(what_is_over_for_a_month_is_forgotten)
{
	struct access *a = begin();
	struct buf b;

	request(a, "a-aaaaaaaaaa");
	ck_assert_int_eq(
		act_at(a, 900 * HOUR,
		       "{\"type\":\"approval.request\",\"id\":\"a-bbbbbbbbbb\","
		       "\"expires\":\"1970-03-05T04:00:00.000000000Z\",\"by\":"
		       "{\"principal\":\"p-1\"},\"act\":{\"type\":\"principal.disable\"}}"),
		0);
	buf_init(&b);
	ck_assert_int_eq(access_put_approval(a, NULL, slice_str("a-aaaaaaaaaa"), HOUR, &b),
			 STELE_ENOTFOUND);
	ck_assert_int_eq(access_put_approval(a, NULL, slice_str("a-bbbbbbbbbb"), HOUR, &b), 0);
	buf_fini(&b);
	access_free(a);
}
END_TEST

/* A request for credit, by whom. */
static void
request_credit(struct access *a, const char *id, const char *by)
{
	char json[512];

	snprintf(json, sizeof json,
		 "{\"type\":\"approval.request\",\"id\":\"%s\",\"expires\":"
		 "\"1970-01-05T04:00:00.000000000Z\",\"by\":{\"principal\":\"%s\"},\"act\":"
		 "{\"type\":\"clock.credit\",\"until\":\"1970-01-02T00:00:00.000000000Z\"}}",
		 id, by);
	ck_assert_int_eq(act_at(a, HOUR, json), 0);
}

START_TEST(credit_for_the_lock_clock_is_asked_for_by_who_may_operate)
{
	struct access *a = access_new();
	json_t *grant_a = json_loads("{\"id\":\"a-aaaaaaaaaa\"}", 0, NULL);
	json_t *act;

	make(a, 0, "p-op", "{\"scopes\":[\"operate\",\"access\"],\"logs\":[\"*\"]}");
	make(a, 0, "p-2", OFFICER);
	make(a, 0, "p-3", OFFICER);
	/* who asked must still have the scope operate, and no other does */
	request_credit(a, "a-aaaaaaaaaa", "p-op");
	request_credit(a, "a-bbbbbbbbbb", "p-2");
	ck_assert_int_eq(grant(a, 72 * HOUR, "a-aaaaaaaaaa", "p-op"), STELE_EPERM);
	ck_assert_int_eq(grant(a, 72 * HOUR, "a-bbbbbbbbbb", "p-3"), STELE_ECONFLICT);
	act = access_pending_act(a, grant_a); /* what happens with the grant: server/deed_clock.c */
	ck_assert_str_eq(json_string_value(json_object_get(act, "type")), "clock.credit");
	json_decref(act);
	ck_assert_int_eq(grant(a, 72 * HOUR, "a-aaaaaaaaaa", "p-2"), 0);
	ck_assert_ptr_null(access_pending_act(a, grant_a)); /* it waits no more */
	json_decref(grant_a);
	access_free(a);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		grants_must_have_stood_for_72_hours_to_the_nanosecond,
		a_request_ends_to_the_nanosecond,
		what_is_forbidden_by_then_is_not_done,
		a_grant_counts_once,
		power_falls_under_it_by_itself_and_the_rest_when_it_is_listed,
		power_falls_under_it_when_policies_ask_for_two_and_there_are_two,
		a_token_approves_when_it_is_72_hours_old_to_the_nanosecond,
		two_who_can_approve_stay_while_it_is_on,
		hours_that_a_timestamp_made_pass_settle_nobody,
		after_a_step_they_wait_to_the_nanosecond,
		two_steps_count_as_one,
		other_steps_change_nothing_for_approvers,
		a_snapshot_has_dual_control_and_every_approval,
		what_is_over_for_a_month_is_forgotten,
		credit_for_the_lock_clock_is_asked_for_by_who_may_operate,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("access_approve", tests, sizeof tests / sizeof *tests, 60);
}
