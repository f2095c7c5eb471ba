/* Searched first; then a log's checkpoint is taken, and its parts are shown up to the pinned size.
 */
#include "server/query_certify.h"

#include <string.h>

#include "crypto/identity.h"
#include "crypto/sha256.h"
#include "crypto/sign.h"
#include "proto/dec.h"
#include "proto/err.h"
#include "server/certify_log.h"
#include "server/mapping.h"
#include "server/query.h"
#include "server/query_cursor.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"

static int
refuse(struct query_certify *c, const char *why)
{
	c->refused = why;
	return STELE_EINVAL;
}

/* --- begin --------------------------------------------------------------------------------- */

/* All is looked at from the beginning, forward, whatever the rows' order is. */
static void
rewind_sources(struct query *q)
{
	q->backward = q->count = false;
	q->totals = (struct query_totals){0};
	for (size_t i = 0; i < q->n; i++) {
		struct query_source *s = &q->sources[i];

		s->next = s->behind = 0;
		s->at_hit = s->n_hits = 0;
		s->frontier_ns = log_created_ns(s->log);
	}
}

static int
begin_statement(struct query_certify *c)
{
	struct query *q = c->q;
	const struct store *st = q->server->store;
	const struct mapping *m = q->n ? q->sources[0].mapping : NULL;
	struct text_error e;

	if (q->n == 0)
		return refuse(c, "There is no log to search.");
	if (q->n > LIMIT_CERTIFICATE_LOGS)
		return refuse(c,
			      "A certificate is about 64 logs at most: name fewer, or a narrower "
			      "pattern.");
	for (size_t i = 0; i < q->n; i++)
		if (q->sources[i].size == 0)
			return refuse(c,
				      "as_of is at least 1: of an empty tree nothing is signed.");
	for (size_t i = 1; i < q->n; i++)
		if (memcmp(q->sources[i].mapping->digest, m->digest, MAPPING_DIGEST_BYTES) != 0)
			return refuse(c, "A certificate is of one mapping, and other schemas are "
					 "chosen for some of these logs: ask for those apart.");
	c->said.issuer =
		slice_str(q->n == 1 ? log_origin(q->sources[0].log) : store_server_name(st));
	c->said.filter = q->text;
	memcpy(c->said.mapping, m->digest, MAPPING_DIGEST_BYTES);
	c->said.n_logs = q->n;
	return filter_parse(&c->filter, q->memory, q->text, &e);
}

int
query_certify_begin(struct query_certify *c, struct query *q)
{
	bool rows_first = q->cursor.n > 0;
	int err;

	memset(c, 0, sizeof *c);
	c->q = q;
	c->evidence_at = SIZE_MAX;
	arena_init(&c->arena);
	c->h = sha256_new();
	err = c->h ? query_begin(q) : STELE_ENOMEM;
	if (err == 0)
		err = begin_statement(c);
	if (err != 0)
		return err;
	if (!rows_first)
		query_cursor_put(q, &c->cursor);
	rewind_sources(q);
	sha256_begin(c->h);
	certificate_put_begin(&c->evidence);
	certify_put_identities(c);
	return c->evidence.err ? c->evidence.err : c->cursor.err;
}

void
query_certify_fini(struct query_certify *c)
{
	head_unref(c->head);
	logkeys_unref(c->keys);
	arena_fini(&c->arena);
	buf_fini(&c->cursor);
	buf_fini(&c->evidence);
	buf_fini(&c->matched);
	sha256_free(c->h);
}

/* --- searching ----------------------------------------------------------------------------- */

/* One more match: its range goes on, or another one begins. */
static int
add_match(struct query_certify *c, uint64_t index)
{
	size_t n = c->matched.n / sizeof(struct certificate_range);
	struct certificate_range *list = (struct certificate_range *)(void *)c->matched.p;
	struct certificate_range range = {index, index};
	char line[DEC_MAX_BYTES + 1];
	size_t digits = dec_format(line, index);

	line[digits] = '\n';
	sha256_update(c->h, slice_of(line, digits + 1));
	if (n && list[n - 1].last + 1 == index) {
		list[n - 1].last = index;
		return 0;
	}
	if (n == LIMIT_CERTIFICATE_RANGES)
		return refuse(c, "More records match than a certificate lists: ask for fewer, by "
				 "time or by another term.");
	buf_put(&c->matched, &range, sizeof range);
	return c->matched.err;
}

