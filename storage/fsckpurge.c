/* Arrays in the order of finding, sorted in the end: 48 bytes a run or an entry. */
#include "storage/fsckpurge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/fsckwork.h"
#include "storage/segcache.h"
#include "storage/segment.h"

/* Consecutive records that went by one entry. */
struct run {
	struct log *log;
	uint64_t first, last, purge;
};

struct said {
	struct log *log;
	uint64_t index;
	struct purge_set set;
	uint64_t gone; /* records that went by it, so far */
};

struct waiting {
	struct log *log;
	uint64_t index;
	char where[256], what[OBJECT_HOW_BYTES];
};

void
fsck_purges_fini(struct fsck_purges *p)
{
	struct said *said = (struct said *)(void *)p->entries.p;

	for (size_t i = 0; i < p->entries.n / sizeof *said; i++)
		purge_set_fini(&said[i].set);
	buf_fini(&p->gone);
	buf_fini(&p->entries);
	buf_fini(&p->waiting);
}

int
fsck_purges_entry(struct fsck *f, struct log *log, uint64_t index, struct slice payload)
{
	struct said said = {.log = log, .index = index};
	int err = purge_entry_read(&said.set, payload);

	if (err == STELE_ENOMEM)
		return err;
	if (err != 0) {
		fsck_find(f, "a purge entry that does not say what went", "log %s, record %llu",
			  log->name, (unsigned long long)index);
		return 0;
	}
	pthread_mutex_lock(&f->mu);
	buf_put(&f->purges.entries, &said, sizeof said);
	err = f->purges.entries.err;
	pthread_mutex_unlock(&f->mu);
	return err;
}

static int
put_run(struct fsck *f, const struct run *run)
{
	int err;

	pthread_mutex_lock(&f->mu);
	buf_put(&f->purges.gone, run, sizeof *run);
	err = f->purges.gone.err;
	pthread_mutex_unlock(&f->mu);
	return err;
}

int
fsck_purges_gone(struct fsck *f, struct log *log, struct segment *s, struct toolbox *t)
{
	const struct segment_facts *facts = segment_facts(s);
	struct run run = {.log = log};
	int err = 0;

	if (facts->purged == 0)
		return 0;
	for (uint64_t i = facts->first; err == 0 && i < facts->first + facts->count; i++) {
		struct segment_record r;
		err = segment_columns(s, i, t, &r);
		if (err == 0 && run.purge && (!r.gone || r.purge != run.purge)) {
			err = put_run(f, &run);
			run.purge = 0;
		}
		if (err != 0 || !r.gone)
			continue;
		if (run.purge == 0)
			run.first = i;
		run.purge = r.purge;
		run.last = i;
	}
	return err == 0 && run.purge ? put_run(f, &run) : err;
}

void
fsck_purges_object(struct fsck *f, struct log *log, uint64_t index, const char *where,
		   const char *what)
{
	struct waiting w = {.log = log, .index = index};

	snprintf(w.where, sizeof w.where, "%s", where);
	snprintf(w.what, sizeof w.what, "%s", what);
	pthread_mutex_lock(&f->mu);
	buf_put(&f->purges.waiting, &w, sizeof w);
	pthread_mutex_unlock(&f->mu);
}

static int
by_place(const void *a, const void *b)
{
	const struct said *x = a, *y = b;

	if (x->log->id != y->log->id)
		return x->log->id < y->log->id ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void
judge_run(struct fsck *f, const struct run *run, struct said *said, size_t n)
{
	struct said key = {.log = run->log, .index = run->purge};
	struct said *by = n ? bsearch(&key, said, n, sizeof *said, by_place) : NULL;
	const struct purge_range *range = by ? purge_set_find(&by->set, run->first) : NULL;

	if (by)
		by->gone += run->last - run->first + 1;
	if (range && range->last >= run->last)
		return;
	fsck_find(f, "gone, and no purge entry covers that", "log %s, records %llu to %llu",
		  run->log->name, (unsigned long long)run->first, (unsigned long long)run->last);
}

/* The entry hashes of [*at, last] that lie in one segment, onto the tree; *at moves behind them. */
static int
add_leaves(struct fsck *f, struct log *log, uint64_t *at, uint64_t last,
	   struct merkle_frontier *tree)
{
	const struct sealed *s = sealed_find(&log->sealed, *at);
	struct segment *segment;
	struct buf why;
	int err;

	if (!s)
		return STELE_ENOTFOUND;
	buf_init(&why);
	err = segcache_get(f->st->segments, log, s, f->t, &segment, &why);
	buf_fini(&why);
	if (err != 0)
		return err;
	for (; err == 0 && *at <= last && *at < s->first + s->count; ++*at) {
		uint8_t leaf[1][32];
		err = segment_leaves(segment, *at, 1, leaf);
		if (err == 0)
			merkle_frontier_append(f->t->sha, tree, leaf[0]);
	}
	segment_unref(segment);
	return err;
}

/* The root over the entry hashes of what the entry names: they were verified before. */
static int
root_of(struct fsck *f, const struct said *said, uint8_t root[32])
{
	struct merkle_frontier tree;
	int err = 0;

	merkle_frontier_init(&tree);
	for (size_t i = 0; i < said->set.n; i++) {
		uint64_t at = said->set.ranges[i].first;
		while (err == 0 && at <= said->set.ranges[i].last)
			err = add_leaves(f, said->log, &at, said->set.ranges[i].last, &tree);
	}
	merkle_frontier_root(f->t->sha, &tree, root);
	return err;
}

static int
judge_entry(struct fsck *f, const struct said *said)
{
	unsigned long long index = said->index;
	const char *name = said->log->name;
	uint8_t root[32];
	int err;

	if (said->set.ranges[said->set.n - 1].last >= said->index) {
		fsck_find(f, "a purge entry names records that come after it",
			  "log %s, record %llu", name, index);
		return 0;
	}
	if (said->gone != said->set.records && !f->blind)
		fsck_find(
			f,
			"payloads that this purge entry names are still there: start steled, which "
			"goes on with it",
			"log %s, record %llu", name, index);
	err = root_of(f, said, root);
	if (err == 0 && memcmp(root, said->set.root, 32) != 0)
		fsck_find(f, "the root in this purge entry is not that of the records it names",
			  "log %s, record %llu", name, index);
	/* what is damaged, or was to be sealed first and is not, was found before */
	return err == STELE_EIO || err == STELE_ENOMEM ? err : 0;
}

static bool
is_named(const struct waiting *w, const struct said *said, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (said[i].log == w->log && purge_set_find(&said[i].set, w->index))
			return true;
	}
	return false;
}

int
fsck_purges_end(struct fsck *f)
{
	struct fsck_purges *p = &f->purges;
	struct said *said = (struct said *)(void *)p->entries.p;
	const struct run *runs = (const struct run *)(const void *)p->gone.p;
	const struct waiting *w = (const struct waiting *)(const void *)p->waiting.p;
	size_t n = p->entries.n / sizeof *said;
	int err = 0;

	if (n)
		qsort(said, n, sizeof *said, by_place);
	for (size_t i = 0; i < p->gone.n / sizeof *runs; i++)
		judge_run(f, &runs[i], said, n);
	for (size_t i = 0; err == 0 && i < n; i++)
		err = judge_entry(f, &said[i]);
	for (size_t i = 0; i < p->waiting.n / sizeof *w; i++) {
		if (!is_named(&w[i], said, n))
			fsck_find(f, w[i].what, "%s", w[i].where);
	}
	return p->waiting.err ? p->waiting.err : err;
}
