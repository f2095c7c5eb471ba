/* Runs of what is alike, varints of what differs. */
#include "storage/segtile.h"

#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "storage/compress.h"
#include "storage/varint.h"

enum {
	FLAG_OBJECT = 1,
	FLAG_RETAIN = 2,
	FLAG_EVENT = 4,
	FLAG_GONE = 8,
	FLAGS = 15,
	PLAIN = 0,
	PACKED = 1,
	/* the most that a tile's strings take, and all of it unpacked: with varints and commitments
	 */
	TEXT_BYTES =
		SEGMENT_TILE * (LIMIT_MEDIA_TYPE_BYTES + LIMIT_WRITER_BYTES + LIMIT_EVENT_BYTES),
	TILE_BYTES = TEXT_BYTES + SEGMENT_TILE * 160,
};

void
segtile_reset(struct segtile *t)
{
	t->count = t->n_groups = t->n_blocks = t->n_kept = 0;
	buf_reset(&t->commitments);
	buf_reset(&t->strings);
	buf_reset(&t->bytes);
}

void
segtile_fini(struct segtile *t)
{
	buf_fini(&t->commitments);
	buf_fini(&t->strings);
	buf_fini(&t->bytes);
}

/* Only a record of its own can be gone, and then nothing of it is elsewhere. */
static bool
gone_valid(const struct segment_record *r)
{
	return r->kind == ENTRY_RECORD && !r->object && !r->has_key && !r->seed &&
	       r->payload.n == 0 && r->purge && r->purge <= LIMIT_INTEGER;
}

static bool
valid(const struct segment_record *r)
{
	return r->kind <= ENTRY_RESTORE && r->mode <= ENTRY_MODE_COMPLIANCE &&
	       r->ctl <= LIMIT_INTEGER && r->size <= LIMIT_INTEGER && r->time_ns >= 0 &&
	       r->time_ns <= TIMESTAMP_MAX_NS && r->retain_until_ns >= 0 &&
	       r->retain_until_ns <= TIMESTAMP_MAX_NS && r->media_type.n &&
	       r->media_type.n <= LIMIT_MEDIA_TYPE_BYTES && r->writer.n &&
	       r->writer.n <= LIMIT_WRITER_BYTES && r->event.n <= LIMIT_EVENT_BYTES &&
	       (r->mode != ENTRY_MODE_NONE || (r->event.n == 0 && r->retain_until_ns == 0)) &&
	       (r->event.n == 0 || r->retain_until_ns == 0) &&
	       (r->gone     ? gone_valid(r)
		: r->object ? r->payload.n && r->payload.n <= LIMIT_DESCRIPTOR_BYTES
			    : r->payload.n == r->size && r->size <= LIMIT_RECORD_BYTES);
}

/* A group that r may join, but for count and slices' place. */
static struct segtile_group
group_for(const struct segment_record *r)
{
	bool retain = r->mode != ENTRY_MODE_NONE && r->event.n == 0;

	return (struct segtile_group){
		.count = 1,
		.kind = r->kind,
		.mode = r->mode,
		.object = r->object,
		.retain = retain,
		.gone = r->gone,
		.ctl = r->ctl,
		.purge = r->gone ? r->purge : 0,
		.lock_ns = retain ? r->retain_until_ns - r->time_ns : 0,
		.media_type = r->media_type,
		.writer = r->writer,
		.event = r->event,
	};
}

static bool
alike(const struct segtile_group *a, const struct segtile_group *b)
{
	return a->kind == b->kind && a->mode == b->mode && a->object == b->object &&
	       a->retain == b->retain && a->gone == b->gone && a->purge == b->purge &&
	       a->ctl == b->ctl && a->lock_ns == b->lock_ns &&
	       slice_eq(a->media_type, b->media_type) && slice_eq(a->writer, b->writer) &&
	       slice_eq(a->event, b->event);
}

/* A copy in the tile; room was reserved for all that may come, so that it never moves. */
static struct slice
keep(struct segtile *t, struct slice s)
{
	struct slice kept = slice_of(t->strings.p + t->strings.n, s.n);

	buf_put_slice(&t->strings, s);
	return kept;
}

static int
add_group(struct segtile *t, struct segtile_group g)
{
	if (t->n_groups && alike(&t->groups[t->n_groups - 1], &g)) {
		t->groups[t->n_groups - 1].count++;
		return 0;
	}
	if (t->n_groups == 0 && buf_reserve(&t->strings, TEXT_BYTES) != 0)
		return STELE_ENOMEM;
	g.media_type = keep(t, g.media_type);
	g.writer = keep(t, g.writer);
	g.event = keep(t, g.event);
	t->groups[t->n_groups++] = g;
	return 0;
}

