/*
 * A loop in a thread. Once a second each authority whose turn it is is asked; what it answers is
 * checked and recorded right there, since nothing else waits for this thread.
 */
#include "server/timestamps.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/tsp.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "server/audit.h"
#include "server/config.h"
#include "server/deeds.h"
#include "server/kit.h"
#include "server/outbound.h"
#include "server/server.h"
#include "server/timestamp_record.h"
#include "server/timestamps_state.h"
#include "server/timestamps_step.h"
#include "storage/clocks.h"
#include "storage/file.h"
#include "storage/store.h"

enum {
	TICK_MS = 1000,
	TIMEOUT_MS = 30000,
	AGAIN_MS = 5000,  /* after a first failure, then twice as long each time */
	SAY_MS = 3600000, /* a failing authority, and an end that is near, are said as often */
	LOOK_BACK = 64,   /* records, at a start: the newest of each authority */
	ROOTS_BYTES = 1 << 20,
};

static uint64_t
now_ms(void)
{
	return (uint64_t)server_monotonic_ns() / 1000000;
}

/* --- what is recorded ------------------------------------------------------------------------ */

static void
keep(struct authority *a, const struct timestamp_record *r, int64_t recorded_ns)
{
	struct timestamps *t = a->t;

	pthread_mutex_lock(&t->mu);
	a->has = true;
	a->trusted = r->trusted;
	a->index = r->index;
	a->time_ns = r->time_ns;
	a->expires_ns = r->expires_ns;
	a->recorded_ns = recorded_ns;
	pthread_mutex_unlock(&t->mu);
}

/* The newest of each authority, among the newest of all; it counts as recorded at its genTime, but
 * never later than now. What cannot be read ends it: it is said, and the row of them begins anew.
 */
static int
look_back(struct timestamps *t)
{
	struct timestamp_record r;
	struct trail trail;
	int64_t now_ns = server_now_ns(t->s);
	int err = trail_open(&trail, t->s, t->kit);

	if (err != 0)
		return err;
	err = timestamp_record_newest(&trail, &r);
	for (unsigned i = 0; err == 0 && i < LOOK_BACK; i++) {
		if (i == 0)
			t->newest = (int64_t)r.index;
		for (size_t k = 0; k < t->n; k++)
			if (!t->of[k].has && strcmp(t->of[k].url, r.authority) == 0)
				keep(&t->of[k], &r, r.time_ns < now_ns ? r.time_ns : now_ns);
		err = timestamp_record_before(&trail, &r);
		if (err != 0)
			timestamp_record_fini(&r);
	}
	if (err == 0)
		timestamp_record_fini(&r);
	trail_close(&trail);
	if (err == STELE_EDAMAGED || err == STELE_EIO) {
		fprintf(stderr,
			"steled: warning: records of timestamps in _system cannot be read (%s): "
			"exports find none from before; run stele fsck\n",
			stele_strerror(err));
		err = 0;
	}
	return err == STELE_ENOTFOUND ? 0 : err;
}

/* Where the record lies that was made last. */
static int
find_newest(struct timestamps *t, struct timestamp_record *r)
{
	struct trail trail;
	int err = trail_open(&trail, t->s, t->kit);

	if (err != 0)
		return err;
	err = timestamp_record_newest(&trail, r);
	trail_close(&trail);
	return err;
}

/* A token that holds. */
static int
record(struct authority *a, const struct tsp_token *said, struct slice response)
{
	struct timestamps *t = a->t;
	json_t *act = timestamp_record_act(a->url, a->size, buf_slice(&a->note), said, response,
					   t->newest);
	struct timestamp_record r;
	struct deed_outcome outcome;
	int err;

	deed_outcome_init(&outcome);
	err = act ? audit_act(t->s->audit, act, NULL, NULL, NULL, t->kit, &outcome) : STELE_ENOMEM;
	deed_outcome_fini(&outcome);
	json_decref(act);
	if (err == 0)
		err = find_newest(t, &r);
	if (err != 0)
		return err;
	t->newest = (int64_t)r.index;
	keep(a, &r, server_now_ns(t->s));
	timestamp_record_fini(&r);
	for (size_t i = 0; i < t->n; i++)
		t->of[i].since++;
	return 0;
}

