/*
 * Founding a log: keys made and stored first, then entry 0, whose payload is
 * the policy and the key statement. A crash in between leaves keys without a
 * log, which the next founding under that id throws away.
 *
 * Payload of a policy entry: {"policy":{...},"key_statement":"<signed note>"}
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"
#include "proto/err.h"
#include "storage/internal.h"
#include "storage/read.h"

int
policy_from_entry0(struct log *log, struct slice payload, struct sha256 *h, struct buf *why)
{
	json_t *root = json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL);
	char *policy = json_dumps(json_object_get(root, "policy"), JSON_COMPACT);
	int err = STELE_EDAMAGED;

	if (policy && policy_read(&log->founding, slice_str(policy), why) == 0)
		err = log_statement_holds(log, 1, payload, h) ? 0 : STELE_EKEY;
	if (err == STELE_EKEY)
		buf_printf(
			why,
			"log %s: the key statement in its record 0 is not by an identity of this "
			"server for the log's key in keys/keyring. ",
			log->name);
	free(policy);
	json_decref(root);
	return err;
}

static int
founding_text(struct log *log, struct buf *out)
{
	struct buf statement;
	int err;

	buf_init(&statement);
	err = logkeys_put_statement(log->keys, 0, &statement);
	buf_put_str(out, "{\"policy\":");
	policy_write(out, &log->founding);
	buf_put_str(out, ",\"key_statement\":");
	buf_put_json_str(out, buf_slice(&statement));
	buf_put_u8(out, '}');
	buf_fini(&statement);
	return err ? err : out->err;
}

/* Keys for the next log id, on disk before anything is written under them. */
static int
make_keys(struct store *st, struct slice name, uint64_t *id, uint64_t *key_id,
	  struct toolbox *tools)
{
	size_t n;
	int err;

	pthread_rwlock_rdlock(&st->lock);
	*id = st->next_log_id;
	pthread_rwlock_unlock(&st->lock);
	keyring_drop_log(st->keyring, *id);
	err = keyring_add_log(st->keyring, *id, name, key_id);
	if (err == 0)
		err = logkeys_state(st, keyring_find_seeds(st->keyring, *id, &n), tools->sha);
	if (err == 0)
		err = keyring_commit(st->keyring);
	if (err != 0)
		keyring_drop_log(st->keyring, *id);
	if (err == STELE_EIO)
		store_key_failed(st, "keyring");
	return err;
}

int
store_log_conceive(struct store *st, struct slice name, const struct policy *policy,
		   struct slice by, struct append_job *job, struct log **out)
{
	struct toolbox *tools;
	uint64_t id, key_id;
	struct buf text;
	struct log *log = NULL;
	int err;

	if (store_log_find(st, name, out) == 0)
		return STELE_EEXIST;
	if (atomic_load(&st->read_only))
		return STELE_EREADONLY;
	if (!entry_log_name_valid(name))
		return STELE_EINVAL;
	if (st->n_logs >= LIMIT_LOGS)
		return STELE_ELIMIT;
	tools = toolbox_new();
	if (!tools)
		return STELE_ENOMEM;
	append_job_init(job);
	buf_init(&text);
	err = make_keys(st, name, &id, &key_id, tools);
	if (err == 0)
		log = log_new(st, id, name);
	if (err == 0 && !log)
		err = STELE_ENOMEM;
	if (err == 0)
		err = log_take_keys(log, tools->sha);
	if (err == 0) {
		log->founding = *policy;
		err = founding_text(log, &text);
	}
	if (err == 0)
		err = append_control(job, log, ENTRY_POLICY, by, buf_slice(&text), tools);
	if (err == 0) {
		control_free(job->control); /* it is log->founding */
		job->control = NULL;
		*out = log;
	} else {
		append_job_fini(job);
		log_free(log);
	}
	buf_fini(&text);
	toolbox_free(tools);
	return err;
}

int
store_log_born(struct store *st, struct append_job *job)
{
	(void)st;
	/* The commit published it; one that failed leaves nothing but spare keys, and those
	 * stay: after a failed flush the entry may be on disk, for the next start to find. */
	if (job->err != 0) {
		log_free(job->log);
		job->log = NULL;
	}
	return job->err;
}
