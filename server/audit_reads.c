/* A small table of readers, the latest first. */
#include "server/audit_reads.h"

#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "server/audit_queue.h"
#include "storage/log.h"

void
audit_reads_init(struct audit_reads *a, struct audit_queue *queue)
{
	memset(a, 0, sizeof *a);
	pthread_mutex_init(&a->lock, NULL);
	a->queue = queue;
}

void
audit_reads_fini(struct audit_reads *a)
{
	for (size_t i = 0; i < a->n; i++) {
		token_unref(a->readers[i]->token);
		free(a->readers[i]);
	}
	pthread_mutex_destroy(&a->lock);
}

/* --- a record ----------------------------------------------------------------------------- */

void
audit_reads_put_who(struct buf *b, const char *type, const struct token *token)
{
	const struct principal *p = token->principal;

	buf_printf(b, "{\"type\":\"%s\",\"by\":{\"principal\":", type);
	buf_put_json_str(b, slice_str(p->id));
	buf_printf(b, ",\"token\":\"%s\"}", token->id);
	if (p->matter[0]) {
		buf_put_str(b, ",\"matter\":");
		buf_put_json_str(b, slice_str(p->matter));
	}
}

static void
put(struct buf *b, const struct audit_reader *r)
{
	audit_reads_put_who(b, "read", r->token);
	buf_printf(b, ",\"log\":\"%s\",\"count\":%llu,\"records\":[", log_name(r->log),
		   (unsigned long long)r->count);
	for (size_t i = 0; i < r->n; i++)
		buf_printf(b, "%s[%llu,%llu]", i ? "," : "", (unsigned long long)r->ranges[i].first,
			   (unsigned long long)r->ranges[i].last);
	buf_put_str(b, "]}");
}

/* Queues what one has read; it is the caller's to use anew. */
static void
queue(struct audit_reads *a, struct audit_reader *r)
{
	struct buf b;

	buf_init(&b);
	put(&b, r);
	audit_queue_add(a->queue, b.err ? slice_of(NULL, 0) : buf_slice(&b));
	buf_fini(&b);
}

/* --- readers --------------------------------------------------------------------------------- */

/* Moves the reader at `at` to the front. */
static struct audit_reader *
to_front(struct audit_reads *a, size_t at)
{
	struct audit_reader *r = a->readers[at];

	memmove(a->readers + 1, a->readers, at * sizeof *a->readers);
	a->readers[0] = r;
	return r;
}

/* The token's reader of the log, at the front; NULL without memory. */
static struct audit_reader *
reader_of(struct audit_reads *a, struct token *token, const struct log *log)
{
	struct audit_reader *r;

	for (size_t i = 0; i < a->n; i++)
		if (a->readers[i]->token == token && a->readers[i]->log == log)
			return to_front(a, i);
	if (a->n == AUDIT_READERS) { /* the one that has been quiet for longest makes room */
		r = a->readers[--a->n];
		queue(a, r);
		token_unref(r->token);
	} else if (!(r = malloc(sizeof *r))) {
		return NULL;
	}
	a->readers[a->n] = r;
	atomic_fetch_add(&token->refs, 1);
	r->token = token;
	r->log = log;
	r->count = r->n = 0;
	return to_front(a, a->n++);
}

void
audit_reads_add(struct audit_reads *a, struct token *token, const struct log *log, uint64_t index)
{
	struct audit_reader *r;

	pthread_mutex_lock(&a->lock);
	r = reader_of(a, token, log);
	if (!r) {
		audit_queue_add(a->queue, slice_of(NULL, 0)); /* counts as lost */
	} else {
		if (r->n == AUDIT_RANGES && r->ranges[r->n - 1].last + 1 != index) {
			queue(a, r);
			r->count = r->n = 0;
		}
		if (r->n && r->ranges[r->n - 1].last + 1 == index) {
			r->ranges[r->n - 1].last++;
		} else if (!r->n || r->ranges[r->n - 1].last != index) {
			r->ranges[r->n].first = r->ranges[r->n].last = index;
			r->n++;
		}
		r->count++;
	}
	pthread_mutex_unlock(&a->lock);
}

/* The lock is held for the taking only: printing a full table takes milliseconds. */
void
audit_reads_settle(struct audit_reads *a)
{
	struct audit_reader *taken[AUDIT_READERS];
	size_t n;

	pthread_mutex_lock(&a->lock);
	n = a->n;
	memcpy(taken, a->readers, n * sizeof *taken);
	memset(a->readers, 0, sizeof a->readers);
	a->n = 0;
	pthread_mutex_unlock(&a->lock);
	while (n) {
		struct audit_reader *r = taken[--n];
		queue(a, r);
		token_unref(r->token);
		free(r);
	}
}
