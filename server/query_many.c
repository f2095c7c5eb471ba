/* Window by window: looking log by log, then rows in order. */
#include "server/query_many.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/scan.h"

enum { WIDER = 4, MOST_WISHED = 1024 };

/* --- places ------------------------------------------------------------------------------ */

static int
compare(const struct many_place *a, const struct many_place *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->log != b->log)
		return a->log < b->log ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static int
compare_hits(const void *a, const void *b)
{
	return compare(&((const struct many_hit *)a)->at, &((const struct many_hit *)b)->at);
}

static int
compare_back(const void *a, const void *b)
{
	return compare_hits(b, a);
}

/* Whether the query comes to a before b. */
static bool
is_before(const struct query *q, const struct many_place *a, const struct many_place *b)
{
	return q->backward ? compare(a, b) > 0 : compare(a, b) < 0;
}

bool
many_is_counted(const struct query *q)
{
	return is_before(q, &q->many->start, &q->many->counted);
}

/* --- windows ----------------------------------------------------------------------------- */

/* So many matches a window shall have: what the page has room for. */
static uint64_t
wished(const struct query *q)
{
	return q->limit < MOST_WISHED ? q->limit : MOST_WISHED;
}

/* The time at which the next record is, at the earliest (backward: at the latest). False: there is
 * none. */
static bool
next_time(const struct query *q, int64_t *ns)
{
	const struct query_many *m = q->many;
	int64_t next = q->backward ? -1 : INT64_MAX;

	for (size_t i = 0; i < m->n; i++)
		if (q->backward ? m->logs[i].begin_ns > next : m->logs[i].begin_ns < next)
			next = m->logs[i].begin_ns;
	*ns = next;
	return q->backward ? next >= 0 : next <= m->pinned_ns;
}

/* From a time on that is within what is left. */
static void
begin_window(struct query *q, int64_t ns)
{
	struct query_many *m = q->many;
	int64_t width = m->width_ns;

	m->end = (struct many_place){0};
	if (q->backward)
		m->end.time_ns = ns >= width ? ns - width + 1 : 0;
	else
		m->end.time_ns = m->pinned_ns - ns >= width ? ns + width : m->pinned_ns + 1;
	if (many_is_counted(q) && is_before(q, &m->counted, &m->end))
		m->end = m->counted;
	m->before = q->totals;
	m->at = m->carried = 0;
	m->at_index = MANY_UNKNOWN;
	m->n_hits = m->at_hit = 0;
	m->state = MANY_LOOKING;
}

/* Whether the log of number i may have something in the window. */
static bool
may_have(const struct query *q, size_t i)
{
	const struct query_many *m = q->many;
	int64_t ns = m->logs[i].begin_ns;

	if (q->backward)
		return ns >= m->end.time_ns;
	return ns < m->end.time_ns || (ns == m->end.time_ns && i <= m->end.log);
}

/* All of the window is done: the next one begins where it ends. */
static void
end_window(struct query *q)
{
	struct query_many *m = q->many;

	if (m->n_hits * WIDER < wished(q))
		m->width_ns = m->width_ns > INT64_MAX / WIDER ? INT64_MAX : m->width_ns * WIDER;
	else if (m->n_hits > wished(q) && m->width_ns > 1)
		m->width_ns /= 2;
	for (size_t i = 0; i < m->n; i++) {
		struct many_log *l = &m->logs[i];

		if (l->end != MANY_UNKNOWN) {
			l->begin = l->end;
			l->begin_ns = l->end_ns;
		} else if (i < m->carried && may_have(q, i)) {
			l->begin = MANY_UNKNOWN;
			l->begin_ns = m->end.time_ns;
		}
		l->end = MANY_UNKNOWN;
	}
	m->start = m->end;
	if (is_before(q, &m->counted, &m->start))
		m->counted = m->start;
	m->state = MANY_BETWEEN;
}

static void
close_log(struct query_many *m)
{
	query_view_fini(&m->source.view);
	m->open = false;
}

static void
sort_hits(const struct query *q)
{
	qsort(q->many->hits, q->many->n_hits, sizeof *q->many->hits,
	      q->backward ? compare_back : compare_hits);
}

void
many_narrow(struct query *q, size_t keep)
{
	struct query_many *m = q->many;
	int64_t ns;

	sort_hits(q);
	m->end = m->hits[q->backward ? keep - 1 : keep].at;
	if (next_time(q, &ns)) /* where it began: the next one is as narrow */
		m->width_ns = (q->backward ? ns - m->end.time_ns : m->end.time_ns - ns) + 1;
	for (size_t i = 0; i < m->n; i++)
		m->logs[i].end = MANY_UNKNOWN;
	close_log(m);
	q->totals = m->before;
	m->at = m->carried = 0;
	m->at_index = MANY_UNKNOWN;
	m->n_hits = 0;
}

/* --- looking ----------------------------------------------------------------------------- */

/* Where the place is in the log of number i, which has it in [low, high]. */
static int
find_place(const struct query *q, size_t i, const struct many_place *p, uint64_t low, uint64_t high,
	   struct kit *kit, struct seek_place *out)
{
	struct log *log = q->many->logs[i].log;
	int64_t time_ns = p->time_ns + (i < p->log);
	struct head *head = log_head(log);
	uint64_t size = head->size;
	int64_t last_ns = head->time_ns;

	head_unref(head);
	high = high < size ? high : size;
	*out = (struct seek_place){.index = high, .at_ns = INT64_MAX, .below_ns = last_ns};
	if (i == p->log && p->index && p->index <= high)
		*out = (struct seek_place){p->index, p->time_ns, p->time_ns};
	else if (log_created_ns(log) >= time_ns)
		*out = (struct seek_place){0, log_created_ns(log), -1};
	else if (last_ns >= time_ns)
		return seek_time(log, time_ns, low, high, kit->tools, out);
	return 0;
}

