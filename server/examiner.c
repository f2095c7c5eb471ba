/*
 * Round by round: which holds, in which logs, from where on; then step by step, so many records
 * each, with an entry at the end of a step.
 */
#include "server/examiner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proto/err.h"
#include "server/audit.h"
#include "server/hold_logs.h"
#include "server/hold_match.h"
#include "server/holds.h"
#include "server/kit.h"
#include "server/mapping.h"
#include "server/purger.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/ranges.h"
#include "storage/read.h"
#include "storage/store.h"
#include "storage/writer.h"

enum { NICE = 10, AGAIN_S = 10, SCAN_ROWS = 64 };

struct examiner {
	struct server *s;
	struct kit *kit;
	uint64_t after_s;
	pthread_mutex_t mu;
	pthread_cond_t wake;
	bool woken;
	atomic_bool closing;
	pthread_t thread;
	bool runs;
};

/* One hold that is looked at, as far as its entries need it. */
struct exam {
	struct examiner *e;
	struct hold_matcher *matcher;  /* of h.mapping; NULL until there is something to be read */
	const struct mapping *mapping; /* matcher's */
	bool late;                     /* what came later is looked at, too */
	struct hold h;                 /* without its texts */
};

/* One step in one log. */
struct step {
	struct exam *x;
	struct log *log;
	uint64_t from, end, next; /* read from here to before there; open from next on, then */
	uint64_t records, matched, unparsed, purged;
	struct ranges held;
};

/* --- a step's reading ----------------------------------------------------------------------------
 */

/* A record that cannot be read is one of which nothing can be told. */
static int
decide(struct step *s, uint64_t index, struct arena *arena, enum hold_verdict *out)
{
	struct examiner *e = s->x->e;
	struct record r;
	int err;

	*out = HOLD_UNPARSED;
	if (locks_purged(log_locks(s->log), index)) {
		s->purged++;
		return 0;
	}
	err = read_record(e->s->store, s->log, index, e->kit->tools, arena, &r);
	if (err == STELE_EDAMAGED) {
		s->records++;
		s->unparsed++;
		return 0;
	}
	if (err != 0)
		return err;
	*out = HOLD_NOT;
	if (r.entry.kind != ENTRY_RECORD)
		return 0;
	s->records++;
	err = hold_matcher_run(s->x->matcher, &r, out);
	s->matched += err == 0 && *out == HOLD_MATCHED;
	s->unparsed += err == 0 && *out == HOLD_UNPARSED;
	return err;
}

/* Reads from s->from until before `end`, or as much as one step may. */
static int
read_step(struct step *s, uint64_t end)
{
	struct arena arena;
	int err = 0;

	arena_init(&arena);
	for (s->end = s->from; err == 0 && s->end < end; s->end++) {
		enum hold_verdict verdict;
		if (s->end - s->from >= LIMIT_HOLD_STEP_RECORDS || atomic_load(&s->x->e->closing))
			break;
		arena_reset(&arena);
		err = decide(s, s->end, &arena, &verdict);
		if (err == 0 && verdict != HOLD_NOT)
			err = ranges_add(&s->held, s->end, s->end);
		if (err != 0)
			break;
	}
	arena_fini(&arena);
	return err;
}

/* --- a step's entry
 * -------------------------------------------------------------------------------- */

/* In the turn of an act: nothing has changed, or it is not done. */
static int
fill(json_t *act, void *ctx)
{
	const struct step *s = ctx;
	struct slice id = slice_str(s->x->h.id);
	const struct hold *h = access_find_hold(audit_access(s->x->e->s->audit), id);
	struct lock_hold held;

	if (!h || h->released_ns || !locks_hold(log_locks(s->log), id, &held) || held.released ||
	    held.open_from != s->from)
		return STELE_ECONFLICT;
	json_object_set_new(act, "type", json_string("hold.cover"));
	json_object_set_new(act, "hold", json_string(s->x->h.id));
	json_object_set_new(act, "log", json_string(log_name(s->log)));
	json_object_set_new(act, "first", json_integer((json_int_t)s->from));
	json_object_set_new(act, "last", json_integer((json_int_t)s->end - 1));
	json_object_set_new(act, "matched", json_integer((json_int_t)s->matched));
	json_object_set_new(act, "unparsed", json_integer((json_int_t)s->unparsed));
	json_object_set_new(act, "purged", json_integer((json_int_t)s->purged));
	return json_object_set_new(act, "done", json_boolean(s->next == CONTROL_OPEN)) == 0
		       ? 0
		       : STELE_ENOMEM;
}

