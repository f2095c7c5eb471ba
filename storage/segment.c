/*
 * Opening: the file's hash, its container, its dictionary. Reading a record: the
 * columns of its tile, the box of its block, the frame that holds its payload, in that
 * order, each kept in the toolbox for the next one.
 */
#include "storage/segment.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "storage/segterms.h"
#include "storage/toolbox.h"

struct segment {
	atomic_uint refs;
	struct segment_facts facts;
	struct segfile *file;
	pthread_mutex_t mu;
	struct compress_dict *dict; /* NULL: none, or it rests */
	struct segterms *terms;     /* NULL: none of this version, or terms_wrong */
	bool terms_wrong;
	uint8_t data_key[32];
};

/* The dictionary, out of its box: u32 length and the packed bytes. */
static int
unpack_dict(struct segment *s, struct buf *box, struct buf *packed, struct buf *plain,
	    struct compressor *zip)
{
	uint8_t ad[SEGMENT_AD_BYTES];
	uint32_t raw;

	segment_box_ad(ad, s->facts.log_id, s->facts.first, s->facts.count, SEGMENT_BOX_DICT);
	if (aead_open(packed->p, s->data_key, buf_slice(box), slice_of(ad, sizeof ad)) != 0)
		return STELE_EDAMAGED;
	raw = le_get32(packed->p);
	if (raw > LIMIT_SEGMENT_DICT_BYTES ||
	    decompress_block(zip, NULL, slice_of(packed->p + 4, box->n - AEAD_OVERHEAD - 4),
			     plain->p, raw) != 0)
		return STELE_EDAMAGED;
	s->dict = compress_dict_new_reading(slice_of(plain->p, raw));
	explicit_bzero(plain->p, raw);
	return s->dict ? 0 : STELE_ENOMEM;
}

/* Nothing of the toolbox's memory is used: a reader may be in the middle of something. */
static int
open_dict(struct segment *s, struct compressor *zip)
{
	uint64_t n = segfile_bytes(s->file, SEGMENT_DICT);
	struct buf box, packed, plain;
	int err;

	if (n < AEAD_OVERHEAD + 4 || n > 2 * LIMIT_SEGMENT_DICT_BYTES)
		return n ? STELE_EDAMAGED : 0;
	buf_init(&box);
	buf_init(&packed);
	buf_init(&plain);
	err = segfile_read(s->file, SEGMENT_DICT, 0, n, &box);
	if (err == 0 &&
	    (buf_reserve(&packed, n) != 0 || buf_reserve(&plain, LIMIT_SEGMENT_DICT_BYTES) != 0))
		err = STELE_ENOMEM;
	if (err == 0)
		err = unpack_dict(s, &box, &packed, &plain, zip);
	buf_fini(&box);
	buf_fini(&packed);
	buf_fini(&plain);
	return err;
}

/* The dictionary with a reference for the caller, woken when it rests; NULL when there is none. */
static int
take_dict(struct segment *s, struct compressor *zip, struct compress_dict **out)
{
	int err = 0;

	pthread_mutex_lock(&s->mu);
	if (!s->dict)
		err = open_dict(s, zip);
	*out = s->dict ? compress_dict_ref(s->dict) : NULL;
	pthread_mutex_unlock(&s->mu);
	return err;
}

size_t
segment_dict_bytes(struct segment *s)
{
	size_t n;

	pthread_mutex_lock(&s->mu);
	n = s->dict ? compress_dict_memory(s->dict) : 0;
	pthread_mutex_unlock(&s->mu);
	return n;
}

void
segment_rest(struct segment *s)
{
	if (pthread_mutex_trylock(&s->mu) != 0) /* it is awake */
		return;
	compress_dict_unref(s->dict);
	s->dict = NULL;
	pthread_mutex_unlock(&s->mu);
}

