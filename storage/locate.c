/* The segment list first: what is sealed may still be in the WAL, for a while. */
#include "storage/locate.h"

#include <string.h>

#include "proto/err.h"
#include "storage/segcache.h"

void
locate(struct log *log, uint64_t index, struct location *out)
{
	const struct sealed *s;
	const struct extent *e;

	*out = (struct location){0};
	pthread_rwlock_rdlock(&log->store->lock);
	out->released = log->head && index < log->head->size;
	s = out->released ? sealed_find(&log->sealed, index) : NULL;
	e = out->released && !s ? tail_find(&log->tail, index) : NULL;
	if (s)
		out->segment = *s;
	if (e)
		out->extent = *e;
	out->purge = out->released ? purging_find(log, index) : 0;
	out->sealed = s != NULL;
	out->found = s || e;
	pthread_rwlock_unlock(&log->store->lock);
}

bool
location_moved(struct log *log, uint64_t index, const struct location *was)
{
	struct location now;

	locate(log, index, &now);
	return now.sealed != was->sealed ||
	       (now.sealed && (now.segment.first != was->segment.first ||
			       now.segment.generation != was->segment.generation));
}

static void
record(const struct log *log, const struct sealed *s, const char *type)
{
	store_record(log->store,
		     "{\"type\":\"%s\",\"log\":\"%s\",\"first\":%llu,\"count\":%llu,"
		     "\"generation\":%u}",
		     type, log->name, (unsigned long long)s->first, (unsigned long long)s->count,
		     s->generation);
}

void
location_quarantine(struct log *log, const struct sealed *s, struct slice why)
{
	struct sealed *now;
	bool first = false;

	pthread_rwlock_wrlock(&log->store->lock);
	now = sealed_find(&log->sealed, s->first);
	if (now && now->first == s->first && now->generation == s->generation &&
	    !now->quarantined) {
		now->quarantined = first = true;
		now->saved = false;
		log_mark_dirty(log);
	}
	pthread_rwlock_unlock(&log->store->lock);
	if (!first)
		return;
	atomic_fetch_add(&log->store->damaged_reads, 1);
	record(log, s, "segment.quarantine");
	store_say(
		log->store, STORE_ERROR,
		"log %s, records %llu to %llu: segments/%s/%llu-%llu.%u.seg is damaged (%.*s) and "
		"not read any more; everything else is served. Put it back from a copy: stele "
		"segment restore %s FILE",
		log->name, (unsigned long long)s->first,
		(unsigned long long)(s->first + s->count - 1), log->name,
		(unsigned long long)s->first, (unsigned long long)s->count, s->generation,
		(int)why.n, why.n ? (const char *)why.p : "", log->name);
}

void
location_release(struct log *log, const struct sealed *s)
{
	struct sealed *now;
	bool was = false;

	pthread_rwlock_wrlock(&log->store->lock);
	now = sealed_find(&log->sealed, s->first);
	if (now && now->first == s->first && now->generation == s->generation && now->quarantined) {
		was = true;
		now->quarantined = now->saved = false;
		log_mark_dirty(log);
	}
	pthread_rwlock_unlock(&log->store->lock);
	if (!was)
		return;
	/* what is open may be the file that was replaced */
	segcache_forget(log->store->segments, log->id, s->first, s->first + 1);
	record(log, s, "segment.release");
	store_say(log->store, STORE_INFO,
		  "log %s, records %llu to %llu: segment %llu-%llu.%u is whole again and is read",
		  log->name, (unsigned long long)s->first,
		  (unsigned long long)(s->first + s->count - 1), (unsigned long long)s->first,
		  (unsigned long long)s->count, s->generation);
}

int
location_open(struct log *log, const struct location *l, struct toolbox *t, struct segment **out)
{
	struct buf why;
	int err;

	if (l->segment.quarantined)
		return STELE_EDAMAGED;
	buf_init(&why);
	err = segcache_get(log->store->segments, log, &l->segment, t, out, &why);
	if (err == STELE_ENOTFOUND || err == STELE_EDAMAGED || err == STELE_EVERSION) {
		if (!location_moved(log, l->segment.first, l))
			location_quarantine(log, &l->segment, buf_slice(&why));
		err = STELE_EDAMAGED;
	}
	buf_fini(&why);
	return err;
}
