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
#include "verify/logwork.h"

/* --- runs ---------------------------------------------------------------------------------- */

static void
end_run(struct logcheck *c)
{
	struct place where = logwork_at(
		c, PART_PROOFS, c->proofs ? stream_line_number(c->proofs) : 0, FINDING_NOWHERE);

	if (!c->tree.open)
		return;
	if (!runtree_end(&c->tree, c->h, c->log->root))
		findings_fail(c->f, CHECK_INCLUSION, &where,
			      "the entries %" PRIu64 " to %" PRIu64
			      " and what stands beside them do not lead to the checkpoint's root",
			      c->tree.run.first, c->tree.run.last);
}

static bool
begins(struct slice line, const char *head)
{
	size_t n = strlen(head);

	return line.n >= n && memcmp(line.p, head, n) == 0;
}

/* Lines of runs are missing, or there are too many: no more of them can be told apart. */
static bool
no_run(struct logcheck *c, uint64_t index, const char *why)
{
	struct place where = logwork_at(c, PART_PROOFS, stream_line_number(c->proofs), index);

	findings_fail(c->f, CHECK_INCLUSION, &where, "%s", why);
	c->tree.open = false;
	c->lost = true;
	return false;
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
	if (c->lost)
		return false;
	if (!logwork_next_line(c, PART_PROOFS, c->proofs, &line))
		err = STELE_ESYNTAX, what = "a run of records has no line here";
	else if (!begins(line, "{\"tip\":"))
		err = run_line_read(&run, line, &what);
	else
		return no_run(c, index, "the run of records that begins here has no line");
	if (err) {
		logwork_bad_line(c, PART_PROOFS, stream_line_number(c->proofs), err, what);
		return false;
	}
	where = logwork_at(c, PART_PROOFS, stream_line_number(c->proofs), index);
	c->log->runs++;
	if (run.first == index && run.last < c->log->size &&
	    runtree_begin(&c->tree, &run, c->log->size))
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
	loggrowth_entry(c, index + 1);
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
	logwork_check_commitment(c, where, commitment, size);
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
		logwork_check_commitment(c, where, commitment, l->payload.n);
		atomic_fetch_add(&c->w->done_bytes, l->payload.n);
		break;
	}
	c->payloads++;
	c->bytes += l->e.size;
}

/* One more entry, for what is said of all. */
static void
count(struct logcheck *c)
{
	struct bundle_log *log = c->log;
	const struct entry *e = &c->line.e;

	if (c->records++ == 0) {
		log->first = e->index;
		log->first_ns = e->time_ns;
	}
	log->last = e->index;
	log->last_ns = e->time_ns;
	log->controls += e->kind != ENTRY_RECORD;
	for (size_t i = 0; i < c->w->archive.n_timestamped; i++)
		log->uncovered[i] += e->index >= log->covered[i];
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
		logwork_bad_line(c, PART_RECORDS, number, err, what);
		return;
	}
	if (!logwork_check_place(c, PART_RECORDS, number))
		return;
	where = logwork_at(c, PART_RECORDS, number, l->e.index);
	if (c->records && l->e.index <= c->range.last) {
		findings_fail(c->f, CHECK_ENTRIES, &where, "indexes do not ascend");
		c->stopped = true;
		return;
	}
	sha256_leaf(c->h, leaf, l->text);
	logwork_visit_line(c, &where, leaf);
	check_payload(c, &where);
	add_to_run(c, &where, l->e.index, leaf);
	buf_init(&why);
	err = rules_record(c->rules, l, leaf, &why);
	logwork_check_rules(c, &where, err, &why);
	buf_fini(&why);
	logrange_entry(&c->range, c->w, c->log, c->files->name, l, &where);
	count(c);
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

	if (logwork_next_line(c, PART_PROOFS, c->proofs, &line)) {
		if (begins(line, "{\"first\":") && run_line_read(&c->tree.run, line, &what) == 0) {
			no_run(c, FINDING_NOWHERE, "no records are of this run");
			return;
		}
		err = record_line_tip(l, line, &what);
	}
	if (err) {
		logwork_bad_line(c, PART_PROOFS, stream_line_number(c->proofs), err, what);
		return;
	}
	if (!logwork_check_place(c, PART_PROOFS, stream_line_number(c->proofs)))
		return;
	where = logwork_at(c, PART_PROOFS, stream_line_number(c->proofs), l->e.index);
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
		logwork_visit_line(c, &where, leaf);
	if (logwork_next_line(c, PART_PROOFS, c->proofs, &line))
		logwork_bad_line(c, PART_PROOFS, stream_line_number(c->proofs), STELE_ESYNTAX,
				 "something follows the line of the log's last entry");
}

static void
check_counts(struct logcheck *c)
{
	struct place where = logwork_at(c, PART_RECORDS, 0, FINDING_NOWHERE);

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
		where = bundle_place(c->w, c->next_payload, c->path[PART_PAYLOADS], 0,
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
	while (!c->stopped && logwork_next_line(c, PART_RECORDS, s, &line))
		check_record(c, line, stream_line_number(s));
	if (!c->stopped)
		end_run(c);
	if (!c->stopped && !c->lost)
		check_tip(c);
	if (!c->stopped) {
		logwork_visit_controls(c, UINT64_MAX);
		check_counts(c);
		logrange_end(&c->range, c->w, c->log, c->doc, c->files);
	}
	if (s)
		archive_done(a, file, s, c->f);
	if (c->proofs)
		archive_done(a, c->files->part[PART_PROOFS], c->proofs, c->f);
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
		logwork_stop(c, STELE_ENOMEM);
	} else {
		logcontrols_read(c);
		if (!c->stopped)
			read_records(c);
		if (!c->stopped)
			loggrowth_read(c);
		if (!c->stopped)
			loggrowth_check(c);
		c->log->rules = rules_counts(c->rules);
		c->log->records = c->records;
	}
	rules_free(c->rules);
	record_line_fini(&c->line);
	sha256_free(c->h);
	free(c->controls);
	free(c);
}
