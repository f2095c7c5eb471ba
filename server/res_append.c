/*
 * Append: read (here, or on a worker when there is much), submit, answer. A
 * key that may repeat takes one more turn on a worker.
 */
#include "proto/entry.h"
#include "proto/err.h"
#include "server/append_read.h"
#include "server/audit.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/receipt.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/retention.h"
#include "server/server.h"
#include "server/upload.h"
#include "server/witnesses.h"
#include "storage/append.h"
#include "storage/log.h"

/* An escaped entry, forty hashes, an escaped checkpoint and the salt stay below 4 KiB. */
_Static_assert((uint64_t)LIMIT_PROOF_ALL_RECORDS * 4096 <= LIMIT_SOCKET_OUT_BYTES, "receipts");

static void after_commit(struct request *r);

/* The holds that its records are to be under from the first moment on. */
static struct append_hold *
hold_of(struct request *r)
{
	struct append *a = r->state;

	return r->upload ? &r->upload->hold : &a->hold;
}

static void
refuse(struct request *r, const struct append *a)
{
	struct buf *b = reply_problem_begin(r, a->problem, "%s", a->detail);

	if (a->line && a->form == APPEND_EVENTS)
		buf_printf(b, ",\"event\":%llu", (unsigned long long)a->line);
	else if (a->line)
		buf_printf(b, ",\"line\":%llu,\"offset\":%llu", (unsigned long long)a->line,
			   (unsigned long long)a->offset);
	if (a->limit)
		buf_printf(b, ",\"limit\":%llu", (unsigned long long)a->limit);
	reply_problem_end(r);
}

static void
put_receipt(struct request *r, struct buf *b, size_t i)
{
	const struct append_receipt *got = &r->job.receipts[i];
	struct receipt receipt = {
		.log = r->log,
		.index = r->job.items[i].index,
		.time_ns = r->job.time_ns,
		.entry = got->entry,
		.salt = r->job.items[i].salt,
		.proof = got->proof,
		.n_proof = got->n_proof,
		.head = r->job.head,
	};
	char scratch[LIMIT_ENTRY_BYTES];
	struct entry entry;

	if (got->entry.n == 0) { /* stored before, beside new ones: its receipt is one GET away */
		buf_put_str(b, "{\"index\":");
		buf_put_dec(b, receipt.index);
		buf_put_str(b, ",\"duplicate\":true}");
		return;
	}
	if (r->job.items[i].state == APPEND_DUPLICATE &&
	    entry_read(&entry, got->entry, scratch) == 0)
		receipt.time_ns = entry.time_ns;
	receipt_put(b, &receipt);
	buf_put_u8(b, '}');
}

static void
put_one(struct request *r, const struct append *a, struct buf *b)
{
	if (!a->minimal) {
		put_receipt(r, b, 0);
		return;
	}
	buf_put_str(b, "{\"index\":");
	buf_put_dec(b, r->job.first);
	buf_put_u8(b, ',');
	receipt_put_time(b, r->job.time_ns);
	buf_put_u8(b, '}');
}

static void
put_batch(struct request *r, const struct append *a, struct buf *b)
{
	const char *comma = "";
	size_t i;

	buf_put_str(b, "{\"log\":\"");
	buf_put_str(b, log_name(r->log));
	buf_put_str(b, "\",\"first\":");
	buf_put_dec(b, r->job.first);
	buf_put_str(b, ",\"last\":");
	buf_put_dec(b, r->job.last);
	buf_put_str(b, ",\"count\":");
	buf_put_dec(b, r->job.n_items);
	buf_put_str(b, ",\"duplicates\":[");
	for (i = 0; i < r->job.n_items; i++) {
		if (r->job.items[i].state != APPEND_DUPLICATE)
			continue;
		buf_put_str(b, comma);
		buf_put_dec(b, r->job.items[i].index);
		comma = ",";
	}
	buf_put_u8(b, ']');
	if (a->minimal) {
		buf_put_u8(b, ',');
		receipt_put_time(b, r->job.time_ns);
	} else {
		buf_put_str(b, ",\"checkpoint\":");
		buf_put_json_str(b, slice_of(r->job.head->note, r->job.head->note_len));
	}
	if (a->proofs) {
		buf_put_str(b, ",\"receipts\":[");
		for (i = 0; i < r->job.n_items; i++) {
			buf_put_str(b, i ? "," : "");
			put_receipt(r, b, i);
		}
		buf_put_u8(b, ']');
	}
	buf_put_u8(b, '}');
}