/* Where the window is in the log that is next. */
static int
find_range(struct query *q, struct kit *kit)
{
	const struct query_many *m = q->many;
	struct many_log *l = &m->logs[m->at];
	struct seek_place p;
	int err;

	if (l->begin == MANY_UNKNOWN) {
		err = find_place(q, m->at, &m->start, 0, UINT64_MAX, kit, &p);
		if (err != 0)
			return err;
		l->begin = p.index;
		l->begin_ns = q->backward ? p.below_ns : p.at_ns;
		/* what was damaged since an earlier page may have some that no page has counted */
		if (p.unsure && !q->backward && q->totals.unreadable == 0)
			q->totals.unreadable = q->many->before.unreadable = 1;
	}
	l->end = l->begin;
	l->end_ns = l->begin_ns;
	if (!may_have(q, m->at))
		return 0;
	if (q->backward)
		err = find_place(q, m->at, &m->end, 0, l->begin, kit, &p);
	else
		err = find_place(q, m->at, &m->end, l->begin, UINT64_MAX, kit, &p);
	if (err != 0) {
		l->end = MANY_UNKNOWN;
		return err;
	}
	l->end = p.index;
	l->end_ns = q->backward ? p.below_ns : p.at_ns;
	return 0;
}

/* The next log that may have something becomes the source, or the window's matches are shown. */
static int
open_log(struct query *q, struct kit *kit)
{
	struct query_many *m = q->many;
	struct query_source *s = &m->source;
	struct many_log *l;
	uint64_t low, high;
	int err;

	for (; m->at < m->n && !may_have(q, m->at); m->at_index = MANY_UNKNOWN)
		m->at++;
	if (m->at == m->n) {
		sort_hits(q);
		m->state = MANY_SHOWING;
		return 0;
	}
	err = find_range(q, kit);
	if (err != 0)
		return err;
	l = &m->logs[m->at];
	low = q->backward ? l->end : l->begin;
	high = q->backward ? l->begin : l->end;
	*s = (struct query_source){.log = l->log, .mapping = l->mapping, .hits = s->hits};
	s->from = low;
	s->size = high;
	s->next = q->backward ? high : low;
	if (m->at_index >= low && m->at_index <= high)
		s->next = m->at_index;
	m->at_index = MANY_UNKNOWN;
	if (many_is_counted(q))
		s->behind = q->backward ? s->next - low : high - s->next;
	m->open = true;
	return query_find_reader(q, s);
}

static bool
is_through(const struct query *q, const struct query_source *s)
{
	return s->next == (q->backward ? s->from : s->size);
}

static int
look(struct query *q, struct kit *kit, uint64_t *bytes)
{
	struct query_many *m = q->many;
	struct query_source *s = &m->source;
	int err;

	if (!m->open)
		return open_log(q, kit);
	if (is_through(q, s)) {
		close_log(m);
		m->at++;
		return 0;
	}
	if (m->n_hits >= 2 * wished(q) + SCAN_RECORDS) {
		many_narrow(q, wished(q));
		return 0;
	}
	err = query_look(q, s, kit, bytes);
	for (size_t i = 0; err == 0 && i < s->n_hits; i++)
		m->hits[m->n_hits++] = (struct many_hit){
			{s->hits[i].time_ns, m->at, s->hits[i].index}, s->hits[i].twice};
	s->n_hits = s->at_hit = 0;
	return err;
}

/* --- rows ---------------------------------------------------------------------------------- */

static int
show(struct query *q, struct kit *kit)
{
	struct query_many *m = q->many;
	const struct many_hit *h = &m->hits[m->at_hit];
	struct query_source *s = &m->source;
	struct query_hit hit;
	int err;

	if (m->at_hit == m->n_hits) {
		end_window(q);
		return 0;
	}
	hit = (struct query_hit){h->at.index, h->at.time_ns, h->twice};
	*s = (struct query_source){.log = m->logs[h->at.log].log,
				   .mapping = m->logs[h->at.log].mapping,
				   .hits = s->hits};
	err = query_find_reader(q, s);
	if (err == 0)
		err = query_put_hit(q, s, &hit, kit);
	m->at_hit += err == 0;
	if (m->at_hit == m->n_hits)
		end_window(q);
	return err;
}

static int
go_on(struct query *q, struct kit *kit, uint64_t *bytes)
{
	int64_t ns;

	switch (q->many->state) {
	case MANY_BETWEEN:
		q->done = !next_time(q, &ns);
		if (!q->done)
			begin_window(q, ns);
		return 0;
	case MANY_LOOKING:
		return look(q, kit, bytes);
	case MANY_SHOWING:
		return show(q, kit);
	}
	return STELE_EINVAL;
}

int
query_many_step(struct query *q, struct kit *kit)
{
	int64_t end_ns = server_monotonic_ns() + LIMIT_QUERY_STEP_NS, now_ns = 0, ns;
	uint64_t bytes = 0;
	int err = 0;

	while (err == 0 && !q->full && !q->done && now_ns < end_ns &&
	       bytes < LIMIT_QUERY_STEP_BYTES) {
		err = go_on(q, kit, &bytes);
		now_ns = server_monotonic_ns();
	}
	if (err != 0)
		return err;
	q->done = q->many->state == MANY_BETWEEN && !next_time(q, &ns);
	return !q->done && !q->full && now_ns < q->until_ns;
}

void
query_many_fini(struct query *q)
{
	struct query_many *m = q->many;

	if (!m)
		return;
	query_view_fini(&m->source.view);
	atomic_fetch_sub(&q->server->answers.used_bytes, m->held_bytes);
	free(m->logs);
	q->many = NULL;
}
