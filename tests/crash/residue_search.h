/*
 * What can be found in a data directory and in its backups by whoever has all their files and every
 * key that is left: every file is read as raw bytes, and taken apart: each commit frame in each WAL
 * file, those that were written over in part or belong to an earlier life of the file too, each
 * box in it under each key with each dictionary; each segment under each key, whether a list names
 * it or not; each object under each descriptor that turned up; each file of each bundle under each
 * key.
 */
#ifndef STELE_TESTS_CRASH_RESIDUE_SEARCH_H
#define STELE_TESTS_CRASH_RESIDUE_SEARCH_H

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

#include "crypto/aead.h"
#include "crypto/keyring.h"
#include "crypto/salt.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/compress.h"
#include "storage/file.h"
#include "storage/frame.h"
#include "storage/manifest.h"
#include "storage/object.h"
#include "storage/read.h"
#include "storage/segfile.h"
#include "storage/segment.h"
#include "storage/segseal.h"
#include "storage/sealedfile.h"
#include "storage/spoolkeep.h"
#include "storage/toolbox.h"

enum { MAX_KEYS = 256, MAX_DICTS = 64, MAX_SALTS = 1024, MAX_MARKERS = 128 };

/* What is looked for: texts, and salts. */
struct markers {
	const char *text[MAX_MARKERS];
	unsigned n_text;
	uint8_t salt[MAX_SALTS][16];
	unsigned n_salts;
};

/* Where markers were found, and how often. */
struct hits {
	unsigned raw, wal, wal_dict, wal_salt, segment, segment_dict, segment_salt, object;
	unsigned spool;      /* files of exports' bundles */
	uint64_t dict_bytes; /* of segments' dictionaries, seen in all */
};

struct scan {
	const struct markers *m;
	struct toolbox *t;
	uint8_t key[MAX_KEYS][32];
	unsigned n_keys;
	struct compress_dict *dict[MAX_DICTS];
	unsigned n_dicts;
	struct buf descriptors; /* of objects that payloads turned out to be */
	struct hits hits;
};

static bool
is_marked(const struct scan *s, struct slice text)
{
	for (unsigned i = 0; text.p && i < s->m->n_text; i++)
		if (memmem(text.p, text.n, s->m->text[i], strlen(s->m->text[i])))
			return true;
	return false;
}

static unsigned
count_salts(const struct markers *m, const uint8_t *p, size_t n, size_t step)
{
	unsigned found = 0;

	for (size_t at = 0; at + 16 <= n; at += step) {
		for (unsigned i = 0; i < m->n_salts; i++)
			found += memcmp(p + at, m->salt[i], 16) == 0;
	}
	return found;
}

/* Salts that are there as they are, or would be computed from a seed. */
static unsigned
salts_in(const struct scan *s, const uint8_t *p, size_t n, bool seed)
{
	static uint8_t expanded[256][16];

	if (!seed)
		return count_salts(s->m, p, n, 16);
	salt_expand(p, 0, 256, expanded);
	return count_salts(s->m, expanded[0], sizeof expanded, 16);
}

/* A payload, or the descriptor of an object. */
static void
look_at_payload(struct scan *s, struct slice payload, unsigned *hits)
{
	struct object_descriptor d;

	*hits += is_marked(s, payload);
	if (payload.n == OBJECT_DESCRIPTOR_BYTES && object_descriptor_read(&d, payload) == 0)
		buf_put(&s->descriptors, &d, sizeof d);
}

/* --- the WAL ------------------------------------------------------------------------ */

static void
look_at_dict(struct scan *s, uint32_t id, struct slice plain)
{
	s->hits.wal_dict += is_marked(s, plain);
	for (unsigned i = 0; i < s->n_dicts; i++) {
		if (slice_eq(compress_dict_bytes(s->dict[i]), plain))
			return;
	}
	CHECK(s->n_dicts < MAX_DICTS);
	s->dict[s->n_dicts++] = compress_dict_new(id, plain);
}