static int
write_entries(struct writer *w, const struct token *by, struct kit *kit, struct append_job *record,
	      void *ctx)
{
	const struct step *s = ctx;
	struct deed_turn turn = {.s = s->x->e->s, .kit = kit, .by = slice_str(AUDIT_WRITER)};
	struct hold_entries all;
	int err;

	(void)w;
	(void)by; /* nobody's: the server's own */
	hold_entries_init(&all);
	err = hold_entries_cover(&all, s->log, &s->x->h, s->held.r, s->held.n, s->from, s->next,
				 slice_str(",\"by\":\"" AUDIT_WRITER "\""));
	if (err == 0)
		err = deed_write(&turn, all.e, all.n, record);
	hold_entries_fini(&all);
	return err;
}

/* --- one log -------------------------------------------------------------------------------------
 */

/* How far it is to be read now; no further than from: not at all. */
static uint64_t
target(const struct exam *x, struct log *log, const struct lock_hold *held)
{
	struct head *head = log_head(log);
	uint64_t size = head->size;

	head_unref(head);
	if (!x->h.open_ended)
		return held->placed;
	return x->late || held->open_from < held->placed ? size : 0;
}

static int
one_step(struct step *s, const struct lock_hold *held, uint64_t end)
{
	const struct audit_deed deed = {fill, write_entries, s};
	struct examiner *e = s->x->e;
	bool first = held->open_from < held->placed;
	int err = read_step(s, end);

	if (err != 0 || s->end == s->from)
		return err;
	if (!first && s->records == 0) /* entries of holds alone would beget entries */
		return 0;
	s->next = s->x->h.open_ended || s->end < end ? s->end : CONTROL_OPEN;
	err = audit_together(e->s->audit, &deed, NULL, e->kit);
	return err ? err : 1;
}

/* 0, or an error after which it is tried again some time. What it lets go may be to be erased. */
static int
examine(struct exam *x, struct log *log)
{
	bool wrote = false;
	int more = 1;

	while (more == 1 && !atomic_load(&x->e->closing)) {
		struct step s = {.x = x, .log = log};
		struct lock_hold held;
		uint64_t end;
		if (!locks_hold(log_locks(log), slice_str(x->h.id), &held) || held.released ||
		    held.open_from == CONTROL_OPEN)
			break;
		end = target(x, log, &held);
		s.from = held.open_from;
		more = s.from < end ? one_step(&s, &held, end) : 0;
		wrote |= more == 1;
		ranges_fini(&s.held);
	}
	if (wrote)
		purger_wake(x->e->s->purger);
	return more < 0 && more != STELE_ECONFLICT ? more : 0; /* released meanwhile */
}

/* --- one hold
 * ------------------------------------------------------------------------------------- */

static bool
is_due(const struct exam *x, struct log *log)
{
	struct lock_hold held;

	return locks_hold(log_locks(log), slice_str(x->h.id), &held) && !held.released &&
	       held.open_from != CONTROL_OPEN && held.open_from < target(x, log, &held);
}

/* What the entries need of it, and its matcher. */
static int
prepare(void *ctx, const struct hold *h)
{
	struct exam *x = ctx;

	if (h->released_ns)
		return STELE_ENOTFOUND;
	x->h = (struct hold){.kind = h->kind, .open_ended = h->open_ended};
	memcpy(x->h.id, h->id, sizeof x->h.id);
	memcpy(x->h.mapping, x->mapping->digest, sizeof x->h.mapping);
	memcpy(x->h.filter_digest, h->filter_digest, sizeof x->h.filter_digest);
	return hold_matcher_new(&x->matcher, x->mapping, h);
}

/*
 * Makes x ready for a log: its matcher is by the mapping that the hold has there, which is not that
 * of other logs if schemas were chosen for them, nor the one that logs have now. Without one
 * everything stays held: no version of the schemas that is known has that digest.
 */
static int
prepare_for(struct exam *x, struct log *log)
{
	struct access *access = audit_access(x->e->s->audit);
	struct lock_hold held;
	char id[CONTROL_HOLD_ID_CHARS + 1];

	memcpy(id, x->h.id, sizeof id);
	if (!locks_hold(log_locks(log), slice_str(id), &held) || !held.has_mapping)
		return STELE_ECONFLICT;
	if (x->matcher && memcmp(x->h.mapping, held.mapping, sizeof x->h.mapping) == 0)
		return 0;
	x->mapping = mapping_of_digest(access, held.mapping);
	if (!x->mapping)
		return STELE_ECONFLICT;
	hold_matcher_free(x->matcher);
	x->matcher = NULL;
	return access_hold(access, slice_str(id), prepare, x);
}

