/* What waits to be recorded: in order, bounded, and many refusals are one record. */
#include "server/audit_queue.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/request.h"
#include "server/router.h"
#include "suite.h"

static void
add(struct audit_queue *q, int i)
{
	char json[32];

	snprintf(json, sizeof json, "{\"n\":%d}", i);
	audit_queue_add(q, slice_str(json));
}

/* Takes all that is left, and holds the first against `want`. */
static size_t
drain(struct audit_queue *q, const char *want)
{
	struct audit_event *list = audit_queue_take(q, SIZE_MAX);
	size_t n = 0;

	if (want) {
		ck_assert_ptr_nonnull(list);
		ck_assert_uint_eq(list->n, strlen(want));
		ck_assert(memcmp(list->json, want, list->n) == 0);
	}
	for (struct audit_event *e = list; e; e = e->next)
		n++;
	audit_event_free(list);
	return n;
}

START_TEST(what_was_taken_and_returned_comes_first_again)
{
	struct audit_queue q;
	struct audit_event *list;

	audit_queue_init(&q);
	ck_assert_ptr_null(audit_queue_take(&q, 5));
	for (int i = 0; i < 5; i++)
		add(&q, i);
	list = audit_queue_take(&q, 2);
	ck_assert_uint_eq(list->next->n, 7);
	ck_assert_ptr_null(list->next->next);
	add(&q, 5);
	audit_queue_return(&q, list);
	add(&q, 6);
	ck_assert_uint_eq(q.n, 7);
	ck_assert_uint_eq(drain(&q, "{\"n\":0}"), 7);
	list = audit_queue_take(&q, 1);
	ck_assert_ptr_null(list);
	add(&q, 7);
	list = audit_queue_take(&q, 9);
	audit_queue_return(&q, list);
	add(&q, 8);
	ck_assert_uint_eq(drain(&q, "{\"n\":7}"), 2);
	audit_queue_fini(&q);
}
END_TEST

START_TEST(beyond_the_bound_events_are_counted_as_lost)
{
	struct audit_queue q;

	audit_queue_init(&q);
	for (int i = 0; i < AUDIT_EVENTS + 3; i++)
		add(&q, i);
	ck_assert_uint_eq(drain(&q, "{\"n\":0}"), AUDIT_EVENTS);
	audit_queue_settle(&q);
	ck_assert_uint_eq(drain(&q, "{\"type\":\"audit.lost\",\"events\":3}"), 1);
	audit_queue_settle(&q);
	ck_assert_uint_eq(drain(&q, NULL), 0);
	audit_queue_fini(&q);
}
END_TEST

/* Of large ones few wait, and a job takes few: more than a commit holds would never be taken. */
START_TEST(large_events_are_bounded_by_their_bytes)
{
	static char json[300000];
	const size_t fit = LIMIT_AUDIT_QUEUE_BYTES / sizeof json;
	struct audit_event *list;
	struct audit_queue q;
	size_t n = 0;

	audit_queue_init(&q);
	memset(json, ' ', sizeof json);
	for (size_t i = 0; i < fit + 2; i++)
		audit_queue_add(&q, slice_of(json, sizeof json));
	ck_assert_uint_eq(q.n, fit);
	ck_assert_uint_eq(q.lost, 2);
	list = audit_queue_take(&q, 1000);
	for (struct audit_event *e = list; e; e = e->next)
		n++;
	ck_assert_uint_eq(n, LIMIT_AUDIT_JOB_BYTES / sizeof json);
	audit_queue_return(&q, list);
	ck_assert_uint_eq(q.bytes, fit * sizeof json);
	while ((list = audit_queue_take(&q, 1000)))
		audit_event_free(list);
	ck_assert_uint_eq(q.bytes, 0);
	audit_queue_add(&q, slice_of(json, sizeof json));
	ck_assert_uint_eq(q.n, 1);
	audit_queue_fini(&q);
}
END_TEST

START_TEST(a_million_knocks_are_one_record)
{
	struct audit_queue q;

	audit_queue_init(&q);
	for (int i = 0; i < 1000000; i++)
		audit_queue_refused(&q, i % 4 ? ACCESS_UNKNOWN : ACCESS_EXPIRED, true);
	audit_queue_refused(&q, ACCESS_UNKNOWN, false);
	ck_assert_uint_eq(drain(&q, NULL), 0);
	audit_queue_settle(&q);
	ck_assert_uint_eq(drain(&q,
				"{\"type\":\"access.refused\",\"no_token\":1,\"unknown\":750000,"
				"\"expired\":250000}"),
			  1);
	audit_queue_fini(&q);
}
END_TEST

START_TEST(denials_are_counted_by_who_and_what_and_bounded)
{
	struct principal *p = calloc(1, sizeof *p);
	struct token *t = calloc(1, sizeof *t);
	struct request *r = calloc(1, sizeof *r);
	struct audit_queue q;
	char log[16];

	audit_queue_init(&q);
	strcpy(p->id, "p-1");
	strcpy(t->id, "aaaaaaaaaa");
	t->principal = p;
	r->token = t;
	r->route = &router_table[0];
	for (int i = 0; i < 5; i++)
		audit_queue_denied(&q, r, slice_str("pay"), PROBLEM_COMPLIANCE_MODE);
	audit_queue_settle(&q);
	ck_assert_uint_eq(
		drain(&q,
		      "{\"type\":\"access.denied\",\"denied\":[{\"principal\":\"p-1\",\"token\":"
		      "\"aaaaaaaaaa\",\"method\":\"POST\",\"route\":"
		      "\"/api/v1/logs/{log}/records\",\"log\":\"pay\",\"problem\":\"compliance-mode\",\"count\":5}],\"more\":0}"),
		1);
	for (int i = 0; i < AUDIT_DENIALS + 7; i++) {
		snprintf(log, sizeof log, "log-%d", i);
		audit_queue_denied(&q, r, slice_str(log), PROBLEM_INSUFFICIENT_SCOPE);
	}
	ck_assert_uint_eq(q.n_denials, AUDIT_DENIALS);
	ck_assert_uint_eq(q.more_denials, 7);
	audit_queue_fini(&q);
	free(r);
	free(t);
	free(p);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_was_taken_and_returned_comes_first_again,
		beyond_the_bound_events_are_counted_as_lost,
		large_events_are_bounded_by_their_bytes,
		a_million_knocks_are_one_record,
		denials_are_counted_by_who_and_what_and_bounded,
	};

	return suite_run("audit_queue", tests, sizeof tests / sizeof *tests, 60);
}