/* Whether record i lies in a block, and where it stands among those that do. */
static void
place(struct segtile *t, uint32_t i, bool gone)
{
	t->rank[i] = (uint16_t)t->n_kept;
	if (!gone)
		t->kept[t->n_kept++] = (uint16_t)i;
}

int
segtile_add(struct segtile *t, const struct segment_record *r)
{
	uint32_t i = t->count;
	int err;

	if (i == SEGMENT_TILE || !valid(r) || (i && r->time_ns < t->time_ns[i - 1]))
		return STELE_EINVAL;
	err = add_group(t, group_for(r));
	if (err != 0)
		return err;
	t->group_of[i] = (uint16_t)(t->n_groups - 1);
	t->time_ns[i] = r->time_ns;
	t->size[i] = r->size;
	t->inline_bytes[i] = (uint32_t)r->payload.n;
	t->stored[i] = -1;
	place(t, i, r->gone);
	if (segtile_stores(r->object, r->gone, r->size)) {
		t->stored[i] = (int16_t)(t->commitments.n / 32);
		buf_put(&t->commitments, r->commitment, 32);
	}
	t->count++;
	return t->commitments.err;
}

void
segtile_add_block(struct segtile *t, uint32_t count, uint32_t box_bytes)
{
	t->blocks[t->n_blocks++] = (struct segtile_block){count, box_bytes};
}

/* The number of s among the n strings; a new one is added. */
static uint32_t
number_of(struct slice *strings, uint32_t *n, struct slice s)
{
	for (uint32_t i = 0; i < *n; i++) {
		if (slice_eq(strings[i], s))
			return i;
	}
	strings[*n] = s;
	return (*n)++;
}

static void
write_groups(const struct segtile *t, struct buf *out)
{
	struct slice strings[3 * SEGMENT_TILE];
	uint32_t number[SEGMENT_TILE][3], n = 0;
	uint64_t ctl = 0;
	int64_t lock_ns = 0;

	for (uint32_t i = 0; i < t->n_groups; i++) {
		const struct segtile_group *g = &t->groups[i];
		number[i][0] = number_of(strings, &n, g->media_type);
		number[i][1] = number_of(strings, &n, g->writer);
		if (g->event.n)
			number[i][2] = number_of(strings, &n, g->event);
	}
	varint_put(out, n);
	for (uint32_t i = 0; i < n; i++) {
		buf_put_u8(out, (uint8_t)strings[i].n);
		buf_put_slice(out, strings[i]);
	}
	varint_put(out, t->n_groups);
	for (uint32_t i = 0; i < t->n_groups; i++) {
		const struct segtile_group *g = &t->groups[i];
		varint_put(out, g->count);
		buf_put_u8(out, (uint8_t)(g->kind | (unsigned)g->mode << 4));
		buf_put_u8(out,
			   (uint8_t)((g->object ? FLAG_OBJECT : 0) | (g->retain ? FLAG_RETAIN : 0) |
				     (g->event.n ? FLAG_EVENT : 0) | (g->gone ? FLAG_GONE : 0)));
		varint_put_signed(out, (int64_t)(g->ctl - ctl));
		varint_put_signed(out, (int64_t)((uint64_t)g->lock_ns - (uint64_t)lock_ns));
		for (int k = 0; k < (g->event.n ? 3 : 2); k++)
			varint_put(out, number[i][k]);
		if (g->gone)
			varint_put(out, g->purge);
		ctl = g->ctl;
		lock_ns = g->lock_ns;
	}
}

static void
write_times(const struct segtile *t, struct buf *out)
{
	uint32_t runs = 0, end;
	int64_t before = 0;

	for (uint32_t i = 0; i < t->count; i++)
		runs += i == 0 || t->time_ns[i] != t->time_ns[i - 1];
	varint_put(out, runs);
	for (uint32_t i = 0; i < t->count; i = end) {
		for (end = i + 1; end < t->count && t->time_ns[end] == t->time_ns[i]; end++)
			;
		varint_put(out, end - i);
		varint_put(out, (uint64_t)(t->time_ns[i] - before));
		before = t->time_ns[i];
	}
}

static void
write_plain(const struct segtile *t, struct buf *out)
{
	write_groups(t, out);
	write_times(t, out);
	for (uint32_t i = 0; i < t->count; i++) {
		varint_put(out, t->size[i]);
		if (t->groups[t->group_of[i]].object)
			varint_put(out, t->inline_bytes[i]);
	}
	buf_put_slice(out, buf_slice(&t->commitments));
	varint_put(out, t->n_blocks);
	for (uint32_t i = 0; i < t->n_blocks; i++) {
		varint_put(out, t->blocks[i].count);
		varint_put(out, t->blocks[i].box_bytes);
	}
}

