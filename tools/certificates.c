/* Rows are sorted once; each match is then looked up. */
#include "tools/certificates.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/certcheck.h"

/* --- rows -------------------------------------------------------------------------------- */

static int
by_log_and_index(const void *left, const void *right)
{
	const struct certificate_row *a = left, *b = right;
	int order = strcmp(a->log, b->log);

	return order ? order : (a->index > b->index) - (a->index < b->index);
}

static int
add_row(struct certificate_rows *rows, const json_t *doc)
{
	const char *log = json_string_value(json_object_get(doc, "log"));
	const json_t *index = json_object_get(doc, "index");
	struct certificate_row *more;

	if (!log || !json_is_integer(index) || json_integer_value(index) < 0)
		return STELE_ESYNTAX;
	if (rows->n == rows->cap) {
		rows->cap = rows->cap ? 2 * rows->cap : 64;
		more = realloc(rows->row, rows->cap * sizeof *more);
		if (!more)
			return STELE_ENOMEM;
		rows->row = more;
	}
	rows->row[rows->n] =
		(struct certificate_row){strdup(log), (uint64_t)json_integer_value(index), false};
	return rows->row[rows->n].log ? (rows->n++, 0) : STELE_ENOMEM;
}

/* A row, or a page of them. */
static int
add_line(struct certificate_rows *rows, struct slice line)
{
	json_t *doc = json_loadb((const char *)line.p, line.n, JSON_ALLOW_NUL, NULL);
	const json_t *list = json_object_get(doc, "records"), *row;
	int err = 0;
	size_t i;

	if (!json_is_array(list))
		err = add_row(rows, doc);
	else
		json_array_foreach(list, i, row)
		{
			if (err == 0)
				err = add_row(rows, row);
		}
	json_decref(doc);
	return err;
}

int
certificate_rows_read(struct certificate_rows *rows, struct slice text, struct buf *why)
{
	uint64_t number = 0;
	int err = 0;

	while (err == 0 && text.n) {
		const uint8_t *lf = memchr(text.p, '\n', text.n);
		size_t n = lf ? (size_t)(lf - text.p) : text.n;

		number++;
		if (n)
			err = add_line(rows, slice_of(text.p, n));
		n += lf ? 1 : 0;
		text = slice_of(text.p + n, text.n - n);
	}
	if (err == STELE_ESYNTAX)
		buf_printf(why, "line %" PRIu64 " is no row of a query: it has no log and index",
			   number);
	if (err != 0)
		return err;
	if (rows->n)
		qsort(rows->row, rows->n, sizeof *rows->row, by_log_and_index);
	for (size_t i = 1; i < rows->n; i++) {
		if (by_log_and_index(&rows->row[i - 1], &rows->row[i]) != 0)
			continue;
		buf_printf(why, "record %" PRIu64 " of %s is there twice", rows->row[i].index,
			   rows->row[i].log);
		return STELE_ESYNTAX;
	}
	return 0;
}

void
certificate_rows_free(struct certificate_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		free(rows->row[i].log);
	free(rows->row);
	*rows = (struct certificate_rows){.n = 0};
}

/* --- findings ------------------------------------------------------------------------------ */

struct finding {
	struct report *report;
	const struct report_item *item;
	struct certificate_rows *rows;
	uint64_t missing; /* matches that no row is of */
	uint64_t first_missing;
	char first_log[LIMIT_LOG_NAME_BYTES + 1];
};

static void
say(void *ctx, const char *check, enum certcheck_result result, struct slice text)
{
	static const char *const words[] = {"ok", "open", "INVALID"};
	struct finding *f = ctx;

	report_check(f->report, f->item, check, words[result], text);
}

/* Is there a row of it? */
static void
look_up(struct finding *f, const char *log, uint64_t index)
{
	struct certificate_rows *rows = f->rows;
	struct certificate_row key = {(char *)(uintptr_t)log, index, false}, *row;

	row = rows->n ? bsearch(&key, rows->row, rows->n, sizeof key, by_log_and_index) : NULL;
	if (row) {
		row->certified = true;
	} else if (f->missing++ == 0) {
		f->first_missing = index;
		snprintf(f->first_log, sizeof f->first_log, "%s", log);
	}
}

static int
match(void *ctx, struct slice origin, uint64_t first, uint64_t last)
{
	const uint8_t *slash = memrchr(origin.p, '/', origin.n);
	struct finding *f = ctx;
	char log[LIMIT_LOG_NAME_BYTES + 1];

	if (!slash)
		return STELE_ESYNTAX;
	snprintf(log, sizeof log, "%.*s", (int)(origin.p + origin.n - slash - 1),
		 (const char *)slash + 1);
	for (; first <= last; first++)
		look_up(f, log, first);
	return 0;
}

/* Rows and matches are the same. */
static bool
check_rows(struct finding *f)
{
	const struct certificate_row *other = NULL;
	struct buf text;
	bool good;

	for (size_t i = 0; i < f->rows->n && !other; i++)
		if (!f->rows->row[i].certified)
			other = &f->rows->row[i];
	buf_init(&text);
	good = !other && f->missing == 0;
	if (other)
		buf_printf(&text, "record %" PRIu64 " of %s is among the rows, and not certified",
			   other->index, other->log);
	else if (f->missing)
		buf_printf(&text,
			   "%" PRIu64 " matches are not among the rows, record %" PRIu64
			   " of %s being the first",
			   f->missing, f->first_missing, f->first_log);
	else
		buf_printf(&text,
			   "the %zu rows are exactly the matches; what they say is proven by their "
			   "receipts",
			   f->rows->n);
	report_check(f->report, f->item, "rows", good ? "ok" : "INVALID", buf_slice(&text));
	buf_fini(&text);
	return good;
}

void
certificate_check(struct report *r, const struct report_item *item, struct slice file,
		  const struct receipt_trust *trust, bool successions,
		  struct certificate_rows *rows)
{
	struct finding f = {.report = r, .item = item, .rows = rows};
	const struct certcheck_sink sink = {say, rows ? match : NULL, &f};
	bool complete = false;
	int err;

	report_check_begin(r, item);
	err = certcheck(file, trust, successions, &sink, &complete);
	if (err != 0 && err != STELE_EVERIFY) {
		report_unreadable(r, item, stele_strerror(err));
		return;
	}
	if (rows)
		rows->held = true;
	if (err == 0 && rows && !check_rows(&f))
		err = STELE_EVERIFY;
	r->n_of[REPORT_CERTIFICATE]++;
	report_check_end(r, err == 0, complete);
}
