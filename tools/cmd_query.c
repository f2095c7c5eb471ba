/* stele query: records that match, as a table, as JSON, as CSV, or counted. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/query_args.h"

static const char about[] =
	"Lists the records of the LOGs (names, and patterns such as 'k8s-*'; none: of all that the\n"
	"token may read) that match all that is asked, in the order in which they were received.\n"
	"Of several values for one option one must fit; a * at the end asks for what begins so.\n"
	"Times are 2026-11-01, 2026-11-01T08:00:00+01:00, '2h ago', now; docs/queries.md has the\n"
	"language of --filter. --json writes each page of the answer as a line, with payloads.\n"
	"\n"
	"  stele query payments --from '2h ago' --actor alice\n"
	"  stele query --any 10.1.2.3 --outcome failure --desc\n"
	"  stele query 'k8s-*' --filter 'verb = \"delete\" AND responseStatus.code < 300' --csv\n"
	"  stele query trades --from 2026-11-01 --by actor\n"
	"  stele query --matter 'Case 7' --any @alice      (stele alias set)\n"
	"\n"
	"--certify FILE has the server state what it found, with proof of what the indexes of sealed\n"
	"segments say, as a file that 'stele verify' checks on another machine; the rows are then of\n"
	"the same trees. docs/queries.md says what that proves.\n"
	"\n"
	"The last line, on standard error, says how many records were looked at, how many of them\n"
	"cannot be judged, and whether the answer is whole. Exit status 2 when it is not: something\n"
	"could not be read.";

enum { PAGE_ROWS = 500, USUAL_ROWS = 1000, VALUE_COLUMNS = 100 };

struct asked {
	struct query_args terms;
	const char *from, *to, *tz, *filter, *by, *histogram, *certify;
	uint64_t limit, as_of;
	bool desc, csv, count;
};

struct querying {
	struct cli *cli;
	const struct cli_command *self;
	const struct asked *asked;
	struct buf base;       /* path and parameters, all but limit and cursor */
	struct buf cursor;     /* empty: the first page, or behind the last */
	uint64_t rows;         /* so far */
	json_t *last;          /* what the last page said beside its rows */
	json_t *values, *bars; /* counts by text, of all pages */
	uint64_t others;
};

/* --- what is asked ------------------------------------------------------------------------ */

static int
put_query(struct querying *q, int n, char **logs)
{
	const struct asked *a = q->asked;
	struct buf *b = &q->base;
	int rc;

	buf_put_str(b, "/api/v1/records?logs=");
	query_args_put_logs(b, n, logs);
	rc = query_args_put_time(q->self, b, "from", "from", a->from);
	if (rc == CLI_GO)
		rc = query_args_put_time(q->self, b, "to", "to", a->to);
	query_args_put_one(b, "tz", a->tz);
	query_args_put(&a->terms, b);
	query_args_put_one(b, "filter", a->filter);
	query_args_put_one(b, "by", a->by);
	query_args_put_one(b, "histogram", a->histogram);
	query_args_put_one(b, "order", a->desc ? "desc" : NULL);
	query_args_put_one(b, "count", a->count ? "true" : NULL);
	query_args_put_one(b, "format", a->csv ? "csv" : NULL);
	query_args_put_one(b, "view", q->cli->json || a->csv ? NULL : "summary");
	if (a->as_of != UINT64_MAX)
		buf_printf(b, "&as_of=%" PRIu64, a->as_of);
	return rc;
}

/* --- a table ------------------------------------------------------------------------------- */

static void
put_rows(struct querying *q, const json_t *page)
{
	const json_t *rows = json_object_get(page, "records"), *row;
	size_t i;

	if (q->rows == 0 && json_array_size(rows))
		query_args_print_head();
	json_array_foreach(rows, i, row)
	{
		query_args_print_row(row);
	}
}

/* --- counts ---------------------------------------------------------------------------------- */

static void
add_counts(json_t *to, const json_t *list, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		const char *text = api_text(row, name);
		json_int_t n = json_integer_value(json_object_get(row, "count"));

		json_object_set_new(
			to, text, json_integer(n + json_integer_value(json_object_get(to, text))));
	}
}

struct counted {
	const char *text;
	json_int_t n;
};

static int
most_first(const void *left, const void *right)
{
	const struct counted *a = left, *b = right;

	return a->n != b->n ? (a->n < b->n) - (a->n > b->n) : strcmp(a->text, b->text);
}

static int
by_text(const void *left, const void *right)
{
	return strcmp(((const struct counted *)left)->text, ((const struct counted *)right)->text);
}

