/* Each note by itself first; then, sorted by number, all of them as one row. */
#include "crypto/identities.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/err.h"

/* What came of the notes. */
struct row {
	size_t n;
	struct succession of[LIMIT_SUCCESSIONS]; /* by number */
	char *why;
	size_t why_bytes;
};

static int __attribute__((format(printf, 3, 4)))
refuse(const struct row *r, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, r->why_bytes, fmt, ap);
	va_end(ap);
	return err;
}

static bool
same_key(const struct note_vkey *a, const struct note_vkey *b)
{
	return memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0;
}

/* --- one note --------------------------------------------------------------------------- */

int
identities_sign(struct buf *out, struct succession *s, const struct signer *old,
		const struct signer *new)
{
	struct buf text;
	int err;

	s->from = *signer_vkey(old);
	s->to = *signer_vkey(new);
	buf_init(&text);
	err = succession_put(&text, s);
	if (err == 0)
		err = text.err;
	if (err == 0)
		sign_note(out, buf_slice(&text), (const struct signer *const[]){old, new}, 2);
	buf_fini(&text);
	return err ? err : out->err;
}

static bool
has_own_id(struct sha256 *h, const struct note_vkey *key)
{
	uint8_t id[NOTE_KEY_ID_BYTES];

	sign_keyid(h, id, key->name, key->type, key->public_key);
	return memcmp(id, key->key_id, sizeof id) == 0;
}

/* Reads a note into s: 0; 1 when it is of another server; or it is refused. */
static int
read_note(const struct row *r, struct sha256 *h, const struct note_vkey *pinned, struct slice text,
	  struct succession *s)
{
	struct note note;
	int err = note_parse(&note, text);

	if (err == 0)
		err = succession_parse(s, note.text);
	if (err == STELE_EVERSION)
		return refuse(r, err,
			      "a succession note is of a version that this stele does not know; "
			      "use a newer one");
	if (err != 0)
		return refuse(r, STELE_EVERIFY,
			      "what came as a succession note is none: its text is not as such a "
			      "note's must be");
	if (!slice_eq(s->from.name, pinned->name))
		return 1;
	if (!has_own_id(h, &s->from) || !has_own_id(h, &s->to))
		return refuse(r, STELE_EVERIFY,
			      "succession %" PRIu64 " has a key whose ID is not its own",
			      s->number);
	if (sign_verify_note(&s->from, 1, text, &note, NULL) != 0)
		return refuse(r, STELE_EVERIFY,
			      "succession %" PRIu64
			      " is not signed by the identity that it says was replaced",
			      s->number);
	if (sign_verify_note(&s->to, 1, text, &note, NULL) != 0)
		return refuse(r, STELE_EVERIFY,
			      "succession %" PRIu64
			      " is not signed by the identity that it says took over",
			      s->number);
	return 0;
}

/* --- all of them ------------------------------------------------------------------------ */

static bool
equal(const struct succession *a, const struct succession *b)
{
	return same_key(&a->from, &b->from) && same_key(&a->to, &b->to) && a->time_ns == b->time_ns;
}

/* Puts it where its number belongs; the same one twice is one. */
static int
insert(struct row *r, const struct succession *s)
{
	size_t at = r->n;

	while (at && r->of[at - 1].number > s->number)
		at--;
	if (at && r->of[at - 1].number == s->number) {
		if (equal(&r->of[at - 1], s))
			return 0;
		return refuse(r, STELE_EVERIFY,
			      "there are two different successions numbered %" PRIu64
			      ": an identity has one successor, so a key was used by somebody else",
			      s->number);
	}
	if (r->n == LIMIT_SUCCESSIONS)
		return refuse(r, STELE_ELIMIT, "there are more than %u successions",
			      LIMIT_SUCCESSIONS);
	memmove(&r->of[at + 1], &r->of[at], (r->n - at) * sizeof *r->of);
	r->of[at] = *s;
	r->n++;
	return 0;
}

