/*
 * `_system` and `_access` are kept at least as long as what they tell of. What is written into them
 * is locked for the longest period that another log's records were ever locked for; when that
 * becomes longer, what is in `_access` is locked anew, too. And in compliance mode, once a log is.
 *
 * In numbers: no record of another log is locked beyond now + default of the trail, and none that
 * was there before, and became locked for longer since, beyond what is left of the trail's own
 * locks. Appends that ask for more wait until it is so (audit_keep); an extension, an event or a
 * policy is followed by it in the turn of its act.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "proto/entry.h"
#include "proto/err.h"
#include "proto/policy.h"
#include "proto/timestamp.h"
#include "server/audit_state.h"
#include "server/deeds.h"
#include "server/retention.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/locks.h"
#include "storage/store.h"

enum { LOGS_AT_ONCE = 256, MAX_MONTHS = 12 * 160 }; /* a policy has no longer period */

/*
 * How much further than the default an extension reaches: longer than its commit takes. While
 * records wait for events, the trail's locks are made longer when less than half of that is left
 * between them and now; so the default is no shorter then.
 */
#define AHEAD_NS TIMESTAMP_DAY_NS
static const char ahead[32] = "1d"; /* the same, as policies have it */

/* What the trail has to be. */
struct pace {
	int64_t now_ns; /* by the later clock */
	struct policy next;
	int64_t latest_ns; /* that a lock was extended to */
	bool wait;         /* records may wait for their event */
};

/* --- its period ----------------------------------------------------------------------------- */

/* Whether the policy's default covers a period wherever that starts, and reaches from now to an
 * instant. */
static bool
reaches(const struct policy *p, const struct duration *period, int64_t now_ns, int64_t until_ns)
{
	int64_t end_ns;

	if (!p->retain_default[0] || !duration_covers(&p->default_for, period))
		return false;
	return duration_add(&end_ns, now_ns, &p->default_for) != 0 || end_ns >= until_ns;
}

static void
set(char text[32], struct duration *d, unsigned months)
{
	snprintf(text, 32, months % 12 ? "%umo" : "%uy", months % 12 ? months : months / 12);
	*d = (struct duration){.months = months};
}

/*
 * The default reaches that far, in whole months up to a year, then in whole years: so that there
 * are few such changes, however many different ends are asked for.
 */
static void
reach(struct pace *p, const struct duration *period, int64_t until_ns)
{
	struct policy longer = p->next;
	unsigned months = 0;

	if (reaches(&p->next, period, p->now_ns, until_ns))
		return;
	do {
		months += months < 12 ? 1 : 12;
		set(longer.retain_default, &longer.default_for, months);
	} while (months < MAX_MONTHS &&
		 !((!p->next.retain_default[0] ||
		    duration_covers(&longer.default_for, &p->next.default_for)) &&
		   reaches(&longer, period, p->now_ns, until_ns)));
	if (!p->next.retain_default[0] ||
	    duration_covers(&longer.default_for, &p->next.default_for))
		p->next = longer;
}

/* The default is that period, unless it covers it: as it is written, where that will do. */
static void
take(struct pace *p, const char *text, const struct duration *d)
{
	struct policy *next = &p->next;

	if (!text[0] || reaches(next, d, p->now_ns, 0))
		return;
	if (next->retain_default[0] && !duration_covers(d, &next->default_for)) {
		reach(p, d, 0);
		return;
	}
	memmove(next->retain_default, text, sizeof next->retain_default);
	next->default_for = *d;
}

/* What an append wishes. */
static void
take_wish(struct pace *p, const struct policy_wish *wish)
{
	static const struct duration none = {0, 0};

	if (wish && wish->kind == POLICY_WISH_FOR)
		reach(p, &wish->period, 0);
	else if (wish && wish->kind == POLICY_WISH_UNTIL)
		reach(p, &none, wish->until_ns);
}

/* --- what other logs have ----------------------------------------------------------------------
 */

/* Compliance comes to the trail in the nanosecond in which it comes to the first log. */
static void
take_mode(struct policy *next, bool compliance, int64_t from_ns)
{
	if (next->mode == ENTRY_MODE_COMPLIANCE)
		return;
	next->mode = compliance ? ENTRY_MODE_COMPLIANCE : ENTRY_MODE_GOVERNANCE;
	next->compliance_from_ns = compliance ? 0 : from_ns;
	next->retain_max[0] = '\0';
	next->quota_records = 0;
	if (compliance || from_ns) { /* it must have both: these refuse nothing */
		set(next->retain_max, &next->max_for, MAX_MONTHS);
		next->quota_records = LIMIT_INTEGER;
	}
	if (next->retain_max[0] && !duration_covers(&next->max_for, &next->default_for)) {
		memcpy(next->retain_max, next->retain_default, sizeof next->retain_max);
		next->max_for = next->default_for;
	}
}

struct modes {
	bool compliance;
	int64_t from_ns;
};

