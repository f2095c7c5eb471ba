/* Whole lines only, wherever a put comes between the loads of a take, or the other way about. */
#include "storage/clockline.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "suite.h"

enum { INTERRUPTS = 2000, EVERY_US = 50 };

static struct clockline shared;
static struct clock_line put; /* the last that was put */
static volatile sig_atomic_t interrupts, tried, torn;

/* All members of the line that is put n-th say n. */
static void
put_next(void)
{
	int64_t n = put.boot_ns + 1;

	put = (struct clock_line){n, n, n, n, (uint32_t)n, (uint32_t)n, (enum clock_state)n};
	clockline_put(&shared, &put);
}

static bool
is_whole(const struct clock_line *l)
{
	int64_t n = l->boot_ns;

	return l->evidence_ns == n && l->lock_ns == n && l->slew_ns == n && l->slew_in == n &&
	       l->era == n && (int64_t)l->state == n;
}

/* Interrupts this thread at whatever instruction it is. */
static void
interrupt_by(void (*handler)(int))
{
	struct sigaction sa;
	struct itimerval every = {{0, handler ? EVERY_US : 0}, {0, handler ? EVERY_US : 0}};

	memset(&sa, 0, sizeof sa);
	sa.sa_handler = handler ? handler : SIG_IGN;
	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void
put_in_between(int sig)
{
	(void)sig;
	put_next();
	interrupts = interrupts + 1;
}

START_TEST(a_take_that_a_put_comes_into_begins_again)
{
	struct clock_line l;
	unsigned long again = 0;

	interrupt_by(put_in_between);
	while (interrupts < INTERRUPTS || again == 0) {
		if (!clockline_try(&shared, &l))
			again++;
		else
			ck_assert(is_whole(&l));
	}
	interrupt_by(NULL);
}
END_TEST

static void
try_in_between(int sig)
{
	struct clock_line l;

	(void)sig;
	interrupts = interrupts + 1;
	if (!clockline_try(&shared, &l))
		tried = tried + 1;
	else if (!is_whole(&l))
		torn = 1;
}

START_TEST(what_is_being_put_is_not_taken)
{
	interrupt_by(try_in_between);
	while (interrupts < INTERRUPTS || tried == 0) {
		put_next();
		ck_assert(!torn);
	}
	interrupt_by(NULL);
}
END_TEST

static void *
put_on(void *stop)
{
	while (!atomic_load((atomic_bool *)stop))
		put_next();
	return NULL;
}

START_TEST(threads_take_whole_lines_that_never_go_back)
{
	atomic_bool stop = false;
	struct clock_line l;
	pthread_t thread;
	int64_t last = 0;

	ck_assert_int_eq(pthread_create(&thread, NULL, put_on, &stop), 0);
	for (int i = 0; i < 1000000; i++) {
		clockline_take(&shared, &l);
		ck_assert(is_whole(&l) && l.boot_ns >= last);
		last = l.boot_ns;
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_take_that_a_put_comes_into_begins_again,
		what_is_being_put_is_not_taken,
		threads_take_whole_lines_that_never_go_back,
	};

	return suite_run("clockline", tests, sizeof tests / sizeof *tests, 60);
}
