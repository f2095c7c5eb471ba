/*
 * How often texts were counted: a table of a bounded number of them; what does not fit any more is
 * counted as others.
 */
#ifndef STELE_SERVER_TALLY_H
#define STELE_SERVER_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/slice.h"

struct tally_row {
	struct slice text; /* the arena's */
	uint64_t count;
};

struct tally {
	struct arena arena;
	struct tally_row *rows; /* a hash table, or NULL: nothing was counted */
	size_t n;
	uint64_t others;
};

/* Counts a text once more: 0 or STELE_ENOMEM. A tally of zeros is empty. */
int tally_add(struct tally *t, struct slice text);

/*
 * Appends [{"value":TEXT,"count":N},…], most first or, by_text, in the order of the texts, as JSON.
 * It is not to be added to any more. Errors stick to out.
 */
void tally_put(struct tally *t, const char *name, bool by_text, struct buf *out);

/* Frees everything. */
void tally_fini(struct tally *t);

#endif
