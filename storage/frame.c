/* Reading checks every count against the bytes that are there before it believes it. */
#include "storage/frame.h"

#include <string.h>

#include "crypto/salt.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"

static const char magic[8] = "stelecmt";

void
frame_header_write(uint8_t out[FRAME_HEADER_BYTES], const struct frame_header *h)
{
	memset(out, 0, FRAME_HEADER_BYTES);
	memcpy(out, magic, sizeof magic);
	le_put32(out + 8, FRAME_VERSION);
	le_put64(out + 16, h->incarnation);
	le_put64(out + 24, h->sequence);
	memcpy(out + 32, h->prev, 32);
	le_put64(out + 64, h->body_bytes);
	le_put32(out + 72, h->n_sections);
	le_put32(out + 76, h->era);
	le_put64(out + 80, (uint64_t)h->wall_ns);
	le_put64(out + 88, (uint64_t)h->lock_ns);
}

int
frame_header_read(struct frame_header *h, struct slice s, uint64_t limit_bytes)
{
	const uint8_t *p = s.p;
	struct frame_header got;

	if (s.n < FRAME_HEADER_BYTES || memcmp(p, magic, sizeof magic) != 0)
		return STELE_ESYNTAX;
	if (le_get32(p + 8) != FRAME_VERSION || le_get32(p + 12) != 0)
		return STELE_EVERSION;
	got.incarnation = le_get64(p + 16);
	got.sequence = le_get64(p + 24);
	memcpy(got.prev, p + 32, 32);
	got.body_bytes = le_get64(p + 64);
	got.n_sections = le_get32(p + 72);
	got.era = le_get32(p + 76);
	got.wall_ns = (int64_t)le_get64(p + 80);
	got.lock_ns = (int64_t)le_get64(p + 88);
	memcpy(got.hash, p + 96, 32);
	if (got.body_bytes > limit_bytes)
		return STELE_ELIMIT;
	*h = got;
	return 0;
}

void
frame_group_write(struct buf *out, const struct frame_group *g)
{
	uint8_t p[32] = {0};

	le_put32(p, g->count);
	p[4] = (uint8_t)g->kind;
	p[5] = (uint8_t)g->mode;
	p[6] = (uint8_t)g->media_type.n;
	p[7] = (uint8_t)g->writer.n;
	p[8] = (uint8_t)g->event.n;
	le_put64(p + 16, g->ctl);
	le_put64(p + 24, (uint64_t)g->retain_until_ns);
	buf_put(out, p, sizeof p);
	buf_put_slice(out, g->media_type);
	buf_put_slice(out, g->writer);
	buf_put_slice(out, g->event);
}

int
frame_group_read(struct frame_group *g, struct bytes *b)
{
	uint8_t media, writer, event, kind, mode;

	g->count = bytes_u32(b);
	kind = bytes_u8(b);
	mode = bytes_u8(b);
	media = bytes_u8(b);
	writer = bytes_u8(b);
	event = bytes_u8(b);
	for (int i = 0; i < 7; i++) {
		if (bytes_u8(b) != 0)
			bytes_fail(b);
	}
	g->ctl = bytes_u64(b);
	g->retain_until_ns = (int64_t)bytes_u64(b);
	g->media_type = bytes_take(b, media);
	g->writer = bytes_take(b, writer);
	g->event = bytes_take(b, event);
	if (kind > ENTRY_RESTORE || mode > ENTRY_MODE_COMPLIANCE || g->count == 0)
		bytes_fail(b);
	g->kind = (enum entry_kind)kind;
	g->mode = (enum entry_mode)mode;
	return bytes_err(b);
}

void
frame_block_write(struct buf *out, const struct frame_block *blk)
{
	uint8_t p[SECTION_BLOCK_BYTES];

	le_put32(p, blk->count);
	le_put32(p + 4, blk->dict);
	le_put32(p + 8, blk->raw_bytes);
	le_put32(p + 12, blk->box_bytes);
	le_put32(p + 16, blk->salts);
	buf_put(out, p, sizeof p);
}

struct frame_block
frame_block_at(const struct frame_section *s, uint32_t i)
{
	const uint8_t *p = s->blocks.p + (size_t)i * SECTION_BLOCK_BYTES;

	return (struct frame_block){le_get32(p), le_get32(p + 4), le_get32(p + 8), le_get32(p + 12),
				    (enum frame_salts)le_get32(p + 16)};
}

