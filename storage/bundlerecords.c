/* One pass over the records: a line, a row of the table and, where it is large, the payload's file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/csv.h"
#include "proto/err.h"
#include "proto/utf8.h"
#include "storage/bundlework.h"
#include "storage/internal.h"
#include "storage/object.h"

enum { PIECE_BYTES = 1 << 20 };

static const char *const reasons[] = {
	[WITHHELD_NOT_REQUESTED] = "not_requested",
	[WITHHELD_NOT_PERMITTED] = "not_permitted",
	[WITHHELD_RESTRICTED] = "restricted",
	[WITHHELD_UNREADABLE] = "unreadable",
};

/* What becomes of a record. */
enum fate { SHOWN, IN_FILE, PURGED, WITHHELD };

struct written {
	struct bundle *b;
	struct bundle_part *p;
	struct record r;
	enum fate fate;
	enum bundle_withheld reason;
};

/* --- lines --------------------------------------------------------------------------------- */

void
bundle_put_entry(struct buf *out, const struct record *r)
{
	buf_put_str(out, "{\"entry\":");
	buf_put_json_str(out, r->text);
	if (r->gone)
		return;
	buf_put_str(out, ",\"salt\":\"");
	buf_put_base64(out, r->salt, sizeof r->salt);
	buf_put_u8(out, '"');
}

void
bundle_put_payload(struct buf *out, const struct record *r)
{
	if (utf8_valid(r->payload)) {
		buf_put_str(out, ",\"payload\":");
		buf_put_json_str(out, r->payload);
		return;
	}
	buf_put_str(out, ",\"payload_b64\":\"");
	buf_put_base64(out, r->payload.p, r->payload.n);
	buf_put_u8(out, '"');
}

static int
put_line(struct written *w)
{
	struct buf *out = &w->b->line;
	const struct record *r = &w->r;

	buf_reset(out);
	if (w->fate == SHOWN || w->fate == IN_FILE) {
		bundle_put_entry(out, r);
	} else {
		buf_put_str(out, "{\"entry\":");
		buf_put_json_str(out, r->text);
	}
	if (w->fate == SHOWN)
		bundle_put_payload(out, r);
	else if (w->fate == IN_FILE)
		buf_printf(out, ",\"file\":\"%015" PRIu64 ".bin\"", r->entry.index);
	else if (w->fate == PURGED)
		buf_printf(out, ",\"purged\":%" PRIu64, r->purge);
	else
		buf_printf(out, ",\"withheld\":\"%s\"", reasons[w->reason]);
	buf_put_str(out, "}\n");
	if (out->err)
		return out->err;
	return spool_body_put(w->b->m, BUNDLE_LINES, buf_slice(out));
}

/* --- the table ----------------------------------------------------------------------------- */

static void
put_state(struct buf *out, const struct written *w)
{
	buf_printf(out, ",%s,", entry_kind_name(w->r.entry.kind));
	if (w->fate == SHOWN)
		buf_put_str(out, "shown");
	else if (w->fate == IN_FILE)
		buf_printf(out, "files/%015" PRIu64 ".bin", w->r.entry.index);
	else if (w->fate == PURGED)
		buf_printf(out, "purged by entry %" PRIu64, w->r.purge);
	else
		buf_printf(out, "withheld: %s", reasons[w->reason]);
	buf_put_str(out, "\r\n");
}

static int
put_row(struct written *w)
{
	const struct entry *e = &w->r.entry;
	struct csv_record row = {slice_str(log_name(w->p->log->log)), e->index, e->time_ns,
				 e->time_ns, e->writer};
	bool read = w->fate == SHOWN && e->kind == ENTRY_RECORD;
	struct buf *out = &w->b->row;
	int err = read ? schema_fit_read(w->b->fit, w->r.payload) : 0;

	buf_reset(out);
	if (err == 0 && read)
		err = csv_time(w->b->fit, e->time_ns, &row.time_ns);
	if (err == 0)
		err = csv_put_record(out, &row, read ? w->b->fit : NULL);
	put_state(out, w);
	if (err == 0)
		err = out->err;
	return err == 0 ? spool_body_put(w->b->m, BUNDLE_TABLE, buf_slice(out)) : err;
}

/* --- large payloads ------------------------------------------------------------------------ */

