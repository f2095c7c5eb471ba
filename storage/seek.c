/* What is sealed is found as for reading. */
#include "storage/seek.h"

#include "proto/err.h"
#include "storage/locate.h"

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
