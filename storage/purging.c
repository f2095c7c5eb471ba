/* Few at any time: a list. */
#include "storage/purging.h"

#include <stdlib.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/read.h"

struct purging *
purging_new(struct purge_set *set)
{
	struct purging *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->set = *set;
	*set = (struct purge_set){.n = 0};
	return p;
}

void
purging_free(struct purging *p)
{
	if (p)
		purge_set_fini(&p->set);
	free(p);
}

void
purging_free_all(struct log *log)
{
	while (log->purging) {
		struct purging *p = log->purging;
		log->purging = p->next;
		purging_free(p);
	}
}

void
purging_add(struct log *log, struct purging *p)
{
	p->next = log->purging;
	log->purging = p;
	log_mark_dirty(log);
}

int
purging_note(struct log *log, uint64_t entry)
{
	struct purge_set none = {.n = 0};
	struct purging *p;

	for (p = log->purging; p; p = p->next) {
		if (p->entry == entry)
			return 0;
	}
	p = purging_new(&none);
	if (!p)
		return STELE_ENOMEM;
	p->entry = entry;
	purging_add(log, p);
	return 0;
}

void
purging_end(struct log *log, struct purging *p)
{
	pthread_rwlock_wrlock(&log->store->lock);
	for (struct purging **at = &log->purging; *at; at = &(*at)->next) {
		if (*at != p)
			continue;
		*at = p->next;
		break;
	}
	save_forget(log, CATALOG_PURGE, p->entry);
	log_mark_dirty(log);
	pthread_rwlock_unlock(&log->store->lock);
	purging_free(p);
}

uint64_t
purging_find(const struct log *log, uint64_t index)
{
	for (const struct purging *p = log->purging; p; p = p->next) {
		if (purge_set_find(&p->set, index))
			return p->entry;
	}
	return 0;
}

int
purging_read(struct log *log, struct purging *p, struct toolbox *t)
{
	struct purge_set set = {.n = 0};
	struct record r;
	struct arena a;
	int err;

	arena_init(&a);
	err = read_record(log->store, log, p->entry, t, &a, &r);
	if (err == 0)
		err = r.entry.kind == ENTRY_PURGE ? purge_entry_read(&set, r.payload)
						  : STELE_ESYNTAX;
	arena_fini(&a);
	if (err != 0)
		return err;
	pthread_rwlock_wrlock(&log->store->lock);
	p->set = set;
	pthread_rwlock_unlock(&log->store->lock);
	return 0;
}

static void
say_unreadable(struct log *log, uint64_t index, int err)
{
	store_say(
		log->store, STORE_ERROR,
		"log %s, record %llu, a control entry: it cannot be read (%s): a purge that it may "
		"have begun does not go on. Run stele fsck and restore what is damaged from a copy",
		log->name, (unsigned long long)index, stele_strerror(err));
}

/* All purge entries of a log, from its last control entry back. */
static int
walk_controls(struct log *log, struct toolbox *t)
{
	uint64_t index = log->ctl;
	int err = 0;

	while (err == 0 && index) {
		struct record r;
		struct arena a;
		arena_init(&a);
		err = read_record(log->store, log, index, t, &a, &r);
		if (err != 0 && err != STELE_ENOMEM)
			say_unreadable(log, index, err);
		if (err == 0 && r.entry.kind == ENTRY_PURGE)
			err = purging_note(log, index);
		index = err == 0 ? r.entry.ctl : 0;
		arena_fini(&a);
	}
	return err == STELE_ENOMEM ? err : 0;
}

int
purging_load(struct store *st, bool walk, struct toolbox *t)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < st->n_logs; i++) {
		struct log *log = st->by_name[i];
		if (walk)
			err = walk_controls(log, t);
		for (struct purging *p = log->purging; err == 0 && p; p = p->next) {
			err = p->set.n ? 0 : purging_read(log, p, t);
			if (err == 0 || err == STELE_ENOMEM)
				continue;
			say_unreadable(log, p->entry, err);
			err = 0;
		}
	}
	return err;
}