/* Payloads of a block that opened, under each dictionary it may have been packed with. */
static void
look_at_block(struct scan *s, const struct frame_section *sec, uint32_t ordinal,
	      const struct frame_block *blk, struct slice plain)
{
	size_t head = frame_salts_bytes(blk), at = 0;
	uint8_t *raw = malloc(blk->raw_bytes + 1);
	int err = STELE_EDAMAGED;

	s->hits.wal_salt += salts_in(s, plain.p, head, blk->salts == FRAME_SALTS_SEED);
	for (unsigned i = 0; err != 0 && i <= s->n_dicts; i++)
		err = decompress_block(s->t->zip, i ? s->dict[i - 1] : NULL,
				       slice_of(plain.p + head, plain.n - head), raw,
				       blk->raw_bytes);
	for (uint32_t i = 0; err == 0 && i < blk->count; i++) {
		uint32_t n = frame_size_at(sec, ordinal + i);
		look_at_payload(s, slice_of(raw + at, n), &s->hits.wal);
		at += n;
	}
	free(raw);
}

static void
look_at_box(struct scan *s, const struct frame_section *sec, uint32_t block, uint32_t ordinal)
{
	struct frame_block blk = frame_block_at(sec, block);
	struct slice box = frame_box_at(sec, block, NULL);
	uint8_t ad[FRAME_AD_BYTES], *plain = malloc(box.n + 1);

	frame_box_ad(ad, sec->log_id, blk.count ? sec->first + ordinal : 0, &blk);
	for (unsigned k = 0; box.n > AEAD_OVERHEAD && k < s->n_keys; k++) {
		struct slice got = slice_of(plain, box.n - AEAD_OVERHEAD);
		if (aead_open(plain, s->key[k], box, slice_of(ad, sizeof ad)) != 0)
			continue;
		if (blk.count == 0)
			look_at_dict(s, blk.dict, got);
		else
			look_at_block(s, sec, ordinal, &blk, got);
	}
	free(plain);
}

/* Every place where a frame may begin, of this life of the file or of an earlier one. */
static void
look_at_wal(struct scan *s, struct slice file)
{
	for (size_t at = 0; at + FRAME_HEADER_BYTES < file.n; at += FRAME_ALIGN) {
		struct slice rest = slice_of(file.p + at, file.n - at);
		struct frame_header head;
		if (frame_header_read(&head, slice_of(rest.p, FRAME_HEADER_BYTES), UINT64_MAX) != 0)
			continue;
		rest = slice_of(rest.p + FRAME_HEADER_BYTES, rest.n - FRAME_HEADER_BYTES);
		for (uint32_t i = 0; i < head.n_sections; i++) {
			struct frame_section sec;
			uint32_t ordinal = 0;
			if (frame_section_read(&sec, rest) != 0)
				break;
			for (uint32_t b = 0; b < sec.n_blocks; b++) {
				look_at_box(s, &sec, b, ordinal);
				ordinal += frame_block_at(&sec, b).count;
			}
			rest = slice_of(rest.p + sec.bytes, rest.n - sec.bytes);
		}
	}
}

/* --- segments -------------------------------------------------------------------------- */

static int
look_at_record(void *ctx, uint64_t index, const struct segment_record *r)
{
	struct scan *s = ctx;

	(void)index;
	look_at_payload(s, r->payload, &s->hits.segment);
	s->hits.segment_salt += salts_in(s, r->salt, 16, false);
	if (r->seed)
		s->hits.segment_salt += salts_in(s, r->seed, 32, true);
	return 0;
}

static void
look_at_segment_dict(struct scan *s, struct segment *seg, const uint8_t key[32])
{
	const struct segment_facts *f = segment_facts(seg);
	uint64_t n = segfile_bytes(segment_file(seg), SEGMENT_DICT);
	uint8_t ad[SEGMENT_AD_BYTES], *plain, *raw;
	struct buf box;

	if (n == 0)
		return;
	buf_init(&box);
	CHECK(segfile_read(segment_file(seg), SEGMENT_DICT, 0, n, &box) == 0);
	segment_box_ad(ad, f->log_id, f->first, f->count, SEGMENT_BOX_DICT);
	plain = malloc(n);
	CHECK(aead_open(plain, key, buf_slice(&box), slice_of(ad, sizeof ad)) == 0);
	raw = malloc(le_get32(plain) + 1);
	CHECK(decompress_block(s->t->zip, NULL, slice_of(plain + 4, n - AEAD_OVERHEAD - 4), raw,
			       le_get32(plain)) == 0);
	s->hits.dict_bytes += le_get32(plain);
	s->hits.segment_dict += is_marked(s, slice_of(raw, le_get32(plain)));
	free(raw);
	free(plain);
	buf_fini(&box);
}