/* Streams whose length follows from the facts have it. */
static int
check_lengths(const struct segment *s)
{
	uint64_t count = s->facts.count, tiles = (count + SEGMENT_TILE - 1) / SEGMENT_TILE;
	uint64_t keys = segfile_bytes(s->file, SEGMENT_KEYS);

	return segfile_bytes(s->file, SEGMENT_INDEX) == (tiles + 1) * SEGMENT_INDEX_BYTES &&
			       segfile_bytes(s->file, SEGMENT_TILES) == segment_leaf_at(count) &&
			       keys % SEGMENT_KEY_BYTES == 0 && keys / SEGMENT_KEY_BYTES <= count
		       ? 0
		       : STELE_EDAMAGED;
}

static int
open_checked(struct segment *s, const char *path, struct toolbox *t, struct buf *why)
{
	uint8_t hash[32];
	int err = segment_hash_file(path, s->facts.file_bytes, t, hash);

	if (err == 0 && memcmp(hash, s->facts.file_hash, 32) != 0)
		err = STELE_EDAMAGED;
	if (err != 0) {
		buf_printf(why, "%s: %s", path,
			   err == STELE_EDAMAGED ? "its length or SHA-256 is not what its manifest "
						   "says: restore it from a copy"
						 : stele_strerror(err));
		return err;
	}
	err = segfile_open(&s->file, path, &s->facts);
	if (err == 0)
		err = check_lengths(s);
	if (err != 0) {
		buf_printf(why, "%s: it does not hold the segment that its manifest describes (%s)",
			   path, stele_strerror(err));
		return err;
	}
	err = open_dict(s, t->zip);
	if (err != 0) {
		buf_printf(why, "%s: its dictionary does not open under data key %llu (%s)", path,
			   (unsigned long long)s->facts.data_key_id, stele_strerror(err));
		return err;
	}
	/* what the records are, no index decides */
	err = segterms_open(&s->terms, s, t);
	s->terms_wrong = err == STELE_EDAMAGED;
	return err == STELE_EDAMAGED ? 0 : err;
}

int
segment_open(struct segment **out, const char *dir, const struct segment_facts *facts,
	     const uint8_t data_key[32], struct toolbox *t, struct buf *why)
{
	struct segment *s = calloc(1, sizeof *s);
	char path[PATH_MAX];
	int err;

	if (!s)
		return STELE_ENOMEM;
	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->mu, NULL);
	s->facts = *facts;
	memcpy(s->data_key, data_key, 32);
	err = segment_path(path, dir, facts, ".seg");
	if (err == 0)
		err = open_checked(s, path, t, why);
	if (err != 0) {
		segment_unref(s);
		return err;
	}
	*out = s;
	return 0;
}

