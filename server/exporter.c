/* Mostly it sleeps; then what is over goes, and what waits is made (server/export_make.h). */
#include "server/exporter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "proto/err.h"
#include "server/audit.h"
#include "server/config.h"
#include "server/deeds.h"
#include "server/export_make.h"
#include "server/exports.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/spool.h"
#include "storage/store.h"

enum { NICE = 10, LOOK_S = 1, AGAIN_S = 10 };

struct exporter {
	struct server *s;
	struct kit *kit;
	struct export_make make;
	pthread_mutex_t mu;
	pthread_cond_t wake;
	bool woken;
	atomic_bool closing;
	char id[EXPORT_ID_CHARS + 1]; /* of the one under way, or "" */
	atomic_ullong made, failed;
	pthread_t thread;
	bool runs;
};

static struct access *
access_of(const struct server *s)
{
	return audit_access(s->audit);
}

/* --- acts ----------------------------------------------------------------------------------------
 */

/* Records that, about the export: the server's own act. Takes the act. */
static int
act_on(struct exporter *ex, json_t *act, const char *id, const char *what)
{
	struct deed_outcome outcome;
	int err;

	deed_outcome_init(&outcome);
	err = act ? audit_act(ex->s->audit, act, NULL, NULL, NULL, ex->kit, &outcome)
		  : STELE_ENOMEM;
	if (err != 0 && err != STELE_ECONFLICT && err != STELE_ECLOSED)
		fprintf(stderr,
			"steled: warning: export %s: that it %s cannot be recorded (%s); tried again "
			"in %d s\n",
			id, what, stele_strerror(err), AGAIN_S);
	deed_outcome_fini(&outcome);
	json_decref(act);
	return err == STELE_ECONFLICT ? 0 : err;
}

static int
remove_it(struct exporter *ex, const struct export *e, const char *why)
{
	return act_on(
		ex,
		json_pack("{s:s, s:s, s:s}", "type", "export.remove", "export", e->id, "why", why),
		e->id, "is removed");
}

/* --- what is on disk
 * ------------------------------------------------------------------------------- */

struct sweep {
	struct server *s;
	char (*ids)[EXPORT_ID_CHARS + 1];
	size_t n, cap;
};

/* A bundle that no live export has; one that is begun is the maker's. */
static int
see_spool(void *ctx, struct slice id, uint64_t disk_bytes)
{
	struct sweep *sweep = ctx;
	struct export *e = NULL;
	bool live = access_export(access_of(sweep->s), id, &e) == 0 &&
		    (e->state == EXPORT_BEGUN || e->state == EXPORT_FINISHED);

	(void)disk_bytes;
	export_unref(e);
	if (live || id.n != EXPORT_ID_CHARS)
		return 0;
	if (sweep->n == sweep->cap) {
		size_t cap = sweep->cap ? 2 * sweep->cap : 16;
		void *p = realloc(sweep->ids, cap * sizeof *sweep->ids);
		if (!p)
			return STELE_ENOMEM;
		sweep->ids = p;
		sweep->cap = cap;
	}
	memcpy(sweep->ids[sweep->n], id.p, id.n);
	sweep->ids[sweep->n++][id.n] = '\0';
	return 0;
}

int
exporter_sweep(struct server *s)
{
	struct sweep sweep = {.s = s};
	int err = spool_each(s->store, see_spool, &sweep);

	for (size_t i = 0; i < sweep.n; i++) {
		int rc = spool_destroy(s->store, slice_str(sweep.ids[i]));
		if (rc != 0)
			fprintf(stderr,
				"steled: warning: the bundle of export %s cannot be removed: "
				"%s\n",
				sweep.ids[i], stele_strerror(rc));
		err = err ? err : rc;
	}
	free(sweep.ids);
	return err;
}

/* Calls fn for each export; true: it did something. */
static bool
each(struct exporter *ex, bool (*fn)(struct exporter *ex, struct export *e))
{
	struct export *e = NULL, *next;
	bool did = false;

	while (!atomic_load(&ex->closing) &&
	       access_next_export(access_of(ex->s), slice_str(e ? e->id : ""), &next) == 0) {
		export_unref(e);
		e = next;
		did |= fn(ex, e);
	}
	export_unref(e);
	return did;
}

static bool
expire(struct exporter *ex, struct export *e)
{
	return e->state == EXPORT_FINISHED &&
	       e->ended_ns + (int64_t)ex->s->config->export_keep_ms * 1000000 <=
		       server_now_ns(ex->s) &&
	       remove_it(ex, e, "expired") == 0;
}

/* Finished, and not there: a purge took it, or the store was restored from a backup. */
static bool
find_lost(struct exporter *ex, struct export *e)
{
	struct spool_reader *r = NULL;
	int err;

	if (e->state != EXPORT_FINISHED)
		return false;
	err = spool_open(&r, ex->s->store, slice_str(e->id));
	spool_close(r);
	if (err == STELE_EGONE)
		return remove_it(ex, e, "purged") == 0;
	return err == STELE_ENOTFOUND && remove_it(ex, e, "lost") == 0;
}

/* --- making --------------------------------------------------------------------------------------
 */

/* The one that waits for longest, counted; NULL: none. */
static struct export *
next_begun(struct exporter *ex)
{
	struct export *e = NULL, *at = NULL, *next;

	while (access_next_export(access_of(ex->s), slice_str(at ? at->id : ""), &next) == 0) {
		export_unref(at);
		at = next;
		if (at->state == EXPORT_BEGUN && (!e || at->begun_ns < e->begun_ns)) {
			export_unref(e);
			e = export_ref(at);
		}
	}
	export_unref(at);
	return e;
}

