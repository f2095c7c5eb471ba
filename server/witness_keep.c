/*
 * What has come: lines of one text gather, go into the newest head's note, and into a file before
 * anybody is told that there is a quorum.
 */
#include <stdio.h>
#include <string.h>

#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "proto/checkpoint.h"
#include "proto/err.h"
#include "proto/note.h"
#include "proto/proof.h"
#include "server/kit.h"
#include "server/server.h"
#include "server/witness_state.h"
#include "storage/file.h"
#include "storage/read.h"
#include "storage/store.h"

static int
path_of(char *out, size_t cap, const struct witnesses *ws, const struct witness_log *l)
{
	int n = snprintf(out, cap, "%s/cosigned/%s.note", store_dir(ws->s->store),
			 log_name(l->log));

	return n >= 0 && (size_t)n < cap ? 0 : STELE_ELIMIT;
}

static struct slice
text_of(const struct head *head)
{
	const char *end = strstr(head->note, "\n\n");

	return slice_of(head->note, end ? (size_t)(end + 1 - head->note) : head->note_len);
}

static bool
is_enough(const struct witnesses *ws, struct slice note_text)
{
	struct note note;
	size_t n;

	return note_parse(&note, note_text) == 0 && tlogpolicy_check(ws->policy, &note, &n) == 0 &&
	       n > 0;
}

/* Lines of the kept note, when that is about the target, by witnesses that are not in `has`. One
 * that has none there adds nothing; want of memory sticks to out. */
static void
put_kept_lines(struct buf *out, const struct witnesses *ws, const struct witness_log *l)
{
	struct slice text = text_of(l->target);
	struct slice kept = buf_slice(&l->kept);

	if (kept.n <= text.n || memcmp(kept.p, text.p, text.n) != 0 || kept.p[text.n] != '\n')
		return;
	kept = slice_of(kept.p + text.n + 1, kept.n - text.n - 1);
	for (size_t i = 0; i < ws->n; i++)
		if (!(l->has & 1u << i))
			(void)sign_take_cosignature(out, &ws->w[i].key, text, kept);
}

/* --- at the start ------------------------------------------------------------------------ */

static void
take_sizes(struct witnesses *ws, struct witness_log *l, const struct note *note, uint64_t size)
{
	uint64_t time_s;

	for (size_t i = 0; i < ws->n; i++)
		if (sign_verify_cosignature(&ws->w[i].key, note, &time_s) == 0)
			l->seats[i].known = size;
}

/* Whether the log's tree grew out of that one. STELE_EVERIFY: it did not; or it cannot be read. */
static int
grew(struct witnesses *ws, const struct witness_log *l, const struct checkpoint *c)
{
	struct proof proof = {.n = 0};
	int err = 0;

	if (c->size < l->target->size)
		err = read_consistency(ws->s->store, l->log, c->size, l->target->size,
				       ws->kit->tools, &proof);
	return err ? err
		   : merkle_verify_consistency(ws->sha, c->size, c->root, l->target->size,
					       l->target->root, (const uint8_t(*)[32])proof.hash,
					       proof.n);
}

