/* That the log grew out of older trees; and out of the checkpoint that the auditor kept. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "proto/err.h"
#include "verify/logwork.h"

/* The older checkpoint of that size that is next to be shown, or NULL. */
static struct older *
older_of(struct logcheck *c, uint64_t size)
{
	for (size_t i = 0; i < c->log->n_olders; i++)
		if (c->log->olders[i].size == size && !c->log->olders[i].shown)
			return &c->log->olders[i];
	return NULL;
}

void
loggrowth_entry(struct logcheck *c, uint64_t size)
{
	uint8_t root[SHA256_BYTES];

	for (; c->next_older < c->log->n_olders; c->next_older++) {
		struct older *o = &c->log->olders[c->next_older];
		if (o->size > size)
			return;
		if (o->size < size || !runtree_root_so_far(&c->tree, c->h, root))
			continue;
		o->other = memcmp(root, o->root, SHA256_BYTES) != 0;
		o->shown = !o->other;
	}
}

static void
check_growth(struct logcheck *c, const struct growth_line *g, const struct place *where)
{
	struct older *o;

	if (g->from == 0 || g->from > c->log->size ||
	    g->n != runtree_consistency_length(g->from, c->log->size)) {
		findings_fail(c->f, CHECK_CONSISTENCY, where,
			      "the proof from size %" PRIu64 " is not as long as it has to be",
			      g->from);
		return;
	}
	while ((o = older_of(c, g->from))) {
		o->shown = true;
		if (merkle_verify_consistency(c->h, o->size, o->root, c->log->size, c->log->root,
					      (const uint8_t(*)[32])g->proof, g->n))
			findings_fail(c->f, CHECK_CONSISTENCY, where,
				      "the tree of %" PRIu64
				      " entries does not begin with the tree of the older "
				      "checkpoint, of %" PRIu64
				      ": the log was forked, or the proof altered",
				      c->log->size, o->size);
	}
}

void
loggrowth_read(struct logcheck *c)
{
	struct archive *a = &c->w->archive;
	size_t file = c->files->part[PART_CONSISTENCY];
	struct growth_line g = {.from = 0};
	struct stream *s;
	struct slice line;
	uint64_t before = 0;
	const char *what;

	if (file == ARCHIVE_NONE)
		return;
	s = archive_stream(a, file, false, c->f);
	while (s && !c->stopped && logwork_next_line(c, PART_CONSISTENCY, s, &line)) {
		int err = growth_line_read(&g, line, &what);
		struct place where =
			logwork_at(c, PART_CONSISTENCY, stream_line_number(s), FINDING_NOWHERE);
		if (!err && g.from <= before)
			err = STELE_ESYNTAX, what = "sizes do not ascend";
		if (err)
			logwork_bad_line(c, PART_CONSISTENCY, stream_line_number(s), err, what);
		else
			check_growth(c, &g, &where);
		before = g.from;
	}
	if (s)
		archive_done(a, file, s, c->f);
}

/* What nothing has shown yet. */
static void
check_older(struct logcheck *c, const struct older *o)
{
	struct place where = logwork_at(c, PART_CHECKPOINT, 0, FINDING_NOWHERE);

	if (o->shown ||
	    (o->size == c->log->size && memcmp(o->root, c->log->root, SHA256_BYTES) == 0))
		return;
	if (o->size > c->log->size)
		findings_fail(c->f, CHECK_CONSISTENCY, &where,
			      "the older checkpoint %s has %" PRIu64 " entries, this one %" PRIu64
			      ": the log was rolled back, or the two are in the wrong order",
			      o->path, o->size, c->log->size);
	else if (o->size == c->log->size || o->other)
		findings_fail(c->f, CHECK_CONSISTENCY, &where,
			      "at %" PRIu64 " entries the log had another root than the older "
			      "checkpoint %s: it was forked",
			      o->size, o->path);
	else
		findings_fail(
			c->f, CHECK_CONSISTENCY, &where,
			"nothing here shows that the log grew out of the older checkpoint %s, "
			"of %" PRIu64 " entries: export again with that size (--since)",
			o->path, o->size);
}

void
loggrowth_check(struct logcheck *c)
{
	for (size_t i = 0; i < c->log->n_olders; i++)
		check_older(c, &c->log->olders[i]);
}
