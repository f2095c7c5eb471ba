/* A match on the page: read again and verified, with its fields as its schema has them. */
#include <string.h>

#include "proto/csv.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/kit.h"
#include "server/query.h"
#include "server/receipt.h"
#include "server/server.h"
#include "server/tail_id.h"
#include "storage/log.h"
#include "storage/read.h"
#include "storage/scan.h"

static void
put_instant(struct buf *b, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_put(b, text, sizeof text);
}

static struct slice
schema_of(const struct query *q)
{
	return q->fit->schema < 0 ? slice_of("", 0) : q->fit->set->items[q->fit->schema].name;
}

/* --- JSON ---------------------------------------------------------------------------------- */

struct values {
	struct buf *out;
	size_t n;
};

static bool
put_json_value(void *ctx, const struct schema_value *value)
{
	struct values *v = ctx;

	buf_put_str(v->out, v->n++ ? "," : "");
	buf_put_json_str(v->out, value->v.text);
	return true;
}

static int
put_fields(struct query *q, struct buf *b)
{
	const char *comma = "";

	buf_put_str(b, ",\"fields\":{");
	for (size_t i = 0; i < CSV_FIELDS; i++) {
		struct values v = {b, 0};
		size_t at = b->n;
		int n;

		buf_printf(b, "%s\"%s\":[", comma, field_name(csv_fields[i]));
		n = schema_fit_values(q->fit, csv_fields[i], put_json_value, &v);
		if (n < 0)
			return n;
		buf_put_u8(b, ']');
		if (n == 0)
			b->n = at;
		else
			comma = ",";
	}
	buf_put_u8(b, '}');
	return 0;
}

static void
put_payload(struct buf *b, const struct query_source *s, const struct record *r)
{
	if (r->object)
		buf_printf(b, ",\"payload_url\":\"/api/v1/logs/%s/records/%llu\"", log_name(s->log),
			   (unsigned long long)r->entry.index);
	else
		receipt_put_payload(b, r->payload);
}

static int
put_json(struct query *q, const struct query_source *s, const struct query_hit *hit,
	 const struct record *r, int64_t time_ns)
{
	static const char *const ends[] = {
		[QUERY_JSON] = "}", [QUERY_NDJSON] = "}\n", [QUERY_EVENTS] = "}\n\n"};
	struct buf *b = &q->rows;
	int err;

	if (q->form == QUERY_JSON && q->rows_n)
		buf_put_u8(b, ',');
	if (q->form == QUERY_EVENTS) {
		buf_put_str(b, "id: ");
		tail_id_put(q, s, hit, b);
		buf_put_str(b, "\ndata: ");
	}
	buf_printf(b, "{\"log\":\"%s\",\"index\":%llu,\"time\":\"", log_name(s->log),
		   (unsigned long long)hit->index);
	put_instant(b, time_ns);
	buf_put_str(b, "\",\"receive_time\":\"");
	put_instant(b, r->entry.time_ns);
	buf_put_str(b, "\",\"writer\":");
	buf_put_json_str(b, r->entry.writer);
	buf_put_str(b, ",\"media_type\":");
	buf_put_json_str(b, r->entry.media_type);
	buf_printf(b, ",\"size\":%llu", (unsigned long long)r->entry.size);
	if (q->fit->schema >= 0) {
		buf_put_str(b, ",\"schema\":");
		buf_put_json_str(b, schema_of(q));
	}
	err = put_fields(q, b);
	if (hit->twice)
		buf_put_str(b, ",\"duplicate_names\":true");
	if (r->gone)
		buf_printf(b, ",\"purged\":%llu", (unsigned long long)r->purge);
	else if (!q->summary)
		put_payload(b, s, r);
	buf_put_str(b, ends[q->form]);
	return err;
}

/* --- a table (proto/csv.h) ------------------------------------------------------------------ */

static int
put_csv(struct query *q, const struct query_source *s, const struct query_hit *hit,
	const struct record *r, int64_t time_ns)
{
	const struct csv_record row = {slice_str(log_name(s->log)), hit->index, time_ns,
				       r->entry.time_ns, r->entry.writer};
	int err = csv_put_record(&q->rows, &row, q->fit);

	buf_put_str(&q->rows, "\r\n");
	return err;
}

void
query_put_header(struct query *q)
{
	csv_put_header(&q->rows);
	buf_put_str(&q->rows, "\r\n");
}

/* ------------------------------------------------------------------------------------------- */

int
query_put_row(struct query *q, const struct query_source *s, const struct query_hit *hit,
	      struct kit *kit)
{
	struct record record;
	int64_t time_ns;
	int err;

	q->fit = &s->reader->fit;
	arena_reset(&q->arena);
	err = read_entry(q->server->store, s->log, hit->index, kit->tools, &q->arena, &record);
	if (err == STELE_EDAMAGED) { /* it was said, and the answer counts it */
		q->totals.unreadable++;
		return 0;
	}
	/* the cursor is of another history: a backup was restored */
	if (err == STELE_ENOTFOUND || (err == 0 && record.entry.time_ns != hit->time_ns))
		return STELE_ESYNTAX;
	if (err == 0 && !record.gone && query_is_restricted(q, s, hit->index)) {
		q->totals.matched--; /* an erasure was requested since it was found */
		q->totals.restricted++;
		return 0;
	}
	if (err == 0)
		err = schema_fit_read(q->fit, record.gone || record.object ? slice_of("", 0)
									   : record.payload);
	if (err == 0)
		err = csv_time(q->fit, record.entry.time_ns, &time_ns);
	if (err == 0)
		err = q->form == QUERY_CSV ? put_csv(q, s, hit, &record, time_ns)
					   : put_json(q, s, hit, &record, time_ns);
	if (err != 0 || q->rows.err)
		return err ? err : q->rows.err;
	if (!record.gone && !record.object)
		audit_read(q->server->audit, q->token, s->log, hit->index);
	q->rows_n++;
	return 0;
}

/* --- counting -------------------------------------------------------------------------------- */

struct counting {
	struct tally *tally;
	int err;
};

static bool
count_value(void *ctx, const struct schema_value *value)
{
	struct counting *c = ctx;

	c->err = tally_add(c->tally, value->v.text);
	return c->err == 0;
}

int
query_count(struct query *q, const struct scan_record *r)
{
	struct counting c = {&q->values, 0};
	char text[TIMESTAMP_BYTES];
	int64_t ns;
	int n;

	if (q->by < 0 && !q->histogram_ns)
		return 0;
	if (q->by == FIELD_WRITER)
		c.err = tally_add(&q->values, r->writer);
	n = schema_fit_read(q->fit, r->payload);
	if (n == 0 && q->by >= 0)
		n = schema_fit_values(q->fit, (enum field)q->by, count_value, &c);
	if (n >= 0)
		n = csv_time(q->fit, r->time_ns, &ns);
	if (n < 0 || c.err != 0)
		return n < 0 ? n : c.err;
	if (!q->histogram_ns)
		return 0;
	timestamp_format(text, ns - ns % q->histogram_ns);
	return tally_add(&q->times, slice_of(text, sizeof text));
}
