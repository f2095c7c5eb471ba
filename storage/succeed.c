/* The steps of storage/succeed.h; those between are the commit's. */
#include "storage/succeed.h"

#include <jansson.h>
#include <stdio.h>

#include "proto/err.h"
#include "storage/internal.h"

/* The last note of an identity: the one that made it. */
static struct slice
last_note(const struct identity *id)
{
	return identity_succession(id, identity_row(id)->n - 2);
}

static int
write_file(struct store *st, const struct identity_next *next)
{
	char path[sizeof st->dir + 32];

	snprintf(path, sizeof path, "%s/keys/identity", st->dir);
	return identity_write(path, st->identity, next, st->seal);
}

/* --- step 2 --------------------------------------------------------------------------- */

/*
 * Now, and not before anything that a log has: entries that the old identity's statements
 * stand in are not later than this, whatever the clock did.
 */
static int64_t
takeover_time(struct store *st)
{
	int64_t time_ns = store_now_ns(st);

	pthread_rwlock_rdlock(&st->lock);
	for (size_t i = 0; i < st->n_logs; i++)
		if (st->by_name[i]->time_ns > time_ns)
			time_ns = st->by_name[i]->time_ns;
	pthread_rwlock_unlock(&st->lock);
	return time_ns;
}

/* The record again, with what it says of the next identity. */
static int
fill(struct append_job *job, const struct identity *next, struct toolbox *tools)
{
	struct slice old = job->items[0].payload;
	struct buf text;
	int err;

	buf_init(&text);
	buf_put(&text, old.p, old.n - 1);
	buf_printf(&text, ",\"number\":%zu,\"vkey\":", identity_row(next)->n - 1);
	buf_put_json_str(&text, slice_str(identity_vkey(next)));
	buf_put_str(&text, ",\"succession\":");
	buf_put_json_str(&text, last_note(next));
	buf_put_u8(&text, '}');
	err = text.err;
	if (err == 0)
		err = append_control(job, job->log, ENTRY_RECORD, job->writer, buf_slice(&text),
				     tools);
	buf_fini(&text);
	return err;
}

/* On the writer's thread; the identity and its file are the waiting caller's. */
static int
place(struct append_job *job, uint64_t index, struct toolbox *tools)
{
	struct store *st = job->log->store;
	struct identity_next next = {.log_id = job->log->id, .index = index};
	int err = identity_succeed(&next.identity, st->identity, takeover_time(st), tools->sha);

	if (err == 0)
		err = write_file(st, &next);
	if (err == STELE_EIO) {
		store_key_failed(st, "identity");
		err = STELE_EREADONLY;
	}
	if (err != 0) {
		identity_unref(next.identity);
		return err;
	}
	identity_unref(st->next_identity.identity);
	st->next_identity = next;
	return fill(job, next.identity, tools);
}

/* --- steps 1, 4, 5 ---------------------------------------------------------------------- */

int
succeed_begin(struct append_job *job)
{
	struct store *st = job->log->store;
	int err;

	if (atomic_load(&st->read_only))
		return STELE_EREADONLY;
	if (atomic_load(&st->pinned))
		return STELE_ECONFLICT;
	if (identity_row(st->identity)->n > LIMIT_SUCCESSIONS)
		return STELE_ELIMIT;
	err = keyring_commit(st->keyring);
	if (err == STELE_EIO) {
		store_key_failed(st, "keyring");
		err = STELE_EREADONLY;
	}
	job->place = place;
	return err;
}

void
succeed_take(struct store *st, bool in_force)
{
	struct identity *gone = st->next_identity.identity;

	if (in_force) {
		pthread_rwlock_wrlock(&st->lock);
		gone = st->identity;
		st->identity = st->next_identity.identity;
		pthread_rwlock_unlock(&st->lock);
	}
	st->next_identity = (struct identity_next){.identity = NULL};
	identity_unref(gone);
}

int
succeed_settle(struct store *st)
{
	return write_file(st, &st->next_identity);
}

int
succeed_end(struct append_job *job, bool *destroyed)
{
	struct store *st = job->log->store;
	int err;

	*destroyed = false;
	if (job->err != 0)
		return job->err;
	succeed_take(st, true);
	err = succeed_settle(st);
	*destroyed = err == 0;
	if (err == STELE_EIO)
		store_key_failed(st, "identity");
	else if (err != 0)
		store_say(st, STORE_WARN,
			  "the server has a new identity; the old private key leaves "
			  "%s/keys/identity at the next start: %s",
			  st->dir, stele_strerror(err));
	return 0;
}

bool
succeed_is_record(const struct identity_next *next, struct slice payload)
{
	json_t *root = json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *type = json_object_get(root, "type");
	const json_t *note = json_object_get(root, "succession");
	bool is = json_is_string(type) && json_is_string(note) &&
		  slice_eq_str(slice_str("identity.rotate"), json_string_value(type)) &&
		  slice_eq(last_note(next->identity),
			   slice_of(json_string_value(note), json_string_length(note)));

	json_decref(root);
	return is;
}
