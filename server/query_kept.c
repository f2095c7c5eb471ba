/* The one that was kept longest ago goes first. */
#include "server/query_kept.h"

#include <stdlib.h>
#include <string.h>

#include "server/query_many.h"

void
query_kept_init(struct query_kept *k)
{
	memset(k, 0, sizeof *k);
	pthread_mutex_init(&k->lock, NULL);
}

void
query_kept_fini(struct query_kept *k)
{
	for (size_t i = 0; i < KEPT_QUERIES; i++)
		free(k->queries[i].logs);
	pthread_mutex_destroy(&k->lock);
}

/* The next page begins within the window: where that has something of a log is to be found anew. */
static void
forget_window(struct query_many *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct many_log *l = &m->logs[i];

		if (l->end == MANY_UNKNOWN ? i < m->carried : l->end != l->begin)
			l->begin = MANY_UNKNOWN;
		l->end = MANY_UNKNOWN;
	}
}

void
query_kept_put(struct query_kept *k, const uint8_t seal[KDIGEST_BYTES], struct query *q)
{
	struct query_many *m = q->many;
	struct kept_query *to;
	struct many_log *old;

	if (m->state == MANY_SHOWING)
		forget_window(m);
	pthread_mutex_lock(&k->lock);
	to = &k->queries[k->n++ % KEPT_QUERIES];
	old = to->logs;
	memcpy(to->seal, seal, KDIGEST_BYTES);
	to->logs = m->logs;
	to->n = m->n;
	pthread_mutex_unlock(&k->lock);
	free(old);
	m->logs = NULL;
}

static struct many_log *
find(struct query_kept *k, const uint8_t seal[KDIGEST_BYTES], size_t n)
{
	struct many_log *logs = NULL;

	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; !logs && i < KEPT_QUERIES; i++) {
		struct kept_query *at = &k->queries[i];

		if (at->logs && at->n == n && memcmp(at->seal, seal, KDIGEST_BYTES) == 0) {
			logs = at->logs;
			at->logs = NULL;
		}
	}
	pthread_mutex_unlock(&k->lock);
	return logs;
}

void
query_kept_take(struct query_kept *k, const uint8_t seal[KDIGEST_BYTES], struct query *q)
{
	struct query_many *m = q->many;
	struct many_log *logs = find(k, seal, m->n);

	for (size_t i = 0; logs && i < m->n; i++) {
		if (logs[i].begin != MANY_UNKNOWN) {
			m->logs[i].begin = logs[i].begin;
			m->logs[i].begin_ns = logs[i].begin_ns;
		}
		if (m->state == MANY_LOOKING && i < m->at) {
			m->logs[i].end = logs[i].end;
			m->logs[i].end_ns = logs[i].end_ns;
		}
	}
	free(logs);
}
