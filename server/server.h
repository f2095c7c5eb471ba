/*
 * What all loops of one process share. Fixed after start but for the atomics.
 */
#ifndef STELE_SERVER_SERVER_H
#define STELE_SERVER_SERVER_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "server/http.h"
#include "server/kit.h"
#include "server/upload.h"

struct audit;
struct config;
struct examiner;
struct hold_mapping;
struct loop;
struct store;
struct tls;
struct writer;

struct server {
	const struct config *config;
	struct store *store;
	struct writer *writer;
	struct audit *audit;          /* with who may do what */
	struct hold_mapping *mapping; /* how holds by filter read records */
	struct examiner *examiner;    /* of those holds */
	struct tls *tls;              /* NULL: in clear */
	struct kit_pool kits;         /* for worker threads */
	struct http_budget bodies;    /* memory of bodies too large for their request's buffer */
	struct upload_table uploads;  /* resumable ones */
	struct http_budget answers;   /* memory of answers that their peers have yet to take */
	atomic_uint connections;      /* open now */
	atomic_bool draining;         /* no new connections, every answer closes */
	atomic_bool drained;          /* the loops have ended */
	sigset_t signals;             /* SIGTERM and SIGINT end it; SIGHUP, under TLS, reloads */
	bool demo;                    /* the server's name was made up: every answer says so */
	int64_t started_ns;           /* wall clock */
	struct loop *loops[LIMIT_LOOPS];
	size_t n_loops;
};

/* Nanoseconds of the wall clock since 1970. */
int64_t server_now_ns(void);

/* Nanoseconds of a clock that nobody sets. */
int64_t server_monotonic_ns(void);

#endif
