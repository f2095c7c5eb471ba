/* Walks over all logs: whether a hold is in one, its locks say in no time. */
#include "server/hold_logs.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/mapping.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/store.h"

enum { SCAN_ROWS = 256 };

/* Calls fn for every log, in order of their names, until it is not 0, which is returned. */
static int
each_log(struct store *st, int (*fn)(void *ctx, struct log *log), void *ctx)
{
	struct slice after = slice_of("", 0);
	struct log *logs[SCAN_ROWS];
	size_t n;
	int done = 0;

	do {
		n = store_log_list(st, after, logs, SCAN_ROWS);
		for (size_t i = 0; done == 0 && i < n; i++)
			done = fn(ctx, logs[i]);
		if (n)
			after = slice_str(log_name(logs[n - 1]));
	} while (done == 0 && n == SCAN_ROWS);
	return done;
}

/* --- which ------------------------------------------------------------------------------- */

struct listing {
	const struct hold *h;
	struct access *access; /* of HOLD_FILTER: who knows the logs' mappings */
	struct slice id;
	json_t *list;
};

static int
add_name(struct listing *l, struct log *log)
{
	json_t *row = json_pack("{s:s}", "log", log_name(log));
	const struct mapping *m =
		l->access ? mapping_of_log(l->access, slice_str(log_name(log))) : NULL;
	struct buf digest;
	int err = row ? 0 : STELE_ENOMEM;

	buf_init(&digest);
	if (row && m && m->chosen >= 0) {
		buf_put_base64(&digest, m->digest, sizeof m->digest);
		err = digest.err;
		if (err == 0 &&
		    json_object_set_new(row, "mapping",
					json_stringn((const char *)digest.p, digest.n)) != 0)
			err = STELE_ENOMEM;
	}
	buf_fini(&digest);
	if (err == 0)
		return json_array_append_new(l->list, row) == 0 ? 0 : STELE_ENOMEM;
	json_decref(row);
	return err;
}

static int
add_matching(void *ctx, struct log *log)
{
	struct listing *l = ctx;

	return hold_matches(l->h, slice_str(log_name(log))) ? add_name(l, log) : 0;
}

static int
add_held(void *ctx, struct log *log)
{
	struct listing *l = ctx;
	struct lock_hold held;

	return locks_hold(log_locks(log), l->id, &held) && !held.released ? add_name(l, log) : 0;
}

static json_t *
list(struct store *st, struct listing *l, int (*fn)(void *ctx, struct log *log))
{
	l->list = json_array();
	if (l->list && each_log(st, fn, l) != 0) {
		json_decref(l->list);
		l->list = NULL;
	}
	return l->list;
}

json_t *
hold_logs_matching(struct store *st, struct access *a, const struct hold *h)
{
	struct listing l = {.h = h, .access = h->kind == HOLD_FILTER ? a : NULL};

	return list(st, &l, add_matching);
}

json_t *
hold_logs_held(struct store *st, struct slice id)
{
	struct listing l = {.id = id};

	return list(st, &l, add_held);
}

int
hold_logs_mapping(uint8_t out[32], const json_t *row, const struct hold *h)
{
	const json_t *v = json_object_get(row, "mapping");

	if (v)
		return base64_decode_exact(out, 32,
					   slice_of(json_string_value(v), json_string_length(v)));
	memcpy(out, h->mapping, sizeof h->mapping);
	return 0;
}

/* --- entries ------------------------------------------------------------------------------- */

/* What one entry says. */
struct said {
	const struct hold *h;
	uint8_t mapping[32];
	bool before; /* what is there before the entry, in the place of the ranges */
	const struct control_range *r;
	size_t n;
	uint64_t open_from;
	struct slice actors;
};

void
hold_entries_init(struct hold_entries *all)
{
	memset(all, 0, sizeof *all);
}

void
hold_entries_fini(struct hold_entries *all)
{
	for (size_t i = 0; i < all->n; i++) {
		buf_fini(&all->e[i].json);
		free(all->said[i]);
	}
	free(all->e);
	free(all->said);
}

/* One more entry of the log, that says nothing yet; NULL without memory. */
static struct deed_entry *
one_more(struct hold_entries *all, struct log *log, enum entry_kind kind)
{
	if (all->n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 16;
		struct deed_entry *e = realloc(all->e, cap * sizeof *e);
		void **said = e ? realloc(all->said, cap * sizeof(*said)) : NULL;
		all->e = e ? e : all->e;
		if (!said)
			return NULL;
		all->said = said;
		all->cap = cap;
	}
	all->e[all->n] = (struct deed_entry){.log = log, .kind = kind};
	all->said[all->n] = NULL;
	buf_init(&all->e[all->n].json);
	return &all->e[all->n++];
}

static void
put_hold(struct buf *b, const struct said *s, const struct control_range *r, size_t n,
	 uint64_t open_from)
{
	struct control_hold hold = {
		.id = s->h->id, .r = r, .n = n, .open_from = open_from, .more = s->actors};

	if (s->h->kind == HOLD_FILTER) {
		hold.mapping = slice_of(s->mapping, sizeof s->mapping);
		hold.filter = slice_of(s->h->filter_digest, sizeof s->h->filter_digest);
	}
	control_put_hold(b, &hold);
}

/* What is there before the index is held, when the hold has no end of its own and is not open. */
static int
place_first(const struct deed_entry *e, uint64_t index, struct buf *json)
{
	const struct said *s = e->ctx;
	struct control_range all = {s->h->kind == HOLD_RANGE ? s->h->first : 0, index - 1};

	put_hold(json, s, &all, all.first <= all.last, CONTROL_OPEN);
	return 0;
}

