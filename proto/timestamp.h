/*
 * Instants: nanoseconds since 1970-01-01T00:00:00Z (no leap seconds), and their
 * one spelling, 2026-11-23T15:48:00.123456789Z (RFC 3339, always UTC, always
 * nine fractional digits). Years 1970 to 2261: what int64_t nanoseconds hold.
 */
#ifndef STELE_PROTO_TIMESTAMP_H
#define STELE_PROTO_TIMESTAMP_H

#include <stdint.h>

#include "proto/slice.h"

enum { TIMESTAMP_BYTES = 30 };

/* 2261-12-31T23:59:59.999999999Z. Valid instants are 0 to this. */
#define TIMESTAMP_MAX_NS INT64_C(9214646399999999999)

#define TIMESTAMP_DAY_NS INT64_C(86400000000000)

/* Writes the 30 characters, no NUL. ns must be 0..TIMESTAMP_MAX_NS (checked). */
void timestamp_format(char out[TIMESTAMP_BYTES], int64_t ns);

/*
 * Reads exactly that spelling: 30 characters, an existing date, hours to 23,
 * minutes and seconds to 59. STELE_ESYNTAX for anything else.
 */
int timestamp_parse(int64_t *ns, struct slice s);

/*
 * Reads an instant as people write it: RFC 3339 section 5.6 in UTC, "2030-01-31T00:00:00Z", with up
 * to nine fractional digits. STELE_ESYNTAX for anything else; a date alone is no instant.
 */
int timestamp_read(int64_t *ns, struct slice s);

/* A day of the Gregorian calendar from 1970-01-01 on. */
struct timestamp_date {
	unsigned year;  /* 1970..9999 */
	unsigned month; /* 1..12 */
	unsigned day;   /* 1..31 */
};

/*
 * Days since 1970-01-01 of a date, and back.
 * Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
 */
unsigned timestamp_days(struct timestamp_date date);
struct timestamp_date timestamp_date(unsigned days);

/* Days in a month (1..12) of a year. */
unsigned timestamp_month_days(unsigned year, unsigned month);

#endif