/* --- what comes back ------------------------------------------------------------------------- */

/* Said once an hour for each authority. */
static void
fail(struct authority *a, const char *why)
{
	struct timestamps *t = a->t;
	uint64_t now = now_ms(), again;

	pthread_mutex_lock(&t->mu);
	a->failed++;
	again = (uint64_t)AGAIN_MS << (a->failures < 10 ? a->failures : 10);
	a->failures++;
	a->failed_ns = server_now_ns(t->s);
	snprintf(a->why, sizeof a->why, "%s", why);
	pthread_mutex_unlock(&t->mu);
	a->due_ms = now + (again < t->every_ms ? again : t->every_ms);
	if (a->said_ms && now - a->said_ms < SAY_MS)
		return;
	a->said_ms = now;
	fprintf(stderr,
		"steled: warning: no timestamp by %s: %s; it is asked again, as long as it takes\n",
		a->url, why);
}

static void
succeed(struct authority *a, const struct tsp_token *said)
{
	struct timestamps *t = a->t;
	bool first = a->granted == 0, again = a->said_ms != 0;

	pthread_mutex_lock(&t->mu);
	a->granted++;
	a->failures = 0;
	a->why[0] = '\0';
	pthread_mutex_unlock(&t->mu);
	a->said_ms = 0;
	a->taken = a->size;
	a->due_ms = now_ms() + t->every_ms;
	if ((first || again) && !t->s->config->quiet)
		fprintf(stderr, "steled: timestamps by %s (%s)%s\n", a->url, said->name,
			said->trusted ? ""
				      : ": the signature holds; whose it is is not checked "
					"(--timestamp-ca)");
}

static void
on_reply(void *ctx, const struct outbound_reply *reply)
{
	struct authority *a = ctx;
	struct tsp_token said;
	char why[TSP_WHY_BYTES];
	int err;

	a->asking = false;
	if (atomic_load(&a->t->stop))
		return;
	if (reply->err != 0) {
		fail(a, reply->why);
		return;
	}
	if (reply->status != 200) {
		snprintf(why, sizeof why, "it answers with HTTP status %d", reply->status);
		fail(a, why);
		return;
	}
	err = tsp_check(&said, reply->body, a->imprint, a->nonce, a->t->roots, why);
	if (err == STELE_EVERIFY) {
		fail(a, why);
		return;
	}
	err = err ? err : record(a, &said, reply->body);
	if (err != 0) {
		fail(a, stele_strerror(err));
		return;
	}
	succeed(a, &said);
	step_confirm(a, &said);
}

/* --- asking ---------------------------------------------------------------------------------- */

static int
send_request(struct authority *a, const struct head *head, const struct clock_info *now)
{
	struct timestamps *t = a->t;
	struct outbound_ask ask = {.url = a->url,
				   .type = "application/timestamp-query",
				   .accept = "application/timestamp-reply",
				   .max_reply = LIMIT_TIMESTAMP_BYTES,
				   .timeout_ms = TIMEOUT_MS,
				   .done = on_reply,
				   .ctx = a};
	struct buf request;
	int err;

	buf_reset(&a->note);
	buf_put(&a->note, head->note, head->note_len);
	a->size = head->size;
	a->since = 0;
	a->step = step_now(now);
	a->sent_ns = now->boot_ns;
	sha256_hash(t->h, a->imprint, buf_slice(&a->note));
	random_bytes(a->nonce, sizeof a->nonce);
	a->nonce[0] |= 0x80; /* as many bytes each time */
	buf_init(&request);
	err = a->note.err ? a->note.err : tsp_request(&request, a->imprint, a->nonce);
	ask.body = buf_slice(&request);
	if (err == 0)
		err = outbound_post(t->out, &ask);
	a->asking = err == 0;
	buf_fini(&request);
	return err;
}

/* Nothing but timestamps came after what the newest one covers. */
static bool
is_idle(const struct authority *a, const struct head *head)
{
	return a->taken && head->size <= a->taken + a->since;
}

