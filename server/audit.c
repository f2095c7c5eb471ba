/* Start, the thread that records what waits, the end. Acts are in audit_act.c. */
#include "server/audit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "crypto/identity.h"
#include "crypto/keyfile.h"
#include "proto/check.h"
#include "proto/err.h"
#include "server/audit_heads.h"
#include "server/audit_queue.h"
#include "server/audit_reads.h"
#include "server/audit_state.h"
#include "server/deeds.h"
#include "server/config.h"
#include "server/first_token.h"
#include "server/kit.h"
#include "server/mapping.h"
#include "server/request.h"
#include "server/schemas.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/log.h"
#include "storage/read.h"
#include "storage/store.h"
#include "storage/writer.h"

enum {
	ROUND_S = 1,
	REFUSAL_ROUNDS = 60,  /* also of how long the trail is kept */
	USED_ROUNDS = 600,    /* how often the times of last use are saved */
	BEHIND_RECORDS = 512, /* so many are read at a start, at most: some 20 ms */
	EVENTS_A_JOB = 1000,
};

static const char stop[] = "{\"type\":\"server.stop\"}";

struct audit *
audit_new(void)
{
	struct audit *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	pthread_mutex_init(&a->acting, NULL);
	pthread_mutex_init(&a->mu, NULL);
	pthread_cond_init(&a->wake, NULL);
	audit_queue_init(&a->queue);
	audit_queue_init(&a->read_queue);
	audit_reads_init(&a->reads, &a->read_queue);
	a->access = access_new();
	a->kit = kit_new();
	if (a->access && a->kit)
		return a;
	audit_free(a);
	return NULL;
}

void
audit_free(struct audit *a)
{
	if (!a)
		return;
	audit_heads_fini(&a->heads);
	audit_reads_fini(&a->reads);
	audit_queue_fini(&a->read_queue);
	audit_queue_fini(&a->queue);
	access_free(a->access);
	kit_free(a->kit);
	keyfile_seal_free(a->seal);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->mu);
	pthread_mutex_destroy(&a->acting);
	free(a);
}

struct access *
audit_access(struct audit *a)
{
	return a->access;
}

void
audit_event(struct audit *a, struct slice json)
{
	audit_queue_add(&a->queue, json);
}

void
audit_refused(struct audit *a, enum access_answer answer, bool presented)
{
	audit_queue_refused(&a->queue, answer, presented);
}

void
audit_denied(struct audit *a, const struct request *r, struct slice log, enum problem problem)
{
	audit_queue_denied(&a->queue, r, log, problem);
}

void
audit_read(struct audit *a, struct token *token, const struct log *log, uint64_t index)
{
	audit_reads_add(&a->reads, token, log, index);
}

void
audit_access_event(struct audit *a, const char *type, const struct token *token,
		   struct slice members)
{
	struct buf b;

	buf_init(&b);
	audit_reads_put_who(&b, type, token);
	buf_put_slice(&b, members);
	buf_put_u8(&b, '}');
	audit_queue_add(&a->read_queue, b.err || !members.p ? slice_of(NULL, 0) : buf_slice(&b));
	buf_fini(&b);
}

/* --- the snapshot -------------------------------------------------------------------------- */

static uint64_t
recorded(const struct audit *a)
{
	struct head *h = log_head(a->log);
	uint64_t size = h->size;

	head_unref(h);
	return size;
}

/* Under `acting` no act is under way: all that is released is folded in. */
static int
save(struct audit *a)
{
	uint64_t applied;
	struct buf body;
	int err;

	buf_init(&body);
	pthread_mutex_lock(&a->acting);
	applied = recorded(a);
	access_encode(a->access, applied, &body);
	a->changed = false;
	pthread_mutex_unlock(&a->acting);
	err = body.err ? body.err : keyfile_write(a->path, buf_slice(&body), a->seal);
	keyfile_wipe(&body);
	if (err == 0)
		a->saved = applied;
	else
		a->changed = true;
	if (err != 0 && !a->save_failed)
		fprintf(stderr,
			"steled: warning: %s cannot be written (%s): it is tried again every second, "
			"and until then a start reads more of _system\n",
			a->path, stele_strerror(err));
	a->save_failed = err != 0;
	return err;
}

