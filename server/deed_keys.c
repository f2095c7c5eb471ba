/*
 * Signing keys are replaced, and the old ones destroyed: `log.key.rotate` {"log","epoch","was"},
 * a log's, and `identity.rotate` {"was"}, the server's own. was names the key that goes: one that
 * has gone by the time it is approved is not what anybody agreed to.
 */
#include <stdlib.h>

#include "crypto/identity.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/deeds.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/writer.h"

/* What was shown is what there is; takes now's count. */
static int
look_was(const struct deed_turn *turn, const json_t *act, json_t *now)
{
	bool same = json_equal(now, json_object_get(act, "was"));

	json_decref(now);
	return same ? 0
		    : deed_refuse(turn, STELE_ECONFLICT, PROBLEM_APPROVAL_CONFLICT,
				  "The key has been replaced since it was asked for: look at the "
				  "one that signs now, and ask again.");
}

/* What comes of it, for the answer. */
static int
tell(const struct deed_turn *turn, int err, bool destroyed)
{
	if (err == STELE_ECONFLICT)
		return deed_refuse(turn, err, PROBLEM_BACKUP_RUNNING,
				   "Its copy of the keys must be of the same moment as the "
				   "records. Rotate when it has ended.");
	if (err == 0)
		deed_tell(turn, "old_key_destroyed", json_boolean(destroyed));
	return err;
}

/* --- a log's -------------------------------------------------------------------------- */

json_t *
deed_key_now(struct log *log)
{
	struct logkeys *keys = log_keys(log);
	json_t *now = json_pack("{s:I, s:s}", "epoch", (json_int_t)logkeys_epoch(keys), "vkey",
				logkeys_vkey(keys));

	logkeys_unref(keys);
	return now;
}

static int
look_key(const struct deed_turn *turn, const json_t *act)
{
	struct log *log;
	int err = deed_log(turn, act, &log);

	return err ? err : look_was(turn, act, deed_key_now(log));
}

static int
rotate_key(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	bool destroyed = false;
	struct log *log;
	int err = deed_log(turn, act, &log);

	if (err != 0)
		return err;
	err = writer_rotate_key(turn->s->writer, log, turn->by, record, turn->kit->tools,
				&destroyed);
	return tell(turn, err, destroyed);
}

/* --- the server's --------------------------------------------------------------------- */

json_t *
deed_identity_now(const struct server *s)
{
	struct identity *id = store_identity(s->store);
	json_t *now = json_pack("{s:I, s:s}", "number", (json_int_t)identity_row(id)->n - 1, "vkey",
				identity_vkey(id));

	identity_unref(id);
	return now;
}

static int
look_identity(const struct deed_turn *turn, const json_t *act)
{
	return look_was(turn, act, deed_identity_now(turn->s));
}

/* The state knows how many there were, so that a start notices a key file of before. */
static int
note_succession(const struct deed_turn *turn, const json_t *asked)
{
	struct identity *id = store_identity(turn->s->store);
	json_t *act = json_pack("{s:s, s:I}", "type", "identity.rotate", "number",
				(json_int_t)identity_row(id)->n - 1);
	struct buf why;
	int err;

	(void)asked;
	buf_init(&why);
	err = act ? access_apply(audit_access(turn->s->audit), act, 0, false, &why) : STELE_ENOMEM;
	json_decref(act);
	buf_fini(&why);
	identity_unref(id);
	return err;
}

/* Its record, with who approved it. */
static char *
record_text(const struct deed_turn *turn, const json_t *act)
{
	json_t *said = json_deep_copy(act);
	char *text = NULL;

	if (said && json_object_set_new(
			    said, "approved_by",
			    json_stringn((const char *)turn->approver.p, turn->approver.n)) == 0)
		text = json_dumps(said, JSON_COMPACT);
	json_decref(said);
	return text;
}

/*
 * The record of the type identity.rotate is what puts it in force, and what a start looks for.
 * When it was approved, the record is that of the grant: then this one lies before it.
 */
static int
replace(const struct deed_turn *turn, const json_t *act, struct append_job *record, bool *destroyed)
{
	struct append_job job;
	char *text;
	int err;

	if (turn->approver.n == 0)
		return writer_replace_identity(turn->s->writer, record, destroyed);
	append_job_init(&job);
	text = record_text(turn, act);
	err = text ? append_control(&job, record->log, ENTRY_RECORD, turn->by, slice_str(text),
				    turn->kit->tools)
		   : STELE_ENOMEM;
	job.next = record;
	job.tied = true;
	if (err == 0)
		err = writer_replace_identity(turn->s->writer, &job, destroyed);
	append_job_fini(&job);
	free(text);
	return err;
}

static int
rotate_identity(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	bool destroyed = false;
	int err = replace(turn, act, record, &destroyed);

	if (err == STELE_ELIMIT)
		return deed_refuse(turn, err, PROBLEM_TOO_MANY_SUCCESSIONS,
				   "The identity was replaced %u times, and no more notes than "
				   "that travel with evidence.",
				   LIMIT_SUCCESSIONS);
	return tell(turn, err, destroyed);
}

const struct deed deed_key_rotate = {
	.type = "log.key.rotate", .look = look_key, .perform = rotate_key};
const struct deed deed_identity_rotate = {.type = "identity.rotate",
					  .look = look_identity,
					  .perform = rotate_identity,
					  .follow = note_succession};
