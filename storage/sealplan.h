/*
 * Which log is to be sealed next, and which range of it. Pure decisions over what the
 * store knows; storage/seal.c carries them out.
 */
#ifndef STELE_STORAGE_SEALPLAN_H
#define STELE_STORAGE_SEALPLAN_H

#include <stdbool.h>

#include "storage/internal.h"

/* A segment to be built: [first, end) of its log. */
struct sealplan {
	uint64_t first, end; /* first is a multiple of TREE_TILE */
	uint32_t generation;
	size_t n_replaced;          /* neighbours at the end of the list that it takes in */
	char *replaces;             /* their names, a line each */
	const struct purging *thin; /* what goes of it; NULL: nothing, as ever */
};

/*
 * Plans the next segment of a log: with whole, up to its released size, else full
 * ones only. False when there is nothing to seal, or nothing may be: a tail that
 * must be rewritten is quarantined, or memory is out. sealplan_fini frees it.
 */
bool sealplan_make(struct log *log, bool whole, struct sealplan *out);
void sealplan_fini(struct sealplan *p);

/* What is due for a log. */
struct sealdue {
	struct log *log;
	bool seal, whole;       /* a segment; with whole, up to the released size */
	uint32_t retire_before; /* dictionaries in WAL files before this one; 0: none */
};

/* The next thing that is due, by size, WAL pressure or age; false when nothing is. */
bool sealplan_due(struct store *st, struct sealdue *out);

#endif