static int
load(struct audit *a)
{
	struct buf body;
	int err;

	buf_init(&body);
	err = keyfile_read(a->path, &body, a->seal);
	if (err == 0)
		err = access_decode(a->access, buf_slice(&body), &a->saved);
	keyfile_wipe(&body);
	a->fresh = err == STELE_ENOTFOUND;
	return a->fresh ? 0 : err;
}

/* --- what was recorded before ---------------------------------------------------------------- */

/* The act at index, NULL for an entry that is none. */
static int
read_act(struct audit *a, uint64_t index, struct arena *arena, json_t **act, int64_t *time_ns)
{
	struct record r;
	int err = read_record(a->s->store, a->log, index, a->kit->tools, arena, &r);

	*act = NULL;
	if (err != 0 || r.entry.kind != ENTRY_RECORD)
		return err;
	*time_ns = r.entry.time_ns;
	*act = json_loadb((const char *)r.payload.p, r.payload.n, 0, NULL);
	return *act ? 0 : STELE_EDAMAGED;
}

/* Folds in what came after the snapshot. */
static int
replay(struct audit *a, struct buf *why)
{
	uint64_t size = recorded(a), from = a->saved;
	int err = 0;

	if (from > size) { /* an older `_system` was put back: all of it, under the key there is */
		access_forget(a->access);
		from = 0;
	}
	a->changed = from != size;
	for (uint64_t i = from; err == 0 && i < size; i++) {
		struct arena arena;
		int64_t time_ns;
		json_t *act;

		arena_init(&arena);
		err = read_act(a, i, &arena, &act, &time_ns);
		if (err == 0 && act &&
		    access_apply(a->access, act, time_ns, false, why) == STELE_ENOMEM)
			err = STELE_ENOMEM; /* another error was the act's when it was recorded */
		buf_reset(why);
		json_decref(act);
		arena_fini(&arena);
		if (err != 0) {
			buf_reset(why);
			buf_printf(why,
				   "Cannot read record %llu of _system, which says who may do "
				   "what: %s. Run stele fsck and restore the damaged file from a "
				   "copy.",
				   (unsigned long long)i, stele_strerror(err));
		}
	}
	return err;
}

/* No start with the key of an identity that was replaced: two would sign. */
static int
check_identity(struct audit *a, struct buf *why)
{
	struct identity *id = store_identity(a->s->store);
	size_t n = identity_row(id)->n - 1;

	identity_unref(id);
	if (n >= access_successions(a->access))
		return 0;
	buf_printf(why,
		   "%s/keys/identity is of before the server's identity was replaced: "
		   "_system has succession %llu. Give the one of after.",
		   store_dir(a->s->store), (unsigned long long)access_successions(a->access));
	return STELE_EKEY;
}

/* What the last thing recorded says of the end before this start. */
static int
ended_by(struct audit *a)
{
	uint64_t index = recorded(a) - 1;
	struct arena arena;
	struct record r;
	int err;

	arena_init(&arena);
	err = read_record(a->s->store, a->log, index, a->kit->tools, &arena, &r);
	if (err == 0) {
		bool stopped = index == 0 || slice_eq_str(r.payload, stop);
		a->after = r.entry.kind == ENTRY_RESTORE ? "restore" : stopped ? "stop" : "crash";
	}
	arena_fini(&arena);
	return err;
}

/* --- the first principal ------------------------------------------------------------------------
 */

/* At a first start, and when the key of the hashes is lost, which no token survives. */
static int
let_one_in(struct audit *a, struct buf *why)
{
	bool reset = access_has_principals(a->access);
	struct first_token f = {.act = json_object(), .dir = store_dir(a->s->store)};
	struct deed_outcome outcome;
	int err;

	json_object_set_new(f.act, "type",
			    json_string(reset ? "access.reset" : "principal.create"));
	deed_outcome_init(&outcome);
	err = audit_act(a, f.act, first_token_fill, &f, NULL, a->kit, &outcome);
	buf_put_slice(why, buf_slice(&outcome.why));
	deed_outcome_fini(&outcome);
	json_decref(f.act);
	if (err == 0)
		err = save(a);
	if (err != 0 && why->n == 0)
		buf_printf(why, "Cannot make the first token in %s/admin.token: %s.", f.dir,
			   stele_strerror(err));
	return err;
}

