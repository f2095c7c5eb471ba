/* The statement: one fact a line, and one spelling of all. */
#include "proto/certificate.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/entry.h"
#include "proto/err.h"
#include "proto/note.h"
#include "proto/timestamp.h"

#define HEAD "stele search evidence v"

/* --- writing ----------------------------------------------------------------------------- */

static bool
log_valid(const struct certificate_log *l)
{
	return entry_origin_valid(l->origin) && l->size && l->size <= LIMIT_TREE_SIZE &&
	       l->scanned <= l->size && l->unreadable <= l->size && l->matched <= l->scanned &&
	       l->unparsed <= l->scanned && l->purged <= l->scanned && l->restricted <= l->scanned;
}

/* Whether a stands before b, byte by byte. */
static bool
before(struct slice a, struct slice b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order ? order < 0 : a.n < b.n;
}

static bool
valid(const struct certificate *c)
{
	if (!note_name_valid(c->issuer) || c->issuer.n > LIMIT_ORIGIN_BYTES || c->time_ns < 0 ||
	    c->time_ns > TIMESTAMP_MAX_NS || c->filter.n > LIMIT_FILTER_BYTES ||
	    memchr(c->filter.p ? c->filter.p : (const uint8_t *)"", '\n', c->filter.n) ||
	    c->n_logs == 0 || c->n_logs > LIMIT_CERTIFICATE_LOGS ||
	    c->evidence_bytes > LIMIT_CERTIFICATE_BYTES)
		return false;
	for (size_t i = 0; i < c->n_logs; i++)
		if (!log_valid(&c->logs[i]) ||
		    (i && !before(c->logs[i - 1].origin, c->logs[i].origin)))
			return false;
	return true;
}

static void
put_log(struct buf *out, const struct certificate_log *l)
{
	buf_put_str(out, "log ");
	buf_put_slice(out, l->origin);
	buf_put_u8(out, '\n');
	lines_put_integer(out, "size ", l->size);
	lines_put_hash(out, "root ", l->root);
	lines_put_integer(out, "scanned ", l->scanned);
	lines_put_integer(out, "matched ", l->matched);
	lines_put_integer(out, "unparsed ", l->unparsed);
	lines_put_integer(out, "purged ", l->purged);
	lines_put_integer(out, "restricted ", l->restricted);
	lines_put_integer(out, "unreadable ", l->unreadable);
	lines_put_hash(out, "matches ", l->matches);
}

int
certificate_put(struct buf *out, const struct certificate *c)
{
	char time[TIMESTAMP_BYTES];

	if (!valid(c))
		return STELE_EINVAL;
	timestamp_format(time, c->time_ns);
	buf_put_str(out, "stele search v1\n");
	buf_put_slice(out, c->issuer);
	buf_printf(out, "\ntime %.*s\nfilter ", TIMESTAMP_BYTES, time);
	buf_put_slice(out, c->filter);
	lines_put_hash(out, "\nmapping ", c->mapping);
	for (size_t i = 0; i < c->n_logs; i++)
		put_log(out, &c->logs[i]);
	lines_put_integer(out, "evidence_bytes ", c->evidence_bytes);
	lines_put_hash(out, "evidence ", c->evidence);
	return out->err;
}

/* --- reading ------------------------------------------------------------------------------- */

static bool
next_is(const struct lines *l, const char *words)
{
	size_t n = strlen(words);

	return lines_err(l) == 0 && l->rest.n >= n && memcmp(l->rest.p, words, n) == 0;
}

static void
take_log(struct lines *l, struct certificate_log *log)
{
	log->origin = lines_take_after(l, "log ");
	log->size = lines_take_integer_after(l, "size ");
	lines_take_hash_after(l, "root ", log->root);
	log->scanned = lines_take_integer_after(l, "scanned ");
	log->matched = lines_take_integer_after(l, "matched ");
	log->unparsed = lines_take_integer_after(l, "unparsed ");
	log->purged = lines_take_integer_after(l, "purged ");
	log->restricted = lines_take_integer_after(l, "restricted ");
	log->unreadable = lines_take_integer_after(l, "unreadable ");
	lines_take_hash_after(l, "matches ", log->matches);
}

static void
take_statement(struct lines *l, struct certificate *c)
{
	c->issuer = lines_take(l);
	c->time_ns = lines_take_time_after(l, "time ");
	c->filter = lines_take_after(l, "filter ");
	lines_take_hash_after(l, "mapping ", c->mapping);
	while (next_is(l, "log ")) {
		if (c->n_logs == LIMIT_CERTIFICATE_LOGS)
			lines_fail(l);
		else
			take_log(l, &c->logs[c->n_logs++]);
	}
	c->evidence_bytes = lines_take_integer_after(l, "evidence_bytes ");
	lines_take_hash_after(l, "evidence ", c->evidence);
}

int
certificate_parse(struct certificate *c, struct slice text)
{
	struct slice version;
	struct buf again;
	struct lines l;
	int err;

	memset(c, 0, sizeof *c);
	lines_init(&l, text);
	version = lines_take_after(&l, "stele search v");
	if (!lines_err(&l) && !slice_eq_str(version, "1"))
		return STELE_EVERSION;
	take_statement(&l, c);
	if (lines_end(&l) != 0)
		return STELE_ESYNTAX;
	/* One place that knows what is in range: what writes it. */
	buf_init(&again);
	err = certificate_put(&again, c);
	if (err == 0 && !slice_eq(buf_slice(&again), text))
		err = STELE_ESYNTAX;
	buf_fini(&again);
	return err == STELE_EINVAL ? STELE_ESYNTAX : err;
}

/* --- the file -------------------------------------------------------------------------------- */

bool
certificate_is(struct slice file)
{
	size_t n = sizeof HEAD - 1;

	return file.n >= n && memcmp(file.p, HEAD, n) == 0;
}

int
certificate_split(struct slice file, struct slice *evidence, struct slice *note)
{
	const uint8_t *blank;

	if (file.n > LIMIT_CERTIFICATE_BYTES + LIMIT_NOTE_BYTES)
		return STELE_ELIMIT;
	blank = file.n ? memmem(file.p, file.n, "\n\n", 2) : NULL;
	if (!blank)
		return STELE_ESYNTAX;
	*evidence = slice_of(file.p, (size_t)(blank + 1 - file.p));
	*note = slice_of(blank + 2, file.n - evidence->n - 1);
	return 0;
}
