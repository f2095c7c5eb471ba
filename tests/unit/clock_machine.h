/*
 * A machine for tests of storage/clock.h: time passes on it, its wall clock steps, and it boots.
 */
#ifndef STELE_TESTS_UNIT_CLOCK_MACHINE_H
#define STELE_TESTS_UNIT_CLOCK_MACHINE_H

#include <check.h>
#include <string.h>

#include "proto/err.h"
#include "storage/clock.h"

#define S INT64_C(1000000000)
#define H (3600 * S)
#define D (24 * H)
#define T0 (INT64_C(1795000000) * S) /* when the tests begin */
#define B0 (INT64_C(500) * S)        /* what CLOCK_BOOTTIME says then */

static const struct clock_limits limits = {.warn_ns = 60 * S,
					   .freeze_ns = 2 * H,
					   .credit_each_ns = LIMIT_CLOCK_CREDIT_NS,
					   .credit_year_ns = LIMIT_CLOCK_YEAR_NS};

/* The machine: time passes on it, and its wall clock steps. */
struct machine {
	struct clock_now now;
	struct clock c;
};

static inline struct clock_reading
readings(const struct machine *m)
{
	struct clock_reading r;

	clock_read(&m->c.line, m->now.boot_ns, &r);
	return r;
}

static inline void
pass(struct machine *m, int64_t ns)
{
	m->now.wall_ns += ns;
	m->now.boot_ns += ns;
}

/* Time passes as it does, with a look each second, and nobody takes the events. */
static inline void
run(struct machine *m, int64_t ns)
{
	for (; ns > 0; ns -= S) {
		pass(m, ns < S ? ns : S);
		m->c.n_events = 0;
		clock_tick(&m->c, &m->now);
	}
}

static inline void
begin_with(struct machine *m, const struct clock_found *f)
{
	clock_start(&m->c, &limits, f, &m->now);
}

static inline void
begin(struct machine *m)
{
	memset(m, 0, sizeof *m);
	m->now = (struct clock_now){.wall_ns = T0, .boot_ns = B0};
	memset(m->now.boot_id, 7, sizeof m->now.boot_id);
	begin_with(m, &(struct clock_found){.trouble = CLOCK_MISSING});
}

static inline const struct clock_event *
event(const struct machine *m, enum clock_event_kind kind)
{
	for (size_t i = 0; i < m->c.n_events; i++)
		if (m->c.events[i].kind == kind)
			return &m->c.events[i];
	return NULL;
}

/* What a stop saves: commits up to `sequence`. */
static inline struct clock_saved
saved(const struct machine *m, uint64_t sequence)
{
	struct clock_saved s;

	clock_save(&m->c, &m->now, sequence, &s);
	return s;
}

/* The next boot, so much later. */
static inline void
reboot(struct machine *m, int64_t gap_ns)
{
	m->now.wall_ns += gap_ns;
	m->now.boot_ns = 3 * S;
	m->now.boot_id[0]++;
}

static inline void
restart(struct machine *m, const struct clock_saved *s, struct clock_mark mark)
{
	begin_with(m, &(struct clock_found){
			      .saved = s, .trouble = CLOCK_MISSING, .mark = mark, .floor_ns = T0});
}

#endif
