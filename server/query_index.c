/* One segment at a time: what its index says of the query's filter. */
#include "server/query_index.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "server/mapping.h"
#include "server/kit.h"
#include "server/query.h"
#include "server/server.h"
#include "storage/segment.h"
#include "storage/segterms.h"
#include "storage/termask.h"

/* --- the view -------------------------------------------------------------------------------- */

void
query_view_fini(struct query_view *v)
{
	ordset_fini(&v->wanted);
	ordset_fini(&v->unsure);
	ordset_fini(&v->controls);
	free(v->tiles);
	*v = (struct query_view){.known = false};
}

/* What is known beside v->wanted. */
static int
fill(struct query_view *v, const struct segterms *terms)
{
	v->tiles = malloc((terms->n_tiles + 1) * sizeof *v->tiles);
	if (!v->tiles || !ordset_init(&v->controls, terms->count) ||
	    !ordset_init(&v->unsure, terms->count))
		return STELE_ENOMEM;
	memcpy(v->tiles, terms->tiles, terms->n_tiles * sizeof *v->tiles);
	ordset_or(&v->controls, &terms->controls);
	ordset_or(&v->unsure, &terms->unsure);
	ordset_or(&v->wanted, &terms->unsure);
	v->usable = true;
	return 0;
}

struct asking {
	struct segment *segment;
	const struct segterms *terms;
	struct toolbox *tools;
};

static int
find(void *ctx, enum field field, struct slice text, struct ordset *set)
{
	const struct asking *a = ctx;

	return segterms_find(a->terms, a->segment, field, text, set, a->tools);
}

/* Which records may match: all of them, where the index cannot say. */
static int
ask(const struct query *q, struct query_view *v, const struct termask *what)
{
	bool all = true;
	int err = 0;

	if (q->narrows)
		err = termask_run(what, &q->filter, &all, &v->wanted);
	if (err != 0 || !all)
		return err;
	if (!ordset_init(&v->wanted, what->terms->count))
		return STELE_ENOMEM;
	ordset_add_range(&v->wanted, 0, what->terms->count);
	return 0;
}

/* What a segment's index says, if it has one of the mapping that the query reads the log by. */
static int
look(struct query *q, const struct query_source *s, struct query_view *v, struct segment *segment,
     struct kit *kit)
{
	const struct segterms *terms = segment_terms(segment);
	struct asking a = {segment, terms, kit->tools};
	struct termask what = {terms, find, &a};
	int err;

	if (!terms || memcmp(terms->mapping, s->mapping->digest, 32) != 0)
		return 0;
	err = ask(q, v, &what);
	if (err == 0)
		err = fill(v, terms);
	if (err != STELE_EDAMAGED)
		return err;
	/* its bytes are those that were sealed, so it was made wrongly: all is looked at */
	atomic_fetch_add_explicit(&q->server->queries.bad_indexes, 1, memory_order_relaxed);
	return 0;
}

static bool
covers(const struct query_view *v, uint64_t first, uint64_t end)
{
	return v->known && first >= v->range.first && end <= v->range.first + v->range.count;
}

int
query_index_view(struct query *q, struct query_source *s, uint64_t first, uint64_t end,
		 struct kit *kit, const struct query_view **out)
{
	struct query_view *v = &s->view;
	struct segment *segment = NULL;
	int err;

	*out = NULL;
	if (!covers(v, first, end) || (v->step != q->step && !seek_holds(s->log, &v->range))) {
		query_view_fini(v);
		err = seek_open(s->log, first, kit->tools, &v->range, &segment);
		if (err == STELE_ENOTFOUND)
			return 0;
		if (err == 0 && segment)
			err = look(q, s, v, segment, kit);
		segment_unref(segment);
		if (err != 0)
			return err;
		v->known = true;
	}
	v->step = q->step;
	*out = v->usable && covers(v, first, end) ? v : NULL;
	return 0;
}
