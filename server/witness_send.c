/*
 * Asking one witness about one log, and what its answers mean. What concerns the witness (nobody is
 * there, it is overloaded) holds back all logs that wait for it; what concerns the log holds back
 * that one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sign.h"
#include "proto/addcheckpoint.h"
#include "proto/err.h"
#include "server/audit.h"
#include "server/kit.h"
#include "server/outbound.h"
#include "server/server.h"
#include "server/witness_state.h"
#include "storage/read.h"

/* --- the line of a witness ------------------------------------------------------------------ */

void
witness_queue(struct witnesses *ws, struct witness_log *l, size_t i)
{
	struct witness *w = &ws->w[i];
	uint32_t id = (uint32_t)log_id(l->log);

	if (l->seats[i].queued || l->seats[i].flying)
		return;
	l->seats[i].queued = true;
	l->seats[i].next = WITNESS_NOBODY;
	if (w->last == WITNESS_NOBODY)
		w->first = id;
	else
		ws->logs[w->last]->seats[i].next = id;
	w->last = id;
}

static struct witness_log *
next_in_line(struct witnesses *ws, size_t i)
{
	struct witness *w = &ws->w[i];
	struct witness_log *l = ws->logs[w->first];

	w->first = l->seats[i].next;
	if (w->first == WITNESS_NOBODY)
		w->last = WITNESS_NOBODY;
	l->seats[i].queued = false;
	return l;
}

/* --- failures -------------------------------------------------------------------------------- */

static uint64_t
wait_ms(unsigned failures)
{
	uint64_t ms = WITNESS_AGAIN_MS;

	while (failures-- > 1 && ms < WITNESS_AGAIN_MAX_MS)
		ms *= 2;
	return ms < WITNESS_AGAIN_MAX_MS ? ms : WITNESS_AGAIN_MAX_MS;
}

