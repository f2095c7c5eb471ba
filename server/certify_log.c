/* A segment that cannot be shown, and what is in none, is said to be scanned. */
#include "server/certify_log.h"

#include <string.h>

#include "crypto/identity.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/erasures.h"
#include "server/kit.h"
#include "server/query.h"
#include "server/query_certify.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/read.h"
#include "storage/seek.h"
#include "storage/segment.h"
#include "storage/store.h"
#include "storage/termproof.h"

enum { ATTEMPTS = 5 };

void
certify_put_identities(struct query_certify *c)
{
	struct identity *id = store_identity(c->q->server->store);

	for (size_t i = 0; i + 1 < identity_row(id)->n; i++)
		certificate_put_identity(&c->evidence, identity_succession(id, i));
	identity_unref(id);
}

/* --- keys and checkpoint ------------------------------------------------------------------- */

static int
put_keys(struct query_certify *c, struct certificate_source *s)
{
	size_t n = logkeys_count(c->keys), first = n > LIMIT_STATEMENTS ? n - LIMIT_STATEMENTS : 0;
	struct slice *list = arena_alloc(&c->arena, (n + 1) * sizeof *list);
	struct buf b;
	int err = list ? 0 : STELE_ENOMEM;

	buf_init(&b);
	for (size_t i = first; err == 0 && i < n; i++) {
		void *copy;

		buf_reset(&b);
		err = logkeys_put_statement(c->keys, i, &b);
		copy = err ? NULL : arena_dup(&c->arena, b.p, b.n);
		if (err == 0 && !copy)
			err = STELE_ENOMEM;
		if (err == 0)
			list[s->n_keys++] = slice_of(copy, b.n);
	}
	s->keys = list;
	buf_fini(&b);
	return err;
}

static int
prove_growth(struct query_certify *c, struct log *log, uint64_t from, struct kit *kit,
	     struct certificate_hashes *out)
{
	struct proof *proof = arena_alloc(&c->arena, sizeof *proof);
	int err;

	if (!proof)
		return STELE_ENOMEM;
	err = read_consistency(c->q->server->store, log, from, c->head->size, kit->tools, proof);
	if (err == 0)
		*out = (struct certificate_hashes){(const uint8_t(*)[32])proof->hash, proof->n};
	return err;
}

/* The newest checkpoint, and the keys of its time. */
static int
take_head(struct query_certify *c, struct log *log)
{
	head_unref(c->head);
	logkeys_unref(c->keys);
	c->head = log_head(log);
	c->keys = log_keys(log);
	/* in this order: a key that came in between signs the next checkpoint */
	return logkeys_first_size(c->keys) > c->head->size ? STELE_EBUSY : 0;
}

/* Anew from here: the checkpoint, and behind it the parts. */
static int
begin(struct query_certify *c, const struct query_source *s, struct kit *kit)
{
	struct certificate_source source = {.origin = slice_str(log_origin(s->log))};
	struct certificate_log *said = &c->said.logs[c->log];
	int err = c->attempts++ < ATTEMPTS ? take_head(c, s->log) : STELE_EBUSY;

	if (err == 0)
		err = read_root(c->q->server->store, s->log, s->size, kit->tools, said->root);
	if (err == 0)
		err = put_keys(c, &source);
	if (err == 0)
		err = prove_growth(c, s->log, s->size, kit, &source.grown);
	if (err != 0)
		return err;
	source.checkpoint = slice_of(c->head->note, c->head->note_len);
	c->evidence.n = c->evidence_at;
	certificate_put_source(&c->evidence, &source);
	c->next = 0;
	c->next_match = 0;
	return 1;
}

/* --- one part ------------------------------------------------------------------------------ */

/* The matches in [c->next, to), which are the next ones, cut where a part ends. */
static int
take_matches(struct query_certify *c, uint64_t to, struct certificate_part *part)
{
	const struct certificate_range *list =
		(const struct certificate_range *)(const void *)c->matched.p;
	size_t n = c->matched.n / sizeof *list, i = c->next_match;
	struct certificate_range *out;

	while (i < n && list[i].first < to)
		i++;
	out = arena_alloc(&c->arena, (i - c->next_match + 1) * sizeof *out);
	if (!out)
		return STELE_ENOMEM;
	part->matched = out;
	for (i = c->next_match; i < n && list[i].first < to; i++) {
		uint64_t first = list[i].first > c->next ? list[i].first : c->next,
			 last = list[i].last < to ? list[i].last : to - 1;

		out[part->n_matched++] = (struct certificate_range){first, last};
		if (list[i].last >= to)
			break; /* the rest is the next part's */
	}
	c->next_match = i;
	return 0;
}

