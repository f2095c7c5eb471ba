/* Requests to witnesses, and their answers: what is taken apart is put together the same again. */
#include <stdint.h>

#include "proto/addcheckpoint.h"
#include "proto/check.h"
#include "proto/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct addcheckpoint a;
	struct slice text = slice_of(data, n);
	uint64_t size = 0;
	struct buf b;

	buf_init(&b);
	if (addcheckpoint_parse(&a, text) == 0) {
		CHECK(a.old <= LIMIT_INTEGER && a.n_hashes <= ADDCHECKPOINT_HASHES);
		CHECK(a.checkpoint.n > 0 && a.checkpoint.p + a.checkpoint.n == data + n);
		addcheckpoint_put(&b, a.old, (const uint8_t(*)[32])a.hashes, a.n_hashes,
				  a.checkpoint);
		CHECK(b.err || slice_eq(buf_slice(&b), text));
	}
	buf_reset(&b);
	if (addcheckpoint_size(&size, text) == 0) {
		buf_put_dec(&b, size);
		buf_put_u8(&b, '\n');
		CHECK(b.err || slice_eq(buf_slice(&b), text));
	}
	buf_fini(&b);
	return 0;
}
