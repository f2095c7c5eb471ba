/* A thread that mostly sleeps. */
#include "server/purger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/deeds.h"
#include "server/erasure_state.h"
#include "server/erasures.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/clocks.h"
#include "storage/log.h"
#include "storage/purge.h"
#include "storage/purgeplan.h"
#include "storage/store.h"

enum { PURGER_NICE = 10 };
enum { FIRST_MS = 60000, ERASE_MS = 3600000, AGAIN_MS = 10000, LOGS_AT_ONCE = 64 };

struct purger {
	struct server *s;
	struct kit *kit;
	uint64_t every_ms;
	atomic_bool stop;
	atomic_ullong passes, records;
	uint64_t erase_in_ms; /* when erasures are to be looked at again, as a look finds out */
	pthread_mutex_t mu;
	pthread_cond_t wake;
	bool woken;
	pthread_t thread;
};

/* --- one log ----------------------------------------------------------------------------- */

/* erasure: whose part it is, or NULL. */
static json_t *
act_of(struct log *log, const struct purgeplan *p, const char *erasure)
{
	char id[PLAN_ID_CHARS + 1];

	plans_new_id(id);
	return json_pack("{s:s, s:s, s:s, s:s*, s:I, s:I, s:o}", "type", "purge", "log",
			 log_name(log), "plan", id, "erasure", erasure, "records",
			 (json_int_t)p->records, "bytes", (json_int_t)p->bytes, "ranges",
			 deed_ranges(&p->go));
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
purge(struct purger *j, struct log *log, const struct purgeplan *p, const char *erasure)
{
	json_t *act = act_of(log, p, erasure);
	struct purge_result result;
	struct deed_outcome outcome;
	int err = act ? 0 : STELE_ENOMEM;

	deed_outcome_init(&outcome);
	if (err == 0 && erasure_goes_alone(audit_access(j->s->audit), log)) {
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

/* By what locks end: both clocks say so. False: they are frozen, and nothing ends. */
static bool
clock_now(struct purger *j, int64_t *now_ns)
{
	struct clock_reading clock;

	store_clock_get(j->s->store, &clock);
	*now_ns = clock_earlier(&clock);
	return clock.state != CLOCK_FROZEN;
}

/* The next part of a log that can go at once; *from moves on. False: there is no more. */
static bool
step(struct purger *j, struct log *log, uint64_t *from)
{
	struct purgeplan_wish wish = {
		.from = *from, .to = UINT64_MAX, .max_ranges = LIMIT_PLAN_RANGES, .stop = &j->stop};
	struct purgeplan p;
	struct buf why;
	bool more;
	int err;

	if (!clock_now(j, &wish.now_ns))
		return false;
	buf_init(&why);
	err = purgeplan_make(&p, log, &wish, j->kit->tools, &why);
	if (err == 0 && p.records)
		err = purge(j, log, &p, NULL);
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
			while (!log_stays(logs[i]) && step(j, logs[i], &from))
				;
		}
		after = slice_str(log_name(logs[n - 1]));
	}
	atomic_fetch_add(&j->passes, 1);
}

/* --- erasures ------------------------------------------------------------------------------- */

static void
look_again_in(struct purger *j, uint64_t ms)
{
	j->erase_in_ms = ms < j->erase_in_ms ? ms : j->erase_in_ms;
}

/* All of it is gone. */
static void
end(struct purger *j, struct log *log, const struct erasure *e)
{
	json_t *act =
		json_pack("{s:s, s:s, s:s}", "type", "erasure.end", "id", e->id, "log", e->log);
	struct deed_outcome outcome;
	int err;

	deed_outcome_init(&outcome);
	err = act ? audit_act(j->s->audit, act, NULL, NULL, NULL, j->kit, &outcome) : STELE_ENOMEM;
	if (err != 0) {
		say(log, err, &outcome.why);
		look_again_in(j, AGAIN_MS);
	}
	deed_outcome_fini(&outcome);
	json_decref(act);
}

/* The part of it that begins at wish->from: what is free goes. *gone counts what is not there. */
static int
erase_part(struct purger *j, struct log *log, const struct erasure *e, struct purgeplan_wish *wish,
	   uint64_t *gone)
{
	bool alone = erasure_goes_alone(audit_access(j->s->audit), log);
	struct purgeplan p;
	struct buf why;
	int err;

	buf_init(&why);
	err = purgeplan_make(&p, log, wish, j->kit->tools, &why);
	if (err != 0 && err != STELE_ECLOSED)
		say(log, err, &why);
	*gone += err == 0 ? p.gone : 0;
	if (err == 0 && p.records && alone) {
		err = purge(j, log, &p, e->id);
		*gone += err == 0 ? p.records : 0;
	}
	if (err == 0 && p.next_ns)
		look_again_in(j, (uint64_t)(p.next_ns - wish->now_ns) / 1000000 + 1);
	wish->from = p.looked;
	purgeplan_fini(&p);
	buf_fini(&why);
	return err;
}

/* The rest of it, part by part, as far as it is sealed. */
static int
erase_parts(struct purger *j, struct log *log, const struct erasure *e, struct purgeplan_wish *wish,
	    uint64_t *gone)
{
	uint64_t from;
	int err;

	do {
		from = wish->from;
		err = erase_part(j, log, e, wish, gone);
	} while (err == 0 && wish->from > from && wish->from < wish->to);
	return err;
}

/* A crash, or a restore, takes back what the request sealed, and only what is sealed can go. */
static int
seal_again(struct purger *j, struct log *log)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = store_seal_log(j->s->store, log, &why);
	if (err != 0 && err != STELE_ECLOSED)
		say(log, err, &why);
	buf_fini(&why);
	return err;
}

