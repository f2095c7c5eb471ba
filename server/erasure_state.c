/* By a plan of what would go of it, which nobody carries out. */
#include "server/erasure_state.h"

#include "proto/err.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/audit.h"
#include "server/server.h"
#include "storage/clocks.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/purgeplan.h"
#include "storage/store.h"

bool
erasure_goes_alone(struct access *a, struct log *log)
{
	return !(log_policy(log)->dual_control & POLICY_PURGE) && !access_lists_dual(a, "purge");
}

struct naming {
	struct buf *b;
	const char *between;
};

static int
name_hold(void *ctx, const struct lock_hold *h)
{
	struct naming *n = ctx;

	buf_printf(n->b, "%s\"%s\"", n->between, h->id);
	n->between = ",";
	return 0;
}

static void
put_locked(struct buf *b, struct log *log, const struct erasure *e, const struct purgeplan *p)
{
	struct naming naming = {b, ""};

	buf_printf(b,
		   ",\"locked\":{\"retention\":%llu,\"hold\":%llu,\"event\":%llu,\"doubt\":%llu}",
		   (unsigned long long)p->stay[LOCK_BY_RETENTION],
		   (unsigned long long)p->stay[LOCK_BY_HOLD],
		   (unsigned long long)p->stay[LOCK_BY_EVENT],
		   (unsigned long long)p->stay[LOCK_BY_DOUBT]);
	access_put_time(b, "next", p->next_ns);
	access_put_time(b, "until", p->last_ns);
	if (p->stay[LOCK_BY_HOLD] == 0)
		return;
	buf_put_str(b, ",\"holds\":[");
	(void)locks_each_hold_on(log_locks(log), &e->set, name_hold, &naming);
	buf_put_u8(b, ']');
}

/* Why what may go does not go by itself. */
static void
put_waits(struct buf *b, struct server *s, struct log *log, const struct clock_reading *clock)
{
	if (clock->state == CLOCK_FROZEN)
		buf_put_str(b, ",\"waits_for\":\"clock\"");
	else if (!erasure_goes_alone(audit_access(s->audit), log))
		buf_put_str(b, ",\"waits_for\":\"second-principal\"");
}

static int
put_open(struct buf *b, struct server *s, struct log *log, const struct erasure *e,
	 struct toolbox *t, struct buf *why)
{
	struct purgeplan_wish wish = {
		.from = e->set.r[0].first,
		.to = e->set.r[e->set.n - 1].last + 1,
		.max_ranges = SIZE_MAX,
		.only = &e->set,
		.unlocked = true,
	};
	struct clock_reading clock;
	struct purgeplan p;
	int err;

	store_clock_get(s->store, &clock);
	wish.now_ns = clock_earlier(&clock);
	err = purgeplan_make(&p, log, &wish, t, why);
	if (err == 0) {
		buf_printf(b, ",\"purged\":%llu,\"free\":%llu", (unsigned long long)p.gone,
			   (unsigned long long)p.records);
		put_locked(b, log, e, &p);
		put_waits(b, s, log, &clock);
		buf_put_str(b, ",\"done\":false");
		erasure_put_ranges(b, e);
	}
	purgeplan_fini(&p);
	return err;
}

int
erasure_state_put(struct buf *b, struct server *s, struct log *log, const struct erasure *e,
		  struct toolbox *t, struct buf *why)
{
	erasure_put(b, e);
	if (!e->ended_ns)
		return put_open(b, s, log, e, t, why);
	buf_printf(b, ",\"purged\":%llu,\"free\":0,\"done\":true", (unsigned long long)e->records);
	return b->err;
}