/* By its manifest, whoever signed that. */
static void
look_at_segment(struct scan *s, const char *dir, struct slice note)
{
	const uint8_t *end = memmem(note.p, note.n, "\n\n", 2);
	struct segment_facts facts;
	struct buf why;

	CHECK(end);
	CHECK(manifest_parse(&facts, NULL, slice_of(note.p, (size_t)(end + 1 - note.p))) == 0);
	buf_init(&why);
	for (unsigned k = 0; k < s->n_keys; k++) {
		struct segment *seg;
		if (segment_open(&seg, dir, &facts, s->key[k], s->t, &why) != 0)
			continue;
		if (segment_each(seg, facts.first, facts.first + facts.count, true, s->t,
				 look_at_record, s) == 0)
			look_at_segment_dict(s, seg, s->key[k]);
		segment_unref(seg);
	}
	buf_fini(&why);
}

/* --- objects ------------------------------------------------------------------------------ */

/* Its first chunk, in which the marker is, under each key that turned up. */
static void
look_at_object(struct scan *s, struct slice file)
{
	const struct object_descriptor *d = (const void *)s->descriptors.p;

	for (size_t i = 0; i < s->descriptors.n / sizeof *d; i++) {
		size_t n = d[i].chunk_bytes + (size_t)AEAD_OVERHEAD;
		uint8_t ad[OBJECT_AD_BYTES], *plain;
		if (file.n < OBJECT_HEADER_BYTES + n || memcmp(file.p + 16, d[i].id, 16) != 0)
			continue;
		plain = malloc(n);
		object_chunk_ad(ad, file.p, 0, false);
		if (aead_open(plain, d[i].key, slice_of(file.p + OBJECT_HEADER_BYTES, n),
			      slice_of(ad, sizeof ad)) == 0)
			s->hits.object += is_marked(s, slice_of(plain, d[i].chunk_bytes));
		free(plain);
	}
}

/* --- bundles ------------------------------------------------------------------------------ */

/* What a sealed file of a spool holds, appended; false: not under this key. */
static bool
open_sealed(const char *dir, const char *name, uint32_t number, const uint8_t key[32],
	    struct buf *out)
{
	struct sealedfile_in f = {.fd = -1};
	char path[1024];
	struct stat sb;
	uint64_t n;
	bool good;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (stat(path, &sb) != 0)
		return false;
	n = (uint64_t)sb.st_size;
	n -= (n + SEALEDFILE_BOX - 1) / SEALEDFILE_BOX * AEAD_OVERHEAD;
	CHECK(buf_reserve(out, n + 1) == 0);
	good = sealedfile_open(&f, path, number, key, n) == 0 &&
	       (n == 0 || sealedfile_read(&f, 0, out->p + out->n, n) == 0);
	out->n += good ? n : 0;
	sealedfile_in_fini(&f);
	return good;
}

static void
look_at_body(struct scan *s, const struct spool_row *row, struct slice packed)
{
	uint8_t *plain = malloc(row->size + 1);
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)packed.p,
		      .avail_in = (unsigned)packed.n,
		      .next_out = plain,
		      .avail_out = (unsigned)row->size + 1};

	if (row->method == ZIP_STORED) {
		s->hits.spool += is_marked(s, packed);
	} else {
		CHECK(inflateInit2(&z, -15) == Z_OK);
		CHECK(inflate(&z, Z_FINISH) == Z_STREAM_END);
		inflateEnd(&z);
		s->hits.spool += is_marked(s, slice_of(plain, row->size));
	}
	free(plain);
}

