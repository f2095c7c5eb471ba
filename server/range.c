/* Digits, a dash, digits. */
#include "server/range.h"

#include <string.h>

#include "proto/dec.h"

static const char unit[] = "bytes=";

enum range_answer
range_read(struct slice value, uint64_t size, uint64_t *from, uint64_t *n)
{
	size_t unit_n = sizeof unit - 1, digits;
	uint64_t first, last;
	struct slice a, b;

	if (value.n <= unit_n || memcmp(value.p, unit, unit_n) != 0)
		return RANGE_WHOLE;
	value = slice_of(value.p + unit_n, value.n - unit_n);
	digits = dec_span(value);
	if (digits == value.n || value.p[digits] != '-')
		return RANGE_WHOLE;
	a = slice_of(value.p, digits);
	b = slice_of(value.p + digits + 1, value.n - digits - 1);
	if (a.n == 0) { /* the last bytes */
		if (dec_parse(&last, b, UINT64_MAX) != 0)
			return RANGE_WHOLE;
		if (last == 0 || size == 0)
			return RANGE_UNSATISFIABLE;
		*n = last < size ? last : size;
		*from = size - *n;
		return RANGE_PART;
	}
	last = UINT64_MAX;
	if (dec_parse(&first, a, UINT64_MAX) != 0 ||
	    (b.n && (dec_parse(&last, b, UINT64_MAX) != 0 || last < first)))
		return RANGE_WHOLE;
	if (first >= size)
		return RANGE_UNSATISFIABLE;
	*from = first;
	*n = (last < size ? last + 1 : size) - first;
	return RANGE_PART;
}
