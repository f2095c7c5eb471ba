/* Who signed what: keys.txt of all logs, the bundle's signature, each log's checkpoint. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sign.h"
#include "proto/base64.h"
#include "proto/err.h"
#include "proto/lines.h"
#include "proto/timestamp.h"
#include "verify/bundlework.h"

enum { KEYS_MOST = 16 << 20, SIGNATURE_MOST = 4096, TAG_MANIFEST_MOST = 65536 };

#define TEXT(s) (int)(s).n, (const char *)(s).p

/* --- keys.txt ------------------------------------------------------------------------------ */

/* The note that stands in base64 behind the word; one more in the list. */
static int
take_note(struct buf **list, size_t *n, struct slice base64)
{
	struct buf note, *more = realloc(*list, (*n + 1) * sizeof *more);
	size_t bytes;

	if (!more)
		return STELE_ENOMEM;
	*list = more;
	buf_init(&note);
	if (buf_reserve(&note, base64.n + 1) != 0)
		return STELE_ENOMEM;
	if (base64.n == 0 || base64_decode(note.p, note.cap, &bytes, base64) != 0) {
		buf_fini(&note);
		return STELE_ESYNTAX;
	}
	note.n = bytes;
	more[(*n)++] = note;
	return 0;
}

/*
 * Lines "identity BYTES" and "key BYTES". One that is neither, the first of which is *bad, leaves
 * the others: who signed does not hang on it. 0: there is none.
 */
static int
read_lines(struct bundle_work *w, struct bundle_log *log, struct slice text, uint64_t *bad)
{
	struct lines l;
	size_t successions = 0;
	int err = 0;

	*bad = 0;
	lines_init(&l, text);
	for (uint64_t line = 1; err != STELE_ENOMEM && l.rest.n; line++) {
		struct slice s = lines_take(&l);

		if (s.n > 4 && memcmp(s.p, "key ", 4) == 0 && log->n_statements < LIMIT_STATEMENTS)
			err = take_note(&log->statements, &log->n_statements,
					slice_of(s.p + 4, s.n - 4));
		else if (s.n > 9 && memcmp(s.p, "identity ", 9) == 0 &&
			 successions++ < LIMIT_SUCCESSIONS)
			err = take_note(&w->successions, &w->n_successions,
					slice_of(s.p + 9, s.n - 9));
		else
			err = STELE_ESYNTAX;
		if (err && !*bad)
			*bad = line;
	}
	return err == STELE_ENOMEM ? err : 0;
}

static bool
read_log(struct bundle_work *w, size_t i)
{
	struct archive *a = &w->archive;
	struct bundle_log *log = &w->logs[i];
	size_t file = a->logs[i].part[PART_KEYS];
	char path[FINDING_PATH_BYTES];
	struct place where;
	uint64_t bad;
	int err;

	buf_put_slice(&log->origin, w->doc.server);
	buf_put_u8(&log->origin, '/');
	buf_put_str(&log->origin, a->logs[i].name);
	if (archive_load(a, a->logs[i].part[PART_CHECKPOINT], LIMIT_NOTE_BYTES, CHECK_KEYS,
			 &log->checkpoint_text, &w->findings) != 0 ||
	    archive_load(a, file, KEYS_MOST, CHECK_KEYS, &log->keys_text, &w->findings) != 0)
		return false;
	err = read_lines(w, log, buf_slice(&log->keys_text), &bad);
	buf_fini(&log->keys_text);
	if (err)
		findings_stop(&w->findings, err, "there is not enough memory");
	if (!err && !bad)
		return true;
	where = bundle_place(w, file, path, bad, FINDING_NOWHERE);
	findings_fail(&w->findings, CHECK_KEYS, &where,
		      "the line is neither a key statement nor a succession note in base64, or "
		      "there are too many of them");
	return false;
}

static bool
is_succession(struct slice text)
{
	struct succession s;
	struct note note;

	return note_parse(&note, text) == 0 && succession_parse(&s, note.text) == 0;
}

bool
bundle_read_keys(struct bundle_work *w)
{
	char path[FINDING_PATH_BYTES];
	bool good = true;

	for (size_t i = 0; i < w->archive.n_logs; i++)
		good = read_log(w, i) && good;
	for (size_t i = 0; w->options->successions && i < w->n_successions; i++) {
		struct place where = bundle_place(w, w->archive.logs[0].part[PART_KEYS], path, 0,
						  FINDING_NOWHERE);
		/* what is no succession note at all is said with the keys */
		if (!is_succession(buf_slice(&w->successions[i])) ||
		    receipt_trust_succession(&w->trust, buf_slice(&w->successions[i])) == 0)
			continue;
		findings_fail(&w->findings, CHECK_KEYS, &where,
			      "all keys.txt together have more than %u succession notes",
			      LIMIT_SUCCESSIONS);
		good = false;
	}
	return good;
}

