/* What the timestamps*.c share. */
#ifndef STELE_SERVER_TIMESTAMPS_STATE_H
#define STELE_SERVER_TIMESTAMPS_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "crypto/sha256.h"
#include "crypto/tsp.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "server/timestamps_step.h"

struct kit;
struct outbound;
struct server;
struct timestamps;

enum { TIMESTAMPS_WHY_BYTES = 320 };

struct authority {
	struct timestamps *t;
	char *url;
	/* the thread's own */
	bool asking, forced;
	uint8_t nonce[TSP_NONCE_BYTES], imprint[SHA256_BYTES];
	struct buf note;          /* the checkpoint that was sent */
	uint64_t size;            /* of that */
	uint64_t taken, since;    /* size of the newest one's; records of timestamps since then */
	uint64_t due_ms, said_ms; /* said: when a failure last was; 0: none */
	struct step step;         /* that waited when it was asked last */
	struct step told;         /* of which it was said that the authority says another time */
	int64_t sent_ns;          /* when it was asked last, by CLOCK_BOOTTIME */
	/* under the mutex */
	uint64_t asked, granted, failed;
	unsigned failures;              /* in a row */
	int64_t failed_ns;              /* evidence time of the last */
	char why[TIMESTAMPS_WHY_BYTES]; /* of the last; empty: it did not fail last */
	bool has, trusted;              /* a timestamp; whose certificate led to a known root */
	uint64_t index;                 /* its record's */
	int64_t time_ns, expires_ns, recorded_ns;
};

struct timestamps {
	struct server *s;
	struct kit *kit;
	struct sha256 *h;
	struct tsp_roots *roots; /* NULL: trust is not checked */
	uint64_t every_ms, warned_ms;
	int64_t newest; /* index of the newest record; -1: none */
	struct authority of[LIMIT_AUTHORITIES];
	size_t n;
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t tick;
	struct outbound *out;
	pthread_mutex_t mu;
	pthread_t thread;
	atomic_bool stop, now;
	bool opened, runs; /* the loop; the thread */
};

#endif
