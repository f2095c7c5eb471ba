/* One tile of a log: each of its records, or those that its index cannot rule out. */
#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/erasures.h"
#include "server/kit.h"
#include "server/query.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/scan.h"
#include "storage/segterms.h"

struct look {
	struct query *q;
	struct query_source *s;
	uint64_t counted_from, counted_to; /* these are in the totals already */
	uint64_t bytes, passed, looked_at;
	const struct query_view *view; /* NULL: no index that says anything */
	bool begun;
};

static bool
is_counted(const struct look *l, uint64_t index)
{
	return index >= l->counted_from && index < l->counted_to;
}

bool
query_is_restricted(const struct query *q, const struct query_source *s, uint64_t index)
{
	char id[CONTROL_HOLD_ID_CHARS + 1];
	const char *log = log_name(s->log);

	return access_restricts(audit_access(q->server->audit), log, index, id) &&
	       !token_may(q->token, SCOPE_HOLD, slice_str(log));
}

static int
take_match(struct look *l, const struct scan_record *r, const struct match_result *m, bool counted)
{
	struct query *q = l->q;

	q->totals.matched += !counted;
	if (q->count)
		return counted ? 0 : query_count(q, r);
	l->s->hits[l->s->n_hits++] =
		(struct query_hit){r->index, r->time_ns, (m->flags & MATCH_DUPLICATE_NAMES) != 0};
	return 0;
}

/* Whether the index knows that it is JSON and a schema fits. */
static bool
is_sure(const struct look *l, const struct scan_record *r)
{
	return l->view && !r->gone &&
	       !ordset_has(&l->view->unsure, (uint32_t)(r->index - l->view->range.first));
}

static int
take(void *ctx, const struct scan_record *r)
{
	struct look *l = ctx;
	struct query_totals *t = &l->q->totals;
	bool counted = is_counted(l, r->index);
	const struct match_record record = {.payload = r->payload,
					    .received_ns = r->time_ns,
					    .writer = r->writer,
					    .parsed = is_sure(l, r)};
	struct match_result m;
	int err;

	l->bytes += r->payload.n;
	l->looked_at++;
	if (!l->q->backward || !l->begun)
		l->s->frontier_ns = r->time_ns;
	l->begun = true;
	if (r->kind != ENTRY_RECORD)
		return 0;
	t->scanned += !counted;
	if (!r->gone && query_is_restricted(l->q, l->s, r->index)) {
		t->restricted += !counted;
		return 0;
	}
	err = matcher_run(l->s->reader->matcher, &record, &m);
	if (err != 0)
		return err;
	if (m.verdict == MATCH_YES)
		return take_match(l, r, &m, counted);
	if (m.verdict == MATCH_UNPARSED && r->gone)
		t->purged += !counted;
	else if (m.verdict == MATCH_UNPARSED)
		t->unparsed += !counted;
	return 0;
}

static void
reverse(struct query_source *s)
{
	for (size_t i = 0, k = s->n_hits; i + 1 < k; i++) {
		struct query_hit hit = s->hits[i];

		s->hits[i] = s->hits[--k];
		s->hits[k] = hit;
	}
}

/* --- with an index --------------------------------------------------------------------------- */

/* Counts the records [from, to), which cannot match, as if they had been looked at. */
static void
pass(struct look *l, const struct query_view *v, uint64_t from, uint64_t to)
{
	struct query_totals *t = &l->q->totals;
	uint32_t at = (uint32_t)(from - v->range.first), end = (uint32_t)(to - v->range.first);

	l->passed += end - at;
	if (l->counted_from == l->counted_to &&
	    access_open_erasures(audit_access(l->q->server->audit)) == 0) {
		t->scanned += end - at - ordset_count(&v->controls, at, end);
		return;
	}
	for (; from < to; from++, at++) {
		if (is_counted(l, from) || ordset_has(&v->controls, at))
			continue;
		t->scanned++;
		t->restricted += query_is_restricted(l->q, l->s, from);
	}
}

