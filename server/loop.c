/* In the order of an iteration: accept, completions, submission, the tick; then start and end. */
#include "server/loop.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "server/config.h"
#include "server/conn.h"
#include "server/reply.h"
#include "storage/writer.h"

enum { BACKLOG = 4096, TRIM_MS = 60000 };

static void
on_connection(uv_stream_t *listener, int status)
{
	if (status == 0)
		conn_accept(listener->data);
}

/* --- turns of handshakes ------------------------------------------------------- */

static void
count_waiting(struct loop *l)
{
	atomic_store_explicit(&l->metrics.turns_waiting, l->turns.waiting, memory_order_relaxed);
}

static void
on_turning(uv_timer_t *h)
{
	struct loop *l = h->data;
	struct turn *turn;

	while ((turn = turns_next(&l->turns, uv_hrtime())))
		conn_take_turn(turn->conn);
	count_waiting(l);
	if (!l->turns.waiting)
		uv_timer_stop(h);
}

bool
loop_wait_turn(struct conn *c)
{
	struct loop *l = c->loop;
	struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
	int n = sizeof from;

	/* one that has gone already waits among those of no address, and is told so by reading */
	(void)uv_tcp_getpeername(&c->wire.tcp, (struct sockaddr *)&from, &n);
	if (!turns_wait(&l->turns, &c->turn, (struct sockaddr *)&from))
		return false;
	metrics_add(&l->metrics.turns_waited, 1);
	count_waiting(l);
	if (!uv_is_active((uv_handle_t *)&l->turning))
		uv_timer_start(&l->turning, on_turning, LOOP_TURN_MS, LOOP_TURN_MS);
	return true;
}

void
loop_leave_turn(struct conn *c)
{
	turns_leave(&c->loop->turns, &c->turn);
	count_waiting(c->loop);
}

/* --- jobs to the writer and back -------------------------------------------- */

void
loop_return(struct request *r)
{
	struct loop *l = r->loop;
	bool first;

	r->next = NULL;
	pthread_mutex_lock(&l->lock);
	first = !l->done;
	*l->done_end = r;
	l->done_end = &r->next;
	pthread_mutex_unlock(&l->lock);
	if (first)
		uv_async_send(&l->wake);
}

/* The writer's thread. */
static void
on_job_done(struct append_job *job)
{
	loop_return(job->owner);
}

void
loop_submit(struct request *r)
{
	struct loop *l = r->loop;

	r->job.owner = r;
	r->job.done = on_job_done;
	r->job.next = NULL;
	*l->pending_end = &r->job;
	l->pending_end = &r->job.next;
}

/*
 * All together; when that is too much for the queue, as many as fit. A job
 * that was taken is the writer's: it may be answered, and its request gone,
 * before writer_submit returns.
 */
static void
submit_pending(struct loop *l)
{
	while (l->pending) {
		struct append_job *job = l->pending, *next;
		int err;

		l->pending = NULL;
		l->pending_end = &l->pending;
		err = writer_submit(l->server->writer, job);
		for (; err && job; job = next) {
			struct request *r = job->owner;
			int refused = err;

			next = job->next;
			job->next = NULL;
			if (err == STELE_EBUSY)
				refused = writer_submit(l->server->writer, job);
			if (refused) {
				job->err = refused;
				r->then(r);
			}
		}
	}
}

static void
take_done(struct loop *l)
{
	struct request *r, *next;

	pthread_mutex_lock(&l->lock);
	r = l->done;
	l->done = NULL;
	l->done_end = &l->done;
	pthread_mutex_unlock(&l->lock);
	for (; r; r = next) {
		next = r->next;
		r->then(r);
	}
}

/* --- work that blocks -------------------------------------------------------- */

static void
on_work(uv_work_t *w)
{
	struct conn *c = w->data;
	struct kit_pool *kits = &c->loop->server->kits;
	struct kit *kit = kit_take(kits);

	c->worked = kit != NULL;
	if (!kit)
		return;
	c->r->work(c->r, kit);
	kit_put(kits, kit, uv_hrtime() / 1000000);
}

static void
on_work_done(uv_work_t *w, int status)
{
	struct conn *c = w->data;

	CHECK(status == 0);
	if (c->worked)
		c->r->then(c->r);
	else
		reply_err(c->r, STELE_ENOMEM);
}

void
loop_work(struct request *r)
{
	struct conn *c = r->conn;

	c->work.data = c;
	CHECK(uv_queue_work(&r->loop->uv, &c->work, on_work, on_work_done) == 0);
}

/* --- long work, step by step --------------------------------------------------- */

static void start_steps(struct loop *l);

static void
on_step_done(uv_work_t *w, int status)
{
	struct conn *c = w->data;
	struct loop *l = c->loop;

	l->n_long--;
	start_steps(l);
	on_work_done(w, status);
}

