/* The steps of storage/rotate.h; those between are the commit's. */
#include "storage/rotate.h"

#include <string.h>

#include "proto/err.h"
#include "storage/internal.h"

void
rotate_entry_put(struct buf *out, struct slice key_statement)
{
	buf_put_str(out, "{\"key_statement\":");
	buf_put_json_str(out, key_statement);
	buf_put_u8(out, '}');
}

/* Fills the job with the entry in which these keys say who the last of them is. */
static int
fill(struct append_job *job, const struct logkeys *keys, struct toolbox *tools)
{
	struct buf statement, payload;
	int err;

	buf_init(&statement);
	buf_init(&payload);
	err = logkeys_put_statement(keys, keys->n - 1, &statement);
	rotate_entry_put(&payload, buf_slice(&statement));
	if (err == 0)
		err = payload.err;
	if (err == 0)
		err = append_control(job, job->log, ENTRY_KEY, job->writer, buf_slice(&payload),
				     tools);
	buf_fini(&statement);
	buf_fini(&payload);
	return err;
}

/* Step 2, on the writer's thread; the keyring is the waiting caller's. */
static int
place(struct append_job *job, uint64_t index, struct toolbox *tools)
{
	struct log *log = job->log;
	struct store *st = log->store;
	int err = keyring_prepare_epoch(st->keyring, log->id, index + 1, 0);

	if (err == 0)
		err = logkeys_state(st, keyring_prepared(st->keyring, log->id), tools->sha);
	if (err == 0)
		err = keyring_commit(st->keyring);
	if (err == STELE_EIO) {
		store_key_failed(st, "keyring");
		err = STELE_EREADONLY;
	}
	if (err == 0)
		err = logkeys_next(&job->keys, log, log->keys,
				   keyring_prepared(st->keyring, log->id), tools->sha);
	return err == 0 ? fill(job, job->keys, tools) : err;
}

int
rotate_begin(struct append_job *job, struct log *log, struct slice by, struct toolbox *tools)
{
	struct store *st = log->store;

	if (atomic_load(&st->read_only))
		return STELE_EREADONLY;
	if (atomic_load(&st->pinned))
		return STELE_ECONFLICT;
	job->log = log;
	job->writer = by;
	job->place = place;
	/* so that the queue knows what it weighs; its place is not known yet */
	return fill(job, log->keys, tools);
}

int
rotate_end(struct append_job *job, bool *destroyed)
{
	struct log *log = job->log;
	struct store *st = log->store;
	int err;

	*destroyed = false;
	logkeys_unref(job->keys);
	job->keys = NULL;
	if (job->err != 0)
		return job->err;
	err = keyring_begin_epoch(st->keyring, log->id);
	if (err == 0)
		err = keyring_commit(st->keyring);
	*destroyed = err == 0;
	if (err == STELE_EIO)
		store_key_failed(st, "keyring");
	else if (err != 0)
		store_say(st, STORE_WARN,
			  "log %s has a new key; the old one leaves %s/keys/keyring with its next "
			  "write: %s",
			  log->name, st->dir, stele_strerror(err));
	return 0;
}