static void
take_log(struct pace *p, const struct log *log, struct modes *modes)
{
	const struct policy policy = policy_at(log_policy(log), p->now_ns);
	int64_t latest_ns = locks_latest(log_locks(log)), from_ns = policy.compliance_from_ns;

	if (latest_ns > p->latest_ns)
		p->latest_ns = latest_ns;
	p->wait |= log_may_wait(log);
	modes->compliance |= policy.mode == ENTRY_MODE_COMPLIANCE;
	if (from_ns && (!modes->from_ns || from_ns < modes->from_ns))
		modes->from_ns = from_ns;
	if (policy.retain_default[0])
		take(p, policy.retain_default, &policy.default_for);
	else
		take(p, policy.retain_min, &policy.min_for);
}

static void
look_at_logs(struct pace *p, struct store *st)
{
	struct log *logs[LOGS_AT_ONCE];
	struct slice after = slice_of("", 0);
	struct modes modes = {false, 0};
	size_t n;

	while ((n = store_log_list(st, after, logs, LOGS_AT_ONCE)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (log_name(logs[i])[0] != '_')
				take_log(p, logs[i], &modes);
		after = slice_str(log_name(logs[n - 1]));
	}
	take_mode(&p->next, modes.compliance, modes.from_ns);
	if (p->wait)
		take(p, ahead, &(struct duration){0, AHEAD_NS});
}

/* --- the act -----------------------------------------------------------------------------------
 */

/* Until when what is in the trail has to be locked anew: 0: it is for long enough. */
static int
find_end(struct audit *a, struct pace *p, struct kit *kit, int64_t *until_ns)
{
	static const struct duration none = {0, 0};
	int64_t need_ns = p->wait ? p->now_ns + AHEAD_NS / 2 : 0, kept_ns;
	int err;

	*until_ns = 0;
	if (p->latest_ns > p->now_ns && p->latest_ns > need_ns)
		need_ns = p->latest_ns;
	if (need_ns)
		reach(p, &none, need_ns);
	err = deed_trail_kept(a->s, a->access_log, kit, &kept_ns);
	if (err != 0 || !p->next.retain_default[0])
		return err;
	if (kept_ns >= need_ns &&
	    strcmp(p->next.retain_default, log_policy(a->access_log)->retain_default) == 0)
		return 0;
	err = duration_add(until_ns, p->now_ns, &p->next.default_for);
	*until_ns += AHEAD_NS;
	return err;
}

static json_t *
json_of(const struct policy *p)
{
	struct buf b;
	json_t *json;

	buf_init(&b);
	policy_write(&b, p);
	json = b.err ? NULL : json_loadb((const char *)b.p, b.n, 0, NULL);
	buf_fini(&b);
	return json;
}

static int
do_act(struct audit *a, const struct pace *p, int64_t until_ns, struct kit *kit)
{
	struct deed_outcome outcome;
	json_t *act = json_pack("{s:s, s:o}", "type", "trail.keep", "policy", json_of(&p->next));
	int err = act ? 0 : STELE_ENOMEM;

	if (err == 0 && until_ns &&
	    json_object_set_new(act, "until", retention_time(until_ns)) != 0)
		err = STELE_ENOMEM;
	deed_outcome_init(&outcome);
	if (err == 0)
		err = audit_record_act(a, act, NULL, kit, &outcome);
	deed_outcome_fini(&outcome);
	json_decref(act);
	return err;
}

static bool
is_so(const struct log *log, const struct pace *p)
{
	const struct policy now = policy_at(log_policy(log), p->now_ns);

	return policy_equal(&now, &p->next);
}

/* `acting` is held. */
static int
keep(struct audit *a, const struct policy_wish *wish, struct kit *kit)
{
	struct pace p = {.now_ns = retention_later_ns(a->s, a->access_log)};
	int64_t until_ns;
	int err;

	p.next = policy_at(log_policy(a->access_log), p.now_ns);
	look_at_logs(&p, a->s->store);
	take_wish(&p, wish);
	err = find_end(a, &p, kit, &until_ns);
	if (err != 0 || (until_ns == 0 && is_so(a->log, &p) && is_so(a->access_log, &p)))
		return err;
	return do_act(a, &p, until_ns, kit);
}

void
audit_keep_pace(struct audit *a, struct kit *kit)
{
	int err = keep(a, NULL, kit);

	if (err != 0)
		fprintf(stderr,
			"steled: warning: _system and _access are not kept as long as other logs yet: "
			"%s; it is tried again within a minute\n",
			stele_strerror(err));
}

bool
audit_keeps(const struct audit *a, const struct policy_wish *wish)
{
	static const struct duration none = {0, 0};
	const struct policy *p = log_policy(a->access_log);
	int64_t now_ns;

	if (!wish || (wish->kind != POLICY_WISH_FOR && wish->kind != POLICY_WISH_UNTIL))
		return true;
	now_ns = retention_later_ns(a->s, a->access_log);
	return wish->kind == POLICY_WISH_FOR ? reaches(p, &wish->period, now_ns, 0)
					     : reaches(p, &none, now_ns, wish->until_ns);
}

int
audit_keep(struct audit *a, const struct policy_wish *wish, struct kit *kit)
{
	int err;

	pthread_mutex_lock(&a->acting);
	err = keep(a, wish, kit);
	pthread_mutex_unlock(&a->acting);
	return err;
}
