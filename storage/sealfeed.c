/* Sections are walked in order: groups beside records, blocks opened as they come. */
#include "storage/sealfeed.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

void
sealfeed_init(struct sealfeed *f, struct log *log, uint64_t first, uint64_t end,
	      const struct purging *thin, struct toolbox *t, const atomic_bool *stop)
{
	memset(f, 0, sizeof *f);
	f->log = log;
	f->t = t;
	f->stop = stop;
	f->thin = thin;
	f->first = f->at = first;
	f->end = end;
	arena_init(&f->arena);
	buf_init(&f->bytes);
}

void
sealfeed_fini(struct sealfeed *f)
{
	segment_unref(f->segment);
	arena_fini(&f->arena);
	buf_fini(&f->bytes);
	if (f->seeds)
		explicit_bzero(f->seeds, f->cap_seeds * sizeof *f->seeds);
	free(f->seeds);
}

/* --- thinning ------------------------------------------------------------------ */

/* Eight bytes tell seeds apart; two that are alike cost a few salts more. */
static uint64_t
seed_name(const uint8_t seed[32])
{
	uint64_t name;

	memcpy(&name, seed, sizeof name);
	return name;
}

/* Notes the seed of a record that goes; records of one seed follow each other. */
static int
note_seed(struct sealfeed *f, const uint8_t seed[32])
{
	uint64_t name = seed_name(seed), *p;

	if (f->n_seeds && f->seeds[f->n_seeds - 1] == name)
		return 0;
	if (f->n_seeds == f->cap_seeds) {
		f->cap_seeds = f->cap_seeds ? 2 * f->cap_seeds : 64;
		p = realloc(f->seeds, f->cap_seeds * sizeof *p);
		if (!p)
			return STELE_ENOMEM;
		f->seeds = p;
	}
	f->seeds[f->n_seeds++] = name;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

static bool
seed_goes(const struct sealfeed *f, const uint8_t seed[32])
{
	uint64_t name = seed_name(seed);

	return f->n_seeds && bsearch(&name, f->seeds, f->n_seeds, sizeof name, by_name);
}

/* The record as it is from now on: its entry and its commitment. */
static void
blank(struct segment_record *r, uint64_t purge)
{
	r->gone = true;
	r->purge = purge;
	r->object = false;
	r->payload = slice_of(NULL, 0);
	r->seed = NULL;
	r->seed_ordinal = 0;
	explicit_bzero(r->salt, sizeof r->salt);
}

/*
 * From a seed every salt that it gave can be computed again: one that salted what goes is kept
 * by nothing. The first pass finds them, the second one writes.
 */
static int
thin(struct sealfeed *f, struct segment_record *r)
{
	int err = 0;

	if (r->gone || !purge_set_find(&f->thin->set, f->at)) {
		if (r->seed && f->pass > 1 && seed_goes(f, r->seed))
			r->seed = NULL;
		return 0;
	}
	if (r->seed && f->pass == 1)
		err = note_seed(f, r->seed);
	blank(r, f->thin->entry);
	return err;
}

/* --- out of a segment ---------------------------------------------------------- */

static int
from_segment(struct sealfeed *f, struct segment_record *r)
{
	int err;

	arena_reset(&f->arena);
	err = segment_read(f->segment, f->at, f->t, &f->arena, r);
	if (err == 0 && f->thin)
		err = thin(f, r);
	if (err != 0)
		return err;
	if (++f->at == f->segment_end) {
		segment_unref(f->segment);
		f->segment = NULL;
	}
	return 0;
}

/* --- out of the WAL -------------------------------------------------------------- */

static int
step_group(struct sealfeed *f)
{
	if (f->group_left == 0) {
		if (frame_group_read(&f->group, &f->groups) != 0)
			return STELE_EDAMAGED;
		f->group_left = f->group.count;
	}
	f->group_left--;
	return 0;
}

/* Opens the block that holds the next record; dictionaries are boxes without records. */
static int
step_block(struct sealfeed *f)
{
	struct frame_block b;
	int err;

	do {
		if (f->block == f->section.n_blocks)
			return STELE_EDAMAGED;
		b = frame_block_at(&f->section, f->block++);
	} while (b.count == 0);
	err = block_open(f->log, &f->section, f->block - 1, f->section.first + f->ordinal,
			 frame_box_at(&f->section, f->block - 1, NULL), f->t, &f->opened);
	f->payload = err == 0 ? f->opened.payloads.p : NULL;
	f->in_block = 0;
	f->block_end = f->ordinal + b.count;
	/* a seed that salted records of another segment, too, is not for this one to keep */
	if (f->section.first + f->ordinal < f->first || f->section.first + f->block_end > f->end)
		f->opened.seed = NULL;
	return err;
}

static int
from_section(struct sealfeed *f, struct segment_record *r)
{
	uint32_t bytes = frame_size_at(&f->section, f->ordinal); /* of payload, or descriptor */
	struct frame_object o;
	int err = step_group(f);

	if (err == 0 && f->ordinal == f->block_end)
		err = step_block(f);
	if (err != 0)
		return err;
	*r = (struct segment_record){
		.kind = f->group.kind,
		.mode = f->group.mode,
		.ctl = f->group.ctl,
		.size = bytes,
		.time_ns = f->section.time_ns,
		.retain_until_ns = f->group.retain_until_ns,
		.media_type = f->group.media_type,
		.writer = f->group.writer,
		.event = f->group.event,
		.payload = slice_of(f->payload, bytes),
		.seed = f->opened.seed,
		.seed_ordinal = f->in_block,
	};
	memcpy(r->leaf, f->section.leaves.p + (size_t)f->ordinal * 32, 32);
	memcpy(r->salt, f->opened.salts.p + (size_t)f->in_block * 16, 16);
	r->object = frame_object_find(&f->section, f->ordinal, &o);
	if (r->object) {
		r->size = o.size;
		memcpy(r->commitment, o.commitment, 32);
	} else if (bytes > LIMIT_DERIVED_BYTES) {
		sha256_commitment(f->t->sha, r->commitment, r->salt, r->payload);
	}
	f->payload += bytes;
	f->in_block++;
	f->in_section = ++f->ordinal < f->section.count;
	return 0;
}

static int
begin_section(struct sealfeed *f, const struct extent *e)
{
	int err;

	buf_reset(&f->bytes);
	err = buf_reserve(&f->bytes, e->bytes);
	if (err == 0)
		err = wal_read(f->log->store->wal, e->at, f->bytes.p, e->bytes);
	if (err != 0)
		return err;
	f->bytes.n = e->bytes;
	if (frame_section_read(&f->section, buf_slice(&f->bytes)) != 0 ||
	    f->section.log_id != f->log->id || f->section.first != e->first ||
	    f->section.count != e->count)
		return STELE_EDAMAGED;
	bytes_init(&f->groups, f->section.groups);
	f->group_left = f->ordinal = f->block = f->block_end = 0;
	f->in_section = true;
	return 0;
}

/* --- the source ------------------------------------------------------------------ */

/* Finds what holds the next record; records of a section before it are passed over. */
static int
find(struct sealfeed *f)
{
	struct segment_record skipped;
	struct location l;
	int err;

	locate(f->log, f->at, &l);
	if (!l.found)
		return STELE_EDAMAGED;
	if (l.sealed) {
		f->segment_end = l.segment.first + l.segment.count;
		return location_open(f->log, &l, f->t, &f->segment);
	}
	err = begin_section(f, &l.extent);
	while (err == 0 && f->section.first + f->ordinal < f->at)
		err = from_section(f, &skipped);
	return err;
}

static int
next(void *ctx, struct segment_record *r)
{
	struct sealfeed *f = ctx;
	int err = 0;

	if (f->at == f->end)
		return 1;
	if (atomic_load_explicit(f->stop, memory_order_relaxed))
		return STELE_ECLOSED;
	if (!f->segment && !f->in_section)
		err = find(f);
	if (err != 0)
		return err;
	if (f->segment)
		return from_segment(f, r);
	f->at++;
	return from_section(f, r);
}

static int
rewind_feed(void *ctx)
{
	struct sealfeed *f = ctx;

	segment_unref(f->segment);
	f->segment = NULL;
	f->in_section = false;
	f->at = f->first;
	if (++f->pass == 2 && f->n_seeds)
		qsort(f->seeds, f->n_seeds, sizeof *f->seeds, by_name);
	return 0;
}

struct segment_source
sealfeed_source(struct sealfeed *f)
{
	return (struct segment_source){f, rewind_feed, next};
}
