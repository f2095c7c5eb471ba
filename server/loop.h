/*
 * One event loop in one thread: its listener, its connections, its requests.
 * Loops share nothing but struct server.
 *
 * Jobs for the writer gather during an iteration and leave together; answers
 * come back through one list and one wake-up for each batch.
 */
#ifndef STELE_SERVER_LOOP_H
#define STELE_SERVER_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "server/metrics.h"
#include "server/request.h"
#include "server/server.h"
#include "server/tails.h"
#include "server/turns.h"

struct conn;

enum {
	LOOP_TICK_MS = 250,       /* how late a deadline may be noticed */
	LOOP_TURN_MS = 5,         /* and the turn of a handshake */
	LOOP_POOL_REQUESTS = 512, /* idle requests kept for reuse */
	LOOP_SCRATCH_BYTES = 65536,
	LOOP_BRIEF_PARTS = 2,  /* of an iteration's brief work: side by side on two cores */
	LOOP_BRIEF_ALONE = 4,  /* so few are not worth dividing */
	LOOP_LONG_AT_ONCE = 2, /* steps of long work: of libuv's four workers two stay for others */
};

struct loop {
	uv_loop_t uv;
	struct server *server;
	uv_tcp_t listener;
	uv_async_t wake;
	uv_check_t check;
	uv_prepare_t prepare;
	uv_timer_t tick;
	uv_timer_t turning; /* while handshakes wait for their turn */
	struct turns turns;
	struct tails tails;
	pthread_t thread;

	struct conn *conns; /* all, newest first */
	size_t n_conns;
	struct request *pool;
	size_t n_pool;
	struct append_job *pending, **pending_end; /* to be submitted this iteration */
	struct request *brief, **brief_end;        /* for workers, this iteration */
	size_t n_brief;
	struct loop_line {
		struct request *first, **end;
	} begin, go_on;      /* for their first and their next step of long work */
	size_t n_long;       /* such steps that workers have */
	struct kit *kit;     /* the loop thread's own */
	uint64_t trimmed_ms; /* when free memory was last given back: the first loop's */

	pthread_mutex_t lock;
	struct request *done, **done_end; /* answered by the writer; under lock */

	bool draining;
	uint64_t drain_deadline_ms;
	int64_t date_s;
	char date[48]; /* "\r\nDate: Mon, 23 Nov 2026 15:48:00 GMT" */
	size_t date_n;
	char scratch[LOOP_SCRATCH_BYTES]; /* what is read only to be dropped */
	struct metrics metrics;
};

/*
 * A loop that accepts on fd, a bound socket it then owns. STELE_ENOMEM or
 * STELE_EIO.
 */
int loop_new(struct loop **out, struct server *server, int fd);

/* Runs until it has drained. */
void loop_run(struct loop *l);

/* After loop_run. */
void loop_free(struct loop *l);

/* Makes the loop look at server->draining. Any thread. */
void loop_wake(struct loop *l);

/* A request for a connection, reset; NULL when memory is out. And back. */
struct request *loop_take_request(struct loop *l);
void loop_put_request(struct loop *l, struct request *r);

/*
 * The connection's handshake waits until conn_take_turn, or leaves. False: too many of its address
 * do.
 */
bool loop_wait_turn(struct conn *c);
void loop_leave_turn(struct conn *c);

/* Queues r->job for the writer; r->then(r) follows on this loop, r->job.err tells. */
void loop_submit(struct request *r);

/* What another thread had r for is done: r->then(r) follows on its loop. Any thread. */
void loop_return(struct request *r);

/* Runs r->work(r, kit) on a worker thread; r->then(r) follows on this loop. */
void loop_work(struct request *r);

/*
 * The same for one of many steps of long work, such as a scan: few are with workers at once and the
 * others wait for their turn, in order, so that who comes with one request finds a worker.
 */
void loop_work_on(struct request *r);

/* The first of such steps: before those that had theirs, since it may be the only one. */
void loop_work_begin(struct request *r);

/*
 * The same for work of microseconds, such as one read: what an iteration gathers of it
 * goes to the workers in a few parts, because waking one costs as much as the work.
 */
void loop_work_briefly(struct request *r);

#endif
