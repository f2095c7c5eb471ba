/*
 * `_system` and `_access` are kept at least as long as what they tell of: when a log's records come
 * to be locked for longer, theirs are from then on, too.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "proto/err.h"
#include "proto/policy.h"
#include "server/audit_state.h"
#include "server/deeds.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"

enum { LOGS_AT_ONCE = 256 };

/* Takes over the default of another policy, or what stands in its place, when it is longer. */
static void
keep_up(struct policy *mine, const struct policy *other)
{
	struct policy longer = *mine;
	struct buf what;

	memcpy(longer.retain_default,
	       other->retain_default[0] ? other->retain_default : other->retain_min,
	       sizeof longer.retain_default);
	longer.default_for = other->retain_default[0] ? other->default_for : other->min_for;
	buf_init(&what);
	if (policy_weakens(&longer, mine, &what))
		*mine = longer;
	buf_fini(&what);
}

static void
longest(struct store *st, struct policy *mine)
{
	struct log *logs[LOGS_AT_ONCE];
	struct slice after = slice_of("", 0);
	size_t n;

	while ((n = store_log_list(st, after, logs, LOGS_AT_ONCE)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (log_policy(logs[i])->mode != ENTRY_MODE_NONE)
				keep_up(mine, log_policy(logs[i]));
		after = slice_str(log_name(logs[n - 1]));
	}
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
change(struct audit *a, struct log *log, const struct policy *next, struct kit *kit)
{
	struct deed_outcome outcome;
	json_t *act;
	int err;

	if (policy_equal(next, log_policy(log)))
		return 0;
	act = json_pack("{s:s, s:s, s:o, s:o}", "type", "policy.change", "log", log_name(log),
			"policy", json_of(next), "was", json_of(log_policy(log)));
	deed_outcome_init(&outcome);
	err = act ? audit_record_act(a, act, NULL, kit, &outcome) : STELE_ENOMEM;
	deed_outcome_fini(&outcome);
	json_decref(act);
	return err;
}

void
audit_keep_pace(struct audit *a, struct kit *kit)
{
	struct policy next = *log_policy(a->log);
	int err;

	longest(a->s->store, &next);
	err = change(a, a->log, &next, kit);
	if (err == 0)
		err = change(a, a->access_log, &next, kit);
	if (err != 0)
		fprintf(stderr,
			"steled: warning: _system and _access are not kept as long as other logs yet: "
			"%s; it is tried again with the next act and the next start\n",
			stele_strerror(err));
}
