/* Each step is a function that returns 0 or fails the verdict with a sentence. */
#include "crypto/receipt.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypto/identities.h"
#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "proto/err.h"
#include "proto/keystatement.h"
#include "proto/timestamp.h"

/* Arguments for "%.*s". */
#define TEXT(s) (int)(s).n, (const char *)(s).p

static int __attribute__((format(printf, 4, 5)))
fail(struct receipt_verdict *v, enum receipt_step step, int err, const char *fmt, ...)
{
	va_list ap;

	v->err = err;
	v->failed = step;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof v->why, fmt, ap);
	va_end(ap);
	return err;
}

int
receipt_trust_init(struct receipt_trust *trust, struct sha256 *h, struct slice vkey)
{
	struct note_vkey key;
	int err = sign_vkey_parse(h, &key, vkey);

	if (!err && key.type != NOTE_ED25519)
		err = STELE_EUNSUPPORTED;
	if (err)
		return err;
	memset(trust, 0, sizeof *trust);
	trust->pinned = key;
	return 0;
}

static int
add_note(struct slice *list, size_t *n, size_t max, struct slice note)
{
	for (size_t i = 0; i < *n; i++)
		if (slice_eq(list[i], note))
			return 0;
	if (*n == max)
		return STELE_ELIMIT;
	list[(*n)++] = note;
	return 0;
}

int
receipt_trust_statement(struct receipt_trust *trust, struct slice note)
{
	return add_note(trust->statements, &trust->n_statements, LIMIT_STATEMENTS, note);
}

int
receipt_trust_succession(struct receipt_trust *trust, struct slice note)
{
	return add_note(trust->successions, &trust->n_successions, LIMIT_SUCCESSIONS, note);
}

/* --- the entry and what came beside it -------------------------------------- */

static int
check_entry(struct sha256 *h, const struct receipt *r, struct receipt_verdict *v)
{
	struct slice text = slice_of(r->proof.entry, r->proof.entry_n);
	int err = entry_read(&v->entry, text, v->scratch);

	if (r->proof.entry_n == 0)
		return fail(v, RECEIPT_ENTRY, STELE_ENOTFOUND, "there is no entry in it");
	if (err == STELE_EVERSION)
		return fail(v, RECEIPT_ENTRY, err,
			    "the entry is of a version that this stele does "
			    "not know; use a newer one");
	if (err)
		return fail(v, RECEIPT_ENTRY, err,
			    "these bytes are not an entry: every byte of one is "
			    "fixed by its grammar, and these do not follow it");
	sha256_leaf(h, v->leaf, text);
	return 0;
}

/* The log's name: what follows the last slash of an origin. */
static struct slice
log_of(struct slice origin)
{
	const uint8_t *slash = memrchr(origin.p, '/', origin.n);

	return slash ? slice_of(slash + 1, (size_t)(origin.p + origin.n - slash - 1)) : origin;
}

static int
check_claims(const struct receipt *r, struct receipt_verdict *v)
{
	char time[TIMESTAMP_BYTES];

	timestamp_format(time, v->entry.time_ns);
	if (r->has_index && r->proof.index != v->entry.index)
		return fail(v, RECEIPT_CLAIMS, STELE_EVERIFY,
			    "it claims index %" PRIu64 ", but the entry is number %" PRIu64,
			    r->proof.index, v->entry.index);
	if (r->log.n && !slice_eq(r->log, log_of(v->entry.origin)))
		return fail(v, RECEIPT_CLAIMS, STELE_EVERIFY,
			    "it claims the log %.*s, but the entry is of %.*s", TEXT(r->log),
			    TEXT(v->entry.origin));
	if (r->origin.n && !slice_eq(r->origin, v->entry.origin))
		return fail(v, RECEIPT_CLAIMS, STELE_EVERIFY,
			    "it claims the origin %.*s, but the entry is of %.*s", TEXT(r->origin),
			    TEXT(v->entry.origin));
	if (r->time.n && !slice_eq(r->time, slice_of(time, sizeof time)))
		return fail(v, RECEIPT_CLAIMS, STELE_EVERIFY,
			    "it claims the time %.*s, but the entry says %.*s", TEXT(r->time),
			    TIMESTAMP_BYTES, time);
	if (r->media_type.n && !slice_eq(r->media_type, v->entry.media_type))
		return fail(v, RECEIPT_CLAIMS, STELE_EVERIFY,
			    "it claims the media type %.*s, but the entry says %.*s",
			    TEXT(r->media_type), TEXT(v->entry.media_type));
	return 0;
}

