/* Filters: what is read prints as one text, which reads as the same filter; errors lie in the text.
 */
#include <stdint.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/filter.h"
#include "proto/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_round(struct arena *a, const struct filter *f)
{
	struct text_error err;
	struct filter again;
	struct buf text, second;

	buf_init(&text);
	buf_init(&second);
	filter_print(&text, f);
	CHECK(filter_parse(&again, a, buf_slice(&text), &err) == 0);
	CHECK(filter_equal(f, &again));
	filter_print(&second, &again);
	CHECK(slice_eq(buf_slice(&text), buf_slice(&second)));
	buf_fini(&text);
	buf_fini(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct text_error err = {0};
	struct filter_simple simple = {.filter = slice_of(data, n)};
	struct filter f;
	struct arena a;
	int code;

	arena_init(&a);
	code = filter_parse(&f, &a, slice_of(data, n), &err);
	CHECK(code == 0 || code == STELE_ESYNTAX || code == STELE_ELIMIT);
	if (code == 0) {
		CHECK(f.n_terms <= LIMIT_FILTER_TERMS);
		check_round(&a, &f);
		CHECK(filter_build(&f, &a, &simple, &err) == 0);
	} else {
		CHECK(err.offset <= n && err.column >= 1 && err.column <= err.offset + 1);
		CHECK(err.message[0]);
	}
	arena_fini(&a);
	return 0;
}
