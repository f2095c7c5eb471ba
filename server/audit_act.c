/* Acts, one at a time: recorded, then in force; or, under dual control, waiting to be approved. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/audit_state.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/writer.h"

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

/* Records it and puts it in force; `acting` is held. */
static int
record_act(struct audit *a, json_t *act, const struct token *by, struct kit *kit, struct buf *why)
{
	struct append_job job;
	int err;

	name_actor(act, by);
	err = access_apply(a->access, act, server_now_ns(), true, why);
	if (err != 0)
		return err;
	append_job_init(&job);
	err = make_job(a, &job, act, by, kit);
	if (err == 0)
		err = writer_append(a->s->writer, &job);
	if (err == 0) {
		a->changed = true;
		err = access_apply(a->access, act, job.time_ns, false, why);
	}
	append_job_fini(&job);
	return err;
}

/* What the act asks for waits for a second principal: its approval's id is put into it. */
static int
ask_for_second(struct audit *a, json_t *act, const struct token *by, struct kit *kit,
	       struct buf *why)
{
	char id[APPROVAL_ID_CHARS + 1], expires[TIMESTAMP_BYTES];
	json_t *request;
	int err;

	name_actor(act, by);
	access_new_approval_id(a->access, id);
	timestamp_format(expires, server_now_ns() + APPROVAL_LIFE_NS);
	request = json_pack("{s:s, s:s, s:s%, s:O}", "type", "approval.request", "id", id,
			    "expires", expires, (size_t)TIMESTAMP_BYTES, "act", act);
	err = request ? record_act(a, request, by, kit, why) : STELE_ENOMEM;
	json_decref(request);
	if (err != 0)
		return err;
	json_object_set_new(act, "approval", json_string(id));
	return STELE_EAPPROVAL;
}

static int
act_now(struct audit *a, json_t *act, const struct token *by, struct kit *kit, struct buf *why)
{
	int err;

	if (!by || !access_needs_second(a->access, act))
		return record_act(a, act, by, kit, why);
	err = access_apply(a->access, act, server_now_ns(), true, why);
	return err ? err : ask_for_second(a, act, by, kit, why);
}

int
audit_act(struct audit *a, json_t *act, int (*fill)(struct access *access, void *ctx), void *ctx,
	  const struct token *by, struct kit *kit, struct buf *why)
{
	int err;

	pthread_mutex_lock(&a->acting);
	err = fill ? fill(a->access, ctx) : 0;
	if (err == 0)
		err = act_now(a, act, by, kit, why);
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
	pthread_mutex_unlock(&a->acting);
	append_job_fini(&job);
	json_decref(act);
	return err;
}
