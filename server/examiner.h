/*
 * Holds by filter, turned into what they are about. A hold of that kind holds everything from its
 * first entry on; behind, a thread of low priority reads the records, and entries say which of them
 * it keeps: those that match, and those of which that cannot be told. Up to there the rest is free
 * of it. Later records are under an open-ended hold when they come, and examined some time after.
 *
 * Nothing of it is kept but in the entries: a start goes on where the last one ended. Whatever
 * fails, from there on everything stays held, and it is tried again.
 */
#ifndef STELE_SERVER_EXAMINER_H
#define STELE_SERVER_EXAMINER_H

#include <stdint.h>

struct examiner;
struct server;

/*
 * Starts the thread. s has its store, its writer, its audit and its purger, which is
 * woken when a log was examined. after_s: how long after they came later records are examined.
 * STELE_ENOMEM.
 */
int examiner_new(struct examiner **out, struct server *s, uint64_t after_s);

/* Ends it: before the audit is closed. NULL is fine. */
void examiner_free(struct examiner *e);

/* There may be something new. Any thread. */
void examiner_wake(struct examiner *e);

#endif
