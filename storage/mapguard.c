/*
 * The signal is synchronous: it comes to the thread that touched the page, in the middle of fn.
 * Without fortification, whose checked longjmp the thread sanitizer does not know: it would
 * take the rest of the thread's life for the handler's.
 */
#undef _FORTIFY_SOURCE

#include "storage/mapguard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#include "proto/check.h"
#include "proto/err.h"

static pthread_once_t installed = PTHREAD_ONCE_INIT;
static struct sigaction before;
static _Thread_local sigjmp_buf back;
static _Thread_local volatile sig_atomic_t armed;

/* The jump leaves the handler for good, so it takes back the mask that the thread had before. */
static void
on_sigbus(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *was = context;

	(void)info;
	if (armed) {
		armed = 0;
		(void)pthread_sigmask(SIG_SETMASK, &was->uc_sigmask, NULL);
		siglongjmp(back, 1);
	}
	/* not ours: the access is made again, under what was there before */
	(void)sigaction(sig, &before, NULL);
}

static void
install(void)
{
	struct sigaction ours = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

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
