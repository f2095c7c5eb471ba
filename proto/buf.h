/*
 * A growing byte buffer with a sticky error: callers append in straight lines
 * and check once, at the end, with buf_err().
 */
#ifndef STELE_PROTO_BUF_H
#define STELE_PROTO_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

struct buf {
	uint8_t *p;
	size_t n;   /* bytes in use */
	size_t cap; /* bytes allocated */
	int err;    /* 0, or STELE_ENOMEM once an append failed; then appends do nothing */
};

/* An empty buffer; allocates nothing. */
void buf_init(struct buf *b);

/* Frees the memory; the buffer is as after buf_init. */
void buf_fini(struct buf *b);

/* Empties the buffer and clears its error; keeps the memory. */
void buf_reset(struct buf *b);

/* Room for n more bytes: 0 or STELE_ENOMEM (which also sticks). */
int buf_reserve(struct buf *b, size_t n);

/* Appends n bytes at p. */
void buf_put(struct buf *b, const void *p, size_t n);

/* Appends a slice, a NUL-terminated string, one byte. */
void buf_put_slice(struct buf *b, struct slice s);
void buf_put_str(struct buf *b, const char *s);
void buf_put_u8(struct buf *b, uint8_t v);

/* Appends v in decimal, no leading zeros. */
void buf_put_dec(struct buf *b, uint64_t v);

/* Appends padded standard base64 (RFC 4648 section 4) of n bytes at p. */
void buf_put_base64(struct buf *b, const void *p, size_t n);

/* The same as base64url (section 5), without padding. */
void buf_put_base64url(struct buf *b, const void *p, size_t n);

/*
 * Appends s as a JSON string with its quotes (RFC 8259 section 7): escapes
 * the quote, backslash and control characters; other bytes pass unchanged,
 * so s must already be valid UTF-8.
 */
void buf_put_json_str(struct buf *b, struct slice s);

/* Appends printf-formatted text. */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The buffer's text as a C string; adds the NUL without counting it. Never NULL. */
const char *buf_cstr(struct buf *b);

/* The buffer's bytes as a slice, valid until the next append. */
static inline struct slice
buf_slice(const struct buf *b)
{
	return slice_of(b->p, b->n);
}

#endif
