/*
 * The grammar byte by byte: it decides what the fast path refuses, and says
 * where a document is wrong. It shares no code with the fast path.
 */
#ifndef STELE_PROTO_JSON_GRAMMAR_H
#define STELE_PROTO_JSON_GRAMMAR_H

#include <stddef.h>

#include "proto/slice.h"

/*
 * 0 when doc is valid as json.h says; else STELE_ESYNTAX or STELE_ELIMIT (too
 * deep), *offset the byte at which it is wrong (doc.n when it ends too early)
 * and *message a static phrase.
 */
int json_grammar_check(struct slice doc, size_t *offset, const char **message);

#endif
