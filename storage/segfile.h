/*
 * The container of a segment: a few streams of bytes in one LMDB file. LMDB
 * gives a file that is laid out in pages and mapped, nothing else: nobody ever
 * changes it.
 *
 * Key "h" holds the head; key LETTER || be32 N holds bytes [N * SEGFILE_CHUNK, …)
 * of a stream, letters b c i t d k x in the order of enum segment_part. A chunk
 * and LMDB's 16 bytes of header fill 16 pages exactly.
 *
 * Head, SEGFILE_HEAD_BYTES, little-endian:
 *   0 magic "steleseg"    8 u32 version     12 u32 required features (0)
 *  16 u64 log id         24 u64 first       32 u64 count
 *  40 u64 data key id    48 u32 generation  52 u32 zero
 *  56 u64 bytes of each of the seven streams
 */
#ifndef STELE_STORAGE_SEGFILE_H
#define STELE_STORAGE_SEGFILE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "storage/segment.h"

enum { SEGFILE_CHUNK = 16 * 4096 - 16, SEGFILE_HEAD_BYTES = 56 + 8 * SEGMENT_PARTS };

/* One being written. */
struct segfile_writer;

/* Creates the file, mode 0600. STELE_EEXIST, STELE_ENOSPACE, STELE_EIO, STELE_ENOMEM. */
int segfile_create(struct segfile_writer **out, const char *path);

/* Appends bytes to a stream. Errors stick and come out of segfile_end. */
void segfile_put(struct segfile_writer *w, enum segment_part part, struct slice bytes);

/* Bytes appended to a stream so far. */
uint64_t segfile_put_bytes(const struct segfile_writer *w, enum segment_part part);

/*
 * Writes what waits and the head, and flushes the file. Sets part of *facts, whose range,
 * generation and ids go into the head. The first error of any put, or of its own.
 */
int segfile_end(struct segfile_writer *w, struct segment_facts *facts);

/* Closes it, ended or not; the file stays. NULL is fine. */
void segfile_free(struct segfile_writer *w);

/* One being read: immutable, any number of threads. */
struct segfile;

/*
 * Maps a file whose hash the caller has checked. STELE_EDAMAGED when it is not such
 * a container, or its head does not agree with the facts; STELE_EVERSION;
 * STELE_ENOTFOUND, STELE_EIO, STELE_ENOMEM.
 */
int segfile_open(struct segfile **out, const char *path, const struct segment_facts *facts);
/* Unmaps it. NULL is fine. */
void segfile_close(struct segfile *f);

/* Bytes of a stream. */
uint64_t segfile_bytes(const struct segfile *f, enum segment_part part);

/*
 * Copies n bytes of a stream at offset: STELE_EDAMAGED when it has fewer, or when the file
 * was cut off or cannot be read there (storage/mapguard.h).
 */
int segfile_copy(const struct segfile *f, enum segment_part part, uint64_t offset, size_t n,
		 void *out);

/* The same into out, whose earlier content goes; also STELE_ENOMEM. */
int segfile_read(const struct segfile *f, enum segment_part part, uint64_t offset, size_t n,
		 struct buf *out);

#endif