/* --- who speaks for a log ---------------------------------------------------- */

/* origin is NAME/LOG of the server called name. */
static bool
belongs_to(struct slice origin, struct slice name)
{
	struct slice log = log_of(origin);

	return name.n + 1 + log.n == origin.n && memcmp(origin.p, name.p, name.n) == 0;
}

/* A key statement about the checkpoint's log, and which identity made it. */
struct statement {
	struct keystatement k;
	size_t by;
};

/*
 * A statement about origin that one of the identities signed: 0 and *s.
 * STELE_EVERIFY when it is one about origin and none of them signed it.
 */
static int
read_statement(struct sha256 *h, struct slice text, const struct identities *ids,
	       struct slice origin, struct statement *s)
{
	struct note note;
	int err = note_parse(&note, text);

	if (!err)
		err = keystatement_parse(&s->k, note.text);
	if (err)
		return err;
	if (!slice_eq(s->k.key.name, origin))
		return STELE_ENOTFOUND;
	return identities_statement(h, ids, text, &s->k, &s->by) ? STELE_EVERIFY : 0;
}

/* Whether two statements of one log can both be true; a is of no later epoch than b. */
static int
check_statements(const struct statement *a, const struct statement *b, struct receipt_verdict *v)
{
	if (a->k.epoch == b->k.epoch &&
	    memcmp(a->k.key.public_key, b->k.key.public_key, sizeof a->k.key.public_key) != 0)
		return fail(v, RECEIPT_KEY, STELE_EVERIFY,
			    "two different keys are signed for epoch %" PRIu64 " of %.*s",
			    a->k.epoch, TEXT(a->k.key.name));
	if (a->k.epoch < b->k.epoch && a->by > b->by)
		return fail(v, RECEIPT_KEY, STELE_EVERIFY,
			    "the key of epoch %" PRIu64 " of %.*s is stated by an identity that "
			    "was replaced before epoch %" PRIu64
			    " began: its key was used afterwards",
			    b->k.epoch, TEXT(a->k.key.name), a->k.epoch);
	return 0;
}

/*
 * What can be told of when the statement was made: before the entry from which on it names the
 * key. A record that is no later than that entry, written after the identity was replaced, shows
 * that the statement was made after it, too.
 */
static int
check_made_in_time(const struct identities *ids, const struct statement *s,
		   struct receipt_verdict *v)
{
	const struct entry *e = &v->entry;

	if (!slice_eq(e->origin, v->checkpoint.origin) || e->index >= s->k.first_size ||
	    e->time_ns <= ids->of[s->by].until_ns)
		return 0;
	return fail(v, RECEIPT_KEY, STELE_EVERIFY,
		    "the key of epoch %" PRIu64 " of %.*s is stated by an identity that was "
		    "replaced before the epoch began: its key was used afterwards",
		    s->k.epoch, TEXT(v->checkpoint.origin));
}

/* The sentence when no statement names a key. */
static int
fail_no_statement(const struct receipt_trust *trust, bool forged, struct receipt_verdict *v)
{
	if (forged)
		return fail(v, RECEIPT_KEY, STELE_EVERIFY,
			    "the key statement for %.*s is not signed by %.*s with the trusted "
			    "key%s",
			    TEXT(v->checkpoint.origin), TEXT(trust->pinned.name),
			    trust->n_successions
				    ? ", nor with one that the successions lead to from there"
				    : "; if its identity was replaced, 'stele key show "
				      "--statement' prints the successions and --keys takes them");
	return fail(
		v, RECEIPT_KEY, STELE_ENOTFOUND,
		"no key statement by %.*s names a key for %.*s at size %" PRIu64
		"; --keys FILE takes one: a bundle's data/LOG/keys.txt, or what 'stele key show "
		"LOG --statement' prints",
		TEXT(trust->pinned.name), TEXT(v->checkpoint.origin), v->checkpoint.size);
}

