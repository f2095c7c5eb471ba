/* Pieces; the begin; a round; where two of them are. */
#include "server/feed.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/kit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/server.h"
#include "server/tail_id.h"
#include "storage/log.h"
#include "storage/scan.h"
#include "storage/store.h"

enum { KEPT_BYTES = 64 << 10 }; /* of working memory, between rounds */

/* --- pieces -------------------------------------------------------------------------------- */

static struct piece *
piece_new(struct server *s, struct slice bytes, uint64_t rows)
{
	struct piece *p = malloc(sizeof *p);
	uint8_t *copy = bytes.n ? malloc(bytes.n) : NULL;

	if (!p || (bytes.n && !copy)) {
		free(p);
		free(copy);
		return NULL;
	}
	*p = (struct piece){
		.refs = 1, .budget = &s->answers, .rows = rows, .n = bytes.n, .bytes = copy};
	if (copy)
		memcpy(copy, bytes.p, bytes.n);
	atomic_fetch_add(&s->answers.used_bytes, bytes.n);
	return p;
}

struct piece *
piece_ref(struct piece *p)
{
	p->refs++;
	return p;
}

void
piece_empty(struct piece *p)
{
	atomic_fetch_sub(&p->budget->used_bytes, p->n);
	free(p->bytes);
	p->bytes = NULL;
	p->n = 0;
}

void
piece_unref(struct piece *p)
{
	while (p && --p->refs == 0) {
		struct piece *next = p->next;

		piece_empty(p);
		free(p);
		p = next;
	}
}

/* --- its life -------------------------------------------------------------------------------- */

struct feed *
feed_new(struct request *r)
{
	struct feed *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->server = f->q.server = r->server;
	f->token = f->q.token = r->token;
	atomic_fetch_add(&f->token->refs, 1);
	f->q.memory = &r->arena;
	f->own = true;
	return f;
}

void
feed_own(struct feed *f, struct request *r)
{
	f->memory = r->arena;
	f->q.memory = &f->memory;
	arena_init(&r->arena);
}

void
feed_free(struct feed *f)
{
	CHECK(!f->running && !f->members);
	feed_let_go(f);
	piece_unref(f->newest);
	piece_unref(f->made);
	query_fini(&f->q);
	buf_fini(&f->text);
	buf_fini(&f->id);
	buf_fini(&f->position);
	arena_fini(&f->memory);
	token_unref(f->token);
	free(f);
}

/* --- the begin ------------------------------------------------------------------------------- */

static int
take_time(void *ctx, const struct scan_record *r)
{
	*(int64_t *)ctx = r->time_ns;
	return 0;
}

/*
 * The first record that was received then or later. Times never go back in a log, so halving finds
 * it; what is damaged counts as later, so that nothing is left out.
 */
static int
find_time(struct query_source *s, int64_t time_ns, struct kit *kit)
{
	uint64_t low = 0, high = s->size;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2, at = mid;
		int64_t ns = INT64_MAX;
		int err = scan_records(s->log, &at, mid + 1, kit->tools, take_time, &ns);

		if (err != 0 && err != STELE_EDAMAGED)
			return err;
		if (ns >= time_ns)
			high = mid;
		else
			low = mid + 1;
	}
	s->next = low;
	return 0;
}

static int
place(struct query *q, const struct feed_start *start, struct kit *kit)
{
	int err = 0;

	if (start->id.n)
		return tail_id_read(q, start->id);
	if (start->has_index && start->index && (q->n != 1 || start->index > q->sources[0].size))
		return STELE_EINVAL;
	for (size_t i = 0; err == 0 && i < q->n; i++) {
		struct query_source *s = &q->sources[i];

		s->next = start->has_index ? start->index : s->size;
		if (start->has_time)
			err = find_time(s, start->time_ns, kit);
	}
	return err;
}

static void
remember_places(struct feed *f)
{
	f->n_places = f->q.n;
	f->horizon = f->q.horizon;
	for (size_t i = 0; i < f->q.n; i++) {
		const struct query_source *s = &f->q.sources[i];

		f->places[i] = (struct feed_place){s->log, s->mapping, query_position(&f->q, s)};
	}
}

