/*
 * No strftime, no gmtime: an entry carries two instants, and civil-from-days
 * arithmetic writes each in a few nanoseconds.
 */
#include "proto/timestamp.h"

#include <stdbool.h>
#include <string.h>

#include "proto/check.h"
#include "proto/dec.h"
#include "proto/err.h"

#define DAYS_PER_ERA 146097u  /* 400 years */
#define DAYS_TO_EPOCH 719468u /* 0000-03-01 to 1970-01-01 */

unsigned
timestamp_days(struct timestamp_date date)
{
	unsigned year = date.year - (date.month <= 2); /* years begin in March: leap day last */
	unsigned era = year / 400, year_of_era = year % 400;
	unsigned month = date.month > 2 ? date.month - 3 : date.month + 9;
	unsigned day_of_year = (153 * month + 2) / 5 + date.day - 1;
	unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;
}

struct timestamp_date
timestamp_date(unsigned days)
{
	unsigned era = (days + DAYS_TO_EPOCH) / DAYS_PER_ERA;
	unsigned day_of_era = (days + DAYS_TO_EPOCH) % DAYS_PER_ERA;
	unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned month = (5 * day_of_year + 2) / 153; /* from March */
	struct timestamp_date date = {
		.year = year_of_era + era * 400 + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day_of_year - (153 * month + 2) / 5 + 1,
	};

	return date;
}

unsigned
timestamp_month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

void
timestamp_format(char out[TIMESTAMP_BYTES], int64_t ns)
{
	struct timestamp_date date;
	uint32_t of_day, fraction;
	uint64_t seconds;

	CHECK(ns >= 0 && ns <= TIMESTAMP_MAX_NS);
	seconds = (uint64_t)ns / 1000000000;
	fraction = (uint32_t)((uint64_t)ns - seconds * 1000000000);
	of_day = (uint32_t)(seconds % 86400);
	date = timestamp_date((unsigned)(seconds / 86400));
	memcpy(out, "0000-00-00T00:00:00.000000000Z", TIMESTAMP_BYTES);
	dec_put2(out, date.year / 100);
	dec_put2(out + 2, date.year % 100);
	dec_put2(out + 5, date.month);
	dec_put2(out + 8, date.day);
	dec_put2(out + 11, of_day / 3600);
	dec_put2(out + 14, of_day / 60 % 60);
	dec_put2(out + 17, of_day % 60);
	dec_put2(out + 20, fraction / 10000000);
	dec_put2(out + 22, fraction / 100000 % 100);
	dec_put2(out + 24, fraction / 1000 % 100);
	dec_put2(out + 26, fraction / 10 % 100);
	out[28] = (char)('0' + fraction % 10);
}

/* The shape: digits where both differ, their own characters elsewhere. */
static bool
has_shape(const uint8_t *p)
{
	static const char least[] = "0000-00-00T00:00:00.000000000Z",
			  most[] = "9999-99-99T99:99:99.999999999Z";
	unsigned bad = 0;

	for (size_t i = 0; i < TIMESTAMP_BYTES; i++) /* no branch: the compiler makes it vectors */
		bad |= (p[i] < (uint8_t)least[i]) | (p[i] > (uint8_t)most[i]);
	return !bad;
}

static unsigned
digits(const uint8_t *p, size_t n)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (unsigned)(p[i] - '0');
	return v;
}

int
timestamp_parse(int64_t *ns, struct slice s)
{
	struct timestamp_date date;
	unsigned hour, minute, second;
	int64_t seconds;

	if (s.n != TIMESTAMP_BYTES || !has_shape(s.p))
		return STELE_ESYNTAX;
	date.year = digits(s.p, 4);
	date.month = digits(s.p + 5, 2);
	date.day = digits(s.p + 8, 2);
	hour = digits(s.p + 11, 2);
	minute = digits(s.p + 14, 2);
	second = digits(s.p + 17, 2);
	if (date.year < 1970 || date.year > 2261 || date.month < 1 || date.month > 12)
		return STELE_ESYNTAX;
	if (date.day < 1 || date.day > timestamp_month_days(date.year, date.month))
		return STELE_ESYNTAX;
	if (hour > 23 || minute > 59 || second > 59)
		return STELE_ESYNTAX;
	seconds = (int64_t)timestamp_days(date) * 86400 + hour * 3600 + minute * 60 + second;
	*ns = seconds * 1000000000 + digits(s.p + 20, 9);
	return 0;
}

int
timestamp_read(int64_t *ns, struct slice s)
{
	enum { WHOLE = 19 }; /* bytes up to the seconds */
	char text[TIMESTAMP_BYTES];
	size_t fraction = s.n > WHOLE + 2 ? s.n - WHOLE - 2 : 0;

	if (s.n < WHOLE + 1 || s.n > TIMESTAMP_BYTES || s.p[s.n - 1] != 'Z' ||
	    (s.n != WHOLE + 1 && (s.p[WHOLE] != '.' || fraction == 0)))
		return STELE_ESYNTAX;
	memcpy(text, "0000-00-00T00:00:00.000000000Z", TIMESTAMP_BYTES);
	memcpy(text, s.p, WHOLE);
	memcpy(text + WHOLE + 1, s.p + WHOLE + 1, fraction);
	return timestamp_parse(ns, slice_of(text, sizeof text));
}
