/* Segment manifests: what is read writes back as the same bytes. */
#include <stdint.h>

#include "proto/check.h"
#include "storage/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The names behind "replaces " of each line. */
static void
names(struct buf *out, struct slice section)
{
	static const size_t word = sizeof "replaces " - 1;

	for (size_t i = 0; i < section.n; i++) {
		i += word;
		for (; section.p[i] != '\n'; i++)
			buf_put_u8(out, section.p[i]);
		buf_put_u8(out, '\n');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct segment_facts facts;
	struct slice section;
	struct buf row, b;

	buf_init(&row);
	buf_init(&b);
	if (manifest_parse(&facts, &section, slice_of(data, n)) == 0) {
		names(&row, section);
		CHECK(manifest_put(&b, &facts, buf_slice(&row)) == 0);
		CHECK(slice_eq(buf_slice(&b), slice_of(data, n)));
	}
	buf_fini(&row);
	buf_fini(&b);
	return 0;
}
