/* What a hold may say, member by member, and that it comes back as it was said. */
#include "server/hold.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "suite.h"

#define BASE "\"id\":\"h-aaaaaaaaaa\",\"matter\":\"m\",\"name\":\"n\",\"reason\":\"r\""
#define LOGS "\"logs\":[\"a\"]"
#define DIGESTS                                                                                    \
	"\"filter_digest\":\"AQEBAQEBAQEBAQEBAQEBAQ==\",\"mapping\":"                              \
	"\"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\""

static int
read_it(struct hold **h, const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	struct buf why;
	int err;

	ck_assert_msg(o != NULL, "%s", json);
	buf_init(&why);
	err = hold_read(h, o, slice_str("p-1"), &why);
	ck_assert_msg((err == STELE_ESYNTAX) == (why.n > 0), "%s: %d", json, err);
	buf_fini(&why);
	json_decref(o);
	return err;
}

static struct hold *
valid(const char *json)
{
	struct hold *h;

	ck_assert_msg(read_it(&h, json) == 0, "%s", json);
	return h;
}

START_TEST(a_hold_says_what_it_covers)
{
	struct hold *h = valid("{" BASE "," LOGS "}");

	ck_assert_int_eq(h->kind, HOLD_WHOLE);
	ck_assert(!h->open_ended);
	ck_assert_str_eq(h->id, "h-aaaaaaaaaa");
	ck_assert_str_eq(h->matter, "m");
	ck_assert_str_eq(h->name, "n");
	ck_assert_str_eq(h->logs, "a");
	ck_assert_str_eq(h->filter, "");
	ck_assert_str_eq(h->by, "p-1");
	hold_free(h);
	h = valid("{" BASE ",\"logs\":[\"a\",\"k8s-*\"],\"open_ended\":true,\"owner\":\"o\","
		  "\"review_by\":\"2027-01-31T00:00:00.000000000Z\"}");
	ck_assert(h->open_ended);
	ck_assert_str_eq(h->logs, "a k8s-*");
	hold_free(h);
	h = valid("{" BASE "," LOGS ",\"range\":[3,null],\"open_ended\":true}");
	ck_assert_int_eq(h->kind, HOLD_RANGE);
	ck_assert_uint_eq(h->first, 3);
	hold_free(h);
	h = valid("{" BASE "," LOGS ",\"range\":[3,3]}");
	ck_assert_int_eq(h->kind, HOLD_SET);
	ck_assert_uint_eq(h->n_set, 1);
	ck_assert_uint_eq(h->set[0].last, 3);
	ck_assert_uint_eq(h->first, 0);
	hold_free(h);
	h = valid("{" BASE "," LOGS ",\"records\":[[0,0],[2,9007199254740991]]}");
	ck_assert_uint_eq(h->n_set, 2);
	hold_free(h);
	h = valid("{" BASE "," LOGS ",\"filter\":\"a = 1\"," DIGESTS "}");
	ck_assert_int_eq(h->kind, HOLD_FILTER);
	ck_assert_uint_eq(h->filter_digest[15], 1);
	ck_assert_uint_eq(h->mapping[31], 2);
	hold_free(h);
	h = valid("{" BASE "," LOGS ",\"from\":\"1970-01-01T00:00:00.000000001Z\"," DIGESTS "}");
	ck_assert_int_eq(h->kind, HOLD_FILTER);
	ck_assert_int_eq(h->from_ns, 1);
	hold_free(h);
}
END_TEST