/* Said once per row of failures, so that a witness that is down does not fill the journal. */
static void
note_failure(struct witnesses *ws, struct witness *w, const struct witness_log *l, bool say,
	     const char *what)
{
	pthread_mutex_lock(&ws->mu);
	w->failed++;
	snprintf(w->why, sizeof w->why, "log %s: %s", log_name(l->log), what);
	for (char *p = w->why; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	pthread_mutex_unlock(&ws->mu);
	if (say)
		fprintf(stderr, "steled: warning: witness %.*s, %s\n", (int)w->name.n,
			(const char *)w->name.p, w->why);
}

static void
witness_failed(struct witness_flight *f, const char *what)
{
	struct witness *w = &f->ws->w[f->i];

	bool first = f->row == w->failures; /* of those that were under way */

	if (first) {
		w->failures++;
		w->retry_at_ms = witness_now_ms(f->ws) + wait_ms(w->failures);
	}
	f->l->answered |= 1u << f->i;
	note_failure(f->ws, w, f->l, first && w->failures == 1, what);
	witness_queue(f->ws, f->l, f->i);
}

static void
seat_failed(struct witness_flight *f, const char *what)
{
	struct witness_seat *seat = &f->l->seats[f->i];

	seat->failures += seat->failures < UINT8_MAX;
	seat->retry_at_ms = witness_now_ms(f->ws) + wait_ms(seat->failures);
	f->l->answered |= 1u << f->i;
	f->ws->pending = true;
	note_failure(f->ws, &f->ws->w[f->i], f->l, seat->failures == 1, what);
}

/* --- a conflict --------------------------------------------------------------------------------
 */

static void
record(struct witness_flight *f, const char *cause, uint64_t size, bool disputed)
{
	const struct witness *w = &f->ws->w[f->i];
	struct buf b;

	buf_init(&b);
	buf_printf(&b, "{\"type\":\"witness.conflict\",\"log\":\"%s\",\"witness\":",
		   log_name(f->l->log));
	buf_put_json_str(&b, w->key.name);
	buf_printf(&b, ",\"cause\":\"%s\",\"size\":%" PRIu64, cause, f->head->size);
	buf_put_str(&b, ",\"root\":\"");
	buf_put_base64(&b, f->head->root, sizeof f->head->root);
	buf_printf(&b, "\",\"witness_size\":%" PRIu64 ",\"disputed\":%s}", size,
		   disputed ? "true" : "false");
	if (b.err == 0)
		audit_event(f->ws->s->audit, buf_slice(&b));
	buf_fini(&b);
}

/* cause: larger, root or proof; size: what the witness has. Said once a start. */
static void
conflict(struct witness_flight *f, const char *cause, const char *what, uint64_t size)
{
	struct witnesses *ws = f->ws;
	struct witness_seat *seat = &f->l->seats[f->i];
	const struct witness *w = &ws->w[f->i];
	bool disputed = !seat->met;

	if (!seat->told) {
		seat->told = true;
		fprintf(stderr,
			"steled: error: log %s: witness %.*s %s (here %" PRIu64 ", there %" PRIu64
			"): this store is an older copy of the log, or has a twin, or the witness "
			"is wrong. %sdocs/witnesses.md says what to do\n",
			log_name(f->l->log), (int)w->name.n, (const char *)w->name.p, what,
			f->head->size, size,
			disputed ? "Its checkpoint is not served any more. " : "");
		record(f, cause, size, disputed);
		pthread_mutex_lock(&ws->mu);
		ws->w[f->i].conflicts++;
		if (disputed && !f->l->disputed) {
			f->l->disputed = true;
			ws->disputed++;
		}
		pthread_mutex_unlock(&ws->mu);
	}
	seat_failed(f, what);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void
took(struct witness_flight *f, const struct outbound_reply *r)
{
	const char *end = strstr(f->head->note, "\n\n");
	struct slice text = slice_of(f->head->note, (size_t)(end + 1 - f->head->note));
	struct witness *w = &f->ws->w[f->i];
	struct witness_seat *seat = &f->l->seats[f->i];
	char what[128];
	struct buf line;
	int err;

	buf_init(&line);
	err = sign_take_cosignature(&line, &w->key, text, r->body);
	if (err != 0) {
		seat_failed(f, err == STELE_ENOTFOUND ? "its answer has no cosignature by its key"
			       : err == STELE_EVERIFY ? "its cosignature does not verify"
						      : "its answer is no signature lines");
		buf_fini(&line);
		return;
	}
	seat->known = f->head->size;
	seat->met = true;
	if (f->head == f->l->target && !(f->l->has & 1u << f->i) &&
	    (err = witness_took(f->ws, f->l, f->i, buf_slice(&line))) != 0) {
		snprintf(what, sizeof what, "its cosignature cannot be kept: %s",
			 stele_strerror(err));
		seat_failed(f, what);
		buf_fini(&line);
		return;
	}
	seat->failures = seat->hints = 0;
	seat->retry_at_ms = 0;
	pthread_mutex_lock(&f->ws->mu);
	w->cosigned++;
	w->why[0] = 0;
	pthread_mutex_unlock(&f->ws->mu);
	buf_fini(&line);
}

/* It has seen another size than we said. */
static void
hinted(struct witness_flight *f, uint64_t size)
{
	struct witness_seat *seat = &f->l->seats[f->i];
	struct head *newest = log_head(f->l->log);
	uint64_t ours = newest->size;

	head_unref(newest);
	if (size > ours) {
		conflict(f, "larger", "has seen more records than there are", size);
	} else if (size == f->old && size == f->head->size) {
		conflict(f, "root", "has seen another tree of the same size", size);
	} else if (size == f->old || ++seat->hints > WITNESS_HINTS) {
		seat->hints = 0;
		seat_failed(f, "it names one size after the other as the one it has seen");
	} else {
		seat->known = size;
		f->l->stale = f->l->stale || size > f->l->target->size;
		if (!f->l->stale)
			witness_queue(f->ws, f->l, f->i);
	}
}

static void
answered(struct witness_flight *f, const struct outbound_reply *r)
{
	char what[64];
	uint64_t size;

	if (r->status == 200) {
		took(f, r);
	} else if (r->status == 409 && slice_eq_str(r->type, ADDCHECKPOINT_SIZE_TYPE) &&
		   addcheckpoint_size(&size, r->body) == 0) {
		hinted(f, size);
	} else if (r->status == 422 && f->old > 0) {
		conflict(f, "proof", "does not believe that its tree grew into ours", f->old);
	} else if (r->status == 404) {
		seat_failed(f, "it does not know this log: its operator must add the log's key");
	} else if (r->status == 403) {
		seat_failed(f, "it does not know the key that signs this log: its operator must "
			       "add it");
	} else {
		snprintf(what, sizeof what, "it answered %d", r->status);
		seat_failed(f, what);
	}
}

static void
on_reply(void *ctx, const struct outbound_reply *r)
{
	struct witness_flight *f = ctx;
	struct witnesses *ws = f->ws;
	struct witness *w = &ws->w[f->i];
	char what[64];

	w->flying--;
	f->l->seats[f->i].flying = false;
	if (r->err == STELE_ECLOSED) {
		; /* shutting down */
	} else if (r->err != 0 && r->err != STELE_ELIMIT) {
		witness_failed(f, r->why);
	} else if (r->err == 0 && (r->status == 429 || r->status >= 500)) {
		snprintf(what, sizeof what, "it answered %d", r->status);
		witness_failed(f, what);
	} else {
		w->failures = 0;
		w->retry_at_ms = 0;
		if (r->err)
			seat_failed(f, r->why);
		else
			answered(f, r);
	}
	head_unref(f->head);
	if (r->err != STELE_ECLOSED) {
		witness_consider(ws, f->l, witness_now_ms(ws));
		witness_pump(ws);
	}
	free(f);
}

/* --- asking
 * --------------------------------------------------------------------------------------- */

/* The request's body; with a proof from what it has seen, when that is something. */
static int
put_body(struct witnesses *ws, const struct witness_flight *f, struct buf *out)
{
	struct proof proof = {.n = 0};
	int err = 0;

	if (f->old > 0 && f->old < f->head->size)
		err = read_consistency(ws->s->store, f->l->log, f->old, f->head->size,
				       ws->kit->tools, &proof);
	if (err == 0)
		addcheckpoint_put(out, f->old, (const uint8_t(*)[32])proof.hash, proof.n,
				  slice_of(f->head->note, f->head->note_len));
	return err ? err : out->err;
}

static int
post(struct witnesses *ws, struct witness_flight *f)
{
	struct outbound_ask ask = {.url = ws->w[f->i].url,
				   .type = ADDCHECKPOINT_TYPE,
				   .max_reply = LIMIT_WITNESS_REPLY_BYTES,
				   .timeout_ms = ws->timeout_ms,
				   .done = on_reply,
				   .ctx = f};
	struct buf body;
	int err;

	buf_init(&body);
	err = put_body(ws, f, &body);
	ask.body = buf_slice(&body);
	if (err == 0)
		err = outbound_post(ws->out, &ask);
	buf_fini(&body);
	return err;
}

/* False: no more can be asked now. */
static bool
ask(struct witnesses *ws, struct witness_log *l, size_t i)
{
	struct witness_flight *f = calloc(1, sizeof *f);
	struct witness_seat *seat = &l->seats[i];
	int err = f ? 0 : STELE_ENOMEM;

	if (err == 0) {
		f->ws = ws;
		f->l = l;
		f->i = i;
		f->row = ws->w[i].failures;
		f->old = seat->known <= l->target->size ? seat->known : 0;
		f->head = head_ref(l->target);
		err = post(ws, f);
	}
	if (err == 0) {
		seat->flying = true;
		ws->w[i].flying++;
		pthread_mutex_lock(&ws->mu);
		ws->w[i].asked++;
		pthread_mutex_unlock(&ws->mu);
		return true;
	}
	if (f && err != STELE_EBUSY)
		seat_failed(f, stele_strerror(err));
	else
		witness_queue(ws, l, i);
	if (f)
		head_unref(f->head);
	free(f);
	return err != STELE_EBUSY && err != STELE_ENOMEM;
}

void
witness_pump(struct witnesses *ws)
{
	uint64_t now_ms = witness_now_ms(ws);

	for (size_t i = 0; i < ws->n; i++) {
		struct witness *w = &ws->w[i];
		/* one that could not be reached is tried with one request */
		size_t at_once = w->failures ? 1 : ws->at_once;

		while (w->first != WITNESS_NOBODY && w->flying < at_once &&
		       w->retry_at_ms <= now_ms) {
			struct witness_log *l = next_in_line(ws, i);

			if (l->target && !(l->has & 1u << i) && l->seats[i].retry_at_ms <= now_ms &&
			    !ask(ws, l, i))
				break;
		}
	}
}
