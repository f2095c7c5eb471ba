/*
 * Proofs of inclusion and consistency, as JSON or C2SP texts. What memory
 * knows is answered at once, the rest by a worker.
 */
#include "proto/err.h"
#include "proto/proof.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "server/access.h"
#include "storage/read.h"

struct proving {
	uint64_t from, to; /* index and size, or the two sizes */
	bool text;
	int err;
	struct head *head; /* counted: the newest when the request came */
	struct proof proof;
	struct record record; /* with text only */
};

static const char tlog_proof_type[] = "text/plain; charset=utf-8";

/* The checkpoint belongs to an answer about the tree that it signs. */
static void
put_checkpoint(struct buf *b, const struct proving *g)
{
	if (g->to != g->head->size)
		return;
	buf_put_str(b, ",\"checkpoint\":");
	buf_put_json_str(b, slice_of(g->head->note, g->head->note_len));
}

static void
refuse(struct request *r, const struct proving *g)
{
	if (g->err == STELE_EINVAL)
		reply_problem(
			r, PROBLEM_INVALID_PARAMETER,
			"The log's size is %llu. An index must be below the size, from at least 1 "
			"and not above to, and no size above the log's.",
			(unsigned long long)g->head->size);
	else if (g->err == STELE_EGONE)
		reply_problem(r, PROBLEM_PURGED,
			      "The text form holds the record's salt, which was purged with its "
			      "payload: ask for application/json.");
	else
		reply_err(r, g->err);
}

static struct proving *
start(struct request *r)
{
	struct proving *g = arena_alloc(&r->arena, sizeof *g);

	if (!g) {
		reply_err(r, STELE_ENOMEM);
		return NULL;
	}
	g->err = 0;
	g->text = request_accepts(r, "text/plain") || request_accepts(r, "application/tlog-proof");
	g->head = NULL;
	r->state = g;
	return g;
}

/* Answers, then drops the head: in this order, since the answer ends the request. */
static void
finish(struct request *r, void (*reply)(struct request *))
{
	struct head *head = ((struct proving *)r->state)->head;

	reply(r);
	head_unref(head);
}

/* --- inclusion ------------------------------------------------------------------------ */

static void
inclusion_text(struct request *r, const struct proving *g)
{
	struct proof_text *t = arena_alloc(&r->arena, sizeof *t);

	if (!t) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	t->entry_n = g->record.text.n;
	memcpy(t->entry, g->record.text.p, g->record.text.n);
	memcpy(t->salt, g->record.salt, sizeof t->salt);
	t->index = g->from;
	t->n_hashes = g->proof.n;
	memcpy(t->hashes, g->proof.hash, g->proof.n * 32);
	t->checkpoint = slice_of(g->head->note, g->head->note_len);
	reply_begin(r, 200, tlog_proof_type);
	if (proof_text_put(reply_body(r), t) != 0)
		r->out.err = STELE_ENOMEM;
	reply_end(r);
}

static void
inclusion_reply(struct request *r)
{
	const struct proving *g = r->state;
	struct buf *b;

	if (g->err) {
		refuse(r, g);
		return;
	}
	if (g->text) {
		inclusion_text(r, g);
		return;
	}
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"log\":\"%s\",\"index\":%llu,\"size\":%llu,\"proof\":", log_name(r->log),
		   (unsigned long long)g->from, (unsigned long long)g->to);
	proof_put_json(b, g->proof.hash, g->proof.n);
	put_checkpoint(b, g);
	buf_put_u8(b, '}');
	reply_end(r);
}

static void
inclusion_then(struct request *r)
{
	finish(r, inclusion_reply);
}

static void
inclusion_work(struct request *r, struct kit *kit)
{
	struct proving *g = r->state;

	g->err = read_inclusion(r->server->store, r->log, g->from, g->to, kit->tools, &g->proof);
	if (!g->err && g->text)
		g->err = read_record(r->server->store, r->log, g->from, kit->tools, &r->arena,
				     &g->record);
}

/*
 * The text holds the salt, which together with a guess reveals a payload: it
 * needs the scope read.
 */
