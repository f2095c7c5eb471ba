/* A record of `_system` is found by its time, and then by what it says. */
#include "server/export_custody.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "server/audit.h"
#include "server/exports.h"
#include "server/server.h"
#include "server/trail.h"

/* --- one record ------------------------------------------------------------------------------ */

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

/* The line of the act that happened then. */
static int
put_act(struct trail *t, int64_t time_ns, const char *type, const char *id, struct buf *out)
{
	const struct trail_checkpoint newest = {t->head->size,
						slice_of(t->head->note, t->head->note_len)};
	uint64_t at = 0;
	bool found = false;
	int err = trail_first_at(t, time_ns, &at);

	for (; err == 0 && !found && at < t->head->size; at++) {
		struct arena arena;
		struct record r;
		arena_init(&arena);
		err = trail_read(t, at, &arena, &r);
		if (err == 0 && r.entry.time_ns != time_ns)
			err = STELE_EDAMAGED;
		found = err == 0 && is_act(&r, type, id);
		if (found)
			err = trail_receipt(t, at, &r, &newest, out);
		arena_fini(&arena);
	}
	return err == 0 && !found ? STELE_EDAMAGED : err;
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
put_all(struct trail *t, const struct export *e, const struct earlier *list, struct buf *out,
	const atomic_bool *stop)
{
	int err = put_act(t, e->begun_ns, "export.begin", e->id, out);

	for (size_t i = 0; err == 0 && i < list->n && i < LIMIT_EXPORT_CUSTODY; i++) {
		err = put_act(t, list->e[i]->ended_ns, "export.finish", list->e[i]->id, out);
		if (err == 0 && atomic_load(stop))
			err = STELE_ECLOSED;
	}
	return err;
}

int
export_custody(struct buf *out, struct server *s, const struct export *e,
	       const struct export_log *logs, size_t n, struct kit *kit, const atomic_bool *stop)
{
	struct earlier list = {0};
	struct trail t;
	int err = trail_open(&t, s, kit);

	if (err != 0)
		return err;
	err = find_earlier(&list, audit_access(s->audit), e, logs, n);
	err = err ? err : put_all(&t, e, &list, out, stop);
	for (size_t i = 0; i < list.n; i++)
		export_unref(list.e[i]);
	free(list.e);
	trail_close(&t);
	return err;
}
