/* The act is made in its turn: what it shows of the clocks is what was held against the token. */
#include "server/timestamps_step.h"

#include <stdio.h>

#include <jansson.h>

#include "crypto/tsp.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/deeds.h"
#include "server/server.h"
#include "server/timestamps_state.h"
#include "storage/clocks.h"

#define SECOND_NS INT64_C(1000000000)

struct step
step_now(const struct clock_info *now)
{
	return (struct step){now->stepped, now->stepped ? now->step_since_ns : 0};
}

bool
step_same(struct step a, struct step b)
{
	return a.waits == b.waits && a.since_ns == b.since_ns;
}

bool
step_agrees(const struct tsp_token *said, int64_t wall_ns, int64_t took_ns)
{
	int64_t ahead_ns = wall_ns - said->time_ns;
	int64_t room_ns = LIMIT_CLOCK_STEP_NS - said->accuracy_ns;

	return ahead_ns < room_ns && -ahead_ns < room_ns - took_ns;
}

struct confirming {
	struct authority *a;
	const struct tsp_token *said;
	json_t *act;
};

static int
fill(struct access *access, void *ctx)
{
	const struct confirming *c = ctx;
	struct store *store = c->a->t->s->store;
	struct clock_info now;
	int err = clocks_tend(store); /* the step as it is now, not a second ago */

	(void)access;
	if (err != 0)
		return err;
	store_clock_info(store, &now);
	if (!step_same(c->a->step, step_now(&now)))
		return STELE_ENOTFOUND;
	if (!step_agrees(c->said, now.wall_ns, now.boot_ns - c->a->sent_ns))
		return STELE_EVERIFY;
	deed_take_instant(c->act, "timestamp_time", c->said->time_ns);
	json_object_set_new(c->act, "step_seconds", json_integer(now.step_ns / SECOND_NS));
	deed_take_clocks(c->act, &now);
	return 0;
}

/* Once for each step. */
static void
tell_other_time(struct authority *a, int64_t time_ns)
{
	char time[TIMESTAMP_BYTES];

	if (step_same(a->told, a->step))
		return;
	a->told = a->step;
	timestamp_format(time, time_ns);
	fprintf(stderr,
		"steled: warning: the wall clock stepped, and %s does not confirm it: its timestamp says "
		"%.*s, which is another time, or not sure enough by its accuracy or for the time that "
		"the answer took; put the wall clock right, or stele timestamp now\n",
		a->url, TIMESTAMP_BYTES, time);
}

void
step_confirm(struct authority *a, const struct tsp_token *said)
{
	struct timestamps *t = a->t;
	struct confirming c = {.a = a, .said = said};
	struct deed_outcome outcome;
	int err;

	if (!said->trusted || !a->step.waits)
		return;
	c.act = json_pack("{s:s, s:I, s:s}", "type", "clock.confirm", "timestamp",
			  (json_int_t)a->index, "authority", a->url);
	deed_outcome_init(&outcome);
	err = c.act ? audit_act(t->s->audit, c.act, fill, &c, NULL, t->kit, &outcome)
		    : STELE_ENOMEM;
	deed_outcome_fini(&outcome);
	json_decref(c.act);
	if (err == STELE_EVERIFY)
		tell_other_time(a, said->time_ns);
	else if (err != 0 && err != STELE_ENOTFOUND && err != STELE_ECONFLICT) /* it moved again */
		fprintf(stderr,
			"steled: warning: the step of the wall clock could not be confirmed by the "
			"timestamp of %s: %s\n",
			a->url, stele_strerror(err));
}
