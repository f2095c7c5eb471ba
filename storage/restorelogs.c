/* All checks first, for all logs; then the keys, durably; then the entries. */
#include "storage/restorelogs.h"

#include <stdlib.h>
#include <string.h>

#include "proto/checkpoint.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "storage/internal.h"

enum { LOGS_AT_ONCE = 64 }; /* in one commit */

/* The newest checkpoint given for a log. */
struct newest {
	struct slice note; /* signed; of no bytes: none */
	uint64_t size;
	uint8_t root[32];
};

struct restorer {
	struct store *st;
	const struct backup_note *note;
	const struct restore_options *opts;
	struct toolbox *t;
	struct buf *why;
	struct newest *newest; /* as st->by_name */
};

uint64_t
restore_count(struct store *st)
{
	return st->n_logs;
}

/* --- step 5: what was opened -------------------------------------------------------- */

static int
check_keys(struct restorer *r)
{
	for (size_t i = 0; i < r->st->n_logs; i++) {
		const struct log *log = r->st->by_name[i];
		for (size_t k = 0; k < log->sealed.n; k++) {
			const struct sealed *s = &log->sealed.s[k];
			if (keyring_find_data(r->st->keyring, s->data_key_id))
				continue;
			buf_printf(r->why,
				   "log %s, records %llu to %llu: their key is not in %s: give the "
				   "keyring that was written with this backup",
				   log->name, (unsigned long long)s->first,
				   (unsigned long long)(s->first + s->count - 1), r->opts->keyring);
			return STELE_EKEY;
		}
	}
	return 0;
}

static int
check_store(struct restorer *r)
{
	if (r->st->position.sequence == r->note->commit)
		return check_keys(r);
	buf_printf(r->why, "%s ends with commit %llu, and its BACKUP says %llu", r->opts->backup,
		   (unsigned long long)r->st->position.sequence,
		   (unsigned long long)r->note->commit);
	return STELE_EDAMAGED;
}

/* --- step 6: the newest checkpoints ------------------------------------------------- */

static struct log *
log_of_origin(struct restorer *r, struct slice origin, size_t *at)
{
	for (*at = 0; *at < r->st->n_logs; (*at)++) {
		if (slice_eq_str(origin, r->st->by_name[*at]->origin))
			return r->st->by_name[*at];
	}
	return NULL;
}

/* The root of the log's first `size` entries, as the backup has them. */
static int
root_at(struct restorer *r, struct log *log, uint64_t size, uint8_t root[32])
{
	struct node_source nodes = {r->st, log, r->t, false};
	struct merkle_frontier f;
	int err = node_frontier(&nodes, size, &f);

	if (err == 0)
		merkle_frontier_root(r->t->sha, &f, root);
	return err;
}

/* Whether two trees can be of one log; the one that is not larger is in the backup. */
static int
compare(struct restorer *r, struct log *log, const struct checkpoint *c, struct newest *n)
{
	uint8_t root[32];
	int err = 0;

	if (c->size <= log->frontier.size) {
		err = root_at(r, log, c->size, root);
		if (err == 0 && memcmp(root, c->root, 32) != 0)
			err = STELE_EVERIFY;
		if (err == STELE_EVERIFY)
			buf_printf(r->why,
				   "log %s: the checkpoint of size %llu is signed by its key and "
				   "contradicts this backup: one of the two is not of the log's "
				   "history. Nothing was restored; find out which",
				   log->name, (unsigned long long)c->size);
	} else if (n->note.n && n->size == c->size && memcmp(n->root, c->root, 32) != 0) {
		buf_printf(r->why,
			   "log %s: two checkpoints of size %llu are signed by its key and "
			   "contradict each other. Nothing was restored",
			   log->name, (unsigned long long)c->size);
		err = STELE_EVERIFY;
	}
	return err;
}

static int
take_checkpoint(struct restorer *r, struct slice signed_note)
{
	struct checkpoint c;
	const struct note_vkey *key;
	struct newest *n;
	struct note note;
	struct log *log;
	size_t at, n_keys;
	int err = note_parse(&note, signed_note);

	if (err == 0)
		err = checkpoint_parse(&c, note.text);
	if (err != 0) {
		buf_printf(r->why, "--newest-checkpoint: this is no checkpoint");
		return err;
	}
	log = log_of_origin(r, c.origin, &at);
	if (!log) {
		buf_printf(r->why, "the backup has no log with the origin %.*s of a checkpoint",
			   (int)c.origin.n, (const char *)c.origin.p);
		return STELE_ENOTFOUND;
	}
	key = logkeys_for(log->keys, c.size, &n_keys); /* and no later one signs that size */
	err = sign_verify_note(key, 1, signed_note, &note, NULL);
	if (err != 0) {
		buf_printf(r->why,
			   "log %s: the checkpoint of size %llu is not signed by the key of this "
			   "log that speaks for that size: it is another log's, or of a history "
			   "that was lost by an earlier restore",
			   log->name, (unsigned long long)c.size);
		return STELE_EVERIFY;
	}
	n = &r->newest[at];
	err = compare(r, log, &c, n);
	if (err == 0 && (n->note.n == 0 || c.size > n->size)) {
		n->note = signed_note;
		n->size = c.size;
		memcpy(n->root, c.root, 32);
	}
	return err;
}

static int
take_checkpoints(struct restorer *r)
{
	int err = 0;

	r->newest = calloc(r->st->n_logs + 1, sizeof *r->newest);
	if (!r->newest)
		return STELE_ENOMEM;
	for (size_t i = 0; err == 0 && i < r->opts->n_checkpoints; i++)
		err = take_checkpoint(r, r->opts->checkpoints[i]);
	return err;
}

