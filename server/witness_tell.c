/* What other threads ask the witnesses' one: under its lock, and for no longer than it takes. */
#include <inttypes.h>
#include <string.h>

#include "server/loop.h"
#include "server/request.h"
#include "server/server.h"
#include "server/witness_state.h"

/* Under mu. NULL: the log is none of those that witnesses are asked about, or not met yet. */
static struct witness_log *
find(struct witnesses *ws, const struct log *log, bool *wanted)
{
	uint64_t id = log_id(log);
	struct witness_log *l = id < ws->n_logs ? ws->logs[id] : NULL;

	*wanted = !l || l->wanted;
	return l;
}

enum witness_answer
witnesses_checkpoint(struct witnesses *ws, const struct log *log, struct buf *out)
{
	enum witness_answer answer = WITNESS_NEWEST;
	const struct witness_log *l;
	bool wanted;

	if (!ws)
		return WITNESS_NEWEST;
	pthread_mutex_lock(&ws->mu);
	l = find(ws, log, &wanted);
	if (l && l->disputed) {
		answer = WITNESS_DISPUTED;
	} else if (wanted && ws->require != WITNESS_NONE) {
		answer = l && l->quorum_size ? WITNESS_KEPT : WITNESS_NOT_YET;
		if (answer == WITNESS_KEPT)
			buf_put_slice(out, buf_slice(&l->kept));
	}
	pthread_mutex_unlock(&ws->mu);
	return answer;
}

enum witness_answer
witnesses_may_append(struct witnesses *ws, const struct log *log)
{
	enum witness_answer answer = WITNESS_NEWEST;
	const struct witness_log *l;
	bool wanted;

	if (!ws || ws->require == WITNESS_NONE)
		return WITNESS_NEWEST;
	pthread_mutex_lock(&ws->mu);
	l = find(ws, log, &wanted);
	if (l && l->disputed)
		answer = WITNESS_DISPUTED;
	else if (l && wanted && !l->good)
		answer = WITNESS_NOT_YET;
	pthread_mutex_unlock(&ws->mu);
	return answer;
}

/* --- appends that wait -------------------------------------------------------------------------
 */

static uint64_t
clock_ms(void)
{
	return (uint64_t)server_monotonic_ns() / 1000000;
}

bool
witnesses_wait(struct witnesses *ws, struct request *r, uint64_t size, struct witness_wait *w)
{
	struct witness_log *l;
	bool wanted, waits;

	if (!ws || ws->require != WITNESS_APPEND)
		return false;
	pthread_mutex_lock(&ws->mu);
	l = find(ws, r->log, &wanted);
	waits = wanted && !(l && l->quorum_size >= size);
	if (waits) {
		*w = (struct witness_wait){r,     r->log,   size, clock_ms() + ws->timeout_ms,
					   false, ws->waits};
		ws->waits = w;
	}
	if (waits && l && !l->urgent) {
		l->urgent = true;
		l->next_urgent = ws->urgent;
		ws->urgent = l;
	}
	pthread_mutex_unlock(&ws->mu);
	if (waits)
		uv_async_send(&ws->wake);
	return waits;
}

struct witness_log *
witness_take_urgent(struct witnesses *ws)
{
	struct witness_log *l;

	pthread_mutex_lock(&ws->mu);
	l = ws->urgent;
	if (l) {
		ws->urgent = l->next_urgent;
		l->urgent = false;
	}
	pthread_mutex_unlock(&ws->mu);
	return l;
}

void
witness_let_go(struct witnesses *ws)
{
	struct witness_wait **at, *w, *gone = NULL;
	uint64_t now_ms = clock_ms();
	bool wanted;

	pthread_mutex_lock(&ws->mu);
	for (at = &ws->waits; (w = *at);) {
		const struct witness_log *l = find(ws, w->log, &wanted);

		w->cosigned = l && l->quorum_size >= w->size;
		if (!w->cosigned && w->until_ms > now_ms && !atomic_load(&ws->s->draining)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = gone;
		gone = w;
	}
	pthread_mutex_unlock(&ws->mu);
	while ((w = gone)) {
		gone = w->next; /* the request may be gone once it is given back */
		loop_return(w->r);
	}
}

/* --- figures -----------------------------------------------------------------------------------
 */

void
witnesses_figures(struct witnesses *ws, struct witnesses_figures *out)
{
	memset(out, 0, sizeof *out);
	if (!ws)
		return;
	pthread_mutex_lock(&ws->mu);
	out->witnesses = ws->n;
	for (size_t i = 0; i < ws->n; i++) {
		out->asked += ws->w[i].asked;
		out->cosignatures += ws->w[i].cosigned;
		out->failures += ws->w[i].failed;
		out->conflicts += ws->w[i].conflicts;
	}
	out->disputed = ws->disputed;
	out->behind = ws->behind;
	pthread_mutex_unlock(&ws->mu);
}

static void
put_witness(struct buf *out, const struct witness *w)
{
	buf_put_str(out, "{\"name\":");
	buf_put_json_str(out, w->key.name);
	buf_put_str(out, ",\"url\":");
	buf_put_json_str(out, slice_str(w->url));
	buf_printf(out,
		   ",\"asked\":%" PRIu64 ",\"cosigned\":%" PRIu64 ",\"failed\":%" PRIu64
		   ",\"conflicts\":%" PRIu64,
		   w->asked, w->cosigned, w->failed, w->conflicts);
	if (w->why[0]) {
		buf_put_str(out, ",\"last_failure\":");
		buf_put_json_str(out, slice_str(w->why));
	}
	buf_put_u8(out, '}');
}

/* The names of those that are disputed, the first hundred. */
static void
put_disputed(struct buf *out, const struct witnesses *ws)
{
	size_t said = 0;

	for (size_t i = 0; i < ws->n_logs && said < LIMIT_LOCKED_LISTED; i++) {
		if (!ws->logs[i] || !ws->logs[i]->disputed)
			continue;
		buf_put_str(out, said++ ? "," : "");
		buf_put_json_str(out, slice_str(log_name(ws->logs[i]->log)));
	}
}

void
witnesses_put_json(struct witnesses *ws, struct buf *out)
{
	static const char *const words[] = {"none", "public", "append"};

	buf_printf(out, "\"require\":\"%s\",\"witnesses\":[", words[ws ? ws->require : 0]);
	if (ws) {
		pthread_mutex_lock(&ws->mu);
		for (size_t i = 0; i < ws->n; i++) {
			buf_put_str(out, i ? "," : "");
			put_witness(out, &ws->w[i]);
		}
		buf_put_str(out, "],\"disputed\":[");
		put_disputed(out, ws);
		buf_printf(out, "],\"behind\":%" PRIu64, ws->behind);
		pthread_mutex_unlock(&ws->mu);
	} else {
		buf_put_str(out, "],\"disputed\":[],\"behind\":0");
	}
}