struct segment *
segment_ref(struct segment *s)
{
	if (s)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
segment_unref(struct segment *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	segfile_close(s->file);
	compress_dict_unref(s->dict);
	pthread_mutex_destroy(&s->mu);
	segterms_free(s->terms);
	explicit_bzero(s->data_key, sizeof s->data_key);
	free(s);
}

const struct segment_facts *
segment_facts(const struct segment *s)
{
	return &s->facts;
}

const struct segfile *
segment_file(const struct segment *s)
{
	return s->file;
}

const uint8_t *
segment_data_key(const struct segment *s)
{
	return s->data_key;
}

const struct segterms *
segment_terms(const struct segment *s)
{
	return s->terms;
}

bool
segment_terms_wrong(const struct segment *s)
{
	return s->terms_wrong;
}

/* Whether [first, first + n) lies within the segment. */
static bool
holds(const struct segment *s, uint64_t first, uint64_t n)
{
	return first >= s->facts.first && first - s->facts.first <= s->facts.count &&
	       n <= s->facts.count - (first - s->facts.first);
}

int
segment_leaves(struct segment *s, uint64_t first, uint32_t n, uint8_t out[][32])
{
	uint64_t i = first - s->facts.first;
	int err = 0;

	if (!holds(s, first, n))
		return STELE_EINVAL;
	while (n && err == 0) {
		uint32_t take = SEGMENT_TILE - (uint32_t)(i % SEGMENT_TILE);
		take = take < n ? take : n;
		err = segfile_copy(s->file, SEGMENT_TILES, segment_leaf_at(i), (size_t)take * 32,
				   out);
		out += take;
		i += take;
		n -= take;
	}
	return err;
}

int
segment_nodes(struct segment *s, uint64_t tile, uint8_t out[16][32])
{
	uint64_t first = tile * SEGMENT_TILE;

	if (tile > LIMIT_TREE_SIZE || !holds(s, first, SEGMENT_TILE))
		return STELE_EINVAL;
	return segfile_copy(s->file, SEGMENT_TILES,
			    segment_leaf_at(first - s->facts.first) + SEGMENT_TILE * 32,
			    (size_t)16 * 32, out);
}

int
segment_load_tile(struct segment *s, uint64_t tile, struct toolbox *t)
{
	uint64_t left = s->facts.count - tile * SEGMENT_TILE, from, to, blocks_end;
	struct segment_memo *m = &t->segment;
	uint8_t index[2 * SEGMENT_INDEX_BYTES];
	int err;

	if (m->has_tile && m->tile == tile && memcmp(m->file_hash, s->facts.file_hash, 32) == 0)
		return 0;
	m->has_tile = m->has_block = m->has_frame = false;
	err = segfile_copy(s->file, SEGMENT_INDEX, tile * SEGMENT_INDEX_BYTES, sizeof index, index);
	if (err != 0)
		return err;
	from = le_get64(index);
	to = le_get64(index + 16);
	m->blocks_at = le_get64(index + 8);
	blocks_end = le_get64(index + 24);
	if (to < from || to > segfile_bytes(s->file, SEGMENT_COLUMNS) ||
	    blocks_end < m->blocks_at || blocks_end > segfile_bytes(s->file, SEGMENT_BLOCKS))
		return STELE_EDAMAGED;
	/* Copied: the memo may outlive the map. */
	buf_reset(&m->column_bytes);
	if (buf_reserve(&m->column_bytes, to - from) != 0)
		return STELE_ENOMEM;
	err = segfile_copy(s->file, SEGMENT_COLUMNS, from, to - from, m->column_bytes.p);
	if (err == 0)
		err = segtile_read(&m->columns, left < SEGMENT_TILE ? (uint32_t)left : SEGMENT_TILE,
				   t->zip, slice_of(m->column_bytes.p, to - from));
	if (err != 0)
		return err == STELE_ENOMEM ? err : STELE_EDAMAGED;
	for (uint32_t i = 0; i < m->columns.n_blocks; i++)
		blocks_end -= m->columns.blocks[i].box_bytes;
	if (blocks_end != m->blocks_at)
		return STELE_EDAMAGED;
	memcpy(m->file_hash, s->facts.file_hash, 32);
	m->tile = tile;
	m->has_tile = true;
	return 0;
}

/* The box of the block that holds record i, of those that are not gone, of the memo's tile. */
static int
load_block(struct segment *s, uint32_t i, struct toolbox *t)
{
	struct segment_memo *m = &t->segment;
	uint64_t at = m->blocks_at;
	const struct segtile_block *b = m->columns.blocks;
	uint8_t ad[SEGMENT_AD_BYTES];
	uint32_t first = 0;
	int err;

	for (; i >= first + b->count; b++) {
		at += b->box_bytes;
		first += b->count;
	}
	if (m->has_block && m->block == (uint32_t)(b - m->columns.blocks))
		return 0;
	m->has_block = m->has_frame = false;
	if (b->box_bytes < AEAD_OVERHEAD)
		return STELE_EDAMAGED;
	err = segfile_read(s->file, SEGMENT_BLOCKS, at, b->box_bytes, &m->joined);
	if (err != 0)
		return err;
	buf_reset(&m->box);
	if (buf_reserve(&m->box, b->box_bytes) != 0)
		return STELE_ENOMEM;
	segment_box_ad(ad, s->facts.log_id, s->facts.first + m->tile * SEGMENT_TILE + first,
		       b->count, SEGMENT_BOX_BLOCK);
	if (aead_open(m->box.p, s->data_key, buf_slice(&m->joined), slice_of(ad, sizeof ad)) != 0 ||
	    segblock_read(&m->opened, b->count, slice_of(m->box.p, b->box_bytes - AEAD_OVERHEAD)) !=
		    0)
		return STELE_EDAMAGED;
	m->block = (uint32_t)(b - m->columns.blocks);
	m->first = first;
	m->has_block = true;
	return 0;
}

/* The frame of record i, of those that are not gone; where each of its records begins. */
static int
load_frame(struct segment *s, uint32_t i, struct toolbox *t)
{
	struct segment_memo *m = &t->segment;
	uint32_t frame = segblock_frame_of(&m->opened, i - m->first);
	const struct segblock_frame *f = &m->opened.frames[frame];
	struct compress_dict *dict = NULL;
	uint64_t raw = 0;
	int err;

	if (m->has_frame && m->frame == frame)
		return 0;
	m->has_frame = false;
	for (uint32_t k = f->first; k < f->end; k++) {
		m->at[m->first + k] = (uint32_t)raw;
		raw += m->columns.inline_bytes[m->columns.kept[m->first + k]];
	}
	if (raw > LIMIT_BLOCK_BYTES + LIMIT_RECORD_BYTES)
		return STELE_EDAMAGED;
	buf_reset(&m->payloads);
	if (buf_reserve(&m->payloads, raw + 1) != 0)
		return STELE_ENOMEM;
	err = take_dict(s, t->zip, &dict);
	if (err == 0 && decompress_block(t->zip, dict, f->packed, m->payloads.p, raw) != 0)
		err = STELE_EDAMAGED;
	compress_dict_unref(dict);
	if (err != 0)
		return err;
	m->frame = frame;
	m->has_frame = true;
	return 0;
}

/* Record i of a tile, its columns and payload; slices lie in the memo. */
static int
load_payload(struct segment *s, uint64_t tile, uint32_t i, struct toolbox *t,
	     struct segment_record *r)
{
	struct segment_memo *m = &t->segment;
	int err = segment_load_tile(s, tile, t);
	uint32_t rank;

	if (err != 0)
		return err;
	segtile_get(&m->columns, i, r);
	if (r->gone)
		return 0;
	rank = m->columns.rank[i];
	err = load_block(s, rank, t);
	if (err == 0)
		err = load_frame(s, rank, t);
	if (err == 0)
		r->payload = slice_of(m->payloads.p + m->at[rank], m->columns.inline_bytes[i]);
	return err;
}

/* The same with its salt and leaf. */
static int
load_record(struct segment *s, uint64_t tile, uint32_t i, struct toolbox *t,
	    struct segment_record *r)
{
	struct segment_memo *m = &t->segment;
	int err = load_payload(s, tile, i, t, r);

	if (err != 0)
		return err;
	if (!r->gone)
		segblock_salt(&m->opened, m->columns.rank[i] - m->first, r);
	return segment_leaves(s, s->facts.first + tile * SEGMENT_TILE + i, 1, &r->leaf);
}

/* The commitment of an inline payload: computed, and compared where it is stored. */
static int
commit_to(struct toolbox *t, struct segment_record *r)
{
	uint8_t got[32];

	if (r->object || r->gone)
		return 0;
	sha256_commitment(t->sha, got, r->salt, r->payload);
	if (segtile_stores(false, false, r->size) && memcmp(got, r->commitment, 32) != 0)
		return STELE_EDAMAGED;
	memcpy(r->commitment, got, 32);
	return 0;
}

/* Moves all that r points to into the arena. */
static int
into_arena(struct arena *a, struct segment_record *r)
{
	struct slice *parts[] = {&r->payload, &r->media_type, &r->writer, &r->event};
	size_t n = 32;
	uint8_t *p;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		n += parts[i]->n;
	p = arena_alloc(a, n);
	if (!p)
		return STELE_ENOMEM;
	if (r->seed)
		r->seed = memcpy(p, r->seed, 32);
	p += 32;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (parts[i]->n)
			memcpy(p, parts[i]->p, parts[i]->n);
		parts[i]->p = p;
		p += parts[i]->n;
	}
	return 0;
}

