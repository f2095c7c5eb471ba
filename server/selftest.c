/* A server without sockets, a log in compliance mode, and one attempt after the other. */
#include "server/selftest.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

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
	struct log *log;
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
create_log(struct scratch *x)
{
	struct policy policy;
	bool created;
	int err = policy_read(&policy, slice_str(POLICY), x->why);

	return err ? err
		   : writer_create_log(x->s.writer, slice_str("selftest"), &policy,
				       slice_str("steled"), NULL, &x->log, &created);
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
		err = writer_new(&x->s.writer, x->s.store, 0);
	if (err == 0)
		err = audit_open(x->s.audit, &x->s, x->why);
	return err ? err : create_log(x);
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

/* --- what is tried ------------------------------------------------------------------------- */

/* A record of the log; its index. */
static int
append(struct scratch *x, const char *payload, uint64_t *index)
{
	struct append_item item = {.payload = slice_str(payload),
				   .media_type = slice_str("application/json")};
	struct append_job job;
	int err;

	append_job_init(&job);
	job.log = x->log;
	job.writer = slice_str("steled");
	job.items = &item;
	job.n_items = 1;
	err = append_prepare(&job, x->kit->tools);
	if (err == 0)
		err = writer_append(x->s.writer, &job);
	*index = job.first;
	append_job_fini(&job);
	return err;
}

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

/* Asks for an act, as the server itself, which must be refused with that problem. */
static int
refused(struct scratch *x, json_t *act, enum problem want, const char *what)
{
	struct deed_outcome outcome;
	int err = act ? 0 : STELE_ENOMEM;
	bool held;

	deed_outcome_init(&outcome);
	if (err == 0)
		err = audit_act(x->s.audit, act, NULL, NULL, NULL, x->kit, &outcome);
	held = err != 0 && outcome.problem == want;
	deed_outcome_fini(&outcome);
	json_decref(act);
	if (held)
		return 0;
	return err == 0 ? broken(x, what) : err;
}

static int
try_purges(struct scratch *x, uint64_t locked)
{
	json_int_t i = (json_int_t)locked;
	int err = refused(x,
			  json_pack("{s:s, s:s, s:[[I, I]]}", "type", "purge", "log", "selftest",
				    "ranges", i, i),
			  PROBLEM_RETENTION_ACTIVE, "a record can be purged before its time");

	if (err != 0)
		return err;
	return refused(x,
		       json_pack("{s:s, s:s, s:[[i, i]]}", "type", "purge", "log", "selftest",
				 "ranges", 0, 0),
		       PROBLEM_INVALID_PLAN, "a control entry can be purged");
}

/* An hour from now: sooner than the day that the record has. */
static int
try_shortening(struct scratch *x, uint64_t locked)
{
	char until[TIMESTAMP_BYTES];

	timestamp_format(until, server_now_ns(&x->s) + HOUR_NS);
	return refused(x,
		       json_pack("{s:s, s:s, s:[[I, I]], s:s%, s:s}", "type", "retain.shorten",
				 "log", "selftest", "ranges", (json_int_t)locked,
				 (json_int_t)locked, "until", until, (size_t)TIMESTAMP_BYTES,
				 "reason", "self-test"),
		       PROBLEM_COMPLIANCE_MODE, "a lock in compliance mode can be shortened");
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
try_forgeries(struct scratch *x, uint64_t locked)
{
	struct lock_state state;
	struct record r;
	struct arena a;
	char payload[96];
	uint64_t index;
	int err;

	snprintf(payload, sizeof payload, "{\"type\":\"purge\",\"ranges\":[[%llu,%llu]]}",
		 (unsigned long long)locked, (unsigned long long)locked);
	err = append(x, payload, &index);
	arena_init(&a);
	if (err == 0)
		err = read_record(x->s.store, x->log, index, x->kit->tools, &a, &r);
	if (err == 0 && r.entry.kind != ENTRY_RECORD)
		err = broken(x, "a client can write a control entry");
	if (err == 0)
		err = read_record(x->s.store, x->log, locked, x->kit->tools, &a, &r);
	if (err == 0) {
		locks_look(log_locks(x->log), locked, &r.entry, r.entry.retain_until_ns - 1,
			   &state);
		if (state.by != LOCK_BY_RETENTION || state.purged)
			err = broken(x, "a lock ends before its time");
	}
	arena_fini(&a);
	return err;
}

int
selftest_run(const char *dir, struct buf *why)
{
	struct scratch *x = calloc(1, sizeof *x);
	uint64_t locked;
	int err;

	if (!x)
		return STELE_ENOMEM;
	x->why = why;
	snprintf(x->dir, sizeof x->dir, "%s/selftest", dir);
	remove_all(x->dir);
	err = begin(x);
	if (err == 0)
		err = append(x, "{\"kept\":true}", &locked);
	if (err == 0) { /* a plan looks at what is sealed */
		struct buf unused;
		buf_init(&unused);
		err = store_seal_log(x->s.store, x->log, &unused);
		buf_fini(&unused);
	}
	if (err == 0)
		err = try_purges(x, locked);
	if (err == 0)
		err = try_shortening(x, locked);
	if (err == 0)
		err = try_policies(x);
	if (err == 0)
		err = try_forgeries(x, locked);
	end(x);
	remove_all(x->dir);
	free(x);
	return err;
}