/* The key of the latest epoch that had begun at size; two keys for one epoch are a lie. */
static int
find_by_statement(struct sha256 *h, const struct receipt_trust *trust, const struct identities *ids,
		  struct receipt_verdict *v)
{
	struct statement all[LIMIT_STATEMENTS], *best = NULL;
	bool forged = false;
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; err == 0 && i < trust->n_statements; i++) {
		struct statement *s = &all[n];
		int r = read_statement(h, trust->statements[i], ids, v->checkpoint.origin, s);

		forged = forged || r == STELE_EVERIFY;
		if (r)
			continue;
		for (size_t k = 0; err == 0 && k < n; k++)
			err = all[k].k.epoch <= s->k.epoch ? check_statements(&all[k], s, v)
							   : check_statements(s, &all[k], v);
		n++;
		if (s->k.first_size <= v->checkpoint.size && (!best || s->k.epoch > best->k.epoch))
			best = s;
	}
	if (err == 0 && !best)
		err = fail_no_statement(trust, forged, v);
	if (err == 0)
		err = check_made_in_time(ids, best, v);
	if (err)
		return err;
	v->key = best->k.key;
	v->epoch = best->k.epoch;
	v->first_size = best->k.first_size;
	v->until_ns = ids->of[best->by].until_ns;
	v->by_statement = true;
	v->identity = (best->by > ids->pinned) - (best->by < ids->pinned);
	return 0;
}

/* *ids are the identities that the trusted one leads to, when it is one of this log's server. */
static int
find_key(struct sha256 *h, const struct receipt_trust *trust, struct identities *ids,
	 struct receipt_verdict *v)
{
	char why[RECEIPT_WHY_BYTES];
	int err;

	if (slice_eq(trust->pinned.name, v->checkpoint.origin)) {
		v->key = trust->pinned;
		return 0;
	}
	if (belongs_to(v->checkpoint.origin, trust->pinned.name)) {
		err = identities_read(ids, h, &trust->pinned, trust->successions,
				      trust->n_successions, why, sizeof why);
		return err ? fail(v, RECEIPT_KEY, err, "%s", why)
			   : find_by_statement(h, trust, ids, v);
	}
	return fail(v, RECEIPT_KEY, STELE_EVERIFY,
		    "the trusted key is the one of %.*s; the checkpoint is of %.*s, another server "
		    "or log",
		    TEXT(trust->pinned.name), TEXT(v->checkpoint.origin));
}

/* --- the checkpoint ---------------------------------------------------------- */

static bool
carries_signature(const struct note *note, const struct note_vkey *key)
{
	for (size_t i = 0; i < note->n_signatures; i++)
		if (slice_eq(note->signatures[i].name, key->name) &&
		    memcmp(note->signatures[i].key_id, key->key_id, sizeof key->key_id) == 0)
			return true;
	return false;
}

/*
 * Whether the key of an earlier epoch signed the note: what that signs at sizes which a later
 * key speaks for is a history that the log lost, as by a restore from a backup.
 */
static bool
is_of_lost_history(struct sha256 *h, struct slice text, const struct receipt_trust *trust,
		   const struct identities *ids, const struct receipt_verdict *v, uint64_t *epoch)
{
	struct statement s;
	struct note note;

	for (size_t i = 0; v->by_statement && i < trust->n_statements; i++) {
		if (read_statement(h, trust->statements[i], ids, v->checkpoint.origin, &s) != 0 ||
		    sign_verify_note(&s.k.key, 1, text, &note, NULL) != 0)
			continue;
		*epoch = s.k.epoch;
		return true;
	}
	return false;
}

static int
check_note(struct sha256 *h, struct slice text, const struct receipt_trust *trust,
	   struct receipt_verdict *v)
{
	struct identities ids;
	struct note note;
	uint64_t epoch;
	int err = note_parse(&note, text);

