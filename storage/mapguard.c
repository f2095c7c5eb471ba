/* The signal is synchronous: it comes to the thread that touched the page, in the middle of fn. */
#include "storage/mapguard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"

static pthread_once_t installed = PTHREAD_ONCE_INIT;
static struct sigaction before;
static _Thread_local sigjmp_buf back;
static _Thread_local volatile sig_atomic_t armed;

static void
on_sigbus(int sig)
{
	if (armed) {
		armed = 0;
		siglongjmp(back, 1);
	}
	/* not ours: the access is made again, under what was there before */
	(void)sigaction(sig, &before, NULL);
}

/* SA_NODEFER: the jump out of the handler leaves the signal as it was, not blocked. */
static void
install(void)
{
	struct sigaction ours = {.sa_handler = on_sigbus, .sa_flags = SA_NODEFER};

	sigemptyset(&ours.sa_mask);
	CHECK(sigaction(SIGBUS, &ours, &before) == 0);
}

int
map_guarded(int (*fn)(void *arg), void *arg)
{
	int err;

	CHECK(pthread_once(&installed, install) == 0);
	CHECK(!armed);
	if (sigsetjmp(back, 0) != 0)
		return STELE_EDAMAGED;
	armed = 1;
	atomic_signal_fence(memory_order_seq_cst);
	err = fn(arg);
	atomic_signal_fence(memory_order_seq_cst);
	armed = 0;
	return err;
}

struct copy {
	void *to;
	const void *from;
	size_t n;
};

static int
copy(void *arg)
{
	const struct copy *c = arg;

	memcpy(c->to, c->from, c->n);
	return 0;
}

int
map_copy(void *out, const void *from, size_t n)
{
	struct copy c = {out, from, n};

	return map_guarded(copy, &c);
}