/* Adds an entry with these ranges. */
static int
add_hold(struct hold_entries *all, struct log *log, const struct said *s)
{
	static const struct control_range longest = {LIMIT_INTEGER, LIMIT_INTEGER};
	struct deed_entry *e = one_more(all, log, ENTRY_HOLD);
	struct said *mine = malloc(sizeof *mine);

	if (!e || !mine) {
		free(mine);
		return STELE_ENOMEM;
	}
	*mine = *s;
	all->said[all->n - 1] = mine;
	e->ctx = mine;
	if (s->before)
		e->place = place_first;
	put_hold(&e->json, s, s->before ? &longest : s->r, s->before ? 1 : s->n, s->open_from);
	return e->json.err;
}

int
hold_entries_cover(struct hold_entries *all, struct log *log, const struct hold *h,
		   const struct control_range *r, size_t n, uint64_t open_from, uint64_t next,
		   struct slice actors)
{
	struct said s = {.h = h, .r = r, .open_from = open_from, .actors = actors};
	int err = 0;

	memcpy(s.mapping, h->mapping, sizeof s.mapping);
	do {
		s.n = n < LIMIT_HOLD_ENTRY_RANGES ? n : LIMIT_HOLD_ENTRY_RANGES;
		n -= s.n;
		if (n == 0) /* the last one: the others leave what is open as it was */
			s.open_from = next;
		err = add_hold(all, log, &s);
		s.r += s.n;
	} while (err == 0 && n);
	return err;
}

int
hold_entries_first(struct hold_entries *all, struct log *log, const struct hold *h,
		   const uint8_t *mapping, struct slice actors)
{
	struct said s = {.h = h, .before = true, .open_from = CONTROL_OPEN, .actors = actors};

	memcpy(s.mapping, mapping, sizeof s.mapping);
	if (h->n_set)
		return hold_entries_cover(all, log, h, h->set, h->n_set, CONTROL_OPEN, CONTROL_OPEN,
					  actors);
	if (h->open_ended || h->kind == HOLD_FILTER) {
		s.before = false;
		s.open_from = h->first; /* 0 but for a range */
	}
	return add_hold(all, log, &s);
}

int
hold_entries_release(struct hold_entries *all, struct log *log, struct slice id,
		     struct slice actors)
{
	struct deed_entry *e = one_more(all, log, ENTRY_RELEASE);

	if (!e)
		return STELE_ENOMEM;
	control_put_release(&e->json, id, actors);
	return e->json.err;
}

/* --- what it covers -----------------------------------------------------------------------------
 */

struct table {
	struct buf *b;
	const struct hold *h;
	const struct token *token;
	const char *comma;
	uint64_t logs, records, pending, purged;
	bool examining;
};

/* How far the log was examined, for a hold by filter, and what waits for it. */
static void
put_examined(struct table *t, const struct lock_hold *held, const struct lock_hold_counts *counts)
{
	uint64_t end = held->placed;

	if (held->open_from != CONTROL_OPEN)
		end = t->h->open_ended || held->open_from < end ? held->open_from : end;
	buf_printf(t->b, ",\"examined\":%llu,\"pending\":%llu", (unsigned long long)end,
		   (unsigned long long)counts->open);
	t->pending += counts->open;
	t->examining |= held->open_from != CONTROL_OPEN && held->open_from < held->placed;
}

static int
put_row(void *ctx, struct log *log)
{
	struct table *t = ctx;
	struct lock_hold_counts counts;
	struct lock_hold held;
	struct head *head;
	uint64_t records;

	if (!locks_hold(log_locks(log), slice_str(t->h->id), &held) ||
	    (t->token && !token_may(t->token, SCOPE_HOLD, slice_str(log_name(log)))))
		return 0;
	head = log_head(log);
	locks_hold_count(log_locks(log), slice_str(t->h->id), head->size, &counts);
	head_unref(head);
	records = counts.set + (t->h->kind == HOLD_FILTER ? 0 : counts.open);
	buf_printf(t->b, "%s{\"log\":\"%s\",\"placed\":%llu", t->comma, log_name(log),
		   (unsigned long long)held.placed);
	if (held.released)
		buf_printf(t->b, ",\"released\":%llu}", (unsigned long long)held.released);
	t->comma = ",";
	t->logs++;
	if (held.released)
		return 0;
	buf_printf(t->b, ",\"records\":%llu,\"purged\":%llu", (unsigned long long)records,
		   (unsigned long long)counts.purged);
	if (t->h->kind == HOLD_FILTER)
		put_examined(t, &held, &counts);
	buf_put_u8(t->b, '}');
	t->records += records;
	t->purged += counts.purged;
	return 0;
}

void
hold_logs_put(struct buf *b, struct store *st, const struct hold *h, const struct token *token)
{
	struct table t = {.b = b, .h = h, .token = token, .comma = ""};

	buf_put_str(b, ",\"covers\":[");
	(void)each_log(st, put_row, &t); /* fn goes on to the end */
	buf_printf(
		b,
		"],\"covered\":{\"logs\":%llu,\"records\":%llu,\"pending\":%llu,\"purged\":%llu}",
		(unsigned long long)t.logs, (unsigned long long)t.records,
		(unsigned long long)t.pending, (unsigned long long)t.purged);
	if (h->kind == HOLD_FILTER && !h->released_ns)
		buf_printf(b, ",\"examining\":%s", t.examining ? "true" : "false");
}
