/*
 * Does one value fit a term? The comparison table of docs/queries.md.
 */
#ifndef STELE_PROTO_FILTER_FITS_H
#define STELE_PROTO_FILTER_FITS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/filter.h"
#include "proto/jsonvalue.h"

/*
 * True when the value fits the term's operator and literal; FILTER_NE is asked as
 * FILTER_EQ, and turned around by who asks. address says that the value is one of
 * FIELD_SOURCE_IP. An object fits nothing but "is there": members are the
 * caller's to look for.
 */
bool filter_fits_value(const struct filter_term *term, const struct jsonvalue *v, bool address);

/* The same for an instant of FIELD_TIME or FIELD_RECEIVE_TIME. */
bool filter_fits_instant(const struct filter_term *term, int64_t ns);

/* True for ":*". */
bool filter_asks_presence(const struct filter_term *term);

/* True when the text is the literal's, or one of its texts. */
bool filter_is_text(const struct filter_literal *l, struct slice text);

/* The order of two texts, as that of < : byte by byte. For sorting a literal's texts. */
int filter_order_texts(struct slice a, struct slice b);

/* True when the name is the literal, or begins with it when it is a prefix. */
bool filter_fits_name(const struct filter_literal *l, struct slice name);

#endif
