/*
 * Legal holds placed and released: `hold.place` {"hold","covers"}, `hold.release` {"id","reason",
 * "covers"}. covers names the logs, as they were when it was asked for: when they are others by
 * the time it is done, it must be asked for again, because nobody has approved that.
 */
#include <string.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/deeds.h"
#include "server/hold_logs.h"
#include "server/holds.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/store.h"

static struct slice
text_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static int
look_covers(const struct deed_turn *turn, const json_t *act, json_t *now)
{
	bool same = now && json_equal(now, json_object_get(act, "covers"));
	size_t n = json_array_size(now);

	json_decref(now);
	if (!now)
		return STELE_ENOMEM;
	if (!same)
		return deed_refuse(turn, STELE_ECONFLICT, PROBLEM_HOLD_CONFLICT,
				   "The logs that it is about have changed since: ask again.");
	if (n > LIMIT_HOLD_LOGS)
		return deed_refuse(turn, STELE_ELIMIT, PROBLEM_INVALID_HOLD,
				   "It would cover %zu logs, and %u can be in one commit: place "
				   "several holds with narrower patterns.",
				   n, LIMIT_HOLD_LOGS);
	return 0;
}

/* --- place ----------------------------------------------------------------------------------- */

/* Reads the act's hold, the caller's to free. */
static int
read_hold(const struct deed_turn *turn, const json_t *act, struct hold **h)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = hold_read(h, json_object_get(act, "hold"), turn->by, &why);
	if (err == STELE_ESYNTAX)
		err = deed_refuse(turn, err, PROBLEM_INVALID_HOLD, "%.*s", (int)why.n,
				  (const char *)why.p);
	buf_fini(&why);
	return err;
}

/* Whether who asked may still hold all that the patterns may ever match. */
static int
look_asker(const struct deed_turn *turn, const struct hold *h, const json_t *act)
{
	struct principal *p = access_principal(audit_access(turn->s->audit), turn->by);
	const json_t *v;
	bool may = p != NULL;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(act, "hold"), "logs"), i, v)
	{
		struct slice s = slice_of(json_string_value(v), json_string_length(v));
		may = may && (!h->open_ended || principal_may_pattern(p, SCOPE_HOLD, s));
	}
	principal_unref(p);
	return may ? 0
		   : deed_refuse(
			     turn, STELE_EPERM, PROBLEM_INSUFFICIENT_SCOPE,
			     "An open-ended hold catches later logs: whoever places it needs the "
			     "scope hold on all that its patterns match.");
}

/* A log that is named in full must be there; and some log must be. */
static int
look_logs(const struct deed_turn *turn, const struct hold *h, const json_t *act)
{
	const json_t *v;
	struct log *log = NULL;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(act, "hold"), "logs"), i, v)
	{
		struct slice s = slice_of(json_string_value(v), json_string_length(v));
		if (!memchr(s.p, '*', s.n) && store_log_find(turn->s->store, s, &log) != 0)
			return deed_refuse(turn, STELE_ENOTFOUND, PROBLEM_UNKNOWN_LOG,
					   "There is no log %.*s.", (int)s.n, (const char *)s.p);
	}
	if (json_array_size(json_object_get(act, "covers")) == 0 && !h->open_ended)
		return deed_refuse(turn, STELE_ENOTFOUND, PROBLEM_UNKNOWN_LOG,
				   "No log matches, and the hold is not open_ended.");
	if (h->kind == HOLD_RANGE && !h->open_ended) {
		struct head *head = log_head(log);
		bool beyond = h->first >= head->size;
		head_unref(head);
		if (beyond)
			return deed_refuse(turn, STELE_EINVAL, PROBLEM_INVALID_HOLD,
					   "The range begins behind the log's last record, and the "
					   "hold is not open_ended.");
	}
	return 0;
}

static int
look_place(const struct deed_turn *turn, const json_t *act)
{
	struct hold *h;
	int err = read_hold(turn, act, &h);

	if (err != 0)
		return err;
	err = look_covers(turn, act,
			  hold_logs_matching(turn->s->store, audit_access(turn->s->audit), h));
	if (err == 0)
		err = look_logs(turn, h, act);
	if (err == 0)
		err = look_asker(turn, h, act);
	hold_free(h);
	return err;
}

/* What comes of writing many entries. */
static int
write_all(const struct deed_turn *turn, struct hold_entries *all, struct append_job *record)
{
	int err = deed_write(turn, all->e, all->n, record);

	return err == STELE_ELIMIT
		       ? deed_refuse(turn, err, PROBLEM_INVALID_HOLD,
				     "Its entries in %zu logs are more than one commit takes.",
				     all->n)
		       : err;
}

static int
perform_place(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	const json_t *covers = json_object_get(act, "covers"), *row;
	struct hold_entries all;
	struct buf actors;
	struct hold *h;
	uint8_t mapping[32];
	struct log *log;
	size_t i;
	int err = read_hold(turn, act, &h);

	if (err != 0)
		return err;
	hold_entries_init(&all);
	buf_init(&actors);
	deed_put_actors(turn, &actors);
	json_array_foreach(covers, i, row)
	{
		err = err ? err : deed_log(turn, row, &log);
		err = err ? err : hold_logs_mapping(mapping, row, h);
		err = err ? err : hold_entries_first(&all, log, h, mapping, buf_slice(&actors));
	}
	err = err ? err : actors.err;
	if (err == 0)
		err = write_all(turn, &all, record);
	hold_entries_fini(&all);
	buf_fini(&actors);
	hold_free(h);
	return err;
}

/* --- release --------------------------------------------------------------------------------- */

/* A log's policy may ask for two to release what holds its records. */
static bool
second_release(const struct deed_turn *turn, const json_t *act)
{
	const json_t *row;
	struct log *log;
	size_t i;

	json_array_foreach(json_object_get(act, "covers"), i, row)
	{
		if (deed_log(turn, row, &log) == 0 &&
		    (log_policy(log)->dual_control & POLICY_RELEASE))
			return true;
	}
	return false;
}

static int
look_release(const struct deed_turn *turn, const json_t *act)
{
	return look_covers(turn, act, hold_logs_held(turn->s->store, text_of(act, "id")));
}

static int
perform_release(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	const json_t *row;
	struct hold_entries all;
	struct buf actors;
	struct log *log;
	size_t i;
	int err = 0;

	hold_entries_init(&all);
	buf_init(&actors);
	deed_put_actors(turn, &actors);
	json_array_foreach(json_object_get(act, "covers"), i, row)
	{
		err = err ? err : deed_log(turn, row, &log);
		err = err ? err
			  : hold_entries_release(&all, log, text_of(act, "id"), buf_slice(&actors));
	}
	err = err ? err : actors.err;
	if (err == 0)
		err = write_all(turn, &all, record);
	hold_entries_fini(&all);
	buf_fini(&actors);
	return err;
}

const struct deed deed_hold_place = {"hold.place", NULL, look_place, perform_place};
const struct deed deed_hold_release = {"hold.release", second_release, look_release,
				       perform_release};
