/* How values and literals are spelled as terms; what the two sides of an index share (terms.h). */
#ifndef STELE_PROTO_TERMSPELL_H
#define STELE_PROTO_TERMSPELL_H

#include <stdbool.h>

#include "proto/buf.h"
#include "proto/ipaddr.h"
#include "proto/slice.h"

/* Its first LIMIT_TERM_BYTES. */
struct slice termspell_cut(struct slice text);

/*
 * The other spelling that a text is found by: of a number, or of the address that it is read as
 * (ip, or NULL), if any. False when there is none. The contents of out are replaced.
 */
bool termspell_other(struct buf *out, struct slice text, const struct ipaddr *ip);

#endif