/* It was not asked since this step was seen, which it could confirm. */
static bool
is_urgent(const struct authority *a, struct step step)
{
	return step.waits && a->t->roots && !step_same(a->step, step);
}

static void
ask_due(struct timestamps *t, const struct head *head, const struct clock_info *clock)
{
	uint64_t now = now_ms();
	bool all = atomic_exchange(&t->now, false);

	for (size_t i = 0; i < t->n; i++) {
		struct authority *a = &t->of[i];
		int err;

		a->forced |= all || is_urgent(a, step_now(clock));
		if (a->asking || (!a->forced && (now < a->due_ms || is_idle(a, head))))
			continue;
		a->forced = false;
		pthread_mutex_lock(&t->mu);
		a->asked++;
		pthread_mutex_unlock(&t->mu);
		err = send_request(a, head, clock);
		if (err != 0)
			fail(a, stele_strerror(err));
	}
}

/* Once an hour, when there is something. */
static void
warn(struct timestamps *t)
{
	struct timestamps_figures f;

	if (t->warned_ms && now_ms() - t->warned_ms < SAY_MS)
		return;
	timestamps_figures(t, &f);
	if (f.age_s < 0 || f.expires_s >= (int64_t)LIMIT_TIMESTAMP_DAYS * 86400)
		return;
	t->warned_ms = now_ms();
	fprintf(stderr,
		"steled: warning: no timestamp has a certificate that holds for %u days more: have "
		"the authority renew it, or add another one to --timestamp-url, while the last one "
		"can still be covered by a later one\n",
		LIMIT_TIMESTAMP_DAYS);
}

static void
on_tick(uv_timer_t *timer)
{
	struct timestamps *t = timer->data;
	struct clock_info clock;
	struct head *head;
	struct log *log;

	if (atomic_load(&t->stop) || store_log_find(t->s->store, slice_str("_system"), &log) != 0)
		return;
	head = log_head(log);
	store_clock_info(t->s->store, &clock);
	ask_due(t, head, &clock);
	head_unref(head);
	warn(t);
}

/* --- the thread ------------------------------------------------------------------------------ */

static void
on_wake(uv_async_t *wake)
{
	struct timestamps *t = wake->data;

	if (!atomic_load(&t->stop)) {
		on_tick(&t->tick);
		return;
	}
	uv_close((uv_handle_t *)&t->tick, NULL);
	uv_close((uv_handle_t *)&t->wake, NULL);
	outbound_close(t->out);
	t->out = NULL;
}

static void *
timestamps_main(void *arg)
{
	struct timestamps *t = arg;

	pthread_setname_np(pthread_self(), "stele-timestamp");
	uv_run(&t->loop, UV_RUN_DEFAULT);
	return NULL;
}

/* --- start and end --------------------------------------------------------------------------- */

static int
read_urls(struct timestamps *t, const char *list, struct buf *why)
{
	while (*list) {
		size_t n = strcspn(list, ",");
		struct authority *a = &t->of[t->n];

		if (t->n == LIMIT_AUTHORITIES) {
			buf_printf(why, "--timestamp-url takes at most %u authorities.",
				   LIMIT_AUTHORITIES);
			return STELE_EINVAL;
		}
		a->t = t;
		a->url = strndup(list, n);
		if (!a->url)
			return STELE_ENOMEM;
		t->n++;
		for (size_t i = 0; i + 1 < t->n; i++)
			if (strcmp(t->of[i].url, a->url) == 0) {
				buf_printf(why, "--timestamp-url names %s twice.", a->url);
				return STELE_EINVAL;
			}
		buf_put_str(why, "--timestamp-url: ");
		if (outbound_url(a->url, why) != 0)
			return STELE_EINVAL;
		buf_reset(why);
		list += n + (list[n] == ',');
	}
	return t->n ? 0 : STELE_EINVAL;
}

