/*
 * In the order of a turn: serving, joining, rounds; then begin and end, and what is looked at now
 * and then.
 */
#include "server/tails.h"

#include <stdlib.h>

#include "proto/check.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/auth.h"
#include "server/bell.h"
#include "server/config.h"
#include "server/conn.h"
#include "server/feed.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/query_record.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/server.h"

enum {
	TURN_TAILS = 32,          /* served in one turn, before requests get theirs */
	TURN_REST = 3,            /* times as long as the turn took, till the next */
	TURN_SHORT = 50000,       /* ns: so little needs no rest */
	TURN_REST_MAX = 10000000, /* ns: a turn that others' work made long is none of ours */
	ROUNDS = 2,               /* at once: workers are for others too */
};

/* One answer. It is freed as its request's source is. */
struct tail {
	struct request *r;
	struct feed *feed;
	struct tail *prev, *next; /* of its feed's */
	struct tail *ready_next;
	struct piece *at; /* counted: sent, or being sent; what follows is to come */
	const char *end;  /* why it ends; NULL: it does not */
	uint64_t sent_ms; /* when something was sent last */
	uint64_t rows;
	bool idle;  /* all that was sent has been taken */
	bool ready; /* it is in the list */
	bool dropped;
};

static void on_turn(uv_timer_t *h);

/* Sees to it that there is a turn. */
static void
kick(struct tails *t)
{
	uint64_t now = uv_hrtime(), wait = 0;

	if (uv_is_active((uv_handle_t *)&t->timer) || uv_is_closing((uv_handle_t *)&t->timer))
		return;
	if (t->not_before_ns > now)
		wait = (t->not_before_ns - now + 999999) / 1000000;
	uv_update_time(&t->loop->uv);
	uv_timer_start(&t->timer, on_turn, wait, 0);
}

/* --- serving -----------------------------------------------------------------------------------
 */

/* It is served in one of the next turns. */
static void
make_ready(struct tail *tail)
{
	struct tails *t = tail->feed->tails;
	if (tail->ready)
		return;
	tail->ready = true;
	tail->ready_next = NULL;
	*t->ready_end = tail;
	t->ready_end = &tail->ready_next;
	tail->feed->n_ready++;
	kick(t);
}

static void
leave_ready(struct tail *tail)
{
	struct tails *t = tail->feed->tails;
	struct tail **at = &t->ready;

	if (!tail->ready)
		return;
	while (*at != tail)
		at = &(*at)->ready_next;
	*at = tail->ready_next;
	if (t->ready_end == &tail->ready_next)
		t->ready_end = at;
	tail->ready = false;
	tail->feed->n_ready--;
}

/* From conn: the peer has taken all. */
static void
pull(struct request *r)
{
	struct tail *tail = r->source;

	r->lent = slice_of(NULL, 0);
	buf_reset(&r->out);
	tail->idle = true;
	if (tail->end || tail->at->next)
		make_ready(tail);
	else
		kick(tail->feed->tails); /* its feed may have waited for that */
}

static void
send_out(struct tail *tail)
{
	tail->idle = false;
	tail->sent_ms = uv_now(&tail->r->loop->uv);
	conn_send_more(tail->r);
}

/* The next piece, from the memory that it shares. */
static void
send_piece(struct tail *tail)
{
	struct piece *p = piece_ref(tail->at->next);

	piece_unref(tail->at);
	tail->at = p;
	tail->rows += p->rows;
	metrics_add(&tail->r->loop->metrics.tail_rows, p->rows);
	tail->r->lent = slice_of(p->bytes, p->n);
	send_out(tail);
}

/* Its last words, and the end of the answer. The tail is no more. */
static void
send_end(struct tail *tail)
{
	struct request *r = tail->r;
	size_t at = reply_chunk_begin(&r->out);

	buf_printf(&r->out, "event: end\ndata: {\"reason\":\"%s\"}\n\n", tail->end);
	reply_chunk_end(&r->out, at);
	reply_chunk_last(&r->out);
	if (r->out.err) {
		conn_cut(r);
		return;
	}
	request_drop_source(r);
	conn_send_more(r);
}

