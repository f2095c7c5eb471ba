/* The order of steps is segbuild.h's. */
#include "storage/segbuild.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/keysort.h"
#include "storage/manifest.h"
#include "storage/segdict.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "storage/segterms.h"
#include "storage/termbuild.h"
#include "storage/tiletree.h"
#include "storage/toolbox.h"

#define SOFTWARE "steled/" STELE_VERSION

struct build {
	const struct segment_plan *plan;
	const struct segment_source *src;
	struct toolbox *t;
	struct buf *why;
	struct segment_facts facts;
	char tmp[PATH_MAX], seg[PATH_MAX], manifest[PATH_MAX];
	struct segfile_writer *file;
	struct compress_dict *dict;
	uint64_t raw, packed; /* of the sample and all blocks so far: what lengths follow */
	struct keysort *keys;
	struct termbuild *terms; /* NULL without a mapping */
	struct segtile tile;
	uint32_t blocked; /* records of the tile that are in blocks already; none is gone */
	struct segblock_writer block;
	uint8_t leaves[SEGMENT_TILE][32];
	uint64_t n; /* records taken */
	struct buf plain, box;
};

/* Pass 1: samples for the dictionary. */
static int
sample(struct build *b)
{
	struct segdict_sample s;
	struct segment_record r;
	int err = b->src->rewind(b->src->ctx);

	segdict_sample_init(&s);
	while (err == 0) {
		err = b->src->next(b->src->ctx, &r);
		if (err == 0 && !r.object && !r.gone)
			err = segdict_sample_add(&s, r.payload);
	}
	if (err == 1)
		err = segdict_choose(&s, b->t->zip, &b->dict, &b->raw, &b->packed);
	segdict_sample_fini(&s);
	return err;
}

/* Seals plain into box. */
static int
seal(struct build *b, uint64_t first, uint64_t count, enum segment_box kind, enum segment_part part)
{
	uint8_t ad[SEGMENT_AD_BYTES];

	buf_reset(&b->box);
	if (b->plain.err || buf_reserve(&b->box, b->plain.n + AEAD_OVERHEAD) != 0)
		return STELE_ENOMEM;
	segment_box_ad(ad, b->facts.log_id, first, count, kind);
	aead_seal(b->box.p, b->plan->data_key, buf_slice(&b->plain), slice_of(ad, sizeof ad),
		  &b->t->random);
	b->box.n = b->plain.n + AEAD_OVERHEAD;
	segfile_put(b->file, part, buf_slice(&b->box));
	return 0;
}

static int
write_dict(struct build *b)
{
	struct slice bytes;
	size_t bound, n;
	uint8_t raw[4];
	int err;

	if (!b->dict)
		return 0;
	bytes = compress_dict_bytes(b->dict);
	bound = compress_bound(bytes.n);
	buf_reset(&b->plain);
	le_put32(raw, (uint32_t)bytes.n);
	buf_put(&b->plain, raw, sizeof raw);
	if (buf_reserve(&b->plain, bound) != 0)
		return STELE_ENOMEM;
	err = compress_seal(b->t->zip, NULL, bytes, b->plain.p + b->plain.n, bound, &n);
	if (err != 0)
		return err;
	b->plain.n += n;
	return seal(b, b->facts.first, b->facts.count, SEGMENT_BOX_DICT, SEGMENT_DICT);
}

/* The gathered block into the file, and into its tile's list. */
static int
end_block(struct build *b)
{
	uint32_t count = b->block.count;
	uint64_t first =
		b->facts.first + b->n - b->tile.count + b->blocked; /* of the box's place */
	int err;

	if (count == 0)
		return 0;
	buf_reset(&b->plain);
	b->raw += b->block.raw.n;
	err = segblock_write(&b->block, b->t->zip, b->dict, segdict_frame_bytes(b->raw, b->packed),
			     &b->plain);
	b->packed += b->plain.n;
	if (err == 0)
		err = seal(b, first, count, SEGMENT_BOX_BLOCK, SEGMENT_BLOCKS);
	if (err != 0)
		return err;
	segtile_add_block(&b->tile, count, (uint32_t)b->box.n);
	b->blocked += count;
	return 0;
}

/* Where the next tile's columns and blocks begin. */
static void
write_index(struct build *b)
{
	uint8_t entry[SEGMENT_INDEX_BYTES];

	le_put64(entry, segfile_put_bytes(b->file, SEGMENT_COLUMNS));
	le_put64(entry + 8, segfile_put_bytes(b->file, SEGMENT_BLOCKS));
	segfile_put(b->file, SEGMENT_INDEX, slice_of(entry, sizeof entry));
}

