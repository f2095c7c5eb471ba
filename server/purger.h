/*
 * The job that lets expired payloads go (worm.md section 3): with steled --purge-every, every log
 * is planned and purged of what had a retention that is over, where its policy does not ask for a
 * second principal. By the same deed as a person's purge, recorded the same.
 *
 * It also looks after requests of erasure (server/erasures.h), whatever --purge-every says: what of
 * their records nothing locks any more goes, and when all are gone the erasure ends. When it is
 * woken, when the next retention of such a record is over, and every hour.
 */
#ifndef STELE_SERVER_PURGER_H
#define STELE_SERVER_PURGER_H

#include <stdint.h>

struct purger;
struct server;

/* Starts it: a pass a minute after the start, or after every_ms if that is shorter, and then every
 * every_ms; 0: none, it only looks after erasures. NULL without memory or a thread. */
struct purger *purger_start(struct server *s, uint64_t every_ms);

/* Erasures are looked at now, if any is open: there is a new one, or less locks them. NULL is fine.
 * Any thread. */
void purger_wake(struct purger *p);

/* Ends the pass under way, at the next segment, and the thread. NULL is fine. */
void purger_stop(struct purger *p);

/* Since it was started: passes that ended, and records whose payloads went. Any thread. */
void purger_figures(struct purger *p, uint64_t *passes, uint64_t *records);

#endif
