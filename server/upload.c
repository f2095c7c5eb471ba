/*
 * In the order it runs: begin, pieces, the end, what becomes of it; then the
 * table. Everything here runs on the loop of the request but `work`.
 */
#include "server/upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "proto/check.h"
#include "proto/err.h"
#include "server/append_read.h"
#include "server/conn.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/server.h"
#include "server/access.h"
#include "storage/deposit.h"
#include "storage/log.h"

/* What is left to do for its files: apart from the upload, whose id is good again meanwhile. */
struct upload_ending {
	uv_work_t work;
	struct deposit *deposit;
	enum upload_fate fate;
};

/* --- memory --------------------------------------------------------------------------- */

/* Takes bytes from the budget of large bodies; false when there is no more. */
static bool
charge(struct upload *u, uint64_t bytes)
{
	struct http_budget *b = &u->server->bodies;

	if (atomic_fetch_add(&b->used_bytes, bytes) + bytes > b->max_bytes) {
		atomic_fetch_sub(&b->used_bytes, bytes);
		return false;
	}
	u->charged_bytes += bytes;
	return true;
}

static void
give_back(struct upload *u, uint64_t bytes)
{
	u->charged_bytes -= bytes;
	atomic_fetch_sub(&u->server->bodies.used_bytes, bytes);
}

static bool
open_windows(struct upload *u)
{
	if (!charge(u, 2ull * UPLOAD_WINDOW_BYTES))
		return false;
	u->window[0] = malloc(UPLOAD_WINDOW_BYTES);
	u->window[1] = malloc(UPLOAD_WINDOW_BYTES);
	u->filling = 0;
	return u->window[0] && u->window[1];
}

static void
close_windows(struct upload *u)
{
	if (u->charged_bytes >= 2ull * UPLOAD_WINDOW_BYTES)
		give_back(u, 2ull * UPLOAD_WINDOW_BYTES);
	free(u->window[0]);
	free(u->window[1]);
	u->window[0] = u->window[1] = NULL;
}

static void
free_upload(struct upload *u)
{
	close_windows(u);
	give_back(u, u->charged_bytes);
	free(u->gathered);
	free(u->ending);
	free(u);
}

/* --- the table -------------------------------------------------------------------------- */

void
upload_table_init(struct upload_table *t, uint64_t timeout_ms)
{
	pthread_mutex_init(&t->lock, NULL);
	t->all = NULL;
	t->n = 0;
	t->max = LIMIT_UPLOADS;
	t->timeout_ms = timeout_ms;
}

/* Takes it off the list; the lock is held. */
static void
unlist(struct upload_table *t, struct upload *u)
{
	if (u->prev_upload)
		u->prev_upload->next_upload = u->next_upload;
	else
		t->all = u->next_upload;
	if (u->next_upload)
		u->next_upload->prev_upload = u->prev_upload;
	t->n--;
}

void
upload_table_fini(struct upload_table *t)
{
	struct upload *u;

	while ((u = t->all)) {
		CHECK(!u->taken);
		unlist(t, u);
		deposit_drop(u->deposit);
		free_upload(u);
	}
	pthread_mutex_destroy(&t->lock);
}

/* The oldest one that is done goes when the table is full; the lock is held. */
static struct upload *
make_room(struct upload_table *t)
{
	struct upload *oldest = NULL;

	if (t->n < t->max)
		return NULL;
	for (struct upload *u = t->all; u; u = u->next_upload) {
		if (u->done && !u->taken && (!oldest || u->idle_since_ms < oldest->idle_since_ms))
			oldest = u;
	}
	if (oldest)
		unlist(t, oldest);
	return oldest;
}

static bool
enlist(struct upload *u)
{
	struct upload_table *t = &u->server->uploads;
	struct upload *gone;
	bool room;

	pthread_mutex_lock(&t->lock);
	gone = make_room(t);
	room = t->n < t->max;
	if (room) {
		u->next_upload = t->all;
		if (t->all)
			t->all->prev_upload = u;
		t->all = u;
		t->n++;
	}
	pthread_mutex_unlock(&t->lock);
	if (gone)
		free_upload(gone);
	return room;
}

int
upload_take(struct request *r, struct slice id, struct upload **out)
{
	struct upload_table *t = &r->server->uploads;
	int err = STELE_ENOTFOUND;

	pthread_mutex_lock(&t->lock);
	for (struct upload *u = t->all; u; u = u->next_upload) {
		if (u->log != r->log || !slice_eq_str(id, u->id) ||
		    strcmp(u->writer, r->token->principal->id) != 0)
			continue;
		err = u->taken ? STELE_EBUSY : 0;
		if (err == 0) {
			u->taken = true;
			*out = u;
		}
		break;
	}
	pthread_mutex_unlock(&t->lock);
	return err;
}

void
upload_release(struct upload *u)
{
	struct upload_table *t = &u->server->uploads;

	pthread_mutex_lock(&t->lock);
	u->taken = false;
	u->idle_since_ms = uv_hrtime() / 1000000;
	pthread_mutex_unlock(&t->lock);
}