/* Whether a later one fits an earlier one. */
static int
check_pair(const struct row *r, const struct succession *a, const struct succession *b)
{
	bool next = b->number == a->number + 1;

	if (same_key(&b->from, &a->from))
		return refuse(r, STELE_EVERIFY,
			      "successions %" PRIu64 " and %" PRIu64
			      " replace the same identity: it has one successor, so its key was "
			      "used by somebody else",
			      a->number, b->number);
	if (same_key(&b->from, &a->to) != next)
		return refuse(r, STELE_EVERIFY,
			      next ? "succession %" PRIu64
				     " does not end with the identity that number %" PRIu64
				     " begins with"
				   : "successions %" PRIu64 " and %" PRIu64
				     " follow each other, and their numbers do not",
			      a->number, b->number);
	if (same_key(&b->to, &a->from) || same_key(&b->to, &a->to))
		return refuse(r, STELE_EVERIFY,
			      "succession %" PRIu64
			      " goes back to an identity that was there before: one that was "
			      "replaced never returns",
			      b->number);
	if (b->time_ns <= a->time_ns)
		return refuse(r, STELE_EVERIFY,
			      "succession %" PRIu64 " is not later than number %" PRIu64, b->number,
			      a->number);
	return 0;
}

static int
check_row(const struct row *r)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < r->n; i++)
		for (size_t k = i + 1; err == 0 && k < r->n; k++)
			err = check_pair(r, &r->of[i], &r->of[k]);
	return err;
}

/* The unbroken part of the row that the pinned key is in. */
static void
take(struct identities *ids, const struct row *r, const struct note_vkey *pinned)
{
	size_t first = 0, end;

	while (first < r->n && !same_key(&r->of[first].from, pinned) &&
	       !same_key(&r->of[first].to, pinned))
		first++;
	ids->n = 1;
	ids->pinned = 0;
	ids->of[0].key = *pinned;
	ids->of[0].until_ns = INT64_MAX;
	if (first == r->n)
		return;
	end = first;
	while (first && r->of[first - 1].number + 1 == r->of[first].number)
		first--;
	while (end + 1 < r->n && r->of[end].number + 1 == r->of[end + 1].number)
		end++;
	ids->of[0].key = r->of[first].from;
	for (size_t i = first; i <= end; i++, ids->n++) {
		ids->of[ids->n - 1].until_ns = r->of[i].time_ns;
		ids->of[ids->n].key = r->of[i].to;
		ids->of[ids->n].until_ns = INT64_MAX;
	}
	while (!same_key(&ids->of[ids->pinned].key, pinned))
		ids->pinned++;
}

int
identities_read(struct identities *ids, struct sha256 *h, const struct note_vkey *pinned,
		const struct slice *notes, size_t n, char *why, size_t why_bytes)
{
	struct row r = {.why = why, .why_bytes = why_bytes};
	int err = 0;

	for (size_t i = 0; err == 0 && i < n; i++) {
		struct succession s;
		int is = read_note(&r, h, pinned, notes[i], &s);
		err = is == 0 ? insert(&r, &s) : is == 1 ? 0 : is;
	}
	if (err == 0)
		err = check_row(&r);
	if (err == 0)
		take(ids, &r, pinned);
	return err;
}

/* --- what they signed -------------------------------------------------------------------- */

int
identities_note(const struct identities *ids, struct slice signed_note, struct note *note,
		size_t *by)
{
	int err = STELE_EVERIFY;

	for (size_t i = 0; err == STELE_EVERIFY && i < ids->n; i++) {
		err = sign_verify_note(&ids->of[i].key, 1, signed_note, note, NULL);
		if (err == 0)
			*by = i;
	}
	return err;
}

int
identities_statement(struct sha256 *h, const struct identities *ids, struct slice signed_note,
		     struct keystatement *out, size_t *by)
{
	int err = STELE_EVERIFY;

	for (size_t i = 0; err == STELE_EVERIFY && i < ids->n; i++) {
		err = sign_verify_key_statement(h, &ids->of[i].key, signed_note, out);
		if (err == 0)
			*by = i;
	}
	return err;
}
