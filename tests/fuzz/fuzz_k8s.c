/*
 * A Kubernetes audit webhook's body: of valid JSON, what jansson finds in it; of anything else,
 * pieces of the body that lie behind each other, or none.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "server/k8s_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
is_text(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return json_is_string(v) && json_string_length(v) > 0;
}

static bool
is_audit_list(const json_t *o)
{
	const char *kind = json_string_value(json_object_get(o, "kind")),
		   *version = json_string_value(json_object_get(o, "apiVersion"));

	return kind && version && strcmp(kind, "EventList") == 0 &&
	       strncmp(version, "audit.k8s.io/v", 14) == 0;
}

static void
check_item(struct json_scanner *js, struct arena *a, struct slice item, const json_t *tree)
{
	struct slice id[2];
	int err = k8s_event_identity(js, item, a, id);
	json_t *again =
		tree ? json_loadb((const char *)item.p, item.n,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL)
		     : NULL;

	CHECK(err == 0 || err == STELE_ESYNTAX || err == STELE_ELIMIT);
	CHECK(err || (id[0].n && id[1].n));
	CHECK(!tree || json_equal(again, tree));
	CHECK(err || !tree || (is_text(tree, "auditID") && is_text(tree, "stage")));
	json_decref(again);
}

static void
check_items(struct json_scanner *js, struct arena *a, struct k8s_events *e, const json_t *tree)
{
	const json_t *list = json_object_get(tree, "items");
	const uint8_t *end = e->body.p;
	struct slice item;
	size_t i = 0;

	for (; k8s_events_next(e, &item); i++) {
		CHECK(item.n && item.p >= end && item.p + item.n <= e->body.p + e->body.n);
		end = item.p + item.n;
		check_item(js, a, item, json_array_get(list, i));
	}
	CHECK(i > 0 && (!tree || i == json_array_size(list)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct json_scanner *js; /* kept: what one input leaves must not harm the next */
	struct slice body = slice_of(data, n);
	enum k8s_body what;
	struct k8s_events e;
	struct arena a;
	json_t *tree;

	if (!js)
		js = json_scanner_new();
	CHECK(js);
	arena_init(&a);
	CHECK(k8s_events_open(&e, js, &a, body, &what) == 0);
	tree = json_validate(js, body, NULL) == 0
		       ? json_loadb((const char *)data, n,
				    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL |
					    JSON_DECODE_INT_AS_REAL,
				    NULL)
		       : NULL;
	if (what == K8S_LIST)
		check_items(js, &a, &e, tree);
	if (what == K8S_NOTHING && tree)
		CHECK(json_array_size(json_object_get(tree, "items")) == 0);
	CHECK(what != K8S_OTHER || !is_audit_list(tree)); /* which would lose it */
	json_decref(tree);
	arena_fini(&a);
	return 0;
}
