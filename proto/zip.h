/*
 * The parts of a ZIP archive that are not its files' data (PKWARE APPNOTE 6.3), in the one form
 * that docs/formats.md section 10 allows: sizes and CRC-32 stand in the local header, ZIP64's extra
 * field is there exactly when a number needs it. Pure: numbers in, bytes out.
 */
#ifndef STELE_PROTO_ZIP_H
#define STELE_PROTO_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

enum {
	ZIP_NAME_BYTES = 255,                         /* at most */
	ZIP_LOCAL_BYTES = 30 + ZIP_NAME_BYTES + 20,   /* most that a local header has */
	ZIP_CENTRAL_BYTES = 46 + ZIP_NAME_BYTES + 28, /* and an entry of the central directory */
	ZIP_END_BYTES = 56 + 20 + 22,                 /* and the end records */
};

enum zip_method { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

/* A file in an archive. */
struct zip_file {
	struct slice name; /* 1..ZIP_NAME_BYTES */
	enum zip_method method;
	uint32_t crc;          /* CRC-32 of what it holds, unpacked */
	uint64_t size, packed; /* bytes, unpacked and as they lie in the archive */
	uint64_t offset;       /* of its local header, from the archive's begin */
};

/* Where the central directory is, and what of. */
struct zip_end {
	uint64_t files, offset, bytes;
};

/* Writes the local header into out, of ZIP_LOCAL_BYTES; how long it is. zip_local_bytes says the
 * same without writing. */
size_t zip_local(uint8_t *out, const struct zip_file *f);
size_t zip_local_bytes(const struct zip_file *f);

/* Writes the entry in the central directory into out, of ZIP_CENTRAL_BYTES; likewise. */
size_t zip_central(uint8_t *out, const struct zip_file *f);
size_t zip_central_bytes(const struct zip_file *f);

/* Writes what is behind the central directory into out, of ZIP_END_BYTES; how long it is. */
size_t zip_end(uint8_t *out, const struct zip_end *e);

#endif
