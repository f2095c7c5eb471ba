/*
 * A member that is taken from a later put brings that put's odd turn with it (release to acquire),
 * so that the last look at the turn sees it. It changes once a second: tries fail seldom.
 */
#include "storage/clockline.h"

void
clockline_put(struct clockline *k, const struct clock_line *l)
{
	unsigned turn = atomic_load_explicit(&k->turn, memory_order_relaxed);

	atomic_store_explicit(&k->turn, turn + 1, memory_order_relaxed);
	atomic_store_explicit(&k->boot_ns, l->boot_ns, memory_order_release);
	atomic_store_explicit(&k->evidence_ns, l->evidence_ns, memory_order_release);
	atomic_store_explicit(&k->lock_ns, l->lock_ns, memory_order_release);
	atomic_store_explicit(&k->slew_ns, l->slew_ns, memory_order_release);
	atomic_store_explicit(&k->slew_in, l->slew_in, memory_order_release);
	atomic_store_explicit(&k->era, l->era, memory_order_release);
	atomic_store_explicit(&k->state, (int)l->state, memory_order_release);
	atomic_store_explicit(&k->turn, turn + 2, memory_order_release);
}

bool
clockline_try(struct clockline *k, struct clock_line *l)
{
	unsigned turn = atomic_load_explicit(&k->turn, memory_order_acquire);

	l->boot_ns = atomic_load_explicit(&k->boot_ns, memory_order_acquire);
	l->evidence_ns = atomic_load_explicit(&k->evidence_ns, memory_order_acquire);
	l->lock_ns = atomic_load_explicit(&k->lock_ns, memory_order_acquire);
	l->slew_ns = atomic_load_explicit(&k->slew_ns, memory_order_acquire);
	l->slew_in = atomic_load_explicit(&k->slew_in, memory_order_acquire);
	l->era = atomic_load_explicit(&k->era, memory_order_acquire);
	l->state = (enum clock_state)atomic_load_explicit(&k->state, memory_order_acquire);
	return turn % 2 == 0 && turn == atomic_load_explicit(&k->turn, memory_order_relaxed);
}

void
clockline_take(struct clockline *k, struct clock_line *l)
{
	while (!clockline_try(k, l))
		;
}