int
segtile_write(struct segtile *t, struct compressor *zip, struct buf *out)
{
	struct buf plain;
	size_t bound, n, before = out->n;
	int err;

	buf_init(&plain);
	write_plain(t, &plain);
	bound = compress_bound(plain.n);
	buf_put_u8(out, PACKED);
	varint_put(out, plain.n);
	err = plain.err || buf_reserve(out, bound) != 0 ? STELE_ENOMEM : 0;
	if (err == 0)
		err = compress_seal(zip, NULL, buf_slice(&plain), out->p + out->n, bound, &n);
	if (err == 0 && n <= plain.n / 2) {
		out->n += n;
	} else if (err == 0) {
		/* Unpacking costs each cold read a microsecond: not for a few bytes. */
		out->n = before;
		buf_put_u8(out, PLAIN);
		buf_put_slice(out, buf_slice(&plain));
		err = out->err;
	}
	buf_fini(&plain);
	return err;
}

static uint32_t
read_strings(struct bytes *b, struct slice strings[3 * SEGMENT_TILE])
{
	uint32_t n = (uint32_t)varint_take(b, 3 * SEGMENT_TILE);

	for (uint32_t i = 0; i < n; i++) {
		uint8_t length = bytes_u8(b);
		strings[i] = bytes_take(b, length);
		if (length == 0)
			bytes_fail(b);
	}
	return n;
}

static struct slice
take_string(struct bytes *b, const struct slice *strings, uint32_t n, size_t limit)
{
	uint64_t i = varint_take(b, n ? n - 1 : 0);

	if (n == 0 || bytes_err(b) || strings[i].n > limit) {
		bytes_fail(b);
		return slice_of(NULL, 0);
	}
	return strings[i];
}

static void
read_gone(struct segtile_group *g, uint32_t flags, struct bytes *b)
{
	g->gone = flags & FLAG_GONE;
	g->purge = g->gone ? varint_take(b, LIMIT_INTEGER) : 0;
	if (g->gone && (g->purge == 0 || g->object || g->kind != ENTRY_RECORD))
		bytes_fail(b);
}

static void
read_groups(struct segtile *t, struct bytes *b)
{
	struct slice strings[3 * SEGMENT_TILE];
	uint32_t n_strings = read_strings(b, strings), n, next = 0;
	uint64_t ctl = 0;
	int64_t lock_ns = 0;

	n = (uint32_t)varint_take(b, t->count);
	for (uint32_t i = 0; i < n && bytes_err(b) == 0; i++) {
		struct segtile_group *g = &t->groups[i];
		uint32_t kind, flags;
		g->count = (uint32_t)varint_take(b, t->count - next);
		kind = bytes_u8(b);
		flags = bytes_u8(b);
		if (g->count == 0 || (kind & 15) > ENTRY_RESTORE ||
		    kind >> 4 > ENTRY_MODE_COMPLIANCE || flags > FLAGS)
			bytes_fail(b);
		g->kind = (enum entry_kind)(kind & 15);
		g->mode = (enum entry_mode)(kind >> 4);
		g->object = flags & FLAG_OBJECT;
		g->retain = flags & FLAG_RETAIN;
		ctl += (uint64_t)varint_take_signed(b);
		lock_ns = (int64_t)((uint64_t)lock_ns + (uint64_t)varint_take_signed(b));
		g->ctl = ctl;
		g->lock_ns = lock_ns;
		if (ctl > LIMIT_INTEGER || (!g->retain && lock_ns) ||
		    (g->mode != ENTRY_MODE_NONE) != (g->retain || flags & FLAG_EVENT) ||
		    (g->retain && flags & FLAG_EVENT))
			bytes_fail(b);
		g->media_type = take_string(b, strings, n_strings, LIMIT_MEDIA_TYPE_BYTES);
		g->writer = take_string(b, strings, n_strings, LIMIT_WRITER_BYTES);
		g->event = flags & FLAG_EVENT
				   ? take_string(b, strings, n_strings, LIMIT_EVENT_BYTES)
				   : slice_of(NULL, 0);
		read_gone(g, flags, b);
		for (uint32_t k = 0; k < g->count && bytes_err(b) == 0; k++)
			t->group_of[next++] = (uint16_t)i;
	}
	if (next != t->count)
		bytes_fail(b);
	t->n_groups = n;
}

/* Times are in range and so are the ends of locks that hang on them. */
static void
read_times(struct segtile *t, struct bytes *b)
{
	uint32_t n = (uint32_t)varint_take(b, t->count), next = 0;
	int64_t time_ns = 0;

	for (uint32_t i = 0; i < n && bytes_err(b) == 0; i++) {
		uint32_t count = (uint32_t)varint_take(b, t->count - next);
		time_ns += (int64_t)varint_take(b, (uint64_t)(TIMESTAMP_MAX_NS - time_ns));
		if (count == 0)
			bytes_fail(b);
		for (uint32_t k = 0; k < count && bytes_err(b) == 0; k++) {
			const struct segtile_group *g = &t->groups[t->group_of[next]];
			if (g->lock_ns < -time_ns || g->lock_ns > TIMESTAMP_MAX_NS - time_ns)
				bytes_fail(b);
			t->time_ns[next++] = time_ns;
		}
	}
	if (next != t->count)
		bytes_fail(b);
}

