/*
 * Reading a record: its section's columns, its block, its entry built anew,
 * and the entry's hash against the tree. Whatever fails on the way is damage.
 */
#include "storage/read.h"

#include <string.h>

#include "proto/bytes.h"
#include "proto/check.h"
#include "proto/err.h"
#include "storage/internal.h"
#include "storage/locate.h"
#include "storage/tailread.h"

enum { EXTENTS_A_LOOK = 65536 }; /* passed over under the lock, some 100 us */

int
read_damaged(struct log *log, uint64_t index, const char *what)
{
	atomic_fetch_add(&log->store->damaged_reads, 1);
	store_say(log->store, STORE_ERROR,
		  "log %s, record %llu: %s is damaged on disk; nothing wrong was served. "
		  "Run stele fsck and restore the damaged file from a copy",
		  log->name, (unsigned long long)index, what);
	return STELE_EDAMAGED;
}

/* The group that a record belongs to. */
static int
group_of(const struct frame_section *s, uint32_t ordinal, struct frame_group *g)
{
	struct bytes b;
	uint64_t next = 0;

	bytes_init(&b, s->groups);
	for (uint32_t i = 0; i < s->n_groups; i++) {
		if (frame_group_read(g, &b) != 0)
			return STELE_EDAMAGED;
		next += g->count;
		if (ordinal < next)
			return 0;
	}
	return STELE_EDAMAGED;
}

/* Entry of the record from its columns; *e lies in the memo until the next read. */
static int
build_entry(struct log *log, const struct section_memo *m, uint32_t ordinal, struct entry *e)
{
	struct frame_group g;
	int err = group_of(&m->section, ordinal, &g);

	if (err != 0)
		return err;
	*e = (struct entry){
		.origin = slice_str(log->origin),
		.index = m->section.first + ordinal,
		.kind = g.kind,
		.ctl = g.ctl,
		.time_ns = m->section.time_ns,
		.size = frame_size_at(&m->section, ordinal),
		.media_type = g.media_type,
		.writer = g.writer,
		.mode = g.mode,
		.event = g.event,
		.retain_until_ns = g.retain_until_ns,
	};
	return 0;
}

/* The text and hash of an entry, and the entry read back from it, into the arena. */
static int
put_entry(const struct entry *e, struct toolbox *t, struct arena *a, struct record *out)
{
	char text[LIMIT_ENTRY_BYTES], *scratch = arena_alloc(a, LIMIT_ENTRY_BYTES);
	int n = entry_write(text, sizeof text, e);

	if (n < 0)
		return STELE_EDAMAGED;
	sha256_leaf(t->sha, out->leaf, slice_of(text, (size_t)n));
	out->text = slice_of(arena_dup(a, text, (size_t)n), (size_t)n);
	if (!out->text.p || !scratch)
		return STELE_ENOMEM;
	return entry_read(&out->entry, out->text, scratch) == 0 ? 0 : STELE_EDAMAGED;
}

static int
fill(struct log *log, uint32_t ordinal, const uint8_t prev[32], struct toolbox *t, struct arena *a,
     struct record *out)
{
	const struct section_memo *m = &t->memo;
	const uint8_t *payload = m->payloads.p;
	uint32_t bytes = frame_size_at(&m->section, ordinal); /* of payload, or descriptor */
	struct frame_object o;
	struct entry e;
	int err = build_entry(log, m, ordinal, &e);

	if (err != 0)
		return err;
	for (uint32_t i = m->block_ordinal; i < ordinal; i++)
		payload += frame_size_at(&m->section, i);
	memcpy(e.prev, prev, 32);
	memcpy(out->salt, m->salts.p + (size_t)(ordinal - m->block_ordinal) * 16, 16);
	out->object = frame_object_find(&m->section, ordinal, &o);
	if (out->object) {
		e.size = o.size;
		memcpy(e.commitment, o.commitment, 32);
	} else {
		sha256_commitment(t->sha, e.commitment, out->salt, slice_of(payload, bytes));
	}
	out->payload = slice_of(arena_dup(a, payload, bytes), bytes);
	if (!out->payload.p)
		return STELE_ENOMEM;
	return put_entry(&e, t, a, out);
}

/* The entry hash before index, which its entry chains to. */
static int
hash_before(struct node_source *nodes, uint64_t index, uint8_t out[32])
{
	if (index)
		return node_get(nodes, 0, index - 1, out);
	sha256_hash(nodes->tools->sha, out, slice_of(NULL, 0)); /* root of the empty tree */
	return 0;
}

static int
read_tail(struct node_source *nodes, uint64_t index, const struct extent *extent, struct arena *a,
	  struct record *out)
{
	uint32_t ordinal = (uint32_t)(index - extent->first);
	struct toolbox *t = nodes->tools;
	uint8_t prev[32];
	int err = hash_before(nodes, index, prev);

	if (err == 0)
		err = tailread_meta(nodes->log, extent, &t->memo);
	if (err == 0)
		err = tailread_block(nodes->log, ordinal, t);
	if (err == 0)
		err = fill(nodes->log, ordinal, prev, t, a, out);
	if (err != 0)
		t->memo.log_id = 0;
	return err;
}

/* The first record of a segment chains to what the manifest says, should the one before be lost. */
static int
read_sealed(struct node_source *nodes, uint64_t index, const struct location *l, struct arena *a,
	    struct record *out)
{
	struct log *log = nodes->log;
	struct segment_record r;
	struct segment *segment;
	uint8_t prev[32];
	struct entry e;
	int err = location_open(log, l, nodes->tools, &segment);