START_TEST(what_is_no_hold_is_refused_with_a_sentence)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{" BASE "}",
		"{" BASE "," LOGS ",\"bogus\":1}",
		"{" BASE "," LOGS ",\"open_ended\":1}",
		"{" BASE "," LOGS ",\"owner\":\"\"}",
		"{" BASE "," LOGS ",\"review_by\":\"2027-01-31\"}",
		"{" BASE "," LOGS ",\"from\":\"x\"," DIGESTS "}",
		"{" BASE "," LOGS ",\"filter\":\"a = 1\"}",
		"{" BASE "," LOGS ",\"filter\":\"\"," DIGESTS "}",
		"{" BASE "," LOGS ",\"filter\":7," DIGESTS "}",
		"{" BASE "," LOGS ",\"filter\":\"a = 1\",\"range\":[0,1]," DIGESTS "}",
		"{" BASE "," LOGS ",\"from\":\"1970-01-01T00:00:00.000000002Z\","
		"\"to\":\"1970-01-01T00:00:00.000000002Z\"," DIGESTS "}",
		"{" BASE "," LOGS ",\"from\":\"1970-01-01T00:00:00.000000002Z\",\"range\":[0,1]}",
		"{" BASE "," LOGS ",\"to\":\"1970-01-01T00:00:00.000000002Z\",\"records\":[[0,1]]}",
		"{" BASE "," LOGS ",\"range\":[2,1]}",
		"{" BASE "," LOGS ",\"range\":[-1,1]}",
		"{" BASE "," LOGS ",\"range\":[1]}",
		"{" BASE "," LOGS ",\"range\":[1,2,3]}",
		"{" BASE "," LOGS ",\"range\":[0,9007199254740992]}",
		"{" BASE "," LOGS ",\"range\":[0,1],\"open_ended\":true}",
		"{" BASE "," LOGS ",\"records\":[]}",
		"{" BASE "," LOGS ",\"records\":[[0,1],[1,2]]}",
		"{" BASE "," LOGS ",\"records\":[[4,5],[1,2]]}",
		"{" BASE "," LOGS ",\"records\":[3]}",
		"{" BASE "," LOGS ",\"records\":[[0,0]],\"open_ended\":true}",
		"{" BASE "," LOGS ",\"records\":[[0,0]],\"range\":[0,0]}",
		"{" BASE ",\"logs\":[\"a\",\"b\"],\"range\":[0,0]}",
		"{" BASE ",\"logs\":[\"a*\"],\"records\":[[0,0]]}",
		"{" BASE ",\"logs\":[]}",
		"{" BASE ",\"logs\":[\"A\"]}",
		"{" BASE ",\"logs\":\"a\"}",
		"{\"id\":\"h-a\",\"matter\":\"m\",\"name\":\"n\",\"reason\":\"r\"," LOGS "}",
		"{\"id\":\"h-aaaaaaaaaa\",\"matter\":\"\",\"name\":\"n\",\"reason\":\"r\"," LOGS
		"}",
		"{\"id\":\"h-aaaaaaaaaa\",\"matter\":\"m\\n\",\"name\":\"n\",\"reason\":\"r\"," LOGS
		"}",
		"{\"id\":\"h-aaaaaaaaaa\",\"matter\":\"m\",\"name\":\"\\u007f\",\"reason\":\"r\"," LOGS
		"}",
		"{\"id\":\"h-aaaaaaaaaa\",\"matter\":\"m\",\"name\":\"n\"," LOGS "}",
	};
	struct hold *h;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(read_it(&h, bad[i]) == STELE_ESYNTAX, "%s", bad[i]);
}
END_TEST

/* The JSON of a hold with so many bytes of reason and so many ranges. */
static json_t *
sized(size_t reason, size_t ranges)
{
	json_t *o = json_loads("{" BASE "," LOGS "}", 0, NULL), *list = json_array();
	char *text = malloc(reason + 1);

	memset(text, 'x', reason);
	text[reason] = '\0';
	json_object_set_new(o, "reason", json_string(text));
	for (size_t i = 0; i < ranges; i++)
		json_array_append_new(list,
				      json_pack("[I,I]", (json_int_t)(2 * i), (json_int_t)(2 * i)));
	if (ranges)
		json_object_set(o, "records", list);
	json_decref(list);
	free(text);
	return o;
}

static int
read_sized(size_t reason, size_t ranges)
{
	json_t *o = sized(reason, ranges);
	struct hold *h = NULL;
	struct buf why;
	int err;

	buf_init(&why);
	err = hold_read(&h, o, slice_str("p"), &why);
	if (err == 0)
		hold_free(h);
	buf_fini(&why);
	json_decref(o);
	return err;
}

