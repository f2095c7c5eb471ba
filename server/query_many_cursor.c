/*
 * Behind the version of a cursor, as varints unless said otherwise:
 *
 *   pinned, highest id of a log, set[16], width
 *   runs of logs that have one mapping, in the order of names: how many, each: logs, number
 *   place of the start, place of what is counted: time, log, index
 *   whether a window is under way; if so: place of its end, log that is looked at, 0 or 1 + index
 * in it, totals at its start, matches: how many, each: its place, u8 twice
 */
#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/mapping.h"
#include "server/query_cursor.h"
#include "server/query_many.h"
#include "server/server.h"
#include "storage/store.h"
#include "storage/varint.h"

/* --- writing ----------------------------------------------------------------------------- */

static void
put_place(struct buf *b, const struct many_place *p)
{
	varint_put(b, (uint64_t)p->time_ns);
	varint_put(b, p->log);
	varint_put(b, p->index);
}

static size_t
run_end(const struct query_many *m, size_t i)
{
	const struct mapping *of = m->logs[i].mapping;

	while (i < m->n && m->logs[i].mapping == of)
		i++;
	return i;
}

static void
put_runs(struct buf *b, const struct query_many *m)
{
	size_t runs = 0;

	for (size_t i = 0; i < m->n; i = run_end(m, i))
		runs++;
	varint_put(b, runs);
	for (size_t i = 0, end; i < m->n; i = end) {
		end = run_end(m, i);
		varint_put(b, end - i);
		varint_put(b, m->logs[i].mapping->number);
	}
}

static void
put_window(struct buf *b, const struct query_many *m)
{
	uint64_t index = m->open ? m->source.next : m->at_index;

	put_place(b, &m->end);
	varint_put(b, m->at);
	varint_put(b, index == MANY_UNKNOWN ? 0 : index + 1);
	query_cursor_put_totals(b, &m->before);
	varint_put(b, m->n_hits);
	for (size_t i = 0; i < m->n_hits; i++) {
		put_place(b, &m->hits[i].at);
		buf_put_u8(b, m->hits[i].twice);
	}
}

/* Where it goes on: what is shown no more is looked at again, and not counted. */
static struct many_place
start_of(const struct query *q)
{
	const struct query_many *m = q->many;
	struct many_place p = m->start;

	if (m->state == MANY_SHOWING) {
		p = m->hits[m->at_hit].at;
		p.index += q->backward;
	}
	return p;
}

void
query_many_put(struct query *q, struct buf *b)
{
	struct query_many *m = q->many;
	struct many_place start = start_of(q), counted;

	counted = m->state == MANY_SHOWING && !many_is_counted(q) ? m->end : m->counted;
	buf_put_u8(b, q->backward);
	varint_put(b, (uint64_t)m->pinned_ns);
	varint_put(b, m->horizon);
	buf_put(b, m->set, MANY_SET_BYTES);
	varint_put(b, (uint64_t)m->width_ns);
	put_runs(b, m);
	put_place(b, &start);
	put_place(b, &counted);
	varint_put(b, m->state == MANY_LOOKING);
	if (m->state == MANY_LOOKING)
		put_window(b, m);
}

void
query_rest(struct query *q)
{
	const struct query_many *m = q->many;

	if (m && m->state == MANY_LOOKING && m->n_hits > MANY_CURSOR_HITS)
		many_narrow(q, MANY_SHORT_HITS);
}

/* --- reading ----------------------------------------------------------------------------- */

static void
read_place(struct many_place *p, struct bytes *b)
{
	p->time_ns = (int64_t)varint_take(b, INT64_MAX - 1);
	p->log = varint_take(b, LIMIT_LOGS);
	p->index = varint_take(b, LIMIT_TREE_SIZE);
}

/* The mappings are those of the first page; a window under way is where that was left. */
static int
read_runs(struct query *q, struct bytes *b)
{
	struct query_many *m = q->many;
	uint64_t runs = varint_take(b, LIMIT_QUERY_RUNS), at = 0;

	for (; runs && bytes_err(b) == 0; runs--) {
		uint64_t n = varint_take(b, m->n - at);
		const struct mapping *of = mapping_of_number(audit_access(q->server->audit),
							     varint_take(b, LIMIT_MAPPINGS));

		if (!of)
			return STELE_ESYNTAX;
		for (; n; n--)
			m->logs[at++].mapping = of;
	}
	return at == m->n ? bytes_err(b) : STELE_ESYNTAX;
}

static int
read_window(struct query_many *m, struct bytes *b)
{
	uint64_t index;

	read_place(&m->end, b);
	m->at = m->carried = varint_take(b, m->n);
	index = varint_take(b, LIMIT_TREE_SIZE + 1);
	m->at_index = index ? index - 1 : MANY_UNKNOWN;
	query_cursor_read_totals(b, &m->before);
	m->n_hits = varint_take(b, MANY_CURSOR_HITS);
	if (bytes_err(b) != 0)
		return STELE_ESYNTAX;
	for (size_t i = 0; i < m->n_hits; i++) {
		read_place(&m->hits[i].at, b);
		m->hits[i].twice = bytes_u8(b) != 0;
		if (m->hits[i].at.log >= m->n)
			return STELE_ESYNTAX;
	}
	m->state = MANY_LOOKING;
	return 0;
}

int
query_many_read(struct query *q, struct bytes *b)
{
	bool backward = bytes_u8(b) != 0;
	int64_t pinned_ns = (int64_t)varint_take(b, INT64_MAX - 1);
	uint64_t horizon = varint_take(b, UINT64_MAX);
	struct slice set = bytes_take(b, MANY_SET_BYTES);
	struct query_many *m;
	int err = bytes_err(b) || backward != q->backward ? STELE_ESYNTAX : many_list(q, horizon);

	if (err != 0)
		return err;
	m = q->many;
	/* what it was made of is not there: a backup was restored */
	if (pinned_ns > store_released_ns(q->server->store))
		return STELE_ESYNTAX;
	if (!slice_eq(set, slice_of(m->set, MANY_SET_BYTES)))
		return STELE_EPERM;
	m->pinned_ns = pinned_ns;
	m->width_ns = (int64_t)varint_take(b, INT64_MAX);
	err = read_runs(q, b);
	read_place(&m->start, b);
	read_place(&m->counted, b);
	if (err == 0 && varint_take(b, 1) && bytes_err(b) == 0)
		err = read_window(m, b);
	if (err != 0 || bytes_err(b) != 0)
		return STELE_ESYNTAX;
	many_locate(q);
	return 0;
}
