/* The short texts of requests: instants, periods, integers, tile paths, media types, names. */
#include <stdint.h>
#include <string.h>

#include "proto/check.h"
#include "proto/dec.h"
#include "proto/duration.h"
#include "proto/entry.h"
#include "proto/tilepath.h"
#include "proto/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_spelling(struct slice word)
{
	char out[TILEPATH_BYTES];
	struct tilepath t;
	uint64_t v;
	int64_t ns;

	if (timestamp_parse(&ns, word) == 0) {
		timestamp_format(out, ns);
		CHECK(slice_eq(word, slice_of(out, TIMESTAMP_BYTES)));
	}
	if (dec_parse(&v, word, UINT64_MAX) == 0)
		CHECK(slice_eq(word, slice_of(out, dec_format(out, v))));
	if (tilepath_parse(&t, word) == 0)
		CHECK(slice_eq(word, slice_of(out, tilepath_format(out, &t))));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char out[LIMIT_MEDIA_TYPE_BYTES], again[LIMIT_MEDIA_TYPE_BYTES];
	struct slice word = slice_of(data, n);
	struct duration d;
	size_t len, len2;
	int64_t end;

	check_spelling(word);
	if (duration_parse(&d, word) == 0 && duration_add(&end, TIMESTAMP_DAY_NS, &d) == 0)
		CHECK(end >= TIMESTAMP_DAY_NS);
	if (entry_media_type_normalise(out, sizeof out, &len, word) == 0) {
		CHECK(entry_media_type_normalise(again, sizeof again, &len2, slice_of(out, len)) ==
		      0);
		CHECK(len == len2 && memcmp(out, again, len) == 0);
		CHECK(!memchr(out, '"', len) && !memchr(out, '\\', len));
	}
	if (entry_origin_valid(word))
		CHECK(n <= LIMIT_ORIGIN_BYTES);
	return 0;
}