	if (err)
		return fail(v, RECEIPT_CHECKPOINT, err, "%s",
			    text.n ? "the checkpoint is not a signed note"
				   : "there is no signed checkpoint, and unsigned is never valid");
	err = checkpoint_parse(&v->checkpoint, note.text);
	if (err)
		return fail(v, RECEIPT_CHECKPOINT, err,
			    "the signed note's text is not a checkpoint (origin, size, root)");
	err = find_key(h, trust, &ids, v);
	if (err || !sign_verify_note(&v->key, 1, text, &note, NULL))
		return err;
	if (is_of_lost_history(h, text, trust, &ids, v, &epoch))
		return fail(v, RECEIPT_SIGNATURE, STELE_EVERIFY,
			    "the key of epoch %" PRIu64 " of %.*s signed it, and for %" PRIu64
			    " entries a later key speaks: it is of a history that the log lost, as "
			    "when it is restored from a backup; its restore entry should say so",
			    epoch, TEXT(v->key.name), v->checkpoint.size);
	if (!carries_signature(&note, &v->key))
		return fail(v, RECEIPT_SIGNATURE, STELE_EVERIFY,
			    "the checkpoint carries no signature by the key of %.*s",
			    TEXT(v->key.name));
	return fail(v, RECEIPT_SIGNATURE, STELE_EVERIFY,
		    "the signature of %.*s does not fit the checkpoint: one of the two was altered",
		    TEXT(v->key.name));
}

static void
begin(struct receipt_verdict *v)
{
	memset(v, 0, sizeof *v);
	v->failed = RECEIPT_STEPS;
}

int
receipt_check_checkpoint(struct sha256 *h, struct slice note, const struct receipt_trust *trust,
			 struct receipt_verdict *v)
{
	begin(v);
	return check_note(h, note, trust, v);
}

/* --- the record in the tree --------------------------------------------------- */

static int
check_origin(struct receipt_verdict *v)
{
	if (slice_eq(v->entry.origin, v->checkpoint.origin))
		return 0;
	return fail(v, RECEIPT_ORIGIN, STELE_EVERIFY,
		    "the entry is of %.*s, but the checkpoint is of %.*s", TEXT(v->entry.origin),
		    TEXT(v->checkpoint.origin));
}

static int
check_inclusion(struct sha256 *h, const struct receipt *r, struct receipt_verdict *v)
{
	const struct checkpoint *c = &v->checkpoint;

	if (v->entry.index >= c->size)
		return fail(v, RECEIPT_INCLUSION, STELE_EVERIFY,
			    "entry %" PRIu64 " cannot be in a tree of %" PRIu64, v->entry.index,
			    c->size);
	if (merkle_verify_inclusion(h, c->root, v->entry.index, c->size, v->leaf, r->proof.hashes,
				    r->proof.n_hashes))
		return fail(v, RECEIPT_INCLUSION, STELE_EVERIFY,
			    "the proof does not lead from this entry to the signed root: "
			    "the entry, the index or the proof was altered");
	return 0;
}

/* Commitment and length of a payload that comes in pieces. */
static int
commit_pieces(struct sha256 *h, const struct receipt *r, uint8_t out[SHA256_BYTES], uint64_t *size)
{
	struct slice piece;
	int err;

	*size = 0;
	sha256_commitment_begin(h, r->proof.salt);
	for (;;) {
		err = r->payload_next(r->payload_ctx, &piece);
		if (err || piece.n == 0)
			break;
		sha256_update(h, piece);
		*size += piece.n;
	}
	sha256_end(h, out);
	return err;
}

static int
check_payload(struct sha256 *h, const struct receipt *r, struct receipt_verdict *v)
{
	uint8_t commitment[SHA256_BYTES];
	uint64_t size = r->payload.n;

	if (!r->has_payload)
		return 0;
	if (!r->has_salt)
		return fail(v, RECEIPT_PAYLOAD, STELE_EVERIFY,
			    "there is no salt, without which no payload can be checked");
	if (!r->payload_next)
		sha256_commitment(h, commitment, r->proof.salt, r->payload);
	else if (commit_pieces(h, r, commitment, &size) != 0)
		return fail(v, RECEIPT_PAYLOAD, STELE_EIO, "the payload cannot be read to its end");
	if (size != v->entry.size)
		return fail(v, RECEIPT_PAYLOAD, STELE_EVERIFY,
			    "the payload has %" PRIu64 " bytes, but the entry says %" PRIu64, size,
			    v->entry.size);
	if (memcmp(commitment, v->entry.commitment, sizeof commitment) != 0)
		return fail(v, RECEIPT_PAYLOAD, STELE_EVERIFY,
			    "the payload is not the one that was committed to: it or the salt was "
			    "altered");
	v->payload_checked = true;
	return 0;
}