/* The record is there: with it its object, unless it was there before or is in the record. */
static void
settle(struct request *r)
{
	const struct append_item *item = &r->job.items[0];

	upload_settle(r,
		      item->object && item->state != APPEND_DUPLICATE ? UPLOAD_KEEP : UPLOAD_DROP,
		      item->index);
}

static void
answer(struct request *r)
{
	const struct append *a = r->state;
	struct buf *b;

	reply_begin(r, 201, "application/json");
	if (a->minimal)
		reply_header(r, "Preference-Applied", "return=minimal");
	if (!a->batch && r->job.items[0].state == APPEND_DUPLICATE)
		reply_header(r, "Idempotent-Replayed", "true");
	if (r->upload && r->upload->json)
		reply_header(r, "Stele-Validated", "false");
	if (r->upload)
		settle(r);
	b = reply_body(r);
	if (a->batch)
		put_batch(r, a, b);
	else
		put_one(r, a, b);
	reply_end(r);
}

/* --- witnesses ------------------------------------------------------------------------ */

static void
after_waiting(struct request *r)
{
	const struct append *a = r->state;

	if (a->wait.cosigned) {
		answer(r);
		return;
	}
	if (r->upload)
		settle(r);
	reply_problem(
		r, PROBLEM_NOT_COSIGNED,
		"It is stored, up to index %llu, but no checkpoint that covers it has the quorum of "
		"witnesses yet. Send it again with the same Idempotency-Key: nothing is stored "
		"twice, and the answer comes when there is one.",
		(unsigned long long)r->job.last);
}

/* It is stored: the answer follows, when witnesses need not be waited for. */
static void
acknowledge(struct request *r)
{
	struct append *a = r->state;

	r->then = after_waiting;
	if (!witnesses_wait(r->server->witnesses, r, r->job.last + 1, &a->wait))
		answer(r);
}

/* False: answered, clients may not append to the log now. */
static bool
may_append(struct request *r)
{
	enum witness_answer a = witnesses_may_append(r->server->witnesses, r->log);

	if (a == WITNESS_NEWEST)
		return true;
	if (r->upload)
		upload_settle(r, r->upload->resumable ? UPLOAD_STAYS : UPLOAD_DROP, 0);
	witness_refuse(r, a);
	return false;
}

/* --- a key that is known ------------------------------------------------------------ */

static void
resolve(struct request *r, struct kit *kit)
{
	struct append *a = r->state;
	size_t bad = 0;

	r->job.err = append_resolve(r->server->store, &r->job, kit->tools, &bad);
	a->line = bad + 1;
}

/* Nothing was written, because of the holds that it is to be under. */
static bool
refuse_hold(struct request *r)
{
	const struct append_hold *h = hold_of(r);

	if (r->job.err == 0 || h->problem == PROBLEM_NONE)
		return false;
	if (r->upload)
		upload_settle(r, UPLOAD_DROP, 0);
	reply_problem(r, h->problem, "%s", h->detail);
	return true;
}

/* The policy does not allow it, and will not when it is asked again. */
static void
refuse_by_policy(struct request *r)
{
	struct append *a = r->state;
	struct wish wish = r->upload ? r->upload->wish : a->wish;
	int err = r->job.err;

	if (r->upload)
		upload_settle(r, UPLOAD_DROP, 0);
	if (err == STELE_EQUOTA)
		wish_refuse_quota(r);
	else
		wish_refuse(r, &wish);
}

