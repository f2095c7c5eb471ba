/*
 * What authorities say of the time (docs/formats.md section 10, check 13): of each checkpoint the
 * note, its timestamps, then the file of how the logs hang on it: receipts first, whose heads are
 * kept, then a line for each log.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "crypto/tsp.h"
#include "proto/base64.h"
#include "proto/err.h"
#include "verify/bundlework.h"
#include "verify/receipt_json.h"
#include "verify/recordline.h"

/* A record of type heads. */
struct heads {
	uint64_t index;
	json_t *doc;
	bool named;
};

struct stamping {
	struct bundle_work *w;
	struct sha256 *h;
	size_t i; /* number of the checkpoint */
	struct bundle_timestamped *t;
	struct heads *heads;
	size_t n_heads, cap_heads;
	bool any_receipt, any_head;
	uint64_t before; /* index of the receipt before */
	size_t log;      /* the next whose line comes */
	/* where it is now */
	size_t file;
	uint64_t line;
	char path[FINDING_PATH_BYTES];
};

static void
refuse(struct stamping *s, const char *why)
{
	struct place where = bundle_place(s->w, s->file, s->path, s->line, FINDING_NOWHERE);

	findings_fail(&s->w->findings, CHECK_TIMESTAMPS, &where, "%s", why);
}

static void
stop(struct stamping *s)
{
	findings_stop(&s->w->findings, STELE_ENOMEM, "there is not enough memory");
}

/* --- the checkpoint and its timestamps ------------------------------------------------------- */

static bool
read_note(struct stamping *s)
{
	struct archive *a = &s->w->archive;
	struct slice server = s->w->trust.pinned.name;
	struct checkpoint c;
	struct note note;

	s->file = a->timestamped[s->i].first;
	s->line = 0;
	if (archive_load(a, s->file, LIMIT_NOTE_BYTES, CHECK_TIMESTAMPS, &s->t->note,
			 &s->w->findings))
		return false;
	if (note_parse(&note, buf_slice(&s->t->note)) || checkpoint_parse(&c, note.text) ||
	    c.size != a->files[s->file].index || c.origin.n != server.n + 8 ||
	    memcmp(c.origin.p, server.p, server.n) != 0 ||
	    memcmp(c.origin.p + server.n, "/_system", 8) != 0) {
		refuse(s, "it is no checkpoint of the server's _system, of the size in its name");
		return false;
	}
	s->t->size = c.size;
	memcpy(s->t->root, c.root, sizeof c.root);
	return true;
}

static void
check_token(struct stamping *s, size_t file, const uint8_t imprint[SHA256_BYTES])
{
	char why[TSP_WHY_BYTES] = "";
	struct tsp_token token;
	struct buf der;
	int err;

	s->file = file;
	buf_init(&der);
	if (archive_load(&s->w->archive, file, LIMIT_TIMESTAMP_BYTES, CHECK_TIMESTAMPS, &der,
			 &s->w->findings) == 0) {
		err = tsp_check(&token, buf_slice(&der), imprint, NULL, s->w->options->tsa_roots,
				why);
		if (err == STELE_EVERIFY)
			refuse(s, why);
		else if (err)
			stop(s);
		else if (!s->t->first.name[0] || token.time_ns < s->t->first.time_ns)
			s->t->first = token;
	}
	buf_fini(&der);
}

static void
check_tokens(struct stamping *s)
{
	const struct archive_timestamped *t = &s->w->archive.timestamped[s->i];
	uint8_t imprint[SHA256_BYTES];

	sha256_hash(s->h, imprint, buf_slice(&s->t->note));
	for (size_t k = 0; k < t->n_timestamps; k++)
		check_token(s, t->first + 2 + k, imprint);
}

/* --- receipts -------------------------------------------------------------------------------- */

static struct slice
text_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

/* Whether the file is that token. */
static bool
is_token(struct stamping *s, size_t file, struct slice base64)
{
	struct buf der, text;
	bool same;

	buf_init(&der);
	buf_init(&text);
	same = archive_load(&s->w->archive, file, LIMIT_TIMESTAMP_BYTES, CHECK_TIMESTAMPS, &der,
			    &s->w->findings) == 0;
	if (same)
		buf_put_base64(&text, der.p, der.n);
	same = same && !text.err && slice_eq(buf_slice(&text), base64);
	buf_fini(&text);
	buf_fini(&der);
	return same;
}

