/* Acts, one at a time: recorded, then in force; or, under dual control, waiting to be approved. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/audit_state.h"
#include "server/deeds.h"
#include "server/kit.h"
#include "server/purger.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/clocks.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/writer.h"

enum { LIST_LOGS = 256 };

#define APPROVAL_LIFE_NS (LIMIT_APPROVAL_DAYS * TIMESTAMP_DAY_NS)

static void
name_actor(json_t *act, const struct token *by)
{
	if (by)
		json_object_set_new(
			act, "by",
			json_pack("{s:s, s:s}", "principal", by->principal->id, "token", by->id));
}

/* A job with the act as its one record. */
static int
make_job(struct audit *a, struct append_job *job, const json_t *act, const struct token *by,
	 struct kit *kit)
{
	char *text = json_dumps(act, JSON_COMPACT);
	int err = text ? append_control(job, a->log, ENTRY_RECORD,
					slice_str(by ? by->principal->id : AUDIT_WRITER),
					slice_str(text), kit->tools)
		       : STELE_ENOMEM;

	free(text);
	return err;
}

/* The act that happens: what is approved, when it is an approval. The caller's. */
static json_t *
what_happens(struct audit *a, json_t *act)
{
	const char *type = json_string_value(json_object_get(act, "type"));

	if (strcmp(type, "approval.grant") == 0)
		return access_pending_act(a->access, act);
	return json_incref(act);
}

static struct slice
text_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

/* An approved deed is by who asked for it; who says so now is its approver. */
static struct deed_turn
turn_of(struct audit *a, const json_t *act, const json_t *happens, const struct token *by,
	struct kit *kit, struct deed_outcome *outcome)
{
	struct slice actor = slice_str(by ? by->principal->id : AUDIT_WRITER);
	struct deed_turn turn = {.s = a->s,
				 .kit = kit,
				 .by = actor,
				 .approver = slice_of("", 0),
				 .outcome = outcome};

	store_clock_get(a->s->store, &turn.clock);
	turn.now_ns = turn.clock.evidence_ns;

	if (act != happens) {
		turn.by = text_of(json_object_get(happens, "by"), "principal");
		turn.approver = actor;
	}
	return turn;
}

/* Writes the record, and does what the act is a deed of. */
static int
commit_act(struct audit *a, const json_t *act, const struct token *by, const struct deed_turn *turn,
	   const json_t *happens, int64_t *time_ns)
{
	const struct deed *deed = deed_of(happens);
	struct append_job job;
	int err;

	append_job_init(&job);
	err = make_job(a, &job, act, by, turn->kit);
	if (err == 0)
		err = deed && deed->perform ? deed->perform(turn, happens, &job)
					    : writer_append(a->s->writer, &job);
	*time_ns = job.time_ns;
	append_job_fini(&job);
	return err;
}

/* What people do to logs may free what is to be erased. */
static void
wake_purger(struct audit *a, const json_t *happens, const struct token *by)
{
	const char *type = json_string_value(json_object_get(happens, "type"));

	if (by && type && (deed_of(happens) || strcmp(type, "erasure.request") == 0))
		purger_wake(a->s->purger);
}

int
audit_record_act(struct audit *a, json_t *act, const struct token *by, struct kit *kit,
		 struct deed_outcome *outcome)
{
	json_t *happens = what_happens(a, act);
	const struct deed *deed = deed_of(happens);
	struct deed_turn turn = turn_of(a, act, happens, by, kit, outcome);
	int64_t time_ns;
	int err;

	name_actor(act, by);
	err = access_apply(a->access, act, turn.now_ns, true, &outcome->why);
	if (err == 0 && deed)
		err = deed->look(&turn, happens);
	if (err == 0)
		err = commit_act(a, act, by, &turn, happens, &time_ns);
	if (err == 0) {
		a->changed = true;
		err = access_apply(a->access, act, time_ns, false, &outcome->why);
		if (err == 0 && deed && deed->follow)
			err = deed->follow(&turn, happens);
		wake_purger(a, happens, by);
	}
	json_decref(happens);
	return err;
}

