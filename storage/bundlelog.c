/* What proves a log: checkpoint, keys, growth, control entries, and where its runs hang. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/identity.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/proof.h"
#include "storage/bundlework.h"
#include "storage/internal.h"

static int
put_line(struct bundle *b)
{
	if (b->line.err)
		return b->line.err;
	return spool_body_put(b->m, BUNDLE_LINES, buf_slice(&b->line));
}

static int
begin_file(struct bundle *b)
{
	return spool_body_begin(b->m, BUNDLE_LINES, !b->job->stored);
}

/* What of a log cannot be read: without it there is no bundle. */
static int
cannot(struct bundle *b, const struct bundle_part *p, int err, const char *what, uint64_t index)
{
	if (err == STELE_EDAMAGED)
		buf_printf(b->why,
			   "log %s: %s %" PRIu64 " is damaged on disk, and nothing proves the rest "
			   "without it: restore the file that stele fsck names, then export again",
			   log_name(p->log->log), what, index);
	return err;
}

/* --- checkpoint and keys ------------------------------------------------------------------- */

static int
put_checkpoint(struct bundle *b, struct bundle_part *p)
{
	int err = begin_file(b);

	if (err == 0)
		err = spool_body_put(b->m, BUNDLE_LINES,
				     slice_of(p->log->head->note, p->log->head->note_len));
	return err == 0 ? bundle_end_file(b, p, BUNDLE_LINES, "checkpoint") : err;
}

static int
put_keys(struct bundle *b, struct bundle_part *p)
{
	struct identity *id = store_identity(b->job->st);
	struct logkeys *keys = log_keys(p->log->log);
	size_t n = logkeys_count(keys);
	int err = begin_file(b);

	for (size_t i = 0; err == 0 && i + 1 < identity_row(id)->n; i++) {
		struct slice note = identity_succession(id, i);

		buf_reset(&b->line);
		buf_put_str(&b->line, "identity ");
		buf_put_base64(&b->line, note.p, note.n);
		buf_put_u8(&b->line, '\n');
		err = put_line(b);
	}
	for (size_t i = n > LIMIT_STATEMENTS ? n - LIMIT_STATEMENTS : 0; err == 0 && i < n; i++) {
		buf_reset(&b->text);
		buf_reset(&b->line);
		err = logkeys_put_statement(keys, i, &b->text);
		buf_put_str(&b->line, "key ");
		buf_put_base64(&b->line, b->text.p, b->text.n);
		buf_put_u8(&b->line, '\n');
		if (err == 0)
			err = put_line(b);
	}
	logkeys_unref(keys);
	identity_unref(id);
	return err == 0 ? bundle_end_file(b, p, BUNDLE_LINES, "keys.txt") : err;
}

/* --- consistency.ndjson -------------------------------------------------------------------- */

/* The lowest of the sizes asked for that is above `size`; 0: none. */
static uint64_t
next_since(const struct bundle_log *l, uint64_t size)
{
	uint64_t next = 0;

	for (size_t i = 0; i < l->n_since; i++)
		if (l->since[i] > size && (!next || l->since[i] < next))
			next = l->since[i];
	return next;
}

static int
put_consistency(struct bundle *b, struct bundle_part *p)
{
	uint64_t from = next_since(p->log, 0);
	struct proof proof;
	int err = 0;

	if (!from)
		return 0;
	err = begin_file(b);
	for (; err == 0 && from; from = next_since(p->log, from)) {
		err = read_consistency(b->job->st, p->log->log, from, p->log->head->size, b->t,
				       &proof);
		if (err != 0)
			return cannot(b, p, err, "the proof from size", from);
		buf_reset(&b->line);
		buf_printf(&b->line, "{\"from\":%" PRIu64 ",\"proof\":", from);
		proof_put_json(&b->line, (const uint8_t(*)[32])proof.hash, proof.n);
		buf_put_str(&b->line, "}\n");
		err = put_line(b);
	}
	return err == 0 ? bundle_end_file(b, p, BUNDLE_LINES, "consistency.ndjson") : err;
}

/* --- controls.ndjson ----------------------------------------------------------------------- */

/* Indexes of control entries, the last one first. */
struct chain {
	uint64_t *at;
	size_t n, cap;
};

static int
push(struct chain *c, uint64_t index)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		uint64_t *grown = realloc(c->at, cap * sizeof *grown);

		if (!grown)
			return STELE_ENOMEM;
		c->at = grown;
		c->cap = cap;
	}
	c->at[c->n++] = index;
	return 0;
}

static int
read_one(struct bundle *b, struct bundle_part *p, uint64_t index, struct record *r)
{
	int err;

	arena_reset(&b->arena);
	err = read_entry(b->job->st, p->log->log, index, b->t, &b->arena, r);
	return err == 0 ? bundle_step(b) : cannot(b, p, err, "entry", index);
}

/* From the last entry back to entry 0. */
static int
walk(struct bundle *b, struct bundle_part *p, struct chain *c)
{
	uint64_t at = p->log->head->size - 1;
	struct record r;
	int err = read_one(b, p, at, &r);

	if (err == 0 && r.entry.kind == ENTRY_RECORD) {
		at = r.entry.ctl;
		err = read_one(b, p, at, &r);
	}
	while (err == 0) {
		err = push(c, at);
		if (err != 0 || at == 0)
			break;
		if (r.entry.kind == ENTRY_RECORD || r.entry.ctl >= at)
			return cannot(b, p, STELE_EDAMAGED, "entry", at);
		at = r.entry.ctl;
		err = read_one(b, p, at, &r);
	}
	return err;
}

