/* Choosing the logs, and looking through them in one order. */
#include "server/query.h"

#include <string.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/kit.h"
#include "server/mapping.h"
#include "server/query_cursor.h"
#include "server/query_many.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/scan.h"
#include "storage/store.h"
#include "storage/termask.h"

enum { LIST_ROWS = 256 };

/* --- which logs -------------------------------------------------------------------------- */

static bool
may_read(const struct query *q, const char *log)
{
	return token_may(q->token, SCOPE_READ, slice_str(log));
}

/* The next element of a comma-separated list. */
static struct slice
next_name(struct slice *list)
{
	const uint8_t *comma = memchr(list->p, ',', list->n);
	struct slice name = slice_of(list->p, comma ? (size_t)(comma - list->p) : list->n);

	list->p += name.n + (comma ? 1 : 0);
	list->n -= name.n + (comma ? 1 : 0);
	return name;
}

/* A log that is named by itself must be there and be the reader's; patterns leave out others. */
int
query_check_names(struct query *q)
{
	struct slice list = q->logs, name;
	struct log *log;

	while (list.n) {
		name = next_name(&list);
		if (memchr(name.p, '*', name.n))
			continue;
		if (!token_may(q->token, SCOPE_READ, name))
			return STELE_EPERM;
		if (store_log_find(q->server->store, name, &log) != 0)
			return STELE_ENOTFOUND;
	}
	return 0;
}

static bool
is_asked(const struct query *q, const char *log)
{
	struct slice list = q->logs;

	while (list.n) {
		struct slice pattern = next_name(&list);

		/* names of the server's own begin with '_', and only patterns that do so have them
		 */
		if (scope_pattern_match(pattern, slice_str(log)) &&
		    (log[0] != '_' || (pattern.n && pattern.p[0] == '_')))
			return true;
	}
	return false;
}

bool
query_has_log(const struct query *q, const char *log)
{
	return is_asked(q, log) && may_read(q, log);
}

static int
add_source(struct query *q, struct log *log)
{
	struct query_source *s = &q->sources[q->n];
	struct head *head = log_head(log);

	if (q->n == LIMIT_QUERY_LOGS) {
		head_unref(head);
		return STELE_ELIMIT;
	}
	*s = (struct query_source){.log = log, .size = head->size};
	s->mapping = mapping_of_log(audit_access(q->server->audit), slice_str(log_name(log)));
	s->frontier_ns = q->backward ? head->time_ns : log_created_ns(log);
	head_unref(head);
	q->n++;
	return 0;
}

int
query_choose(struct query *q)
{
	struct log *logs[LIST_ROWS];
	struct slice after = slice_of("", 0);
	size_t n = LIST_ROWS;
	int err = query_check_names(q);

	q->n = 0;
	if (!q->sources)
		q->sources = arena_alloc(q->memory, LIMIT_QUERY_LOGS * sizeof *q->sources);
	if (!q->sources)
		return STELE_ENOMEM;
	while (err == 0 && n == LIST_ROWS) {
		n = store_log_list(q->server->store, after, logs, LIST_ROWS);
		for (size_t i = 0; err == 0 && i < n; i++)
			if (query_has_log(q, log_name(logs[i])))
				err = add_source(q, logs[i]);
		after = n ? slice_str(log_name(logs[n - 1])) : after;
	}
	for (size_t i = 0; err == 0 && i < q->n; i++)
		q->sources[i].next = q->backward ? q->sources[i].size : 0;
	return err;
}

/* As of which size of its one log. */
static int
choose_size(struct query *q)
{
	int err = query_choose(q);
	struct query_source *s = q->sources;

	if (err != 0 || !q->has_as_of)
		return err;
	if (q->n != 1 || q->as_of > s->size)
		return STELE_EINVAL;
	s->size = q->as_of;
	s->next = q->backward ? s->size : 0;
	return 0;
}

/* --- begin --------------------------------------------------------------------------------- */

/* Rights may have been taken away since the cursor was made. */
static int
go_on(struct query *q)
{
	int err = query_cursor_read(q);

	for (size_t i = 0; err == 0 && i < q->n; i++)
		if (!may_read(q, log_name(q->sources[i].log)))
			err = STELE_EPERM;
	return err;
}

/* Logs of one mapping share one. */
int
query_find_reader(struct query *q, struct query_source *s)
{
	const struct mapping *m = s->mapping;
	struct query_reader *r = q->readers;
	int err;

	while (r && r->mapping != m)
		r = r->next;
	if (r) {
		s->reader = r;
		return 0;
	}
	r = arena_alloc(q->memory, sizeof *r);
	if (!r)
		return STELE_ENOMEM;
	*r = (struct query_reader){.next = q->readers, .mapping = m};
	q->readers = r;
	r->matcher = matcher_new(&q->filter, &m->set, m->chosen);
	if (!r->matcher)
		return STELE_ENOMEM;
	r->has_fit = true;
	err = schema_fit_init(&r->fit, &m->set, m->chosen, (1u << FIELD_COUNT) - 1);
	err = err ? err : schema_fit_start(&r->fit);
	if (err == 0)
		s->reader = r;
	return err;
}

