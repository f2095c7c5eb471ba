/*
 * What of a segment's index answers a filter, for who is to hold it against the signed manifest
 * (proto/certificate.h): the head, the pages on which its terms are or would be, the postings of
 * those that have boxes of their own, and the proofs that lead to terms_root.
 */
#ifndef STELE_STORAGE_TERMPROOF_H
#define STELE_STORAGE_TERMPROOF_H

#include "proto/arena.h"
#include "proto/certificate.h"
#include "proto/filter.h"
#include "storage/log.h"
#include "storage/segment.h"

struct toolbox;

/*
 * Fills in head, proof, pages and postings of *part, all the arena's. 1, and *part is as it was,
 * when the index cannot answer the filter, or the segment has none of that mapping. STELE_EDAMAGED;
 * STELE_ENOMEM. A worker thread.
 */
int termproof_make(struct segment *s, const struct filter *f, const uint8_t mapping[32],
		   struct toolbox *t, struct arena *a, struct certificate_part *part);

/*
 * Appends an open segment's manifest, a signed note, as it lies beside the file: STELE_ENOTFOUND
 * when another generation has taken its place; STELE_EDAMAGED when it is not this segment's, or not
 * signed by a key that may speak for it; STELE_EIO, STELE_ENOMEM.
 */
int termproof_manifest(struct log *log, struct segment *s, struct buf *out);

#endif
