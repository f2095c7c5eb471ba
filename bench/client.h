/*
 * The load itself: connections on one epoll, kept alive or one a request, one request in flight
 * on each. One thread, one write per request, one read per reply: it shares
 * the machine with the server it measures.
 */
#ifndef STELE_BENCH_CLIENT_H
#define STELE_BENCH_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

#include "bench/histogram.h"
#include "bench/link.h"
#include "bench/procstat.h"
#include "bench/requests.h"

struct client_plan {
	const struct links *links; /* where to, and how */
	bool fresh; /* a connection a request: GETs, whose bytes may wait for the handshake */
	unsigned connections;
	double rate;          /* open loop: requests a second; 0 is the closed loop */
	uint64_t count;       /* stop after so many requests; 0 for no such end */
	uint64_t warmup_ns;   /* sent before this has passed: not counted */
	uint64_t duration_ns; /* of the counted part; 0 for no such end */
	unsigned expect;      /* the one right status */
	pid_t pid;            /* whose memory and CPU to sample; 0 for nobody's */
	uint64_t sample_ns;   /* how often */
};

struct client_sample {
	double at_s; /* since counting began */
	uint64_t requests;
	struct procstat stat;
};

struct client_result {
	uint64_t requests;   /* answered as expected, and counted */
	uint64_t events;     /* that they carried */
	uint64_t bytes_sent; /* of whole requests */
	uint64_t bytes_body; /* of their bodies */
	uint64_t bytes_received;
	uint64_t acknowledged; /* events in every expected answer, counted or not */
	uint64_t wrong;        /* answers with another status, counted or not */
	uint64_t resumed;      /* counted requests in sessions under TLS that were resumed */
	uint64_t unanswered;   /* sent or due, and no answer in time */
	double seconds;        /* from the first counted instant to the last answer */
	double cpu_s;          /* our own, over the same time */
	char failure[256]; /* why the run ended early or what the first wrong answer was, or "" */
	struct histogram latency;      /* ns; in the open loop from the instant it was due */
	struct histogram lateness;     /* ns; open loop: from due to sent */
	struct client_sample *samples; /* owned, released by client_result_fini */
	size_t n_samples;
};

/*
 * Runs plan with requests taken in order, again and again. Returns 0 when
 * every answer was the expected one; STELE_EVERIFY when some was not;
 * STELE_EIO when a connection failed or the server stopped answering;
 * STELE_ENOMEM. *result is filled in every case; failure says what happened.
 */
int client_run(struct client_result *result, const struct client_plan *plan,
	       struct request_set *requests);

/* Frees the samples. */
void client_result_fini(struct client_result *result);

#endif
