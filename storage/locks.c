/* The fold, entry by entry; and what is asked of it. */
#include "storage/locks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/lockmap.h"

struct hold {
	struct lock_hold said;
	struct ranges covers; /* now: with what is open, until the end of all indexes */
	struct ranges set;    /* without what is open */
};

/* One event entry: of what waits below index, at its earliest. */
struct event {
	char name[LIMIT_EVENT_BYTES + 1];
	uint64_t index;
	int64_t until_ns;
};

struct locks {
	pthread_rwlock_t lock; /* all below */
	struct lockmap map;
	struct hold **holds; /* in order of their ids */
	size_t n_holds;
	struct event *events; /* in order of their entries */
	size_t n_events;
	struct control **controls; /* in order */
	size_t n_controls;
	uint64_t policy_index;
	const struct policy *policy; /* of the last control entry that has one */
	uint64_t generation;
	int64_t latest_ns; /* see locks_latest */
	bool wait;         /* see locks_wait */
	bool doubt;
	bool keep_all; /* fixed before there are readers */
};

struct locks *
locks_new(void)
{
	struct locks *l = calloc(1, sizeof *l);

	if (l && pthread_rwlock_init(&l->lock, NULL) != 0) {
		free(l);
		return NULL;
	}
	return l;
}

void
locks_free(struct locks *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_holds; i++) {
		ranges_fini(&l->holds[i]->covers);
		ranges_fini(&l->holds[i]->set);
		free(l->holds[i]);
	}
	for (size_t i = 0; i < l->n_controls; i++)
		control_free(l->controls[i]);
	free(l->holds);
	free(l->events);
	free(l->controls);
	lockmap_fini(&l->map);
	pthread_rwlock_destroy(&l->lock);
	free(l);
}

void
locks_keep_all(struct locks *l)
{
	l->keep_all = true;
}

/* Room for one more element in a list whose length is a power of two whenever it is full. */
static int
grow(void **list, size_t n, size_t element)
{
	void *p;

	if (n & (n - 1))
		return 0;
	p = realloc(*list, (n ? 2 * n : 1) * element);
	if (!p)
		return STELE_ENOMEM;
	*list = p;
	return 0;
}

/* --- folding ----------------------------------------------------------------------------- */

