/*
 * HTTP/1.1 requests as ready bytes: building one costs nothing while the
 * clock runs, but for the digits of an idempotency key.
 */
#ifndef STELE_BENCH_REQUESTS_H
#define STELE_BENCH_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "bench/events.h"

/* What the requests of one set have in common. */
struct request_form {
	const char *method;     /* "POST" or "GET" */
	const char *path;       /* with its query; "{}" is replaced by an index */
	const char *host;       /* the Host field */
	const char *token;      /* bearer token, or NULL */
	const char *media_type; /* Content-Type of a POST */
	const char *key_prefix; /* a unique Idempotency-Key for each sending, or NULL */
	int minimal;            /* Prefer: return=minimal */
	size_t batch_bytes;     /* POST: 0 sends one event each, else NDJSON bodies up to this */
	uint64_t first_index;   /* "{}": n_indexes from here on, a GET's drawn, POSTs' in turn */
	uint64_t n_indexes;
};

struct request {
	size_t offset;     /* into the set's bytes */
	size_t n;          /* bytes of the whole request */
	size_t head_bytes; /* of its request line and fields */
	size_t key_offset; /* into the request: the key's 16 digits; 0 when it has none */
	uint32_t events;   /* records that it carries; 1 for a GET */
};

struct request_set {
	uint8_t *bytes; /* owned */
	struct request *items;
	size_t n;
	uint64_t next_key;
};

/* POSTs that carry all events, in order. STELE_ENOMEM. */
int requests_posts(struct request_set *set, const struct request_form *form,
		   const struct events *events);

/* n GETs of indexes drawn evenly, the same draw each time. STELE_ENOMEM. */
int requests_gets(struct request_set *set, const struct request_form *form, size_t n);

/*
 * The bytes of request i, with a fresh key where it has one: they stay valid,
 * but for the key, until requests_fini.
 */
const uint8_t *requests_take(struct request_set *set, size_t i);

/* Frees everything; the set is empty afterwards. */
void requests_fini(struct request_set *set);

#endif
