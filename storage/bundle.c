/* From the first file to the last: what is counted is told at the end, though it lies before. */
#include "storage/bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "storage/bundlework.h"
#include "storage/internal.h"

int
bundle_put_file(struct bundle *b, const char *path, struct slice s, struct spool_row *row)
{
	int err = spool_body_begin(b->m, BUNDLE_LINES, !b->job->stored);

	if (err == 0)
		err = spool_body_put(b->m, BUNDLE_LINES, s);
	return err == 0 ? spool_body_end(b->m, BUNDLE_LINES, path, row) : err;
}

int
bundle_end_file(struct bundle *b, struct bundle_part *p, unsigned body, const char *name)
{
	char path[sizeof p->rows[0].path + 1];
	int err;

	CHECK(p->n_rows < BUNDLE_LOG_FILES);
	snprintf(path, sizeof path, "data/%s/%s", p->folder, name);
	err = spool_body_end(b->m, body, path, &p->rows[p->n_rows]);
	p->n_rows += err == 0;
	return err;
}

int
bundle_step(struct bundle *b)
{
	if (!b->job->step)
		return 0;
	b->counts.spool_bytes = spool_made_bytes(b->m);
	return b->job->step(b->job->ctx, &b->counts) ? STELE_ECLOSED : 0;
}

/* --- folders ------------------------------------------------------------------------------- */

/* Whether that would be no folder's name everywhere (docs/formats.md section 10). */
static bool
is_odd(const char *name)
{
	static const char *const ours[] = {"bundle.json", "custody.ndjson", "certificate.search",
					   "timestamps"};
	static const char *const devices[] = {"con", "prn", "aux", "nul"};
	size_t n = strcspn(name, ".");

	for (size_t i = 0; i < 4; i++)
		if (strcmp(name, ours[i]) == 0)
			return true;
	for (size_t i = 0; i < 4; i++)
		if (n == 3 && memcmp(name, devices[i], 3) == 0)
			return true;
	if (n == 4 && (memcmp(name, "com", 3) == 0 || memcmp(name, "lpt", 3) == 0) &&
	    name[3] >= '0' && name[3] <= '9')
		return true;
	return name[strlen(name) - 1] == '.';
}

static void
name_folder(struct bundle_part *p)
{
	const char *name = log_name(p->log->log), *odd = is_odd(name) ? "~" : "";

	snprintf(p->folder, sizeof p->folder, "%s%s%s", odd, name, odd);
}

/* --- all of it ----------------------------------------------------------------------------- */

static int
put_head(struct bundle *b)
{
	static const char bagit[] = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
	int err = bundle_put_file(b, "bagit.txt", slice_str(bagit), &b->head[0]);

	b->n_head = 2; /* bundle.json comes at the end */
	if (err == 0)
		err = bundle_put_file(b, "data/custody.ndjson", b->job->custody,
				      &b->head[b->n_head++]);
	if (err == 0 && b->job->certificate.n)
		err = bundle_put_file(b, "data/certificate.search", b->job->certificate,
				      &b->head[b->n_head++]);
	for (size_t i = 0; err == 0 && i < b->job->n_timestamps; i++)
		err = bundle_put_file(b, b->job->timestamps[i].path, b->job->timestamps[i].bytes,
				      &b->head[b->n_head++]);
	return err;
}

static int
put_logs(struct bundle *b)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < b->job->n_logs; i++) {
		struct bundle_part *p = &b->parts[i];

		err = bundle_put_log(b, p);
		if (err == 0)
			err = bundle_put_records(b, p);
	}
	return err;
}

static int
make(struct bundle *b)
{
	int err = put_head(b);

	if (err == 0)
		err = put_logs(b);
	b->ended_ns = store_now_ns(b->job->st);
	buf_reset(&b->text);
	if (err == 0)
		err = bundle_put_json(b, &b->text);
	if (err == 0)
		err = bundle_put_file(b, "data/bundle.json", buf_slice(&b->text), &b->head[1]);
	if (err == 0)
		err = bundle_put_texts(b);
	return err == 0 ? bundle_put_bag(b) : err;
}

static int
open_bundle(struct bundle *b, const struct bundle_job *job, struct buf *why)
{
	memset(b, 0, sizeof *b);
	arena_init(&b->arena);
	buf_init(&b->line);
	buf_init(&b->row);
	buf_init(&b->text);
	b->job = job;
	b->why = why;
	b->t = toolbox_new();
	b->parts = calloc(job->n_logs, sizeof *b->parts);
	if (!b->t || !b->parts)
		return STELE_ENOMEM;
	for (size_t i = 0; i < job->n_logs; i++) {
		struct bundle_part *p = &b->parts[i];

		p->log = &job->logs[i];
		p->number = i;
		buf_init(&p->holds);
		name_folder(p);
	}
	return spool_make_begin(&b->m, job->st, job->id);
}

static void
close_bundle(struct bundle *b)
{
	spool_make_free(b->m);
	for (size_t i = 0; b->parts && i < b->job->n_logs; i++)
		buf_fini(&b->parts[i].holds);
	free(b->parts);
	toolbox_free(b->t);
	arena_fini(&b->arena);
	buf_fini(&b->line);
	buf_fini(&b->row);
	buf_fini(&b->text);
}

/* What to do, where nobody has said it yet. */
static void
explain(int err, struct buf *why)
{
	if (why->n)
		return;
	if (err == STELE_EGONE)
		buf_put_str(why, "records of this export were purged while it was made, and it "
				 "was destroyed with them: export again");
	else if (err == STELE_ECLOSED)
		buf_put_str(why, "it was stopped: export again");
	else if (err == STELE_ELIMIT)
		buf_printf(why,
			   "a bundle has at most %u files: export fewer large payloads at once",
			   LIMIT_BUNDLE_FILES);
	else
		buf_printf(why, "%s", stele_strerror(err));
}

int
bundle_make(const struct bundle_job *job, struct bundle_result *out, struct buf *why)
{
	struct bundle_result got = {0};
	struct bundle b;
	int err;

	CHECK(job->n_logs >= 1 && job->n_timestamps <= BUNDLE_TIMESTAMP_FILES);
	err = open_bundle(&b, job, why);
	if (err == 0)
		err = make(&b);
	if (err == 0)
		err = bundle_step(&b);
	if (err == 0)
		err = spool_make_end(b.m, b.digest, &got.bytes, &got.files);
	if (err != 0 && err != STELE_EGONE && b.m && spool_lost(b.m)) {
		buf_reset(why); /* its files went under it */
		err = STELE_EGONE;
	}
	if (err == 0) {
		memcpy(got.digest, b.digest, sizeof got.digest);
		got.counts = b.counts;
		*out = got;
	} else {
		explain(err, why);
	}
	close_bundle(&b);
	return err;
}
