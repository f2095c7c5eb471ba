/*
 * How a refusal is told.
 */
#ifndef STELE_PROTO_JSON_ERROR_H
#define STELE_PROTO_JSON_ERROR_H

#include "proto/json.h"

/* Fills *err, unless err is NULL, for the byte at offset of body; returns code. */
int json_error_set(struct json_error *err, int code, struct slice body, size_t offset,
		   const char *message);

/* What the grammar says of doc: 0, or its error with *err filled unless NULL. */
int json_error_explain(struct json_error *err, struct slice doc);

#endif
