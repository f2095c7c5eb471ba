/* Bytes to lines, lines to fields, an empty line to an event. */
#include "tools/sse.h"

#include <string.h>

#include "proto/err.h"

void
sse_init(struct sse *e, sse_fn *take, void *ctx)
{
	memset(e, 0, sizeof *e);
	e->take = take;
	e->ctx = ctx;
}

void
sse_fini(struct sse *e)
{
	buf_fini(&e->id);
	buf_fini(&e->line);
	buf_fini(&e->name);
	buf_fini(&e->data);
	buf_fini(&e->next_id);
}

static void
begin_event(struct sse *e)
{
	buf_reset(&e->name);
	buf_reset(&e->data);
	e->has_id = e->has_data = false;
}

void
sse_restart(struct sse *e)
{
	buf_reset(&e->line);
	begin_event(e);
	e->after_cr = false;
}

static void
set(struct buf *b, struct slice value)
{
	buf_reset(b);
	buf_put_slice(b, value);
}

/* A line that is not empty: a field, or a comment, which begins with the colon. */
static void
take_field(struct sse *e, struct slice line)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	size_t n = colon ? (size_t)(colon - line.p) : line.n;
	struct slice name = slice_of(line.p, n),
		     value = colon ? slice_of(colon + 1, line.n - n - 1) : slice_of("", 0);

	if (value.n && value.p[0] == ' ')
		value = slice_of(value.p + 1, value.n - 1);
	if (slice_eq_str(name, "event")) {
		set(&e->name, value);
	} else if (slice_eq_str(name, "id") && !(value.n && memchr(value.p, 0, value.n))) {
		set(&e->next_id, value);
		e->has_id = true;
	} else if (slice_eq_str(name, "data")) {
		if (e->has_data)
			buf_put_u8(&e->data, '\n');
		buf_put_slice(&e->data, value);
		e->has_data = true;
	}
}

/* An empty line: what was before it is an event, or only an id. 1 when take ended it. */
static int
end_event(struct sse *e)
{
	bool go = true;

	if (e->has_id)
		set(&e->id, buf_slice(&e->next_id));
	if (e->id.err || e->name.err || e->data.err || e->next_id.err)
		return STELE_ENOMEM;
	if (e->has_data)
		go = e->take(e->ctx, e->name.n ? buf_slice(&e->name) : slice_str("message"),
			     buf_slice(&e->data));
	begin_event(e);
	return !go;
}

static int
end_line(struct sse *e)
{
	int rc = 0;

	if (e->line.err)
		return STELE_ENOMEM;
	if (e->line.n == 0)
		rc = end_event(e);
	else
		take_field(e, buf_slice(&e->line));
	buf_reset(&e->line);
	return rc;
}

/* How many bytes there are before the line's end, or all. */
static size_t
line_length(struct slice bytes)
{
	const uint8_t *lf = memchr(bytes.p, '\n', bytes.n);
	size_t n = lf ? (size_t)(lf - bytes.p) : bytes.n;
	const uint8_t *cr = memchr(bytes.p, '\r', n);

	return cr ? (size_t)(cr - bytes.p) : n;
}

int
sse_feed(struct sse *e, struct slice bytes)
{
	int rc = 0;

	while (rc == 0 && bytes.n) {
		size_t n = line_length(bytes);

		if (e->after_cr && n == 0 && bytes.p[0] == '\n') { /* CR LF is one end */
			e->after_cr = false;
			bytes = slice_of(bytes.p + 1, bytes.n - 1);
			continue;
		}
		e->after_cr = false;
		buf_put(&e->line, bytes.p, n);
		if (e->line.n + e->data.n > SSE_MAX_BYTES)
			return STELE_ELIMIT;
		if (n == bytes.n)
			return 0;
		e->after_cr = bytes.p[n] == '\r';
		bytes = slice_of(bytes.p + n + 1, bytes.n - n - 1);
		rc = end_line(e);
	}
	return rc;
}
