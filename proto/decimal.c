/* The grammar of RFC 8259 section 6, then digits with a cursor that steps over the point. */
#include "proto/decimal.h"

#include "proto/dec.h"

#define EXPONENT_MAX (INT64_C(1) << 62)

static struct slice
rest(struct slice s, size_t n)
{
	return slice_of(s.p + n, s.n - n);
}

/* The exponent behind e or E, all of s; held at +-EXPONENT_MAX / 2. False when it is none. */
static bool
read_exponent(int64_t *exponent, struct slice s)
{
	bool negative = s.n && s.p[0] == '-';
	int64_t v = 0;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = rest(s, 1);
	if (s.n == 0 || dec_span(s) != s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (v >= EXPONENT_MAX / 20) {
			v = EXPONENT_MAX / 2;
			break;
		}
		v = v * 10 + (s.p[i] - '0');
	}
	*exponent = negative ? -v : v;
	return true;
}

/* digits without the zeros around them; *exponent is told how many went in front. */
static struct slice
significant(struct slice digits, size_t n_whole, int64_t *exponent)
{
	size_t from = 0;

	*exponent = (int64_t)n_whole;
	for (; from < digits.n && (digits.p[from] == '0' || digits.p[from] == '.'); from++)
		*exponent -= digits.p[from] == '0';
	digits = rest(digits, from);
	while (digits.n && (digits.p[digits.n - 1] == '0' || digits.p[digits.n - 1] == '.'))
		digits.n--;
	return digits;
}

bool
decimal_read(struct decimal *d, struct slice text)
{
	struct slice all;
	size_t whole, fraction = 0;
	int64_t shift = 0, exponent;
	bool negative = text.n && text.p[0] == '-';

	if (negative)
		text = rest(text, 1);
	all = text;
	whole = dec_span(text);
	if (whole == 0 || (whole > 1 && text.p[0] == '0'))
		return false;
	text = rest(text, whole);
	if (text.n && text.p[0] == '.') {
		fraction = dec_span(rest(text, 1));
		if (fraction == 0)
			return false;
		text = rest(text, ++fraction);
	}
	if (text.n && ((text.p[0] | 0x20) != 'e' || !read_exponent(&shift, rest(text, 1))))
		return false;
	d->digits = significant(slice_of(all.p, whole + fraction), whole, &exponent);
	d->exponent = d->digits.n ? exponent + shift : 0;
	d->negative = negative && d->digits.n;
	return true;
}

/* The digit at *at, which moves behind it; 0 behind the last. */
static int
next_digit(const struct slice *digits, size_t *at)
{
	if (*at < digits->n && digits->p[*at] == '.')
		++*at;
	return *at < digits->n ? digits->p[(*at)++] - '0' : 0;
}

static int
compare_sizes(const struct decimal *a, const struct decimal *b)
{
	size_t i = 0, j = 0;

	if (a->digits.n == 0 || b->digits.n == 0)
		return (a->digits.n != 0) - (b->digits.n != 0);
	if (a->exponent != b->exponent)
		return a->exponent < b->exponent ? -1 : 1;
	while (i < a->digits.n || j < b->digits.n) {
		int difference = next_digit(&a->digits, &i) - next_digit(&b->digits, &j);
		if (difference)
			return difference;
	}
	return 0;
}

int
decimal_compare(const struct decimal *a, const struct decimal *b)
{
	if (a->negative != b->negative)
		return a->negative ? -1 : 1;
	return a->negative ? compare_sizes(b, a) : compare_sizes(a, b);
}

void
decimal_write(struct buf *out, const struct decimal *d)
{
	const uint8_t *point = memchr(d->digits.p, '.', d->digits.n);
	int64_t n = (int64_t)d->digits.n - (point ? 1 : 0);
	size_t before = point ? (size_t)(point - d->digits.p) : d->digits.n;

	if (d->negative)
		buf_put_u8(out, '-');
	buf_put(out, d->digits.p, before);
	if (point)
		buf_put(out, point + 1, d->digits.n - before - 1);
	if (n == 0) {
		buf_put_u8(out, '0');
	} else if (d->exponent >= n && d->exponent <= 40) {
		for (int64_t i = n; i < d->exponent; i++)
			buf_put_u8(out, '0');
	} else {
		buf_printf(out, "e%lld", (long long)(d->exponent - n));
	}
}
