/*
 * Wakes the loops that want to know of every commit that is released. Ringing costs one look at a
 * counter when none does.
 */
#ifndef STELE_SERVER_BELL_H
#define STELE_SERVER_BELL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "proto/limits.h"

struct loop;

struct bell {
	pthread_mutex_t lock;
	struct loop *loops[LIMIT_LOOPS];
	size_t n;
	atomic_size_t listening; /* n, to be read without the lock */
	atomic_ullong rung;      /* how often: who looks now and then sees whether there is news */
};

/* One that nobody listens to. */
void bell_init(struct bell *b);
/* After the last call of any other. */
void bell_fini(struct bell *b);

/*
 * From now on, and until it leaves, the loop is woken after each commit. What was released before
 * that is for the caller to look for, after this call. The loop's thread, once each.
 */
void bell_listen(struct bell *b, struct loop *l);
void bell_leave(struct bell *b, struct loop *l);

/* A commit was released: storage/store.h, with the bell as context. Any thread; does not block. */
void bell_ring(void *bell);

#endif
