/* What it is sealed with besides: who asks, and what. */
#include "server/tail_id.h"

#include "proto/base64.h"
#include "proto/bytes.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/query.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/varint.h"

enum { VERSION = 2, PARTS = 5 };

static void
parts_of(const struct query *q, struct slice body, struct slice parts[PARTS])
{
	parts[0] = body;
	parts[1] = slice_str(q->token->principal->id);
	parts[2] = q->text;
	parts[3] = slice_str("tail"); /* a cursor has 16 bytes here */
	parts[4] = q->logs;
}

void
tail_id_put(const struct query *q, const struct query_source *s, const struct query_hit *hit,
	    struct buf *out)
{
	struct slice parts[PARTS];
	uint8_t seal[KDIGEST_BYTES];
	struct buf b;

	buf_init(&b);
	buf_put_u8(&b, VERSION);
	varint_put(&b, q->horizon);
	varint_put(&b, q->n);
	for (size_t i = 0; i < q->n; i++) {
		const struct query_source *each = &q->sources[i];

		varint_put(&b, log_id(each->log));
		varint_put(&b, hit && each == s ? hit->index + 1 : query_position(q, each));
	}
	parts_of(q, buf_slice(&b), parts);
	access_seal(audit_access(q->server->audit), parts, PARTS, seal);
	buf_put(&b, seal, sizeof seal);
	buf_put_base64url(out, b.p, b.n);
	if (b.err)
		out->err = b.err;
	buf_fini(&b);
}

static struct query_source *
source_of(struct query *q, uint64_t id)
{
	for (size_t i = 0; i < q->n; i++)
		if (log_id(q->sources[i].log) == id)
			return &q->sources[i];
	return NULL; /* it may not be read any more */
}

/* Nothing of q changes unless all of it can be read. */
static int
read_body(struct query *q, struct slice body)
{
	uint64_t next[LIMIT_QUERY_LOGS], horizon, n;
	struct query_source *s;
	struct bytes b;

	bytes_init(&b, body);
	if (bytes_u8(&b) != VERSION)
		return STELE_ESYNTAX;
	horizon = varint_take(&b, UINT64_MAX);
	n = varint_take(&b, LIMIT_QUERY_LOGS);
	for (size_t i = 0; i < q->n; i++)
		next[i] = log_id(q->sources[i].log) >= horizon ? 0 : q->sources[i].size;
	for (; n && bytes_err(&b) == 0; n--) {
		s = source_of(q, varint_take(&b, UINT64_MAX));
		if (s)
			next[s - q->sources] = varint_take(&b, s->size);
		else
			(void)varint_take(&b, LIMIT_TREE_SIZE);
	}
	if (bytes_end(&b) != 0)
		return STELE_ESYNTAX;
	for (size_t i = 0; i < q->n; i++)
		q->sources[i].next = next[i];
	return 0;
}

int
tail_id_read(struct query *q, struct slice id)
{
	uint8_t bytes[LIMIT_TAIL_ID_BYTES];
	struct slice parts[PARTS];
	size_t n;

	if (base64url_decode(bytes, sizeof bytes, &n, id) != 0 || n <= KDIGEST_BYTES)
		return STELE_ESYNTAX;
	n -= KDIGEST_BYTES;
	parts_of(q, slice_of(bytes, n), parts);
	if (!access_sealed(audit_access(q->server->audit), parts, PARTS, bytes + n))
		return STELE_ESYNTAX;
	return read_body(q, slice_of(bytes, n));
}
