/*
 * Encrypting to somebody in the age format, version 1 (https://age-encryption.org/v1, C2SP
 * age.md), for X25519 recipients: what comes out, `age -d` opens. The writer keeps the file key, in
 * memory that is wiped; nobody keeps the way back but those who are written to.
 */
#ifndef STELE_CRYPTO_AGE_H
#define STELE_CRYPTO_AGE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

enum {
	AGE_RECIPIENT_BYTES = 32,
	AGE_RECIPIENT_CHARS = 62, /* "age1" and what follows */
	AGE_CHUNK_BYTES = 65536,  /* sealed together */
};

/* Reads "age1…" (Bech32, BIP 173): STELE_ESYNTAX when it is none, or its checksum is wrong. */
int age_recipient_read(uint8_t out[AGE_RECIPIENT_BYTES], struct slice text);

struct age_writer;

/*
 * Begins a file for n >= 1 recipients; appends its header to out. STELE_EINVAL: a recipient's key
 * is one that nobody can have. STELE_ENOMEM.
 */
int age_writer_new(struct age_writer **out, const uint8_t (*recipients)[AGE_RECIPIENT_BYTES],
		   size_t n, struct buf *header);

/* The next bytes: appends what is complete to out, whose errors stick. */
void age_writer_put(struct age_writer *w, struct slice bytes, struct buf *out);

/* The last chunk: without it the file does not open. */
void age_writer_end(struct age_writer *w, struct buf *out);

/* Wipes it. NULL is fine. */
void age_writer_free(struct age_writer *w);

#endif