/* --- the signature ------------------------------------------------------------------------- */

/* What the note's text says is this bundle. */
static const char *
check_text(struct bundle_work *w, struct slice text, const uint8_t digest[SHA256_BYTES])
{
	uint8_t said[SHA256_BYTES];
	struct slice server, id;
	struct lines l;

	lines_init(&l, text);
	lines_expect(&l, "stele bundle v1");
	server = lines_take(&l);
	id = lines_take(&l);
	w->signed_ns = lines_take_time_after(&l, "");
	lines_take_hash(&l, said);
	if (lines_err(&l) || l.rest.n)
		return "what is signed is no statement of a bundle";
	if (!slice_eq(server, w->trust.pinned.name))
		return "it is signed for another server than the trusted key's";
	if (!slice_eq_str(id, w->archive.export))
		return "it is the signature of another export";
	if (memcmp(said, digest, sizeof said) != 0)
		return "the bundle was changed after it was signed, no telling where: rely on no part of "
		       "it, and ask for the original";
	return NULL;
}

/* The one signature is not that of the key that was given. */
static void
fail_key(struct bundle_work *w, const struct note_signature *s, const struct place *where)
{
	const struct note_vkey *key = &w->trust.pinned;
	const uint8_t *is = s->key_id, *given = key->key_id;

	if (slice_eq(s->name, key->name) && memcmp(is, given, NOTE_KEY_ID_BYTES) == 0)
		findings_fail(
			&w->findings, CHECK_SIGNATURE, where,
			"it claims to be by the key given, %.*s+%02x%02x%02x%02x, and is not: "
			"what is signed was altered, or the signature was made up",
			TEXT(key->name), given[0], given[1], given[2], given[3]);
	else
		findings_fail(
			&w->findings, CHECK_SIGNATURE, where,
			"the bundle claims to be signed with the key %.*s+%02x%02x%02x%02x, "
			"and the key given is %.*s+%02x%02x%02x%02x: either it is not from that "
			"server, or the wrong key was given",
			TEXT(s->name), is[0], is[1], is[2], is[3], TEXT(key->name), given[0],
			given[1], given[2], given[3]);
}

static void
check_signed(struct bundle_work *w, struct sha256 *h, struct slice text, const uint8_t *digest,
	     const struct place *where)
{
	const struct note_vkey *key = &w->trust.pinned;
	char why[RECEIPT_WHY_BYTES];
	const char *wrong;
	struct note note;
	size_t by;

	if (note_parse(&note, text) != 0) {
		findings_fail(&w->findings, CHECK_SIGNATURE, where,
			      "it is no signed note, and unsigned is never valid");
		return;
	}
	if (identities_read(&w->ids, h, key, w->trust.successions, w->trust.n_successions, why,
			    sizeof why) != 0) {
		findings_fail(&w->findings, CHECK_SIGNATURE, where, "%s", why);
		return;
	}
	if (note.n_signatures != 1) {
		findings_fail(&w->findings, CHECK_SIGNATURE, where,
			      "it has %zu signatures, and has to have one", note.n_signatures);
		return;
	}
	if (identities_note(&w->ids, text, &note, &by) != 0) {
		fail_key(w, &note.signatures[0], where);
		return;
	}
	wrong = check_text(w, note.text, digest);
	if (wrong)
		findings_fail(&w->findings, CHECK_SIGNATURE, where, "%s", wrong);
}

void
bundle_check_signature(struct bundle_work *w, struct sha256 *h)
{
	struct archive *a = &w->archive;
	size_t file = a->part[PART_SIGNATURE], tags = a->part[PART_TAG_MANIFEST];
	char path[FINDING_PATH_BYTES];
	struct place where = bundle_place(w, file, path, 0, FINDING_NOWHERE);
	struct buf text, manifest;

	buf_init(&text);
	buf_init(&manifest);
	if (archive_load(a, file, SIGNATURE_MOST, CHECK_SIGNATURE, &text, &w->findings) == 0 &&
	    archive_load(a, tags, TAG_MANIFEST_MOST, CHECK_MANIFEST, &manifest, &w->findings) == 0)
		check_signed(w, h, buf_slice(&text), a->files[tags].digest, &where);
	buf_fini(&text);
	buf_fini(&manifest);
}

