/*
 * The right side of a term: from text to all that it can be read as.
 */
#ifndef STELE_PROTO_FILTER_LITERAL_H
#define STELE_PROTO_FILTER_LITERAL_H

#include "proto/filter.h"

/*
 * Reads the literal at text[*at], which moves behind it: a string in quotes, or
 * all up to a blank or one of ( ) " ' , = < > ! \ with a * at its end only.
 * Texts are the arena's. STELE_ESYNTAX and *err, STELE_ENOMEM.
 */
int filter_literal_read(struct filter_literal *literal, struct arena *a, struct slice text,
			size_t *at, struct text_error *err);

/*
 * Completes a term whose field or path, operator and literal's text, quoted and
 * prefix are set: what the literal can be read as for this field. STELE_ESYNTAX
 * and *err, for the byte at offset of text, when the operator does not go with
 * the field or the literal.
 */
int filter_term_settle(struct filter_term *term, struct slice text, size_t offset,
		       struct text_error *err);

/*
 * The values of the alias that stands at offset of text, @ before its name; STELE_ESYNTAX and *err
 * when there is none.
 */
int filter_alias_find(const struct filter_aliases *aliases, struct slice name, struct slice text,
		      size_t offset, const struct slice **values, size_t *n,
		      struct text_error *err);

#endif
