/*
 * Payloads leave: `purge` {"log","plan","ranges","records","bytes"}, as a plan showed it. The
 * predicate is asked when it is asked for, again when it is approved, and the writer sees that no
 * control entry came between that and the purge entry: a hold placed a moment earlier wins.
 */
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/timestamp.h"
#include "server/deeds.h"
#include "server/exporter.h"
#include "server/kit.h"
#include "server/retention.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/purge.h"
#include "storage/purgeplan.h"

enum { TRIES = 3, HOLDS_NAMED = 20 };

static bool
second(const struct deed_turn *turn, const json_t *act)
{
	struct log *log;

	return deed_log(turn, act, &log) == 0 && (log_policy(log)->dual_control & POLICY_PURGE);
}

/* The act's ranges, by the reader of control entries: they have the same grammar. */
static int
read_ranges(const struct deed_turn *turn, const json_t *act, struct control **out)
{
	json_t *doc =
		json_pack("{s:s, s:O?}", "type", "purge", "ranges", json_object_get(act, "ranges"));
	char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	struct buf why;
	int err;

	buf_init(&why);
	err = text ? control_read(out, ENTRY_PURGE, 0, slice_str(text), &why) : STELE_ENOMEM;
	if (err == STELE_ESYNTAX || (err == 0 && (*out)->n_ranges == 0)) {
		if (err == 0)
			control_free(*out);
		err = deed_refuse(turn, STELE_ESYNTAX, PROBLEM_INVALID_PLAN,
				  "A purge has ranges of records, in order and apart.");
	}
	buf_fini(&why);
	free(text);
	json_decref(doc);
	return err;
}

static int
name_hold(void *ctx, const struct lock_hold *h)
{
	json_array_append_new(ctx, json_string(h->id));
	return json_array_size(ctx) >= HOLDS_NAMED;
}

/* The holds that cover a record, as far as they are to be named. */
static json_t *
holds_of(struct log *log, uint64_t index)
{
	json_t *ids = json_array();

	(void)locks_each_hold(log_locks(log), index, name_hold, ids);
	return ids;
}

/* What is in the way, as far as it is to be listed. */
struct in_the_way {
	struct log *log;
	json_t *rows;
};

static void
list_one(void *ctx, uint64_t index, const struct lock_state *s)
{
	static const char *const why[] = {
		[LOCK_BY_NOTHING] = "unlocked", [LOCK_BY_RETENTION] = "retention",
		[LOCK_BY_HOLD] = "hold",        [LOCK_BY_EVENT] = "event",
		[LOCK_BY_KIND] = "control",     [LOCK_BY_DOUBT] = "doubt"};
	struct in_the_way *w = ctx;
	json_t *row;

	if (json_array_size(w->rows) >= LIMIT_LOCKED_LISTED)
		return;
	row = json_pack("{s:I, s:s}", "index", (json_int_t)index, "why", why[s->by]);
	if (row && s->until_ns)
		json_object_set_new(row, "until", retention_time(s->until_ns));
	if (row && s->holds)
		json_object_set_new(row, "holds", holds_of(w->log, index));
	json_array_append_new(w->rows, row);
}

