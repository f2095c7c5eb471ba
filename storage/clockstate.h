/* What the clock*.c share. Nobody else includes this. */
#ifndef STELE_STORAGE_CLOCKSTATE_H
#define STELE_STORAGE_CLOCKSTATE_H

#include "storage/clock.h"

/* Saturating; the width is the value without its sign. */
int64_t clock_sum(int64_t a, int64_t b);
int64_t clock_difference(int64_t a, int64_t b);
int64_t clock_width(int64_t a);

/* Puts an event last, with the times there are. */
void clock_note(struct clock *c, struct clock_event e);

/* Sets disagreement, state and cause from where the clocks and the wall clock are. */
void clock_judge(struct clock *c);

/* Moves the lock clock on, out of the year's budget. */
void clock_give(struct clock *c, int64_t ns);

#endif