/* --- checkpoints --------------------------------------------------------------------------- */

/* Whom to believe of one log. */
static int
trust_of(struct bundle_work *w, const struct bundle_log *log, struct receipt_trust *trust)
{
	int err = 0;

	*trust = w->trust;
	for (size_t i = 0; !err && i < log->n_statements; i++)
		err = receipt_trust_statement(trust, buf_slice(&log->statements[i]));
	return err;
}

int
bundle_add_statement(struct bundle_log *log, struct slice text, uint64_t first_size)
{
	struct keystatement k;
	struct buf *more;
	struct note note;

	if (note_parse(&note, text) != 0 || keystatement_parse(&k, note.text) != 0 ||
	    !slice_eq(k.key.name, buf_slice(&log->origin)) || k.first_size != first_size)
		return STELE_ESYNTAX;
	more = realloc(log->statements, (log->n_statements + 1) * sizeof *more);
	if (!more)
		return STELE_ENOMEM;
	log->statements = more;
	buf_init(&more[log->n_statements]);
	buf_put_slice(&more[log->n_statements++], text);
	return more[log->n_statements - 1].err;
}

bool
bundle_key_holds(struct bundle_work *w, const struct bundle_log *log, struct sha256 *h,
		 char why[RECEIPT_WHY_BYTES])
{
	struct receipt_trust trust;
	struct receipt_verdict v;

	if (trust_of(w, log, &trust) != 0)
		snprintf(why, RECEIPT_WHY_BYTES, "the log has more than %u key statements",
			 LIMIT_STATEMENTS);
	else if (receipt_check_checkpoint(h, buf_slice(&log->checkpoint_text), &trust, &v) != 0)
		memcpy(why, v.why, RECEIPT_WHY_BYTES);
	else
		return true;
	return false;
}

/* A signature by one of the identities that does not hold. */
static bool
is_forged(const struct bundle_work *w, struct slice text, const struct note *note)
{
	struct note again;

	for (size_t i = 0; i < w->ids.n; i++) {
		const struct note_vkey *key = &w->ids.of[i].key;
		for (size_t k = 0; k < note->n_signatures; k++)
			if (slice_eq(note->signatures[k].name, key->name) &&
			    memcmp(note->signatures[k].key_id, key->key_id, NOTE_KEY_ID_BYTES) ==
				    0 &&
			    sign_verify_note(key, 1, text, &again, NULL) != 0)
				return true;
	}
	return false;
}

/* Each line is a note of its kind, and a statement is about this log. */
static void
check_notes(struct bundle_work *w, size_t i)
{
	const struct bundle_log *log = &w->logs[i];
	char path[FINDING_PATH_BYTES];
	struct place where =
		bundle_place(w, w->archive.logs[i].part[PART_KEYS], path, 0, FINDING_NOWHERE);
	struct keystatement k;
	struct note note;

	for (size_t n = 0; n < log->n_statements; n++) {
		struct slice text = buf_slice(&log->statements[n]);
		if (note_parse(&note, text) != 0 || keystatement_parse(&k, note.text) != 0)
			findings_fail(&w->findings, CHECK_KEYS, &where, "key statement %zu is none",
				      n + 1);
		else if (!slice_eq(k.key.name, buf_slice(&log->origin)))
			findings_fail(&w->findings, CHECK_KEYS, &where,
				      "key statement %zu is about %.*s, another log", n + 1,
				      TEXT(k.key.name));
		else if (is_forged(w, text, &note))
			findings_fail(&w->findings, CHECK_KEYS, &where,
				      "key statement %zu is altered: its signature does not fit",
				      n + 1);
	}
}

static void
check_successions(struct bundle_work *w)
{
	char path[FINDING_PATH_BYTES];
	struct place where =
		bundle_place(w, w->archive.logs[0].part[PART_KEYS], path, 0, FINDING_NOWHERE);

	for (size_t i = 0; i < w->n_successions; i++)
		if (!is_succession(buf_slice(&w->successions[i])))
			findings_fail(&w->findings, CHECK_KEYS, &where,
				      "what stands as a succession note is none");
}

/* What the auditor's policy asks of a checkpoint that is signed. */
static void
check_witnesses(struct bundle_work *w, struct bundle_log *log, struct receipt_verdict *v,
		const struct place *where)
{
	const struct tlogpolicy *policy = w->options->policy;

	if (!policy)
		return;
	if (receipt_check_witnesses(policy, buf_slice(&log->checkpoint_text), v) != 0)
		findings_fail(&w->findings, CHECK_KEYS, where, "%.500s", v->why);
	log->cosignatures = v->cosignatures;
}