static void
serve(struct tail *tail)
{
	if (tail->end)
		send_end(tail);
	else
		send_piece(tail);
}

static void
end(struct tail *tail, const char *why)
{
	if (!tail->end)
		tail->end = why;
	if (tail->idle)
		make_ready(tail);
}

/* From conn: the peer has gone. */
static void
left(struct request *r)
{
	conn_cut(r);
}

/* --- one feed instead of two -------------------------------------------------------------------
 */

static void
join_members(struct feed *f, struct tail *tail)
{
	tail->feed = f;
	tail->prev = NULL;
	tail->next = f->members;
	if (tail->next)
		tail->next->prev = tail;
	f->members = tail;
}

static void
leave_members(struct tail *tail)
{
	if (tail->prev)
		tail->prev->next = tail->next;
	else
		tail->feed->members = tail->next;
	if (tail->next)
		tail->next->prev = tail->prev;
}

static struct feed *
find_shared(struct tails *t, const struct feed *f)
{
	if (t->shared && feed_same(t->shared, f))
		return t->shared;
	for (struct feed *other = t->feeds; other; other = other->next)
		if (!other->own && feed_same(other, f))
			return t->shared = other;
	return NULL;
}

static void
unlink_feed(struct tails *t, struct feed *f)
{
	struct feed **at = &t->feeds;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (t->feeds_end == &f->next)
		t->feeds_end = at;
}

static void
append_feed(struct tails *t, struct feed *f)
{
	f->next = NULL;
	*t->feeds_end = f;
	t->feeds_end = &f->next;
}

static void
drop_feed(struct tails *t, struct feed *f)
{
	unlink_feed(t, f);
	t->shared = t->shared == f ? NULL : t->shared;
	t->n_feeds--;
	feed_free(f);
	atomic_store_explicit(&t->loop->metrics.feeds, t->n_feeds, memory_order_relaxed);
	if (t->n_feeds == 0)
		bell_leave(&t->loop->server->bell, t->loop);
}

/* The tail of a feed of its own goes on with what follows piece p of another one. */
static void
move(struct tails *t, struct feed *own, struct feed *to, struct piece *p)
{
	struct tail *tail = own->members;

	piece_ref(p);
	piece_unref(tail->at);
	tail->at = p;
	leave_members(tail);
	join_members(to, tail);
	if (p->next)
		make_ready(tail);
	drop_feed(t, own);
}

/*
 * Its own feed has come to the end, and its tail has all of it. Whether the feed wants a round: to
 * go as far as the others are. False also when it is no more.
 */
static bool
catch_up(struct tails *t, struct feed *f)
{
	struct feed *shared = find_shared(t, f);

	if (!shared) {
		feed_let_go(f);
		f->own = false;
		return f->heard && feed_has_news(f);
	}
	if (f->anchor && f->anchor_feed == shared->number &&
	    shared->newest->end - f->anchor->end < LIMIT_TAIL_BEHIND_BYTES / 2) {
		move(t, f, shared, f->anchor);
		return false;
	}
	feed_let_go(f);
	switch (feed_compare(f, shared)) {
	case FEED_EQUAL:
		move(t, f, shared, shared->newest);
		return false;
	case FEED_BEHIND:
		feed_aim(f, shared);
		return true;
	case FEED_OTHER:
		return feed_has_news(f);
	case FEED_AHEAD:
		break;
	}
	shared->heard = true; /* it comes this way */
	return false;
}

/* --- rounds ------------------------------------------------------------------------------------
 */

static void
on_round(uv_work_t *w)
{
	struct feed *f = w->data;
	struct kit *kit = kit_take(&f->server->kits);

	f->worked = kit != NULL;
	if (!kit)
		return;
	feed_round(f, kit);
	kit_put(&f->server->kits, kit, uv_hrtime() / 1000000);
}

static bool
is_slow(const struct tail *tail)
{
	return !tail->idle && tail->feed->newest->end - tail->at->end > LIMIT_TAIL_BEHIND_BYTES;
}

