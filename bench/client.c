/*
 * In the order it runs: connect all, send, receive and send again, stop
 * sending at the end, wait for what is in flight. The open loop takes each
 * arrival's instant from the schedule and not from the clock, so that a
 * server's pause is felt by all the requests that were due in it.
 */
#include "bench/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/answer.h"
#include "proto/err.h"

enum {
	SCRATCH_BYTES = 256 << 10, /* one read takes any usual answer whole */
	EVENTS_AT_ONCE = 256,
	WAIT_MAX_NS = 100000000,
};
static const uint64_t PATIENCE_NS = 10000000000u; /* without any answer, and at the end */

struct conn {
	struct link link;
	const struct request *request; /* in flight, or NULL */
	const uint8_t *out;            /* what of it is not written yet */
	size_t out_n;
	uint64_t start_ns;
	struct answer answer;
};

struct client {
	const struct client_plan *plan;
	struct request_set *requests;
	struct client_result *result;
	struct conn *conns;
	unsigned *idle; /* a stack of connections without a request */
	unsigned n_idle;
	int epfd;
	bool warm; /* counting has begun */
	uint64_t begin_ns, count_from_ns, stop_ns;
	uint64_t sent, answered;
	uint64_t last_answer_ns, next_sample_ns;
	uint64_t waiting_since_ns; /* the last sign that the server is alive */
	double cpu_at_start;
	size_t samples_cap;
	uint8_t *scratch;
	int err;
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double
own_cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
fail(struct client *c, int err, const char *what, const char *why)
{
	if (c->err)
		return;
	c->err = err;
	snprintf(c->result->failure, sizeof c->result->failure, "%s%s%s", what, why ? ": " : "",
		 why ? why : "");
}

/* --- connections ------------------------------------------------------- */

static bool
open_conn(struct client *c, struct conn *conn)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
				 .data.u32 = (uint32_t)(conn - c->conns)};
	int err = link_open(c->plan->links, &conn->link, !c->plan->fresh);

	if (err == 0 && epoll_ctl(c->epfd, EPOLL_CTL_ADD, conn->link.fd, &ev) != 0)
		err = STELE_EIO;
	if (err != 0)
		fail(c, err, "cannot connect", link_why());
	return err == 0;
}