	if (err != 0)
		return err;
	if (index == l->segment.first)
		memcpy(prev, segment_facts(segment)->prev, 32);
	else
		err = hash_before(nodes, index, prev);
	if (err == 0)
		err = segment_read(segment, index, nodes->tools, a, &r);
	segment_unref(segment);
	if (err != 0)
		return err;
	segment_entry(&e, slice_str(log->origin), index, prev, &r);
	memcpy(out->salt, r.salt, sizeof out->salt);
	out->payload = r.payload;
	out->object = r.object;
	out->gone = r.gone;
	out->purge = r.purge;
	return put_entry(&e, nodes->tools, a, out);
}

static int
read_verified(struct log *log, uint64_t index, const struct location *l, struct toolbox *t,
	      struct arena *a, struct record *out)
{
	struct node_source nodes = {log->store, log, t, false};
	uint8_t leaf[32];
	int err = l->found ? node_get(&nodes, 0, index, leaf) : STELE_EDAMAGED;

	if (err == 0)
		err = l->sealed ? read_sealed(&nodes, index, l, a, out)
				: read_tail(&nodes, index, &l->extent, a, out);
	if (err == 0 && memcmp(out->leaf, leaf, 32) != 0)
		err = STELE_EDAMAGED;
	return err;
}

/* What is still there of a purge under way is nobody's to read. */
static void
take_away(struct record *r, uint64_t purge)
{
	r->gone = true;
	r->purge = purge;
	r->object = false;
	r->payload = slice_of(NULL, 0);
	explicit_bzero(r->salt, sizeof r->salt);
}

int
read_record(struct store *st, struct log *log, uint64_t index, struct toolbox *t, struct arena *a,
	    struct record *out)
{
	struct record got;
	int err = read_entry(st, log, index, t, a, &got);

	if (err == 0 && got.gone)
		return STELE_EGONE;
	if (err == 0)
		*out = got;
	return err;
}

int
read_entry(struct store *st, struct log *log, uint64_t index, struct toolbox *t, struct arena *a,
	   struct record *out)
{
	struct record got = {.gone = false};
	struct location l;
	int err;

	(void)st;
	do {
		locate(log, index, &l);
		if (!l.released)
			return STELE_ENOTFOUND;
		err = read_verified(log, index, &l, t, a, &got);
	} while (err != 0 && err != STELE_ENOMEM && location_moved(log, index, &l));
	if (err == STELE_EDAMAGED || err == STELE_EVERIFY) {
		t->memo.log_id = 0;
		return read_damaged(log, index, "what is stored of it");
	}
	if (err == 0 && l.purge)
		take_away(&got, l.purge);
	if (err == 0)
		*out = got;
	return err;
}

/* --- objects in order ------------------------------------------------------------ */

/* The first extent with objects that reaches *from, or beyond: a bounded look under the lock. */
static int
next_extent(struct log *log, uint64_t *from, struct extent *out)
{
	const struct extent *e, *end;
	int err = STELE_EBUSY;

	pthread_rwlock_rdlock(&log->store->lock);
	e = log->head && *from < log->head->size ? tail_find(&log->tail, *from) : NULL;
	end = log->tail.extents + log->tail.n;
	for (size_t i = 0; e && e < end && e->objects == 0 && i < EXTENTS_A_LOOK; i++)
		e++;
	if (!e || e == end) {
		err = STELE_ENOTFOUND;
	} else {
		*from = *from > e->first ? *from : e->first;
		*out = *e;
		err = e->objects ? 0 : STELE_EBUSY;
	}
	pthread_rwlock_unlock(&log->store->lock);
	return err;
}

/* The first object of an extent at or after *index; 1 when it has none there. */
static int
first_object(struct log *log, const struct extent *e, uint64_t *index, struct toolbox *t)
{
	int err = tailread_meta(log, e, &t->memo);

	for (uint32_t i = 0; err == 0 && i < t->memo.section.n_objects; i++) {
		uint64_t at = e->first + frame_object_at(&t->memo.section, i).ordinal;
		if (at < *index)
			continue;
		*index = at;
		return 0;
	}
	return err == 0 ? 1 : err;
}

/* Moves *from on to an object of the tail: 0; 1 when there is none so far, but may be behind. */
static int
next_in_tail(struct log *log, uint64_t *from, struct toolbox *t)
{
	struct extent e;
	int err = next_extent(log, from, &e);

	if (err == STELE_EBUSY)
		return 1;
	if (err == 0)
		err = first_object(log, &e, from, t);
	if (err == 1)
		*from = e.first + e.count;
	return err;
}

/* The same of a segment. */
static int
next_in_segment(struct log *log, const struct location *l, uint64_t *from, struct toolbox *t)
{
	struct segment *segment;
	int err = location_open(log, l, t, &segment);

	if (err != 0)
		return err;
	err = segment_next_object(segment, from, t);
	segment_unref(segment);
	return err;
}

int
read_next_object(struct store *st, struct log *log, uint64_t from, struct toolbox *t,
		 struct arena *a, struct record *out)
{
	struct location l;
	int err = 1;

	while (err == 1) {
		locate(log, from, &l);
		if (!l.released)
			return STELE_ENOTFOUND;
		err = l.sealed ? next_in_segment(log, &l, &from, t) : next_in_tail(log, &from, t);
		if (err < 0 && err != STELE_ENOMEM && location_moved(log, from, &l))
			err = 1;
	}
	if (err == STELE_EDAMAGED)
		return read_damaged(log, from, "where its objects are listed");
	if (err == 0)
		err = read_record(st, log, from, t, a, out);
	/* of a purge under way, and as good as gone */
	return err == STELE_EGONE ? read_next_object(st, log, from + 1, t, a, out) : err;
}