/* Looks at those of [*at, end) that are wanted, in rows; *at moves on behind what was taken. */
static int
look_where_wanted(struct look *l, const struct query_view *v, uint64_t *at, uint64_t end,
		  struct kit *kit)
{
	uint64_t base = v->range.first, to;
	uint32_t stop = (uint32_t)(end - base);
	int err = 0;

	while (err == 0 && *at < end) {
		to = base + ordset_next(&v->wanted, (uint32_t)(*at - base), stop, true);
		pass(l, v, *at, to);
		*at = to;
		to = base + ordset_next(&v->wanted, (uint32_t)(*at - base), stop, false);
		if (*at < to)
			err = scan_records(l->s->log, at, to, kit->tools, take, l);
	}
	return err;
}

/*
 * How far the log was looked through: to the time where the tile of [first, end) ends, or, if the
 * pace left something of it, where it begins.
 */
static void
move_frontier(struct look *l, const struct query_view *v, uint64_t first, uint64_t end)
{
	const struct segterms_tile *t = &v->tiles[(first - v->range.first) / SEGMENT_TILE];
	bool whole = (l->q->backward ? first : end) % SCAN_RECORDS == 0;

	l->s->frontier_ns = l->q->backward == whole ? t->first_ns : t->last_ns;
}

/* So few are looked at at once that a step does not take much longer than it should. */
static void
pace(struct query *q, int64_t took_ns)
{
	if (took_ns > LIMIT_QUERY_STEP_NS)
		q->span = q->span / 4 ? q->span / 4 : 1;
	else if (took_ns < LIMIT_QUERY_STEP_NS / 16)
		q->span = q->span * 4 < SCAN_RECORDS ? q->span * 4 : SCAN_RECORDS;
}

/* [*first, *end): the next tile, or what the pinned size, the last page and the pace leave of it.
 */
static void
choose_range(const struct query *q, const struct query_source *s, uint64_t *first, uint64_t *end)
{
	if (q->backward) {
		*end = s->next;
		*first = (s->next - 1) / SCAN_RECORDS * SCAN_RECORDS;
		*first = *first > s->from ? *first : s->from;
		*first = *end - *first > q->span ? *end - q->span : *first;
	} else {
		*first = s->next;
		*end = (s->next / SCAN_RECORDS + 1) * SCAN_RECORDS;
		*end = *end < s->size ? *end : s->size;
		*end = *end - *first > q->span ? *first + q->span : *end;
	}
}

/* --------------------------------------------------------------------------------------------- */

int
query_look(struct query *q, struct query_source *s, struct kit *kit, uint64_t *bytes)
{
	int64_t begun_ns = server_monotonic_ns();
	uint64_t first, end, at;
	const struct query_view *view = NULL;
	struct look l = {.q = q, .s = s};
	int err = 0;

	choose_range(q, s, &first, &end);
	at = first;
	l.counted_from = q->backward ? s->next - s->behind : s->next;
	l.counted_to = l.counted_from + s->behind;
	s->at_hit = s->n_hits = 0;
	q->fit = &s->reader->fit;
	if (!q->no_index)
		err = query_index_view(q, s, first, end, kit, &view);
	l.view = view;
	if (err == 0 && view)
		err = look_where_wanted(&l, view, &at, end, kit);
	else if (err == 0)
		err = scan_records(s->log, &at, end, kit->tools, take, &l);
	if (view)
		move_frontier(&l, view, first, end);
	if (err == STELE_EDAMAGED) {
		for (; at < end; at++)
			q->totals.unreadable += !is_counted(&l, at);
		err = 0;
	}
	*bytes += l.bytes;
	atomic_fetch_add_explicit(&q->server->queries.looked_at, l.looked_at, memory_order_relaxed);
	atomic_fetch_add_explicit(&q->server->queries.passed, l.passed, memory_order_relaxed);
	if (q->backward)
		reverse(s);
	s->next = q->backward ? first : end;
	s->behind -= s->behind < end - first ? s->behind : end - first;
	pace(q, server_monotonic_ns() - begun_ns);
	return err;
}
