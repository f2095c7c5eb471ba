/* Which logs, and how far each of them is. */
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "proto/le.h"
#include "proto/err.h"
#include "server/audit.h"
#include "server/mapping.h"
#include "server/query_many.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/scan.h"
#include "storage/store.h"

enum { LIST_ROWS = 256, FEWEST = 256 };

/* --- the list ------------------------------------------------------------------------------ */

/* Room for twice as many. It counts among the server's answers, of which half is for what is being
 * made. */
static int
grow(struct query *q, size_t *cap)
{
	struct query_many *m = q->many;
	struct http_budget *answers = &q->server->answers;
	size_t next = *cap ? 2 * *cap : FEWEST;
	uint64_t more = (next - *cap) * sizeof *m->logs;
	struct many_log *logs;

	m->held_bytes += more;
	if (atomic_fetch_add(&answers->used_bytes, more) + more > answers->max_bytes / 2)
		return STELE_ENOMEM;
	logs = realloc(m->logs, next * sizeof *logs);
	if (!logs)
		return STELE_ENOMEM;
	m->logs = logs;
	*cap = next;
	return 0;
}

static void
hash_id(struct sha256 *h, uint64_t id)
{
	uint8_t bytes[8];

	le_put64(bytes, id);
	sha256_update(h, slice_of(bytes, 8));
}

static int
add(struct query *q, struct log *log, size_t *cap, struct sha256 *h)
{
	struct query_many *m = q->many;
	int err = m->n == *cap ? grow(q, cap) : 0;

	if (err != 0)
		return err;
	m->logs[m->n++] = (struct many_log){
		.log = log,
		.mapping = mapping_of_log(audit_access(q->server->audit), slice_str(log_name(log))),
		.begin = MANY_UNKNOWN,
		.end = MANY_UNKNOWN,
	};
	hash_id(h, log_id(log));
	return 0;
}

/* One that is there already, and asked for. */
static bool
is_in(const struct query *q, const struct log *log, uint64_t horizon)
{
	return log_id(log) <= horizon && query_has_log(q, log_name(log));
}

static int
list(struct query *q, uint64_t horizon, struct sha256 *h)
{
	struct log *logs[LIST_ROWS];
	struct slice after = slice_of("", 0);
	struct query_many *m = q->many;
	size_t n = LIST_ROWS, cap = 0;
	int err = 0;

	m->horizon = 0;
	while (err == 0 && n == LIST_ROWS) {
		n = store_log_list(q->server->store, after, logs, LIST_ROWS);
		for (size_t i = 0; err == 0 && i < n; i++) {
			if (log_id(logs[i]) > m->horizon && log_id(logs[i]) <= horizon)
				m->horizon = log_id(logs[i]);
			if (is_in(q, logs[i], horizon))
				err = add(q, logs[i], &cap, h);
		}
		after = n ? slice_str(log_name(logs[n - 1])) : after;
	}
	return err;
}

int
many_list(struct query *q, uint64_t horizon)
{
	struct query_many *m = arena_alloc(q->memory, sizeof *m);
	struct sha256 *h;
	uint8_t set[SHA256_BYTES];
	int err;

	if (!m)
		return STELE_ENOMEM;
	memset(m, 0, sizeof *m);
	q->many = m;
	q->n = 0;
	m->at_index = MANY_UNKNOWN;
	m->hits = arena_alloc(q->memory, MANY_HITS * sizeof *m->hits);
	m->source.hits = arena_alloc(q->memory, SCAN_RECORDS * sizeof *m->source.hits);
	h = sha256_new();
	err = h && m->hits && m->source.hits ? 0 : STELE_ENOMEM;
	if (err == 0) {
		sha256_begin(h);
		err = list(q, horizon, h);
		sha256_end(h, set);
		memcpy(m->set, set, MANY_SET_BYTES);
	}
	sha256_free(h);
	return err;
}

/* --- how far each is ------------------------------------------------------------------------- */

static void
locate_before(const struct many_place *start, const struct head *head, struct many_log *l)
{
	if (log_created_ns(l->log) >= start->time_ns) {
		l->begin = 0;
		l->begin_ns = log_created_ns(l->log);
	} else if (head->time_ns < start->time_ns) {
		l->begin = head->size;
		l->begin_ns = INT64_MAX;
	} else {
		l->begin_ns = start->time_ns;
	}
}

static void
locate_behind(const struct many_place *start, const struct head *head, struct many_log *l)
{
	if (log_created_ns(l->log) > start->time_ns) {
		l->begin = 0;
		l->begin_ns = -1;
	} else if (head->time_ns < start->time_ns) {
		l->begin = head->size;
		l->begin_ns = head->time_ns;
	} else {
		l->begin_ns = start->time_ns - (start->log == 0 && start->index == 0);
	}
}

void
many_locate(struct query *q)
{
	struct query_many *m = q->many;

	for (size_t i = 0; i < m->n; i++) {
		struct head *head = log_head(m->logs[i].log);

		if (q->backward)
			locate_behind(&m->start, head, &m->logs[i]);
		else
			locate_before(&m->start, head, &m->logs[i]);
		head_unref(head);
	}
}

/* --- the first page -------------------------------------------------------------------------- */

static size_t
count_runs(const struct query_many *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += i == 0 || m->logs[i].mapping != m->logs[i - 1].mapping;
	return n;
}

/* The first window is as wide as a page of records is on the average. */
static int64_t
guess_width(const struct query *q)
{
	const struct query_many *m = q->many;
	int64_t first_ns = m->pinned_ns;
	uint64_t records = 1, pages;

	if (q->count)
		return INT64_MAX;
	for (size_t i = 0; i < m->n; i++) {
		struct head *head = log_head(m->logs[i].log);

		records += head->size;
		head_unref(head);
		if (log_created_ns(m->logs[i].log) < first_ns)
			first_ns = log_created_ns(m->logs[i].log);
	}
	pages = q->limit ? records / q->limit : 0;
	return (m->pinned_ns - first_ns) / (int64_t)(pages + 1) + 1;
}

int
query_many_begin(struct query *q)
{
	struct query_many *m;
	int err = query_check_names(q);

	err = err ? err : many_list(q, UINT64_MAX);
	if (err != 0)
		return err;
	m = q->many;
	if (count_runs(m) > LIMIT_QUERY_RUNS)
		return STELE_ELIMIT;
	m->pinned_ns = store_released_ns(q->server->store);
	if (q->backward)
		m->start.time_ns = m->pinned_ns + 1;
	m->counted = m->start;
	m->width_ns = guess_width(q);
	many_locate(q);
	return 0;
}
