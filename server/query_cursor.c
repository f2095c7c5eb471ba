/* What it is sealed with besides: who asks, and the query as it is echoed. */
#include "server/query_cursor.h"

#include "proto/base64.h"
#include "proto/bytes.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/mapping.h"
#include "server/query.h"
#include "server/query_many.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/varint.h"

enum { VERSION = 2, VERSION_MANY = 3, PARTS = 5 };

/* What the digest is of. how has room for 16 bytes. */
static void
parts_of(const struct query *q, struct slice body, uint8_t how[16], struct slice parts[PARTS])
{
	memset(how, 0, 16);
	how[0] = q->backward;
	how[1] = q->count;
	how[2] = (uint8_t)(q->by + 1);
	memcpy(how + 8, &q->histogram_ns, 8);
	parts[0] = body;
	parts[1] = slice_str(q->token->principal->id);
	parts[2] = q->text;
	parts[3] = slice_of(how, 16);
	parts[4] = q->logs;
}

/* --- writing ----------------------------------------------------------------------------- */

static void
put_source(struct buf *b, const struct query *q, const struct query_source *s)
{
	uint64_t next = query_position(q, s);
	uint64_t behind = s->behind;
	int64_t frontier_ns = s->frontier_ns;

	if (s->at_hit < s->n_hits) {
		behind += q->backward ? next - s->next : s->next - next;
		frontier_ns = s->hits[s->at_hit].time_ns;
	}
	varint_put(b, log_id(s->log));
	varint_put(b, s->size);
	varint_put(b, s->mapping->number);
	varint_put(b, next);
	varint_put(b, behind);
	varint_put(b, (uint64_t)frontier_ns);
}

void
query_cursor_put_totals(struct buf *b, const struct query_totals *t)
{
	varint_put(b, t->scanned);
	varint_put(b, t->matched);
	varint_put(b, t->unparsed);
	varint_put(b, t->purged);
	varint_put(b, t->restricted);
	varint_put(b, t->unreadable);
}

static void
put_sources(struct buf *b, const struct query *q)
{
	varint_put(b, q->n);
	for (size_t i = 0; i < q->n; i++)
		put_source(b, q, &q->sources[i]);
}

void
query_cursor_put(struct query *q, struct buf *out)
{
	uint8_t how[16], seal[KDIGEST_BYTES];
	struct slice parts[PARTS];
	struct buf b;

	buf_init(&b);
	buf_put_u8(&b, q->many ? VERSION_MANY : VERSION);
	query_cursor_put_totals(&b, &q->totals);
	if (q->many)
		query_many_put(q, &b);
	else
		put_sources(&b, q);
	parts_of(q, buf_slice(&b), how, parts);
	access_seal(audit_access(q->server->audit), parts, PARTS, seal);
	buf_put(&b, seal, sizeof seal);
	buf_put_base64url(out, b.p, b.n);
	if (b.err)
		out->err = b.err;
	buf_fini(&b);
	if (q->many)
		query_kept_put(&q->server->kept, seal, q);
}

/* --- reading ------------------------------------------------------------------------------- */

static int
read_source(struct query *q, struct query_source *s, struct bytes *b)
{
	uint64_t id = varint_take(b, UINT64_MAX), number;

	s->size = varint_take(b, LIMIT_TREE_SIZE);
	number = varint_take(b, LIMIT_MAPPINGS);
	s->next = varint_take(b, s->size);
	s->behind = varint_take(b, q->backward ? s->next : s->size - s->next);
	s->frontier_ns = (int64_t)varint_take(b, INT64_MAX);
	if (bytes_err(b) != 0)
		return STELE_ESYNTAX;
	s->log = store_log_of(q->server->store, id);
	s->mapping = mapping_of_number(audit_access(q->server->audit), number);
	return s->log && s->mapping ? 0 : STELE_ESYNTAX;
}

void
query_cursor_read_totals(struct bytes *b, struct query_totals *t)
{
	t->scanned = varint_take(b, LIMIT_INTEGER);
	t->matched = varint_take(b, LIMIT_INTEGER);
	t->unparsed = varint_take(b, LIMIT_INTEGER);
	t->purged = varint_take(b, LIMIT_INTEGER);
	t->restricted = varint_take(b, LIMIT_INTEGER);
	t->unreadable = varint_take(b, LIMIT_INTEGER);
}

static int
read_sources(struct query *q, struct bytes *b)
{
	int err = 0;

	q->n = (size_t)varint_take(b, LIMIT_QUERY_LOGS);
	q->sources = arena_alloc(q->memory, (q->n + 1) * sizeof *q->sources);
	if (!q->sources)
		return STELE_ENOMEM;
	memset(q->sources, 0, (q->n + 1) * sizeof *q->sources);
	for (size_t i = 0; err == 0 && i < q->n; i++)
		err = read_source(q, &q->sources[i], b);
	return err;
}

static int
read_body(struct query *q, struct slice body)
{
	struct bytes b;
	uint8_t version;
	int err = STELE_ESYNTAX;

	bytes_init(&b, body);
	version = bytes_u8(&b);
	query_cursor_read_totals(&b, &q->totals);
	if (version == VERSION)
		err = read_sources(q, &b);
	else if (version == VERSION_MANY && q->may_be_many)
		err = query_many_read(q, &b);
	return err ? err : bytes_end(&b);
}

int
query_cursor_read(struct query *q)
{
	uint8_t bytes[LIMIT_QUERY_CURSOR_BYTES], how[16];
	struct slice parts[PARTS];
	size_t n;
	int err;

	if (base64url_decode(bytes, sizeof bytes, &n, q->cursor) != 0 || n <= KDIGEST_BYTES)
		return STELE_ESYNTAX;
	n -= KDIGEST_BYTES;
	parts_of(q, slice_of(bytes, n), how, parts);
	if (!access_sealed(audit_access(q->server->audit), parts, PARTS, bytes + n))
		return STELE_ESYNTAX;
	err = read_body(q, slice_of(bytes, n));
	if (err == 0 && q->many)
		query_kept_take(&q->server->kept, bytes + n, q);
	return err;
}
