/*
 * The records that have a term, by ordinal, as gaps (storage/bitcode.h), of the order that makes
 * them shortest; when more than half of all have it, those that have it not.
 *
 *   1 bit: the others are listed   code of order 0: how many   5 bits: the order k
 *   codes of order k: what lies between a one and the one before it
 *
 * About log2(1/d) + 2 bits each for a share d of the records, whether one in two or one in a
 * hundred thousand has it; less where they come in rows.
 */
#ifndef STELE_STORAGE_POSTING_H
#define STELE_STORAGE_POSTING_H

#include "storage/bitcode.h"
#include "storage/ordset.h"

/* How many bits posting_put takes. */
uint64_t posting_bits(const uint32_t *ordinals, size_t n, uint32_t count);

/* Appends n ordinals, ascending, of a segment of count records. */
void posting_put(struct bitwriter *w, const uint32_t *ordinals, size_t n, uint32_t count);

/*
 * Reads one, of a segment of count records, and adds it to *set, which is of that count, unless it
 * is NULL. STELE_ESYNTAX, and what was added of it stays.
 */
int posting_take(struct bitreader *r, uint32_t count, struct ordset *set);

#endif
