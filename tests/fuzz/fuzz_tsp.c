/* Whatever an authority answers: it is refused with a sentence, or what is read of it is in bounds.
 */
#include <stdint.h>
#include <string.h>

#include "crypto/tsp.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* SHA-256 of "some checkpoint\n", of which the corpus is. */
static const uint8_t imprint[SHA256_BYTES] = {0x1f, 0xaa, 0x04, 0xee, 0x80, 0x5a, 0xeb, 0x11,
					      0x23, 0xa8, 0x52, 0x2b, 0x59, 0x44, 0x75, 0x32,
					      0x84, 0x79, 0x23, 0x68, 0x34, 0x66, 0xac, 0xf6,
					      0xed, 0xfa, 0x29, 0x81, 0x96, 0x63, 0xca, 0xbb};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char why[TSP_WHY_BYTES] = "";
	struct tsp_token t;
	int err = tsp_check(&t, slice_of(data, n), imprint, NULL, NULL, why);

	CHECK(err == 0 || (err == STELE_EVERIFY && why[0]));
	if (err == 0) {
		CHECK(t.time_ns >= 0 && t.time_ns <= TIMESTAMP_MAX_NS);
		CHECK(t.accuracy_ns >= 0 && t.accuracy_ns <= 2 * TIMESTAMP_DAY_NS);
		CHECK(t.from_ns <= t.time_ns && t.time_ns <= t.expires_ns);
		CHECK(t.name[0] && strlen(t.name) < sizeof t.name && utf8_valid(slice_str(t.name)));
		CHECK(strlen(t.serial) < sizeof t.serial && !t.trusted);
	}
	return 0;
}
