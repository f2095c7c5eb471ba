/* The statement and its signature, then log by log. */
#include "storage/certcheck.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/identities.h"
#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "proto/err.h"
#include "proto/keystatement.h"
#include "proto/timestamp.h"
#include "storage/certlog.h"

#define TEXT(s) (int)(s).n, (const char *)(s).p

struct checking {
	const struct certcheck_sink *sink;
	struct receipt_trust trust; /* with the succession notes that came along */
	struct sha256 *h, *matches;
	struct slice file, evidence, note;
	struct certificate said;
	struct filter filter;
	struct arena arena;  /* of the whole certificate */
	struct arena detail; /* of one log, or part of it */
	struct certificate_reader reader;
	bool complete;
};

static void __attribute__((format(printf, 4, 5)))
say(struct checking *k, const char *check, enum certcheck_result result, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	k->sink->say(k->sink->ctx, check, result,
		     slice_of(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1));
}

#define INVALID(k, check, ...) (say(k, check, CERTCHECK_INVALID, __VA_ARGS__), STELE_EVERIFY)

/* --- the statement ----------------------------------------------------------------------- */

/* One spelling: what is asked shows, whatever else it might hide behind. */
static int
check_filter(struct checking *k)
{
	struct text_error e;
	struct buf text;
	int err = filter_parse(&k->filter, &k->arena, k->said.filter, &e);

	if (err == STELE_ENOMEM)
		return err;
	if (err != 0)
		return INVALID(k, "filter", "it states a filter that is none");
	buf_init(&text);
	filter_print(&text, &k->filter);
	err = text.err;
	if (err == 0 && !slice_eq(buf_slice(&text), k->said.filter))
		err = INVALID(k, "filter", "it states a filter that is not in canonical text");
	buf_fini(&text);
	return err;
}

static int
read_statement(struct checking *k)
{
	struct note note;
	uint8_t hash[32];
	int err;

	if (certificate_split(k->file, &k->evidence, &k->note) != 0 ||
	    note_parse(&note, k->note) != 0 || note.n_signatures != 1)
		return INVALID(k, "certificate",
			       "it is no evidence with one signed statement behind it: it was cut "
			       "or altered");
	err = certificate_parse(&k->said, note.text);
	if (err == STELE_EVERSION)
		return INVALID(k, "certificate", "it is of another version: use a newer stele");
	if (err != 0)
		return err == STELE_ENOMEM ? err
					   : INVALID(k, "certificate",
						     "what is signed does not state a search");
	sha256_hash(k->h, hash, k->evidence);
	if (k->said.evidence_bytes != k->evidence.n || memcmp(hash, k->said.evidence, 32) != 0)
		return INVALID(
			k, "evidence",
			"it is not the one that was signed for: something of it was altered");
	return check_filter(k);
}

/* Succession notes that came along. */
static int
read_identities(struct checking *k, bool successions)
{
	const struct slice *notes;
	size_t n;
	int err = certificate_read(&k->reader, k->evidence, &k->arena, &notes, &n);

	for (size_t i = 0; err == 0 && successions && i < n; i++)
		err = receipt_trust_succession(&k->trust, notes[i]);
	if (err == 0 || err == STELE_ENOMEM)
		return err;
	return INVALID(k, "evidence", "it cannot be read: %s", stele_strerror(err));
}

/* One log's own key signs for it, the server's identity for several. */
static int
check_issuer(struct checking *k, const struct receipt_verdict *v)
{
	struct identities ids;
	struct note note;
	char why[RECEIPT_WHY_BYTES], time[TIMESTAMP_BYTES];
	size_t by;
	bool holds;

	if (k->said.n_logs == 1)
		holds = slice_eq(k->said.issuer, v->key.name) &&
			sign_verify_note(&v->key, 1, k->note, &note, NULL) == 0;
	else
		holds = slice_eq(k->said.issuer, k->trust.pinned.name) &&
			identities_read(&ids, k->h, &k->trust.pinned, k->trust.successions,
					k->trust.n_successions, why, sizeof why) == 0 &&
			identities_note(&ids, k->note, &note, &by) == 0;
	if (!holds)
		return INVALID(k, "signature",
			       "it is not signed by %.*s, or it was altered after that",
			       TEXT(k->said.issuer));
	timestamp_format(time, k->said.time_ns);
	say(k, "signature", CERTCHECK_OK,
	    "%.*s states at %.*s what its search found, and signed it", TEXT(k->said.issuer),
	    TIMESTAMP_BYTES, time);
	k->sink->say(k->sink->ctx, "filter", CERTCHECK_OK,
		     k->said.filter.n ? k->said.filter : slice_str("every record"));
	return 0;
}