size_t
frame_salts_bytes(const struct frame_block *blk)
{
	return blk->salts == FRAME_SALTS_SEED ? SALT_SEED_BYTES : (size_t)blk->count * SALT_BYTES;
}

uint32_t
frame_size_at(const struct frame_section *s, uint32_t i)
{
	return le_get32(s->sizes.p + (size_t)i * 4);
}

void
frame_object_write(struct buf *out, const struct frame_object *o)
{
	uint8_t p[SECTION_OBJECT_BYTES];

	le_put32(p, o->ordinal);
	le_put64(p + 4, o->size);
	memcpy(p + 12, o->commitment, 32);
	buf_put(out, p, sizeof p);
}

struct frame_object
frame_object_at(const struct frame_section *s, uint32_t i)
{
	const uint8_t *p = s->objects.p + (size_t)i * SECTION_OBJECT_BYTES;
	struct frame_object o = {.ordinal = le_get32(p), .size = le_get64(p + 4)};

	memcpy(o.commitment, p + 12, 32);
	return o;
}

bool
frame_object_find(const struct frame_section *s, uint32_t ordinal, struct frame_object *o)
{
	uint32_t lo = 0, hi = s->n_objects;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		struct frame_object at = frame_object_at(s, mid);
		if (at.ordinal == ordinal) {
			*o = at;
			return true;
		}
		if (at.ordinal < ordinal)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

uint64_t
frame_payload_bytes(const struct frame_section *s, uint32_t from)
{
	uint64_t sum = 0;

	for (uint32_t i = from; i < s->count; i++)
		sum += frame_size_at(s, i);
	for (uint32_t i = 0; i < s->n_objects; i++) {
		struct frame_object o = frame_object_at(s, i);
		if (o.ordinal >= from)
			sum += o.size - frame_size_at(s, o.ordinal);
	}
	return sum;
}

void
frame_section_header_write(uint8_t out[SECTION_HEADER_BYTES], const struct frame_section *s)
{
	memset(out, 0, SECTION_HEADER_BYTES);
	le_put32(out, s->bytes);
	le_put32(out + 4, (uint32_t)s->name.n);
	le_put64(out + 8, s->log_id);
	le_put64(out + 16, s->first);
	le_put32(out + 24, s->count);
	le_put32(out + 28, s->n_groups);
	le_put32(out + 32, s->n_blocks);
	le_put32(out + 36, s->n_keys);
	le_put32(out + 40, s->n_dicts);
	le_put32(out + 44, s->epoch);
	le_put64(out + 48, (uint64_t)s->time_ns);
	le_put64(out + 56, s->data_key_id);
	memcpy(out + 64, s->root, 32);
	le_put32(out + 96, s->meta_bytes);
	le_put32(out + 100, s->boxes_bytes);
	le_put32(out + 104, s->n_objects);
}

/* Group counts add up to the section's. */
static int
check_groups(struct frame_section *s, struct bytes *b)
{
	const uint8_t *start = b->p;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n_groups; i++) {
		struct frame_group g;
		if (frame_group_read(&g, b) != 0)
			return STELE_ESYNTAX;
		sum += g.count;
	}
	s->groups = slice_of(start, (size_t)(b->p - start));
	return sum == s->count ? 0 : STELE_ESYNTAX;
}

/* The bytes that n records from number `first` on have in their blocks. */
static uint64_t
sum_sizes(const struct frame_section *s, uint32_t first, uint32_t n)
{
	const uint8_t *p = s->sizes.p + (size_t)first * 4;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += le_get32(p + (size_t)i * 4);
	return sum;
}

/* Every block's payload bytes are the sum of its records' sizes; boxes fill their part. */
static int
check_blocks(const struct frame_section *s)
{
	uint64_t boxes = 0, next = 0;

	for (uint32_t i = 0; i < s->n_blocks; i++) {
		struct frame_block blk = frame_block_at(s, i);
		uint64_t raw;
		if (blk.count > s->count - next)
			return STELE_ESYNTAX;
		raw = sum_sizes(s, (uint32_t)next, blk.count);
		next += blk.count;
		if (blk.salts > FRAME_SALTS_SEED || (blk.salts && blk.count == 0))
			return STELE_ESYNTAX;
		if (raw != blk.raw_bytes || (blk.count == 0) != (i < s->n_dicts))
			return STELE_ESYNTAX;
		boxes += blk.box_bytes;
	}
	return next == s->count && boxes == s->boxes_bytes ? 0 : STELE_ESYNTAX;
}