static int
end_tile(struct build *b)
{
	uint8_t nodes[16][32];
	int err = end_block(b);

	if (err != 0)
		return err;
	buf_reset(&b->plain);
	err = segtile_write(&b->tile, b->t->zip, &b->plain);
	if (err != 0)
		return err;
	segfile_put(b->file, SEGMENT_COLUMNS, buf_slice(&b->plain));
	segfile_put(b->file, SEGMENT_TILES, slice_of(b->leaves, (size_t)b->tile.count * 32));
	if (b->tile.count == SEGMENT_TILE) {
		tiletree_nodes(b->t->sha, (const uint8_t(*)[32])b->leaves, nodes);
		segfile_put(b->file, SEGMENT_TILES, slice_of(nodes, sizeof nodes));
	}
	segtile_reset(&b->tile);
	b->blocked = 0;
	write_index(b);
	return 0;
}

static void
note_facts(struct build *b, const struct segment_record *r)
{
	struct segment_facts *f = &b->facts;

	if (b->n == 0)
		f->first_time_ns = r->time_ns;
	f->last_time_ns = r->time_ns;
	f->ctl = r->kind == ENTRY_RECORD ? r->ctl : f->first + b->n;
	f->payload_bytes += r->size;
	f->purged += r->gone;
	memcpy(f->last, r->leaf, 32);
}

static int
take_record(struct build *b, const struct segment_record *r)
{
	int err;

	if (b->n == b->facts.count || (b->n && r->time_ns < b->facts.last_time_ns))
		return STELE_EINVAL;
	if (b->block.count &&
	    b->block.raw.n + r->payload.n > segdict_block_bytes(b->raw, b->packed)) {
		err = end_block(b);
		if (err != 0)
			return err;
	}
	memcpy(b->leaves[b->tile.count], r->leaf, 32);
	err = segtile_add(&b->tile, r);
	if (err == 0 && r->has_key)
		err = keysort_add(b->keys, r->key, (uint32_t)b->n);
	if (err == 0 && b->terms)
		err = termbuild_add(b->terms, r);
	if (err != 0)
		return err;
	if (!r->gone)
		segblock_add(&b->block, r);
	note_facts(b, r);
	b->n++;
	return b->tile.count == SEGMENT_TILE ? end_tile(b) : 0;
}

static int
put_key(void *ctx, const uint8_t *key)
{
	struct build *b = ctx;

	segfile_put(b->file, SEGMENT_KEYS, slice_of(key, 20));
	return 0;
}

static int
write_terms(struct build *b)
{
	int err;

	if (b->terms) {
		err = segterms_write(b->terms, b->plan, b->file, b->t, b->facts.terms_root);
		b->facts.terms_bytes = segfile_put_bytes(b->file, SEGMENT_TERMS);
		return err;
	}
	sha256_hash(b->t->sha, b->facts.terms_root, slice_of(NULL, 0)); /* of the empty tree */
	return 0;
}

/* Pass 2: everything into the streams. */
static int
write_streams(struct build *b)
{
	struct segment_record r;
	int err = b->src->rewind(b->src->ctx);

	if (err == 0)
		err = write_dict(b);
	write_index(b);
	while (err == 0) {
		err = b->src->next(b->src->ctx, &r);
		if (err == 0)
			err = take_record(b, &r);
	}
	if (err == 1)
		err = b->n == b->facts.count ? 0 : STELE_EINVAL;
	if (err == 0 && b->tile.count)
		err = end_tile(b);
	if (err == 0)
		err = keysort_each(b->keys, put_key, b);
	if (err == 0)
		err = write_terms(b);
	return err ? err : segfile_end(b->file, &b->facts);
}

