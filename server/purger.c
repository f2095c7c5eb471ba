/* A thread that mostly sleeps. */
#include "server/purger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/deeds.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/clocks.h"
#include "storage/log.h"
#include "storage/purge.h"
#include "storage/purgeplan.h"
#include "storage/store.h"

enum { FIRST_MS = 60000, LOGS_AT_ONCE = 64 };

struct purger {
	struct server *s;
	struct kit *kit;
	uint64_t every_ms;
	atomic_bool stop;
	atomic_ullong passes, records;
	pthread_mutex_t mu;
	pthread_cond_t wake;
	pthread_t thread;
};

/* --- one log ----------------------------------------------------------------------------- */

static json_t *
act_of(struct log *log, const struct purgeplan *p)
{
	char id[PLAN_ID_CHARS + 1];

	plans_new_id(id);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "type", "purge", "log", log_name(log),
			 "plan", id, "records", (json_int_t)p->records, "bytes",
			 (json_int_t)p->bytes, "ranges", deed_ranges(&p->go));
}

/* Whether the server may by itself: nobody asked that two look at it. */
static bool
may(struct purger *j, struct log *log, const json_t *act)
{
	return !(log_policy(log)->dual_control & POLICY_PURGE) &&
	       !access_needs_second(audit_access(j->s->audit), act);
}

static void
say(struct log *log, int err, const struct buf *why)
{
	fprintf(stderr, "steled: warning: log %s is not purged now: %s%s%.*s\n", log_name(log),
		stele_strerror(err), why->n ? ": " : "", (int)why->n,
		why->n ? (const char *)why->p : "");
}

/* What the plan has goes. */
static int
purge(struct purger *j, struct log *log, const struct purgeplan *p)
{
	json_t *act = act_of(log, p);
	struct purge_result result;
	struct deed_outcome outcome;
	int err = act ? 0 : STELE_ENOMEM;

	deed_outcome_init(&outcome);
	if (err == 0 && may(j, log, act)) {
		err = audit_act(j->s->audit, act, NULL, NULL, NULL, j->kit, &outcome);
		if (err == 0) {
			json_int_t entry =
				json_integer_value(json_object_get(outcome.told, "entry"));
			atomic_fetch_add(&j->records, p->records);
			purge_finish(j->s->store, log, (uint64_t)entry, &result, &outcome.why);
		} else if (err != STELE_ECLOSED && err != STELE_EBUSY) {
			say(log, err, &outcome.why);
		}
	}
	deed_outcome_fini(&outcome);
	json_decref(act);
	return err;
}

/* The next part of a log that can go at once; *from moves on. False: there is no more. */
static bool
step(struct purger *j, struct log *log, uint64_t *from)
{
	struct purgeplan_wish wish = {
		.from = *from, .to = UINT64_MAX, .max_ranges = LIMIT_PLAN_RANGES, .stop = &j->stop};
	struct clock_reading clock;
	struct purgeplan p;
	struct buf why;
	bool more;
	int err;

	store_clock_get(j->s->store, &clock);
	if (clock.state == CLOCK_FROZEN)
		return false;
	wish.now_ns = clock.lock_ns < clock.evidence_ns ? clock.lock_ns : clock.evidence_ns;
	buf_init(&why);
	err = purgeplan_make(&p, log, &wish, j->kit->tools, &why);
	if (err == 0 && p.records)
		err = purge(j, log, &p);
	else if (err != 0 && err != STELE_ECLOSED)
		say(log, err, &why);
	*from = p.looked;
	more = err == 0 && p.looked < p.sealed && !atomic_load(&j->stop);
	purgeplan_fini(&p);
	buf_fini(&why);
	return more;
}

/* --- all of them ------------------------------------------------------------------------- */

static void
pass(struct purger *j)
{
	struct log *logs[LOGS_AT_ONCE];
	struct slice after = slice_of("", 0);
	size_t n;

	while (!atomic_load(&j->stop) &&
	       (n = store_log_list(j->s->store, after, logs, LOGS_AT_ONCE)) > 0) {
		for (size_t i = 0; i < n && !atomic_load(&j->stop); i++) {
			uint64_t from = 0;
			while (step(j, logs[i], &from))
				;
		}
		after = slice_str(log_name(logs[n - 1]));
	}
	atomic_fetch_add(&j->passes, 1);
}

static void
rest(struct purger *j, uint64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	pthread_mutex_lock(&j->mu);
	while (!atomic_load(&j->stop) &&
	       pthread_cond_clockwait(&j->wake, &j->mu, CLOCK_MONOTONIC, &until) == 0)
		;
	pthread_mutex_unlock(&j->mu);
}

static void *
purger_main(void *arg)
{
	struct purger *j = arg;

	pthread_setname_np(pthread_self(), "stele-purger");
	rest(j, j->every_ms < FIRST_MS ? j->every_ms : FIRST_MS);
	while (!atomic_load(&j->stop)) {
		pass(j);
		rest(j, j->every_ms);
	}
	return NULL;
}

struct purger *
purger_start(struct server *s, uint64_t every_ms)
{
	struct purger *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->s = s;
	j->every_ms = every_ms;
	j->kit = kit_new();
	pthread_mutex_init(&j->mu, NULL);
	pthread_cond_init(&j->wake, NULL);
	if (!j->kit || pthread_create(&j->thread, NULL, purger_main, j) != 0) {
		kit_free(j->kit);
		free(j);
		return NULL;
	}
	return j;
}

void
purger_stop(struct purger *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&j->mu);
	atomic_store(&j->stop, true);
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->mu);
	pthread_join(j->thread, NULL);
	kit_free(j->kit);
	pthread_mutex_destroy(&j->mu);
	pthread_cond_destroy(&j->wake);
	free(j);
}

void
purger_figures(struct purger *j, uint64_t *passes, uint64_t *records)
{
	*passes = j ? atomic_load(&j->passes) : 0;
	*records = j ? atomic_load(&j->records) : 0;
}