static void
drop(struct tail *tail)
{
	metrics_add(&tail->r->loop->metrics.tails_dropped, !tail->dropped);
	tail->dropped = true;
	conn_drop(tail->r); /* which frees it, now or later */
}

/* What the round found is there for all. */
static void
spread(struct feed *f)
{
	struct http_budget *b = &f->server->answers;
	bool full = atomic_load(&b->used_bytes) > b->max_bytes;
	struct tail *tail, *next;

	for (tail = f->members; tail; tail = next) {
		next = tail->next;
		if (tail->idle)
			make_ready(tail);
		else if (is_slow(tail) || (full && tail->at->next != f->newest))
			drop(tail);
	}
}

/* Those that meant to join, and whose tails do not take what is before that, hold no more of it. */
static void
let_go(struct tails *t, const struct feed *shared)
{
	for (struct feed *f = t->feeds; f; f = f->next)
		if (f->anchor && f->anchor_feed == shared->number && !f->running &&
		    shared->newest->end - f->anchor->end > LIMIT_TAIL_BEHIND_BYTES)
			feed_let_go(f);
}

static const char *
reason_of(int err)
{
	return err == STELE_ELIMIT ? "logs" : err == STELE_ENOMEM ? "memory" : "storage";
}

static void
on_round_done(uv_work_t *w, int status)
{
	struct feed *f = w->data;
	struct tails *t = f->tails;
	int err = f->worked ? f->err : STELE_ENOMEM;

	CHECK(status == 0);
	f->running = false;
	t->rounds--;
	if (err < 0)
		for (struct tail *tail = f->members; tail; tail = tail->next)
			end(tail, reason_of(err));
	else if (feed_settle(f))
		spread(f);
	let_go(t, f);
	if (!f->members)
		drop_feed(t, f);
	if (t->n_feeds)
		kick(t);
}

static bool
wants_round(struct tails *t, struct feed *f)
{
	const struct tail *tail = f->members;

	if (f->running || f->n_ready || f->err < 0)
		return false;
	if (f->own && (!tail->idle || tail->at != f->newest))
		return false;
	if (f->more)
		return true;
	if (f->own)
		return catch_up(t, f);
	if (!f->heard)
		return false;
	f->heard = feed_has_news(f);
	return f->heard;
}

static void
start_round(struct tails *t, struct feed *f)
{
	f->running = true;
	f->heard = false;
	f->work.data = f;
	t->rounds++;
	unlink_feed(t, f);
	append_feed(t, f);
	metrics_add(&t->loop->metrics.tail_rounds, 1);
	CHECK(uv_queue_work(&t->loop->uv, &f->work, on_round, on_round_done) == 0);
}

static void
start_rounds(struct tails *t)
{
	size_t n = t->n_feeds;
	struct feed *f, *next;

	for (f = t->feeds; f && n && t->rounds < ROUNDS; f = next, n--) {
		next = f->next;
		if (wants_round(t, f))
			start_round(t, f);
	}
}

static void
on_turn(uv_timer_t *h)
{
	struct tails *t = h->data;
	uint64_t begin = uv_hrtime(), took, rest;

	for (int i = 0; t->ready && i < TURN_TAILS; i++) {
		struct tail *tail = t->ready;

		leave_ready(tail);
		serve(tail);
	}
	start_rounds(t);
	took = uv_hrtime() - begin;
	rest = took * TURN_REST < TURN_REST_MAX ? took * TURN_REST : TURN_REST_MAX;
	t->not_before_ns = took < TURN_SHORT ? 0 : begin + took + rest;
	if (t->ready)
		kick(t);
}

void
tails_heard(struct tails *t)
{
	for (struct feed *f = t->feeds; f; f = f->next)
		f->heard = true;
	if (t->feeds)
		kick(t);
}

/* --- begin and end -----------------------------------------------------------------------------
 */