START_TEST(texts_and_sets_have_bounds)
{
	ck_assert_int_eq(read_sized(LIMIT_HOLD_REASON_BYTES, 0), 0);
	ck_assert_int_eq(read_sized(LIMIT_HOLD_REASON_BYTES + 1, 0), STELE_ESYNTAX);
	ck_assert_int_eq(read_sized(1, LIMIT_HOLD_RANGES), 0);
	ck_assert_int_eq(read_sized(1, LIMIT_HOLD_RANGES + 1), STELE_ESYNTAX);
}
END_TEST

static bool
matches(const char *logs, const char *name)
{
	char json[256];
	struct hold *h;
	bool m;

	snprintf(json, sizeof json, "{" BASE ",\"logs\":[%s]}", logs);
	h = valid(json);
	m = hold_matches(h, slice_str(name));
	hold_free(h);
	return m;
}

START_TEST(a_star_is_no_log_of_the_servers_own)
{
	ck_assert(matches("\"*\"", "a"));
	ck_assert(!matches("\"*\"", "_system"));
	ck_assert(matches("\"_*\"", "_system"));
	ck_assert(matches("\"b\",\"a*\"", "ab"));
	ck_assert(!matches("\"b\",\"a*\"", "c"));
}
END_TEST

static void
comes_back(const struct hold *h)
{
	struct buf first, second;
	struct hold *again;
	json_t *o;

	buf_init(&first);
	buf_init(&second);
	hold_encode(&first, h);
	o = json_loadb((const char *)first.p, first.n, 0, NULL);
	ck_assert_int_eq(hold_decode(&again, o), 0);
	hold_encode(&second, again);
	ck_assert(slice_eq(buf_slice(&first), buf_slice(&second)));
	buf_reset(&first);
	buf_reset(&second);
	hold_put(&first, h);
	hold_put(&second, again);
	ck_assert(slice_eq(buf_slice(&first), buf_slice(&second)));
	json_decref(o);
	hold_free(again);
	buf_fini(&first);
	buf_fini(&second);
}

START_TEST(the_snapshot_brings_it_back)
{
	struct hold *h = valid("{" BASE "," LOGS ",\"records\":[[1,2],[7,7]]}");

	h->placed_ns = 5;
	comes_back(h);
	h->released_ns = 9;
	strcpy(h->released_by, "p-2");
	h->release_reason = strdup("It is \"over\"\n");
	comes_back(h);
	hold_free(h);
}
END_TEST

#define LONG "0123456789012345678901234567890123456789012345678901234567890123"

START_TEST(a_snapshot_that_is_none_is_damaged)
{
	static const char *const bad[] = {
		"{}",
		"{\"hold\":{" BASE "," LOGS "},\"by\":\"p\"}",
		"{\"hold\":{" BASE "},\"by\":\"p\",\"placed\":\"1970-01-01T00:00:00.000000001Z\"}",
		"{\"hold\":{" BASE "," LOGS "},\"by\":\"p\",\"placed\":"
		"\"1970-01-01T00:00:00.000000001Z\",\"released\":\"x\"}",
		"{\"hold\":{" BASE "," LOGS "},\"by\":\"p\",\"placed\":"
		"\"1970-01-01T00:00:00.000000001Z\",\"released\":\"1970-01-01T00:00:00.000000002Z\"}",
		"{\"hold\":{" BASE "," LOGS "},\"by\":\"p\",\"placed\":"
		"\"1970-01-01T00:00:00.000000001Z\",\"released\":\"1970-01-01T00:00:00.000000002Z\","
		"\"release_reason\":\"r\",\"released_by\":\"" LONG LONG LONG LONG "\"}",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		json_t *o = json_loads(bad[i], 0, NULL);
		struct hold *h;
		ck_assert_int_eq(hold_decode(&h, o), STELE_EDAMAGED);
		json_decref(o);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_hold_says_what_it_covers,  what_is_no_hold_is_refused_with_a_sentence,
		texts_and_sets_have_bounds,  a_star_is_no_log_of_the_servers_own,
		the_snapshot_brings_it_back, a_snapshot_that_is_none_is_damaged,
	};

	return suite_run("hold", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
