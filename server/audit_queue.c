/* A list, some counters, a small table. */
#include "server/audit_queue.h"

#include <stdlib.h>
#include <string.h>

#include "server/request.h"
#include "server/router.h"

void
audit_queue_init(struct audit_queue *q)
{
	memset(q, 0, sizeof *q);
	pthread_mutex_init(&q->lock, NULL);
	q->end = &q->first;
}

void
audit_event_free(struct audit_event *list)
{
	struct audit_event *next;

	for (; list; list = next) {
		next = list->next;
		free(list);
	}
}

void
audit_queue_fini(struct audit_queue *q)
{
	audit_event_free(q->first);
	pthread_mutex_destroy(&q->lock);
}

/* --- events ---------------------------------------------------------------------------- */

void
audit_queue_add(struct audit_queue *q, struct slice json)
{
	struct audit_event *e = json.n ? malloc(sizeof *e + json.n) : NULL;

	if (e) {
		e->next = NULL;
		e->n = json.n;
		memcpy(e->json, json.p, json.n);
	}
	pthread_mutex_lock(&q->lock);
	if (!e || q->n == AUDIT_EVENTS || q->bytes + json.n > LIMIT_AUDIT_QUEUE_BYTES) {
		q->lost++;
	} else {
		*q->end = e;
		q->end = &e->next;
		q->n++;
		q->bytes += json.n;
		e = NULL;
	}
	pthread_mutex_unlock(&q->lock);
	free(e);
}

struct audit_event *
audit_queue_take(struct audit_queue *q, size_t max)
{
	struct audit_event *list, **cut;
	size_t n = 0, bytes = 0;

	pthread_mutex_lock(&q->lock);
	list = q->first;
	for (cut = &list; *cut && n < max; cut = &(*cut)->next, n++) {
		if (n && bytes + (*cut)->n > LIMIT_AUDIT_JOB_BYTES)
			break;
		bytes += (*cut)->n;
	}
	q->first = *cut;
	*cut = NULL;
	q->n -= n;
	q->bytes -= bytes;
	if (!q->first)
		q->end = &q->first;
	pthread_mutex_unlock(&q->lock);
	return list;
}

void
audit_queue_return(struct audit_queue *q, struct audit_event *list)
{
	struct audit_event **end = &list;
	size_t n = 0, bytes = 0;

	for (; *end; end = &(*end)->next) {
		n++;
		bytes += (*end)->n;
	}
	pthread_mutex_lock(&q->lock);
	*end = q->first;
	if (!q->first && n)
		q->end = end;
	q->first = list;
	q->n += n;
	q->bytes += bytes;
	pthread_mutex_unlock(&q->lock);
}

/* --- refusals ---------------------------------------------------------------------------- */

void
audit_queue_refused(struct audit_queue *q, enum access_answer answer, bool presented)
{
	pthread_mutex_lock(&q->lock);
	if (presented)
		q->refused[answer]++;
	else
		q->no_token++;
	pthread_mutex_unlock(&q->lock);
}

/* The row of one who is denied something again, or a new one; NULL: the table is full. */
static struct audit_denial *
row_of(struct audit_queue *q, const struct request *r, struct slice log, enum problem problem)
{
	struct audit_denial *d = q->denials;

	for (size_t i = 0; i < q->n_denials; i++, d++)
		if (d->route == r->route->pattern && d->problem == problem &&
		    strcmp(d->token, r->token->id) == 0 && slice_eq_str(log, d->log) &&
		    d->method == router_method_name(r->route->method))
			return d;
	if (q->n_denials == AUDIT_DENIALS)
		return NULL;
	q->n_denials++;
	memcpy(d->principal, r->token->principal->id, sizeof d->principal);
	memcpy(d->token, r->token->id, sizeof d->token);
	memcpy(d->log, log.p, log.n);
	d->log[log.n] = '\0';
	d->route = r->route->pattern;
	d->method = router_method_name(r->route->method);
	d->problem = problem;
	d->count = 0;
	return d;
}

void
audit_queue_denied(struct audit_queue *q, const struct request *r, struct slice log,
		   enum problem problem)
{
	struct audit_denial *d;

	pthread_mutex_lock(&q->lock);
	d = row_of(q, r, log, problem);
	if (d)
		d->count++;
	else
		q->more_denials++;
	pthread_mutex_unlock(&q->lock);
}

/* --- records ------------------------------------------------------------------------------- */

static void
put_unauthorized(const struct audit_queue *q, struct buf *b)
{
	if (!q->no_token && !q->refused[ACCESS_UNKNOWN] && !q->refused[ACCESS_EXPIRED])
		return;
	buf_printf(b,
		   "{\"type\":\"access.refused\",\"no_token\":%llu,\"unknown\":%llu,"
		   "\"expired\":%llu}",
		   (unsigned long long)q->no_token, (unsigned long long)q->refused[ACCESS_UNKNOWN],
		   (unsigned long long)q->refused[ACCESS_EXPIRED]);
}

static void
put_denials(const struct audit_queue *q, struct buf *b)
{
	if (!q->n_denials)
		return;
	buf_put_str(b, "{\"type\":\"access.denied\",\"denied\":[");
	for (size_t i = 0; i < q->n_denials; i++) {
		const struct audit_denial *d = &q->denials[i];
		buf_put_str(b, i ? ",{\"principal\":" : "{\"principal\":");
		buf_put_json_str(b, slice_str(d->principal));
		buf_printf(b, ",\"token\":\"%s\",\"method\":\"%s\",\"route\":\"%s\"", d->token,
			   d->method, d->route);
		if (d->log[0])
			buf_printf(b, ",\"log\":\"%s\"", d->log);
		buf_printf(b, ",\"problem\":\"%s\",\"count\":%llu}", problem_name(d->problem),
			   (unsigned long long)d->count);
	}
	buf_printf(b, "],\"more\":%llu}", (unsigned long long)q->more_denials);
}

static void
put_lost(const struct audit_queue *q, struct buf *b)
{
	if (q->lost)
		buf_printf(b, "{\"type\":\"audit.lost\",\"events\":%llu}",
			   (unsigned long long)q->lost);
}

void
audit_queue_settle(struct audit_queue *q)
{
	struct buf text[3];

	for (size_t i = 0; i < 3; i++)
		buf_init(&text[i]);
	pthread_mutex_lock(&q->lock);
	put_unauthorized(q, &text[0]);
	put_denials(q, &text[1]);
	put_lost(q, &text[2]);
	if (!text[0].err && !text[1].err && !text[2].err) {
		q->no_token = q->lost = q->more_denials = 0;
		q->n_denials = 0;
		memset(q->refused, 0, sizeof q->refused);
	} else { /* no memory: the next round says it */
		for (size_t i = 0; i < 3; i++)
			buf_reset(&text[i]);
	}
	pthread_mutex_unlock(&q->lock);
	for (size_t i = 0; i < 3; i++) {
		if (text[i].n)
			audit_queue_add(q, buf_slice(&text[i]));
		buf_fini(&text[i]);
	}
}