/* The file's mode and length for good, all of it flushed, and what its pages now hold hashed. */
static int
settle(struct build *b)
{
	int fd = open(b->tmp, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat sb;

	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fchmod(fd, 0444) != 0 || fsync(fd) != 0 || fstat(fd, &sb) != 0)
		err = STELE_EIO;
	if (err == 0) {
		b->facts.file_bytes = (uint64_t)sb.st_size;
		err = segment_hash_file(b->tmp, b->facts.file_bytes, b->t, b->facts.file_hash);
	}
	/* What verifies reads the disk and not the cache, unless the kernel declines. */
	if (err == 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	if (err == 0 && rename(b->tmp, b->seg) != 0)
		err = stele_err_from_errno(errno);
	return err ? err : file_sync_dir(b->plan->dir);
}

static int
verify(struct build *b)
{
	struct segment *s;
	int err = segment_open(&s, b->plan->dir, &b->facts, b->plan->data_key, b->t, b->why);

	if (err != 0)
		return err;
	err = segment_verify(s, b->plan->before, b->t, b->why);
	segment_unref(s);
	return err;
}

static int
publish(struct build *b)
{
	const struct segment_facts *f = &b->facts;
	struct segment_name name = {f->first, f->count, f->generation};
	struct segment_facts again;
	int err = manifest_write(b->plan->dir, f, slice_str(b->plan->replaces), b->plan->signer);

	if (err == 0)
		err = manifest_read(&again, NULL, b->plan->dir, &name, slice_str(f->origin),
				    f->log_id, signer_vkey(b->plan->signer), 1, b->why);
	if (err == 0 && memcmp(again.file_hash, f->file_hash, 32) != 0)
		err = STELE_EDAMAGED;
	return err;
}

static int
begin(struct build *b)
{
	const struct segment_plan *p = b->plan;
	const struct segment_facts *f = &p->facts;
	uint8_t salt[TERM_SALT_BYTES];
	int err;

	if (f->first % SEGMENT_TILE != 0 || f->first > LIMIT_TREE_SIZE || f->count == 0 ||
	    f->count > LIMIT_SEGMENT_RECORDS || f->generation == 0 || f->data_key_id == 0 ||
	    p->before->size != f->first || !entry_origin_valid(slice_str(f->origin)))
		return STELE_EINVAL;
	b->facts = *f;
	b->facts.payload_bytes = b->facts.purged = 0;
	snprintf(b->facts.software, sizeof b->facts.software, "%s", SOFTWARE);
	err = segment_path(b->tmp, p->dir, f, ".seg.tmp");
	if (err == 0)
		err = segment_path(b->seg, p->dir, f, ".seg");
	if (err == 0)
		err = segment_path(b->manifest, p->dir, f, ".manifest");
	if (err == 0 && (access(b->seg, F_OK) == 0 || access(b->manifest, F_OK) == 0))
		err = STELE_EEXIST;
	if (err == 0)
		err = keysort_new(&b->keys, p->dir, 16);
	if (err != 0 || !p->mapping)
		return err;
	random_bytes(salt, sizeof salt);
	err = termbuild_new(&b->terms, p->mapping, salt, (uint32_t)f->count, p->dir, b->t->sha);
	explicit_bzero(salt, sizeof salt);
	return err;
}

/* Steps 1 to 3; *made is how many names may have to be removed. */
static int
run(struct build *b, int *made)
{
	int err = sample(b);

	if (err == 0)
		err = segfile_create(&b->file, b->tmp);
	if (err != 0)
		return err;
	*made = 1;
	err = write_streams(b);
	segfile_free(b->file);
	b->file = NULL;
	if (err != 0)
		return err;
	*made = 2;
	err = settle(b);
	if (err == 0)
		err = verify(b);
	if (err != 0)
		return err;
	*made = 3;
	return publish(b);
}

static void
build_fini(struct build *b)
{
	compress_dict_unref(b->dict);
	keysort_free(b->keys);
	termbuild_free(b->terms);
	segtile_fini(&b->tile);
	segblock_writer_fini(&b->block);
	if (b->plain.p)
		explicit_bzero(b->plain.p, b->plain.cap);
	buf_fini(&b->plain);
	buf_fini(&b->box);
	free(b);
}

int
segment_build(const struct segment_plan *plan, const struct segment_source *src, struct toolbox *t,
	      struct segment_facts *out, struct buf *why)
{
	struct build *b = calloc(1, sizeof *b);
	int made = 0, err;

	if (!b)
		return STELE_ENOMEM;
	b->plan = plan;
	b->src = src;
	b->t = t;
	b->why = why;
	err = begin(b);
	if (err == 0)
		err = run(b, &made);
	if (err != 0 && why->n == 0)
		buf_printf(why, "building the segment %llu-%llu.%u in %s: %s",
			   (unsigned long long)plan->facts.first,
			   (unsigned long long)plan->facts.count, plan->facts.generation, plan->dir,
			   stele_strerror(err));
	if (err != 0 && made >= 3)
		unlink(b->manifest);
	if (err != 0 && made >= 2)
		unlink(b->seg);
	if (err != 0 && made >= 1)
		unlink(b->tmp);
	if (err == 0)
		*out = b->facts;
	build_fini(b);
	return err;
}