/* All of its files, by its rows, under each key. */
static void
look_at_spool(struct scan *s, const char *dir)
{
	for (unsigned k = 0; k < s->n_keys; k++) {
		struct buf rows, bodies[SPOOL_BODIES];
		struct spool_row row;
		buf_init(&rows);
		for (uint32_t i = 0; i < SPOOL_BODIES; i++) {
			char name[16];
			snprintf(name, sizeof name, "bodies.%" PRIu32, i);
			buf_init(&bodies[i]);
			(void)open_sealed(dir, name, i, s->key[k], &bodies[i]);
		}
		(void)open_sealed(dir, "rows", SPOOL_ROWS, s->key[k], &rows);
		for (size_t at = 0; at + SPOOL_ROW_BYTES <= rows.n; at += SPOOL_ROW_BYTES) {
			CHECK(spool_row_read(&row, rows.p + at) == 0);
			look_at_body(s, &row, slice_of(bodies[row.stream].p + row.at, row.packed));
		}
		buf_fini(&rows);
		for (uint32_t i = 0; i < SPOOL_BODIES; i++)
			buf_fini(&bodies[i]);
	}
}

/* --- all files -------------------------------------------------------------------------- */

static bool
ends(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n >= k && strcmp(name + n - k, suffix) == 0;
}

static void
look_at_file(struct scan *s, const char *dir, const char *name, bool objects)
{
	char path[1024];
	struct buf file;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	buf_init(&file);
	CHECK(file_read_all(path, &file, 256 << 20) == 0);
	if (objects) {
		if (ends(name, ".obj"))
			look_at_object(s, buf_slice(&file));
	} else {
		s->hits.raw += is_marked(s, buf_slice(&file));
		if (ends(name, ".wal"))
			look_at_wal(s, buf_slice(&file));
		if (ends(name, ".manifest"))
			look_at_segment(s, dir, buf_slice(&file));
		if (strcmp(name, "rows") == 0)
			look_at_spool(s, dir);
	}
	buf_fini(&file);
}

static void
walk(struct scan *s, const char *dir, bool objects)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	CHECK(d);
	while ((e = readdir(d))) {
		char path[1024];
		struct stat sb;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.' || lstat(path, &sb) != 0)
			continue;
		if (S_ISDIR(sb.st_mode))
			walk(s, path, objects);
		else
			look_at_file(s, dir, e->d_name, objects);
	}
	closedir(d);
}

/* Both folders under the keys of a keyring's file. Dictionaries and descriptors turn up first. */
static inline struct hits
residue_search(const struct markers *m, const char *keyring, const char *data, const char *backup)
{
	struct scan s = {.m = m, .t = toolbox_new()};
	const struct keyring_data *keys;
	struct keyfile_seal *seal;
	struct keyring *ring;
	size_t n;

	CHECK(keyfile_seal_new(&seal, NULL) == 0);
	CHECK(keyring_open(&ring, keyring, seal, false) == 0);
	keys = keyring_each_data(ring, &n);
	CHECK(n <= MAX_KEYS);
	for (size_t i = 0; i < n; i++)
		memcpy(s.key[s.n_keys++], keys[i].key, 32);
	for (int round = 0; round < 2; round++) {
		s.hits = (struct hits){0};
		walk(&s, data, false);
		walk(&s, backup, false);
	}
	walk(&s, data, true);
	walk(&s, backup, true);
	for (unsigned i = 0; i < s.n_dicts; i++)
		compress_dict_unref(s.dict[i]);
	buf_fini(&s.descriptors);
	toolbox_free(s.t);
	keyring_free(ring);
	keyfile_seal_free(seal);
	return s.hits;
}

/* Prints them; how many there are. */
static inline unsigned
residue_sum(const char *when, const struct hits *h)
{
	printf("%s: raw %u, WAL %u, its dictionaries %u, its salts %u, segments %u, their "
	       "dictionaries %u, their salts %u, objects %u, bundles %u\n",
	       when, h->raw, h->wal, h->wal_dict, h->wal_salt, h->segment, h->segment_dict,
	       h->segment_salt, h->object, h->spool);
	return h->raw + h->wal + h->wal_dict + h->wal_salt + h->segment + h->segment_dict +
	       h->segment_salt + h->object;
}

#endif