/* --- one log ------------------------------------------------------------------------------- */

/* All keys of the log that the trusted one names, or that one itself. */
static int
list_keys(struct checking *k, const struct receipt_trust *trust, const struct receipt_verdict *v,
	  struct certlog_key *keys, size_t *n)
{
	struct identities ids;
	char why[RECEIPT_WHY_BYTES];
	struct keystatement s;
	size_t by;
	int err;

	*n = 0;
	if (!v->by_statement) {
		keys[(*n)++] = (struct certlog_key){v->key, 0, 0};
		return 0;
	}
	err = identities_read(&ids, k->h, &trust->pinned, trust->successions, trust->n_successions,
			      why, sizeof why);
	for (size_t i = 0; err == 0 && i < trust->n_statements; i++)
		if (identities_statement(k->h, &ids, trust->statements[i], &s, &by) == 0 &&
		    slice_eq(s.key.name, v->checkpoint.origin))
			keys[(*n)++] = (struct certlog_key){s.key, s.epoch, s.first_size};
	return err;
}

/* The checkpoint, and that the tree which was searched is its beginning. */
static int
check_tree(struct checking *k, const struct certificate_source *source,
	   const struct certificate_log *log, const struct receipt_trust *trust,
	   struct receipt_verdict *v)
{
	if (receipt_check_checkpoint(k->h, source->checkpoint, trust, v) != 0)
		return INVALID(k, "checkpoint", "%.*s: %s", TEXT(log->origin), v->why);
	if (!slice_eq(v->checkpoint.origin, log->origin))
		return INVALID(k, "checkpoint", "%.*s: the checkpoint is of %.*s, another log",
			       TEXT(log->origin), TEXT(v->checkpoint.origin));
	if (merkle_verify_consistency(k->h, log->size, log->root, v->checkpoint.size,
				      v->checkpoint.root, source->grown.hash, source->grown.n) != 0)
		return INVALID(k, "checkpoint",
			       "%.*s: the tree that was searched is no beginning of the signed one",
			       TEXT(log->origin));
	return 0;
}

static void
say_log(struct checking *k, const struct certlog *l)
{
	const struct certificate_log *c = l->log;

	say(k, "checkpoint", CERTCHECK_OK,
	    "%.*s: its first %" PRIu64 " entries were searched, of a signed tree of %" PRIu64,
	    TEXT(c->origin), c->size, l->tree.size);
	if (l->segments)
		say(k, "index", CERTCHECK_OK,
		    "%.*s: %" PRIu64 " signed segments have %" PRIu64 " entries; %" PRIu64
		    " pages of their indexes show that at most %" PRIu64
		    " may match, of which nothing is known of %" PRIu64,
		    TEXT(c->origin), l->segments, l->shown, l->pages, l->may, l->unsure);
	say(k, "matches", CERTCHECK_OK,
	    "%.*s: %" PRIu64 " of %" PRIu64
	    " records match, and no index rules one of them out; %" PRIu64
	    " cannot be judged, %" PRIu64 " are purged, %" PRIu64 " wait for their erasure",
	    TEXT(c->origin), c->matched, c->scanned, c->unparsed, c->purged, c->restricted);
	if (l->looked)
		say(k, "scanned", CERTCHECK_OPEN,
		    "%.*s: %" PRIu64
		    " entries were looked through one by one: that no other of them matches is "
		    "the server's word",
		    TEXT(c->origin), l->looked);
	if (c->unreadable)
		say(k, "complete", CERTCHECK_OPEN,
		    "%.*s: NOT complete: %" PRIu64 " records could not be read", TEXT(c->origin),
		    c->unreadable);
}