/* --- step 7: the new epochs, and the entries that say so ----------------------------- */

/*
 * What was lost may have had epochs of which the backup knows nothing, of rotations, one more each,
 * or of an earlier restore. The seconds since 1970 are more than all of them: nobody replaces a
 * key, time after time, every second. Should the machine's clock be wrong, the backup's is not.
 */
static uint64_t
unused_epoch(const struct restorer *r)
{
	int64_t wall_ns = store_wall_ns(r->st), ended_ns = r->note->ended_ns;

	return (uint64_t)((wall_ns > ended_ns ? wall_ns : ended_ns) / 1000000000) + 1;
}

static int
make_epochs(struct restorer *r)
{
	uint64_t at_least = unused_epoch(r);
	struct store *st = r->st;
	int err = 0;

	for (size_t i = 0; err == 0 && i < st->n_logs; i++) {
		const struct log *log = st->by_name[i];
		err = keyring_prepare_epoch(st->keyring, log->id, log->frontier.size + 1, at_least);
		if (err == 0)
			err = logkeys_state(st, keyring_prepared(st->keyring, log->id), r->t->sha);
		if (err == 0)
			err = keyring_begin_epoch(st->keyring, log->id);
	}
	if (err == 0)
		err = keyring_commit(st->keyring);
	for (size_t i = 0; err == 0 && i < st->n_logs; i++) {
		struct log *log = st->by_name[i];
		err = log_take_keys(log, r->t->sha);
	}
	return err;
}

void
restore_entry_put(struct buf *out, struct slice key_statement, const struct backup_note *backup,
		  uint64_t size, struct slice newest, uint64_t newest_size)
{
	char begun[TIMESTAMP_BYTES], ended[TIMESTAMP_BYTES];

	timestamp_format(begun, backup->begun_ns);
	timestamp_format(ended, backup->ended_ns);
	buf_put_str(out, "{\"key_statement\":");
	buf_put_json_str(out, key_statement);
	buf_printf(out, ",\"backup\":{\"begun\":\"%.*s\",\"ended\":\"%.*s\",\"commit\":%llu}",
		   TIMESTAMP_BYTES, begun, TIMESTAMP_BYTES, ended,
		   (unsigned long long)backup->commit);
	buf_put_str(out, ",\"newest_checkpoint\":");
	if (newest.n)
		buf_put_json_str(out, newest);
	else
		buf_put_str(out, "null");
	if (newest.n && newest_size > size)
		buf_printf(out, ",\"lost\":{\"first\":%llu,\"last\":%llu}}",
			   (unsigned long long)size, (unsigned long long)(newest_size - 1));
	else
		buf_put_str(out, ",\"lost\":null}");
}

static int
put_payload(struct restorer *r, const struct log *log, const struct newest *n, struct buf *out)
{
	struct buf statement;
	int err;

	buf_init(&statement);
	err = logkeys_put_statement(log->keys, log->keys->n - 1, &statement);
	if (err == 0)
		err = statement.err;
	restore_entry_put(out, buf_slice(&statement), r->note, log->frontier.size, n->note,
			  n->size);
	buf_fini(&statement);
	return err ? err : out->err;
}

/* The entries of n logs from the at-th on, in one commit. */
static int
append_entries(struct restorer *r, struct append_job *jobs, size_t at, size_t n)
{
	struct buf payload;
	int err = 0;

	buf_init(&payload);
	for (size_t i = 0; i < n; i++) {
		struct log *log = r->st->by_name[at + i];
		append_job_init(&jobs[i]);
		jobs[i].next = i + 1 < n ? &jobs[i + 1] : NULL;
		buf_reset(&payload);
		if (err == 0)
			err = put_payload(r, log, &r->newest[at + i], &payload);
		if (err == 0)
			err = append_control(&jobs[i], log, ENTRY_RESTORE, slice_str("restore"),
					     buf_slice(&payload), r->t);
	}
	if (err == 0)
		err = store_append_batch(r->st, jobs);
	for (size_t i = 0; i < n; i++) {
		if (err == 0)
			err = jobs[i].err;
		append_job_fini(&jobs[i]);
	}
	buf_fini(&payload);
	return err;
}

static int
append_all(struct restorer *r)
{
	struct append_job *jobs = calloc(LOGS_AT_ONCE, sizeof *jobs);
	size_t n_logs = r->st->n_logs;
	int err = jobs ? 0 : STELE_ENOMEM;

	for (size_t at = 0; err == 0 && at < n_logs; at += LOGS_AT_ONCE)
		err = append_entries(r, jobs, at,
				     n_logs - at < LOGS_AT_ONCE ? n_logs - at : LOGS_AT_ONCE);
	free(jobs);
	return err;
}

static void
report(struct restorer *r)
{
	for (size_t i = 0; i < r->st->n_logs; i++) {
		const struct log *log = r->st->by_name[i];
		struct restore_log l = {.name = log->name,
					.size = log->frontier.size - 1,
					.newest = r->newest[i].size,
					.epoch = log->keys->epoch};
		r->opts->restored(r->opts->ctx, &l);
	}
}

int
restore_logs(struct store *st, const struct backup_note *note, const struct restore_options *o,
	     struct toolbox *t, struct buf *why)
{
	struct restorer r = {.st = st, .note = note, .opts = o, .t = t, .why = why};
	int err = check_store(&r);

	if (err == 0)
		err = take_checkpoints(&r);
	if (err == 0)
		err = make_epochs(&r);
	if (err == 0)
		err = append_all(&r);
	if (err == 0 && o->restored)
		report(&r);
	free(r.newest);
	return err;
}
