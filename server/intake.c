/*
 * In the order it runs. A round: worker (fill) -> loop (filled) -> writer -> loop (committed) ->
 * the next one. What is on a worker is marked so; all else is on the request's loop.
 */
#include "server/intake.h"

#include <string.h>
#include <strings.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/decode.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/router.h"
#include "server/server.h"
#include "server/vendor.h"
#include "storage/append.h"
#include "storage/deposit.h"
#include "storage/log.h"

static const char json_type[] = "application/json";
static const char octets_type[] = "application/octet-stream";

static void next_round(struct request *r);

void
intake_refuse(struct intake *in, enum problem problem, const char *detail)
{
	in->problem = problem;
	in->detail = detail;
}

/* --- the head -------------------------------------------------------------------------------- */

/* To ignore one would lose a lock. */
static bool
has_stele_field(const struct request *r)
{
	static const char prefix[] = "stele-";
	size_t n = sizeof prefix - 1;

	for (size_t i = 0; i < r->http.n_fields; i++) {
		struct slice name = r->http.fields[i].name;
		if (name.n > n && strncasecmp((const char *)name.p, prefix, n) == 0)
			return true;
	}
	return false;
}

/* --- the body: on a worker ---------------------------------------------------------------------
 */

/*
 * What is no gzip or zstd, or ends early, is taken as it was sent: a mistaken field in front of
 * events that can be read, or bytes that are kept because they may be all that there is.
 */
static int
decode(struct request *r, struct intake *in)
{
	struct slice name = r->http.known[HEADER_CONTENT_ENCODING];
	enum coding coding = CODING_NONE;
	int err = 0;

	in->body = r->http.body;
	if (in->body.n == 0 || !name.p)
		return 0;
	if (decode_coding(&coding, name) != 0) {
		intake_refuse(in, PROBLEM_UNSUPPORTED_ENCODING,
			      "The content encodings are gzip and zstd, one of them at a time.");
		return 0;
	}
	if (coding == CODING_NONE)
		return 0;
	err = decode_body(coding, in->body, LIMIT_VENDOR_BODY_BYTES, &r->decoded);
	if (err == STELE_ELIMIT)
		intake_refuse(in, PROBLEM_BODY_TOO_LARGE,
			      "Decoded, the body exceeds 67108864 bytes or 200 times its size as "
			      "sent; nothing was stored.");
	if (err == STELE_ESYNTAX)
		buf_fini(&r->decoded);
	if (err == STELE_ELIMIT || err == STELE_ESYNTAX)
		return 0;
	if (err == 0 && !http_body_charge(&r->http, r->decoded.cap))
		err = STELE_EBUSY;
	in->body = buf_slice(&r->decoded);
	return err;
}

static int
open_body(struct request *r, struct intake *in, struct kit *kit)
{
	int err = decode(r, in);

	if (err == 0 && in->problem == PROBLEM_NONE && in->body.n == 0)
		intake_refuse(in, PROBLEM_EMPTY_BATCH,
			      "The body is empty: there is nothing to store.");
	if (err == 0 && in->problem == PROBLEM_NONE)
		err = in->open(r, in, kit);
	return err;
}

/* --- a round: on a worker ----------------------------------------------------------------------
 */

/*
 * The bytes count, too: an id may be one that a client of the producer chose, and other bytes under
 * it are another event, which must not be lost.
 */
static void
set_key(struct request *r, struct intake *in, const struct intake_event *e, uint8_t key[16])
{
	uint8_t number[8];
	struct slice parts[INTAKE_ID_PARTS + 2] = {slice_str(vendor_name(in->vendor))};

	if (e->n_id) {
		memcpy(parts + 1, e->id, e->n_id * sizeof *parts);
		parts[e->n_id + 1] = e->payload;
		log_key_digest(r->log, key, 'v', parts, e->n_id + 2);
		return;
	}
	if (!in->has_body_key)
		log_key_digest(r->log, in->body_key, 'w', &in->body, 1);
	in->has_body_key = true;
	le_put64(number, in->number);
	parts[1] = slice_of(in->body_key, sizeof in->body_key);
	parts[2] = slice_of(number, sizeof number);
	log_key_digest(r->log, key, 'p', parts, 3);
}

/* Reads the next event into item: 1, 0 at the end, or an error. */
static int
next_item(struct request *r, struct intake *in, struct kit *kit, struct append_item *item)
{
	struct intake_event e = {.payload = in->body};
	int more = in->whole ? in->number == 0 : in->next(in, kit, &r->job.arena, &e);

	if (more <= 0)
		return more;
	memset(item, 0, sizeof *item);
	item->payload = e.payload;
	item->media_type = e.parsed ? slice_of(json_type, sizeof json_type - 1)
				    : slice_of(octets_type, sizeof octets_type - 1);
	item->has_key = true;
	item->state = APPEND_NEW;
	set_key(r, in, &e, item->key);
	in->number++;
	return 1;
}

static bool
is_unparsed(const struct append_item *item)
{
	return item->media_type.p == (const uint8_t *)octets_type;
}

