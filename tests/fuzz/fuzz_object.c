/* Descriptors and file names of objects: whatever is accepted is written back byte for byte. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proto/check.h"
#include "proto/limits.h"
#include "storage/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
descriptor(struct slice in)
{
	uint8_t again[OBJECT_DESCRIPTOR_BYTES];
	struct object_descriptor d;

	if (object_descriptor_read(&d, in) != 0)
		return;
	CHECK(d.size > 0 && d.size <= LIMIT_INTEGER);
	CHECK(d.chunk_bytes >= LIMIT_OBJECT_CHUNK_MIN_BYTES &&
	      d.chunk_bytes <= LIMIT_OBJECT_CHUNK_MAX_BYTES);
	CHECK(object_file_bytes(d.size, d.chunk_bytes) > d.size);
	CHECK(object_chunks(d.size, d.chunk_bytes) * d.chunk_bytes >= d.size);
	object_descriptor_write(again, &d);
	CHECK(slice_eq(in, slice_of(again, sizeof again)));
}

static void
name(struct slice in)
{
	char text[128], again[OBJECT_NAME_BYTES + 8];
	uint8_t id[OBJECT_ID_BYTES];

	if (in.n >= sizeof text)
		return;
	memcpy(text, in.p, in.n);
	text[in.n] = '\0';
	if (!object_id_of(text, ".obj", id))
		return;
	object_name(again, id);
	strcat(again, ".obj");
	CHECK(strcmp(again, text) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	descriptor(slice_of(data, n));
	name(slice_of(data, n));
	return 0;
}
