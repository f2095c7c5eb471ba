/*
 * Later ends for the locks of records, `retain.extend` {"log","ranges","until","reason"}: only ever
 * later. And sooner ones, `retain.shorten`: in governance alone, always with a second principal.
 * All records or none: an answer lists those that are in the way.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/duration.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/policy.h"
#include "proto/timestamp.h"
#include "server/deeds.h"
#include "server/retention.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"

/* --- reading the act ----------------------------------------------------------------------- */

static struct slice
text_of(const json_t *act, const char *name)
{
	const json_t *v = json_object_get(act, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static struct control_range
range_of(const json_t *pair)
{
	return (struct control_range){
		(uint64_t)json_integer_value(json_array_get(pair, 0)),
		(uint64_t)json_integer_value(json_array_get(pair, 1)),
	};
}

/* --- looking at records ---------------------------------------------------------------------- */

/* One look at all records of an act. */
struct looking {
	struct locks *locks;
	struct policy policy; /* as it is now */
	bool shorten;
	int64_t now_ns, until_ns;
	uint64_t records;   /* that it would lock later, or sooner */
	uint64_t refused;   /* that are in the way */
	bool compliance;    /* one of those is so because of its mode */
	json_t *in_the_way; /* the first of them */
};

/* Why the record's lock cannot be extended so; NULL: it can. */
static const char *
against_extending(const struct looking *l, const struct lock_state *s)
{
	if (s->purged)
		return "purged";
	return l->until_ns <= s->until_ns ? "not-later" : NULL;
}

/* The same of a lock that is to end sooner. */
static const char *
against_shortening(const struct looking *l, const struct entry *e, const struct lock_state *s)
{
	int64_t least_ns = 0;

	if (s->purged)
		return "purged";
	if (e->mode == ENTRY_MODE_COMPLIANCE)
		return "compliance";
	if (e->event.n) /* its event says when, and only ever later */
		return "event";
	if (l->until_ns >= s->until_ns)
		return "not-sooner";
	if (l->policy.retain_min[0] &&
	    (duration_add(&least_ns, e->time_ns, &l->policy.min_for) != 0 ||
	     l->until_ns < least_ns))
		return "below-min";
	return NULL;
}

static int
look_at(void *ctx, const struct entry *e)
{
	struct looking *l = ctx;
	struct lock_state state;
	const char *why;
	json_t *row;

	if (e->kind != ENTRY_RECORD)
		return 0; /* it stays as long as the log */
	locks_look(l->locks, e->index, e, l->now_ns, &state);
	why = l->shorten ? against_shortening(l, e, &state) : against_extending(l, &state);
	if (!why) {
		l->records++;
		return 0;
	}
	l->compliance |= strcmp(why, "compliance") == 0;
	if (l->refused++ >= LIMIT_LOCKED_LISTED)
		return 0;
	row = json_pack("{s:I, s:s}", "index", (json_int_t)e->index, "why", why);
	if (row && state.until_ns)
		json_object_set_new(row, "until", retention_time(state.until_ns));
	return json_array_append_new(l->in_the_way, row) == 0 ? 0 : STELE_ENOMEM;
}

static int
look_at_all(const struct deed_turn *turn, const json_t *act, struct log *log, struct looking *l)
{
	const json_t *ranges = json_object_get(act, "ranges"), *pair;
	struct head *head = log_head(log);
	uint64_t size = head->size;
	int err = 0;
	size_t i;

	head_unref(head);
	json_array_foreach(ranges, i, pair)
	{
		const struct control_range r = range_of(pair);
		if (r.last >= size)
			return deed_refuse(turn, STELE_ENOTFOUND, PROBLEM_UNKNOWN_RECORD,
					   "The log has %llu records, counted from 0: there is no "
					   "record %llu.",
					   (unsigned long long)size, (unsigned long long)r.last);
		err = retention_each_entry(turn->s, log, r.first, r.last, turn->kit, look_at, l);
		if (err != 0)
			return err;
	}
	return 0;
}

/* What was found, as a refusal or 0. */
static int
judge(const struct deed_turn *turn, const struct looking *l)
{
	if (l->refused) {
		deed_tell(turn, "refused", json_integer((json_int_t)l->refused));
		deed_tell(turn, "records", json_incref(l->in_the_way));
	}
	if (l->compliance)
		return deed_refuse(
			turn, STELE_EPERM, PROBLEM_COMPLIANCE_MODE,
			"A lock that was written in compliance mode is made shorter by "
			"nobody. \"records\" lists those in the way; nothing was changed.");
	if (l->refused)
		return deed_refuse(turn, STELE_EPERM, PROBLEM_INVALID_RETENTION,
				   "%llu of the records would not be locked %s by it: \"records\" "
				   "lists them, up to %u. Nothing was changed.",
				   (unsigned long long)l->refused,
				   l->shorten ? "for less" : "longer", LIMIT_LOCKED_LISTED);
	if (!l->records)
		return deed_refuse(turn, STELE_EPERM, PROBLEM_INVALID_RETENTION,
				   "These are control entries, which stay as long as the log.");
	return 0;
}

/* --- looking at the policy ------------------------------------------------------------------ */

static int
check_policy(const struct deed_turn *turn, const struct looking *l)
{
	struct buf why;
	int err = 0;

	if (l->policy.mode == ENTRY_MODE_NONE)
		return deed_refuse(turn, STELE_EPERM, PROBLEM_INVALID_RETENTION,
				   "The log's mode is none: nothing in it is locked.");
	if (l->shorten && l->policy.mode == ENTRY_MODE_COMPLIANCE)
		return deed_refuse(turn, STELE_EPERM, PROBLEM_COMPLIANCE_MODE,
				   "The log is in compliance mode: nobody makes a lock shorter.");
	if (l->shorten && turn->clock.state == CLOCK_FROZEN)
		return deed_refuse(turn, STELE_ECONFLICT, PROBLEM_CLOCK_FROZEN,
				   "The clocks are frozen: no lock is made shorter until two "
				   "principals thaw them (stele clock).");
	if (l->until_ns <= l->now_ns)
		return deed_refuse(turn, STELE_EPERM, PROBLEM_INVALID_RETENTION,
				   "It would be over already.");
	if (l->shorten)
		return 0;
	buf_init(&why);
	err = policy_allows_until(&l->policy, l->now_ns, l->until_ns, &why);
	if (err != 0)
		err = deed_refuse(turn, err, PROBLEM_INVALID_RETENTION, "%.*s", (int)why.n,
				  why.n ? (const char *)why.p
					: "A lock must end before the year 2262.");
	buf_fini(&why);
	return err;
}

static int
look(const struct deed_turn *turn, const json_t *act, bool shorten)
{
	struct looking l = {.shorten = shorten};
	struct log *log;
	int err = deed_log(turn, act, &log);

	if (err == 0)
		err = timestamp_parse(&l.until_ns, text_of(act, "until"));
	if (err != 0)
		return err;
	l.locks = log_locks(log);
	l.now_ns = retention_later_ns(turn->s, log);
	l.policy = policy_at(log_policy(log), l.now_ns);
	l.in_the_way = json_array();
	err = check_policy(turn, &l);
	if (err == 0)
		err = look_at_all(turn, act, log, &l);
	if (err == 0)
		err = judge(turn, &l);
	json_decref(l.in_the_way);
	return err;
}

/* --- doing ----------------------------------------------------------------------------------- */

/* The payload of the entry that says so. */
static int
put_entry(const struct deed_turn *turn, const json_t *act, bool shorten, struct buf *out)
{
	const struct control_actors actors = deed_actors(turn);
	const json_t *ranges = json_object_get(act, "ranges"), *pair;
	struct control_range *r = malloc((json_array_size(ranges) + 1) * sizeof *r);
	int64_t until_ns;
	size_t i;
	int err = r ? timestamp_parse(&until_ns, text_of(act, "until")) : STELE_ENOMEM;

	if (err == 0) {
		json_array_foreach(ranges, i, pair) r[i] = range_of(pair);
		control_put_extend(out, r, json_array_size(ranges), until_ns, shorten,
				   text_of(act, "reason"), &actors);
	}
	free(r);
	return err;
}

static int
perform(const struct deed_turn *turn, const json_t *act, struct append_job *record, bool shorten)
{
	struct deed_entry entry = {.kind = ENTRY_EXTEND};
	int err = deed_log(turn, act, &entry.log);

	if (err != 0)
		return err;
	buf_init(&entry.json);
	err = put_entry(turn, act, shorten, &entry.json);
	if (err == 0)
		err = deed_write(turn, &entry, 1, record);
	buf_fini(&entry.json);
	if (err == STELE_EPERM) /* compliance has begun since */
		return deed_refuse(turn, err, PROBLEM_COMPLIANCE_MODE,
				   "Compliance has begun: nobody makes a lock shorter.");
	if (err != 0)
		return err;
	deed_tell(turn, "index", json_integer((json_int_t)entry.index));
	deed_tell(turn, "until", json_incref(json_object_get(act, "until")));
	return 0;
}

static int
look_extend(const struct deed_turn *turn, const json_t *act)
{
	return look(turn, act, false);
}

static int
perform_extend(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	return perform(turn, act, record, false);
}

static bool
always(const struct deed_turn *turn, const json_t *act)
{
	(void)turn;
	(void)act;
	return true;
}

static int
look_shorten(const struct deed_turn *turn, const json_t *act)
{
	return look(turn, act, true);
}

static int
perform_shorten(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	return perform(turn, act, record, true);
}

const struct deed deed_retain_extend = {"retain.extend", NULL, look_extend, perform_extend};
const struct deed deed_retain_shorten = {"retain.shorten", always, look_shorten, perform_shorten};
