/*
 * Audit events to measure with: generated ones, invented here and the same
 * on every machine for one seed, or the lines of a file.
 */
#ifndef STELE_BENCH_EVENTS_H
#define STELE_BENCH_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/slice.h"

enum events_kind {
	EVENTS_CLOUD,      /* a cloud API call, about 1 KB, in the manner of CloudTrail */
	EVENTS_KUBERNETES, /* an API server's audit event, about 512 bytes */
	EVENTS_MIXED,      /* both, and OCSF, GitLab, Windows and ECS: bench/mixed.h; about 750 */
};

/*
 * Distinct events, each one line of JSON. In memory they lie one after the
 * other with an LF after each, so that any run of them is an NDJSON body.
 */
struct events {
	uint8_t *bytes; /* all lines, owned */
	size_t n_bytes;
	struct slice *items; /* each without its LF, owned */
	size_t n;
};

/*
 * Makes n events of one kind. Ids, times, users, addresses and resources
 * differ from event to event; they depend on seed alone. Owned by the caller
 * until events_fini. STELE_ENOMEM.
 */
int events_generate(struct events *e, enum events_kind kind, uint64_t seed, size_t n);

/* Writes the same events to f as lines, in bounded memory. STELE_EIO, STELE_ENOMEM. */
int events_write(FILE *f, enum events_kind kind, uint64_t seed, size_t n);

/* Reads KIND:N, as "mixed:1000": at least one, at most 1e9. STELE_ESYNTAX. */
int events_read_kind(const char *text, enum events_kind *kind, size_t *n);

/*
 * Reads the non-blank lines of a file; a name that ends in .zst is
 * decompressed. STELE_ENOTFOUND, STELE_EIO, STELE_ESYNTAX (not zstd, or no
 * line at all), STELE_ENOMEM.
 */
int events_load(struct events *e, const char *path);

/* Frees everything; e is empty afterwards. */
void events_fini(struct events *e);

/*
 * The run of events that starts at first and has at most max_bytes with its
 * LFs (one event at least). Returns the index after the last one and sets
 * *body to the bytes, which stay the events'.
 */
size_t events_run(const struct events *e, size_t first, size_t max_bytes, struct slice *body);

#endif