static int
put_counted(json_t *counts, int (*order)(const void *, const void *))
{
	size_t n = json_object_size(counts), i = 0;
	struct counted *list = calloc(n + 1, sizeof *list);
	const char *text;
	json_t *count;

	if (!list) {
		cli_say("out of memory");
		return CLI_REFUSED;
	}
	json_object_foreach(counts, text, count)
	{
		list[i++] = (struct counted){text, json_integer_value(count)};
	}
	qsort(list, n, sizeof *list, order);
	for (i = 0; i < n; i++) {
		printf("%10" JSON_INTEGER_FORMAT "  ", list[i].n);
		query_args_print_text(list[i].text, VALUE_COLUMNS);
		putchar('\n');
	}
	free(list);
	return CLI_GO;
}

/* --- pages -------------------------------------------------------------------------------------
 */

/* What a page says beside its rows, and where it goes on. */
static int
take_page(struct querying *q, const struct http_call *c)
{
	json_t *page = q->asked->csv ? json_loads(c->totals, 0, NULL) : api_json(c, "query");
	const char *next = q->asked->csv ? c->cursor : api_text(page, "next");

	if (!page)
		return CLI_REFUSED;
	buf_reset(&q->cursor);
	if (*next && strcmp(next, "-") != 0)
		buf_put_str(&q->cursor, next);
	if (q->asked->csv || q->cli->json) {
		fwrite(c->answer.p, 1, c->answer.n, stdout);
		if (!q->asked->csv)
			putchar('\n');
	} else if (!q->asked->count) {
		put_rows(q, page);
	}
	q->rows += json_array_size(json_object_get(page, "records")) +
		   (uint64_t)json_integer_value(json_object_get(page, "rows"));
	add_counts(q->values, json_object_get(page, "values"), "value");
	add_counts(q->bars, json_object_get(page, "histogram"), "from");
	q->others += (uint64_t)(json_integer_value(json_object_get(page, "others")) +
				json_integer_value(json_object_get(page, "later")));
	json_decref(q->last);
	q->last = page;
	return q->cursor.err ? CLI_REFUSED : CLI_GO;
}

static int
fetch_page(struct querying *q)
{
	uint64_t left = q->asked->limit - q->rows;
	struct http_call c;
	struct buf target;
	int rc;

	buf_init(&target);
	buf_put_slice(&target, buf_slice(&q->base));
	buf_printf(&target, "&limit=%" PRIu64, left < PAGE_ROWS ? left : PAGE_ROWS);
	if (q->cursor.n) {
		buf_put_str(&target, "&cursor=");
		buf_put_slice(&target, buf_slice(&q->cursor));
	}
	rc = api_get(q->cli, &c, api_cstr(&target), NULL, "query");
	if (rc == CLI_GO)
		rc = take_page(q, &c);
	http_call_fini(&c);
	buf_fini(&target);
	return rc;
}

/* The certificate comes first: it says where rows of the same trees begin. */
static int
certify(struct querying *q)
{
	struct http_call c;
	struct buf target;
	int rc;

	buf_init(&target);
	buf_put_slice(&target, buf_slice(&q->base));
	buf_put_str(&target, "&certify=true");
	rc = api_get(q->cli, &c, api_cstr(&target), NULL, "certify the query");
	if (rc == CLI_GO)
		rc = cli_write_file(q->asked->certify, buf_slice(&c.answer));
	if (rc == CLI_GO)
		buf_put_str(&q->cursor, c.cursor);
	http_call_fini(&c);
	buf_fini(&target);
	return rc == CLI_GO && q->cursor.err ? CLI_REFUSED : rc;
}

/* --- the end -------------------------------------------------------------------------------------
 */

static uint64_t
total(const struct querying *q, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(q->last, name));
}

/* How whole the answer is, for people. */
static int
say_totals(const struct querying *q)
{
	uint64_t unreadable = total(q, "unreadable");

	fprintf(stderr, "%" PRIu64 " records looked at, %" PRIu64 " match", total(q, "scanned"),
		total(q, "matched"));
	if (total(q, "unparsed"))
		fprintf(stderr, ", %" PRIu64 " cannot be judged", total(q, "unparsed"));
	if (total(q, "purged"))
		fprintf(stderr, ", %" PRIu64 " purged", total(q, "purged"));
	if (total(q, "restricted"))
		fprintf(stderr, ", %" PRIu64 " wait for their erasure", total(q, "restricted"));
	if (q->others)
		fprintf(stderr, ", %" PRIu64 " counted under other values", q->others);
	if (unreadable)
		fprintf(stderr, "; %" PRIu64 " cannot be read: run stele fsck", unreadable);
	fprintf(stderr, "%s\n", q->cursor.n ? "; there is more: raise --limit" : "");
	return unreadable ? CLI_INCOMPLETE : CLI_DONE;
}

