#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "server/k8s_events.h"
#include "tests/unit/suite.h"

#define LIST                                                                                       \
	"{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{},\"items\":["

static struct json_scanner *js;
static struct arena arena;
static struct k8s_events events;

static void
set_up(void)
{
	js = json_scanner_new();
	arena_init(&arena);
}

static void
tear_down(void)
{
	json_scanner_free(js);
	arena_fini(&arena);
}

static enum k8s_body
open_body(struct slice body)
{
	enum k8s_body what;

	ck_assert_int_eq(k8s_events_open(&events, js, &arena, body, &what), 0);
	return what;
}

static enum k8s_body
opens(const char *body)
{
	return open_body(slice_str(body));
}

/* The items of a list, each in front of a '|'. */
static const char *
items_of(const char *body)
{
	static char text[1024];
	struct slice item;
	size_t n = 0;

	ck_assert_int_eq(opens(body), K8S_LIST);
	while (k8s_events_next(&events, &item)) {
		memcpy(text + n, item.p, item.n);
		n += item.n;
		text[n++] = '|';
	}
	text[n] = '\0';
	return text;
}

START_TEST(items_are_the_bytes_that_were_sent)
{
	set_up();
	ck_assert_str_eq(items_of(LIST "{\"a\" : 1.0},{ \"b\":[{}]}]}"),
			 "{\"a\" : 1.0}|{ \"b\":[{}]}|");
	ck_assert_str_eq(items_of(" " LIST " \n{\"a\":\"]},{\\\"\\\\\"}\t,\r {} ] }\n"),
			 "{\"a\":\"]},{\\\"\\\\\"}|{}|");
	ck_assert_str_eq(items_of("{\"items\":[{}],\"apiVersion\":\"audit.k8s.io/v1beta1\","
				  "\"kind\":\"EventList\"}"),
			 "{}|");
	tear_down();
}
END_TEST

START_TEST(an_item_that_is_not_valid_leaves_the_others_what_they_are)
{
	set_up();
	ck_assert_str_eq(
		items_of(LIST "{\"a\":1},{\"a\" 1},12,nonsense,\"\\ud800\",[1 2],{\"b\":2}]}"),
		"{\"a\":1}|{\"a\" 1}|12|nonsense|\"\\ud800\"|[1 2]|{\"b\":2}|");
	ck_assert_str_eq(items_of(LIST "\"\xff\",{}]}"), "\"\xff\"|{}|");
	tear_down();
}
END_TEST

START_TEST(what_cannot_be_taken_apart_is_broken)
{
	static const char *const bodies[] = {
		"{",
		"x",
		"{\"kind\":\"EventList\"",
		LIST,
		LIST "{}",
		LIST "{}]",
		LIST "{} {}]}",
		LIST ",{}]}",
		LIST "{},]}",
		LIST "{}]} {}",
		LIST "{}]}x",
		LIST "{}],\"items\":[{}]}",
		LIST "\"]}",
		LIST "{}],}",
		LIST "{}],\"kind\":\"EventList\"}",
		LIST "{}],\"x\":nul}",
		"{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"items\":{}}",
		"{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\"}",
		"{\"kind\":7,\"apiVersion\":\"audit.k8s.io/v1\",\"items\":[{}]}",
		"[1",
		"\xef\xbb\xbf{}",
	};

	set_up();
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		ck_assert_msg(opens(bodies[i]) == K8S_BROKEN, "%s", bodies[i]);
	tear_down();
}
END_TEST

START_TEST(other_json_is_told_from_no_json)
{
	static const char *const others[] = {
		"{}",
		"[]",
		"1",
		"\"EventList\"",
		"{\"a\":1}",
		"{\"items\":[{}]}",
		"{\"kind\":\"EventList\",\"apiVersion\":\"v1\",\"items\":[{}]}",
		"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"a\"}",
		"{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/\",\"items\":[{}]}",
	};
	static const char *const nothing[] = {
		"",
		" \r\n\t",
		LIST "]}",
		LIST " ] } ",
		"{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"items\":null}",
	};

	set_up();
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		ck_assert_msg(opens(others[i]) == K8S_OTHER, "%s", others[i]);
	for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
		ck_assert_msg(opens(nothing[i]) == K8S_NOTHING, "%s", nothing[i]);
	tear_down();
}
END_TEST