static void
check_checkpoint(struct bundle_work *w, size_t i, struct sha256 *h)
{
	struct bundle_log *log = &w->logs[i];
	char path[FINDING_PATH_BYTES];
	struct place where =
		bundle_place(w, w->archive.logs[i].part[PART_CHECKPOINT], path, 0, FINDING_NOWHERE);
	struct receipt_verdict v;
	struct receipt_trust trust;

	if (trust_of(w, log, &trust) != 0) {
		findings_fail(&w->findings, CHECK_KEYS, &where,
			      "keys.txt and --keys bring more than %u key statements",
			      LIMIT_STATEMENTS);
		return;
	}
	if (receipt_check_checkpoint(h, buf_slice(&log->checkpoint_text), &trust, &v) != 0) {
		findings_fail(&w->findings, CHECK_KEYS, &where, "%.500s", v.why);
		return;
	}
	if (!slice_eq(v.checkpoint.origin, buf_slice(&log->origin)))
		findings_fail(&w->findings, CHECK_KEYS, &where,
			      "the checkpoint is of %.*s, and not of this log",
			      TEXT(v.checkpoint.origin));
	else if (v.checkpoint.size != w->doc.logs[i].size)
		findings_fail(&w->findings, CHECK_KEYS, &where,
			      "the checkpoint has %" PRIu64
			      " entries, and bundle.json says %" PRIu64,
			      v.checkpoint.size, w->doc.logs[i].size);
	check_witnesses(w, log, &v, &where);
	log->key_from = v.by_statement ? v.first_size : 0;
	log->key_until_ns = v.until_ns;
	log->size = v.checkpoint.size;
	memcpy(log->root, v.checkpoint.root, sizeof log->root);
}

/* An older checkpoint that the auditor kept: it must hold as the bundle's does. */
static void
check_since(struct bundle_work *w, const struct bundle_since *since, struct sha256 *h)
{
	struct place where = {SIZE_MAX, since->path, 0, FINDING_NOWHERE};
	struct bundle_log *log = NULL;
	struct receipt_trust trust;
	struct receipt_verdict v;
	struct older *more;
	struct checkpoint c;
	size_t n;
	struct note note;

	if (note_parse(&note, since->note) != 0 || checkpoint_parse(&c, note.text) != 0) {
		findings_fail(&w->findings, CHECK_CONSISTENCY, &where,
			      "the older checkpoint is no signed checkpoint");
		return;
	}
	for (size_t i = 0; i < w->archive.n_logs; i++)
		if (slice_eq(c.origin, buf_slice(&w->logs[i].origin)))
			log = &w->logs[i];
	if (!log) {
		findings_fail(&w->findings, CHECK_CONSISTENCY, &where,
			      "the older checkpoint is of %.*s, which is not in this bundle",
			      TEXT(c.origin));
		return;
	}
	if (trust_of(w, log, &trust) != 0 ||
	    receipt_check_checkpoint(h, since->note, &trust, &v) != 0) {
		findings_fail(&w->findings, CHECK_CONSISTENCY, &where,
			      "the older checkpoint: %.500s", v.why);
		return;
	}
	more = realloc(log->olders, (log->n_olders + 1) * sizeof *more);
	if (!more) {
		findings_stop(&w->findings, STELE_ENOMEM, "there is not enough memory");
		return;
	}
	log->olders = more;
	for (n = log->n_olders++; n && more[n - 1].size > c.size; n--)
		more[n] = more[n - 1];
	more[n] = (struct older){.path = since->path, .size = c.size};
	memcpy(more[n].root, c.root, sizeof c.root);
}

void
bundle_check_keys(struct bundle_work *w, struct sha256 *h)
{
	char path[FINDING_PATH_BYTES];
	struct place where =
		bundle_place(w, w->archive.part[PART_BUNDLE], path, 0, FINDING_NOWHERE);

	if (!slice_eq(w->doc.server, w->trust.pinned.name))
		findings_fail(&w->findings, CHECK_KEYS, &where,
			      "the bundle is of the server %.*s, and the trusted key of %.*s",
			      TEXT(w->doc.server), TEXT(w->trust.pinned.name));
	check_successions(w);
	for (size_t i = 0; i < w->archive.n_logs; i++) {
		check_notes(w, i);
		check_checkpoint(w, i, h);
	}
	if (findings_failed(&w->findings, CHECK_KEYS))
		return;
	for (size_t i = 0; i < w->options->n_since; i++)
		check_since(w, &w->options->since[i], h);
}