/* An object's size and the length of its descriptor, in turn. */
static void
read_object_sizes(struct segtile *t, struct bytes *b, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++) {
		t->size[i] = varint_take(b, LIMIT_INTEGER);
		t->inline_bytes[i] = (uint32_t)varint_take(b, LIMIT_DESCRIPTOR_BYTES);
		if (t->inline_bytes[i] == 0)
			bytes_fail(b);
	}
}

static void
read_sizes(struct segtile *t, struct bytes *b)
{
	int16_t n_stored = 0;
	uint32_t i = 0;

	if (bytes_err(b))
		return;
	for (uint32_t k = 0; k < t->n_groups; k++) {
		const struct segtile_group *g = &t->groups[k];
		uint32_t end = i + g->count;
		if (g->object) {
			read_object_sizes(t, b, i, g->count);
		} else {
			varint_take_many(b, g->gone ? LIMIT_INTEGER : LIMIT_RECORD_BYTES, g->count,
					 t->size + i);
			for (uint32_t n = i; n < end; n++)
				t->inline_bytes[n] = g->gone ? 0 : (uint32_t)t->size[n];
		}
		for (; i < end; i++) {
			bool stored = segtile_stores(g->object, g->gone, t->size[i]);
			t->stored[i] = stored ? n_stored++ : -1;
			place(t, i, g->gone);
		}
	}
	buf_put_slice(&t->commitments, bytes_take(b, (size_t)n_stored * 32));
}

static void
read_blocks(struct segtile *t, struct bytes *b)
{
	uint32_t n = (uint32_t)varint_take(b, t->n_kept), next = 0;

	for (uint32_t i = 0; i < n && bytes_err(b) == 0; i++) {
		t->blocks[i].count = (uint32_t)varint_take(b, t->n_kept - next);
		t->blocks[i].box_bytes = (uint32_t)varint_take(b, UINT32_MAX);
		if (t->blocks[i].count == 0)
			bytes_fail(b);
		next += t->blocks[i].count;
	}
	if (next != t->n_kept)
		bytes_fail(b);
	t->n_blocks = n;
}

/* What a packed tile holds, in the tile's own memory. */
static int
unpack(struct segtile *t, struct compressor *zip, struct bytes *b)
{
	size_t n = varint_take(b, TILE_BYTES);

	if (bytes_err(b) || buf_reserve(&t->bytes, n + 1) != 0)
		return t->bytes.err ? STELE_ENOMEM : STELE_ESYNTAX;
	if (decompress_block(zip, NULL, slice_of(b->p, b->left), t->bytes.p, n) != 0)
		return STELE_ESYNTAX;
	bytes_init(b, slice_of(t->bytes.p, n));
	return 0;
}

int
segtile_read(struct segtile *t, uint32_t count, struct compressor *zip, struct slice bytes)
{
	struct bytes b;
	uint8_t form;
	int err = 0;

	segtile_reset(t);
	if (count == 0 || count > SEGMENT_TILE)
		return STELE_ESYNTAX;
	t->count = count;
	bytes_init(&b, bytes);
	form = bytes_u8(&b);
	if (form == PACKED)
		err = unpack(t, zip, &b);
	else if (form != PLAIN)
		err = STELE_ESYNTAX;
	if (err != 0)
		return err;
	read_groups(t, &b);
	if (bytes_err(&b) == 0)
		read_times(t, &b);
	read_sizes(t, &b);
	read_blocks(t, &b);
	if (bytes_end(&b) != 0)
		return STELE_ESYNTAX;
	return t->commitments.err;
}

void
segtile_get(const struct segtile *t, uint32_t i, struct segment_record *out)
{
	const struct segtile_group *g = &t->groups[t->group_of[i]];

	*out = (struct segment_record){
		.kind = g->kind,
		.mode = g->mode,
		.ctl = g->ctl,
		.size = t->size[i],
		.time_ns = t->time_ns[i],
		.retain_until_ns = g->retain ? t->time_ns[i] + g->lock_ns : 0,
		.media_type = g->media_type,
		.writer = g->writer,
		.event = g->event,
		.object = g->object,
		.gone = g->gone,
		.purge = g->purge,
	};
	if (t->stored[i] >= 0)
		memcpy(out->commitment, t->commitments.p + (size_t)t->stored[i] * 32, 32);
}
