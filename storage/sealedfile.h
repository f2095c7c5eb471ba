/*
 * A file of bytes that are sealed: boxes (crypto/aead.h) of SEALEDFILE_CHUNK bytes, the last one of
 * what is left, each bound to its file's number and its own. How long the whole is, whoever reads
 * it knows from elsewhere: a file that was cut off does not open. Inside storage/ only.
 */
#ifndef STELE_STORAGE_SEALEDFILE_H
#define STELE_STORAGE_SEALEDFILE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "proto/slice.h"

enum { SEALEDFILE_CHUNK = 128 * 1024, SEALEDFILE_BOX = SEALEDFILE_CHUNK + AEAD_OVERHEAD };

/* One that is written: a key is for one spool alone, number for one file under it. */
struct sealedfile_out {
	int fd; /* -1: none */
	uint8_t key[AEAD_KEY_BYTES];
	uint32_t number;
	uint64_t bytes;   /* put so far */
	uint64_t chunk;   /* number of the next one */
	uint64_t flushed; /* the disk was asked to write up to here */
	uint8_t *plain, *box;
	size_t n; /* bytes in plain */
};

/* Makes the file. STELE_EEXIST, STELE_ENOSPACE, STELE_EIO, STELE_ENOMEM. */
int sealedfile_create(struct sealedfile_out *f, const char *path, uint32_t number,
		      const uint8_t key[AEAD_KEY_BYTES]);
/* Appends; STELE_ENOSPACE, STELE_EIO. */
int sealedfile_put(struct sealedfile_out *f, struct slice s, struct random_stream *rnd);
/* Writes what is left and flushes it: durable when this returns 0. Nothing may be put after it. */
int sealedfile_end(struct sealedfile_out *f, struct random_stream *rnd);
/* Closes it and wipes its key and memory; harmless twice, and of one that is all zeros but fd -1.
 */
void sealedfile_out_fini(struct sealedfile_out *f);

/* One that is read. */
struct sealedfile_in {
	int fd; /* -1: none */
	uint8_t key[AEAD_KEY_BYTES];
	uint32_t number;
	uint64_t bytes; /* that it holds */
	uint64_t chunk; /* the one in plain; UINT64_MAX: none */
	uint8_t *plain, *box;
};

/* Opens one that holds so many bytes. STELE_EDAMAGED when it is not there or has another length;
 * STELE_EIO, STELE_ENOMEM. */
int sealedfile_open(struct sealedfile_in *f, const char *path, uint32_t number,
		    const uint8_t key[AEAD_KEY_BYTES], uint64_t bytes);
/* Bytes [from, from + n), within it. STELE_EDAMAGED, STELE_EIO. */
int sealedfile_read(struct sealedfile_in *f, uint64_t from, void *out, size_t n);
/* As sealedfile_out_fini. */
void sealedfile_in_fini(struct sealedfile_in *f);

#endif