int
segment_read(struct segment *s, uint64_t index, struct toolbox *t, struct arena *a,
	     struct segment_record *out)
{
	uint64_t i = index - s->facts.first;
	struct segment_record r;
	int err;

	if (!holds(s, index, 1))
		return STELE_EINVAL;
	err = load_record(s, i / SEGMENT_TILE, (uint32_t)(i % SEGMENT_TILE), t, &r);
	if (err == 0)
		err = commit_to(t, &r);
	if (err == 0)
		err = into_arena(a, &r);
	if (err == 0)
		*out = r;
	return err;
}

int
segment_columns(struct segment *s, uint64_t index, struct toolbox *t, struct segment_record *out)
{
	uint64_t i = index - s->facts.first;
	int err = holds(s, index, 1) ? segment_load_tile(s, i / SEGMENT_TILE, t) : STELE_EINVAL;

	if (err == 0)
		segtile_get(&t->segment.columns, (uint32_t)(i % SEGMENT_TILE), out);
	return err;
}

int
segment_each(struct segment *s, uint64_t from, uint64_t to, bool whole, struct toolbox *t,
	     segment_record_fn *fn, void *ctx)
{
	int err = 0;

	if (to < from || !holds(s, from, to - from))
		return STELE_EINVAL;
	for (uint64_t index = from; err == 0 && index < to; index++) {
		uint64_t i = index - s->facts.first;
		struct segment_record r;
		err = (whole ? load_record : load_payload)(s, i / SEGMENT_TILE,
							   (uint32_t)(i % SEGMENT_TILE), t, &r);
		if (err == 0 && whole)
			err = commit_to(t, &r);
		if (err == 0)
			err = fn(ctx, index, &r);
	}
	return err;
}

