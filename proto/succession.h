/*
 * A succession note's text (formats.md section 2): what a server's old identity and its new one
 * both sign when the one takes over from the other.
 *
 *   stele identity v1\n<old vkey>\n<new vkey>\n<number>\n<time>\n
 */
#ifndef STELE_PROTO_SUCCESSION_H
#define STELE_PROTO_SUCCESSION_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/note.h"
#include "proto/slice.h"

struct succession {
	struct note_vkey from, to; /* of type NOTE_ED25519, one server's name, distinct key IDs */
	uint64_t number;           /* 1 replaces the server's first identity; 1..LIMIT_INTEGER */
	int64_t time_ns;           /* the old one has stated nothing after it; since 1970 */
};

/*
 * Reads a note's text. STELE_EVERSION when it is a succession of another version, STELE_ESYNTAX
 * when it is none. The key IDs are not checked here.
 */
int succession_parse(struct succession *s, struct slice text);

/* Appends the text. STELE_EINVAL, and nothing appended, when a member is out of range. */
int succession_put(struct buf *out, const struct succession *s);

#endif
