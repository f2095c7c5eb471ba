/* Segment by segment, section by section; what moved meanwhile is looked for again. */
#include "storage/scan.h"

#include "proto/bytes.h"
#include "proto/err.h"
#include "storage/locate.h"
#include "storage/read.h"
#include "storage/tailread.h"

struct scan {
	struct log *log;
	uint64_t *at, to;
	struct toolbox *t;
	scan_fn *fn;
	void *ctx;
	bool purging; /* something of the log goes: each record is asked for */
	bool ended;   /* by fn */
};

/* Whether it goes with a purge that is under way. */
static bool
is_going(const struct scan *s, uint64_t index)
{
	uint64_t purge;

	if (!s->purging)
		return false;
	pthread_rwlock_rdlock(&s->log->store->lock);
	purge = purging_find(s->log, index);
	pthread_rwlock_unlock(&s->log->store->lock);
	return purge != 0;
}

static int
give(struct scan *s, struct scan_record *r)
{
	int err;

	r->gone = r->gone || is_going(s, r->index);
	if (r->gone || r->object)
		r->payload = slice_of("", 0);
	err = s->fn(s->ctx, r);
	s->ended = err != 0;
	*s->at += err == 0;
	return err;
}

/* --- segments ------------------------------------------------------------------------------ */

static int
take_sealed(void *ctx, uint64_t index, const struct segment_record *r)
{
	struct scan_record out = {
		.index = index,
		.kind = r->kind,
		.time_ns = r->time_ns,
		.size = r->size,
		.writer = r->writer,
		.media_type = r->media_type,
		.object = r->object,
		.gone = r->gone,
		.payload = r->payload,
	};

	return give(ctx, &out);
}

static int
scan_sealed(struct scan *s, const struct location *l)
{
	uint64_t end = l->segment.first + l->segment.count;
	struct segment *segment;
	int err = location_open(s->log, l, s->t, &segment);

	if (err != 0)
		return err;
	err = segment_each(segment, *s->at, end < s->to ? end : s->to, false, s->t, take_sealed, s);
	segment_unref(segment);
	return err;
}

/* --- the tail ------------------------------------------------------------------------------ */

/* The record ordinal of the memo's section, of group g; its payload begins at *payload. */
static int
take_unsealed(struct scan *s, uint32_t ordinal, const struct frame_group *g, const uint8_t *payload)
{
	const struct frame_section *section = &s->t->memo.section;
	struct frame_object o;
	struct scan_record out = {
		.index = section->first + ordinal,
		.kind = g->kind,
		.time_ns = section->time_ns,
		.size = frame_size_at(section, ordinal),
		.writer = g->writer,
		.media_type = g->media_type,
		.object = frame_object_find(section, ordinal, &o),
		.payload = slice_of(payload, frame_size_at(section, ordinal)),
	};

	if (out.object)
		out.size = o.size;
	return give(s, &out);
}

/* Where a walk through the memo's section is. */
struct walk {
	struct bytes groups; /* behind g */
	struct frame_group g;
	uint64_t group_end; /* the ordinals behind the last records of g and of the block */
	uint32_t block_end;
	const uint8_t *payload; /* of the record that comes next */
};

/* The group and the block that hold a record: those before, or the next ones. */
static int
walk_to(struct scan *s, struct walk *w, uint32_t ordinal)
{
	struct section_memo *m = &s->t->memo;
	int err = 0;

	for (; err == 0 && ordinal >= w->group_end; w->group_end += w->g.count)
		err = frame_group_read(&w->g, &w->groups) == 0 ? 0 : STELE_EDAMAGED;
	if (err != 0 || ordinal < w->block_end)
		return err;
	err = tailread_block(s->log, ordinal, s->t);
	if (err != 0)
		return err;
	w->block_end = m->block_ordinal + frame_block_at(&m->section, m->block).count;
	w->payload = m->payloads.p;
	for (uint32_t i = m->block_ordinal; i < ordinal; i++)
		w->payload += frame_size_at(&m->section, i);
	return 0;
}

/* Records of the memo's section, from ordinal on, up to and not with end. */
static int
walk_section(struct scan *s, uint32_t ordinal, uint32_t end)
{
	const struct frame_section *section = &s->t->memo.section;
	struct walk w = {.group_end = 0};
	int err = 0;

	bytes_init(&w.groups, section->groups);
	for (; err == 0 && ordinal < end; ordinal++) {
		err = walk_to(s, &w, ordinal);
		if (err == 0)
			err = take_unsealed(s, ordinal, &w.g, w.payload);
		if (err == 0)
			w.payload += frame_size_at(section, ordinal);
	}
	return err;
}

static int
scan_unsealed(struct scan *s, const struct extent *e)
{
	uint64_t end = e->first + e->count;
	int err = tailread_meta(s->log, e, &s->t->memo);

	end = end < s->to ? end : s->to;
	if (err == 0)
		err = walk_section(s, (uint32_t)(*s->at - e->first), (uint32_t)(end - e->first));
	if (err != 0 && !s->ended)
		s->t->memo.log_id = 0;
	return err;
}

/* ------------------------------------------------------------------------------------------- */

static bool
anything_goes(struct log *log)
{
	bool goes;

	pthread_rwlock_rdlock(&log->store->lock);
	goes = log->purging != NULL;
	pthread_rwlock_unlock(&log->store->lock);
	return goes;
}

int
scan_records(struct log *log, uint64_t *at, uint64_t to, struct toolbox *t, scan_fn *fn, void *ctx)
{
	struct scan s = {log, at, to, t, fn, ctx, anything_goes(log), false};
	struct location l = {.sealed = false};
	int err = *at > to || to - *at > SCAN_RECORDS ? STELE_EINVAL : 0;

	while (err == 0 && *at < to) {
		locate(log, *at, &l);
		if (!l.released)
			return STELE_EINVAL;
		err = STELE_EDAMAGED;
		if (l.found)
			err = l.sealed ? scan_sealed(&s, &l) : scan_unsealed(&s, &l.extent);
		if (err != 0 && err != STELE_ENOMEM && !s.ended && location_moved(log, *at, &l))
			err = 0;
	}
	if (err == STELE_EDAMAGED && !s.ended && !(l.sealed && l.segment.quarantined))
		return read_damaged(log, *at, "what is stored of it");
	return err;
}