/* An object's bytes into the body that is open, held against the commitment. */
static int
copy_object(struct written *w, struct object *o)
{
	uint64_t size = object_size(o);
	struct sha256 *h = sha256_new();
	uint8_t *piece = malloc(PIECE_BYTES), commitment[32];
	int err = h && piece ? 0 : STELE_ENOMEM;

	if (err == 0)
		sha256_commitment_begin(h, w->r.salt);
	for (uint64_t at = 0; err == 0 && at < size; at += PIECE_BYTES) {
		size_t n = size - at < PIECE_BYTES ? (size_t)(size - at) : PIECE_BYTES;

		err = object_read(o, at, piece, n, w->b->t);
		if (err != 0)
			break;
		sha256_update(h, slice_of(piece, n));
		err = spool_body_put(w->b->m, BUNDLE_FILES, slice_of(piece, n));
		if (err == 0)
			err = bundle_step(w->b);
	}
	if (err == 0) {
		sha256_end(h, commitment);
		if (memcmp(commitment, w->r.entry.commitment, 32) != 0)
			err = read_damaged(w->p->log->log, w->r.entry.index, "its object");
	}
	if (piece)
		explicit_bzero(piece, PIECE_BYTES);
	free(piece);
	sha256_free(h);
	return err;
}

static int
copy_payload(struct written *w)
{
	struct object *o;
	int err;

	if (!w->r.object)
		return spool_body_put(w->b->m, BUNDLE_FILES, w->r.payload);
	err = object_open(&o, w->b->job->st, w->p->log->log, w->r.entry.index, w->r.payload);
	if (err != 0)
		return err;
	err = copy_object(w, o);
	object_close(o);
	return err;
}

/* The payload's file; one that is damaged is withheld as that. */
static int
put_file(struct written *w)
{
	char path[sizeof w->p->rows[0].path + 1];
	struct spool_row row;
	int err = spool_body_begin(w->b->m, BUNDLE_FILES, !w->b->job->stored);

	if (err == 0)
		err = copy_payload(w);
	if (err == STELE_EDAMAGED) {
		spool_body_drop(w->b->m, BUNDLE_FILES);
		w->fate = WITHHELD;
		w->reason = WITHHELD_UNREADABLE;
		return 0;
	}
	if (err != 0)
		return err;
	snprintf(path, sizeof path, "data/%s/files/%015" PRIu64 ".bin", w->p->folder,
		 w->r.entry.index);
	err = spool_body_end(w->b->m, BUNDLE_FILES, path, &row);
	if (err == 0)
		err = spool_keep(w->b->m, &row);
	if (err == 0) {
		w->p->n_kept++;
		w->p->file_bytes += row.size;
	}
	return err;
}

/* --- a record ------------------------------------------------------------------------------ */

/* A payload that went after the pinned size: the purge entry that says so is not in the bundle. */
static int
went(const struct written *w)
{
	buf_printf(w->b->why,
		   "log %s: record %" PRIu64 " was purged by entry %" PRIu64
		   " while the export was made: export again",
		   log_name(w->p->log->log), w->r.entry.index, w->r.purge);
	return STELE_EGONE;
}

static int
decide(struct written *w, bool asked)
{
	const struct bundle_job *j = w->b->job;
	const struct record *r = &w->r;

	w->fate = r->entry.size > LIMIT_BUNDLE_INLINE_BYTES || r->object ? IN_FILE : SHOWN;
	if (r->gone) {
		w->fate = PURGED;
		return r->purge < w->p->log->head->size ? 0 : went(w);
	}
	if (r->entry.kind != ENTRY_RECORD)
		return 0;
	w->reason = WITHHELD_REASONS;
	if (!asked)
		w->reason = WITHHELD_NOT_REQUESTED;
	else if (!w->p->log->permitted)
		w->reason = WITHHELD_NOT_PERMITTED;
	else if (j->restricted && j->restricted(j->ctx, w->p->number, r->entry.index))
		w->reason = WITHHELD_RESTRICTED;
	if (w->reason != WITHHELD_REASONS)
		w->fate = WITHHELD;
	return 0;
}