/* n bytes c between two texts: the caller's to free. */
static struct slice
filled(const char *before, char c, size_t n, const char *after)
{
	size_t from = strlen(before), to = strlen(after);
	char *p = malloc(from + n + to);

	memcpy(p, before, from);
	memset(p + from, c, n);
	memcpy(p + from + n, after, to);
	return slice_of(p, from + n + to);
}

START_TEST(depth_and_length_cost_no_more_than_their_bytes)
{
	struct slice deep = filled(LIST, '[', 20u << 20, "]}"), item, id[2], even;
	struct slice head =
		filled("{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"x\":\"", 'x',
		       LIMIT_VENDOR_HEAD_BYTES, "\",\"items\":[{}]}");
	char *p;

	set_up();
	ck_assert_int_eq(open_body(deep), K8S_BROKEN);
	ck_assert_int_eq(open_body(head), K8S_BROKEN);
	even = filled(LIST, '[', 2000, "]}");
	p = realloc((void *)(uintptr_t)even.p, even.n + 2000);
	memset(p + even.n - 2, ']', 2000);
	memcpy(p + even.n + 1998, "]}", 2);
	ck_assert_int_eq(open_body(slice_of(p, even.n + 2000)), K8S_LIST);
	ck_assert(k8s_events_next(&events, &item));
	ck_assert_uint_eq(item.n, 4000);
	ck_assert_int_eq(k8s_event_identity(js, item, &arena, id), STELE_ELIMIT);
	free((void *)(uintptr_t)deep.p);
	free((void *)(uintptr_t)head.p);
	free(p);
	tear_down();
}
END_TEST

START_TEST(an_event_is_known_by_its_id_and_its_stage)
{
	static const char *const without[] = {
		"1",
		"[]",
		"{}",
		"{\"auditID\":\"a\"}",
		"{\"stage\":\"s\"}",
		"{\"auditID\":\"\",\"stage\":\"s\"}",
		"{\"auditID\":\"a\",\"stage\":\"\"}",
		"{\"auditID\":1,\"stage\":\"s\"}",
		"{\"auditID\":\"a\",\"stage\":null}",
		"{\"auditID\":\"a\",\"auditID\":\"b\",\"stage\":\"s\"}",
		"{\"auditID\":\"a\",\"stage\":\"s\",}",
		"{\"auditID\":\"a\",\"stage\":\"s\",\"x\":\"\xff\"}",
		"{\"x\":{\"auditID\":\"a\",\"stage\":\"s\"}}",
	};
	struct slice id[2];

	set_up();
	ck_assert_int_eq(k8s_event_identity(
				 js,
				 slice_str("{\"stage\":\"\\u0052S\",\"x\":{},\"auditID\":\"a-b\"}"),
				 &arena, id),
			 0);
	ck_assert(slice_eq_str(id[0], "a-b") && slice_eq_str(id[1], "RS"));
	for (size_t i = 0; i < sizeof without / sizeof *without; i++)
		ck_assert_msg(k8s_event_identity(js, slice_str(without[i]), &arena, id) ==
				      STELE_ESYNTAX,
			      "%s", without[i]);
	tear_down();
}
END_TEST

int
main(void)
{
	const TTest *tests[] = {
		items_are_the_bytes_that_were_sent,
		an_item_that_is_not_valid_leaves_the_others_what_they_are,
		what_cannot_be_taken_apart_is_broken,
		other_json_is_told_from_no_json,
		depth_and_length_cost_no_more_than_their_bytes,
		an_event_is_known_by_its_id_and_its_stage,
	};

	return suite_run("k8s_events", tests, sizeof tests / sizeof *tests, 60);
}
