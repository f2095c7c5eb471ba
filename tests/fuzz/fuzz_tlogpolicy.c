/* Policies of witnesses: whatever they say, what is asked of them has an answer. */
#include <stdint.h>
#include <stdlib.h>

#include "crypto/sha256.h"
#include "proto/check.h"
#include "proto/err.h"
#include "crypto/tlogpolicy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tlogpolicy *p = calloc(1, sizeof *p);
	struct sha256 *h = sha256_new();
	struct note note = {.n_signatures = 0};
	const char *what = NULL;
	size_t line, cosigned;
	int err;

	CHECK(p && h);
	err = tlogpolicy_read(p, h, slice_of(data, n), &line, &what);
	CHECK(err == 0 || what);
	if (err == 0) {
		CHECK(p->none || p->quorum < p->n);
		CHECK(tlogpolicy_check(p, &note, &cosigned) == (p->none ? 0 : STELE_ENOTFOUND));
		CHECK(cosigned == 0);
	}
	sha256_free(h);
	free(p);
	return 0;
}
