/* A record of `_system` is found by its time, and then by what it says. */
#include "server/export_custody.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/identity.h"
#include "proto/err.h"
#include "server/audit.h"
#include "server/exports.h"
#include "server/kit.h"
#include "server/receipt.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/read.h"
#include "storage/store.h"

struct custody {
	struct server *s;
	struct kit *kit;
	struct log *log; /* _system */
	struct head *head;
	struct buf keys; /* what stands behind each receipt: keys, identities, the brace's end */
	struct buf *out;
};

/* --- one record ------------------------------------------------------------------------------ */

static int
read_at(struct custody *c, uint64_t index, struct arena *a, struct record *r)
{
	return read_record(c->s->store, c->log, index, c->kit->tools, a, r);
}

/* The first record whose time is not before that. */
static int
first_at(struct custody *c, int64_t time_ns, uint64_t *out)
{
	uint64_t low = 0, high = c->head->size;
	int err = 0;

	while (err == 0 && low < high) {
		uint64_t mid = low + (high - low) / 2;
		struct arena arena;
		struct record r;
		arena_init(&arena);
		err = read_at(c, mid, &arena, &r);
		if (err == 0 && r.entry.time_ns < time_ns)
			low = mid + 1;
		else if (err == 0)
			high = mid;
		arena_fini(&arena);
	}
	*out = low;
	return err;
}

/* Whether it is an act of that type about that export. */
static bool
is_act(const struct record *r, const char *type, const char *id)
{
	json_t *act = json_loadb((const char *)r->payload.p, r->payload.n, 0, NULL);
	const char *is = json_string_value(json_object_get(act, "type")),
		   *of = json_string_value(json_object_get(act, "export"));
	bool same = is && of && strcmp(is, type) == 0 && strcmp(of, id) == 0;

	json_decref(act);
	return same;
}

static int
put_receipt(struct custody *c, uint64_t index, const struct record *r)
{
	struct proof proof;
	struct receipt receipt = {
		.log = c->log,
		.index = index,
		.time_ns = r->entry.time_ns,
		.entry = r->text,
		.salt = r->salt,
		.head = c->head,
	};
	int err = read_inclusion(c->s->store, c->log, index, c->head->size, c->kit->tools, &proof);

	if (err != 0)
		return err;
	receipt.proof = proof.hash;
	receipt.n_proof = proof.n;
	receipt_put(c->out, &receipt);
	receipt_put_payload(c->out, r->payload);
	buf_put_slice(c->out, buf_slice(&c->keys));
	return c->out->err;
}

/* The line of the act that happened then. */
static int
put_act(struct custody *c, int64_t time_ns, const char *type, const char *id)
{
	uint64_t at;
	bool found = false;
	int err = first_at(c, time_ns, &at);

	for (; err == 0 && !found && at < c->head->size; at++) {
		struct arena arena;
		struct record r;
		arena_init(&arena);
		err = read_at(c, at, &arena, &r);
		if (err == 0 && r.entry.time_ns != time_ns)
			err = STELE_EDAMAGED;
		found = err == 0 && is_act(&r, type, id);
		if (found)
			err = put_receipt(c, at, &r);
		arena_fini(&arena);
	}
	return err == 0 && !found ? STELE_EDAMAGED : err;
}

/* --- keys --------------------------------------------------------------------------------------
 */

static int
put_keys(struct custody *c)
{
	struct logkeys *keys = log_keys(c->log);
	struct identity *id = store_identity(c->s->store);
	size_t n = logkeys_count(keys), first = n > LIMIT_STATEMENTS ? n - LIMIT_STATEMENTS : 0;
	struct buf note;
	int err = 0;

	buf_init(&note);
	buf_put_str(&c->keys, ",\"keys\":[");
	for (size_t i = first; err == 0 && i < n; i++) {
		buf_reset(&note);
		err = logkeys_put_statement(keys, i, &note);
		buf_put_str(&c->keys, i > first ? "," : "");
		buf_put_json_str(&c->keys, buf_slice(&note));
	}
	buf_put_u8(&c->keys, ']');
	for (size_t i = 0; i + 1 < identity_row(id)->n; i++) {
		buf_put_str(&c->keys, i ? "," : ",\"identities\":[");
		buf_put_json_str(&c->keys, identity_succession(id, i));
	}
	buf_put_str(&c->keys, identity_row(id)->n > 1 ? "]}\n" : "}\n");
	buf_fini(&note);
	identity_unref(id);
	logkeys_unref(keys);
	return err ? err : c->keys.err;
}

/* --- earlier exports
 * ------------------------------------------------------------------------------- */

struct earlier {
	struct export **e;
	size_t n, cap;
};

static int
add(struct earlier *list, struct export *e)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		struct export **p = realloc(list->e, cap * sizeof(*p));
		if (!p)
			return STELE_ENOMEM;
		list->e = p;
		list->cap = cap;
	}
	list->e[list->n++] = export_ref(e);
	return 0;
}

static int
newest_first(const void *left, const void *right)
{
	const struct export *a = *(struct export *const *)left, *b = *(struct export *const *)right;

	return (a->ended_ns < b->ended_ns) - (a->ended_ns > b->ended_ns);
}

/* An export of other logs, too, is not told of: who asks may not know them. */
static bool
is_within(const struct export *e, const struct export_log *logs, size_t n)
{
	for (size_t i = 0; i < e->n_logs; i++) {
		size_t k = 0;

		while (k < n && strcmp(logs[k].name, e->logs[i].name) != 0)
			k++;
		if (k == n)
			return false;
	}
	return true;
}

static int
find_earlier(struct earlier *list, struct access *a, const struct export *e,
	     const struct export_log *logs, size_t n)
{
	struct export *at = NULL, *next;
	int err = 0;

	while (err == 0 && access_next_export(a, slice_str(at ? at->id : ""), &next) == 0) {
		export_unref(at);
		at = next;
		if (at->finished && strcmp(at->id, e->id) != 0 && export_meets(at, logs, n) &&
		    is_within(at, logs, n))
			err = add(list, at);
	}
	export_unref(at);
	if (list->n)
		qsort(list->e, list->n, sizeof(*list->e), newest_first);
	return err;
}

static int
put_all(struct custody *c, const struct export *e, const struct earlier *list,
	const atomic_bool *stop)
{
	int err = put_act(c, e->begun_ns, "export.begin", e->id);

	for (size_t i = 0; err == 0 && i < list->n && i < LIMIT_EXPORT_CUSTODY; i++) {
		err = put_act(c, list->e[i]->ended_ns, "export.finish", list->e[i]->id);
		if (err == 0 && atomic_load(stop))
			err = STELE_ECLOSED;
	}
	return err;
}

int
export_custody(struct buf *out, struct server *s, const struct export *e,
	       const struct export_log *logs, size_t n, struct kit *kit, const atomic_bool *stop)
{
	struct custody c = {.s = s, .kit = kit, .out = out};
	struct earlier list = {0};
	int err = store_log_find(s->store, slice_str("_system"), &c.log);

	if (err != 0)
		return err;
	buf_init(&c.keys);
	c.head = log_head(c.log);
	err = put_keys(&c);
	err = err ? err : find_earlier(&list, audit_access(s->audit), e, logs, n);
	err = err ? err : put_all(&c, e, &list, stop);
	for (size_t i = 0; i < list.n; i++)
		export_unref(list.e[i]);
	free(list.e);
	head_unref(c.head);
	buf_fini(&c.keys);
	return err;
}