int
receipt_check(struct sha256 *h, const struct receipt *r, const struct receipt_trust *trust,
	      struct receipt_verdict *v)
{
	int err;

	begin(v);
	err = check_entry(h, r, v);
	if (!err)
		err = check_claims(r, v);
	if (!err)
		err = check_note(h, r->proof.checkpoint, trust, v);
	if (!err)
		err = check_origin(v);
	if (!err)
		err = check_inclusion(h, r, v);
	return err ? err : check_payload(h, r, v);
}

/* --- consistency -------------------------------------------------------------- */

/* The two checkpoints are trusted; is one a later state of the other? */
static int
check_growth(struct sha256 *h, const struct checkpoint *a, const struct receipt_growth *g,
	     struct receipt_verdict *v)
{
	const struct checkpoint *b = &v->checkpoint;

	if (a->size > b->size)
		return fail(v, RECEIPT_CONSISTENCY, STELE_EVERIFY,
			    "the older checkpoint has %" PRIu64 " entries, this one only %" PRIu64
			    ": the log was rolled back, or the two are in the wrong order",
			    a->size, b->size);
	if (a->size < b->size && !g)
		return fail(v, RECEIPT_CONSISTENCY, STELE_ENOTFOUND,
			    "there is no proof that size %" PRIu64 " grew out of size %" PRIu64
			    "; 'stele checkpoint LOG --since FILE' fetches one with a checkpoint",
			    b->size, a->size);
	if (g && (g->from != a->size || g->to != b->size))
		return fail(v, RECEIPT_CONSISTENCY, STELE_EVERIFY,
			    "the proof is from size %" PRIu64 " to %" PRIu64
			    ", but the checkpoints have %" PRIu64 " and %" PRIu64,
			    g->from, g->to, a->size, b->size);
	if (merkle_verify_consistency(h, a->size, a->root, b->size, b->root, g ? g->proof : NULL,
				      g ? g->n : 0))
		return fail(v, RECEIPT_CONSISTENCY, STELE_EVERIFY,
			    "the tree of %" PRIu64
			    " entries does not begin with the tree of %" PRIu64
			    ": the log was forked, or the proof altered",
			    b->size, a->size);
	return 0;
}

int
receipt_check_since(struct sha256 *h, struct slice old, const struct receipt_growth *growth,
		    const struct receipt_trust *trust, struct receipt_verdict *v)
{
	struct receipt_verdict before;

	if (receipt_check_checkpoint(h, old, trust, &before))
		return fail(v, RECEIPT_CONSISTENCY, before.err, "the older checkpoint: %.400s",
			    before.why);
	if (!slice_eq(before.checkpoint.origin, v->checkpoint.origin))
		return fail(v, RECEIPT_CONSISTENCY, STELE_EVERIFY,
			    "the older checkpoint is of %.*s, another log",
			    TEXT(before.checkpoint.origin));
	return check_growth(h, &before.checkpoint, growth, v);
}

int
receipt_check_witnesses(const struct tlogpolicy *policy, struct slice note,
			struct receipt_verdict *v)
{
	struct note parsed;
	int err = note_parse(&parsed, note);

	if (!err && !tlogpolicy_knows(policy, &v->key))
		return fail(v, RECEIPT_WITNESSES, STELE_EVERIFY,
			    "the checkpoint is signed by another key than the policy knows for "
			    "this log");
	if (!err)
		err = tlogpolicy_check(policy, &parsed, &v->cosignatures);
	if (err == STELE_ENOTFOUND)
		return fail(v, RECEIPT_WITNESSES, err,
			    "%zu of the policy's witnesses cosigned the checkpoint: that is not "
			    "its quorum",
			    v->cosignatures);
	if (err)
		return fail(v, RECEIPT_WITNESSES, err,
			    "a witness's cosignature does not fit the checkpoint");
	return 0;
}
