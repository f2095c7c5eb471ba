/* Lines, places, and the one order of all entries that a bundle has of a log. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "proto/err.h"
#include "verify/logwork.h"

/* Why memory is not all that may be short: nothing can be said then. */
void
logwork_stop(struct logcheck *c, int err)
{
	findings_stop(c->f, err,
		      err == STELE_EIO ? "the file cannot be read" : "there is not enough memory");
	c->stopped = true;
}

struct place
logwork_at(struct logcheck *c, enum part part, uint64_t line, uint64_t index)
{
	size_t file = c->files->part[part];

	if (file == ARCHIVE_NONE)
		return (struct place){0, "", line, index};
	if (!c->path[part][0]) /* for each record some places are named, and hardly ever shown */
		archive_path(&c->w->archive, file, c->path[part]);
	return (struct place){file, c->path[part], line, index};
}

/* The next line; 0 at the end or when it can go on no further, which is said. */
int
logwork_next_line(struct logcheck *c, enum part part, struct stream *s, struct slice *line)
{
	int got = stream_line(s, line);
	struct place where = logwork_at(c, part, stream_line_number(s), FINDING_NOWHERE);

	if (got >= 0)
		return got;
	c->stopped = true;
	if (got == STELE_ESYNTAX || got == STELE_ELIMIT)
		findings_fail(c->f, CHECK_ENTRIES, &where, "%s", stream_why(s));
	else if (got == STELE_ENOMEM)
		logwork_stop(c, got);
	return 0; /* damage is found again when the file is ended */
}

/* A line that is not what it has to be. */
void
logwork_bad_line(struct logcheck *c, enum part part, uint64_t line, int err, const char *what)
{
	struct place where = logwork_at(c, part, line, FINDING_NOWHERE);

	if (err == STELE_ENOMEM)
		logwork_stop(c, err);
	else
		findings_fail(c->f, CHECK_ENTRIES, &where, "%s", what);
	c->stopped = true;
}

/* What all entries have to be: of this log, below its size. */
bool
logwork_check_place(struct logcheck *c, enum part part, uint64_t line)
{
	const struct entry *e = &c->line.e;
	struct place where = logwork_at(c, part, line, e->index);

	if (!slice_eq(e->origin, buf_slice(&c->log->origin)))
		findings_fail(c->f, CHECK_ENTRIES, &where, "the entry is of %.*s, another log",
			      (int)e->origin.n, (const char *)e->origin.p);
	else if (e->index >= c->log->size)
		findings_fail(c->f, CHECK_ENTRIES, &where,
			      "the entry lies beyond the checkpoint's %" PRIu64 " entries",
			      c->log->size);
	else
		return true;
	c->stopped = true;
	return false;
}

void
logwork_check_commitment(struct logcheck *c, const struct place *where,
			 const uint8_t commitment[32], uint64_t size)
{
	const struct entry *e = &c->line.e;

	if (size != e->size)
		findings_fail(c->f, CHECK_COMMITMENTS, where,
			      "the payload has %" PRIu64 " bytes, and its entry says %" PRIu64,
			      size, e->size);
	else if (memcmp(commitment, e->commitment, 32) != 0)
		findings_fail(
			c->f, CHECK_COMMITMENTS, where,
			"the payload is not the one that was committed to: it or its salt was "
			"altered");
}

void
logwork_check_rules(struct logcheck *c, const struct place *where, int err, struct buf *why)
{
	if (err == STELE_ENOMEM)
		logwork_stop(c, err);
	else if (err)
		findings_fail(c->f, CHECK_RULES, where, "%.*s", (int)why->n,
			      why->n ? (const char *)why->p : "");
}

/* --- the order of all entries -------------------------------------------------------------- */

static void
check_chain(struct logcheck *c, const struct place *where, uint64_t index, int64_t time_ns,
	    const uint8_t prev[32])
{
	uint8_t nothing[SHA256_BYTES];

	if (index == 0) {
		sha256_hash(c->h, nothing, slice_of("", 0));
		if (memcmp(prev, nothing, sizeof nothing) != 0)
			findings_fail(c->f, CHECK_CHAIN, where,
				      "the log's first entry names one before it");
	}
	if (c->has_before && time_ns < c->before_ns)
		findings_fail(c->f, CHECK_CHAIN, where, "its time is before that of entry %" PRIu64,
			      c->before);
	if (!c->has_before || index != c->before + 1)
		return;
	c->log->chained++;
	if (memcmp(prev, c->before_leaf, SHA256_BYTES) != 0)
		findings_fail(c->f, CHECK_CHAIN, where,
			      "its prev is not the hash of the entry before it");
}

/* The next entry in ascending order, wherever it stands. */
static void
visit(struct logcheck *c, const struct place *where, const struct control_seen *x, bool is_control)
{
	uint64_t nearest = x->index ? c->nearest : 0;

	check_chain(c, where, x->index, x->time_ns, x->prev);
	if (x->index < c->log->key_from && x->time_ns > c->log->key_until_ns)
		findings_fail(
			c->f, CHECK_KEYS, where,
			"the identity that states the checkpoint's key was replaced before this "
			"entry was written: its key was used afterwards");
	if (x->ctl != nearest)
		findings_fail(c->f, CHECK_CONTROLS, where,
			      "its ctl names entry %" PRIu64
			      ", and the nearest control entry below "
			      "it is %" PRIu64,
			      x->ctl, nearest);
	if (is_control)
		c->nearest = x->index;
	c->has_before = true;
	c->before = x->index;
	c->before_ns = x->time_ns;
	memcpy(c->before_leaf, x->leaf, SHA256_BYTES);
}

/* All control entries below an index. */
void
logwork_visit_controls(struct logcheck *c, uint64_t below)
{
	for (; c->next_control < c->n_controls; c->next_control++) {
		const struct control_seen *x = &c->controls[c->next_control];
		struct place where = logwork_at(c, PART_CONTROLS, c->next_control + 1, x->index);
		if (x->index >= below)
			return;
		visit(c, &where, x, true);
	}
}

/* The entry in c->line. */
void
logwork_visit_line(struct logcheck *c, const struct place *where, const uint8_t leaf[32])
{
	const struct entry *e = &c->line.e;
	const struct control_seen *same = NULL;
	struct control_seen x = {.index = e->index, .ctl = e->ctl, .time_ns = e->time_ns};

	logwork_visit_controls(c, e->index);
	if (c->next_control < c->n_controls && c->controls[c->next_control].index == e->index)
		same = &c->controls[c->next_control++];
	if (same ? memcmp(same->leaf, leaf, 32) != 0 : e->kind != ENTRY_RECORD)
		findings_fail(c->f, CHECK_CONTROLS, where,
			      "the entry is not as controls.ndjson has it");
	memcpy(x.leaf, leaf, sizeof x.leaf);
	memcpy(x.prev, e->prev, sizeof x.prev);
	visit(c, where, &x, same != NULL);
}