/* --- the schemas that come with this program ---------------------------------------------------
 */

/*
 * They are recorded when they are others than those that were recorded last: holds and indexes of
 * older ones go on by those. Without room for the record those stay in force, if there are any.
 */
static int
record_schemas(struct audit *a)
{
	struct deed_outcome outcome;
	json_t *act = NULL;
	int err = schemas_builtin_act(a->access, &act);

	if (err != 0 || !act)
		return err;
	deed_outcome_init(&outcome);
	err = audit_act(a, act, NULL, NULL, NULL, a->kit, &outcome);
	deed_outcome_fini(&outcome);
	json_decref(act);
	if (err == 0 || mapping_now(a->access)->set.n == 0)
		return err;
	fprintf(stderr,
		"steled: warning: the schemas of this version cannot be recorded (%s): those of the "
		"version before stay in force\n",
		stele_strerror(err));
	return 0;
}

/* --- recording what waits --------------------------------------------------------------------- */

/* A list of events as one job. */
static int
record(struct audit *a, struct log *log, const struct audit_event *list)
{
	struct append_job job;
	size_t n = 0;
	int err;

	append_job_init(&job);
	for (const struct audit_event *e = list; e; e = e->next)
		n++;
	job.items = arena_alloc(&job.arena, n * sizeof *job.items);
	if (!job.items) {
		append_job_fini(&job);
		return STELE_ENOMEM;
	}
	memset(job.items, 0, n * sizeof *job.items);
	for (const struct audit_event *e = list; e; e = e->next, job.n_items++) {
		job.items[job.n_items].payload = slice_of(e->json, e->n);
		job.items[job.n_items].media_type = slice_str("application/json");
	}
	job.log = log;
	job.writer = slice_str(AUDIT_WRITER);
	job.kind = ENTRY_RECORD;
	err = append_prepare(&job, a->kit->tools);
	if (err == 0)
		err = writer_append(a->s->writer, &job);
	append_job_fini(&job);
	return err;
}

static int
record_events(struct audit *a, struct log *log, struct audit_queue *queue)
{
	struct audit_event *list;
	int err = 0;

	while (err == 0 && (list = audit_queue_take(queue, EVENTS_A_JOB))) {
		err = record(a, log, list);
		if (err == 0)
			audit_event_free(list);
		else
			audit_queue_return(queue, list);
	}
	return err;
}

static int
record_heads(struct audit *a)
{
	struct buf text;
	int err;

	buf_init(&text);
	do {
		buf_reset(&text);
		err = audit_heads_next(&a->heads, a->s->store, a->log, &text);
		if (err == 0 && text.n) {
			struct audit_event *e = malloc(sizeof *e + text.n);
			err = e ? 0 : STELE_ENOMEM;
			if (err == 0) {
				*e = (struct audit_event){.n = text.n};
				memcpy(e->json, text.p, text.n);
				err = record(a, a->log, e);
				free(e);
			}
		}
	} while (err == 0 && text.n);
	if (err != 0)
		audit_heads_forget(&a->heads);
	buf_fini(&text);
	return err;
}

/*
 * What cannot be recorded now waits for the next round: without space, or behind a full
 * queue. A store that is read-only has said so itself.
 */
static void
work(struct audit *a, unsigned round)
{
	int err;

	if (round % REFUSAL_ROUNDS == 0) {
		audit_queue_settle(&a->queue);
		pthread_mutex_lock(&a->acting);
		audit_keep_pace(a, a->kit);
		pthread_mutex_unlock(&a->acting);
	}
	audit_queue_settle(&a->read_queue);
	audit_reads_settle(&a->reads);
	err = record_events(a, a->access_log, &a->read_queue);
	if (err == 0)
		err = record_events(a, a->log, &a->queue);
	if (err == 0)
		err = record_heads(a);
	if (err == 0 &&
	    (a->changed || recorded(a) - a->saved >= BEHIND_RECORDS || round % USED_ROUNDS == 0))
		(void)save(a); /* said there */
	if (err == STELE_ENOMEM)
		fprintf(stderr, "steled: warning: _system is late: there is no memory\n");
}