/* What the act asks for waits for a second principal: its approval's id is put into it. */
static int
ask_for_second(struct audit *a, json_t *act, const struct token *by, struct kit *kit,
	       struct deed_outcome *outcome)
{
	char id[APPROVAL_ID_CHARS + 1], expires[TIMESTAMP_BYTES];
	json_t *request;
	int err;

	name_actor(act, by);
	access_new_approval_id(a->access, id);
	timestamp_format(expires, server_now_ns(a->s) + APPROVAL_LIFE_NS);
	request = json_pack("{s:s, s:s, s:s%, s:O}", "type", "approval.request", "id", id,
			    "expires", expires, (size_t)TIMESTAMP_BYTES, "act", act);
	err = request ? audit_record_act(a, request, by, kit, outcome) : STELE_ENOMEM;
	json_decref(request);
	if (err != 0)
		return err;
	json_object_set_new(act, "approval", json_string(id));
	return STELE_EAPPROVAL;
}

/* Whether the policy of some log asks for a second principal. */
static bool
policies_ask(struct store *st)
{
	struct log *logs[LIST_LOGS];
	struct slice after = slice_of("", 0);
	size_t n = LIST_LOGS;

	while (n == LIST_LOGS) {
		n = store_log_list(st, after, logs, LIST_LOGS);
		for (size_t i = 0; i < n; i++)
			if (log_policy(logs[i])->dual_control)
				return true;
		if (n)
			after = slice_str(log_name(logs[n - 1]));
	}
	return false;
}

/* Whether it needs a second principal, by dual control, by the log's policy, or by what it is. */
static bool
needs_second(struct audit *a, const json_t *act, const struct deed_turn *turn)
{
	const struct deed *deed = deed_of(act);
	enum access_second second = access_needs_second(a->access, act);

	return second == ACCESS_SECOND || (deed && deed->second && deed->second(turn, act)) ||
	       (second == ACCESS_SECOND_BY_POLICY && policies_ask(a->s->store));
}

static int
act_now(struct audit *a, json_t *act, const struct token *by, struct kit *kit,
	struct deed_outcome *outcome)
{
	const struct deed *deed = deed_of(act);
	struct deed_turn turn = turn_of(a, act, act, by, kit, outcome);
	int err;

	if (!by || !needs_second(a, act, &turn))
		return audit_record_act(a, act, by, kit, outcome);
	err = access_apply(a->access, act, server_now_ns(a->s), true, &outcome->why);
	if (err == 0 && deed)
		err = deed->look(&turn, act);
	return err ? err : ask_for_second(a, act, by, kit, outcome);
}

int
audit_act(struct audit *a, json_t *act, int (*fill)(struct access *access, void *ctx), void *ctx,
	  const struct token *by, struct kit *kit, struct deed_outcome *outcome)
{
	int err;

	pthread_mutex_lock(&a->acting);
	err = fill ? fill(a->access, ctx) : 0;
	if (err == 0)
		err = act_now(a, act, by, kit, outcome);
	if (err == 0) /* also after the approval of a deed */
		audit_keep_pace(a, kit);
	pthread_mutex_unlock(&a->acting);
	return err;
}

int
audit_together(struct audit *a, const struct audit_deed *d, const struct token *by, struct kit *kit)
{
	json_t *act = json_object();
	struct append_job job;
	int err;

	append_job_init(&job);
	pthread_mutex_lock(&a->acting);
	err = d->fill(act, d->ctx);
	name_actor(act, by);
	if (err == 0)
		err = make_job(a, &job, act, by, kit);
	if (err == 0)
		err = d->perform(a->s->writer, by, kit, &job, d->ctx);
	if (err == 0)
		audit_keep_pace(a, kit);
	pthread_mutex_unlock(&a->acting);
	append_job_fini(&job);
	json_decref(act);
	return err;
}