/* Refuses for the reason that locks most. */
static int
refuse_locked(const struct deed_turn *turn, const struct in_the_way *w, const struct purgeplan *p)
{

	if (p->stay[LOCK_BY_DOUBT])
		return deed_refuse(turn, STELE_EPERM, PROBLEM_RETENTION_ACTIVE,
				   "Not all control entries of the log could be read into memory: "
				   "restart the server.");
	deed_tell(turn, "refused",
		  json_integer((json_int_t)(p->stay[LOCK_BY_RETENTION] + p->stay[LOCK_BY_HOLD] +
					    p->stay[LOCK_BY_EVENT])));
	deed_tell(turn, "records", json_incref(w->rows));
	if (p->stay[LOCK_BY_HOLD]) {
		deed_tell(turn, "holds", holds_of(w->log, p->first[LOCK_BY_HOLD]));
		return deed_refuse(
			turn, STELE_EPERM, PROBLEM_LEGAL_HOLD_ACTIVE,
			"A legal hold covers %llu of the records: \"records\" lists what is in the "
			"way, up to %u. Plan again: what is held stays.",
			(unsigned long long)p->stay[LOCK_BY_HOLD], LIMIT_LOCKED_LISTED);
	}
	if (p->next_ns)
		deed_tell(turn, "until", retention_time(p->next_ns));
	return deed_refuse(
		turn, STELE_EPERM, PROBLEM_RETENTION_ACTIVE,
		"Retention of %llu of the records is not over, or waits for its event: "
		"\"records\" lists them, up to %u. Plan again.",
		(unsigned long long)(p->stay[LOCK_BY_RETENTION] + p->stay[LOCK_BY_EVENT]),
		LIMIT_LOCKED_LISTED);
}

/* Asks the predicate of every record of the ranges; *generation is that of the locks then. */
static int
judge(const struct deed_turn *turn, struct log *log, const struct control *c, uint64_t *generation)
{
	const struct ranges only = {c->ranges, c->n_ranges, c->n_ranges};
	struct in_the_way way = {log, NULL};
	const struct purgeplan_wish wish = {.from = c->ranges[0].first,
					    .to = c->ranges[c->n_ranges - 1].last + 1,
					    .now_ns = clock_earlier(&turn->clock),
					    .max_ranges = SIZE_MAX,
					    .only = &only,
					    .stays = list_one,
					    .ctx = &way,
					    .unlocked = true};
	struct purgeplan p;
	struct buf why;
	int err;

	if (turn->clock.state == CLOCK_FROZEN)
		return deed_refuse(
			turn, STELE_ECONFLICT, PROBLEM_CLOCK_FROZEN,
			"The clocks are frozen: nothing goes until two principals thaw them "
			"(stele clock).");
	way.rows = json_array();
	buf_init(&why);
	err = purgeplan_make(&p, log, &wish, turn->kit->tools, &why);
	if (err == STELE_EDAMAGED)
		err = deed_refuse(turn, err, PROBLEM_DAMAGED, "%.*s.", (int)why.n,
				  why.n ? (const char *)why.p : "");
	else if (err == 0 && p.stay[LOCK_BY_KIND])
		err = deed_refuse(turn, STELE_ESYNTAX, PROBLEM_INVALID_PLAN,
				  "Control entries, and the records of _system, stay as long as "
				  "their log.");
	else if (err == 0 && (p.stay[LOCK_BY_RETENTION] || p.stay[LOCK_BY_HOLD] ||
			      p.stay[LOCK_BY_EVENT] || p.stay[LOCK_BY_DOUBT]))
		err = refuse_locked(turn, &way, &p);
	else if (err == 0 && p.records != ranges_count(&only))
		err = deed_refuse(turn, STELE_ECONFLICT, PROBLEM_PLAN_CONFLICT,
				  "Some of it is not sealed, or gone already: plan again.");
	*generation = p.generation;
	purgeplan_fini(&p);
	json_decref(way.rows);
	buf_fini(&why);
	return err;
}

static int
look(const struct deed_turn *turn, const json_t *act)
{
	uint64_t generation;
	struct control *c;
	struct log *log;
	int err = deed_log(turn, act, &log);

	if (err == 0)
		err = read_ranges(turn, act, &c);
	if (err != 0)
		return err;
	err = judge(turn, log, c, &generation);
	control_free(c);
	return err;
}

/* --- doing it -------------------------------------------------------------------------- */

struct asked {
	struct log *log;
	uint64_t generation;
};

/* On the writer's thread. */
static int
still_allowed(void *ctx)
{
	const struct asked *a = ctx;

	return log_locks_settled(a->log) && locks_generation(log_locks(a->log)) == a->generation
		       ? 0
		       : STELE_ECONFLICT;
}

