/* The members of a record, but for those that all of `_access` have. */
#include "server/query_record.h"

#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/feed.h"
#include "server/query.h"
#include "server/query_many.h"
#include "server/request.h"
#include "server/server.h"
#include "storage/log.h"

static void
put_log(struct buf *b, size_t i, const struct log *log)
{
	buf_printf(b, "%s\"%s\"", i ? "," : ",\"logs\":[", log_name(log));
}

static void
put_filter(struct buf *b, size_t n_logs, struct slice text)
{
	struct sha256 *h = sha256_new();
	uint8_t hash[32] = {0};

	if (h)
		sha256_hash(h, hash, text);
	else
		b->err = STELE_ENOMEM; /* counts as lost */
	sha256_free(h);
	buf_put_str(b, n_logs ? "],\"filter\":\"" : ",\"filter\":\"");
	buf_put_hex(b, hash, 32);
	buf_put_u8(b, '"');
}

/* Names and patterns as they were asked for, how many logs they meant, and of which instant. */
static void
put_many(struct buf *b, const struct query *q)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, q->many->pinned_ns);
	buf_put_str(b, ",\"asked\":");
	buf_put_json_str(b, q->logs);
	buf_printf(b, ",\"log_count\":%zu,\"pinned\":\"%.*s\"", q->many->n, TIMESTAMP_BYTES, text);
}

static void
send_off(const struct request *r, struct buf *b)
{
	audit_access_event(r->server->audit, "query", r->token,
			   b->err ? slice_of(NULL, 0) : buf_slice(b));
	buf_fini(b);
}

void
query_record(const struct request *r, const struct query *q, const uint8_t certificate[32])
{
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < q->n; i++)
		put_log(&b, i, q->sources[i].log);
	if (q->many)
		put_many(&b, q);
	else if (q->n == 0)
		buf_put_str(&b, ",\"logs\":[]");
	put_filter(&b, q->n, q->text);
	buf_printf(&b, ",\"scanned\":%llu,\"matched\":%llu,\"rows\":%llu",
		   (unsigned long long)q->totals.scanned, (unsigned long long)q->totals.matched,
		   (unsigned long long)q->rows_n);
	if (certificate) {
		buf_put_str(&b, ",\"certified\":true,\"certificate\":\"");
		buf_put_hex(&b, certificate, 32);
		buf_put_u8(&b, '"');
	}
	send_off(r, &b);
}

void
query_record_tail(const struct request *r, const struct feed *f, uint64_t rows, bool begins)
{
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < f->n_places; i++)
		put_log(&b, i, f->places[i].log);
	if (f->n_places == 0)
		buf_put_str(&b, ",\"logs\":[]");
	put_filter(&b, f->n_places, f->q.text);
	buf_printf(&b, ",\"tail\":\"%s\"", begins ? "begun" : "ended");
	if (!begins)
		buf_printf(&b, ",\"rows\":%llu", (unsigned long long)rows);
	send_off(r, &b);
}