static size_t
place_of_hold(const struct locks *l, struct slice id, bool *found)
{
	size_t lo = 0, hi = l->n_holds;

	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = id.n == CONTROL_HOLD_ID_CHARS ? memcmp(l->holds[mid]->said.id, id.p, id.n)
						      : 1;
		if (d == 0) {
			*found = true;
			return mid;
		}
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The hold of that id, made when it is new; NULL without memory. */
static struct hold *
hold_of(struct locks *l, const struct control *c)
{
	bool found;
	size_t at = place_of_hold(l, slice_str(c->hold), &found);
	struct hold *h;

	if (found)
		return l->holds[at];
	if (grow((void **)&l->holds, l->n_holds, sizeof *l->holds) != 0)
		return NULL;
	h = calloc(1, sizeof *h);
	if (!h)
		return NULL;
	memcpy(h->said.id, c->hold, sizeof h->said.id);
	h->said.placed = c->index;
	memmove(l->holds + at + 1, l->holds + at, (l->n_holds - at) * sizeof *l->holds);
	l->holds[at] = h;
	l->n_holds++;
	return h;
}

/* The map follows from what the hold covered to what it covers. */
static int
cover(struct locks *l, struct hold *h, struct ranges *next)
{
	struct ranges more = {0}, less = {0};
	int err = ranges_less(&more, next, &h->covers);

	if (err == 0)
		err = ranges_less(&less, &h->covers, next);
	if (err == 0)
		err = lockmap_apply(&l->map, &more, &(struct lockmap_change){LOCKMAP_HOLD, 0, 0});
	if (err == 0)
		err = lockmap_apply(&l->map, &less,
				    &(struct lockmap_change){LOCKMAP_RELEASE, 0, 0});
	ranges_fini(&more);
	ranges_fini(&less);
	ranges_fini(&h->covers);
	h->covers = *next;
	return err;
}

static int
fold_hold(struct locks *l, const struct control *c)
{
	const struct ranges more = {c->ranges, c->n_ranges, c->n_ranges};
	struct control_range open = {c->open_from, UINT64_MAX};
	const struct ranges rest = {&open, c->open_from != CONTROL_OPEN, 1};
	struct ranges set = {0}, next = {0};
	struct hold *h = hold_of(l, c);
	int err;

	if (!h)
		return STELE_ENOMEM;
	if (h->said.released)
		return 0; /* what is released stays so */
	if (c->has_mapping && !h->said.has_mapping) {
		h->said.has_mapping = true;
		memcpy(h->said.mapping, c->mapping, sizeof h->said.mapping);
	}
	err = ranges_union(&set, &h->set, &more);
	if (err == 0)
		err = ranges_union(&next, &set, &rest);
	ranges_fini(&h->set);
	h->set = set;
	h->said.open_from = c->open_from;
	h->said.records = ranges_count(&set);
	if (err == 0)
		return cover(l, h, &next);
	ranges_fini(&next);
	return err;
}

static int
fold_release(struct locks *l, const struct control *c)
{
	struct ranges nothing = {0};
	struct hold *h = hold_of(l, c);

	if (!h)
		return STELE_ENOMEM;
	if (h->said.released)
		return 0;
	h->said.released = c->index;
	return cover(l, h, &nothing);
}

static int
fold_event(struct locks *l, const struct control *c)
{
	struct event *e;

	if (grow((void **)&l->events, l->n_events, sizeof *l->events) != 0)
		return STELE_ENOMEM;
	e = &l->events[l->n_events++];
	memcpy(e->name, c->event, sizeof e->name);
	e->index = c->index;
	e->until_ns = c->until_ns;
	return 0;
}

static int
fold_ranges(struct locks *l, const struct control *c)
{
	const struct ranges where = {c->ranges, c->n_ranges, c->n_ranges};
	const struct lockmap_change change = {
		.kind = c->kind == ENTRY_PURGE ? LOCKMAP_PURGE
			: c->shorten           ? LOCKMAP_SHORTEN
					       : LOCKMAP_EXTEND,
		.until_ns = c->until_ns,
		.purged = c->index,
	};

	return lockmap_apply(&l->map, &where, &change);
}

static int
fold(struct locks *l, const struct control *c)
{
	if (c->until_ns > l->latest_ns && !c->shorten)
		l->latest_ns = c->until_ns;
	switch (c->kind) {
	case ENTRY_HOLD:
		return fold_hold(l, c);
	case ENTRY_RELEASE:
		return fold_release(l, c);
	case ENTRY_EVENT:
		return fold_event(l, c);
	case ENTRY_EXTEND:
	case ENTRY_PURGE:
		return fold_ranges(l, c);
	default:
		l->policy = &c->policy;
		l->policy_index = c->index;
		l->wait |= c->policy.event_based;
		return 0;
	}
}

void
locks_fold(struct locks *l, struct control *c)
{
	bool known, kept = false;

	pthread_rwlock_wrlock(&l->lock);
	known = l->n_controls && l->controls[l->n_controls - 1]->index >= c->index;
	if (!known) {
		kept = grow((void **)&l->controls, l->n_controls, sizeof *l->controls) == 0;
		if (kept)
			l->controls[l->n_controls++] = c;
		if (!kept || fold(l, c) != 0)
			l->doubt = true;
		l->generation++;
	}
	pthread_rwlock_unlock(&l->lock);
	if (!kept)
		control_free(c);
}

const struct policy *
locks_policy(struct locks *l)
{
	const struct policy *p;

	pthread_rwlock_rdlock(&l->lock);
	p = l->policy;
	pthread_rwlock_unlock(&l->lock);
	return p;
}

uint64_t
locks_policy_index(struct locks *l)
{
	uint64_t index;

	pthread_rwlock_rdlock(&l->lock);
	index = l->policy_index;
	pthread_rwlock_unlock(&l->lock);
	return index;
}

uint64_t
locks_generation(struct locks *l)
{
	uint64_t g;

	pthread_rwlock_rdlock(&l->lock);
	g = l->generation;
	pthread_rwlock_unlock(&l->lock);
	return g;
}

/* --- looking ----------------------------------------------------------------------------- */

/* The latest end that an event entry says of a record at index; 0: none came. */
static int64_t
event_end(const struct locks *l, struct slice name, uint64_t index)
{
	int64_t until_ns = 0;

	for (size_t i = 0; i < l->n_events; i++)
		if (l->events[i].index > index && l->events[i].until_ns > until_ns &&
		    slice_eq_str(name, l->events[i].name))
			until_ns = l->events[i].until_ns;
	return until_ns;
}

void
locks_look(struct locks *l, uint64_t index, const struct entry *e, int64_t now_ns,
	   struct lock_state *out)
{
	struct lockmap_span span;
	int64_t until_ns = e->retain_until_ns;
	bool waits = false, doubt;

	pthread_rwlock_rdlock(&l->lock);
	span = lockmap_at(&l->map, index);
	if (e->event.n) {
		until_ns = event_end(l, e->event, index);
		waits = until_ns == 0;
	}
	doubt = l->doubt;
	pthread_rwlock_unlock(&l->lock);
	*out = (struct lock_state){.until_ns = lockmap_end(&span, until_ns),
				   .holds = span.holds,
				   .purged = span.purged};
	if (now_ns < out->until_ns)
		out->by = LOCK_BY_RETENTION;
	if (span.holds)
		out->by = LOCK_BY_HOLD;
	if (waits)
		out->by = LOCK_BY_EVENT;
	if (e->kind != ENTRY_RECORD || l->keep_all)
		out->by = LOCK_BY_KIND;
	if (doubt)
		out->by = LOCK_BY_DOUBT;
}

uint64_t
locks_purged(struct locks *l, uint64_t index)
{
	uint64_t purged;

	pthread_rwlock_rdlock(&l->lock);
	purged = lockmap_at(&l->map, index).purged;
	pthread_rwlock_unlock(&l->lock);
	return purged;
}

int
locks_each_hold(struct locks *l, uint64_t index, int (*fn)(void *ctx, const struct lock_hold *h),
		void *ctx)
{
	int done = 0;

	pthread_rwlock_rdlock(&l->lock);
	for (size_t i = 0; done == 0 && i < l->n_holds; i++) {
		const struct hold *h = l->holds[i];
		if (index == CONTROL_OPEN || ranges_has(&h->covers, index))
			done = fn(ctx, &h->said);
	}
	pthread_rwlock_unlock(&l->lock);
	return done;
}

int
locks_each_hold_on(struct locks *l, const struct ranges *where,
		   int (*fn)(void *ctx, const struct lock_hold *h), void *ctx)
{
	int done = 0;

	pthread_rwlock_rdlock(&l->lock);
	for (size_t i = 0; done == 0 && i < l->n_holds; i++)
		if (ranges_meet(&l->holds[i]->covers, where))
			done = fn(ctx, &l->holds[i]->said);
	pthread_rwlock_unlock(&l->lock);
	return done;
}

int
locks_each_span(struct locks *l, const struct ranges *where,
		int (*fn)(void *ctx, uint64_t first, uint64_t last,
			  const struct lockmap_span *says),
		void *ctx)
{
	int done = 0;

	pthread_rwlock_rdlock(&l->lock);
	for (size_t i = 0; done == 0 && i < where->n; i++) {
		uint64_t at = where->r[i].first, last = where->r[i].last;
		while (done == 0 && at <= last) {
			uint64_t end = lockmap_end_of(&l->map, at);
			struct lockmap_span says = lockmap_at(&l->map, at);
			uint64_t to = end - 1 < last ? end - 1 : last;
			done = fn(ctx, at, to, &says);
			at = to + 1;
		}
	}
	pthread_rwlock_unlock(&l->lock);
	return done;
}

bool
locks_doubt(struct locks *l)
{
	bool doubt;

	pthread_rwlock_rdlock(&l->lock);
	doubt = l->doubt;
	pthread_rwlock_unlock(&l->lock);
	return doubt;
}

bool
locks_hold(struct locks *l, struct slice id, struct lock_hold *out)
{
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&l->lock);
	at = place_of_hold(l, id, &found);
	if (found)
		*out = l->holds[at]->said;
	pthread_rwlock_unlock(&l->lock);
	return found;
}