/* The round's one event becomes an object. */
static int
deposit(struct request *r, struct intake *in, struct kit *kit)
{
	struct append_item *item = r->job.items;
	struct slice payload = item->payload;
	int err = deposit_new(&in->deposit, r->server->store, r->log, payload.n,
			      LIMIT_OBJECT_CHUNK_BYTES);

	if (err == 0)
		err = deposit_put(in->deposit, payload, kit->tools);
	if (err == 0)
		err = deposit_seal(in->deposit, kit->tools);
	if (err == 0)
		deposit_item(in->deposit, item);
	return err;
}

/* Events until there is enough for a commit, or one comes that must be alone in its own. */
static int
gather(struct request *r, struct intake *in, struct kit *kit)
{
	struct append_job *job = &r->job;
	uint64_t bytes = 0;

	job->items = arena_alloc(&job->arena, LIMIT_INTAKE_RECORDS * sizeof *job->items);
	if (!job->items)
		return STELE_ENOMEM;
	while (job->n_items < LIMIT_INTAKE_RECORDS && bytes < LIMIT_INTAKE_BYTES) {
		struct append_item *item = job->items + job->n_items;
		int more = 1;
		if (in->waits)
			*item = *in->wait;
		else
			more = next_item(r, in, kit, item);
		in->waits = false;
		in->ended = more == 0;
		if (more <= 0)
			return more;
		if (item->payload.n > LIMIT_RECORD_BYTES && job->n_items) {
			*in->wait = *item;
			in->waits = true;
			return 0;
		}
		bytes += item->payload.n;
		job->n_items++;
		if (item->payload.n > LIMIT_RECORD_BYTES)
			return deposit(r, in, kit);
	}
	return 0;
}

/* What became of the last round's object. An error after which nobody knows leaves it. */
static void
settle(struct intake *in)
{
	struct deposit *d = in->deposit;

	in->deposit = NULL;
	if (!d)
		return;
	if (in->err == STELE_EIO || in->err == STELE_EREADONLY)
		deposit_leave(d);
	else if (in->stored)
		deposit_keep(d);
	else
		deposit_drop(d);
}

static int
fill(struct request *r, struct intake *in, struct kit *kit)
{
	int err;

	settle(in);
	if (r->has_job)
		append_job_fini(&r->job);
	append_job_init(&r->job);
	r->has_job = true;
	in->stored = false;
	r->job.log = r->log;
	r->job.writer = slice_str(r->token->principal->id);
	err = gather(r, in, kit);
	return err == 0 && r->job.n_items ? append_prepare(&r->job, kit->tools) : err;
}

static void
work_first(struct request *r, struct kit *kit)
{
	struct intake *in = r->state;

	in->err = open_body(r, in, kit);
	if (in->err == 0 && in->problem == PROBLEM_NONE)
		in->err = fill(r, in, kit);
}

static void
work_next(struct request *r, struct kit *kit)
{
	struct intake *in = r->state;

	in->err = fill(r, in, kit);
}

/* --- keys that are known: on a worker -----------------------------------------------------------
 */

/*
 * What was stored and is purged by now was stored. What cannot be compared, or by some accident is
 * another event, is stored again, without its key: twice is better than not at all.
 */