static struct request *
leave_line(struct loop_line *line)
{
	struct request *r = line->first;

	if (!r)
		return NULL;
	line->first = r->next;
	if (!line->first)
		line->end = &line->first;
	return r;
}

/* Loops share the workers: with several of them each has one step at a time. */
static void
start_steps(struct loop *l)
{
	size_t at_once = l->server->n_loops > 1 ? 1 : LOOP_LONG_AT_ONCE;
	struct request *r;

	while (l->n_long < at_once) {
		r = leave_line(l->begin.first ? &l->begin : &l->go_on);
		if (!r)
			return;
		r->conn->work.data = r->conn;
		CHECK(uv_queue_work(&l->uv, &r->conn->work, on_work, on_step_done) == 0);
		l->n_long++;
	}
}

static void
join_line(struct loop_line *line, struct request *r)
{
	r->next = NULL;
	*line->end = r;
	line->end = &r->next;
	start_steps(r->loop);
}

void
loop_work_on(struct request *r)
{
	join_line(&r->loop->go_on, r);
}

void
loop_work_begin(struct request *r)
{
	join_line(&r->loop->begin, r);
}

/* --- brief work: an iteration's worth of it together ------------------------------ */

/* Requests for one worker, in order. */
struct brief {
	uv_work_t work;
	struct loop *l;
	struct request *first;
	bool worked;
};

static void
on_brief(uv_work_t *w)
{
	struct brief *b = w->data;
	struct kit_pool *kits = &b->l->server->kits;
	struct kit *kit = kit_take(kits);

	b->worked = kit != NULL;
	if (!kit)
		return;
	for (struct request *r = b->first; r; r = r->next)
		r->work(r, kit);
	kit_put(kits, kit, uv_hrtime() / 1000000);
}

static void
on_brief_done(uv_work_t *w, int status)
{
	struct brief *b = w->data;
	struct request *r, *next;

	CHECK(status == 0);
	for (r = b->first; r; r = next) {
		next = r->next;
		if (b->worked)
			r->then(r);
		else
			reply_err(r, STELE_ENOMEM);
	}
	free(b);
}

/* The first n of what waits become one worker's. */
static void
queue_brief(struct loop *l, size_t n)
{
	struct brief *b = calloc(1, sizeof *b);
	struct request *last = l->brief;

	CHECK(b); /* some 150 bytes: a loop without them cannot go on */
	b->work.data = b;
	b->l = l;
	b->first = l->brief;
	for (size_t i = 1; i < n; i++)
		last = last->next;
	l->brief = last->next;
	last->next = NULL;
	l->n_brief -= n;
	CHECK(uv_queue_work(&l->uv, &b->work, on_brief, on_brief_done) == 0);
}

static void
submit_brief(struct loop *l)
{
	size_t each = l->n_brief;

	if (each > LOOP_BRIEF_ALONE)
		each = (each + LOOP_BRIEF_PARTS - 1) / LOOP_BRIEF_PARTS;
	while (l->n_brief)
		queue_brief(l, l->n_brief < each ? l->n_brief : each);
	l->brief = NULL;
	l->brief_end = &l->brief;
}

void
loop_work_briefly(struct request *r)
{
	struct loop *l = r->loop;

	r->next = NULL;
	*l->brief_end = r;
	l->brief_end = &r->next;
	l->n_brief++;
}

static void
on_check(uv_check_t *h)
{
	submit_pending(h->data);
	submit_brief(h->data);
}

static void
on_prepare(uv_prepare_t *h)
{
	submit_pending(h->data);
	submit_brief(h->data);
}

/* --- requests ------------------------------------------------------------------ */

struct request *
loop_take_request(struct loop *l)
{
	struct request *r = l->pool;

	if (r) {
		l->pool = r->next;
		l->n_pool--;
		return r;
	}
	r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->server = l->server;
	r->loop = l;
	r->date = slice_of(l->date, l->date_n);
	arena_init(&r->arena);
	buf_init(&r->out);
	http_init(&r->http, &r->arena, &l->server->bodies);
	return r;
}

static void
free_request(struct request *r)
{
	request_reset(r);
	http_fini(&r->http);
	arena_fini(&r->arena);
	buf_fini(&r->out);
	free(r);
}

void
loop_put_request(struct loop *l, struct request *r)
{
	if (l->n_pool == LOOP_POOL_REQUESTS) {
		free_request(r);
		return;
	}
	request_reset(r);
	if (r->http.state != STEP_MORE || !http_idle(&r->http))
		http_fini(&r->http);
	r->conn = NULL;
	r->peer = NULL;
	r->started_ns = 0;
	r->next = l->pool;
	l->pool = r;
	l->n_pool++;
}

/* --- the tick, and the end ------------------------------------------------------ */

static void
set_date(struct loop *l)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now == l->date_s)
		return;
	l->date_s = now;
	gmtime_r(&now, &tm);
	l->date_n = strftime(l->date, sizeof l->date, "\r\nDate: %a, %d %b %Y %H:%M:%S GMT", &tm);
}

