/* Purge plans: what would go, what stays and why; and a plan that is carried out as it was shown.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/timestamp.h"
#include "server/acting.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/clocks.h"
#include "storage/log.h"
#include "storage/purge.h"
#include "storage/purgeplan.h"
#include "storage/store.h"

enum { FINISH_NICE = 10 };

struct planning {
	struct purgeplan_wish wish;
	int64_t made_ns;
	json_t *doc; /* the answer */
	int err;
	struct buf why;
};

/* --- a plan ------------------------------------------------------------------------------ */

static json_t *
instant(int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	return json_stringn(text, sizeof text);
}

/* The digest of what goes: of the compact JSON of log and ranges, in hex. */
static int
put_digest(json_t *doc, struct log *log)
{
	json_t *what = json_pack("{s:s, s:O}", "log", log_name(log), "ranges",
				 json_object_get(json_object_get(doc, "go"), "ranges"));
	char *text = what ? json_dumps(what, JSON_COMPACT) : NULL, hex[65];
	struct sha256 *h = sha256_new();
	uint8_t hash[32];

	if (text && h) {
		sha256_hash(h, hash, slice_str(text));
		hex_format(hex, hash, sizeof hash);
		json_object_set_new(doc, "digest", json_string(hex));
	}
	sha256_free(h);
	json_decref(what);
	free(text);
	return json_object_get(doc, "digest") ? 0 : STELE_ENOMEM;
}

static json_t *
doc_of(struct log *log, const struct purgeplan *p, const struct purgeplan_wish *wish,
       int64_t made_ns)
{
	uint64_t end = wish->to < p->sealed ? wish->to : p->sealed;
	char id[PLAN_ID_CHARS + 1];
	json_t *doc;

	plans_new_id(id);
	doc = json_pack(
		"{s:s, s:s, s:o, s:o, s:[I, I], s:b, s:{s:I, s:I, s:o}, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:I}",
		"id", id, "log", log_name(log), "made", instant(made_ns), "expires",
		instant(made_ns + LIMIT_PLAN_LIFE_NS), "looked", (json_int_t)wish->from,
		(json_int_t)p->looked, "complete", p->looked >= end, "go", "records",
		(json_int_t)p->records, "bytes", (json_int_t)p->bytes, "ranges",
		deed_ranges(&p->go), "stay", "retention", (json_int_t)p->stay[LOCK_BY_RETENTION],
		"hold", (json_int_t)p->stay[LOCK_BY_HOLD], "event",
		(json_int_t)p->stay[LOCK_BY_EVENT], "unlocked",
		(json_int_t)p->stay[LOCK_BY_NOTHING], "control", (json_int_t)p->stay[LOCK_BY_KIND],
		"bytes", (json_int_t)p->stay_bytes, "gone", (json_int_t)p->gone);
	if (doc && p->next_ns)
		json_object_set_new(doc, "next", instant(p->next_ns));
	return doc;
}

static void
plan_work(struct request *r, struct kit *kit)
{
	struct planning *s = r->state;
	struct purgeplan p;

	s->err = store_seal_log(r->server->store, r->log, &s->why);
	if (s->err != 0)
		return;
	s->err = purgeplan_make(&p, r->log, &s->wish, kit->tools, &s->why);
	if (s->err == 0)
		s->doc = doc_of(r->log, &p, &s->wish, s->made_ns);
	if (s->err == 0)
		s->err = s->doc ? put_digest(s->doc, r->log) : STELE_ENOMEM;
	purgeplan_fini(&p);
	if (s->err == 0)
		plans_keep(&r->server->plans, s->doc, s->made_ns);
}

static void
answer(struct request *r, int status, const json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);

	if (text)
		reply_bytes(r, status, "application/json", slice_str(text));
	else
		reply_err(r, STELE_ENOMEM);
	free(text);
}

static void
plan_then(struct request *r)
{
	struct planning s = *(struct planning *)r->state;

	if (s.err == 0)
		answer(r, 201, s.doc);
	else if (s.err == STELE_EDAMAGED)
		reply_problem(r, PROBLEM_DAMAGED, "%.*s.", (int)s.why.n,
			      s.why.n ? (const char *)s.why.p : "");
	else
		reply_err(r, s.err);
	json_decref(s.doc);
	buf_fini(&s.why);
}