void
upload_cancel(struct upload *u)
{
	struct upload_table *t = &u->server->uploads;

	pthread_mutex_lock(&t->lock);
	unlist(t, u);
	pthread_mutex_unlock(&t->lock);
	deposit_drop(u->deposit);
	free_upload(u);
}

/* --- begin -------------------------------------------------------------------------------- */

static void
attach(struct request *r, struct upload *u)
{
	u->r = r;
	u->loop = r->loop;
	u->next = NULL;
	r->upload = u;
	r->piece = upload_piece;
}

bool
upload_attach(struct request *r, struct upload *u)
{
	if (!open_windows(u)) {
		close_windows(u);
		upload_release(u);
		reply_err(r, STELE_EBUSY);
		return false;
	}
	attach(r, u);
	return true;
}

static void
fill(struct upload *u, struct request *r, const struct append *a)
{
	uint8_t id[OBJECT_ID_BYTES];

	random_bytes(id, sizeof id);
	object_name(u->id, id);
	u->server = r->server;
	u->log = r->log;
	u->hold = a->hold;
	snprintf(u->writer, sizeof u->writer, "%s", r->token->principal->id);
	CHECK(a->type.n < sizeof u->type);
	memcpy(u->type, a->type.p, a->type.n);
	u->json = a->json;
	u->wish = a->wish;
	u->has_key = a->key.n > 0;
	if (u->has_key)
		log_key_digest(r->log, u->key, 'k', &a->key, 1);
	u->taken = true;
}

struct upload *
upload_begin(struct request *r, const struct append *a, bool resumable, uint64_t length)
{
	struct upload *u = calloc(1, sizeof *u);
	bool room = u != NULL;

	if (u) {
		fill(u, r, a);
		u->resumable = resumable;
		u->length = length;
		u->ending = malloc(sizeof *u->ending);
		room = u->ending && charge(u, UPLOAD_WINDOW_BYTES) && open_windows(u) &&
		       (!resumable || enlist(u));
		if (!room)
			free_upload(u);
	}
	if (!room) {
		reply_problem(r, PROBLEM_OVERLOADED,
			      "Too many uploads at once. Nothing was stored: send it again after "
			      "the time in Retry-After.");
		return NULL;
	}
	attach(r, u);
	return u;
}

uint64_t
upload_offset(const struct upload *u)
{
	if (u->done)
		return u->size;
	return u->deposit ? deposit_size(u->deposit) : 0;
}

/* --- work --------------------------------------------------------------------------------- */

/* Little enough for a record's own block: the object would cost more than it saves. */
bool
upload_is_small(const struct upload *u, struct slice *payload)
{
	return u->deposit && deposit_size(u->deposit) <= LIMIT_BLOCK_BYTES &&
	       deposit_in_memory(u->deposit, payload);
}

/* On a worker: what is due, or the end of it. */
static void
work(uv_work_t *w)
{
	struct upload *u = w->data;
	struct kit *kit = kit_take(&u->server->kits);
	struct slice small;

	if (!kit)
		u->err = u->err ? u->err : STELE_ENOMEM;
	if (u->err == 0 && !u->deposit)
		u->err = deposit_new(&u->deposit, u->server->store, u->log,
				     u->length == UINT64_MAX ? 0 : u->length,
				     LIMIT_OBJECT_CHUNK_BYTES);
	if (u->err == 0 && u->piece.n)
		u->err = deposit_put(u->deposit, u->piece, kit->tools);
	if (u->err == 0 && u->seals && !u->sealed && !upload_is_small(u, &small)) {
		u->err = deposit_seal(u->deposit, kit->tools);
		u->sealed = u->err == 0;
	}
	u->piece = slice_of(NULL, 0);
	if (kit)
		kit_put(&u->server->kits, kit, uv_hrtime() / 1000000);
}

static void go_on_alone(struct upload *u);

static void
worked(uv_work_t *w, int status)
{
	struct upload *u = w->data;
	void (*next)(struct upload * u) = u->next;

	CHECK(status == 0);
	u->busy = false;
	free(u->gathered);
	u->gathered = NULL;
	u->next = NULL;
	if (!u->r)
		go_on_alone(u);
	else if (next)
		next(u);
}

static void
start(struct upload *u, void (*next)(struct upload *u))
{
	u->busy = true;
	u->next = next;
	u->work.data = u;
	CHECK(uv_queue_work(&u->loop->uv, &u->work, work, worked) == 0);
}

/* --- pieces ------------------------------------------------------------------------------- */

static void
refuse(struct upload *u)
{
	struct request *r = u->r;
	int err = u->err;

	upload_settle(r, UPLOAD_DROP, 0);
	reply_err(r, err);
}

static void
give_window(struct upload *u)
{
	u->filling ^= 1;
	http_window(&u->r->http, u->window[u->filling], UPLOAD_WINDOW_BYTES);
	conn_go_on(u->r->conn);
}

static void
begun(struct upload *u)
{
	if (u->err)
		refuse(u);
	else
		give_window(u);
}