static void
set_running(struct exporter *ex, const char *id)
{
	pthread_mutex_lock(&ex->mu);
	snprintf(ex->id, sizeof ex->id, "%s", id);
	atomic_store(&ex->make.stop, atomic_load(&ex->closing));
	pthread_mutex_unlock(&ex->mu);
}

/* Why it cannot be made becomes its end, unless it is the whole server's trouble. */
static int
fail(struct exporter *ex, const struct export *e, int err, const struct buf *why)
{
	const char *reason = why->n ? (const char *)why->p : stele_strerror(err);
	size_t n = why->n ? why->n : strlen(reason);

	if (err == STELE_ECLOSED || err == STELE_EREADONLY)
		return err;
	n = n > LIMIT_EXPORT_WHY_BYTES ? LIMIT_EXPORT_WHY_BYTES : n;
	atomic_fetch_add(&ex->failed, 1);
	fprintf(stderr, "steled: warning: export %s failed: %.*s\n", e->id, (int)n, reason);
	return act_on(ex,
		      json_pack("{s:s, s:s, s:s%}", "type", "export.fail", "export", e->id,
				"reason", reason, n),
		      e->id, "failed");
}

/* True: it was made, or is no more; false: it is to be tried again some time. */
static bool
make(struct exporter *ex, const struct export *e)
{
	struct buf why;
	int err;

	buf_init(&why);
	set_running(ex, e->id);
	err = export_make(&ex->make, e, &why);
	if (err == STELE_ECLOSED && !atomic_load(&ex->closing))
		err = 0; /* it was cancelled */
	else if (err == 0)
		atomic_fetch_add(&ex->made, 1);
	else
		err = fail(ex, e, err, &why);
	set_running(ex, "");
	(void)exporter_sweep(ex->s); /* of one that was cancelled meanwhile; said there */
	buf_fini(&why);
	return err == 0;
}

/* All that wait; false: something is to be tried again. */
static bool
make_all(struct exporter *ex)
{
	struct export *e;
	bool good = true;

	while (good && !atomic_load(&ex->closing) && (e = next_begun(ex))) {
		good = make(ex, e);
		export_unref(e);
	}
	return good;
}

/* --- the thread ----------------------------------------------------------------------------------
 */

/* Until it is woken: true; or for some seconds. */
static bool
rest(struct exporter *ex, time_t seconds)
{
	struct timespec until;
	bool woken;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&ex->mu);
	while (!ex->woken && !atomic_load(&ex->closing) && rc == 0)
		rc = pthread_cond_clockwait(&ex->wake, &ex->mu, CLOCK_MONOTONIC, &until);
	woken = ex->woken;
	ex->woken = false;
	pthread_mutex_unlock(&ex->mu);
	return woken;
}

static void *
exporter_main(void *arg)
{
	struct exporter *ex = arg;
	bool woken = true, good = true;

	pthread_setname_np(pthread_self(), "stele-export");
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	while (!atomic_load(&ex->closing)) {
		bool gone = each(ex, expire);
		if (woken)
			gone |= each(ex, find_lost);
		if (woken || gone)
			(void)exporter_sweep(ex->s); /* said there */
		good = make_all(ex);
		woken = rest(ex, good ? LOOK_S : AGAIN_S);
	}
	return NULL;
}

/* --- start and end
 * ----------------------------------------------------------------------------------
 */

int
exporter_new(struct exporter **out, struct server *s)
{
	struct exporter *ex = calloc(1, sizeof *ex);
	int err;

	if (!ex)
		return STELE_ENOMEM;
	ex->s = s;
	ex->kit = kit_new();
	pthread_mutex_init(&ex->mu, NULL);
	pthread_cond_init(&ex->wake, NULL);
	err = ex->kit ? export_make_init(&ex->make, s, ex->kit) : STELE_ENOMEM;
	if (err == 0)
		ex->runs = pthread_create(&ex->thread, NULL, exporter_main, ex) == 0;
	if (!ex->runs) {
		exporter_free(ex);
		return err ? err : STELE_ENOMEM;
	}
	*out = ex;
	return 0;
}

void
exporter_free(struct exporter *ex)
{
	if (!ex)
		return;
	pthread_mutex_lock(&ex->mu);
	atomic_store(&ex->closing, true);
	atomic_store(&ex->make.stop, true);
	pthread_cond_signal(&ex->wake);
	pthread_mutex_unlock(&ex->mu);
	if (ex->runs)
		pthread_join(ex->thread, NULL);
	export_make_fini(&ex->make);
	kit_free(ex->kit);
	pthread_cond_destroy(&ex->wake);
	pthread_mutex_destroy(&ex->mu);
	free(ex);
}

void
exporter_wake(struct exporter *ex)
{
	if (!ex)
		return;
	pthread_mutex_lock(&ex->mu);
	ex->woken = true;
	pthread_cond_signal(&ex->wake);
	pthread_mutex_unlock(&ex->mu);
}

void
exporter_cancel(struct exporter *ex, struct slice id)
{
	pthread_mutex_lock(&ex->mu);
	if (slice_eq_str(id, ex->id))
		atomic_store(&ex->make.stop, true);
	pthread_mutex_unlock(&ex->mu);
}

bool
exporter_progress_of(struct exporter *ex, struct slice id, struct exporter_progress *out)
{
	bool is;

	pthread_mutex_lock(&ex->mu);
	is = slice_eq_str(id, ex->id);
	pthread_mutex_unlock(&ex->mu);
	*out = (struct exporter_progress){atomic_load(&ex->make.entries),
					  atomic_load(&ex->make.of_entries),
					  atomic_load(&ex->make.bytes)};
	return is;
}

void
exporter_figures(struct exporter *ex, uint64_t *made, uint64_t *failed)
{
	*made = ex ? atomic_load(&ex->made) : 0;
	*failed = ex ? atomic_load(&ex->failed) : 0;
}
