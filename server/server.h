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
#include "server/bell.h"
#include "server/http.h"
#include "server/kit.h"
#include "server/plans.h"
#include "server/query_kept.h"
#include "server/upload.h"

struct audit;
struct config;
struct cosigner;
struct examiner;
struct exporter;
struct loop;
struct purger;
struct store;
struct timestamps;
struct tls;
struct witnesses;
struct writer;

struct server {
	const struct config *config;
	struct store *store;
	struct writer *writer;
	struct audit *audit;           /* with who may do what */
	struct examiner *examiner;     /* of those holds */
	struct exporter *exporter;     /* makes bundles; NULL before it runs */
	struct tls *tls;               /* NULL: in clear */
	struct kit_pool kits;          /* for worker threads */
	struct http_budget bodies;     /* memory of bodies too large for their request's buffer */
	struct upload_table uploads;   /* resumable ones */
	struct plans plans;            /* of purges */
	struct purger *purger;         /* what goes by itself; NULL before it runs */
	struct timestamps *timestamps; /* NULL: no authority is asked, or not yet */
	struct witnesses *witnesses;   /* of its logs; NULL: none */
	struct cosigner *cosigner;     /* is a witness of others; NULL: it is none */
	struct http_budget answers;    /* memory of answers that their peers have yet to take */
	struct bell bell;              /* of the loops that want to know of every commit */
	struct {
		atomic_ullong looked_at, passed; /* records: by queries; which an index ruled out */
		atomic_ullong bad_indexes;       /* of segments that could not be asked */
	} queries;
	struct query_kept kept;  /* of queries over many logs */
	atomic_uint connections; /* open now */
	atomic_bool draining;    /* no new connections, every answer closes */
	atomic_bool drained;     /* the loops have ended */
	sigset_t signals;        /* SIGTERM and SIGINT end it; SIGHUP, under TLS, reloads */
	bool demo;               /* the server's name was made up: every answer says so */
	bool keys_sealed;        /* the key files are, with a passphrase */
	bool self_tested;        /* this start had room for the self-test, which was passed */
	int64_t started_ns;      /* server_now_ns then */
	struct loop *loops[LIMIT_LOOPS];
	size_t n_loops;
};

/*
 * Evidence time of the store (storage/clock.h): what records say, and so what tokens and approvals
 * end by. Whoever sets the wall clock forward gains nothing by it. Any thread.
 */
int64_t server_now_ns(const struct server *s);

/* Nanoseconds of a clock that nobody sets. */
int64_t server_monotonic_ns(void);

#endif
