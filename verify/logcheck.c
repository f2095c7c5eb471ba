/*
 * One log of a bundle. Its control entries are read first, and of each is kept what chains it;
 * then its records and their proofs, side by side, in one order with the control entries and the
 * log's last entry. What fails is said, and the rest is looked at all the same: a check that comes
 * earlier in the row may fail later in the file.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "proto/err.h"
#include "verify/bundlework.h"
#include "verify/logrange.h"
#include "verify/recordline.h"
#include "verify/runtree.h"

/* A control entry, as far as the order of all entries needs it. */
struct control_seen {
	uint64_t index, ctl;
	int64_t time_ns;
	uint8_t leaf[SHA256_BYTES], prev[SHA256_BYTES];
};

struct logcheck {
	struct bundle_work *w;
	struct archive_log *files;
	struct bundle_log *log;
	const struct bundledoc_log *doc;
	struct findings *f;
	struct sha256 *h;
	struct rules *rules;
	struct record_line line;
	char path[FINDING_PATH_BYTES];
	struct control_seen *controls;
	size_t n_controls, next_control; /* next: in the order of all */
	/* the entry before, in that order */
	bool has_before;
	uint64_t before, nearest; /* nearest: control entry */
	int64_t before_ns;
	uint8_t before_leaf[SHA256_BYTES];
	/* records */
	struct stream *proofs;
	struct runtree tree;
	struct logrange range;
	size_t next_payload; /* file */
	uint64_t records, payloads, purged, withheld, bytes;
	bool stopped; /* a line could not be read: no more of this log's can */
};

/* Why memory is not all that may be short: nothing can be said then. */
static void
stop(struct logcheck *c, int err)
{
	findings_stop(c->f, err,
		      err == STELE_EIO ? "the file cannot be read" : "there is not enough memory");
	c->stopped = true;
}

static struct place
at(struct logcheck *c, enum part part, uint64_t line, uint64_t index)
{
	return bundle_place(c->w, c->files->part[part], c->path, line, index);
}

/* The next line; 0 at the end or when it can go on no further, which is said. */
static int
next_line(struct logcheck *c, enum part part, struct stream *s, struct slice *line)
{
	int got = stream_line(s, line);
	struct place where = at(c, part, stream_line_number(s), FINDING_NOWHERE);

	if (got >= 0)
		return got;
	c->stopped = true;
	if (got == STELE_ESYNTAX || got == STELE_ELIMIT)
		findings_fail(c->f, CHECK_ENTRIES, &where, "%s", stream_why(s));
	else if (got == STELE_ENOMEM)
		stop(c, got);
	return 0; /* damage is found again when the file is ended */
}

/* A line that is not what it has to be. */
static void
bad_line(struct logcheck *c, enum part part, uint64_t line, int err, const char *what)
{
	struct place where = at(c, part, line, FINDING_NOWHERE);

	if (err == STELE_ENOMEM)
		stop(c, err);
	else
		findings_fail(c->f, CHECK_ENTRIES, &where, "%s", what);
	c->stopped = true;
}

