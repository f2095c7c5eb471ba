/* What is sealed is found as for reading. */
#include "storage/seek.h"

#include "proto/err.h"
#include "storage/locate.h"
#include "storage/segcache.h"
#include "storage/tailread.h"

bool
seek_holds(struct log *log, const struct seek_range *range)
{
	const struct sealed *s;
	bool holds;

	pthread_rwlock_rdlock(&log->store->lock);
	s = sealed_find(&log->sealed, range->first);
	holds = s && !log->purging && !s->quarantined && s->first == range->first &&
		s->count == range->count && s->generation == range->generation;
	pthread_rwlock_unlock(&log->store->lock);
	return holds;
}

int
seek_open(struct log *log, uint64_t index, struct toolbox *t, struct seek_range *range,
	  struct segment **out)
{
	struct location l;
	int err;

	locate(log, index, &l);
	if (!l.found || !l.sealed)
		return STELE_ENOTFOUND;
	*range = (struct seek_range){l.segment.first, l.segment.count, l.segment.generation};
	err = location_open(log, &l, t, out);
	if (err == STELE_EDAMAGED) {
		*out = NULL;
		return 0;
	}
	if (err == 0 && !seek_holds(log, range)) {
		segment_unref(*out);
		err = STELE_ENOTFOUND;
	}
	return err;
}

/* --- times ----------------------------------------------------------------------------------- */

/* Records [first, end) whose first and last have these times; or no times, when it cannot be read.
 */
struct span {
	uint64_t first, end;
	int64_t first_ns, last_ns;
	bool known;
	bool unsure; /* known, and not read: maybe it goes on after last_ns */
};

static int
span_of_extent(struct log *log, const struct extent *e, struct toolbox *t, struct span *out)
{
	int err = e->time_ns ? 0 : tailread_meta(log, e, &t->memo);

	*out = (struct span){.first = e->first, .end = e->first + e->count, .known = err == 0};
	if (err != 0) {
		t->memo.log_id = 0;
		return err;
	}
	out->first_ns = out->last_ns = e->time_ns ? e->time_ns : t->memo.section.time_ns;
	return 0;
}

/* By its manifest: the file may be large, and is looked into only when it is the one. */
static int
span_of_segment(struct log *log, const struct sealed *s, struct span *out)
{
	const struct segment_name name = {s->first, s->count, s->generation};
	struct segment_facts facts;
	struct buf why;
	int err;

	buf_init(&why);
	err = segcache_manifest(log, &name, &facts, &why);
	buf_fini(&why);
	*out = (struct span){.first = s->first, .end = s->first + s->count, .known = err == 0};
	if (err == 0) {
		out->first_ns = facts.first_time_ns;
		out->last_ns = facts.last_time_ns;
	}
	return err;
}

static int
span_of_record(struct log *log, const struct location *l, uint64_t index, struct toolbox *t,
	       struct span *out)
{
	struct segment_record r;
	struct segment *segment;
	int err = location_open(log, l, t, &segment);

	if (err != 0)
		return err;
	err = segment_columns(segment, index, t, &r);
	segment_unref(segment);
	if (err == 0)
		*out = (struct span){index, index + 1, r.time_ns, r.time_ns, true};
	return err;
}

/* Whether an error says that something cannot be read; others end the search. */
static bool
is_damage(int err)
{
	return err == STELE_EDAMAGED || err == STELE_ENOTFOUND || err == STELE_EVERSION;
}

/*
 * The records around index: a segment, or the record alone when its segment's times say no more
 * than that it has time_ns within. Where that one cannot be opened, all of it counts as early as
 * its first.
 */
static int
span_at(struct log *log, uint64_t index, int64_t time_ns, struct toolbox *t, struct span *out)
{
	struct location l;
	int err;

	do {
		locate(log, index, &l);
		*out = (struct span){.first = index, .end = index + 1};
		if (!l.found)
			return 0;
		err = l.sealed ? span_of_segment(log, &l.segment, out)
			       : span_of_extent(log, &l.extent, t, out);
		if (err == 0 && l.sealed && out->first_ns < time_ns && out->last_ns >= time_ns) {
			err = span_of_record(log, &l, index, t, out);
			out->unsure = err != 0;
			if (err != 0)
				out->last_ns = out->first_ns;
		}
	} while (err != 0 && err != STELE_ENOMEM && location_moved(log, index, &l));
	return is_damage(err) ? 0 : err;
}

/*
 * As span_at. What cannot be read is as early as it can be, at the time of what lies before it:
 * rather than missing it, a query counts it. From low on there may be nothing known; what is below
 * was received before time_ns.
 */
static int
span_known(struct log *log, uint64_t index, uint64_t low, int64_t time_ns, struct toolbox *t,
	   struct span *out)
{
	struct span before;
	int err = span_at(log, index, time_ns, t, out);

	before = *out;
	while (err == 0 && !before.known && before.first > low)
		err = span_at(log, before.first - 1, time_ns, t, &before);
	if (!out->known)
		out->first_ns = out->last_ns = before.known ? before.last_ns : time_ns - 1;
	return err;
}

int
seek_time(struct log *log, int64_t time_ns, uint64_t low, uint64_t high, struct toolbox *t,
	  struct seek_place *out)
{
	const uint64_t from = low;
	int err = 0;

	*out = (struct seek_place){.at_ns = INT64_MAX, .below_ns = low ? time_ns - 1 : -1};
	while (low < high) {
		struct span s;

		err = span_known(log, low + (high - low) / 2, from, time_ns, t, &s);
		if (err != 0)
			return err;
		if (s.last_ns < time_ns) {
			low = s.end < high ? s.end : high;
			out->below_ns = s.last_ns;
			out->unsure = s.unsure || !s.known;
			continue;
		}
		out->at_ns = s.first_ns;
		high = s.first > low ? s.first : low;
	}
	out->index = low;
	return 0;
}
