/*
 * A clock_line that is read from any thread while it changes, under a sequence count and no lock.
 * Inside storage/ only.
 */
#ifndef STELE_STORAGE_CLOCKLINE_H
#define STELE_STORAGE_CLOCKLINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/clock.h"

/* Zeros are a line of zeros. */
struct clockline {
	atomic_uint turn; /* odd while it changes */
	_Atomic int64_t boot_ns, evidence_ns, lock_ns, slew_ns;
	_Atomic uint32_t slew_in, era;
	atomic_int state;
};

/* One thread at a time. */
void clockline_put(struct clockline *k, const struct clock_line *l);

/* False when it changed meanwhile: what is in *l then is of no line. */
bool clockline_try(struct clockline *k, struct clock_line *l);

/* Tries until it has one. */
void clockline_take(struct clockline *k, struct clock_line *l);

#endif
