/* A thread with a loop of its own: proofs may read files there, and files are flushed. */
#include "server/witnesses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/check.h"
#include "proto/err.h"
#include "server/config.h"
#include "server/kit.h"
#include "server/outbound.h"
#include "server/scope.h"
#include "server/server.h"
#include "server/witness_state.h"
#include "storage/file.h"
#include "storage/store.h"

uint64_t
witness_now_ms(const struct witnesses *ws)
{
	return uv_now(&ws->loop);
}

/* --- what a log's witnesses are asked about ----------------------------------------------------
 */

/* Nothing more will come about the target but by asking again. */
static bool
all_said(const struct witnesses *ws, const struct witness_log *l)
{
	for (size_t i = 0; i < ws->n; i++)
		if (l->seats[i].flying || !((l->has | l->answered) & 1u << i))
			return false;
	return true;
}

/* Whether the next head may be the target. */
static bool
may_move(const struct witnesses *ws, const struct witness_log *l, uint64_t now_ms)
{
	return l->stale || all_said(ws, l) || now_ms >= l->since_ms + WITNESS_ROUND_MS ||
	       (l->quorum && !ws->policy->none);
}

static void
set_target(struct witness_log *l, struct head *head, uint64_t now_ms)
{
	head_unref(l->target);
	l->target = head;
	l->since_ms = now_ms;
	buf_reset(&l->lines);
	l->has = l->answered = 0;
	l->quorum = l->stale = false;
}

void
witness_consider(struct witnesses *ws, struct witness_log *l, uint64_t now_ms)
{
	struct head *head = log_head(l->log);

	if (!l->target || (head->size > l->target->size && may_move(ws, l, now_ms))) {
		set_target(l, head, now_ms);
	} else {
		ws->pending = ws->pending || head->size > l->target->size;
		head_unref(head);
	}
	for (size_t i = 0; i < ws->n; i++) {
		if (l->has & 1u << i)
			continue;
		if (l->seats[i].retry_at_ms <= now_ms)
			witness_queue(ws, l, i);
		ws->pending = true;
	}
}

/* --- all logs ------------------------------------------------------------------------------------
 */

static struct witness_log *
new_log(struct witnesses *ws, struct log *log)
{
	struct witness_log *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->log = log;
	buf_init(&l->lines);
	buf_init(&l->kept);
	l->good = log_id(log) >= ws->old_logs;
	l->wanted = scope_list_match(buf_cstr(&ws->patterns), slice_str(log_name(log)));
	l->seats = calloc(ws->n, sizeof *l->seats);
	if (l->seats)
		return l;
	free(l);
	return NULL;
}

/* Room for logs with ids below n: more than that, so that it is seldom made. */
static int
make_room(struct witnesses *ws, size_t n)
{
	size_t want = n + n / 2 + 64;
	struct witness_log **p;

	if (n <= ws->n_logs)
		return 0;
	pthread_mutex_lock(&ws->mu);
	p = realloc(ws->logs, want * sizeof(*p));
	if (p) {
		memset(p + ws->n_logs, 0, (want - ws->n_logs) * sizeof(*p));
		ws->logs = p;
		ws->n_logs = want;
	}
	pthread_mutex_unlock(&ws->mu);
	return p ? 0 : STELE_ENOMEM;
}

/* The log of that id, made when it is met first; NULL: there is none, or no memory for it. */
static struct witness_log *
meet(struct witnesses *ws, uint64_t id)
{
	struct log *log;
	struct witness_log *l;

	if (make_room(ws, id + 1) != 0)
		return NULL;
	if (ws->logs[id])
		return ws->logs[id];
	log = store_log_of(ws->s->store, id);
	l = log ? new_log(ws, log) : NULL;
	if (l) {
		pthread_mutex_lock(&ws->mu);
		ws->logs[id] = l;
		pthread_mutex_unlock(&ws->mu);
	}
	return l;
}

/* Also when only the time of a retry or a round has come. */
static void
look_at_all(struct witnesses *ws)
{
	uint64_t now_ms = witness_now_ms(ws), behind = 0, end;

	ws->heard = atomic_load(&ws->s->bell.rung);
	ws->pending = false;
	end = store_next_log_id(ws->s->store);
	for (uint64_t id = 0; id < end; id++) {
		struct witness_log *l = meet(ws, id);

		if (!l || !l->wanted)
			continue;
		witness_consider(ws, l, now_ms);
		behind += !l->quorum;
	}
	pthread_mutex_lock(&ws->mu);
	ws->behind = behind;
	pthread_mutex_unlock(&ws->mu);
	witness_pump(ws);
}

static void
on_tick(uv_timer_t *t)
{
	struct witnesses *ws = t->data;

	witness_let_go(ws);
	if (ws->pending || atomic_load(&ws->s->bell.rung) != ws->heard)
		look_at_all(ws);
}