/* The request stands at STEP_PIECE. */
static void
feed(struct upload *u)
{
	if (u->busy) {
		u->next = feed;
		return;
	}
	if (u->err) {
		refuse(u);
		return;
	}
	u->piece = http_piece(&u->r->http, &u->gathered);
	if (!u->deposit) { /* whether it can be written at all is known before more is read */
		start(u, begun);
	} else {
		start(u, NULL);
		give_window(u);
	}
}

void
upload_piece(struct request *r)
{
	feed(r->upload);
}

/* --- the end ------------------------------------------------------------------------------- */

static void
ended(struct upload *u)
{
	if (u->err)
		refuse(u);
	else
		u->r->then(u->r);
}

static void
finish(struct upload *u)
{
	if (u->busy) {
		u->next = finish;
		return;
	}
	u->piece = u->r->http.body;
	u->seals = u->completes;
	start(u, ended);
}

void
upload_end(struct request *r)
{
	finish(r->upload);
}

/* --- what becomes of it --------------------------------------------------------------------- */

/* On a worker: the files go, or stay. */
static void
conclude(uv_work_t *w)
{
	struct upload_ending *e = w->data;

	if (e->fate == UPLOAD_KEEP)
		deposit_keep(e->deposit);
	else if (e->fate == UPLOAD_LEAVE)
		deposit_leave(e->deposit);
	else
		deposit_drop(e->deposit);
}

static void
concluded(uv_work_t *w, int status)
{
	CHECK(status == 0);
	free(w->data);
}

/* Its files, to a worker; the upload has none then. */
static void
end_deposit(struct upload *u, struct loop *l)
{
	struct upload_ending *e = u->ending;

	if (!u->deposit)
		return;
	*e = (struct upload_ending){.deposit = u->deposit, .fate = u->fate};
	u->ending = NULL;
	u->deposit = NULL;
	e->work.data = e;
	CHECK(uv_queue_work(&l->uv, &e->work, conclude, concluded) == 0);
}

/* Without a request: writes what the connection left behind, then waits, or ends. */
static void
go_on_alone(struct upload *u)
{
	struct upload_table *t = &u->server->uploads;

	u->seals = false; /* what is written now is no request's last piece */
	if (u->fate == UPLOAD_STAYS && u->left_n && !u->err) {
		u->piece = slice_of(u->window[u->filling], u->left_n);
		u->left_n = 0;
		start(u, NULL);
		return;
	}
	close_windows(u);
	if (u->fate == UPLOAD_STAYS && !u->err) {
		upload_release(u);
		return;
	}
	if (u->fate == UPLOAD_STAYS)
		u->fate = UPLOAD_DROP;
	if (u->resumable && !u->done) {
		pthread_mutex_lock(&t->lock);
		unlist(t, u);
		pthread_mutex_unlock(&t->lock);
	}
	give_back(u, u->charged_bytes);
	end_deposit(u, u->loop);
	if (u->done)
		upload_release(u);
	else
		free_upload(u);
}

static void
detach(struct request *r, enum upload_fate fate)
{
	struct upload *u = r->upload;

	r->upload = NULL;
	u->r = NULL;
	u->next = NULL;
	u->fate = fate;
	if (!u->busy)
		go_on_alone(u);
}

void
upload_settle(struct request *r, enum upload_fate fate, uint64_t index)
{
	struct upload *u = r->upload;

	CHECK(!u->busy && (fate != UPLOAD_STAYS || u->resumable));
	u->left_n = 0;
	if (u->resumable && u->err == 0 && u->completes &&
	    (fate == UPLOAD_KEEP || (fate == UPLOAD_DROP && index))) {
		pthread_mutex_lock(&u->server->uploads.lock);
		u->size = deposit_size(u->deposit);
		u->index = index;
		u->done = true;
		pthread_mutex_unlock(&u->server->uploads.lock);
	}
	detach(r, fate);
}

void
upload_abandon(struct request *r)
{
	struct upload *u = r->upload;

	/* What lies in the window came in order: a client that resumes need not send it again. */
	u->left_n =
		r->http.streaming && r->http.window == u->window[u->filling] ? r->http.window_n : 0;
	detach(r, u->resumable ? UPLOAD_STAYS : UPLOAD_DROP);
}

void
upload_sweep(struct loop *l)
{
	struct upload_table *t = &l->server->uploads;
	uint64_t now_ms = uv_hrtime() / 1000000;
	struct upload *u, *next, *old = NULL;

	pthread_mutex_lock(&t->lock);
	for (u = t->all; u; u = next) {
		next = u->next_upload;
		if (u->taken || now_ms - u->idle_since_ms < t->timeout_ms)
			continue;
		unlist(t, u);
		u->taken = true;
		u->next_upload = old;
		old = u;
	}
	pthread_mutex_unlock(&t->lock);
	for (u = old; u; u = next) {
		next = u->next_upload;
		u->fate = UPLOAD_DROP;
		end_deposit(u, l);
		free_upload(u);
	}
}