int
feed_begin(struct feed *f, const struct feed_start *start, struct kit *kit)
{
	struct query *q = &f->q;
	int err;

	q->form = QUERY_EVENTS;
	q->limit = LIMIT_TAIL_ROWS;
	q->page_bytes = LIMIT_TAIL_PAGE_BYTES;
	q->horizon = store_next_log_id(q->server->store);
	err = query_choose(q);
	if (err == 0)
		err = place(q, start, kit);
	if (err == 0)
		err = query_prepare(q);
	f->spare = arena_alloc(q->memory, LIMIT_QUERY_LOGS * sizeof *f->spare);
	f->newest = piece_new(f->server, slice_of(NULL, 0), 0);
	if (err == 0 && (!f->spare || !f->newest))
		err = STELE_ENOMEM;
	if (err != 0)
		return err;
	remember_places(f);
	tail_id_put(q, NULL, NULL, &f->position);
	f->heard = f->more = true;
	return f->position.err;
}

/* --- a round --------------------------------------------------------------------------------- */

static struct query_source *
find_source(struct query_source *s, size_t n, const struct log *log)
{
	for (size_t i = 0; i < n; i++)
		if (s[i].log == log)
			return &s[i];
	return NULL;
}

/* Logs may have been born: those that are asked for are looked through from their begin. */
static int
choose_again(struct feed *f, uint64_t horizon)
{
	struct query *q = &f->q;
	struct query_source *old = q->sources;
	size_t n = q->n;
	int err;

	q->sources = f->spare;
	err = query_choose(q);
	if (err != 0) {
		q->sources = old;
		q->n = n;
		return err;
	}
	f->spare = old;
	q->horizon = horizon;
	for (size_t i = 0; i < q->n; i++) {
		struct query_source *was = find_source(old, n, q->sources[i].log);

		if (was)
			q->sources[i] = *was;
	}
	return query_make_room(q);
}

static const struct feed_place *
find_place(const struct feed_place *places, size_t n, const struct log *log)
{
	for (size_t i = 0; i < n; i++)
		if (places[i].log == log)
			return &places[i];
	return NULL;
}

/* How far this round may look: as far as the logs are released, or as it aims. */
static int
pin(struct feed *f)
{
	uint64_t horizon = store_next_log_id(f->server->store);
	int err = horizon != f->q.horizon ? choose_again(f, horizon) : 0;

	for (size_t i = 0; err == 0 && i < f->q.n; i++) {
		struct query_source *s = &f->q.sources[i];
		const struct feed_place *to = find_place(f->aim, f->n_aim, s->log);
		struct head *head = log_head(s->log);

		s->size = !f->anchor ? head->size : to ? to->next : s->next;
		head_unref(head);
	}
	return err;
}

/* What could not be judged in this round, if anything: before its rows, so that who is cut off
 * between them hears it again rather than never. */
static void
put_status(struct buf *b, const struct query_totals *was, const struct query_totals *t)
{
	uint64_t unparsed = t->unparsed - was->unparsed, purged = t->purged - was->purged,
		 restricted = t->restricted - was->restricted,
		 unreadable = t->unreadable - was->unreadable;

	if (unparsed + purged + restricted + unreadable == 0)
		return;
	buf_printf(b,
		   "event: status\ndata: {\"unparsed\":%llu,\"purged\":%llu,\"restricted\":%llu,"
		   "\"unreadable\":%llu}\n\n",
		   (unsigned long long)unparsed, (unsigned long long)purged,
		   (unsigned long long)restricted, (unsigned long long)unreadable);
}

static int
make_piece(struct feed *f, const struct query_totals *was)
{
	struct buf *b = &f->text;
	size_t at;

	buf_reset(b);
	at = reply_chunk_begin(b);
	put_status(b, was, &f->q.totals);
	buf_put_slice(b, buf_slice(&f->q.rows));
	if (b->n == at + REPLY_CHUNK_HEAD)
		return b->err;
	if (f->q.rows_n == 0) {
		buf_put_str(b, "id: ");
		buf_put_slice(b, buf_slice(&f->id));
		buf_put_str(b, "\n\n");
	}
	reply_chunk_end(b, at);
	f->made = b->err ? NULL : piece_new(f->server, buf_slice(b), f->q.rows_n);
	return f->made ? 0 : STELE_ENOMEM;
}

