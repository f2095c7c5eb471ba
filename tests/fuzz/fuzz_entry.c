/* The entry reader: whatever it accepts writes back as the same bytes. */
#include <stdint.h>
#include <string.h>

#include "proto/check.h"
#include "proto/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char scratch[LIMIT_ENTRY_BYTES], again[LIMIT_ENTRY_BYTES];
	struct entry e;

	if (entry_read(&e, slice_of(data, n), scratch) != 0)
		return 0;
	CHECK(entry_write(again, sizeof again, &e) == (int)n);
	CHECK(memcmp(again, data, n) == 0);
	return 0;
}
