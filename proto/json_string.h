/*
 * Strings of a document that is valid: where their bytes are, and what they say.
 */
#ifndef STELE_PROTO_JSON_STRING_H
#define STELE_PROTO_JSON_STRING_H

#include <stddef.h>
#include <stdint.h>

#include "proto/json_index.h"
#include "proto/slice.h"

/* The bytes between the quotes of the string whose opening quote is at *at, as they are. */
struct slice json_string_raw(const struct json_index *x, const uint32_t *at);

/*
 * Resolves the escapes of raw, which are valid; writes to out, which has room for
 * raw.n bytes, and returns how many there are: never more.
 */
size_t json_string_unescape(uint8_t *out, struct slice raw);

#endif