static int
finish(struct querying *q)
{
	int rc = CLI_GO;

	if (q->asked->count && !q->cli->json) {
		if (!q->asked->by && !q->asked->histogram)
			printf("%" PRIu64 "\n", total(q, "matched"));
		if (q->asked->by)
			rc = put_counted(q->values, most_first);
		if (rc == CLI_GO && q->asked->histogram)
			rc = put_counted(q->bars, by_text);
	}
	if (rc == CLI_GO)
		rc = q->cli->json && !total(q, "unreadable") ? CLI_DONE : say_totals(q);
	return rc;
}

/* The options that are terms, and the rest behind them. */
static int
parse(struct cli *cli, const struct cli_command *self, int argc, char **argv, struct asked *a,
      int *n)
{
	const struct cli_option rest[] = {
		{"from", 0, CLI_TEXT, &a->from, "TIME", "not before (event time)"},
		{"to", 0, CLI_TEXT, &a->to, "TIME", "before"},
		{"tz", 0, CLI_TEXT, &a->tz, "OFFSET", "of bare dates and times, +01:00 (UTC)"},
		{"filter", 0, CLI_TEXT, &a->filter, "FILTER",
		 "a filter over fields and JSON paths"},
		{"matter", 0, CLI_TEXT, &a->terms.matter, "CASE", "whose aliases @NAME stands for"},
		{"desc", 0, CLI_FLAG, &a->desc, NULL, "latest first"},
		{"limit", 0, CLI_NUMBER, &a->limit, "N",
		 "so many at most (1000; with --certify all)"},
		{"as-of", 0, CLI_NUMBER, &a->as_of, "SIZE", "as if the log had ended there"},
		{"csv", 0, CLI_FLAG, &a->csv, NULL, "a table for a spreadsheet"},
		{"count", 0, CLI_FLAG, &a->count, NULL, "how many, instead of which"},
		{"by", 0, CLI_TEXT, &a->by, "FIELD", "counted by the values of a field"},
		{"histogram", 0, CLI_TEXT, &a->histogram, "WIDTH", "counted by time: 15m, 1h, 1d"},
		{"certify", 0, CLI_TEXT, &a->certify, "FILE",
		 "a certificate of all of it goes there"},
		{NULL},
	};
	struct cli_option options[QUERY_ARGS_TERMS + sizeof rest / sizeof *rest];
	int rc;

	query_args_options(&a->terms, options);
	memcpy(options + QUERY_ARGS_TERMS, rest, sizeof rest);
	rc = cli_parse(cli, self, options, argc, argv, 0, LIMIT_QUERY_LOGS, n);
	if (rc != CLI_GO)
		return rc;
	a->count = a->count || a->by || a->histogram;
	if (a->limit == UINT64_MAX && !a->certify) /* it is held against all of its rows */
		a->limit = USUAL_ROWS;
	if (a->limit == 0)
		return cli_usage(self, "--limit is at least 1");
	if (a->csv && (cli->json || a->count))
		return cli_usage(self, "--csv is for rows: leave out --json and what is counted");
	return CLI_GO;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct asked a = {.limit = UINT64_MAX, .as_of = UINT64_MAX};
	struct querying q = {.cli = cli, .self = self, .asked = &a};
	int n, rc = parse(cli, self, argc, argv, &a, &n);

	if (rc != CLI_GO)
		return rc;
	q.values = json_object();
	q.bars = json_object();
	rc = put_query(&q, n, argv);
	if (rc == CLI_GO && a.certify)
		rc = certify(&q);
	do {
		if (rc == CLI_GO)
			rc = fetch_page(&q);
	} while (rc == CLI_GO && q.cursor.n && q.rows < a.limit);
	if (rc == CLI_GO)
		rc = finish(&q);
	json_decref(q.values);
	json_decref(q.bars);
	json_decref(q.last);
	buf_fini(&q.base);
	buf_fini(&q.cursor);
	return rc;
}

const struct cli_command cmd_query = {
	.name = "query",
	.operands = "[LOG...]",
	.summary = "find records by who, what, when",
	.about = about,
	.run = run,
};