/* What all entries have to be: of this log, below its size. */
static bool
check_place(struct logcheck *c, enum part part, uint64_t line)
{
	const struct entry *e = &c->line.e;
	struct place where = at(c, part, line, e->index);

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

static void
check_commitment(struct logcheck *c, const struct place *where, const uint8_t commitment[32],
		 uint64_t size)
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
static void
visit_controls(struct logcheck *c, uint64_t below)
{
	for (; c->next_control < c->n_controls; c->next_control++) {
		const struct control_seen *x = &c->controls[c->next_control];
		struct place where = at(c, PART_CONTROLS, c->next_control + 1, x->index);
		if (x->index >= below)
			return;
		visit(c, &where, x, true);
	}
}

/* The entry in c->line. */
static void
visit_line(struct logcheck *c, const struct place *where, const uint8_t leaf[32])
{
	const struct entry *e = &c->line.e;
	const struct control_seen *same = NULL;
	struct control_seen x = {.index = e->index, .ctl = e->ctl, .time_ns = e->time_ns};

	visit_controls(c, e->index);
	if (c->next_control < c->n_controls && c->controls[c->next_control].index == e->index)
		same = &c->controls[c->next_control++];
	if (same ? memcmp(same->leaf, leaf, 32) != 0 : e->kind != ENTRY_RECORD)
		findings_fail(c->f, CHECK_CONTROLS, where,
			      "the entry is not as controls.ndjson has it");
	memcpy(x.leaf, leaf, sizeof x.leaf);
	memcpy(x.prev, e->prev, sizeof x.prev);
	visit(c, where, &x, same != NULL);
}

/* --- controls ------------------------------------------------------------------------------ */

static void
check_rules(struct logcheck *c, const struct place *where, int err, struct buf *why)
{
	if (err == STELE_ENOMEM)
		stop(c, err);
	else if (err)
		findings_fail(c->f, CHECK_RULES, where, "%.*s", (int)why->n,
			      why->n ? (const char *)why->p : "");
}

static bool
keep_control(struct logcheck *c, const uint8_t leaf[32])
{
	const struct entry *e = &c->line.e;
	struct control_seen *x;

	if ((c->n_controls & (c->n_controls - 1)) == 0) {
		size_t more = c->n_controls ? 2 * c->n_controls : 1;
		x = realloc(c->controls, more * sizeof *x);
		if (!x) {
			stop(c, STELE_ENOMEM);
			return false;
		}
		c->controls = x;
	}
	x = &c->controls[c->n_controls++];
	*x = (struct control_seen){e->index, e->ctl, e->time_ns, {0}, {0}};
	memcpy(x->leaf, leaf, sizeof x->leaf);
	memcpy(x->prev, e->prev, sizeof x->prev);
	return true;
}

static void
check_control(struct logcheck *c, struct slice text, uint64_t number)
{
	struct record_line *l = &c->line;
	uint8_t leaf[SHA256_BYTES], commitment[SHA256_BYTES];
	struct place where;
	struct buf why;
	const char *what;
	int err = record_line_control(l, text, &what);

	if (err) {
		bad_line(c, PART_CONTROLS, number, err, what);
		return;
	}
	if (!check_place(c, PART_CONTROLS, number))
		return;
	where = at(c, PART_CONTROLS, number, l->e.index);
	if (c->n_controls && c->controls[c->n_controls - 1].index >= l->e.index) {
		findings_fail(c->f, CHECK_ENTRIES, &where, "indexes do not ascend");
		c->stopped = true;
		return;
	}
	if (c->n_controls == 0 && l->e.index != 0)
		findings_fail(
			c->f, CHECK_CONTROLS, &where,
			"the first control entry, the policy that founded the log, is missing");
	sha256_leaf(c->h, leaf, l->text);
	sha256_commitment(c->h, commitment, l->salt, l->payload);
	check_commitment(c, &where, commitment, l->payload.n);
	if (merkle_verify_inclusion(c->h, c->log->root, l->e.index, c->log->size, leaf,
				    (const uint8_t(*)[32])l->proof, l->n_proof))
		findings_fail(c->f, CHECK_INCLUSION, &where,
			      "its proof does not lead to the checkpoint's root");
	buf_init(&why);
	err = rules_control(c->rules, &l->e, l->payload, &why);
	check_rules(c, &where, err, &why);
	buf_fini(&why);
	keep_control(c, leaf);
}

static void
read_controls(struct logcheck *c)
{
	size_t file = c->files->part[PART_CONTROLS];
	struct stream *s = archive_stream(&c->w->archive, file, true, c->f);
	struct place where;
	struct slice line;
	struct buf why;
	int err;

	if (!s)
		return;
	while (!c->stopped && next_line(c, PART_CONTROLS, s, &line))
		check_control(c, line, stream_line_number(s));
	archive_done(&c->w->archive, file, s, c->f);
	where = at(c, PART_CONTROLS, 0, FINDING_NOWHERE);
	if (!c->stopped && c->n_controls != c->doc->controls)
		findings_fail(c->f, CHECK_ENTRIES, &where,
			      "it has %zu lines, and bundle.json says %" PRIu64, c->n_controls,
			      c->doc->controls);
	buf_init(&why);
	err = c->stopped ? 0 : rules_settle(c->rules, &why);
	check_rules(c, &where, err, &why);
	buf_fini(&why);
}

/* --- runs ---------------------------------------------------------------------------------- */

static void
end_run(struct logcheck *c)
{
	struct place where =
		at(c, PART_PROOFS, c->proofs ? stream_line_number(c->proofs) : 0, FINDING_NOWHERE);

	if (!c->tree.open)
		return;
	if (!runtree_end(&c->tree, c->h, c->log->root))
		findings_fail(c->f, CHECK_INCLUSION, &where,
			      "the entries %" PRIu64 " to %" PRIu64
			      " and what stands beside them do not lead to the checkpoint's root",
			      c->tree.run.first, c->tree.run.last);
	if (c->tree.has_since && c->log->has_older &&
	    memcmp(c->tree.since_root, c->log->older.root, SHA256_BYTES) == 0)
		c->log->older.path = NULL; /* shown by the entries themselves */
}

/* A record that does not follow the one before: its run's line is due. */
static bool
begin_run(struct logcheck *c, uint64_t index)
{
	struct run_line run;
	struct slice line;
	const char *what;
	struct place where;
	int err;

	end_run(c);
	if (!next_line(c, PART_PROOFS, c->proofs, &line))
		err = STELE_ESYNTAX, what = "a run of records has no line here";
	else
		err = run_line_read(&run, line, &what);
	if (err) {
		bad_line(c, PART_PROOFS, stream_line_number(c->proofs), err, what);
		return false;
	}
	where = at(c, PART_PROOFS, stream_line_number(c->proofs), index);
	c->log->runs++;
	if (run.first == index && run.last < c->log->size &&
	    runtree_begin(&c->tree, &run, c->log->size, c->log->has_older ? c->log->older.size : 0))
		return true;
	findings_fail(c->f, CHECK_INCLUSION, &where,
		      run.first == index
			      ? "its roots are not as many as there have to be"
			      : "the line is of another run than the one that begins here");
	c->tree.open = false;
	return false;
}

/* The entry goes into its run's tree. */
static void
add_to_run(struct logcheck *c, const struct place *where, uint64_t index, const uint8_t leaf[32])
{
	bool follows = c->records && c->line.e.index == c->range.last + 1;

	if (!follows) {
		if (!begin_run(c, index))
			return;
	}
	if (c->tree.open && !runtree_add(&c->tree, c->h, index, leaf))
		findings_fail(c->f, CHECK_INCLUSION, where,
			      "the run in proofs.ndjson ends before this entry, which follows on");
}

/* --- records ------------------------------------------------------------------------------- */

/* Hashes a payload that is a file of its own. */
static void
check_file(struct logcheck *c, const struct place *where)
{
	struct archive *a = &c->w->archive;
	uint8_t commitment[SHA256_BYTES];
	size_t file = c->next_payload;
	struct stream *s;
	struct slice piece;
	uint64_t size = 0;

	if (file >= c->files->part[PART_PAYLOADS] + c->files->n_payloads ||
	    c->files->n_payloads == 0 || a->files[file].index != c->line.e.index) {
		findings_fail(c->f, CHECK_COMMITMENTS, where,
			      "its payload's file is missing, or another one comes before it");
		return;
	}
	c->next_payload++;
	s = archive_stream(a, file, true, c->f);
	if (!s) {
		c->stopped = true;
		return;
	}
	sha256_commitment_begin(c->h, c->line.salt);
	while (stream_next(s, &piece) == 0 && piece.n) {
		sha256_update(c->h, piece);
		size += piece.n;
		atomic_fetch_add(&c->w->done_bytes, piece.n);
	}
	sha256_end(c->h, commitment);
	archive_done(a, file, s, c->f);
	check_commitment(c, where, commitment, size);
}

static void
check_payload(struct logcheck *c, const struct place *where)
{
	const struct record_line *l = &c->line;
	uint8_t commitment[SHA256_BYTES];

	switch (l->has) {
	case RECORD_PURGED:
		c->purged++;
		return;
	case RECORD_WITHHELD:
		c->withheld++;
		return;
	case RECORD_FILE:
		check_file(c, where);
		break;
	case RECORD_PAYLOAD:
		sha256_commitment(c->h, commitment, l->salt, l->payload);
		check_commitment(c, where, commitment, l->payload.n);
		atomic_fetch_add(&c->w->done_bytes, l->payload.n);
		break;
	}
	c->payloads++;
	c->bytes += l->e.size;
}

static void
check_record(struct logcheck *c, struct slice text, uint64_t number)
{
	struct record_line *l = &c->line;
	uint8_t leaf[SHA256_BYTES];
	struct place where;
	struct buf why;
	const char *what;
	int err = record_line_read(l, text, &what);

	if (err) {
		bad_line(c, PART_RECORDS, number, err, what);
		return;
	}
	if (!check_place(c, PART_RECORDS, number))
		return;
	where = at(c, PART_RECORDS, number, l->e.index);
	if (c->records && l->e.index <= c->range.last) {
		findings_fail(c->f, CHECK_ENTRIES, &where, "indexes do not ascend");
		c->stopped = true;
		return;
	}
	sha256_leaf(c->h, leaf, l->text);
	visit_line(c, &where, leaf);
	check_payload(c, &where);
	add_to_run(c, &where, l->e.index, leaf);
	buf_init(&why);
	err = rules_record(c->rules, l, leaf, &why);
	check_rules(c, &where, err, &why);
	buf_fini(&why);
	logrange_entry(&c->range, c->w, c->log, c->files->name, l, &where);
	c->records++;
	atomic_fetch_add(&c->w->done_records, 1);
}

/* The line behind those of the runs: the log's last entry. */
static void
check_tip(struct logcheck *c)
{
	struct record_line *l = &c->line;
	uint8_t leaf[SHA256_BYTES];
	struct place where;
	struct slice line;
	const char *what = "the line of the log's last entry is missing";
	int err = STELE_ESYNTAX;

	if (next_line(c, PART_PROOFS, c->proofs, &line))
		err = record_line_tip(l, line, &what);
	if (err) {
		bad_line(c, PART_PROOFS, stream_line_number(c->proofs), err, what);
		return;
	}
	if (!check_place(c, PART_PROOFS, stream_line_number(c->proofs)))
		return;
	where = at(c, PART_PROOFS, stream_line_number(c->proofs), l->e.index);
	sha256_leaf(c->h, leaf, l->text);
	if (l->e.index != c->log->size - 1)
		findings_fail(c->f, CHECK_ENTRIES, &where,
			      "the tip is not the log's last entry, %" PRIu64, c->log->size - 1);
	else if (merkle_verify_inclusion(c->h, c->log->root, l->e.index, c->log->size, leaf,
					 (const uint8_t(*)[32])l->proof, l->n_proof))
		findings_fail(c->f, CHECK_INCLUSION, &where,
			      "its proof does not lead to the checkpoint's root");
	/* when it stands among the records, too, it was visited there, and both have one hash */
	if (!c->records || c->range.last != l->e.index)
		visit_line(c, &where, leaf);
	if (next_line(c, PART_PROOFS, c->proofs, &line))
		bad_line(c, PART_PROOFS, stream_line_number(c->proofs), STELE_ESYNTAX,
			 "something follows the line of the log's last entry");
}

static void
check_counts(struct logcheck *c)
{
	struct place where = at(c, PART_RECORDS, 0, FINDING_NOWHERE);

	if (c->records != c->doc->entries || c->payloads != c->doc->payloads ||
	    c->purged != c->doc->purged || c->withheld != c->doc->withheld ||
	    c->bytes != c->doc->bytes)
		findings_fail(c->f, CHECK_ENTRIES, &where,
			      "it has %" PRIu64 " entries, %" PRIu64 " payloads of %" PRIu64
			      " bytes, %" PRIu64 " purged and %" PRIu64
			      " withheld, and bundle.json says otherwise",
			      c->records, c->payloads, c->bytes, c->purged, c->withheld);
	if (c->files->n_payloads &&
	    c->next_payload != c->files->part[PART_PAYLOADS] + c->files->n_payloads) {
		where = bundle_place(c->w, c->next_payload, c->path, 0,
				     c->w->archive.files[c->next_payload].index);
		findings_fail(c->f, CHECK_COMMITMENTS, &where, "no record names this payload");
	}
}

static void
read_records(struct logcheck *c)
{
	struct archive *a = &c->w->archive;
	size_t file = c->files->part[PART_RECORDS];
	struct stream *s = archive_stream(a, file, true, c->f);
	struct slice line;

	c->proofs = archive_stream(a, c->files->part[PART_PROOFS], false, c->f);
	if (!s || !c->proofs)
		c->stopped = true;
	while (!c->stopped && next_line(c, PART_RECORDS, s, &line))
		check_record(c, line, stream_line_number(s));
	if (!c->stopped)
		end_run(c);
	if (!c->stopped)
		check_tip(c);
	if (!c->stopped) {
		visit_controls(c, UINT64_MAX);
		check_counts(c);
		logrange_end(&c->range, c->w, c->log, c->doc, c->files);
	}
	if (s)
		archive_done(a, file, s, c->f);
	if (c->proofs)
		archive_done(a, c->files->part[PART_PROOFS], c->proofs, c->f);
}

/* --- consistency --------------------------------------------------------------------------- */

static void
check_growth(struct logcheck *c, const struct growth_line *g, const struct place *where)
{
	struct older *o = &c->log->older;

	if (g->from == 0 || g->from > c->log->size ||
	    g->n != runtree_consistency_length(g->from, c->log->size)) {
		findings_fail(c->f, CHECK_CONSISTENCY, where,
			      "the proof from size %" PRIu64 " is not as long as it has to be",
			      g->from);
		return;
	}
	c->log->growths++;
	if (!c->log->has_older || g->from != o->size || !o->path)
		return;
	if (merkle_verify_consistency(c->h, o->size, o->root, c->log->size, c->log->root,
				      (const uint8_t(*)[32])g->proof, g->n))
		findings_fail(c->f, CHECK_CONSISTENCY, where,
			      "the tree of %" PRIu64 " entries does not begin with the tree of the "
			      "older checkpoint, of %" PRIu64 ": the log was forked, or the proof "
			      "altered",
			      c->log->size, o->size);
	o->path = NULL;
}

static void
read_growth(struct logcheck *c)
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
	while (s && !c->stopped && next_line(c, PART_CONSISTENCY, s, &line)) {
		int err = growth_line_read(&g, line, &what);
		struct place where =
			at(c, PART_CONSISTENCY, stream_line_number(s), FINDING_NOWHERE);
		if (!err && g.from <= before)
			err = STELE_ESYNTAX, what = "sizes do not ascend";
		if (err)
			bad_line(c, PART_CONSISTENCY, stream_line_number(s), err, what);
		else
			check_growth(c, &g, &where);
		before = g.from;
	}
	if (s)
		archive_done(a, file, s, c->f);
}