static void
free_tail(void *source)
{
	struct tail *tail = source;
	struct feed *f = tail->feed;
	struct tails *t = f->tails;
	struct metrics *m = &t->loop->metrics;

	query_record_tail(tail->r, f, tail->rows, false);
	leave_ready(tail);
	leave_members(tail);
	piece_unref(tail->at);
	free(tail);
	atomic_fetch_sub_explicit(&m->tails, 1, memory_order_relaxed);
	if (!f->members && !f->running)
		drop_feed(t, f);
}

bool
tails_have_room(const struct tails *t)
{
	return t->n_feeds < LIMIT_TAIL_FEEDS;
}

bool
tails_join(struct tails *t, struct request *r, struct feed *f)
{
	struct tail *tail = calloc(1, sizeof *tail);

	if (!tail)
		return false;
	tail->r = r;
	tail->at = piece_ref(f->newest);
	tail->sent_ms = uv_now(&t->loop->uv);
	r->source = tail;
	r->source_free = free_tail;
	r->pull = pull;
	r->left = left;
	f->tails = t;
	f->number = ++t->n_opened;
	join_members(f, tail);
	append_feed(t, f);
	if (t->n_feeds++ == 0)
		bell_listen(&t->loop->server->bell, t->loop);
	atomic_store_explicit(&t->loop->metrics.feeds, t->n_feeds, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->loop->metrics.tails, 1, memory_order_relaxed);
	metrics_add(&t->loop->metrics.tails_opened, 1);
	query_record_tail(r, f, 0, true);
	t->generation = 0; /* rights may have changed while it was made ready */
	if (t->draining)
		end(tail, "shutdown");
	return true;
}

void
tails_init(struct tails *t, struct loop *l)
{
	t->loop = l;
	t->feeds_end = &t->feeds;
	t->ready_end = &t->ready;
	uv_timer_init(&l->uv, &t->timer);
	t->timer.data = t;
}

void
tails_close(struct tails *t)
{
	CHECK(!t->ready);
	if (!uv_is_closing((uv_handle_t *)&t->timer))
		uv_close((uv_handle_t *)&t->timer, NULL);
}

void
tails_drain(struct tails *t)
{
	t->draining = true;
	for (struct feed *f = t->feeds; f; f = f->next)
		for (struct tail *tail = f->members; tail; tail = tail->next)
			end(tail, "shutdown");
}

/* --- now and then ------------------------------------------------------------------------------
 */

/* A comment, which keeps what lies between awake; and where to go on, which may be far from the
 * last event. */
static void
heartbeat(struct tail *tail)
{
	struct buf *b = &tail->r->out;
	size_t at = reply_chunk_begin(b);

	buf_put_str(b, ":\nid: ");
	buf_put_slice(b, buf_slice(&tail->feed->position));
	buf_put_str(b, "\n\n");
	reply_chunk_end(b, at);
	b->err ? conn_cut(tail->r) : send_out(tail);
}

static void
look_at(struct tail *tail, bool opens, bool acted, uint64_t now_ms)
{
	if (!opens || (acted && !auth_still(tail->r)))
		end(tail, "access");
	if (is_slow(tail))
		drop(tail);
	else if (tail->idle && !tail->ready && tail->at == tail->feed->newest &&
		 now_ms - tail->sent_ms >= tail->r->server->config->tail_heartbeat_ms)
		heartbeat(tail);
}

void
tails_tick(struct tails *t)
{
	struct server *s = t->loop->server;
	uint64_t generation = t->feeds ? access_generation(audit_access(s->audit)) : 0;
	bool acted = generation != t->generation;
	struct tail *tail, *next;
	struct feed *f, *after;
	bool taken;

	t->generation = generation;
	for (f = t->feeds; f; f = after) {
		bool opens = token_opens(f->token, server_now_ns(s)) == ACCESS_OPENS;

		after = f->next;
		taken = !feed_is_aimed_at(f, t->feeds);
		for (tail = f->members; tail; tail = tail->next)
			taken = taken && tail->idle && tail->at == f->newest;
		if (taken)
			piece_empty(f->newest);
		for (tail = f->members; tail; tail = next) {
			next = tail->next;
			look_at(tail, opens, acted, uv_now(&t->loop->uv));
		}
	}
	if (t->feeds)
		kick(t);
}