/* {"range":[F,L],"unlocked":true}, either or nothing: all whose retention is over. */
static bool
read_wish(json_t *body, struct purgeplan_wish *wish)
{
	struct control_range within = {0, LIMIT_INTEGER};
	const char *name;
	json_t *v;
	bool good = true;

	json_object_foreach(body, name, v)
	{
		if (strcmp(name, "range") == 0) {
			good = good && deed_range(v, &within);
		} else {
			good = good && strcmp(name, "unlocked") == 0 && json_is_boolean(v);
			wish->unlocked = json_is_true(v);
		}
	}
	wish->from = within.first;
	wish->to = within.last + 1;
	return good;
}

void
res_purge_plan(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_PLAN, true);
	struct planning *s;
	struct clock_reading now;
	bool good;

	if (!body)
		return;
	if (log_stays(r->log)) {
		json_decref(body);
		reply_problem(r, PROBLEM_RESERVED_LOG,
			      "The records of _system say who may do what: none of them is ever "
			      "purged.");
		return;
	}
	s = request_state(r, sizeof *s);
	if (!s) {
		json_decref(body);
		return;
	}
	buf_init(&s->why);
	store_clock_get(r->server->store, &now);
	s->made_ns = now.evidence_ns;
	s->wish.now_ns = clock_earlier(&now);
	s->wish.max_ranges = LIMIT_PLAN_RANGES;
	good = read_wish(body, &s->wish);
	json_decref(body);
	if (!good) {
		reply_problem(
			r, PROBLEM_INVALID_PLAN,
			"Say {\"range\": [FIRST, LAST]}, or nothing: all records of the log.");
		return;
	}
	r->work = plan_work;
	r->then = plan_then;
	loop_work(r);
}

/* The plan that the path names, of the path's log; NULL: answered. */
static json_t *
find(struct request *r)
{
	json_t *doc = plans_find(&r->server->plans, r->param[1], server_now_ns(r->server));
	const char *log = json_string_value(json_object_get(doc, "log"));

	if (doc && strcmp(log, log_name(r->log)) == 0)
		return doc;
	json_decref(doc);
	reply_problem(
		r, PROBLEM_UNKNOWN_PLAN,
		"No plan has that id. Plans are kept for a day, until a restart: make another "
		"one.");
	return NULL;
}

void
res_purge_show(struct request *r)
{
	json_t *doc = find(r);

	if (doc)
		answer(r, 200, doc);
	json_decref(doc);
}

/* --- carried out --------------------------------------------------------------------------- */

struct finishing {
	struct store *store;
	struct log *log;
	uint64_t entry;
	struct purge_result *result;
	struct buf *why;
};

/* What keeps it from its end is said, in the result and to the operator; it goes on. */
static void *
finish_main(void *arg)
{
	const struct finishing *f = arg;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), FINISH_NICE);
	purge_finish(f->store, f->log, f->entry, f->result, f->why);
	return NULL;
}

/*
 * The entry is in the log, and nothing of it can be read: now it is destroyed, in a thread of low
 * priority: making segments again is work for seconds, and appends go on beside it.
 */
static int
finish(struct request *r, struct kit *kit)
{
	struct acting *a = r->state;
	const json_t *entry = json_object_get(a->outcome.told, "entry");
	struct finishing f = {r->server->store, r->log, (uint64_t)json_integer_value(entry),
			      a->state, &a->why};
	pthread_t thread;

	(void)kit;
	if (pthread_create(&thread, NULL, finish_main, &f) != 0)
		return STELE_ENOMEM; /* the store goes on with it by itself */
	pthread_join(thread, NULL);
	return 0;
}