static void
close_handle(void *h)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void
drain_step(struct loop *l)
{
	bool by_force = uv_now(&l->uv) >= l->drain_deadline_ms;
	struct conn *c, *next;

	tails_drain(&l->tails);
	for (c = l->conns; c; c = next) {
		next = c->next;
		conn_drain(c, by_force);
	}
	if (l->n_conns)
		return;
	close_handle(&l->wake);
	close_handle(&l->check);
	close_handle(&l->prepare);
	close_handle(&l->tick);
	close_handle(&l->turning);
	tails_close(&l->tails);
}

struct rest {
	uv_work_t work;
	struct kit *kits;
};

static void
on_rest(uv_work_t *w)
{
	kit_give_up(((struct rest *)w->data)->kits);
}

static void
on_rest_done(uv_work_t *w, int status)
{
	CHECK(status == 0);
	free(w->data);
}

/*
 * Kits that nobody needs any more are freed beside the loop; and once a minute what other
 * threads have freed is given back, too, which malloc(3) does by itself at an arena's end only.
 */
static void
give_memory_back(struct loop *l)
{
	uint64_t now_ms = uv_hrtime() / 1000000;
	struct kit *kits = kit_pool_rested(&l->server->kits, now_ms);
	struct rest *r;

	if (!kits && now_ms - l->trimmed_ms < TRIM_MS)
		return;
	l->trimmed_ms = now_ms;
	r = calloc(1, sizeof *r);
	CHECK(r);
	r->kits = kits;
	r->work.data = r;
	CHECK(uv_queue_work(&l->uv, &r->work, on_rest, on_rest_done) == 0);
}

static void
on_tick(uv_timer_t *h)
{
	struct loop *l = h->data;
	struct conn *c, *next;

	set_date(l);
	for (c = l->conns; c; c = next) {
		next = c->next;
		conn_check_deadline(c, uv_now(&l->uv));
	}
	tails_tick(&l->tails);
	if (l->draining) {
		drain_step(l);
	} else if (l == l->server->loops[0]) {
		upload_sweep(l);
		give_memory_back(l);
	}
}

static void
on_wake(uv_async_t *h)
{
	struct loop *l = h->data;

	submit_pending(l);
	take_done(l);
	tails_heard(&l->tails);
	if (!atomic_load(&l->server->draining))
		return;
	if (!l->draining) {
		l->draining = true;
		l->drain_deadline_ms = uv_now(&l->uv) + LIMIT_DRAIN_TIMEOUT_MS;
		close_handle(&l->listener);
		uv_timer_start(&l->tick, on_tick, 0, 20);
	}
}

void
loop_wake(struct loop *l)
{
	uv_async_send(&l->wake);
}

int
loop_new(struct loop **out, struct server *server, int fd)
{
	struct loop *l = calloc(1, sizeof *l);
	int err;

	if (!l)
		return STELE_ENOMEM;
	l->server = server;
	l->pending_end = &l->pending;
	l->done_end = &l->done;
	l->brief_end = &l->brief;
	l->begin.end = &l->begin.first;
	l->go_on.end = &l->go_on.first;
	pthread_mutex_init(&l->lock, NULL);
	set_date(l);
	l->kit = kit_new();
	CHECK(l->kit && uv_loop_init(&l->uv) == 0);
	uv_tcp_init(&l->uv, &l->listener);
	uv_async_init(&l->uv, &l->wake, on_wake);
	uv_check_init(&l->uv, &l->check);
	uv_prepare_init(&l->uv, &l->prepare);
	uv_timer_init(&l->uv, &l->tick);
	uv_timer_init(&l->uv, &l->turning);
	l->listener.data = l->wake.data = l->check.data = l->prepare.data = l->tick.data = l;
	l->turning.data = l;
	tails_init(&l->tails, l);
	/* half of what connections there may be are for other addresses */
	turns_init(&l->turns, server->config->handshake_rate,
		   1 + server->config->max_connections / server->config->loops / 2);
	uv_check_start(&l->check, on_check);
	uv_prepare_start(&l->prepare, on_prepare);
	uv_timer_start(&l->tick, on_tick, LOOP_TICK_MS, LOOP_TICK_MS);
	err = uv_tcp_open(&l->listener, fd);
	if (!err)
		err = uv_listen((uv_stream_t *)&l->listener, BACKLOG, on_connection);
	*out = l;
	return err ? STELE_EIO : 0;
}

void
loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void
loop_free(struct loop *l)
{
	struct request *r, *next;

	for (r = l->pool; r; r = next) {
		next = r->next;
		free_request(r);
	}
	CHECK(uv_loop_close(&l->uv) == 0);
	pthread_mutex_destroy(&l->lock);
	kit_free(l->kit);
	free(l);
}
