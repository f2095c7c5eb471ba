/* A number, a unit, and the word "ago". */
#include "tools/when.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"

static const struct {
	const char *name, *word; /* "h", "hour": "hours" too */
	int64_t ns;
} units[] = {
	{"s", "second", INT64_C(1000000000)},       {"m", "minute", INT64_C(60000000000)},
	{"h", "hour", INT64_C(3600000000000)},      {"d", "day", INT64_C(86400000000000)},
	{"w", "week", INT64_C(7) * 86400000000000},
};

/* The unit that n characters at p name: its nanoseconds, or 0. */
static int64_t
unit_of(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t whole = strlen(units[i].word);

		if ((n == 1 && *p == *units[i].name) ||
		    (n == whole && memcmp(p, units[i].word, n) == 0) ||
		    (n == whole + 1 && memcmp(p, units[i].word, whole) == 0 && p[whole] == 's'))
			return units[i].ns;
	}
	return 0;
}

static void
put_instant(struct buf *out, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_put(out, text, sizeof text);
}

int
when_put(struct buf *out, const char *text, int64_t now_ns)
{
	size_t n = strlen(text);
	unsigned long long number;
	int64_t unit;
	char *end;

	if (strcmp(text, "now") == 0) {
		put_instant(out, now_ns);
		return 0;
	}
	if (n < 4 || strcmp(text + n - 4, " ago") != 0) {
		buf_put_str(out, text);
		return 0;
	}
	n -= 4;
	if (*text < '0' || *text > '9')
		return STELE_ESYNTAX;
	number = strtoull(text, &end, 10);
	while (*end == ' ')
		end++;
	if ((size_t)(end - text) >= n)
		return STELE_ESYNTAX;
	unit = unit_of(end, n - (size_t)(end - text));
	if (unit == 0 || number > (unsigned long long)(now_ns / unit))
		return STELE_ESYNTAX;
	put_instant(out, now_ns - (int64_t)number * unit);
	return 0;
}
