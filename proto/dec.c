/* Two digits a step from a table: integers are most of what an entry's writer computes. */
#include "proto/dec.h"

#include "proto/err.h"

const char dec_pairs[201] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

/* Exactly n digits, at most eight: 32-bit arithmetic, which is the fast one. */
static inline void
put_digits(char *out, size_t n, uint32_t v)
{
	for (; n >= 2; v /= 100) {
		n -= 2;
		dec_put2(out + n, v % 100);
	}
	if (n)
		out[0] = (char)('0' + v % 10);
}

void
dec_format_padded(char *out, size_t n, uint64_t v)
{
	for (; n > 8; v /= 100000000) {
		n -= 8;
		put_digits(out + n, 8, (uint32_t)(v % 100000000));
	}
	put_digits(out, n, (uint32_t)(v % 100000000));
}

size_t
dec_format(char out[DEC_MAX_BYTES], uint64_t v)
{
	size_t n = 1;

	for (uint64_t limit = 10; n < DEC_MAX_BYTES && v >= limit; limit *= 10)
		n++;
	dec_format_padded(out, n, v);
	return n;
}

size_t
dec_span(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

int
dec_parse(uint64_t *v, struct slice s, uint64_t max)
{
	uint64_t x = 0;

	if (s.n == 0 || dec_span(s) != s.n || (s.p[0] == '0' && s.n > 1))
		return STELE_ESYNTAX;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		if (__builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, digit, &x))
			return STELE_ELIMIT;
	}
	if (x > max)
		return STELE_ELIMIT;
	*v = x;
	return 0;
}
