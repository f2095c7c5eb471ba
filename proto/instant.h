/*
 * Instants as producers write them, read into nanoseconds since
 * 1970-01-01T00:00:00Z (no leap seconds). proto/timestamp.h is the one spelling
 * that we write; this reads everyone else's.
 */
#ifndef STELE_PROTO_INSTANT_H
#define STELE_PROTO_INSTANT_H

#include <stdint.h>

#include "proto/slice.h"

enum instant_unit {
	INSTANT_GUESS, /* by magnitude: below 1e11 s, below 1e14 ms, below 1e17 us, else ns */
	INSTANT_S,
	INSTANT_MS,
	INSTANT_US,
	INSTANT_NS,
};

/*
 * Reads a date, or a date and time: RFC 3339 and its relatives in ISO 8601.
 * YYYY-MM-DD; then, after T, t or one space, HH:MM, HH:MM:SS or HH:MM:SS and a
 * fraction after a point or comma (digits beyond nanoseconds are dropped); then
 * Z, z, +HH, +HHMM, +HH:MM or nothing, which means zone_minutes east of UTC.
 * Second 60 is the first of the next minute. STELE_ESYNTAX for anything else and
 * for instants that are not within 0..TIMESTAMP_MAX_NS.
 */
int instant_read_text(int64_t *ns, struct slice text, int zone_minutes);

/*
 * Reads a JSON number (its text) of seconds, milli-, micro- or nanoseconds since
 * 1970: exactly, digits beyond nanoseconds dropped. STELE_ESYNTAX when it is not
 * a JSON number or not within 0..TIMESTAMP_MAX_NS.
 */
int instant_read_number(int64_t *ns, struct slice number, enum instant_unit unit);

/* Either: a text that is a JSON number is read as that. STELE_ESYNTAX. */
int instant_read(int64_t *ns, struct slice text, enum instant_unit unit);

#endif