static void
put_result(struct request *r, const struct acting *a)
{
	const struct purge_result *p = a->state;
	const json_t *records = json_object_get(a->act, "records"),
		     *bytes = json_object_get(a->act, "bytes");
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_printf(b,
		   "{\"log\":\"%s\",\"records\":%lld,\"bytes\":%lld,\"returned_bytes\":%llu,"
		   "\"segments\":%llu,\"objects\":%llu,\"destroyed\":%s",
		   log_name(r->log), (long long)json_integer_value(records),
		   (long long)json_integer_value(bytes), (unsigned long long)p->returned_bytes,
		   (unsigned long long)p->segments, (unsigned long long)p->objects,
		   p->destroyed ? "true" : "false");
	if (!p->destroyed) {
		buf_printf(b, ",\"kept\":{\"immutable\":%llu,\"quarantined\":%llu,\"backup\":%s}",
			   (unsigned long long)p->immutable, (unsigned long long)p->quarantined,
			   p->backup ? "true" : "false");
		buf_put_str(b, ",\"why\":");
		buf_put_json_str(b, buf_slice(&a->why));
	}
	buf_printf(b, ",\"linked\":%llu", (unsigned long long)p->linked);
	acting_put_told(b, a);
	buf_put_u8(b, '}');
	reply_end(r);
}

static void
done(struct request *r)
{
	const struct acting *a = r->state;

	if (a->err)
		reply_err(r, a->err);
	else
		put_result(r, a);
}

static struct acting *
begin(struct request *r, const json_t *plan)
{
	const json_t *go = json_object_get(plan, "go");
	struct acting *a = acting_begin(r, "purge", PROBLEM_INVALID_PLAN);

	if (!a)
		return NULL;
	a->state = arena_alloc(&r->arena, sizeof(struct purge_result));
	if (!a->state) {
		acting_drop(r);
		reply_err(r, STELE_ENOMEM);
		return NULL;
	}
	memset(a->state, 0, sizeof(struct purge_result));
	json_object_set(a->act, "log", json_object_get(plan, "log"));
	json_object_set(a->act, "plan", json_object_get(plan, "id"));
	json_object_set(a->act, "records", json_object_get(go, "records"));
	json_object_set(a->act, "bytes", json_object_get(go, "bytes"));
	json_object_set(a->act, "ranges", json_object_get(go, "ranges"));
	a->perform = finish;
	a->answer = done;
	return a;
}

/* By this plan nothing goes: why, as the plan found it. */
static void
refuse_empty(struct request *r, const json_t *plan)
{
	const json_t *stay = json_object_get(plan, "stay");
	long long held = json_integer_value(json_object_get(stay, "hold")),
		  locked = json_integer_value(json_object_get(stay, "retention")),
		  waiting = json_integer_value(json_object_get(stay, "event"));
	const char *next = json_string_value(json_object_get(plan, "next"));
	struct buf *b;

	if (held) {
		reply_problem(r, PROBLEM_LEGAL_HOLD_ACTIVE,
			      "By this plan nothing goes: legal holds cover %lld of its records, "
			      "until they are released. stele why LOG INDEX names them.",
			      held);
	} else if (locked || waiting) {
		b = reply_problem_begin(r, PROBLEM_RETENTION_ACTIVE,
					"By this plan nothing goes: retention of %lld of its "
					"records is not over, %lld wait for their event. Plan "
					"again when it is.",
					locked, waiting);
		if (next)
			buf_printf(b, ",\"until\":\"%s\"", next);
		reply_problem_end(r);
	} else {
		reply_problem(r, PROBLEM_PLAN_CONFLICT, "By this plan nothing goes.");
	}
}

void
res_purge_approve(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_PLAN, false), *plan;
	const json_t *digest = json_object_get(body, "digest");

	if (!body)
		return;
	plan = find(r);
	if (plan && (!digest || json_object_size(body) != 1 ||
		     !json_equal(digest, json_object_get(plan, "digest")))) {
		reply_problem(r, PROBLEM_PLAN_CONFLICT,
			      "Say what you approve: {\"digest\": …}, as the plan has it.");
	} else if (plan &&
		   json_array_size(json_object_get(json_object_get(plan, "go"), "ranges")) == 0) {
		refuse_empty(r, plan);
	} else if (plan && begin(r, plan)) {
		acting_run(r);
	}
	json_decref(plan);
	json_decref(body);
}
