/*
 * Randomness: from the operating system for keys, and from a buffered
 * ChaCha20 generator per thread for what is wanted by the million (salts,
 * nonces). crypto_init() comes first.
 */
#ifndef STELE_CRYPTO_RANDOM_H
#define STELE_CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum {
	RANDOM_KEY_BYTES = 32,
	RANDOM_BUFFER_BYTES = 4096,
	RANDOM_TEXT_CHARS = 64,
	RANDOM_RESEED_BYTES = 1 << 20, /* handed out between two reseeds from the OS */
};

/*
 * Fast-key-erasure generator (D. J. Bernstein, "Fast-key-erasure random-number
 * generators", 2017): a refill's first 32 bytes become the next key, and bytes
 * handed out are wiped, so a later look at memory reveals no earlier output.
 * One thread's; must not be used on both sides of a fork().
 */
struct random_stream {
	uint8_t key[RANDOM_KEY_BYTES];
	uint8_t buf[RANDOM_BUFFER_BYTES]; /* the last `left` bytes are unused output */
	size_t left;
	size_t until_reseed_bytes;
};

/* Fills n bytes at p from the operating system's generator; aborts if there is none. */
void random_bytes(void *p, size_t n);

/* Fills n characters at out, at most RANDOM_TEXT_CHARS, of base32 in lower case: 5 bits each. */
void random_base32(char *out, size_t n);

/* Seeds a stream from the operating system. */
void random_stream_init(struct random_stream *s);

/* Wipes the stream's state. */
void random_stream_fini(struct random_stream *s);

/* Fills n bytes at p, of any length; never fails. */
void random_stream_take(struct random_stream *s, void *p, size_t n);

#endif
