/*
 * A value of a document at a token: what kind, and its text.
 */
#ifndef STELE_PROTO_JSONVALUE_H
#define STELE_PROTO_JSONVALUE_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/json_index.h"
#include "proto/slice.h"

enum jsonvalue_kind {
	JSONVALUE_NULL,
	JSONVALUE_BOOL,   /* text: true or false */
	JSONVALUE_NUMBER, /* text: as it is written */
	JSONVALUE_TEXT,   /* text: unescaped */
	JSONVALUE_OBJECT,
	JSONVALUE_ARRAY,
};

struct jsonvalue {
	enum jsonvalue_kind kind;
	struct slice text; /* in the document, or in the buffer when it had escapes */
};

/*
 * The value at a token of a valid document; a text with escapes is written to the
 * buffer, whose contents it replaces. 0 or STELE_ENOMEM.
 */
int jsonvalue_read(struct jsonvalue *v, const struct json_index *x, const uint32_t *at,
		   struct buf *unescaped);

#endif