static int
put_control(struct bundle *b, struct bundle_part *p, uint64_t index)
{
	struct proof proof;
	struct record r;
	int err = read_one(b, p, index, &r);

	if (err == 0 && (r.gone || r.object))
		err = cannot(b, p, STELE_EDAMAGED, "entry", index);
	if (err == 0)
		err = cannot(b, p,
			     read_inclusion(b->job->st, p->log->log, index, p->log->head->size,
					    b->t, &proof),
			     "the proof of entry", index);
	if (err != 0)
		return err;
	p->counts.controls++;
	b->counts.controls++;
	p->kinds[r.entry.kind]++;
	bundle_tell_hold(p, &r);
	buf_reset(&b->line);
	bundle_put_entry(&b->line, &r);
	bundle_put_payload(&b->line, &r);
	buf_put_str(&b->line, ",\"proof\":");
	proof_put_json(&b->line, (const uint8_t(*)[32])proof.hash, proof.n);
	buf_put_str(&b->line, "}\n");
	return put_line(b);
}

static int
put_controls(struct bundle *b, struct bundle_part *p)
{
	struct chain c = {NULL, 0, 0};
	int err = begin_file(b);

	if (err == 0)
		err = walk(b, p, &c);
	while (err == 0 && c.n)
		err = put_control(b, p, c.at[--c.n]);
	free(c.at);
	return err == 0 ? bundle_end_file(b, p, BUNDLE_LINES, "controls.ndjson") : err;
}

/* --- proofs.ndjson ------------------------------------------------------------------------- */

static void
put_hash(struct buf *out, const uint8_t hash[32], size_t n)
{
	buf_put_str(out, n ? ",\"" : "\"");
	buf_put_base64(out, hash, 32);
	buf_put_u8(out, '"');
}

/* Appends the roots of the largest complete subtrees that cover [at, end), from left to right. */
static int
put_cover(struct bundle *b, struct bundle_part *p, uint64_t at, uint64_t end)
{
	struct node_source nodes = {b->job->st, p->log->log, b->t, false};
	uint8_t hash[32];
	size_t n = 0;

	buf_put_u8(&b->line, '[');
	while (at < end) {
		unsigned height = 63 - (unsigned)__builtin_clzll(end - at);
		int err;

		if (at && (unsigned)__builtin_ctzll(at) < height)
			height = (unsigned)__builtin_ctzll(at);
		err = node_get(&nodes, height, at >> height, hash);
		if (err != 0)
			return cannot(b, p, err == STELE_EVERIFY ? STELE_EDAMAGED : err,
				      "the tree at entry", at);
		put_hash(&b->line, hash, n++);
		at += 1ull << height;
	}
	buf_put_u8(&b->line, ']');
	return 0;
}

static int
put_run(struct bundle *b, struct bundle_part *p, uint64_t first, uint64_t last)
{
	int err;

	buf_reset(&b->line);
	buf_printf(&b->line, "{\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"left\":", first, last);
	err = put_cover(b, p, 0, first);
	buf_put_str(&b->line, ",\"right\":");
	if (err == 0)
		err = put_cover(b, p, last + 1, p->log->head->size);
	buf_put_str(&b->line, "}\n");
	if (err == 0)
		err = put_line(b);
	return err == 0 ? bundle_step(b) : err;
}

/* Runs that touch are one. */
static int
put_runs(struct bundle *b, struct bundle_part *p)
{
	struct bundle_run run, next;
	const struct bundle_job *j = b->job;
	int err = j->next(j->ctx, p->number, 0, &run), rc = err;

	p->has_lines = rc == 0;
	p->first = rc == 0 ? run.first : 0;
	while (rc == 0) {
		CHECK(run.first <= run.last && run.last < p->log->head->size);
		rc = j->next(j->ctx, p->number, run.last + 1, &next);
		if (rc == 0 && next.first == run.last + 1) {
			run.last = next.last;
			continue;
		}
		p->last = run.last;
		err = rc < 0 ? rc : put_run(b, p, run.first, run.last);
		if (err != 0)
			return err;
		run = next;
	}
	return rc < 0 ? rc : 0;
}

static int
put_tip(struct bundle *b, struct bundle_part *p)
{
	uint64_t size = p->log->head->size;
	struct proof proof;
	struct record r;
	int err = read_one(b, p, size - 1, &r);

	if (err == 0)
		err = cannot(b, p,
			     read_inclusion(b->job->st, p->log->log, size - 1, size, b->t, &proof),
			     "the proof of entry", size - 1);
	if (err != 0)
		return err;
	buf_reset(&b->line);
	buf_put_str(&b->line, "{\"tip\":");
	buf_put_json_str(&b->line, r.text);
	buf_put_str(&b->line, ",\"proof\":");
	proof_put_json(&b->line, (const uint8_t(*)[32])proof.hash, proof.n);
	buf_put_str(&b->line, "}\n");
	return put_line(b);
}

static int
put_proofs(struct bundle *b, struct bundle_part *p)
{
	int err = begin_file(b);

	if (err == 0)
		err = put_runs(b, p);
	if (err == 0)
		err = put_tip(b, p);
	return err == 0 ? bundle_end_file(b, p, BUNDLE_LINES, "proofs.ndjson") : err;
}

int
bundle_put_log(struct bundle *b, struct bundle_part *p)
{
	int err = put_checkpoint(b, p);

	if (err == 0)
		err = put_keys(b, p);
	if (err == 0)
		err = put_consistency(b, p);
	if (err == 0)
		err = put_controls(b, p);
	return err == 0 ? put_proofs(b, p) : err;
}
