/* BagIt 1.0 (RFC 8493) as strictly as docs/formats.md section 10 has it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/hex.h"
#include "proto/lines.h"
#include "verify/bundlework.h"

enum { BAG_INFO_MOST = 1 << 20 };

static const char bagit_text[] = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/* Files whose paths follow each other: one, or all payloads of a log. */
struct group {
	char path[FINDING_PATH_BYTES]; /* of the first */
	size_t file, n;
};

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->path, ((const struct group *)b)->path);
}

static bool
is_payload(const struct archive_file *x)
{
	return x->part == PART_BUNDLE || (x->part >= PART_CUSTODY && x->part <= PART_PAYLOADS);
}

/* The files that a manifest has, in order of their paths; NULL without memory. */
static struct group *
order(const struct archive *a, bool payload, size_t *n)
{
	size_t most = PARTS + a->n_logs * (PART_PAYLOADS - PART_CHECKPOINT + 1) +
		      a->n_timestamped * (2 + LIMIT_AUTHORITIES);
	struct group *g = calloc(most, sizeof *g);

	*n = 0;
	for (size_t i = 0; g && i < a->n; i++) {
		const struct archive_file *x = &a->files[i];
		if (is_payload(x) != payload ||
		    (!payload && (x->part == PART_TAG_MANIFEST || x->part == PART_SIGNATURE)))
			continue;
		if (x->part == PART_PAYLOADS && i != a->logs[x->log].part[PART_PAYLOADS]) {
			g[*n - 1].n++;
			continue;
		}
		archive_path(a, i, g[*n].path);
		g[*n].file = i;
		g[(*n)++].n = 1;
	}
	if (g)
		qsort(g, *n, sizeof *g, by_path);
	return g;
}

/* A line: what is wrong with it as that of this file, or NULL. */
static const char *
check_line(const struct archive *a, size_t file, struct slice line)
{
	const struct archive_file *x = &a->files[file];
	char path[FINDING_PATH_BYTES], hex[65];

	archive_path(a, file, path);
	if (line.n < 67 || line.p[64] != ' ' || line.p[65] != ' ' ||
	    !slice_eq_str(slice_of(line.p + 66, line.n - 66), path))
		return "it is not the line of the file that comes next in order: a line is "
		       "missing, too many, or not where it has to be";
	hex_format(hex, x->digest, 32);
	if (x->digested && memcmp(hex, line.p, 64) != 0)
		return "the digest is not that of the file: one of the two was altered";
	return NULL;
}

static void
check_lines(struct bundle_work *w, size_t manifest, const struct group *g, size_t n,
	    struct stream *s)
{
	char path[FINDING_PATH_BYTES];
	const char *wrong = NULL;
	struct slice line;
	size_t i = 0, k = 0;
	struct place where;
	int got;

	while (!wrong && (got = stream_line(s, &line)) > 0) {
		if (i == n) {
			wrong = "there are more lines than files";
			break;
		}
		wrong = check_line(&w->archive, g[i].file + k, line);
		if (++k == g[i].n) {
			i++;
			k = 0;
		}
	}
	if (!wrong && (got == STELE_ESYNTAX || got == STELE_ELIMIT))
		wrong = stream_why(s);
	if (!wrong && got == 0 && i < n)
		wrong = "it has no line for some of the files";
	where = bundle_place(w, manifest, path, stream_line_number(s), FINDING_NOWHERE);
	if (wrong)
		findings_fail(&w->findings, CHECK_MANIFEST, &where, "%s", wrong);
}

static void
check_manifest(struct bundle_work *w, enum part part, bool payload)
{
	size_t n, file = w->archive.part[part];
	struct group *g = order(&w->archive, payload, &n);
	struct stream *s = g ? archive_stream(&w->archive, file, false, &w->findings) : NULL;

	if (s)
		check_lines(w, file, g, n, s);
	else
		findings_stop(&w->findings, STELE_ENOMEM, "there is not enough memory");
	if (s)
		archive_done(&w->archive, file, s, &w->findings);
	free(g);
}

static bool
begins(struct slice line, const char *label)
{
	size_t n = strlen(label);

	return line.n >= n && memcmp(line.p, label, n) == 0;
}

/* What bag-info.txt must say among other things. */
static const char *
check_info(struct bundle_work *w, struct slice text)
{
	uint64_t bytes = 0, files = 0;
	char oxum[64], id[48];
	unsigned n_oxum = 0, n_id = 0;
	bool has_oxum = false, has_id = false;
	struct lines l;

	for (size_t i = 0; i < w->archive.n; i++) {
		if (!is_payload(&w->archive.files[i]))
			continue;
		bytes += w->archive.files[i].where.size;
		files++;
	}
	snprintf(oxum, sizeof oxum, "Payload-Oxum: %" PRIu64 ".%" PRIu64, bytes, files);
	snprintf(id, sizeof id, "External-Identifier: %s", w->archive.export);
	lines_init(&l, text);
	while (!lines_err(&l) && l.rest.n) {
		struct slice line = lines_take(&l);
		const uint8_t *colon = memchr(line.p, ':', line.n);
		if (!colon || colon == line.p || (size_t)(colon - line.p) + 2 >= line.n ||
		    colon[1] != ' ')
			return "a line is not as 'Label: value'";
		n_oxum += begins(line, "Payload-Oxum:");
		n_id += begins(line, "External-Identifier:");
		has_oxum = has_oxum || slice_eq_str(line, oxum);
		has_id = has_id || slice_eq_str(line, id);
	}
	if (lines_err(&l))
		return "its last line has no newline";
	if (!has_oxum || n_oxum != 1)
		return "its Payload-Oxum is missing, there twice, or not that of the files";
	return has_id && n_id == 1
		       ? NULL
		       : "its External-Identifier is missing, there twice, or another export's";
}

static void
check_tags(struct bundle_work *w)
{
	struct archive *a = &w->archive;
	size_t bagit = a->part[PART_BAGIT], info = a->part[PART_BAG_INFO];
	char path[FINDING_PATH_BYTES];
	struct place where = bundle_place(w, bagit, path, 0, FINDING_NOWHERE);
	const char *wrong;
	struct buf text;

	buf_init(&text);
	if (archive_load(a, bagit, BAG_INFO_MOST, CHECK_MANIFEST, &text, &w->findings) == 0 &&
	    !slice_eq_str(buf_slice(&text), bagit_text))
		findings_fail(&w->findings, CHECK_MANIFEST, &where,
			      "it does not say that this is a bag of BagIt 1.0, in UTF-8");
	buf_reset(&text);
	if (archive_load(a, info, BAG_INFO_MOST, CHECK_MANIFEST, &text, &w->findings) == 0) {
		wrong = check_info(w, buf_slice(&text));
		where = bundle_place(w, info, path, 0, FINDING_NOWHERE);
		if (wrong)
			findings_fail(&w->findings, CHECK_MANIFEST, &where, "%s", wrong);
	}
	buf_fini(&text);
}

void
bundle_check_bag(struct bundle_work *w)
{
	check_tags(w);
	check_manifest(w, PART_MANIFEST, true);
	check_manifest(w, PART_TAG_MANIFEST, false);
}
