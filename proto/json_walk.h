/*
 * The grammar over a structural index: the fast path, which says yes or no.
 */
#ifndef STELE_PROTO_JSON_WALK_H
#define STELE_PROTO_JSON_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/json_index.h"
#include "proto/slice.h"

/*
 * Walks over the one value whose first token is *at (at < x->end), inside
 * `depth` open containers. Returns where the next token's offset is (x->end
 * after the last), or NULL when the value is not valid or nests too deep.
 * What its strings' escapes say is left to json_walk_escapes.
 */
const uint32_t *json_walk_value(const struct json_index *x, const uint32_t *at, unsigned depth);

/*
 * True when every backslash in text begins a valid escape. The text must be
 * walked, so that there is no backslash but in strings.
 */
bool json_walk_escapes(struct slice text);

#endif
