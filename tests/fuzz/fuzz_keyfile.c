/*
 * Key files: the input, and the input with a trailer that fits, which gets past
 * the hash. What decodes was encoded from that body.
 */
#include <stdint.h>
#include <stdlib.h>

#include "crypto/init.h"
#include "crypto/keyfile.h"
#include "crypto/sha256.h"
#include "proto/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
try_decode(struct keyfile_seal *seal, struct slice file)
{
	struct buf body, again;

	buf_init(&body);
	buf_init(&again);
	if (keyfile_decode(&body, file, seal) == 0) {
		CHECK(keyfile_encode(&again, buf_slice(&body), seal) == 0);
		CHECK(again.n == file.n);
	} else {
		CHECK(body.n == 0);
	}
	keyfile_wipe(&body);
	keyfile_wipe(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct keyfile_seal *seal;
	static struct sha256 *h;
	struct buf file;

	if (!seal)
		CHECK(crypto_init() == 0 && keyfile_seal_new(&seal, NULL) == 0 &&
		      (h = sha256_new()) != NULL);
	try_decode(seal, slice_of(data, n));
	buf_init(&file);
	buf_put(&file, data, n);
	if (buf_reserve(&file, SHA256_BYTES) == 0) {
		sha256_hash(h, file.p + n, slice_of(data, n));
		file.n += SHA256_BYTES;
		try_decode(seal, buf_slice(&file));
	}
	buf_fini(&file);
	return 0;
}
