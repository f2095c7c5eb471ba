#include "proto/csv.h"

#include <string.h>

#include "proto/timestamp.h"

const enum field csv_fields[CSV_FIELDS] = {
	FIELD_ACTOR,    FIELD_ACTION,   FIELD_RESOURCE,   FIELD_OUTCOME,  FIELD_SOURCE_IP,
	FIELD_TRACE_ID, FIELD_EVENT_ID, FIELD_EVENT_TYPE, FIELD_SEVERITY,
};

void
csv_put_cell(struct buf *b, struct slice text)
{
	bool formula = text.n && memchr("=+-@\t\r\n", text.p[0], 7);
	bool quoted = formula;

	for (size_t i = 0; !quoted && i < text.n; i++)
		quoted = text.p[i] == '"' || text.p[i] == ',' || text.p[i] < 0x20 ||
			 text.p[i] == ';';
	if (!quoted) {
		buf_put_slice(b, text);
		return;
	}
	buf_put_str(b, formula ? "\"'" : "\"");
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"')
			buf_put_u8(b, '"');
		buf_put_u8(b, text.p[i]);
	}
	buf_put_u8(b, '"');
}

void
csv_put_header(struct buf *b)
{
	buf_put_str(b, "log,index,time,receive_time,writer,schema");
	for (size_t i = 0; i < CSV_FIELDS; i++)
		buf_printf(b, ",%s", field_name(csv_fields[i]));
}

static void
put_instant(struct buf *b, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_put(b, text, sizeof text);
}

struct values {
	struct buf *out;
	size_t n;
};

static bool
join_value(void *ctx, const struct schema_value *value)
{
	struct values *v = ctx;

	buf_put_str(v->out, v->n++ ? "; " : "");
	buf_put_slice(v->out, value->v.text);
	return true;
}

static int
put_fields(struct buf *b, struct schema_fit *fit)
{
	struct buf cell;
	int n = 0;

	buf_init(&cell);
	for (size_t i = 0; n >= 0 && i < CSV_FIELDS; i++) {
		struct values v = {&cell, 0};

		buf_reset(&cell);
		n = fit ? schema_fit_values(fit, csv_fields[i], join_value, &v) : 0;
		buf_put_u8(b, ',');
		csv_put_cell(b, buf_slice(&cell));
	}
	n = n < 0 ? n : cell.err;
	buf_fini(&cell);
	return n;
}

int
csv_put_record(struct buf *b, const struct csv_record *r, struct schema_fit *fit)
{
	buf_put_slice(b, r->log);
	buf_printf(b, ",%llu,", (unsigned long long)r->index);
	put_instant(b, r->time_ns);
	buf_put_u8(b, ',');
	put_instant(b, r->received_ns);
	buf_put_u8(b, ',');
	csv_put_cell(b, r->writer);
	buf_put_u8(b, ',');
	if (fit && fit->schema >= 0)
		csv_put_cell(b, fit->set->items[fit->schema].name);
	return put_fields(b, fit);
}

static bool
take_time(void *ctx, const struct schema_value *value)
{
	*(int64_t *)ctx = value->ns;
	return false; /* the first one */
}

int
csv_time(struct schema_fit *fit, int64_t received_ns, int64_t *ns)
{
	int n = schema_fit_values(fit, FIELD_TIME, take_time, ns);

	if (n == 0)
		*ns = received_ns;
	return n < 0 ? n : 0;
}