static int
check_parts(struct checking *k, struct certlog *l)
{
	struct certificate_part part;
	struct arena parts;
	int err;

	arena_init(&parts);
	k->reader.arena = &parts;
	do {
		arena_reset(&parts);
		err = certificate_next_part(&k->reader, &part);
		if (err == STELE_ESYNTAX || err == STELE_ELIMIT)
			snprintf(l->why, sizeof l->why, "the evidence cannot be read");
		else if (err == 0)
			err = certlog_part(l, &part);
	} while (err == 0);
	arena_fini(&parts);
	if (err == 1)
		err = certlog_end(l);
	if (err == STELE_EVERIFY || err == STELE_ESYNTAX || err == STELE_ELIMIT)
		return INVALID(k, "index", "%.*s: %s", TEXT(l->log->origin), l->why);
	return err;
}

static int
check_log(struct checking *k, size_t i)
{
	struct certlog l = {.h = k->h,
			    .matches = k->matches,
			    .said = &k->said,
			    .log = &k->said.logs[i],
			    .filter = &k->filter,
			    .sink = k->sink};
	struct certlog_key keys[LIMIT_STATEMENTS];
	struct receipt_trust trust = k->trust;
	struct certificate_source source;
	struct receipt_verdict v;
	int err;

	k->reader.arena = &k->detail;
	err = certificate_next_source(&k->reader, &source);
	if (err == STELE_ENOMEM)
		return err;
	if (err != 0 || !slice_eq(source.origin, l.log->origin))
		return INVALID(k, "evidence", "there is none for %.*s", TEXT(l.log->origin));
	for (size_t n = 0; n < source.n_keys; n++)
		if (receipt_trust_statement(&trust, source.keys[n]) != 0)
			return INVALID(k, "checkpoint", "%.*s: there are too many key statements",
				       TEXT(l.log->origin));
	err = check_tree(k, &source, l.log, &trust, &v);
	if (err == 0 && i == 0)
		err = check_issuer(k, &v);
	if (err == 0)
		err = list_keys(k, &trust, &v, keys, &l.n_keys);
	if (err != 0)
		return err;
	l.keys = keys;
	l.tree = v.checkpoint;
	sha256_begin(k->matches);
	err = check_parts(k, &l);
	if (err != 0)
		return err;
	say_log(k, &l);
	k->complete = k->complete && l.log->unreadable == 0;
	return 0;
}

static int
check_logs(struct checking *k)
{
	struct certificate_source more;
	int err = 0;

	for (size_t i = 0; err == 0 && i < k->said.n_logs; i++) {
		err = check_log(k, i);
		arena_reset(&k->detail);
	}
	if (err == 0 && certificate_next_source(&k->reader, &more) != 1)
		return INVALID(k, "evidence", "there is more of it than the statement is about");
	return err;
}

/* --------------------------------------------------------------------------------------------- */

int
certcheck(struct slice file, const struct receipt_trust *trust, bool successions,
	  const struct certcheck_sink *sink, bool *complete)
{
	struct checking *k = calloc(1, sizeof *k);
	int err = k ? 0 : STELE_ENOMEM;

	if (err != 0)
		return err;
	k->sink = sink;
	k->trust = *trust;
	k->file = file;
	k->complete = true;
	k->h = sha256_new();
	k->matches = sha256_new();
	arena_init(&k->arena);
	arena_init(&k->detail);
	err = k->h && k->matches ? read_statement(k) : STELE_ENOMEM;
	if (err == 0)
		err = read_identities(k, successions);
	if (err == 0)
		err = check_logs(k);
	if (err == 0)
		*complete = k->complete;
	arena_fini(&k->detail);
	arena_fini(&k->arena);
	sha256_free(k->h);
	sha256_free(k->matches);
	free(k);
	return err;
}