static bool
open_all(struct client *c)
{
	unsigned n = c->plan->connections;

	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	c->conns = calloc(n, sizeof *c->conns);
	c->idle = calloc(n, sizeof *c->idle);
	c->scratch = malloc(SCRATCH_BYTES);
	if (c->epfd < 0 || !c->conns || !c->idle || !c->scratch) {
		fail(c, STELE_ENOMEM, "cannot prepare the connections", strerror(errno));
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		c->conns[i].link.fd = -1;
	for (unsigned i = 0; i < n; i++) {
		if (!c->plan->fresh && !open_conn(c, &c->conns[i]))
			return false;
		c->idle[c->n_idle++] = i;
	}
	return true;
}

static void
close_all(struct client *c)
{
	for (unsigned i = 0; c->conns && i < c->plan->connections; i++)
		link_fini(&c->conns[i].link);
	if (c->epfd >= 0)
		close(c->epfd);
	free(c->conns);
	free(c->idle);
	free(c->scratch);
}

/* --- one request ------------------------------------------------------- */

static void
write_more(struct client *c, struct conn *conn)
{
	while (conn->out_n) {
		ssize_t n = link_send(&conn->link, conn->out, conn->out_n);
		if (n == LINK_LATER)
			return;
		if (n < 0) {
			fail(c, STELE_EIO, "cannot send", link_why());
			return;
		}
		conn->out += n;
		conn->out_n -= (size_t)n;
	}
}

/* Sends the next request on an idle connection; its latency counts from start_ns. */
static void
send_next(struct client *c, struct conn *conn, uint64_t start_ns)
{
	size_t i = c->sent++ % c->requests->n;
	const struct request *r = &c->requests->items[i];

	if (conn->link.fd < 0 && !open_conn(c, conn))
		return;
	conn->request = r;
	conn->start_ns = start_ns;
	conn->out = requests_take(c->requests, i);
	conn->out_n = r->n;
	write_more(c, conn);
	/* The next taker of this request rewrites its key: it must be out by now. */
	if (r->key_offset && conn->out_n > r->n - r->head_bytes)
		fail(c, STELE_EIO, "a request's head did not fit the socket", NULL);
}

static bool
may_send(const struct client *c, uint64_t now)
{
	if (c->err || (c->plan->count && c->sent >= c->plan->count))
		return false;
	return !c->stop_ns || now < c->stop_ns;
}

static void
count_answer(struct client *c, const struct conn *conn, uint64_t now)
{
	struct client_result *res = c->result;
	const struct request *r = conn->request;

	c->answered++;
	c->last_answer_ns = c->waiting_since_ns = now;
	if (conn->answer.status != c->plan->expect) {
		if (res->wrong++ == 0)
			snprintf(res->failure, sizeof res->failure,
				 "status %u where %u was expected: %s", conn->answer.status,
				 c->plan->expect, conn->answer.excerpt);
		return;
	}
	res->acknowledged += r->events;
	if (conn->start_ns < c->count_from_ns)
		return;
	res->requests++;
	res->resumed += link_resumed(&conn->link);
	res->events += r->events;
	res->bytes_sent += r->n;
	res->bytes_body += r->n - r->head_bytes;
	res->bytes_received += conn->answer.total_bytes;
	histogram_record(&res->latency, now - conn->start_ns);
}

/* Reads what is there; true when the answer to the request in flight is complete. */
static bool
read_answer(struct client *c, struct conn *conn)
{
	for (;;) {
		size_t kept = answer_kept(&conn->answer, c->scratch);
		ssize_t n = link_recv(&conn->link, c->scratch + kept, SCRATCH_BYTES - kept);
		int got;

		if (n == LINK_LATER)
			return false;
		if (n < 0 || !conn->request) {
			fail(c, STELE_EIO,
			     n == LINK_FAILED  ? "cannot receive"
			     : n == LINK_ENDED ? "the server closed a connection"
					       : "an answer to no request",
			     n == LINK_FAILED ? link_why() : NULL);
			return false;
		}
		got = answer_take(&conn->answer, c->scratch, kept + (size_t)n);
		if (got < 0)
			fail(c, STELE_EIO, "cannot read the answer's head", NULL);
		if (got != 0)
			return got > 0;
		if (kept + (size_t)n < SCRATCH_BYTES)
			return false;
	}
}

static void
on_ready(struct client *c, unsigned i, uint32_t events)
{
	struct conn *conn = &c->conns[i];
	uint64_t now;

	if (conn->out_n) /* under TLS what comes in may be what sending waits for */
		write_more(c, conn);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || !read_answer(c, conn))
		return;
	now = now_ns();
	count_answer(c, conn, now);
	conn->request = NULL;
	answer_reset(&conn->answer);
	if (c->plan->fresh)
		link_close(&conn->link);
	if (c->plan->rate == 0 && may_send(c, now))
		send_next(c, conn, now);
	else
		c->idle[c->n_idle++] = i;
}

/* --- the loop ---------------------------------------------------------- */

static void
sample(struct client *c, uint64_t now)
{
	struct client_result *res = c->result;
	struct client_sample *s;

	c->next_sample_ns = now + c->plan->sample_ns;
	if (res->n_samples == c->samples_cap) {
		size_t cap = c->samples_cap ? c->samples_cap * 2 : 64;
		s = realloc(res->samples, cap * sizeof *s);
		if (!s) {
			fail(c, STELE_ENOMEM, "out of memory", NULL);
			return;
		}
		res->samples = s;
		c->samples_cap = cap;
	}
	s = &res->samples[res->n_samples];
	s->at_s = (double)(now - c->count_from_ns) / 1e9;
	s->requests = res->requests;
	if (procstat_read(&s->stat, c->plan->pid) == 0)
		res->n_samples++;
	else
		fail(c, STELE_EIO, "the process to sample is gone", NULL);
}

