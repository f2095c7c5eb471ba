/* A query that gives no rows: each log is looked through, tile by tile. */
#include "server/export_search.h"

#include <string.h>

#include "crypto/sha256.h"
#include "proto/dec.h"
#include "proto/err.h"
#include "server/export_find.h"
#include "server/kit.h"
#include "server/query.h"
#include "server/query_certify.h"
#include "server/server.h"
#include "storage/log.h"

struct searching {
	struct query q;
	struct arena memory;
	struct buf logs; /* their names, a comma between two */
};

/* A query of f's logs, not begun. */
static int
open_query(struct searching *s, struct export_find *f, struct slice filter)
{
	struct text_error e;

	memset(s, 0, sizeof *s);
	arena_init(&s->memory);
	buf_init(&s->logs);
	for (size_t i = 0; i < f->n; i++) {
		buf_put_str(&s->logs, i ? "," : "");
		buf_put_str(&s->logs, f->parts[i].said->name);
	}
	s->q.server = f->s;
	s->q.token = f->token;
	s->q.memory = &s->memory;
	s->q.logs = buf_slice(&s->logs);
	s->q.text = filter;
	s->q.by = -1;
	s->q.until_ns = INT64_MAX;
	return s->logs.err ? s->logs.err : filter_parse(&s->q.filter, &s->memory, filter, &e);
}

/* The trees are those that f pinned. */
static int
pin(struct query *q, const struct export_find *f)
{
	if (q->n != f->n)
		return STELE_EPERM; /* some of them may not be read any more */
	for (size_t i = 0; i < q->n; i++)
		q->sources[i].size = f->parts[i].head->size;
	return 0;
}

static void
close_query(struct searching *s)
{
	query_fini(&s->q);
	arena_fini(&s->memory);
	buf_fini(&s->logs);
}

static int
search_log(struct export_find *f, struct query *q, struct query_source *s, struct ranges *out)
{
	uint64_t bytes = 0;
	int err = 0;

	while (err == 0 && s->next < s->size) {
		if (atomic_load(f->stop))
			return STELE_ECLOSED;
		q->step++;
		err = query_look(q, s, f->kit, &bytes);
		for (size_t i = 0; err == 0 && i < s->n_hits; i++)
			err = ranges_add(out, s->hits[i].index, s->hits[i].index);
		s->n_hits = 0;
	}
	return err;
}

int
export_search(struct export_find *f, struct slice filter, struct ranges *out)
{
	struct searching s;
	int err = open_query(&s, f, filter);

	err = err ? err : query_begin(&s.q);
	err = err ? err : pin(&s.q, f);
	for (size_t i = 0; err == 0 && i < s.q.n; i++)
		err = search_log(f, &s.q, &s.q.sources[i], &out[i]);
	close_query(&s);
	return err;
}

/* --- the certificate ------------------------------------------------------------------------- */

/* Whether what the certificate states of a log is what was found. */
static bool
is_same(struct sha256 *h, const struct certificate_log *said, const struct export_part *p)
{
	char line[DEC_MAX_BYTES + 1];
	uint8_t hash[32];

	if (said->size != p->head->size || said->matched != ranges_count(&p->wanted))
		return false;
	sha256_begin(h);
	for (size_t i = 0; i < p->wanted.n; i++)
		for (uint64_t at = p->wanted.r[i].first; at <= p->wanted.r[i].last; at++) {
			size_t n = dec_format(line, at);
			line[n] = '\n';
			sha256_update(h, slice_of(line, n + 1));
		}
	sha256_end(h, hash);
	return memcmp(hash, said->matches, sizeof hash) == 0;
}

static int
compare(const struct query_certify *c, const struct export_find *f)
{
	struct sha256 *h = sha256_new();
	int err = h ? 0 : STELE_ENOMEM;

	for (size_t i = 0; err == 0 && i < f->n; i++)
		err = is_same(h, &c->said.logs[i], &f->parts[i]) ? 0 : STELE_ECONFLICT;
	sha256_free(h);
	return err;
}

/* Step by step to its end, of the pinned trees. */
static int
run(struct query_certify *c, struct export_find *f)
{
	int err = pin(c->q, f);

	err = err ? err : 1;
	while (err == 1)
		err = atomic_load(f->stop) ? STELE_ECLOSED : query_certify_step(c, f->kit);
	if (err == 0)
		err = compare(c, f);
	if (err == 0)
		buf_put_slice(&f->certificate, buf_slice(&c->evidence));
	return err ? err : f->certificate.err;
}

int
export_search_certify(struct export_find *f, struct slice filter)
{
	struct query_certify c;
	struct searching s;
	int err = open_query(&s, f, filter);

	if (err == 0) {
		err = query_certify_begin(&c, &s.q);
		err = err ? err : run(&c, f);
		if (err == STELE_EINVAL && c.refused)
			buf_put_str(&f->why, c.refused);
		query_certify_fini(&c);
	}
	close_query(&s);
	return err;
}