/* A record that an earlier timestamp of this bundle became: this one covers it. */
static const char *
check_renewed(struct stamping *s, const json_t *act)
{
	const struct archive *a = &s->w->archive;

	for (size_t i = 0; i < s->i; i++) {
		if (!slice_eq(text_of(act, "checkpoint"), buf_slice(&s->w->timestamped[i].note)))
			continue;
		for (size_t k = 0; k < a->timestamped[i].n_timestamps; k++)
			if (is_token(s, a->timestamped[i].first + 2 + k, text_of(act, "token")))
				return NULL;
	}
	return "it is of no earlier timestamp of this bundle";
}

static const char *
keep_heads(struct stamping *s, uint64_t index, json_t *act)
{
	if (s->n_heads == s->cap_heads) {
		size_t cap = s->cap_heads ? 2 * s->cap_heads : 16;
		struct heads *p = realloc(s->heads, cap * sizeof *p);

		if (!p) {
			stop(s);
			return NULL;
		}
		s->heads = p;
		s->cap_heads = cap;
	}
	s->heads[s->n_heads++] = (struct heads){index, json_incref(act), false};
	return NULL;
}

static const char *
check_record(struct stamping *s, const struct receipt_json *d, const struct receipt_verdict *v)
{
	const struct slice text = d->receipt.payload;
	json_t *act;
	const char *wrong;

	if (!slice_eq(d->receipt.proof.checkpoint, buf_slice(&s->t->note)))
		return "it leads to another checkpoint than the one that was timestamped";
	if (s->any_receipt && v->entry.index <= s->before)
		return "records are not in ascending order";
	s->any_receipt = true;
	s->before = v->entry.index;
	act = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
			 NULL);
	if (slice_eq_str(text_of(act, "type"), "heads"))
		wrong = keep_heads(s, v->entry.index, act);
	else if (slice_eq_str(text_of(act, "type"), "timestamp"))
		wrong = check_renewed(s, act);
	else
		wrong = "it is neither of heads nor of a timestamp";
	json_decref(act);
	return wrong;
}

static void
check_receipt(struct stamping *s, struct slice line)
{
	struct receipt_verdict v;
	struct receipt_json d;
	const char *wrong;
	struct buf why;

	buf_init(&why);
	if (bundle_read_receipt(s->w, s->h, line, &d, &v, &why) != 0)
		wrong = (const char *)why.p;
	else
		wrong = check_record(s, &d, &v);
	if (wrong)
		refuse(s, wrong);
	receipt_json_fini(&d);
	buf_fini(&why);
}

/* --- logs ------------------------------------------------------------------------------------ */

/* The root of the log's head of that size in that record. False: it has none. */
static bool
find_head(struct stamping *s, const struct head_line *l, const char *log, uint8_t root[32])
{
	const json_t *v;
	size_t k;

	for (size_t i = 0; i < s->n_heads; i++) {
		if (s->heads[i].index != l->record)
			continue;
		s->heads[i].named = true;
		json_array_foreach(json_object_get(s->heads[i].doc, "heads"), k, v)
		{
			const json_t *size = json_object_get(v, "size");

			if (slice_eq_str(text_of(v, "log"), log) && json_is_integer(size) &&
			    json_integer_value(size) == (json_int_t)l->size)
				return base64_decode_exact(root, 32, text_of(v, "root")) == 0;
		}
	}
	return false;
}

/* Whether the smaller one of the head and the bundle's checkpoint grew into the other. */
static bool
is_one_history(struct stamping *s, const struct head_line *l, const uint8_t root[32],
	       const struct bundle_log *log)
{
	bool up = l->size <= log->size;
	uint64_t from = up ? l->size : log->size, to = up ? log->size : l->size;

	return from != 0 && merkle_verify_consistency(s->h, from, up ? root : log->root, to,
						      up ? log->root : root,
						      (const uint8_t(*)[32])l->proof, l->n) == 0;
}