static void *
audit_main(void *arg)
{
	struct audit *a = arg;
	struct timespec until;

	pthread_setname_np(pthread_self(), "stele-audit");
	pthread_mutex_lock(&a->mu);
	for (unsigned round = 1; !a->closing; round++) {
		pthread_mutex_unlock(&a->mu);
		work(a, round);
		pthread_mutex_lock(&a->mu);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += ROUND_S;
		if (!a->closing)
			pthread_cond_clockwait(&a->wake, &a->mu, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&a->mu);
	return NULL;
}

/* --- start and end -------------------------------------------------------------------------------
 */

/* The server's own log of that name, made at the first start. */
static int
own_log(struct server *s, const char *name, struct log **out, struct buf *why)
{
	struct policy policy;
	bool created;
	int err;

	if (store_log_find(s->store, slice_str(name), out) == 0)
		return 0;
	err = policy_read(&policy, slice_of("", 0), why);
	if (err == 0)
		err = writer_create_log(s->writer, slice_str(name), &policy,
					slice_str(AUDIT_WRITER), NULL, out, &created);
	if (err != 0)
		buf_printf(why, "Cannot make the server's own log %s: %s.", name,
			   stele_strerror(err));
	return err;
}

static void
note_start(struct audit *a)
{
	struct store_stats stats;
	struct buf b;

	store_stats_get(a->s->store, &stats);
	buf_init(&b);
	buf_printf(&b,
		   "{\"type\":\"server.start\",\"version\":\"" STELE_VERSION
		   "\",\"after\":\"%s\",\"encrypted_keys\":%s,\"logs\":%llu}",
		   a->after, a->s->config->passphrase ? "true" : "false",
		   (unsigned long long)stats.logs);
	audit_event(a, buf_slice(&b));
	buf_fini(&b);
}

/* What to do about an error that has not said it. */
static int
cannot_use(struct audit *a, int err, struct buf *why)
{
	if (err != 0 && why->n == 0)
		buf_printf(why,
			   "Cannot use the principals and tokens in %s: %s. Restore the "
			   "file from a copy; or remove it, and the next start makes a new "
			   "admin.token and revokes every other.",
			   a->path, stele_strerror(err));
	return err;
}

int
audit_load(struct audit *a, struct server *s, struct buf *why)
{
	int err;

	a->s = s;
	a->after = "stop"; /* of nothing */
	snprintf(a->path, sizeof a->path, "%s/keys/access", store_dir(s->store));
	err = keyfile_seal_new(&a->seal, s->config->passphrase);
	if (err == 0)
		err = load(a);
	if (err == 0 && store_log_find(s->store, slice_str("_system"), &a->log) == 0) {
		err = ended_by(a);
		if (err == 0)
			err = replay(a, why);
	}
	if (err == 0)
		err = check_identity(a, why);
	return cannot_use(a, err, why);
}

int
audit_open(struct audit *a, struct buf *why)
{
	int err = own_log(a->s, "_system", &a->log, why);

	if (err == 0)
		err = own_log(a->s, "_access", &a->access_log, why);
	if (err == 0 && (a->fresh || !access_has_principals(a->access)))
		err = let_one_in(a, why);
	if (err == 0)
		err = record_schemas(a);
	if (err != 0)
		return cannot_use(a, err, why);
	audit_keep_pace(a, a->kit);
	note_start(a);
	(void)record_events(
		a, a->log,
		&a->queue); /* without space it waits for some, and reads go on meanwhile */
	a->runs = pthread_create(&a->thread, NULL, audit_main, a) == 0;
	return a->runs ? 0 : STELE_ENOMEM;
}

void
audit_close(struct audit *a)
{
	if (!a->runs)
		return;
	pthread_mutex_lock(&a->mu);
	a->closing = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->mu);
	pthread_join(a->thread, NULL);
	a->runs = false;
	work(a, 0); /* so that the stop comes last */
	audit_event(a, slice_str(stop));
	(void)record_events(a, a->log, &a->queue); /* a store that cannot take it has said why */
	(void)save(a);                             /* else the next start reads more of `_system` */
}