/* It is the log's, and of a tree that is in it: else this is an older copy of the store. */
static int
take_kept(struct witnesses *ws, struct witness_log *l, const char *path, struct buf *why)
{
	struct checkpoint c;
	struct note note;
	struct buf lines;
	int err = note_parse(&note, buf_slice(&l->kept));

	if (err == 0)
		err = checkpoint_parse(&c, note.text);
	if (err != 0 || !slice_eq_str(c.origin, log_origin(l->log))) {
		buf_printf(why,
			   "%s is no checkpoint of log %s: remove it, so that witnesses are "
			   "asked anew, and look for what has damaged it.",
			   path, log_name(l->log));
		return STELE_EDAMAGED;
	}
	if (c.size > l->target->size) {
		buf_printf(
			why,
			"%s: witnesses have cosigned %llu records of log %s, and there are %llu: "
			"this data directory, or a part of it, is older than its checkpoints. "
			"Restore what is missing (stele restore); a new server must not go on "
			"from here.",
			path, (unsigned long long)c.size, log_name(l->log),
			(unsigned long long)l->target->size);
		return STELE_EDAMAGED;
	}
	err = grew(ws, l, &c);
	if (err == STELE_EVERIFY) {
		buf_printf(why,
			   "%s: witnesses have cosigned another history of log %s than is here: "
			   "this data directory, or a part of it, comes from a copy. A new server "
			   "must not go on from here.",
			   path, log_name(l->log));
		return STELE_EDAMAGED;
	}
	if (err != 0) {
		fprintf(stderr,
			"steled: warning: log %s cannot be held against %s: %s; its witnesses are "
			"asked anew\n",
			log_name(l->log), path, stele_strerror(err));
		buf_reset(&l->kept);
		return 0;
	}
	take_sizes(ws, l, &note, c.size);
	buf_init(&lines);
	put_kept_lines(&lines, ws, l);
	l->quorum_size = is_enough(ws, buf_slice(&l->kept)) ? c.size : 0;
	if (lines.n)
		err = log_cosign(l->log, l->target, buf_slice(&lines));
	buf_fini(&lines);
	return err < 0 ? err : 0;
}

int
witness_load(struct witnesses *ws, struct witness_log *l, struct buf *why)
{
	char path[LIMIT_PATH_BYTES];
	int err = path_of(path, sizeof path, ws, l);

	if (err == 0)
		err = file_read_all(path, &l->kept, LIMIT_NOTE_BYTES);
	if (err == STELE_ENOTFOUND)
		return 0;
	if (err == 0)
		return take_kept(ws, l, path, why);
	buf_printf(why, "%s cannot be read: %s.", path, stele_strerror(err));
	return err;
}

/* --- one more ------------------------------------------------------------------------------ */

/* The file first; only then may the checkpoint be served as one with a quorum. */
static int
keep(struct witnesses *ws, struct witness_log *l, const struct buf *note, bool enough)
{
	char path[LIMIT_PATH_BYTES];
	int err = path_of(path, sizeof path, ws, l);

	if (!enough && l->quorum_size)
		return 0; /* an older one that has a quorum is worth more */
	if (err == 0)
		err = file_replace(path, note->p, note->n, 0600);
	if (err != 0)
		return err;
	pthread_mutex_lock(&ws->mu);
	buf_reset(&l->kept);
	buf_put_slice(&l->kept, buf_slice(note));
	if (enough)
		l->quorum_size = l->kept.err ? 0 : l->target->size;
	l->good = l->good || l->quorum;
	pthread_mutex_unlock(&ws->mu);
	witness_let_go(ws);
	return 0;
}

/* What this start has heard decides whether the log goes on; what is kept from before goes with it.
 */
int
witness_took(struct witnesses *ws, struct witness_log *l, size_t i, struct slice line)
{
	struct slice plain = slice_of(l->target->note, l->target->note_len);
	size_t before = l->lines.n;
	struct buf note;
	int err;

	buf_init(&note);
	buf_put_slice(&l->lines, line);
	l->has |= 1u << i;
	buf_put_slice(&note, plain);
	buf_put_slice(&note, buf_slice(&l->lines));
	l->quorum = note.err == 0 && l->lines.err == 0 && is_enough(ws, buf_slice(&note));
	put_kept_lines(&note, ws, l);
	err = note.err ? note.err : l->lines.err;
	if (err == 0) {
		err = log_cosign(l->log, l->target, slice_of(note.p + plain.n, note.n - plain.n));
		if (err >= 0) /* 0: there is a newer head, and this one counts all the same */
			err = keep(ws, l, &note, is_enough(ws, buf_slice(&note)));
	}
	if (err != 0) { /* as before: the witness is asked again */
		l->lines.n = before;
		l->lines.err = 0;
		l->has &= ~(1u << i);
		l->quorum = false;
	}
	buf_fini(&note);
	return err;
}
