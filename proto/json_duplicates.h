/*
 * Has an object two members of one name? JSON allows it, parsers disagree about
 * what it means, and who reads evidence must be told.
 */
#ifndef STELE_PROTO_JSON_DUPLICATES_H
#define STELE_PROTO_JSON_DUPLICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/json_index.h"

struct json_member;

/* Working memory, used again; all zeros at first. */
struct json_duplicates {
	struct json_member *members; /* room for slots / 2 */
	size_t n;
	uint32_t *table;  /* open addressing; positions in members, from 1 */
	size_t slots;     /* allocated */
	size_t mask;      /* those in use, less one */
	struct buf names; /* those with escapes, unescaped */
};

/*
 * *twice: some object of a valid document, however deep, has two members of one
 * name, escapes resolved. Time is n log n in the number of members. STELE_ENOMEM.
 */
int json_duplicates_find(struct json_duplicates *d, const struct json_index *x, bool *twice);

/* Frees the memory. */
void json_duplicates_fini(struct json_duplicates *d);

#endif