static void
see_last(void *ctx, const struct control *c)
{
	*(uint64_t *)ctx = c->index;
}

/* What the purge entry says beside what goes; once still_allowed says so, no entry came between. */
static void
put_members(const struct deed_turn *turn, const json_t *act, struct log *log, struct buf *b)
{
	const char *plan = json_string_value(json_object_get(act, "plan"));
	char evidence[TIMESTAMP_BYTES], lock[TIMESTAMP_BYTES];
	uint64_t last = 0;

	locks_each_control(log_locks(log), 0, see_last, &last);
	timestamp_format(evidence, turn->clock.evidence_ns);
	timestamp_format(lock, turn->clock.lock_ns);
	buf_printf(b,
		   "{\"policy\":%llu,\"allowed_by\":%llu,\"clock\":{\"state\":\"%s\","
		   "\"evidence\":\"%.*s\",\"lock\":\"%.*s\"},\"plan\":",
		   (unsigned long long)locks_policy_index(log_locks(log)), (unsigned long long)last,
		   clock_state_name(turn->clock.state), TIMESTAMP_BYTES, evidence, TIMESTAMP_BYTES,
		   lock);
	buf_put_json_str(b, slice_str(plan ? plan : ""));
	deed_put_actors(turn, b);
	buf_put_u8(b, '}');
}

/* Once: STELE_ECONFLICT when a control entry came between. */
static int
once(const struct deed_turn *turn, const json_t *act, struct log *log, const struct control *c,
     struct append_job *record)
{
	struct asked asked = {.log = log};
	struct purge_request rq = {
		.ranges = c->ranges,
		.n_ranges = c->n_ranges,
		.writer = turn->by,
		.record = record,
		.still_allowed = still_allowed,
		.ctx = &asked,
	};
	struct buf members, why;
	uint64_t entry = 0;
	int err = judge(turn, log, c, &asked.generation);

	if (err != 0)
		return err;
	buf_init(&members);
	buf_init(&why);
	put_members(turn, act, log, &members);
	rq.members = buf_slice(&members);
	err = members.err ? members.err
			  : purge_begin(turn->s->store, turn->s->writer, log, &rq, &entry, &why);
	if (err == STELE_EBUSY)
		err = deed_refuse(
			turn, err, PROBLEM_PURGE_RUNNING,
			"Its segments are being made again. Ask again when it has ended.");
	else if (err == STELE_ECONFLICT && why.n)
		err = deed_refuse(turn, STELE_EPERM, PROBLEM_PLAN_CONFLICT, "%.*s.", (int)why.n,
				  (const char *)why.p);
	else if (err == 0)
		deed_tell(turn, "entry", json_integer((json_int_t)entry));
	buf_fini(&members);
	buf_fini(&why);
	return err;
}

static int
perform(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	struct control *c;
	struct log *log;
	int err = deed_log(turn, act, &log);

	if (err == 0)
		err = read_ranges(turn, act, &c);
	if (err != 0)
		return err;
	for (unsigned i = 0; i < TRIES; i++) {
		err = once(turn, act, log, c, record);
		if (err != STELE_ECONFLICT || turn->outcome->problem != PROBLEM_NONE)
			break;
	}
	if (err == STELE_ECONFLICT && turn->outcome->problem == PROBLEM_NONE)
		err = deed_refuse(turn, err, PROBLEM_PLAN_CONFLICT,
				  "The log's locks change all the time: ask again.");
	control_free(c);
	return err;
}

/* What exports had of it is no more in the state: their bundles go from the disk. */
static int
follow(const struct deed_turn *turn, const json_t *act)
{
	(void)act;
	exporter_wake(turn->s->exporter);
	return exporter_sweep(turn->s);
}

const struct deed deed_purge = {"purge", second, look, perform, follow};