static int
key_at(struct segment *s, uint64_t i, uint8_t digest[16], uint64_t *index)
{
	uint8_t p[SEGMENT_KEY_BYTES];
	int err = segfile_copy(s->file, SEGMENT_KEYS, i * sizeof p, sizeof p, p);

	if (err == 0 && be_get32(p + 16) >= s->facts.count)
		err = STELE_EDAMAGED;
	if (err != 0)
		return err;
	memcpy(digest, p, 16);
	*index = s->facts.first + be_get32(p + 16);
	return 0;
}

int
segment_keys(struct segment *s, segment_key_fn *fn, void *ctx)
{
	uint64_t n = segfile_bytes(s->file, SEGMENT_KEYS) / SEGMENT_KEY_BYTES, index;
	uint8_t digest[16];
	int err = 0;

	for (uint64_t i = 0; err == 0 && i < n; i++) {
		err = key_at(s, i, digest, &index);
		if (err == 0)
			err = fn(ctx, digest, index);
	}
	return err;
}

int
segment_find_key(struct segment *s, const uint8_t digest[16], uint64_t *index)
{
	uint64_t lo = 0, hi = segfile_bytes(s->file, SEGMENT_KEYS) / SEGMENT_KEY_BYTES, at;
	uint8_t got[16];
	int err;

	while (lo < hi) { /* the first that is not below */
		uint64_t mid = lo + (hi - lo) / 2;
		err = key_at(s, mid, got, &at);
		if (err != 0)
			return err;
		if (memcmp(got, digest, 16) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == segfile_bytes(s->file, SEGMENT_KEYS) / SEGMENT_KEY_BYTES)
		return STELE_ENOTFOUND;
	err = key_at(s, lo, got, &at);
	if (err == 0 && memcmp(got, digest, 16) != 0)
		err = STELE_ENOTFOUND;
	if (err == 0)
		*index = at;
	return err;
}

void
segment_entry(struct entry *e, struct slice origin, uint64_t index, const uint8_t prev[32],
	      const struct segment_record *r)
{
	*e = (struct entry){
		.origin = origin,
		.index = index,
		.kind = r->kind,
		.ctl = r->ctl,
		.time_ns = r->time_ns,
		.size = r->size,
		.media_type = r->media_type,
		.writer = r->writer,
		.mode = r->mode,
		.event = r->event,
		.retain_until_ns = r->retain_until_ns,
	};
	memcpy(e->prev, prev, 32);
	memcpy(e->commitment, r->commitment, 32);
}