/* Gives back what a large record or page took. */
static void
shrink(struct feed *f)
{
	if (f->q.arena.used_bytes > KEPT_BYTES)
		arena_fini(&f->q.arena);
	if (f->q.rows.cap > KEPT_BYTES)
		buf_fini(&f->q.rows);
	if (f->text.cap > KEPT_BYTES)
		buf_fini(&f->text);
	for (size_t i = 0; f->q.done && i < f->q.n; i++)
		query_view_fini(&f->q.sources[i].view); /* what comes now has no index yet */
}

void
feed_round(struct feed *f, struct kit *kit)
{
	struct query_totals was = f->q.totals;
	struct query *q = &f->q;
	int err = pin(f);

	buf_reset(&q->rows);
	q->rows_n = 0;
	q->full = q->done = false;
	if (err == 0)
		err = query_step(q, kit);
	buf_reset(&f->id);
	if (err >= 0)
		tail_id_put(q, NULL, NULL, &f->id);
	if (err >= 0)
		err = f->id.err ? f->id.err : make_piece(f, &was);
	f->err = err;
	shrink(f);
}

bool
feed_settle(struct feed *f)
{
	struct piece *p = f->made;
	struct buf id = f->position;

	remember_places(f);
	f->more = !f->q.done;
	f->position = f->id;
	f->id = id;
	f->made = NULL;
	if (!p)
		return false;
	p->end = f->newest->end + p->n;
	f->newest->next = piece_ref(p); /* one for the list, one that it is the newest */
	piece_unref(f->newest);
	f->newest = p;
	return true;
}

/* --- where they are ----------------------------------------------------------------------------
 */

bool
feed_has_news(const struct feed *f)
{
	bool news = store_next_log_id(f->server->store) != f->horizon;

	for (size_t i = 0; !news && i < f->n_places; i++) {
		struct head *head = log_head((struct log *)(uintptr_t)f->places[i].log);

		news = head->size > f->places[i].next;
		head_unref(head);
	}
	return news;
}

/* A certificate's token is made anew for each connection, and may what its principal may. */
static bool
same_rights(const struct token *a, const struct token *b)
{
	return a == b || (a->principal == b->principal && strcmp(a->id, b->id) == 0 &&
			  !a->narrowed.scopes && !b->narrowed.scopes);
}

/* Each log goes on to be read by the schemas of when a feed chose it: others may be in force since.
 */
static bool
same_mappings(const struct feed *a, const struct feed *b)
{
	for (size_t i = 0; i < b->n_places; i++) {
		const struct feed_place *there = &b->places[i],
					*here = find_place(a->places, a->n_places, there->log);

		if (here && here->mapping != there->mapping)
			return false;
	}
	return true;
}

bool
feed_same(const struct feed *a, const struct feed *b)
{
	return same_rights(a->token, b->token) && a->q.summary == b->q.summary &&
	       slice_eq(a->q.logs, b->q.logs) && slice_eq(a->q.text, b->q.text) &&
	       same_mappings(a, b);
}

enum feed_order
feed_compare(const struct feed *a, const struct feed *b)
{
	enum feed_order order = a->n_places > b->n_places ? FEED_AHEAD : FEED_EQUAL;

	for (size_t i = 0; i < b->n_places; i++) {
		const struct feed_place *there = &b->places[i],
					*here = find_place(a->places, a->n_places, there->log);

		if (!here)
			return FEED_OTHER;
		if (here->next > there->next)
			order = FEED_AHEAD;
		else if (here->next < there->next && order == FEED_EQUAL)
			order = FEED_BEHIND;
	}
	return order;
}

void
feed_aim(struct feed *a, const struct feed *b)
{
	feed_let_go(a);
	a->anchor = piece_ref(b->newest);
	a->anchor_feed = b->number;
	a->n_aim = b->n_places;
	memcpy(a->aim, b->places, b->n_places * sizeof *b->places);
}

bool
feed_is_aimed_at(const struct feed *shared, const struct feed *list)
{
	for (; list; list = list->next)
		if (list->anchor && list->anchor_feed == shared->number &&
		    list->anchor != shared->newest)
			return true;
	return false;
}

void
feed_let_go(struct feed *f)
{
	piece_unref(f->anchor);
	f->anchor = NULL;
	f->n_aim = 0;
}
