/* A server without sockets, two logs, and one attempt after the other. */
#include "server/selftest.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/control.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/config.h"
#include "server/deeds.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/read.h"
#include "storage/store.h"
#include "storage/writer.h"

#define HOUR_NS INT64_C(3600000000000)
#define POLICY                                                                                          \
	"{\"mode\":\"compliance\",\"retain\":{\"default\":\"1d\",\"max\":\"2d\"},\"quota\":{\"bytes\":" \
	"1000000},\"public\":false}"

struct scratch {
	char dir[LIMIT_PATH_BYTES];
	struct config config;
	struct server s;
	struct kit *kit;
	struct log *log;  /* in compliance mode: its record is locked for a day */
	struct log *held; /* without a mode: its record is locked by a hold alone */
	struct buf *why;
};

/* --- the scratch server -------------------------------------------------------------------- */

static int
remove_one(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	(void)f;
	return remove(path);
}

static void
remove_all(const char *dir)
{
	(void)nftw(dir, remove_one, 16,
		   FTW_DEPTH | FTW_PHYS); /* what stays is found by store_open */
}

static void
say_nothing(void *ctx, enum store_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static int
create_log(struct scratch *x, const char *name, const char *policy_json, struct log **out)
{
	struct policy policy;
	bool created;
	int err = policy_read(&policy, slice_str(policy_json), x->why);

	return err ? err
		   : writer_create_log(x->s.writer, slice_str(name), &policy, slice_str("steled"),
				       NULL, out, &created);
}

static int
begin(struct scratch *x)
{
	struct store_options options = {.dir = x->dir,
					.server_name = "selftest.invalid",
					.wal_file_bytes = LIMIT_WAL_FILE_MIN_BYTES,
					.create = true,
					.say = say_nothing};
	int err;

	x->config.data = x->dir;
	x->s.config = &x->config;
	x->kit = kit_new();
	x->s.audit = audit_new();
	kit_pool_init(&x->s.kits);
	err = x->kit && x->s.audit ? store_open(&x->s.store, &options, x->why) : STELE_ENOMEM;
	if (err == 0)
		err = audit_load(x->s.audit, &x->s, x->why);
	if (err == 0)
		err = writer_new(&x->s.writer, x->s.store, 0);
	if (err == 0)
		err = audit_open(x->s.audit, x->why);
	if (err == 0)
		err = create_log(x, "selftest", POLICY, &x->log);
	return err ? err : create_log(x, "held", "{\"mode\":\"none\"}", &x->held);
}

static void
end(struct scratch *x)
{
	if (x->s.writer) {
		audit_close(x->s.audit);
		writer_free(x->s.writer);
	}
	kit_pool_fini(&x->s.kits);
	if (x->s.store)
		store_close(x->s.store);
	audit_free(x->s.audit);
	kit_free(x->kit);
}

/* --- what is there ------------------------------------------------------------------------- */

/* Prepared, or not: its commit, and its first index. */
static int
write_job(struct scratch *x, struct append_job *job, int err, uint64_t *index)
{
	if (err == 0)
		err = writer_append(x->s.writer, job);
	*index = job->first;
	append_job_fini(job);
	return err;
}

/* A record, as a client's; its index. */
static int
append(struct scratch *x, struct log *log, const char *payload, uint64_t *index)
{
	struct append_item item = {.payload = slice_str(payload),
				   .media_type = slice_str("application/json")};
	struct append_job job;

	append_job_init(&job);
	job.log = log;
	job.writer = slice_str("steled");
	job.items = &item;
	job.n_items = 1;
	return write_job(x, &job, append_prepare(&job, x->kit->tools), index);
}

/* A hold on that record. */
static int
hold(struct scratch *x, struct log *log, uint64_t index)
{
	const struct control_range range = {index, index};
	const struct control_hold said = {
		.id = "h-selftestaa", .r = &range, .n = 1, .open_from = CONTROL_OPEN};
	struct append_job job;
	struct buf json;
	uint64_t at;
	int err;

	buf_init(&json);
	control_put_hold(&json, &said);
	append_job_init(&job);
	err = json.err ? json.err
		       : append_control(&job, log, ENTRY_HOLD, slice_str("steled"),
					buf_slice(&json), x->kit->tools);
	buf_fini(&json);
	return write_job(x, &job, err, &at);
}

/* Two records, sealed: a purge looks at what is. */
static int
fill(struct scratch *x, uint64_t *locked, uint64_t *held)
{
	int err = append(x, x->log, "{\"kept\":true}", locked);

	if (err == 0)
		err = append(x, x->held, "{\"held\":true}", held);
	if (err == 0)
		err = hold(x, x->held, *held);
	if (err == 0)
		err = store_seal_log(x->s.store, x->log, x->why);
	return err ? err : store_seal_log(x->s.store, x->held, x->why);
}

/* --- what is tried ------------------------------------------------------------------------- */

/* What was done although it must not be. */
static int
broken(struct scratch *x, const char *what)
{
	buf_reset(x->why);
	buf_printf(x->why,
		   "The self-test found that %s. This build or this machine does not keep what it "
		   "promises: nothing is served. Install the release again.",
		   what);
	return STELE_EVERIFY;
}

/* What was not done, and not because it must not be. */
static int
unclear(struct scratch *x, const struct deed_outcome *o, int err, const char *what)
{
	buf_reset(x->why);
	buf_printf(x->why, "The self-test tried whether %s, and could not find out: %s. ", what,
		   o->problem ? problem_name(o->problem) : stele_strerror(err));
	buf_put(x->why, o->why.p, o->why.n);
	return err;
}

/* Asks for an act, as the server itself, which must be refused with that problem. */
static int
refused(struct scratch *x, json_t *act, enum problem want, const char *what)
{
	struct deed_outcome outcome;
	int err = act ? 0 : STELE_ENOMEM;

	deed_outcome_init(&outcome);
	if (err == 0)
		err = audit_act(x->s.audit, act, NULL, NULL, NULL, x->kit, &outcome);
	if (err == 0)
		err = broken(x, what);
	else if (outcome.problem == want)
		err = 0;
	else
		err = unclear(x, &outcome, err, what);
	deed_outcome_fini(&outcome);
	json_decref(act);
	return err;
}

static int
purge_refused(struct scratch *x, const struct log *log, uint64_t index, enum problem want,
	      const char *what)
{
	const json_int_t i = (json_int_t)index;

	return refused(x,
		       json_pack("{s:s, s:s, s:[[I, I]]}", "type", "purge", "log", log_name(log),
				 "ranges", i, i),
		       want, what);
}

static int
try_purges(struct scratch *x, uint64_t locked, uint64_t held)
{
	int err = purge_refused(x, x->log, locked, PROBLEM_RETENTION_ACTIVE,
				"a record can be purged before its time");

	if (err == 0)
		err = purge_refused(x, x->held, held, PROBLEM_LEGAL_HOLD_ACTIVE,
				    "a record under a legal hold can be purged");
	return err ? err
		   : purge_refused(x, x->log, 0, PROBLEM_INVALID_PLAN,
				   "a control entry can be purged");
}

/* An hour from now: sooner than the day that the record has. */
static int
try_shortening(struct scratch *x, uint64_t locked)
{
	static const struct {
		const char *type, *what;
		enum problem want;
	} ways[] = {
		{"retain.shorten", "a lock in compliance mode can be shortened",
		 PROBLEM_COMPLIANCE_MODE},
		{"retain.extend", "a lock can be extended to an earlier end",
		 PROBLEM_INVALID_RETENTION},
	};
	const json_int_t i = (json_int_t)locked;
	char until[TIMESTAMP_BYTES];
	int err = 0;

	timestamp_format(until, server_now_ns(&x->s) + HOUR_NS);
	for (size_t k = 0; err == 0 && k < sizeof ways / sizeof *ways; k++)
		err = refused(x,
			      json_pack("{s:s, s:s, s:[[I, I]], s:s%, s:s}", "type", ways[k].type,
					"log", "selftest", "ranges", i, i, "until", until,
					(size_t)TIMESTAMP_BYTES, "reason", "self-test"),
			      ways[k].want, ways[k].what);
	return err;
}

static int
try_policies(struct scratch *x)
{
	static const char *const weaker[] = {
		"{\"mode\":\"governance\",\"retain\":{\"default\":\"1d\",\"max\":\"2d\"},\"quota\":{"
		"\"bytes\":1000000},\"public\":false}",
		"{\"mode\":\"compliance\",\"retain\":{\"default\":\"1h\",\"max\":\"2d\"},\"quota\":{"
		"\"bytes\":1000000},\"public\":false}",
	};
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof weaker / sizeof *weaker; i++)
		err = refused(x,
			      json_pack("{s:s, s:s, s:o, s:o}", "type", "policy.change", "log",
					"selftest", "policy", json_loads(weaker[i], 0, NULL), "was",
					json_loads(POLICY, 0, NULL)),
			      PROBLEM_COMPLIANCE_MODE, "a compliance policy can be made weaker");
	return err;
}