static void
count_in(struct bundle_counts *c, const struct written *w)
{
	c->entries++;
	if (w->fate == PURGED) {
		c->purged++;
	} else if (w->fate == WITHHELD) {
		c->withheld++;
		c->unreadable += w->reason == WITHHELD_UNREADABLE;
		c->restricted += w->reason == WITHHELD_RESTRICTED;
	} else {
		c->payloads++;
		c->bytes += w->r.entry.size;
	}
}

static void
count(struct written *w)
{
	struct bundle_part *p = w->p;

	if (p->counts.entries == 0)
		p->from_ns = w->r.entry.time_ns;
	p->to_ns = w->r.entry.time_ns;
	p->controls_here += w->r.entry.kind != ENTRY_RECORD;
	if (w->fate == WITHHELD)
		p->withheld[w->reason]++;
	count_in(&p->counts, w);
	count_in(&w->b->counts, w);
}

static int
read_one(struct written *w, uint64_t index)
{
	struct bundle *b = w->b;
	int err;

	arena_reset(&b->arena);
	err = read_entry(b->job->st, w->p->log->log, index, b->t, &b->arena, &w->r);
	if (err == STELE_EDAMAGED)
		buf_printf(b->why,
			   "log %s: entry %" PRIu64
			   " is damaged on disk and cannot be proven: restore the file that stele "
			   "fsck names, or leave the entry out, then export again",
			   log_name(w->p->log->log), index);
	return err;
}

/* The record may go between its descriptor and its object: then what there is now is said. */
static int
put_record(struct written *w, uint64_t index, bool asked)
{
	const struct bundle_job *j = w->b->job;
	int err = read_one(w, index);

	if (err == 0)
		err = decide(w, asked);
	if (err == 0 && w->fate == IN_FILE)
		err = put_file(w);
	if (err == 0)
		err = put_line(w);
	if (err == 0)
		err = put_row(w);
	if (err != 0)
		return err;
	count(w);
	if (j->took && w->fate <= IN_FILE && w->r.entry.kind == ENTRY_RECORD)
		j->took(j->ctx, w->p->number, index);
	return bundle_step(w->b);
}

static int
put_all(struct bundle *b, struct bundle_part *p)
{
	const struct bundle_job *j = b->job;
	struct written w = {.b = b, .p = p};
	struct bundle_run run;
	uint64_t from = 0;
	int err = 0, rc;

	while (err == 0 && (rc = j->next(j->ctx, p->number, from, &run)) != 1) {
		if (rc < 0)
			return rc;
		CHECK(run.first >= from && run.first <= run.last && run.last < p->log->head->size);
		for (uint64_t i = run.first; err == 0 && i <= run.last; i++)
			err = put_record(&w, i, run.asked);
		from = run.last + 1;
	}
	return err;
}

static int
open_fit(struct bundle *b, const struct bundle_part *p, struct schema_fit *fit)
{
	unsigned fields = 1u << FIELD_TIME;
	int err;

	for (size_t i = 0; i < CSV_FIELDS; i++)
		fields |= 1u << csv_fields[i];
	err = schema_fit_init(fit, &p->log->mapping->set, p->log->mapping->chosen, fields);
	b->fit = fit;
	return err == 0 ? schema_fit_start(fit) : err;
}

int
bundle_put_records(struct bundle *b, struct bundle_part *p)
{
	struct schema_fit fit;
	int err = open_fit(b, p, &fit);

	p->kept = spool_kept(b->m);
	if (err == 0 && p->has_lines && p->log->permitted)
		err = spool_cover(b->m, log_id(p->log->log), p->first, p->last);
	if (err == 0)
		err = spool_body_begin(b->m, BUNDLE_LINES, !b->job->stored);
	if (err == 0)
		err = spool_body_begin(b->m, BUNDLE_TABLE, !b->job->stored);
	buf_reset(&b->row);
	csv_put_header(&b->row);
	buf_put_str(&b->row, ",kind,payload\r\n");
	if (err == 0)
		err = b->row.err ? b->row.err
				 : spool_body_put(b->m, BUNDLE_TABLE, buf_slice(&b->row));
	if (err == 0)
		err = put_all(b, p);
	if (err == 0)
		err = bundle_end_file(b, p, BUNDLE_LINES, "records.ndjson");
	if (err == 0)
		err = bundle_end_file(b, p, BUNDLE_TABLE, "records.csv");
	schema_fit_fini(&fit);
	b->fit = NULL;
	p->log->counts = p->counts;
	return err;
}