static bool
may_have_salt(struct request *r)
{
	if (r->token && token_may(r->token, SCOPE_READ, r->param[0]))
		return true;
	if (!r->token)
		reply_problem(r, PROBLEM_UNAUTHORIZED,
			      "The text form holds the record's salt: send a token with the scope "
			      "read, or ask for application/json.");
	else
		reply_problem(r, PROBLEM_INSUFFICIENT_SCOPE,
			      "The text form holds the record's salt and needs the scope read; "
			      "ask for application/json instead.");
	return false;
}

void
res_proofs_inclusion(struct request *r)
{
	struct proving *g = start(r);
	int found, sized;

	if (!g)
		return;
	found = request_query_number(r, "index", &g->from);
	if (found < 0)
		return;
	if (found == 0) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "Say which record: ?index=N.");
		return;
	}
	sized = request_query_number(r, "size", &g->to);
	if (sized < 0)
		return;
	if (g->text && !may_have_salt(r))
		return;
	g->head = log_head(r->log);
	if (!sized)
		g->to = g->head->size;
	if (g->text && g->to != g->head->size) {
		head_unref(g->head);
		reply_problem(r, PROBLEM_NOT_ACCEPTABLE,
			      "The text form needs a checkpoint, and only the newest size has one: "
			      "leave out size, or ask for application/json.");
		return;
	}
	r->work = inclusion_work;
	r->then = inclusion_then;
	if (!g->text) {
		g->err = read_inclusion_cached(r->server->store, r->log, g->from, g->to,
					       r->loop->kit->tools, &g->proof);
		if (g->err != STELE_EBUSY) {
			inclusion_then(r);
			return;
		}
	}
	loop_work_briefly(r);
}

/* --- consistency ---------------------------------------------------------------------- */

/* As witnesses take it (C2SP tlog-witness, add-checkpoint): old size, hashes, checkpoint. */
static void
consistency_text(struct request *r, const struct proving *g)
{
	struct buf *b;
	size_t i;

	reply_begin(r, 200, "text/plain; charset=utf-8");
	b = reply_body(r);
	buf_printf(b, "old %llu\n", (unsigned long long)g->from);
	for (i = 0; i < g->proof.n; i++) {
		buf_put_base64(b, g->proof.hash[i], 32);
		buf_put_u8(b, '\n');
	}
	buf_put_u8(b, '\n');
	buf_put(b, g->head->note, g->head->note_len);
	reply_end(r);
}

static void
consistency_reply(struct request *r)
{
	const struct proving *g = r->state;
	struct buf *b;

	if (g->err) {
		refuse(r, g);
		return;
	}
	if (g->text) {
		consistency_text(r, g);
		return;
	}
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"log\":\"%s\",\"from\":%llu,\"to\":%llu,\"proof\":", log_name(r->log),
		   (unsigned long long)g->from, (unsigned long long)g->to);
	proof_put_json(b, g->proof.hash, g->proof.n);
	put_checkpoint(b, g);
	buf_put_u8(b, '}');
	reply_end(r);
}

static void
consistency_then(struct request *r)
{
	finish(r, consistency_reply);
}

static void
consistency_work(struct request *r, struct kit *kit)
{
	struct proving *g = r->state;

	g->err = read_consistency(r->server->store, r->log, g->from, g->to, kit->tools, &g->proof);
}

void
res_proofs_consistency(struct request *r)
{
	struct proving *g = start(r);
	int found, sized;

	if (!g)
		return;
	found = request_query_number(r, "from", &g->from);
	if (found < 0)
		return;
	if (found == 0) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "Say from which size: ?from=N.");
		return;
	}
	sized = request_query_number(r, "to", &g->to);
	if (sized < 0)
		return;
	g->head = log_head(r->log);
	if (!sized)
		g->to = g->head->size;
	if (g->text && g->to != g->head->size) {
		head_unref(g->head);
		reply_problem(r, PROBLEM_NOT_ACCEPTABLE,
			      "The text form needs a checkpoint, and only the newest size has one: "
			      "leave out to, or ask for application/json.");
		return;
	}
	r->work = consistency_work;
	r->then = consistency_then;
	loop_work_briefly(r);
}