/* 0, or the first error. */
static int
examine_hold(struct examiner *e, const struct exam *which)
{
	struct exam x = *which;
	struct slice after = slice_of("", 0);
	struct log *logs[SCAN_ROWS];
	size_t n = SCAN_ROWS;
	int err = 0;

	while (n == SCAN_ROWS && !atomic_load(&e->closing)) {
		n = store_log_list(e->s->store, after, logs, SCAN_ROWS);
		for (size_t i = 0; i < n; i++) {
			int rc;
			if (!is_due(&x, logs[i]))
				continue;
			rc = prepare_for(&x, logs[i]);
			if (rc == 0)
				rc = examine(&x, logs[i]);
			else if (rc != STELE_ENOMEM)
				rc = 0; /* released meanwhile, or of a mapping that is not known:
					   held */
			err = err ? err : rc;
		}
		if (n)
			after = slice_str(log_name(logs[n - 1]));
	}
	hold_matcher_free(x.matcher);
	return err;
}

/* --- a round ------------------------------------------------------------------------ */

struct ids {
	struct exam *x;
	size_t n, cap;
	int err;
	struct exam like;
};

static int
add_id(void *ctx, const struct hold *h)
{
	struct ids *ids = ctx;

	if (h->kind != HOLD_FILTER || h->released_ns)
		return 0;
	if (ids->n == ids->cap) {
		size_t cap = ids->cap ? 2 * ids->cap : 64;
		struct exam *p = realloc(ids->x, cap * sizeof *p);
		if (!p)
			return ids->err = STELE_ENOMEM;
		ids->x = p;
		ids->cap = cap;
	}
	ids->x[ids->n] = ids->like;
	ids->x[ids->n].h.open_ended = h->open_ended;
	memcpy(ids->x[ids->n++].h.id, h->id, sizeof h->id);
	return 0;
}

static int
run_round(struct examiner *e, bool late)
{
	struct ids ids = {.like = {.e = e, .late = late}};
	int err;

	(void)access_each_hold(audit_access(e->s->audit), slice_of("", 0), add_id, &ids);
	err = ids.err;
	for (size_t i = 0; i < ids.n && !atomic_load(&e->closing); i++) {
		int rc = examine_hold(e, &ids.x[i]);
		err = err ? err : rc;
	}
	free(ids.x);
	return err;
}

/* Waits to be woken, or for the time; true: for that. */
static bool
wait(struct examiner *e, const struct timespec *until)
{
	int rc = 0;

	while (!e->woken && !atomic_load(&e->closing) && rc == 0)
		rc = pthread_cond_clockwait(&e->wake, &e->mu, CLOCK_MONOTONIC, until);
	e->woken = false;
	return rc != 0;
}

static void
say_late(int err)
{
	fprintf(stderr,
		"steled: warning: holds by filter are not examined (%s): everything they are about "
		"stays held, and it is tried again in %d s\n",
		stele_strerror(err), AGAIN_S);
}

static void *
examiner_main(void *arg)
{
	struct examiner *e = arg;
	struct timespec late_at, at;
	bool late = false;
	int err;

	pthread_setname_np(pthread_self(), "stele-examine");
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	clock_gettime(CLOCK_MONOTONIC, &late_at);
	late_at.tv_sec += (time_t)e->after_s;
	pthread_mutex_lock(&e->mu);
	while (!atomic_load(&e->closing)) {
		pthread_mutex_unlock(&e->mu);
		err = run_round(e, late);
		if (err != 0 && !atomic_load(&e->closing))
			say_late(err);
		clock_gettime(CLOCK_MONOTONIC, &at);
		if (late && err == 0) {
			late_at = at;
			late_at.tv_sec += (time_t)e->after_s;
		}
		at.tv_sec += AGAIN_S;
		pthread_mutex_lock(&e->mu);
		late = wait(e, err ? &at : &late_at) && (err == 0 || late);
	}
	pthread_mutex_unlock(&e->mu);
	return NULL;
}

/* --- start and end
 * ----------------------------------------------------------------------------------- */

int
examiner_new(struct examiner **out, struct server *s, uint64_t after_s)
{
	struct examiner *e = calloc(1, sizeof *e);

	if (!e)
		return STELE_ENOMEM;
	e->s = s;
	e->after_s = after_s;
	e->kit = kit_new();
	pthread_mutex_init(&e->mu, NULL);
	pthread_cond_init(&e->wake, NULL);
	e->runs = e->kit && pthread_create(&e->thread, NULL, examiner_main, e) == 0;
	if (!e->runs) {
		examiner_free(e);
		return STELE_ENOMEM;
	}
	*out = e;
	return 0;
}

void
examiner_free(struct examiner *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->mu);
	atomic_store(&e->closing, true);
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->mu);
	if (e->runs)
		pthread_join(e->thread, NULL);
	kit_free(e->kit);
	pthread_cond_destroy(&e->wake);
	pthread_mutex_destroy(&e->mu);
	free(e);
}

void
examiner_wake(struct examiner *e)
{
	pthread_mutex_lock(&e->mu);
	e->woken = true;
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->mu);
}
