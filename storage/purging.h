/*
 * A log's purges under way: their entries are committed, and something of the payloads may still
 * be there. What is on this list is not read any more. Inside storage/ only.
 */
#ifndef STELE_STORAGE_PURGING_H
#define STELE_STORAGE_PURGING_H

#include <stdbool.h>

#include "storage/purgeentry.h"

struct log;
struct store;
struct toolbox;

struct purging {
	uint64_t entry;       /* index of the purge entry */
	struct purge_set set; /* n is 0 until it was read from the entry */
	bool saved;           /* the catalogue has it */
	bool rekeyed;         /* the tail has another key since: one-time in this process */
	int64_t again_ns;     /* not before: something kept it from ending */
	struct purging *next;
};

/* One that is on no list, with this set, whose ranges it takes; NULL when memory is out. */
struct purging *purging_new(struct purge_set *set);
/* Frees one that is on no list. */
void purging_free(struct purging *p);
/* Frees the list, with the log. */
void purging_free_all(struct log *log);

/* Puts one onto the list. The store's lock is held for writing, or nobody else is in the log. */
void purging_add(struct log *log, struct purging *p);
/* An entry that was found, its set not read yet; one that is on the list is left. STELE_ENOMEM. */
int purging_note(struct log *log, uint64_t entry);
/* Takes one off the list and frees it; the catalogue forgets it with the next save. */
void purging_end(struct log *log, struct purging *p);

/* The entry under which the record at index goes, or 0. The store's lock is held. */
uint64_t purging_find(const struct log *log, uint64_t index);

/*
 * At start: reads the sets of what is on the lists. With walk, first finds all purge entries by
 * walking over every log's control entries. An entry that cannot be read is said, and its purge
 * does not go on. STELE_ENOMEM.
 */
int purging_load(struct store *st, bool walk, struct toolbox *t);
/* The set of one that has none yet, from its entry: errors of read_record, STELE_ESYNTAX. */
int purging_read(struct log *log, struct purging *p, struct toolbox *t);

#endif