/* In order of ordinals, none twice; sizes that an entry can say. */
static int
check_objects(const struct frame_section *s)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < s->n_objects; i++) {
		struct frame_object o = frame_object_at(s, i);
		if (o.ordinal < next || o.ordinal >= s->count || o.size > LIMIT_INTEGER)
			return STELE_ESYNTAX;
		next = (uint64_t)o.ordinal + 1;
	}
	return 0;
}

int
frame_section_read_meta(struct frame_section *s, struct slice bytes)
{
	struct frame_section got = {0};
	uint32_t name_bytes;
	uint64_t want;
	struct bytes b;

	bytes_init(&b, bytes);
	got.bytes = bytes_u32(&b);
	name_bytes = bytes_u32(&b);
	got.log_id = bytes_u64(&b);
	got.first = bytes_u64(&b);
	got.count = bytes_u32(&b);
	got.n_groups = bytes_u32(&b);
	got.n_blocks = bytes_u32(&b);
	got.n_keys = bytes_u32(&b);
	got.n_dicts = bytes_u32(&b);
	got.epoch = bytes_u32(&b);
	got.time_ns = (int64_t)bytes_u64(&b);
	got.data_key_id = bytes_u64(&b);
	bytes_copy(&b, got.root, 32);
	got.meta_bytes = bytes_u32(&b);
	got.boxes_bytes = bytes_u32(&b);
	got.n_objects = bytes_u32(&b);
	if (bytes_u32(&b) != 0 || got.n_dicts > 1 || name_bytes > LIMIT_LOG_NAME_BYTES ||
	    (name_bytes != 0) != (got.first == 0) || got.first > LIMIT_TREE_SIZE)
		return STELE_ESYNTAX;
	got.name = bytes_take(&b, name_bytes);
	if (check_groups(&got, &b) != 0)
		return STELE_ESYNTAX;
	got.blocks = bytes_take(&b, (size_t)got.n_blocks * SECTION_BLOCK_BYTES);
	got.sizes = bytes_take(&b, (size_t)got.count * 4);
	got.objects = bytes_take(&b, (size_t)got.n_objects * SECTION_OBJECT_BYTES);
	want = (uint64_t)got.meta_bytes + got.boxes_bytes + (uint64_t)got.count * 32 +
	       (uint64_t)got.n_keys * SECTION_KEY_BYTES;
	if (bytes_err(&b) != 0 || got.meta_bytes != bytes.n - bytes_left(&b) || want != got.bytes ||
	    check_blocks(&got) != 0 || check_objects(&got) != 0)
		return STELE_ESYNTAX;
	*s = got;
	return 0;
}

int
frame_section_read(struct frame_section *s, struct slice bytes)
{
	struct frame_section got;
	struct bytes b;
	int err = frame_section_read_meta(&got, bytes);

	if (err != 0)
		return err;
	bytes_init(&b, bytes);
	(void)bytes_take(&b, got.meta_bytes);
	got.boxes = bytes_take(&b, got.boxes_bytes);
	got.leaves = bytes_take(&b, (size_t)got.count * 32);
	got.keys = bytes_take(&b, (size_t)got.n_keys * SECTION_KEY_BYTES);
	for (uint32_t i = 0; i < got.n_keys && bytes_err(&b) == 0; i++) {
		if (le_get32(got.keys.p + (size_t)i * SECTION_KEY_BYTES) >= got.count)
			return STELE_ESYNTAX;
	}
	if (bytes_err(&b) != 0)
		return STELE_ESYNTAX;
	*s = got;
	return 0;
}

uint64_t
frame_leaves_at(const struct frame_section *s)
{
	return (uint64_t)s->meta_bytes + s->boxes_bytes;
}

struct slice
frame_box_at(const struct frame_section *s, uint32_t i, uint64_t *offset)
{
	uint64_t at = 0;
	uint32_t n = frame_block_at(s, i).box_bytes;

	for (uint32_t k = 0; k < i; k++)
		at += frame_block_at(s, k).box_bytes;
	if (offset)
		*offset = at;
	return s->boxes.n ? slice_of(s->boxes.p + at, n) : slice_of(NULL, 0);
}

void
frame_box_ad(uint8_t ad[FRAME_AD_BYTES], uint64_t log_id, uint64_t first,
	     const struct frame_block *blk)
{
	le_put64(ad, log_id);
	le_put64(ad + 8, first);
	le_put32(ad + 16, blk->count);
	le_put32(ad + 20, blk->dict);
	le_put32(ad + 24, blk->raw_bytes);
	le_put32(ad + 28, blk->salts);
}