static void
erase(struct purger *j, const struct erasure *e)
{
	struct purgeplan_wish wish = {.from = e->set.r[0].first,
				      .to = e->set.r[e->set.n - 1].last + 1,
				      .max_ranges = LIMIT_PLAN_RANGES,
				      .only = &e->set,
				      .unlocked = true,
				      .stop = &j->stop};
	uint64_t gone = 0;
	struct log *log;
	int err = store_log_find(j->s->store, slice_str(e->log), &log);

	if (err != 0)
		return;
	if (!clock_now(j, &wish.now_ns)) {
		look_again_in(j, FIRST_MS);
		return;
	}
	err = erase_parts(j, log, e, &wish, &gone);
	if (err == 0 && wish.from < wish.to) {
		err = seal_again(j, log);
		if (err == 0)
			err = erase_parts(j, log, e, &wish, &gone);
	}
	if (err == 0 && gone == e->records)
		end(j, log, e);
	else if (err != 0)
		look_again_in(j, AGAIN_MS);
}

/* All that are open. */
static void
erase_all(struct purger *j)
{
	struct erasure *e = NULL, *next;

	j->erase_in_ms = ERASE_MS;
	if (access_open_erasures(audit_access(j->s->audit)) == 0)
		return;
	while (!atomic_load(&j->stop) &&
	       access_next_erasure(audit_access(j->s->audit), slice_str(e ? e->log : ""),
				   slice_str(e ? e->id : ""), &next) == 0) {
		erasure_free(e);
		e = next;
		if (!e->ended_ns)
			erase(j, e);
	}
	erasure_free(e);
}

/* --- the thread ------------------------------------------------------------------------------- */

static uint64_t
now_ms(void)
{
	return (uint64_t)server_monotonic_ns() / 1000000;
}

/* Until then, or until it is woken: true. */
static bool
rest(struct purger *j, uint64_t until_ms)
{
	struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};
	bool woken;
	int rc = 0;

	pthread_mutex_lock(&j->mu);
	while (!atomic_load(&j->stop) && !j->woken && rc == 0)
		rc = pthread_cond_clockwait(&j->wake, &j->mu, CLOCK_MONOTONIC, &until);
	woken = j->woken;
	j->woken = false;
	pthread_mutex_unlock(&j->mu);
	return woken;
}

static void *
purger_main(void *arg)
{
	struct purger *j = arg;
	uint64_t first_ms = j->every_ms < FIRST_MS ? j->every_ms : FIRST_MS,
		 pass_at = j->every_ms ? now_ms() + first_ms : UINT64_MAX, erase_at = 0;
	bool woken = false;

	pthread_setname_np(pthread_self(), "stele-purger");
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), PURGER_NICE);
	while (!atomic_load(&j->stop)) {
		if (now_ms() >= pass_at) {
			pass(j);
			pass_at = now_ms() + j->every_ms;
		}
		if (woken || now_ms() >= erase_at) {
			erase_all(j);
			erase_at = now_ms() + j->erase_in_ms;
		}
		woken = rest(j, pass_at < erase_at ? pass_at : erase_at);
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
purger_wake(struct purger *j)
{
	if (!j || access_open_erasures(audit_access(j->s->audit)) == 0)
		return;
	pthread_mutex_lock(&j->mu);
	j->woken = true;
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->mu);
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
