/* Parameters, then rows. */
#include "tools/query_args.h"

#include <stdio.h>
#include <time.h>

#include "tools/api.h"
#include "tools/when.h"

static const struct {
	const char *option, *parameter, *help;
} terms[QUERY_ARGS_TERMS] = {
	{"actor", "actor", "with this value"},
	{"action", "action", "with this value"},
	{"resource", "resource", "with this value"},
	{"outcome", "outcome", "with this value"},
	{"source-ip", "source_ip", "with this value"},
	{"event-type", "event_type", "with this value"},
	{"event-id", "event_id", "with this value"},
	{"trace-id", "trace_id", "with this value"},
	{"severity", "severity", "with this value"},
	{"writer", "writer", "with this value"},
	{"any", "any", "one of these fields"},
};

void
query_args_options(struct query_args *a, struct cli_option *out)
{
	for (size_t i = 0; i < QUERY_ARGS_TERMS; i++)
		out[i] = (struct cli_option){terms[i].option, 0,       CLI_TEXTS,
					     &a->value[i],    "VALUE", terms[i].help};
}

void
query_args_put_one(struct buf *b, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(b, "&%s=", name);
	cli_put_path(b, value);
}

void
query_args_put(const struct query_args *a, struct buf *b)
{
	query_args_put_one(b, "matter", a->matter);
	for (size_t i = 0; i < QUERY_ARGS_TERMS; i++)
		for (size_t k = 0; k < a->value[i].n; k++)
			query_args_put_one(b, terms[i].parameter, a->value[i].text[k]);
}

int
query_args_time(const struct cli_command *self, struct buf *when, const char *option,
		const char *text)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (when_put(when, text, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec) == 0)
		return CLI_GO;
	return cli_usage(self, "--%s: write a time such as '2h ago', '3 days ago' or 2026-11-01",
			 option);
}

int
query_args_put_time(const struct cli_command *self, struct buf *b, const char *option,
		    const char *name, const char *text)
{
	struct buf when;
	int rc;

	if (!text)
		return CLI_GO;
	buf_init(&when);
	rc = query_args_time(self, &when, option, text);
	if (rc == CLI_GO)
		query_args_put_one(b, name, api_cstr(&when));
	buf_fini(&when);
	return rc;
}

void
query_args_put_logs(struct buf *b, int n, char **logs)
{
	for (int i = 0; i < n; i++) {
		buf_put_str(b, i ? "," : "");
		cli_put_path(b, logs[i]);
	}
	if (n == 0)
		buf_put_u8(b, '*');
}

/* --- a table ------------------------------------------------------------------------------- */

int
query_args_print_text(const char *text, int width)
{
	int column = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool begins = (*p & 0xc0) != 0x80;

		if (begins && column == width)
			break;
		column += begins;
		putchar(*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0) ? '.' : *p);
		if (*p == 0xc2 && p[1] < 0xa0)
			p++;
	}
	return column;
}

static void
print_column(const char *text, int width)
{
	printf("%*s", width + 1 - query_args_print_text(text, width), "");
}

static const char *
first_of(const json_t *row, const char *field)
{
	const json_t *values = json_object_get(json_object_get(row, "fields"), field);
	const char *text = json_string_value(json_array_get(values, 0));

	return text ? text : "-";
}

void
query_args_print_head(void)
{
	printf("%-19s %-16s %9s %-24s %-24s %-28s %-15s %s\n", "TIME", "LOG", "INDEX", "ACTOR",
	       "ACTION", "RESOURCE", "SOURCE", "OUTCOME");
}

void
query_args_print_row(const json_t *row)
{
	printf("%.19s %-16s %9" JSON_INTEGER_FORMAT " ", api_text(row, "time"),
	       api_text(row, "log"), json_integer_value(json_object_get(row, "index")));
	print_column(first_of(row, "actor"), 24);
	print_column(first_of(row, "action"), 24);
	print_column(first_of(row, "resource"), 28);
	print_column(first_of(row, "source_ip"), 15);
	printf("%s%s\n", first_of(row, "outcome"),
	       json_object_get(row, "purged") ? " (purged)" : "");
}
