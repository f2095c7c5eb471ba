/* Archives: whatever they say, nothing outside of them is read, and files lie where they may. */
#include <stdint.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/zip_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct whole {
	const uint8_t *p;
	size_t n;
};

static int
take(void *ctx, uint64_t at, void *dst, size_t n)
{
	const struct whole *w = ctx;

	CHECK(at <= w->n && n <= w->n - at);
	memcpy(dst, w->p + at, n);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct whole w = {data, n};
	struct zip_file f;
	struct zip_read z;
	uint64_t end = 0;
	int err = zip_read_open(&z, take, &w, n);

	if (err == 0)
		while ((err = zip_read_next(&z, &f)) == 1) {
			CHECK(f.at >= end && f.at <= n && f.packed <= n - f.at);
			CHECK(f.n_name >= 1 && f.n_name <= ZIP_NAME_BYTES && f.name[f.n_name] == 0);
			end = f.at + f.packed;
		}
	CHECK(err == 0 || (err == STELE_ESYNTAX && z.why));
	return 0;
}