static void
work_resolve(struct request *r, struct kit *kit)
{
	struct append_job *job = &r->job;
	int err;

	for (;;) {
		size_t bad = job->n_items;
		err = append_resolve(r->server->store, job, kit->tools, &bad);
		if (err >= 0)
			break;
		if (bad == job->n_items) { /* all were found; the time of the first was not */
			err = 1;
			break;
		}
		if (err == STELE_EGONE) {
			job->items[bad].state = APPEND_DUPLICATE;
		} else if (err == STELE_EDAMAGED || err == STELE_EVERIFY ||
			   err == STELE_ECONFLICT) {
			job->items[bad].state = APPEND_NEW;
			job->items[bad].has_key = false;
		} else {
			break;
		}
	}
	job->err = err;
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* Says in `_system` where events are that could not be read. */
static void
report(struct request *r, const struct intake *in)
{
	struct buf b;

	if (in->new_unparsed == 0)
		return;
	buf_init(&b);
	buf_printf(&b,
		   "{\"type\":\"intake.unparsed\",\"by\":{\"principal\":\"%s\",\"token\":\"%s\"},",
		   r->token->principal->id, r->token->id);
	buf_printf(&b,
		   "\"path\":\"%s\",\"log\":\"%s\",\"count\":%llu,\"first\":%llu,\"last\":%llu}",
		   vendor_name(in->vendor), log_name(r->log), (unsigned long long)in->new_unparsed,
		   (unsigned long long)in->first_unparsed, (unsigned long long)in->last_unparsed);
	if (b.err == 0)
		audit_event(r->server->audit, buf_slice(&b));
	buf_fini(&b);
}

/* Whatever it is, it is not the sender's fault, and another try may do: 503. */
static void
reply_later(struct request *r, int err)
{
	enum problem p = problem_of_err(err);

	if (problem_status(p) == 503)
		reply_err(r, err);
	else if (err == STELE_EQUOTA)
		reply_problem(
			r, PROBLEM_NOT_READY,
			"The log's quota is used up. Send it again: a larger quota is a change "
			"of the log's policy.");
	else if (err == STELE_ENOSPACE)
		reply_problem(
			r, PROBLEM_NOT_READY,
			"Free disk space is below the limit. Send it again: appends go on when "
			"there is space.");
	else
		reply_problem(r, PROBLEM_NOT_READY,
			      "Not all of it could be stored: %s. Send it again; what is there "
			      "already is not stored twice.",
			      stele_strerror(err));
}

static void
finish(struct request *r)
{
	struct intake *in = r->state;

	report(r, in);
	if (in->problem != PROBLEM_NONE)
		reply_problem(r, in->problem, "%s", in->detail);
	else if (in->err)
		reply_later(r, in->err);
	else
		in->answer(r, in);
}

static void
answer_waited(struct request *r)
{
	struct intake *in = r->state;

	if (in->quorum.cosigned)
		finish(r);
	else
		witness_refuse(r, WITNESS_NOT_YET);
}

/* With --witness-require append nothing is acknowledged that witnesses have not seen. */
static void
finish_seen(struct request *r)
{
	struct intake *in = r->state;

	r->then = answer_waited;
	if (in->err || in->problem != PROBLEM_NONE || in->count == 0 ||
	    !witnesses_wait(r->server->witnesses, r, in->end, &in->quorum))
		finish(r);
}

static void
work_settle(struct request *r, struct kit *kit)
{
	(void)kit;
	settle(r->state);
}

static void
finish_settled(struct request *r)
{
	const struct intake *in = r->state;

	if (!in->deposit) {
		finish_seen(r);
		return;
	}
	r->work = work_settle;
	r->then = finish_seen;
	loop_work(r);
}

/* --- between rounds ------------------------------------------------------------------------------
 */

static void
count(struct request *r, struct intake *in)
{
	struct metrics *m = &r->loop->metrics;
	uint64_t fresh = 0, unparsed = 0;

	for (size_t i = 0; i < r->job.n_items; i++) {
		const struct append_item *item = &r->job.items[i];
		bool again = item->state == APPEND_DUPLICATE;
		in->duplicate += again;
		in->unparsed += is_unparsed(item);
		fresh += !again;
		if (again || !is_unparsed(item))
			continue;
		if (in->new_unparsed + unparsed++ == 0)
			in->first_unparsed = item->index;
		in->last_unparsed = item->index;
	}
	in->new_unparsed += unparsed;
	in->count += r->job.n_items;
	in->end = r->job.last + 1 > in->end ? r->job.last + 1 : in->end;
	in->stored = fresh > 0;
	metrics_add(&m->intake_events[in->vendor], fresh);
	metrics_add(&m->intake_duplicates[in->vendor], r->job.n_items - fresh);
	metrics_add(&m->intake_unparsed[in->vendor], unparsed);
}

static void committed(struct request *r);

static void
submit(struct request *r)
{
	r->then = committed;
	loop_submit(r);
}

static void
resolved(struct request *r)
{
	struct intake *in = r->state;

	if (r->job.err == 0) {
		submit(r);
	} else if (r->job.err == 1) {
		count(r, in);
		next_round(r);
	} else {
		in->err = r->job.err;
		finish_settled(r);
	}
}

static void
committed(struct request *r)
{
	struct intake *in = r->state;

	if (r->job.err == STELE_EDUPLICATE) {
		r->work = work_resolve;
		r->then = resolved;
		loop_work(r);
	} else if (r->job.err) {
		in->err = r->job.err;
		finish_settled(r);
	} else {
		count(r, in);
		next_round(r);
	}
}

static void
filled(struct request *r)
{
	struct intake *in = r->state;

	if (in->err || in->problem != PROBLEM_NONE || r->job.n_items == 0)
		finish_settled(r);
	else
		submit(r);
}

static void
next_round(struct request *r)
{
	struct intake *in = r->state;

	if (in->ended) {
		finish_settled(r);
		return;
	}
	r->work = work_next;
	r->then = filled;
	loop_work(r);
}

void
intake_run(struct request *r, struct intake *in)
{
	enum witness_answer may;

	r->state = in;
	in->problem = PROBLEM_NONE;
	may = witnesses_may_append(r->server->witnesses, r->log);
	if (may != WITNESS_NEWEST) {
		witness_refuse(r, may);
		return;
	}
	in->vendor = (unsigned)__builtin_ctz(r->route->vendor);
	in->wait = arena_alloc(&r->arena, sizeof *in->wait);
	if (!in->wait) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	if (has_stele_field(r)) {
		reply_problem(r, PROBLEM_RETENTION_UNSUPPORTED,
			      "A vendor path takes no header that begins with Stele-: the log's "
			      "policy locks its records. Nothing was stored.");
		return;
	}
	r->work = work_first;
	r->then = filled;
	loop_work(r);
}
