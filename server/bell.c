/* A list under a lock that is held for some wake-ups. */
#include "server/bell.h"

#include "proto/check.h"
#include "server/loop.h"

void
bell_init(struct bell *b)
{
	pthread_mutex_init(&b->lock, NULL);
	b->n = 0;
	atomic_init(&b->listening, 0);
	atomic_init(&b->rung, 0);
}

void
bell_fini(struct bell *b)
{
	CHECK(b->n == 0);
	pthread_mutex_destroy(&b->lock);
}

void
bell_listen(struct bell *b, struct loop *l)
{
	pthread_mutex_lock(&b->lock);
	CHECK(b->n < LIMIT_LOOPS);
	b->loops[b->n++] = l;
	atomic_store(&b->listening, b->n);
	pthread_mutex_unlock(&b->lock);
}

void
bell_leave(struct bell *b, struct loop *l)
{
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n; i++)
		if (b->loops[i] == l)
			b->loops[i] = b->loops[--b->n];
	atomic_store(&b->listening, b->n);
	pthread_mutex_unlock(&b->lock);
}

/* Whoever listened before heads were published is seen here; whoever did not sees the heads. */
void
bell_ring(void *bell)
{
	struct bell *b = bell;

	atomic_fetch_add(&b->rung, 1);
	if (atomic_load(&b->listening) == 0)
		return;
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n; i++)
		loop_wake(b->loops[i]);
	pthread_mutex_unlock(&b->lock);
}
