/*
 * Strict ZIP archives (docs/formats.md section 10; PKWARE APPNOTE 6.3): one way to read each, so
 * that no two programs see different files in it. Every byte but the files' data is looked at and
 * must be what it has to be; what may be left open in other archives is refused here. Reads by a
 * callback and keeps nothing: memory does not depend on the archive.
 *
 *   zip_read_open, then zip_read_next until it says that there is no more
 *
 * Names that occur twice are the caller's to find: it knows in which order they come.
 */
#ifndef STELE_PROTO_ZIP_READ_H
#define STELE_PROTO_ZIP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

enum {
	ZIP_NAME_BYTES = 255,
	ZIP_FILES_MOST = 1000000,
	ZIP_HEADER_MOST = 46 + ZIP_NAME_BYTES + 28, /* of the directory; a local one is less */
};

enum zip_method { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

/* One file of the archive. */
struct zip_file {
	size_t n_name;
	char name[ZIP_NAME_BYTES + 1]; /* as it is there, and a NUL behind it */
	enum zip_method method;
	uint32_t crc;    /* of the unpacked bytes */
	uint64_t size;   /* unpacked */
	uint64_t packed; /* in the archive; equal to size when it is stored */
	uint64_t at;     /* where its data begins */
};

/* n bytes at an offset, all of them below the archive's length: 0, or STELE_EIO. */
typedef int zip_read_fn(void *ctx, uint64_t at, void *dst, size_t n);

struct zip_read {
	zip_read_fn *fn;
	void *ctx;
	uint64_t bytes;          /* the archive's length */
	uint64_t n_files;        /* that the end record promises */
	uint64_t directory, end; /* the directory's offset, and the one behind it */
	uint64_t done, next, at; /* files given; offsets of the next local and central header */
	const char *why;         /* a sentence, once something was refused */
	uint8_t buf[ZIP_HEADER_MOST]; /* a header */
};

/*
 * Reads the records at the end of an archive of so many bytes. STELE_ESYNTAX, with z->why, when it
 * is not a strict one; STELE_EIO.
 */
int zip_read_open(struct zip_read *z, zip_read_fn *fn, void *ctx, uint64_t bytes);

/*
 * The next file, in the order in which they lie: its headers in both places are checked and say the
 * same. 1; 0 when there are no more, and then every byte of the archive has been accounted for.
 * Errors as above, and the same again at each further call.
 */
int zip_read_next(struct zip_read *z, struct zip_file *f);

#endif
