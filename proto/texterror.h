/*
 * Why a text that a person wrote was refused, and where.
 */
#ifndef STELE_PROTO_TEXTERROR_H
#define STELE_PROTO_TEXTERROR_H

#include <stddef.h>

#include "proto/slice.h"

struct text_error {
	size_t offset;     /* bytes from its start */
	size_t column;     /* characters from its start; the first is 1 */
	char message[160]; /* what was expected: a lower-case English phrase */
};

/* Fills *err for the byte at offset of text (offset <= text.n); returns code. */
int text_error_set(struct text_error *err, int code, struct slice text, size_t offset,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