static const char *
check_log(struct stamping *s, const struct head_line *l)
{
	const struct archive_log *files;
	struct bundle_log *log;
	uint8_t root[32];
	bool system;

	if (s->log == s->w->archive.n_logs)
		return "it has more lines than the bundle has logs";
	files = &s->w->archive.logs[s->log];
	log = &s->w->logs[s->log++];
	if (!slice_eq_str(l->log, files->name))
		return "it is not of the log that comes next";
	if (!l->covered)
		return NULL;
	system = strcmp(files->name, "_system") == 0;
	if (system == l->has_record)
		return system ? "the head of _system is the checkpoint itself"
			      : "it does not say which record has the head";
	if (system)
		memcpy(root, s->t->root, sizeof root);
	if (system ? l->size != s->t->size : !find_head(s, l, files->name, root))
		return "no record here has that head of the log";
	if (!is_one_history(s, l, root, log))
		return "the head that was timestamped and the log's checkpoint are not of one "
		       "history";
	log->covered[s->i] = l->size;
	s->any_head = true;
	return NULL;
}

static void
check_head_line(struct stamping *s, struct slice line)
{
	struct head_line l;
	const char *wrong = NULL;
	int err;

	buf_init(&l.room);
	err = head_line_read(&l, line, &wrong);
	if (err == STELE_ENOMEM)
		stop(s);
	else if (err == 0)
		wrong = check_log(s, &l);
	if (wrong)
		refuse(s, wrong);
	buf_fini(&l.room);
}

/* --- all of it ------------------------------------------------------------------------------- */

/* A receipt has an entry, and comes first. */
static bool
is_receipt(const struct stamping *s, struct slice line)
{
	return s->log == 0 && memmem(line.p, line.n, "\"entry\":", 8) != NULL;
}

static void
check_end(struct stamping *s)
{
	for (size_t i = 0; i < s->n_heads; i++)
		if (!s->heads[i].named)
			refuse(s, "a record has heads that no line names");
	if (s->log < s->w->archive.n_logs)
		refuse(s, "it does not have a line for each log");
	else if (!s->any_head)
		refuse(s, "it covers nothing of the bundle");
}

static void
check_heads(struct stamping *s)
{
	struct archive *a = &s->w->archive;
	struct findings *f = &s->w->findings;
	struct stream *in;
	struct slice line;
	int got = 0;

	s->file = a->timestamped[s->i].first + 1;
	in = archive_stream(a, s->file, false, f);
	while (in && !findings_failed(f, CHECK_TIMESTAMPS) && (got = stream_line(in, &line)) > 0) {
		s->line = stream_line_number(in);
		if (is_receipt(s, line))
			check_receipt(s, line);
		else
			check_head_line(s, line);
	}
	if (in && (got == STELE_ESYNTAX || got == STELE_ELIMIT)) {
		refuse(s, stream_why(in));
	} else if (in && !findings_failed(f, CHECK_TIMESTAMPS)) {
		s->line = 0;
		check_end(s);
	}
	if (in)
		archive_done(a, s->file, in, f);
}

static void
check_one(struct bundle_work *w, struct sha256 *h, size_t i)
{
	struct stamping s = {.w = w, .h = h, .i = i, .t = &w->timestamped[i]};

	if (read_note(&s)) {
		check_tokens(&s);
		check_heads(&s);
	}
	for (size_t k = 0; k < s.n_heads; k++)
		json_decref(s.heads[k].doc);
	free(s.heads);
}

void
bundle_check_timestamps(struct bundle_work *w, struct sha256 *h)
{
	struct place nowhere = {0, "", 0, FINDING_NOWHERE};

	if (w->options->tsa_roots && w->archive.n_timestamped == 0)
		findings_fail(&w->findings, CHECK_TIMESTAMPS, &nowhere,
			      "it has no timestamps, and roots of authorities were given "
			      "(--tsa-ca)");
	for (size_t i = 0;
	     i < w->archive.n_timestamped && !findings_failed(&w->findings, CHECK_TIMESTAMPS); i++)
		check_one(w, h, i);
}

size_t
bundle_best_timestamped(const struct bundle_work *w, uint64_t *uncovered)
{
	size_t best = 0;

	for (size_t i = 0; i < w->archive.n_timestamped; i++) {
		const struct tsp_token *a = &w->timestamped[i].first,
				       *b = &w->timestamped[best].first;
		uint64_t n = 0;

		for (size_t k = 0; k < w->archive.n_logs; k++)
			n += w->logs[k].uncovered[i];
		if (i == 0 || n < *uncovered || (n == *uncovered && a->time_ns < b->time_ns)) {
			best = i;
			*uncovered = n;
		}
	}
	return best;
}
