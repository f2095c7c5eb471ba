/* The bag around the files: manifests, the signature, and every file in its place. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/identity.h"
#include "crypto/sign.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/timestamp.h"
#include "storage/bundlework.h"
#include "storage/internal.h"

/* A file of the bag, or the folder files/ of a log. */
struct unit {
	char path[sizeof((struct spool_row *)0)->path + 1];
	const struct spool_row *row; /* NULL: rows that the spool keeps */
	const struct bundle_part *part;
};

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct unit *)a)->path, ((const struct unit *)b)->path);
}

static void
add(struct unit *u, const struct spool_row *row)
{
	memcpy(u->path, row->path, row->path_n);
	u->path[row->path_n] = '\0';
	u->row = row;
}

/* All of data/, in the order of paths. */
static struct unit *
list_data(const struct bundle *b, size_t *n)
{
	struct unit *units =
		calloc(BUNDLE_HEAD_FILES + b->job->n_logs * (BUNDLE_LOG_FILES + 1), sizeof *units);

	*n = 0;
	if (!units)
		return NULL;
	for (size_t i = 1; i < b->n_head; i++)
		add(&units[(*n)++], &b->head[i]);
	for (size_t i = 0; i < b->job->n_logs; i++) {
		const struct bundle_part *p = &b->parts[i];

		for (size_t k = 0; k < p->n_rows; k++)
			add(&units[(*n)++], &p->rows[k]);
		snprintf(units[*n].path, sizeof units->path, "data/%s/files/", p->folder);
		units[(*n)++].part = p;
	}
	qsort(units, *n, sizeof *units, compare);
	return units;
}

uint64_t
bundle_bag_bytes(const struct bundle *b, uint64_t *files)
{
	uint64_t bytes = 0;

	*files = 0;
	for (size_t i = 1; i < b->n_head; i++, ++*files)
		bytes += b->head[i].size;
	for (size_t i = 0; i < b->job->n_logs; i++) {
		for (size_t k = 0; k < b->parts[i].n_rows; k++, ++*files)
			bytes += b->parts[i].rows[k].size;
		bytes += b->parts[i].file_bytes;
		*files += b->parts[i].n_kept;
	}
	return bytes;
}

/* --- manifests ----------------------------------------------------------------------------- */

static void
put_digest(struct buf *out, const struct spool_row *row)
{
	char hex[65];

	hex_format(hex, row->sha256, 32);
	buf_printf(out, "%s  %.*s\n", hex, row->path_n, row->path);
}

static int
put_text(struct bundle *b, struct buf *out)
{
	return out->err ? out->err : spool_body_put(b->m, BUNDLE_LINES, buf_slice(out));
}

static int
put_kept(struct bundle *b, const struct bundle_part *p)
{
	struct spool_row row;
	int err = 0;

	for (uint64_t i = 0; err == 0 && i < p->n_kept; i++) {
		err = spool_kept_row(b->m, p->kept + i, &row);
		if (err != 0)
			return err;
		buf_reset(&b->text);
		put_digest(&b->text, &row);
		err = put_text(b, &b->text);
	}
	return err;
}

static int
put_manifest(struct bundle *b, struct spool_row *row)
{
	size_t n;
	struct unit *units = list_data(b, &n);
	int err = units ? spool_body_begin(b->m, BUNDLE_LINES, !b->job->stored) : STELE_ENOMEM;

	for (size_t i = 0; err == 0 && i < n; i++) {
		if (units[i].part) {
			err = put_kept(b, units[i].part);
			continue;
		}
		buf_reset(&b->text);
		put_digest(&b->text, units[i].row);
		err = put_text(b, &b->text);
	}
	free(units);
	return err == 0 ? spool_body_end(b->m, BUNDLE_LINES, "manifest-sha256.txt", row) : err;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct spool_row *x = *(const struct spool_row *const *)a,
			       *y = *(const struct spool_row *const *)b;
	size_t n = x->path_n < y->path_n ? x->path_n : y->path_n;
	int order = memcmp(x->path, y->path, n);

	return order ? order : (int)x->path_n - (int)y->path_n;
}

/* Of bagit.txt and of all of the tail so far. */
static int
put_tag_manifest(struct bundle *b, struct spool_row *row)
{
	const struct spool_row *rows[BUNDLE_TAIL_FILES + 1];
	size_t n = 0;

	rows[n++] = &b->head[0];
	for (size_t i = 0; i < b->n_tail; i++)
		rows[n++] = &b->tail[i];
	qsort(rows, n, sizeof *rows, compare_rows);
	buf_reset(&b->text);
	for (size_t i = 0; i < n; i++)
		put_digest(&b->text, rows[i]);
	if (b->text.err)
		return b->text.err;
	return bundle_put_file(b, "tagmanifest-sha256.txt", buf_slice(&b->text), row);
}

/* --- the signature ------------------------------------------------------------------------- */

static int
put_signature(struct bundle *b, struct spool_row *row)
{
	struct identity *id = store_identity(b->job->st);
	const struct signer *signer = identity_signer(id);
	char time[TIMESTAMP_BYTES];
	int err;

	timestamp_format(time, b->ended_ns);
	buf_reset(&b->text);
	buf_reset(&b->line);
	buf_printf(&b->text, "stele bundle v1\n%s\n%.*s\n%.*s\n", store_server_name(b->job->st),
		   (int)b->job->id.n, (const char *)b->job->id.p, TIMESTAMP_BYTES, time);
	buf_put_base64(&b->text, b->digest, 32);
	buf_put_u8(&b->text, '\n');
	sign_note(&b->line, buf_slice(&b->text), &signer, 1);
	identity_unref(id);
	err = b->text.err ? b->text.err : b->line.err;
	return err ? err : bundle_put_file(b, "signature", buf_slice(&b->line), row);
}

/* --- the archive --------------------------------------------------------------------------- */

static int
place(struct bundle *b, const struct spool_row *rows, size_t n)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < n; i++)
		err = spool_place(b->m, &rows[i]);
	return err;
}

static int
place_all(struct bundle *b)
{
	int err = place(b, b->head, b->n_head);

	for (size_t i = 0; err == 0 && i < b->job->n_logs; i++) {
		const struct bundle_part *p = &b->parts[i];
		struct spool_row row;

		err = place(b, p->rows, p->n_rows);
		for (uint64_t k = 0; err == 0 && k < p->n_kept; k++) {
			err = spool_kept_row(b->m, p->kept + k, &row);
			if (err == 0)
				err = spool_place(b->m, &row);
		}
	}
	return err == 0 ? place(b, b->tail, b->n_tail) : err;
}

int
bundle_put_bag(struct bundle *b)
{
	int err = put_manifest(b, &b->tail[b->n_tail++]);

	if (err == 0)
		err = put_tag_manifest(b, &b->tail[b->n_tail]);
	if (err == 0) {
		memcpy(b->digest, b->tail[b->n_tail++].sha256, 32);
		err = put_signature(b, &b->tail[b->n_tail++]);
	}
	return err == 0 ? place_all(b) : err;
}