/* The log was searched to its end. */
static int
state_log(struct query_certify *c)
{
	const struct query_source *s = &c->q->sources[c->log];
	struct query_totals *t = &c->q->totals;
	struct certificate_log *log = &c->said.logs[c->log];

	*log = (struct certificate_log){.origin = slice_str(log_origin(s->log)),
					.size = s->size,
					.scanned = t->scanned,
					.matched = t->matched,
					.unparsed = t->unparsed,
					.purged = t->purged,
					.restricted = t->restricted,
					.unreadable = t->unreadable};
	sha256_end(c->h, log->matches);
	*t = (struct query_totals){0};
	c->evidence_at = c->evidence.n;
	c->attempts = 0;
	return c->matched.err;
}

static int
search(struct query_certify *c, struct kit *kit, uint64_t *bytes)
{
	struct query_source *s = &c->q->sources[c->log];
	int err;

	if (s->next == s->size)
		return state_log(c);
	err = query_look(c->q, s, kit, bytes);
	for (size_t i = 0; err == 0 && i < s->n_hits; i++)
		err = add_match(c, s->hits[i].index);
	s->n_hits = 0;
	return err;
}

/* --- the end --------------------------------------------------------------------------------- */

/* All logs' sums, as an answer with rows has them. */
static void
add_up(struct query_certify *c)
{
	struct query_totals *t = &c->q->totals;

	for (size_t i = 0; i < c->said.n_logs; i++) {
		const struct certificate_log *l = &c->said.logs[i];

		t->scanned += l->scanned;
		t->matched += l->matched;
		t->unparsed += l->unparsed;
		t->purged += l->purged;
		t->restricted += l->restricted;
		t->unreadable += l->unreadable;
	}
}

/* One log's own key, the last one of whose checkpoint is shown; the server's identity for several.
 */
static void
sign(struct query_certify *c, struct slice text, struct buf *out)
{
	struct identity *id;
	const struct signer *signer;

	if (c->said.n_logs == 1) {
		logkeys_sign(c->keys, text, out);
		return;
	}
	id = store_identity(c->q->server->store);
	signer = identity_signer(id);
	sign_note(out, text, &signer, 1);
	identity_unref(id);
}

static int
finish(struct query_certify *c)
{
	struct buf text;
	int err;

	c->said.time_ns = server_now_ns(c->q->server);
	c->said.evidence_bytes = c->evidence.n;
	sha256_hash(c->h, c->said.evidence, buf_slice(&c->evidence));
	buf_init(&text);
	err = certificate_put(&text, &c->said);
	if (err == 0) {
		buf_put_u8(&c->evidence, '\n');
		sign(c, buf_slice(&text), &c->evidence);
		sha256_hash(c->h, c->hash, buf_slice(&c->evidence));
		err = c->evidence.err;
	}
	buf_fini(&text);
	add_up(c);
	return err;
}

static int
go_on(struct query_certify *c, struct kit *kit, uint64_t *bytes)
{
	int err;

	if (c->evidence_at == SIZE_MAX)
		return search(c, kit, bytes);
	err = certify_log_step(c, kit);
	if (err != 0)
		return err == 1 ? 0 : err;
	c->log++;
	sha256_begin(c->h); /* of the next log's matches */
	c->evidence_at = SIZE_MAX;
	buf_reset(&c->matched);
	return 0;
}

/* What it holds counts among the answers: half of what these may take is for those being made. */
static bool
is_too_much(const struct query_certify *c)
{
	struct query *q = c->q;
	struct http_budget *answers = &q->server->answers;
	uint64_t more = c->evidence.cap + c->matched.cap - q->held_bytes;

	q->held_bytes += more;
	return atomic_fetch_add(&answers->used_bytes, more) + more > answers->max_bytes / 2;
}

int
query_certify_step(struct query_certify *c, struct kit *kit)
{
	int64_t now_ns = server_monotonic_ns(), end_ns = now_ns + LIMIT_QUERY_STEP_NS;
	uint64_t bytes = 0;
	int err = 0;

	c->q->step++;
	while (err == 0 && now_ns < end_ns && bytes < LIMIT_QUERY_STEP_BYTES) {
		if (c->log == c->q->n)
			return finish(c);
		err = go_on(c, kit, &bytes);
		if (err == 0 && is_too_much(c))
			err = STELE_ENOMEM;
		now_ns = server_monotonic_ns();
	}
	if (err != 0)
		return err;
	if (c->evidence.n > LIMIT_CERTIFICATE_BYTES)
		return refuse(c,
			      "The certificate would be longer than 12 MiB: ask for less, by time "
			      "or log by log.");
	if (now_ns > c->q->until_ns)
		return refuse(c,
			      "The search took longer than a certificate waits for: ask for less, "
			      "by time or log by log, or by terms that the index has.");
	return atomic_load(&c->q->server->draining) ? STELE_ECLOSED : 1;
}
