/* Plans that wait: found for a day, the newest of them. */
#include "server/plans.h"

#include <check.h>
#include <string.h>

#include <jansson.h>

#include "crypto/init.h"
#include "tests/unit/suite.h"

static struct plans plans;

/* Keeps a new plan; its id. */
static const char *
keep(int64_t now_ns)
{
	static char id[PLAN_ID_CHARS + 1];
	json_t *doc;

	plans_new_id(id);
	doc = json_pack("{s:s}", "id", id);
	plans_keep(&plans, doc, now_ns);
	json_decref(doc);
	return id;
}

static bool
there(const char *id, int64_t now_ns)
{
	json_t *doc = plans_find(&plans, slice_str(id), now_ns);
	bool found = doc && strcmp(json_string_value(json_object_get(doc, "id")), id) == 0;

	json_decref(doc);
	return found;
}

START_TEST(a_plan_is_kept_for_a_day_to_the_nanosecond)
{
	char id[PLAN_ID_CHARS + 1];

	plans_init(&plans);
	strcpy(id, keep(1000));
	ck_assert(there(id, 1000));
	ck_assert(!there("g-aaaaaaaaaa", 1000));
	ck_assert(there(id, 1000 + LIMIT_PLAN_LIFE_NS - 1));
	ck_assert(!there(id, 1000 + LIMIT_PLAN_LIFE_NS));
	plans_fini(&plans);
}
END_TEST

START_TEST(the_oldest_makes_room)
{
	char first[PLAN_ID_CHARS + 1], second[PLAN_ID_CHARS + 1];

	plans_init(&plans);
	strcpy(first, keep(1));
	strcpy(second, keep(2));
	for (unsigned i = 2; i < LIMIT_PLANS; i++)
		ck_assert(there(keep(3), 3));
	ck_assert(there(first, 3));
	ck_assert(there(keep(3), 3));
	ck_assert(!there(first, 3));
	ck_assert(there(second, 3));
	plans_fini(&plans);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_plan_is_kept_for_a_day_to_the_nanosecond,
		the_oldest_makes_room,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("plans", tests, sizeof tests / sizeof(tests[0]), 4.0);
}
