/*
 * The server's own logs are locked for longer, `trail.keep` {"policy","until"}: `_system` and
 * `_access` have that policy from now on, and all that is in `_access` is locked until then, in one
 * commit. By the server itself (audit_pace.c), which decides what the two have to be.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/policy.h"
#include "proto/timestamp.h"
#include "server/deeds.h"
#include "server/kit.h"
#include "server/retention.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/store.h"

static const char reason[] = "kept as long as what it tells of";

/* --- what was said so far --------------------------------------------------------------------- */

struct last {
	uint64_t index; /* of the extension, or 0 */
	int64_t until_ns;
};

/* Of all that came before it, as those are that are written here. */
static void
hear(void *ctx, const struct control *c)
{
	struct last *last = ctx;

	if (c->kind == ENTRY_EXTEND && !c->shorten && c->n_ranges == 1 && c->ranges[0].first == 0 &&
	    c->ranges[0].last + 1 == c->index)
		*last = (struct last){c->index, c->until_ns};
}

static int
note_time(void *ctx, const struct entry *e)
{
	*(int64_t *)ctx = e->time_ns;
	return 0;
}

int
deed_trail_kept(const struct server *s, struct log *log, struct kit *kit, int64_t *until_ns)
{
	const struct policy *p = log_policy(log);
	struct last last = {0, 0};
	int64_t time_ns, younger_ns;
	int err;

	*until_ns = 0;
	(void)locks_each_control(log_locks(log), 0, hear, &last);
	if (!last.index || !p->retain_default[0])
		return 0;
	err = retention_each_entry(s, log, last.index, last.index, kit, note_time, &time_ns);
	if (err == 0)
		err = duration_add(&younger_ns, time_ns, &p->default_for);
	if (err == 0)
		*until_ns = last.until_ns < younger_ns ? last.until_ns : younger_ns;
	return err;
}

/* --- doing --------------------------------------------------------------------------------------
 */

struct keeping {
	struct policy policy;
	int64_t until_ns; /* 0: as it is */
	struct deed_entry entries[3];
	size_t n;
	const struct control_actors *actors;
};

static int
read_act(const json_t *act, struct keeping *k)
{
	const json_t *until = json_object_get(act, "until");
	char *text = json_dumps(json_object_get(act, "policy"), JSON_COMPACT);
	struct buf why;
	int err;

	buf_init(&why);
	err = text ? policy_read(&k->policy, slice_str(text), &why) : STELE_ENOMEM;
	if (err == 0 && until)
		err = timestamp_parse(&k->until_ns, slice_of(json_string_value(until),
							     json_string_length(until)));
	buf_fini(&why);
	free(text);
	return err;
}

static int
look(const struct deed_turn *turn, const json_t *act)
{
	struct keeping k = {.n = 0};

	(void)turn;
	return read_act(act, &k);
}

static struct deed_entry *
add(struct keeping *k, struct log *log, enum entry_kind kind)
{
	struct deed_entry *e = &k->entries[k->n++];

	*e = (struct deed_entry){.log = log, .kind = kind};
	buf_init(&e->json);
	return e;
}

static void
put_extend(struct buf *json, const struct keeping *k, uint64_t last)
{
	const struct control_range all = {0, last};

	control_put_extend(json, &all, 1, k->until_ns, false, slice_str(reason), k->actors);
}

/* All that is before it. */
static int
place(const struct deed_entry *e, uint64_t index, struct buf *json)
{
	put_extend(json, e->ctx, index - 1);
	return 0;
}

static int
add_policies(const struct deed_turn *turn, struct keeping *k, struct log *logs[2])
{
	static const char *const names[] = {"_system", "_access"};

	for (size_t i = 0; i < 2; i++) {
		int err = store_log_find(turn->s->store, slice_str(names[i]), &logs[i]);
		if (err != 0)
			return err;
		if (!policy_equal(&k->policy, log_policy(logs[i])))
			control_put_policy(&add(k, logs[i], ENTRY_POLICY)->json, &k->policy,
					   k->actors);
	}
	return 0;
}

static int
perform(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	const struct control_actors actors = deed_actors(turn);
	struct keeping k = {.actors = &actors};
	struct log *logs[2];
	struct deed_entry *e;
	int err = read_act(act, &k);

	if (err == 0)
		err = add_policies(turn, &k, logs);
	if (err == 0 && k.until_ns) {
		e = add(&k, logs[1], ENTRY_EXTEND);
		e->place = place;
		e->ctx = &k;
		put_extend(&e->json, &k, LIMIT_INTEGER);
	}
	if (err == 0)
		err = deed_write(turn, k.entries, k.n, record);
	for (size_t i = 0; i < k.n; i++)
		buf_fini(&k.entries[i].json);
	return err;
}

const struct deed deed_trail_keep = {"trail.keep", NULL, look, perform};