int
query_make_room(struct query *q)
{
	for (size_t i = 0; i < q->n; i++) {
		struct query_source *s = &q->sources[i];
		int err = s->reader ? 0 : query_find_reader(q, s);

		if (err != 0)
			return err;
		if (!s->hits)
			s->hits = arena_alloc(q->memory, SCAN_RECORDS * sizeof *s->hits);
		if (!s->hits)
			return STELE_ENOMEM;
	}
	return 0;
}

int
query_prepare(struct query *q)
{
	q->span = 1;
	q->narrows = termask_helps(&q->filter);
	return query_make_room(q);
}

int
query_begin(struct query *q)
{
	int err = q->cursor.n ? go_on(q) : choose_size(q);

	if (err == STELE_ELIMIT && q->may_be_many && !q->cursor.n)
		err = q->has_as_of ? STELE_EINVAL : query_many_begin(q);
	return err ? err : query_prepare(q);
}

void
query_fini(struct query *q)
{
	query_many_fini(q);
	for (size_t i = 0; i < q->n; i++)
		query_view_fini(&q->sources[i].view);
	if (q->held_bytes)
		atomic_fetch_sub(&q->server->answers.used_bytes, q->held_bytes);
	q->held_bytes = 0;
	for (struct query_reader *r = q->readers; r; r = r->next) {
		matcher_free(r->matcher);
		if (r->has_fit)
			schema_fit_fini(&r->fit);
	}
	arena_fini(&q->arena);
	buf_fini(&q->rows);
	tally_fini(&q->values);
	tally_fini(&q->times);
}

/* --- one step -------------------------------------------------------------------------------- */

static bool
is_spent(const struct query *q, const struct query_source *s)
{
	return s->at_hit == s->n_hits && (q->backward ? s->next == 0 : s->next == s->size);
}

uint64_t
query_position(const struct query *q, const struct query_source *s)
{
	if (s->at_hit == s->n_hits)
		return s->next;
	return s->hits[s->at_hit].index + (q->backward ? 1 : 0);
}

/* When the next match or tile of a log is, at the earliest (backward: at the latest). */
static int64_t
time_of(const struct query_source *s)
{
	return s->at_hit < s->n_hits ? s->hits[s->at_hit].time_ns : s->frontier_ns;
}

/* The log that comes next: of equal times the first name's, backward the last one's. NULL: none. */
static struct query_source *
pick(struct query *q)
{
	struct query_source *best = NULL;

	for (size_t i = 0; i < q->n; i++) {
		struct query_source *s = &q->sources[i];

		if (is_spent(q, s))
			continue;
		if (!best ||
		    (q->backward ? time_of(s) >= time_of(best) : time_of(s) < time_of(best)))
			best = s;
	}
	return best;
}

/*
 * Pages that are being made count among the answers: half of what these may take ends them all.
 * Tails have a bound of their own.
 */
static bool
is_too_much(struct query *q)
{
	struct http_budget *answers = &q->server->answers;
	uint64_t more = q->rows.cap - q->held_bytes;

	if (q->form == QUERY_EVENTS)
		return false;
	q->held_bytes += more;
	return atomic_fetch_add(&answers->used_bytes, more) + more > answers->max_bytes / 2;
}

int
query_put_hit(struct query *q, const struct query_source *s, const struct query_hit *hit,
	      struct kit *kit)
{
	int err = query_put_row(q, s, hit, kit);

	if (err == 0)
		q->full = is_too_much(q) || q->rows_n == q->limit || q->rows.n >= q->page_bytes;
	return err;
}

/* The next match of a log onto the page, or a look at what comes next of it. */
static int
go_on_with(struct query *q, struct query_source *s, struct kit *kit, uint64_t *bytes)
{
	int err;

	if (s->at_hit == s->n_hits)
		return query_look(q, s, kit, bytes);
	err = query_put_hit(q, s, &s->hits[s->at_hit], kit);
	s->at_hit += err == 0;
	return err;
}

int
query_step(struct query *q, struct kit *kit)
{
	int64_t end_ns = server_monotonic_ns() + LIMIT_QUERY_STEP_NS, now_ns = 0;
	struct query_source *s;
	uint64_t bytes = 0;
	int err = 0;

	q->step++;
	if (q->many)
		return query_many_step(q, kit);
	while (err == 0 && !q->full && now_ns < end_ns && bytes < LIMIT_QUERY_STEP_BYTES) {
		s = pick(q);
		q->done = !s;
		if (!s)
			return 0;
		err = go_on_with(q, s, kit, &bytes);
		now_ns = server_monotonic_ns();
	}
	if (err != 0)
		return err;
	q->done = !pick(q);
	return !q->done && !q->full && now_ns < q->until_ns;
}