/* What nothing has shown yet. */
static void
check_older(struct logcheck *c)
{
	struct older *o = &c->log->older;
	struct place where = at(c, PART_CHECKPOINT, 0, FINDING_NOWHERE);

	if (!c->log->has_older || !o->path)
		return;
	if (o->size == c->log->size && memcmp(o->root, c->log->root, SHA256_BYTES) == 0)
		return;
	if (o->size > c->log->size)
		findings_fail(c->f, CHECK_CONSISTENCY, &where,
			      "the older checkpoint %s has %" PRIu64 " entries, this one %" PRIu64
			      ": the log was rolled back, or the two are in the wrong order",
			      o->path, o->size, c->log->size);
	else if (o->size == c->log->size || c->tree.has_since)
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
bundle_check_log(struct bundle_work *w, size_t log)
{
	struct logcheck *c = calloc(1, sizeof *c);

	if (!c) {
		findings_stop(&w->findings, STELE_ENOMEM, "there is not enough memory");
		return;
	}
	c->w = w;
	c->f = &w->findings;
	c->files = &w->archive.logs[log];
	c->log = &w->logs[log];
	c->doc = &w->doc.logs[log];
	c->next_payload = c->files->part[PART_PAYLOADS];
	c->h = sha256_new();
	c->rules = c->h ? rules_new(c->h) : NULL;
	record_line_init(&c->line);
	if (!c->rules) {
		stop(c, STELE_ENOMEM);
	} else {
		read_controls(c);
		if (!c->stopped)
			read_records(c);
		if (!c->stopped)
			read_growth(c);
		if (!c->stopped)
			check_older(c);
		c->log->rules = rules_counts(c->rules);
		c->log->records = c->records;
	}
	rules_free(c->rules);
	record_line_fini(&c->line);
	sha256_free(c->h);
	free(c->controls);
	free(c);
}
