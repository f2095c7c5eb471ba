/*
 * A key statement's text (formats.md section 2): what the server identity signs
 * to say which key speaks for a log from which entry on.
 *
 *   stele key v1\n<log vkey>\n<epoch>\n<first size>\n
 */
#ifndef STELE_PROTO_KEYSTATEMENT_H
#define STELE_PROTO_KEYSTATEMENT_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/note.h"
#include "proto/slice.h"

struct keystatement {
	struct note_vkey key; /* the log's, of type NOTE_ED25519; its name is the origin */
	uint64_t epoch;       /* 0..LIMIT_INTEGER, more with each key */
	uint64_t first_size;  /* the smallest tree size that this key signs; 0..LIMIT_INTEGER */
};

/*
 * Reads a note's text. STELE_EVERSION when it is a key statement of another
 * version, STELE_ESYNTAX when it is none. The key ID is not checked here.
 */
int keystatement_parse(struct keystatement *k, struct slice text);

/* Appends the text. STELE_EINVAL, and nothing appended, when a member is out of range. */
int keystatement_put(struct buf *out, const struct keystatement *k);

#endif
