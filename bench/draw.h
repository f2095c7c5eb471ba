/* Seeded draws that generated events are made of: the same on every machine. */
#ifndef STELE_BENCH_DRAW_H
#define STELE_BENCH_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"

/* Its first state is the seed. */
struct draw {
	uint64_t state;
};

/* The next 64 bits. */
uint64_t draw_next(struct draw *r);

/* Below n, evenly. */
uint64_t draw_below(struct draw *r, uint64_t n);

/* Below n, small numbers more often, as some users and resources are busy. */
unsigned draw_skewed(struct draw *r, unsigned n);

/* A random UUID (RFC 9562 section 5.4), lower case. */
void draw_uuid(struct buf *b, struct draw *r);

/* A stable upper-case id of n characters for one thing of the small world. */
void draw_id(struct buf *b, uint64_t what, unsigned n);

/* n characters of base64 that no other event has, as opaque request ids are. */
void draw_opaque(struct buf *b, struct draw *r, unsigned n);

struct draw_instant {
	unsigned h, m, s, us;
};

/* When event i was, on the generated day, 23 November 2026: later ones are later. */
struct draw_instant draw_instant(size_t i, struct draw *r);

#endif
