/* A cursor over the text; what is left at the end is a syntax error. */
#include "proto/instant.h"

#include <stdbool.h>

#include "proto/decimal.h"
#include "proto/err.h"
#include "proto/timestamp.h"

#define SECOND_NS INT64_C(1000000000)

/* The next n characters, all digits, as a number. */
static bool
take_digits(struct slice *s, size_t n, unsigned *v)
{
	unsigned value = 0;

	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		value = value * 10 + (unsigned)(s->p[i] - '0');
	}
	*s = slice_of(s->p + n, s->n - n);
	*v = value;
	return true;
}

/* The next character, if it is one of these. */
static bool
take_one(struct slice *s, const char *of)
{
	if (s->n == 0 || s->p[0] == 0 || !strchr(of, s->p[0]))
		return false;
	*s = slice_of(s->p + 1, s->n - 1);
	return true;
}

static bool
take_word(struct slice *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || memcmp(s->p, word, n) != 0)
		return false;
	*s = slice_of(s->p + n, s->n - n);
	return true;
}

/* YYYY-MM-DD as seconds since 1970; a day around its ends for the sake of zones. */
static bool
take_date(struct slice *s, int64_t *seconds)
{
	struct timestamp_date date;

	if (!take_digits(s, 4, &date.year) || !take_one(s, "-") ||
	    !take_digits(s, 2, &date.month) || !take_one(s, "-") || !take_digits(s, 2, &date.day))
		return false;
	if (date.year < 1969 || date.year > 2262 || date.month < 1 || date.month > 12)
		return false;
	if (date.day < 1 || date.day > timestamp_month_days(date.year, date.month))
		return false;
	*seconds = (int64_t)(int32_t)timestamp_days(date) * 86400;
	return true;
}

/* Digits behind a point as nanoseconds; those beyond are dropped. */
static bool
take_fraction(struct slice *s, int64_t *ns)
{
	int64_t unit = SECOND_NS / 10;
	unsigned digit;

	*ns = 0;
	if (!take_one(s, ".,"))
		return true;
	if (!take_digits(s, 1, &digit))
		return false;
	do {
		*ns += digit * unit;
		unit /= 10;
	} while (take_digits(s, 1, &digit));
	return true;
}

/* HH:MM[:SS[.fraction]] */
static bool
take_time(struct slice *s, int64_t *seconds, int64_t *ns)
{
	unsigned hour, minute, second = 0;

	if (!take_digits(s, 2, &hour) || !take_one(s, ":") || !take_digits(s, 2, &minute))
		return false;
	*ns = 0;
	if (take_one(s, ":") && (!take_digits(s, 2, &second) || !take_fraction(s, ns)))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	*seconds += (int64_t)hour * 3600 + minute * 60 + second;
	return true;
}

/* Minutes east of UTC; zone_minutes stays as it is when nothing is written. */
static bool
take_zone(struct slice *s, int *zone_minutes)
{
	unsigned hours, minutes = 0;
	bool west;

	if (s->n == 0)
		return true;
	take_one(s, " ");
	if (take_one(s, "Zz") || take_word(s, "UTC") || take_word(s, "GMT")) {
		*zone_minutes = 0;
		return true;
	}
	west = s->n && s->p[0] == '-';
	if (!take_one(s, "+-") || !take_digits(s, 2, &hours))
		return false;
	if (s->n && !(take_one(s, ":"), take_digits(s, 2, &minutes)))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*zone_minutes = (int)(hours * 60 + minutes) * (west ? -1 : 1);
	return true;
}

int
instant_read_text(int64_t *ns, struct slice text, int zone_minutes)
{
	int64_t seconds, fraction = 0;

	if (!take_date(&text, &seconds))
		return STELE_ESYNTAX;
	if (text.n && (!take_one(&text, "Tt ") || !take_time(&text, &seconds, &fraction) ||
		       !take_zone(&text, &zone_minutes) || text.n))
		return STELE_ESYNTAX;
	seconds -= (int64_t)zone_minutes * 60;
	if (seconds < 0 || seconds > TIMESTAMP_MAX_NS / SECOND_NS)
		return STELE_ESYNTAX;
	*ns = seconds * SECOND_NS + fraction;
	return 0;
}

/* Decimal places between the unit and a nanosecond. */
static int
unit_places(const struct decimal *d, enum instant_unit unit)
{
	static const int places[] = {[INSTANT_S] = 9, [INSTANT_MS] = 6, [INSTANT_US] = 3};

	if (unit == INSTANT_GUESS)
		unit = d->exponent <= 11   ? INSTANT_S
		       : d->exponent <= 14 ? INSTANT_MS
		       : d->exponent <= 17 ? INSTANT_US
					   : INSTANT_NS;
	return unit == INSTANT_NS ? 0 : places[unit];
}

int
instant_read_number(int64_t *ns, struct slice number, enum instant_unit unit)
{
	struct decimal d;
	int64_t value = 0, whole;
	size_t at = 0;

	if (!decimal_read(&d, number) || d.negative)
		return STELE_ESYNTAX;
	whole = d.exponent + unit_places(&d, unit); /* digits before the point, in ns */
	if (d.digits.n == 0)
		whole = 0;
	if (whole > 19)
		return STELE_ESYNTAX;
	for (; whole > 0; whole--) {
		int digit = 0;
		if (at < d.digits.n && d.digits.p[at] == '.')
			at++;
		if (at < d.digits.n)
			digit = d.digits.p[at++] - '0';
		if (value > (TIMESTAMP_MAX_NS - digit) / 10)
			return STELE_ESYNTAX;
		value = value * 10 + digit;
	}
	*ns = value;
	return 0;
}

int
instant_read(int64_t *ns, struct slice text, enum instant_unit unit)
{
	if (instant_read_text(ns, text, 0) == 0)
		return 0;
	return instant_read_number(ns, text, unit);
}