/* Sends what is due; returns how long to wait for the next arrival, in ns. */
static uint64_t
send_due(struct client *c, uint64_t now)
{
	double interval = 1e9 / c->plan->rate;

	for (;;) {
		uint64_t due = c->begin_ns + (uint64_t)((double)c->sent * interval);
		if (!may_send(c, due))
			return WAIT_MAX_NS;
		if (due > now)
			return due - now < WAIT_MAX_NS ? due - now : WAIT_MAX_NS;
		if (c->n_idle == 0)
			return WAIT_MAX_NS;
		if (due >= c->count_from_ns)
			histogram_record(&c->result->lateness, now - due);
		send_next(c, &c->conns[c->idle[--c->n_idle]], due);
	}
}

static void
begin(struct client *c)
{
	c->begin_ns = c->waiting_since_ns = now_ns();
	c->count_from_ns = c->begin_ns + c->plan->warmup_ns;
	if (c->plan->duration_ns)
		c->stop_ns = c->count_from_ns + c->plan->duration_ns;
	if (c->plan->rate == 0)
		while (c->n_idle && may_send(c, c->begin_ns))
			send_next(c, &c->conns[c->idle[--c->n_idle]], now_ns());
}

static void
tick(struct client *c, uint64_t now)
{
	if (!c->warm && now >= c->count_from_ns) {
		c->warm = true;
		c->cpu_at_start = own_cpu_s();
		c->next_sample_ns = now;
	}
	if (c->warm && c->plan->pid && now >= c->next_sample_ns)
		sample(c, now);
}

/* True when nothing is in flight and nothing is to be sent. */
static bool
finished(const struct client *c, uint64_t next_due)
{
	return c->sent == c->answered && !may_send(c, next_due);
}

static void
check_patience(struct client *c, uint64_t now)
{
	if (c->sent == c->answered)
		c->waiting_since_ns = now;
	if (now > c->waiting_since_ns + PATIENCE_NS)
		fail(c, STELE_EIO, "the server stopped answering", NULL);
	else if (c->stop_ns && now > c->stop_ns + PATIENCE_NS)
		fail(c, STELE_EIO, "the server cannot keep this rate", NULL);
}

static void
loop(struct client *c)
{
	struct epoll_event ready[EVENTS_AT_ONCE];
	uint64_t now = c->begin_ns, wait = WAIT_MAX_NS;

	while (!c->err) {
		uint64_t next = now;
		struct timespec timeout;
		int n;

		tick(c, now);
		if (c->plan->rate > 0) {
			wait = send_due(c, now);
			next = c->begin_ns + (uint64_t)((double)c->sent * 1e9 / c->plan->rate);
		}
		if (finished(c, next))
			return;
		check_patience(c, now);
		timeout = (struct timespec){0, (long)wait};
		n = epoll_pwait2(c->epfd, ready, EVENTS_AT_ONCE, &timeout, NULL);
		if (n < 0 && errno != EINTR)
			fail(c, STELE_EIO, "cannot wait", strerror(errno));
		for (int i = 0; i < n && !c->err; i++)
			on_ready(c, ready[i].data.u32, ready[i].events);
		now = now_ns();
	}
}

static void
finish(struct client *c)
{
	struct client_result *res = c->result;

	res->unanswered = c->sent - c->answered;
	if (c->last_answer_ns > c->count_from_ns)
		res->seconds = (double)(c->last_answer_ns - c->count_from_ns) / 1e9;
	if (c->warm)
		res->cpu_s = own_cpu_s() - c->cpu_at_start;
	if (c->plan->pid && !c->err)
		sample(c, now_ns());
	if (!c->err && res->wrong)
		c->err = STELE_EVERIFY;
}

int
client_run(struct client_result *result, const struct client_plan *plan,
	   struct request_set *requests)
{
	struct client c = {.plan = plan, .requests = requests, .result = result, .epfd = -1};

	memset(result, 0, sizeof *result);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* arrivals on time, not within 50 us */
	if (open_all(&c)) {
		begin(&c);
		loop(&c);
		finish(&c);
	}
	close_all(&c);
	return c.err;
}

void
client_result_fini(struct client_result *result)
{
	free(result->samples);
	memset(result, 0, sizeof *result);
}