/* Somebody waits for a log's newest head; or the end has come. */
static void
on_wake(uv_async_t *a)
{
	struct witnesses *ws = a->data;
	struct witness_log *l;

	while ((l = witness_take_urgent(ws)))
		witness_consider(ws, l, witness_now_ms(ws));
	witness_pump(ws);
	if (!atomic_load(&ws->stop))
		return;
	uv_close((uv_handle_t *)a, NULL);
	uv_close((uv_handle_t *)&ws->tick, NULL);
	outbound_close(ws->out);
	ws->out = NULL;
}

static void *
thread_main(void *arg)
{
	struct witnesses *ws = arg;

	pthread_setname_np(pthread_self(), "stele-witness");
	uv_run(&ws->loop, UV_RUN_DEFAULT);
	return NULL;
}

/* --- begin and end -------------------------------------------------------------------------------
 */

/* Those that are there: what is kept of them is served from the first request on. */
static int
load_all(struct witnesses *ws, struct buf *why)
{
	uint64_t end = ws->old_logs = store_next_log_id(ws->s->store);
	int err = 0;

	for (uint64_t id = 0; err == 0 && id < end; id++) {
		struct witness_log *l = meet(ws, id);

		if (!l && store_log_of(ws->s->store, id))
			return STELE_ENOMEM;
		if (!l || !l->wanted)
			continue;
		set_target(l, log_head(l->log), 0);
		err = witness_load(ws, l, why);
	}
	return err;
}

static int
make_folder(const struct witnesses *ws, struct buf *why)
{
	char path[LIMIT_PATH_BYTES];
	const char *dir = store_dir(ws->s->store);
	int err = 0;

	if (snprintf(path, sizeof path, "%s/cosigned", dir) >= (int)sizeof path)
		return STELE_ELIMIT;
	if (mkdir(path, 0700) != 0)
		err = errno == EEXIST ? 0 : stele_err_from_errno(errno);
	else
		err = file_sync_dir(dir);
	if (err != 0)
		buf_printf(why, "%s cannot be made: %s.", path, stele_strerror(err));
	return err;
}

/* Handles of the loop are closed by its own run. */
static int
start(struct witnesses *ws, const struct config *c, struct buf *why)
{
	int err = outbound_new(&ws->out, &ws->loop, c->witness_ca, why);

	if (err != 0)
		return err;
	CHECK(uv_async_init(&ws->loop, &ws->wake, on_wake) == 0);
	CHECK(uv_timer_init(&ws->loop, &ws->tick) == 0);
	ws->wake.data = ws->tick.data = ws;
	ws->heard = UINT64_MAX;
	uv_timer_start(&ws->tick, on_tick, 0, WITNESS_TICK_MS);
	CHECK(pthread_create(&ws->thread, NULL, thread_main, ws) == 0);
	ws->started = true;
	return 0;
}

int
witnesses_new(struct witnesses **out, struct server *s, struct buf *why)
{
	struct witnesses *ws;
	int err;

	*out = NULL;
	if (!s->config->witness_policy)
		return 0;
	ws = calloc(1, sizeof *ws);
	if (!ws)
		return STELE_ENOMEM;
	ws->s = s;
	pthread_mutex_init(&ws->mu, NULL);
	buf_init(&ws->policy_text);
	buf_init(&ws->patterns);
	CHECK(uv_loop_init(&ws->loop) == 0);
	ws->policy = calloc(1, sizeof *ws->policy);
	ws->sha = sha256_new();
	ws->kit = kit_new();
	err = ws->policy && ws->sha && ws->kit ? 0 : STELE_ENOMEM;
	if (err == 0)
		err = witness_configure(ws, s->config, why);
	if (err == 0)
		err = make_folder(ws, why);
	if (err == 0)
		err = load_all(ws, why);
	if (err == 0)
		err = start(ws, s->config, why);
	if (err == 0)
		*out = ws;
	else
		witnesses_free(ws);
	return err;
}

void
witnesses_free(struct witnesses *ws)
{
	if (!ws)
		return;
	atomic_store(&ws->stop, true);
	if (ws->started) {
		uv_async_send(&ws->wake);
		pthread_join(ws->thread, NULL);
	}
	CHECK(uv_loop_close(&ws->loop) == 0);
	for (size_t i = 0; i < ws->n_logs; i++) {
		if (!ws->logs[i])
			continue;
		head_unref(ws->logs[i]->target);
		buf_fini(&ws->logs[i]->lines);
		buf_fini(&ws->logs[i]->kept);
		free(ws->logs[i]->seats);
		free(ws->logs[i]);
	}
	free(ws->logs);
	for (size_t i = 0; i < ws->n; i++)
		free(ws->w[i].url);
	kit_free(ws->kit);
	sha256_free(ws->sha);
	free(ws->policy);
	buf_fini(&ws->policy_text);
	buf_fini(&ws->patterns);
	pthread_mutex_destroy(&ws->mu);
	free(ws);
}
