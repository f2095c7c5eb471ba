/*
 * Strings in quotes, as filters and paths have them.
 */
#ifndef STELE_PROTO_QUOTED_H
#define STELE_PROTO_QUOTED_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/slice.h"
#include "proto/texterror.h"

/*
 * Reads the string at text[*at], which is " or ' and ends it; *at moves behind it.
 * Escapes are those of JSON (RFC 8259 section 7), and \' and \*. *star says
 * whether it ends with a * that is not escaped, which is then no part of *s;
 * elsewhere such a * is refused. With star NULL a * is a character like others.
 * *s is the arena's. STELE_ESYNTAX and *err when it does not end, is not UTF-8,
 * or an escape is none; STELE_ENOMEM.
 */
int quoted_read(struct slice *s, bool *star, struct arena *a, struct slice text, size_t *at,
		struct text_error *err);

/* Appends s, which is UTF-8, in double quotes, with *, quotes and controls escaped. */
void quoted_write(struct buf *out, struct slice s);

#endif