static int
read_roots(struct timestamps *t, const char *path, struct buf *why)
{
	struct buf pem;
	int err;

	if (!path)
		return 0;
	buf_init(&pem);
	err = file_read_all(path, &pem, ROOTS_BYTES);
	err = err ? err : tsp_roots_new(&t->roots, buf_slice(&pem));
	buf_fini(&pem);
	if (err != 0)
		buf_printf(why, "--timestamp-ca %s: %s. It has to be certificates in PEM.", path,
			   stele_strerror(err));
	return err == STELE_ENOMEM || err == 0 ? err : STELE_EINVAL;
}

static int
open_loop(struct timestamps *t, struct buf *why)
{
	int err;

	if (uv_loop_init(&t->loop) != 0)
		return STELE_ENOMEM;
	err = outbound_new(&t->out, &t->loop, NULL, why);
	if (err != 0) {
		CHECK(uv_loop_close(&t->loop) == 0);
		return err;
	}
	t->opened = true;
	CHECK(uv_async_init(&t->loop, &t->wake, on_wake) == 0);
	CHECK(uv_timer_init(&t->loop, &t->tick) == 0);
	CHECK(uv_timer_start(&t->tick, on_tick, TICK_MS, TICK_MS) == 0);
	t->wake.data = t->tick.data = t;
	return 0;
}

/* When each is to be asked first. */
static void
set_due(struct timestamps *t)
{
	int64_t now_ns = server_now_ns(t->s);

	for (size_t i = 0; i < t->n; i++) {
		struct authority *a = &t->of[i];
		int64_t past_ms = a->has ? (now_ns - a->recorded_ns) / 1000000 : INT64_MAX;
		int64_t left = (int64_t)t->every_ms - (past_ms < 0 ? 0 : past_ms);

		a->due_ms = now_ms() + (left > 0 && a->has ? (uint64_t)left : 0);
	}
}

static int
prepare(struct timestamps *t, const struct config *c, struct buf *why)
{
	int err = read_urls(t, c->timestamp_url, why);

	if (err == STELE_EINVAL && why->n == 0)
		buf_put_str(why, "--timestamp-url names no authority.");
	err = err ? err : read_roots(t, c->timestamp_ca, why);
	if (err == 0 && (!t->kit || !t->h))
		err = STELE_ENOMEM;
	err = err ? err : look_back(t);
	if (err == 0)
		set_due(t);
	return err ? err : open_loop(t, why);
}

int
timestamps_start(struct timestamps **out, struct server *s, struct buf *why)
{
	struct timestamps *t;
	int err;

	*out = NULL;
	if (!s->config->timestamp_url)
		return 0;
	t = calloc(1, sizeof *t);
	if (!t)
		return STELE_ENOMEM;
	t->s = s;
	t->kit = kit_new();
	t->h = sha256_new();
	t->newest = -1;
	t->every_ms = s->config->timestamp_every_ms;
	pthread_mutex_init(&t->mu, NULL);
	for (size_t i = 0; i < LIMIT_AUTHORITIES; i++)
		buf_init(&t->of[i].note);
	err = prepare(t, s->config, why);
	if (err == 0) {
		t->runs = pthread_create(&t->thread, NULL, timestamps_main, t) == 0;
		err = t->runs ? 0 : STELE_ENOMEM;
	}
	if (err == 0)
		*out = t;
	else
		timestamps_stop(t);
	return err;
}

void
timestamps_stop(struct timestamps *t)
{
	if (!t)
		return;
	if (t->opened) {
		atomic_store(&t->stop, true);
		CHECK(uv_async_send(&t->wake) == 0);
		if (t->runs)
			pthread_join(t->thread, NULL);
		else
			(void)timestamps_main(t);
		CHECK(uv_loop_close(&t->loop) == 0);
	}
	for (size_t i = 0; i < LIMIT_AUTHORITIES; i++) {
		free(t->of[i].url);
		buf_fini(&t->of[i].note);
	}
	tsp_roots_free(t->roots);
	sha256_free(t->h);
	kit_free(t->kit);
	pthread_mutex_destroy(&t->mu);
	free(t);
}

void
timestamps_now(struct timestamps *t)
{
	atomic_store(&t->now, true);
	CHECK(uv_async_send(&t->wake) == 0);
}