void
locks_hold_count(struct locks *l, struct slice id, uint64_t size, struct lock_hold_counts *out)
{
	bool found;
	size_t at;

	*out = (struct lock_hold_counts){0};
	pthread_rwlock_rdlock(&l->lock);
	at = place_of_hold(l, id, &found);
	if (found && !l->holds[at]->said.released) {
		const struct hold *h = l->holds[at];
		out->set = ranges_below(&h->set, size);
		out->open = ranges_below(&h->covers, size) - out->set;
		out->purged = lockmap_purged(&l->map, &h->covers);
	}
	pthread_rwlock_unlock(&l->lock);
}

bool
locks_event(struct locks *l, struct slice name, int64_t *until_ns)
{
	pthread_rwlock_rdlock(&l->lock);
	*until_ns = event_end(l, name, 0);
	pthread_rwlock_unlock(&l->lock);
	return *until_ns != 0;
}

int64_t
locks_latest(struct locks *l)
{
	int64_t latest_ns;

	pthread_rwlock_rdlock(&l->lock);
	latest_ns = l->latest_ns;
	pthread_rwlock_unlock(&l->lock);
	return latest_ns;
}

bool
locks_wait(struct locks *l)
{
	bool wait;

	pthread_rwlock_rdlock(&l->lock);
	wait = l->wait;
	pthread_rwlock_unlock(&l->lock);
	return wait;
}

size_t
locks_each_control(struct locks *l, size_t from, void (*fn)(void *ctx, const struct control *c),
		   void *ctx)
{
	size_t n;

	pthread_rwlock_rdlock(&l->lock);
	n = l->n_controls;
	for (size_t i = from; i < n; i++)
		fn(ctx, l->controls[i]);
	pthread_rwlock_unlock(&l->lock);
	return n;
}
