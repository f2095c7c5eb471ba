/* Both spellings are number-and-unit lists; the short one has a single item. */
#include "proto/duration.h"

#include <stdbool.h>

#include "proto/dec.h"
#include "proto/err.h"
#include "proto/timestamp.h"

#define SECOND_NS UINT64_C(1000000000)
#define DAY_NS ((uint64_t)TIMESTAMP_DAY_NS)

struct unit {
	const char *name;
	uint64_t months, ns; /* what one of it is */
};

static const struct unit short_units[] = {
	{"y", 12, 0},
	{"mo", 1, 0},
	{"d", 0, DAY_NS},
	{"h", 0, 3600 * SECOND_NS},
	{"m", 0, 60 * SECOND_NS},
	{"s", 0, SECOND_NS},
};
static const struct unit iso_date_units[] = {{"Y", 12, 0}, {"M", 1, 0}, {"D", 0, DAY_NS}};
static const struct unit iso_week_units[] = {{"W", 0, 7 * DAY_NS}};
static const struct unit iso_time_units[] = {
	{"H", 0, 3600 * SECOND_NS},
	{"M", 0, 60 * SECOND_NS},
	{"S", 0, SECOND_NS},
};

static int
add_units(struct duration *d, uint64_t count, const struct unit *unit)
{
	uint64_t months, ns;

	if (__builtin_mul_overflow(count, unit->months, &months) ||
	    __builtin_add_overflow(d->months, months, &d->months) ||
	    __builtin_mul_overflow(count, unit->ns, &ns) ||
	    __builtin_add_overflow(d->ns, ns, &d->ns))
		return STELE_ELIMIT;
	return 0;
}

static struct slice
skip(struct slice s, size_t n)
{
	return slice_of(s.p + n, s.n - n);
}

static int
parse_short(struct duration *d, struct slice s)
{
	size_t digits = dec_span(s);
	uint64_t count;
	int rc = dec_parse(&count, slice_of(s.p, digits), UINT64_MAX);

	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof short_units / sizeof *short_units; i++)
		if (slice_eq_str(skip(s, digits), short_units[i].name))
			return add_units(d, count, &short_units[i]);
	return STELE_ESYNTAX;
}

/* One or more items of the units, in their order, each at most once, filling s. */
static int
parse_items(struct duration *d, struct slice s, const struct unit *units, size_t n_units)
{
	size_t next = 0;

	if (s.n == 0)
		return STELE_ESYNTAX;
	while (s.n) {
		size_t digits = dec_span(s);
		uint64_t count;
		int rc = dec_parse(&count, slice_of(s.p, digits), UINT64_MAX);

		if (rc)
			return rc;
		s = skip(s, digits);
		while (next < n_units && (s.n == 0 || s.p[0] != (uint8_t)units[next].name[0]))
			next++;
		if (next == n_units)
			return STELE_ESYNTAX;
		rc = add_units(d, count, &units[next++]);
		if (rc)
			return rc;
		s = skip(s, 1);
	}
	return 0;
}

/* What follows the P. */
static int
parse_iso(struct duration *d, struct slice s)
{
	const uint8_t *t = s.n ? memchr(s.p, 'T', s.n) : NULL;
	struct slice date = slice_of(s.p, t ? (size_t)(t - s.p) : s.n);
	int rc = 0;

	if (!t && s.n && s.p[s.n - 1] == 'W')
		return parse_items(d, s, iso_week_units, 1);
	if (!t || date.n)
		rc = parse_items(d, date, iso_date_units, 3);
	if (t && rc == 0)
		rc = parse_items(d, skip(s, date.n + 1), iso_time_units, 3);
	return rc;
}

int
duration_parse(struct duration *d, struct slice s)
{
	struct duration sum = {0, 0};
	int rc;

	if (s.n && s.p[0] == 'P')
		rc = parse_iso(&sum, skip(s, 1));
	else
		rc = parse_short(&sum, s);
	if (rc == 0)
		*d = sum;
	return rc;
}

/* days since 1970, months later; a day that month lacks becomes the first of the next. */
static unsigned
add_months(unsigned days, unsigned months)
{
	struct timestamp_date date = timestamp_date(days);
	unsigned month = date.month - 1 + months;

	date.year += month / 12;
	date.month = month % 12 + 1;
	if (date.day > timestamp_month_days(date.year, date.month)) {
		date.day = 1;
		date.month++; /* never December, which has 31 days */
	}
	return timestamp_days(date);
}

/* Bounds of how many days so many months have: in a year 365 or 366, in a month 28 to 31. */
static uint64_t
days_at_least(uint64_t months)
{
	return 365 * (months / 12) + (months % 12 ? 30 * (months % 12) - 2 : 0);
}

static uint64_t
days_at_most(uint64_t months)
{
	return 366 * (months / 12) + 31 * (months % 12);
}

bool
duration_covers(const struct duration *a, const struct duration *b)
{
	const unsigned __int128 day = TIMESTAMP_DAY_NS;

	return (a->months >= b->months && a->ns >= b->ns) ||
	       days_at_least(a->months) * day + a->ns >= days_at_most(b->months) * day + b->ns;
}

int
duration_add(int64_t *out_ns, int64_t from_ns, const struct duration *d)
{
	int64_t days, sum;

	if (from_ns < 0 || from_ns > TIMESTAMP_MAX_NS)
		return STELE_EINVAL;
	if (d->months > 12 * 300 || d->ns > (uint64_t)TIMESTAMP_MAX_NS)
		return STELE_ELIMIT;
	days = add_months((unsigned)(from_ns / TIMESTAMP_DAY_NS), (unsigned)d->months);
	if (__builtin_mul_overflow(days, TIMESTAMP_DAY_NS, &sum) ||
	    __builtin_add_overflow(sum, from_ns % TIMESTAMP_DAY_NS, &sum) ||
	    __builtin_add_overflow(sum, (int64_t)d->ns, &sum) || sum > TIMESTAMP_MAX_NS)
		return STELE_ELIMIT;
	*out_ns = sum;
	return 0;
}
