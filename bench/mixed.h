/* Generated events of further schemas, about the same people and services. */
#ifndef STELE_BENCH_MIXED_H
#define STELE_BENCH_MIXED_H

#include <stddef.h>

#include "bench/draw.h"
#include "proto/buf.h"

enum { MIXED_KINDS = 4 }; /* OCSF, GitLab audit, Windows security, ECS */

/*
 * Appends event i of kind which (below MIXED_KINDS), without an LF. Half of them are by one of
 * twelve services, svc-00 to svc-11, the others by one of 20,000 people, p-00000 to p-19999.
 */
void mixed_put(struct buf *b, struct draw *r, unsigned which, size_t i);

#endif