/* An upload that can be asked for again stays; one whose commit may yet be found is left. */
static void
refuse_job(struct request *r)
{
	int err = r->job.err;

	if (refuse_hold(r))
		return;
	if (err == STELE_EQUOTA || err == STELE_EPERM || err == STELE_ELIMIT) {
		refuse_by_policy(r);
		return;
	}
	if (r->upload && (err == STELE_EREADONLY || err == STELE_EIO))
		upload_settle(r, UPLOAD_LEAVE, 0);
	else if (r->upload)
		upload_settle(r, r->upload->resumable ? UPLOAD_STAYS : UPLOAD_DROP, 0);
	reply_err(r, err);
}

static void
after_resolve(struct request *r)
{
	struct append *a = r->state;
	struct buf *b;

	switch (r->job.err) {
	case 0:
		res_append_submit(r);
		return;
	case 1:
		if (hold_of(r)->n)
			res_append_submit(r);
		else
			acknowledge(r);
		return;
	case STELE_ECONFLICT:
		if (r->upload)
			upload_settle(r, UPLOAD_DROP, 0);
		b = reply_problem_begin(
			r, PROBLEM_IDEMPOTENCY_CONFLICT,
			"The key belongs to a record with another payload, or with a lock that "
			"ends sooner than this asks for, at \"index\". Nothing was stored: use a "
			"new key for new data, an extension for a longer lock.");
		buf_printf(b, ",\"index\":%llu",
			   (unsigned long long)r->job.items[a->line - 1].index);
		if (a->batch)
			buf_printf(b, ",\"record\":%llu", (unsigned long long)a->line);
		reply_problem_end(r);
		return;
	default:
		refuse_job(r);
	}
}

static void
after_commit(struct request *r)
{
	if (r->job.err == 0) {
		acknowledge(r);
	} else if (r->job.err == STELE_EDUPLICATE) {
		r->work = resolve;
		r->then = after_resolve;
		loop_work(r);
	} else {
		refuse_job(r);
	}
}

static void
write_held(struct request *r, struct kit *kit)
{
	append_hold_write(r, hold_of(r), kit);
}

static void
submit_job(struct request *r)
{
	r->then = after_commit;
	if (hold_of(r)->n) {
		r->work = write_held;
		loop_work(r);
	} else {
		loop_submit(r);
	}
}

/* --- a lock that is longer than the audit trail's ------------------------------------- */

static void
keep_trail(struct request *r, struct kit *kit)
{
	r->job.err = audit_keep(r->server->audit, r->job.wish, kit);
}

static void
after_keeping(struct request *r)
{
	if (r->job.err == 0)
		submit_job(r);
	else
		refuse_job(r);
}

/* Whether the policy offers it, as far as can be said before the writer looks. */
static bool
is_offered(struct request *r)
{
	struct policy_lock lock;

	return policy_lock(log_policy(r->log), r->job.wish, retention_later_ns(r->server, r->log),
			   &lock, NULL) == 0;
}

void
res_append_submit(struct request *r)
{
	if (!may_append(r))
		return;
	if (audit_keeps(r->server->audit, r->job.wish) || !is_offered(r)) {
		submit_job(r);
		return;
	}
	r->work = keep_trail;
	r->then = after_keeping;
	loop_work(r);
}

/* --- the request --------------------------------------------------------------------- */

static void
submit(struct request *r)
{
	const struct append *a = r->state;

	if (a->problem) {
		refuse(r, a);
		return;
	}
	res_append_submit(r);
}

static void
read_body(struct request *r, struct kit *kit)
{
	append_read_body(r, r->state, kit);
}

void
res_append_post(struct request *r)
{
	struct append *a = r->state;

	if (r->upload) {
		res_upload_body(r);
		return;
	}
	if (!a) {
		a = arena_alloc(&r->arena, sizeof *a);
		if (!a) {
			reply_err(r, STELE_ENOMEM);
			return;
		}
		if (!append_read_head(r, a))
			return;
		r->state = a;
	}
	if (r->http.body.n <= LIMIT_INLINE_BYTES && a->coding == CODING_NONE) {
		append_read_body(r, a, r->loop->kit);
		submit(r);
		return;
	}
	r->work = read_body;
	r->then = submit;
	loop_work(r);
}