/* What a client sends is a record, whatever it says. */
static int
try_forgery(struct scratch *x, uint64_t locked)
{
	struct record r;
	struct arena a;
	char payload[96];
	uint64_t index;
	int err;

	snprintf(payload, sizeof payload, "{\"type\":\"purge\",\"ranges\":[[%llu,%llu]]}",
		 (unsigned long long)locked, (unsigned long long)locked);
	err = append(x, x->log, payload, &index);
	arena_init(&a);
	if (err == 0)
		err = read_record(x->s.store, x->log, index, x->kit->tools, &a, &r);
	if (err == 0 &&
	    (r.entry.kind != ENTRY_RECORD || locks_purged(log_locks(x->log), locked) != 0))
		err = broken(x, "a client can write a control entry");
	arena_fini(&a);
	return err;
}

/* After all of that the record is locked, up to the last nanosecond. */
static int
try_boundary(struct scratch *x, uint64_t locked)
{
	struct lock_state state;
	struct record r;
	struct arena a;
	int err;

	arena_init(&a);
	err = read_record(x->s.store, x->log, locked, x->kit->tools, &a, &r);
	if (err == 0) {
		locks_look(log_locks(x->log), locked, &r.entry, r.entry.retain_until_ns - 1,
			   &state);
		if (state.by != LOCK_BY_RETENTION)
			err = broken(x, "a lock ends before its time");
	}
	arena_fini(&a);
	return err;
}

static int
try_all(struct scratch *x)
{
	uint64_t locked, held;
	int err = fill(x, &locked, &held);

	if (err == 0)
		err = try_purges(x, locked, held);
	if (err == 0)
		err = try_shortening(x, locked);
	if (err == 0)
		err = try_policies(x);
	if (err == 0)
		err = try_forgery(x, locked);
	return err ? err : try_boundary(x, locked);
}

int
selftest_run(const char *dir, struct buf *why)
{
	struct scratch *x = calloc(1, sizeof *x);
	int err;

	if (!x)
		return STELE_ENOMEM;
	x->why = why;
	snprintf(x->dir, sizeof x->dir, "%s/selftest", dir);
	remove_all(x->dir);
	err = begin(x);
	if (err == 0)
		err = try_all(x);
	end(x);
	remove_all(x->dir);
	if (err != 0 && why->n == 0)
		buf_printf(
			why,
			"The self-test could not be run in %s: %s. Nothing is served without it.",
			x->dir, stele_strerror(err));
	free(x);
	return err;
}