static int
put_part(struct query_certify *c, uint64_t to, struct certificate_part *part)
{
	int err = take_matches(c, to, part);

	if (err != 0)
		return err;
	part->first = c->next;
	part->last = to - 1;
	certificate_put_part(&c->evidence, part);
	c->next = to;
	return c->evidence.err;
}

/*
 * Whether the index has something of a record that waits for its erasure, and that this reader may
 * not see till then: pages say of more terms than the one that was asked for.
 */
static bool
has_restricted(const struct query_certify *c, const struct query_source *s, uint64_t from,
	       uint64_t to)
{
	struct access *access = audit_access(c->q->server->audit);
	char id[CONTROL_HOLD_ID_CHARS + 1];

	if (access_open_erasures(access) == 0 ||
	    token_may(c->q->token, SCOPE_HOLD, slice_str(log_name(s->log))))
		return false;
	for (; from < to; from++)
		if (access_restricts(access, log_name(s->log), from, id))
			return true;
	return false;
}

/* *part gets manifest, proofs and pages: 1 when the segment cannot be shown. */
static int
show(struct query_certify *c, const struct query_source *s, struct segment *segment,
     struct kit *kit, struct certificate_part *part)
{
	const struct segment_facts *f = segment_facts(segment);
	struct buf b;
	void *copy;
	int err = termproof_make(segment, &c->filter, c->said.mapping, kit->tools, &c->arena, part);

	if (err != 0 || has_restricted(c, s, f->first, f->first + f->count))
		return err ? err : 1;
	buf_init(&b);
	err = termproof_manifest(s->log, segment, &b);
	if (err == 0) {
		copy = arena_dup(&c->arena, b.p, b.n);
		part->manifest = slice_of(copy, b.n);
		err = copy ? 0 : STELE_ENOMEM;
	}
	buf_fini(&b);
	if (err == 0)
		err = prove_growth(c, s->log, f->first + f->count, kit, &part->grown);
	part->shown = err == 0;
	return err;
}

/* A segment: shown, or scanned. */
static int
put_segment(struct query_certify *c, const struct query_source *s, const struct seek_range *range,
	    struct segment *segment, struct kit *kit)
{
	struct certificate_part part = {.shown = false};
	uint64_t to = range->first + range->count;
	int err;

	if (c->next != range->first || to > c->head->size)
		return begin(c, s, kit); /* it was merged or sealed since */
	err = segment ? show(c, s, segment, kit, &part) : 1;
	if (err == STELE_ENOTFOUND)
		return begin(c, s, kit); /* it was replaced since */
	if (err == 1)
		part = (struct certificate_part){.shown = false};
	else if (err != 0)
		return err;
	err = put_part(c, to < s->size ? to : s->size, &part);
	return err ? err : 1;
}

/* The rest of the log is in no segment whose index may be believed now. */
static int
put_rest(struct query_certify *c, const struct query_source *s)
{
	struct certificate_part part = {.shown = false};

	return put_part(c, s->size, &part);
}

int
certify_log_step(struct query_certify *c, struct kit *kit)
{
	const struct query_source *s = &c->q->sources[c->log];
	struct segment *segment = NULL;
	struct seek_range range;
	int err;

	arena_reset(&c->arena);
	if (c->attempts == 0)
		return begin(c, s, kit);
	if (c->next == s->size)
		return 0;
	err = seek_open(s->log, c->next, kit->tools, &range, &segment);
	if (err == STELE_ENOTFOUND)
		return put_rest(c, s) == 0 ? 1 : STELE_ENOMEM;
	if (err != 0)
		return err;
	err = put_segment(c, s, &range, segment, kit);
	if (segment)
		segment_unref(segment);
	return err;
}
