/*
 * Building a segment: a source of records becomes one immutable file and its
 * signed manifest, both verified from the disk before the manifest exists.
 */
#ifndef STELE_STORAGE_SEGBUILD_H
#define STELE_STORAGE_SEGBUILD_H

#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "storage/mapping.h"
#include "storage/segment.h"

struct toolbox;

/*
 * The records in order, read twice: once to sample for the dictionary, once to
 * write. next gives 0 and a record whose slices and seed are valid until the next
 * call, 1 at the end, or an error, which ends the build. Of each record every
 * field is given; commitment is read only where it is stored (object, or payload
 * above LIMIT_DERIVED_BYTES). rewind goes back to the first record.
 */
struct segment_source {
	void *ctx;
	int (*rewind)(void *ctx);
	int (*next)(void *ctx, struct segment_record *r);
};

struct segment_plan {
	const char *dir; /* segments/LOG, exists */
	/* given: log_id, origin, first, count, generation, data_key_id, prev, root */
	struct segment_facts facts;
	/* FIRST-COUNT.GEN of the segments it replaces, each followed by a newline; "" for none */
	const char *replaces;
	const uint8_t *data_key;              /* 32 bytes; of this segment and generation alone */
	const struct mapping *mapping;        /* how its records are indexed; NULL: not at all */
	const struct signer *signer;          /* the log's */
	const struct merkle_frontier *before; /* of the tree of facts.first entries */
};

/*
 * Builds DIR/FIRST-COUNT.GEN.seg and .manifest, mode 0444. In this order:
 *   1. DIR/….seg.tmp is written, flushed, renamed; the folder is flushed.
 *   2. The file is read back from the disk, past the page cache where that can be:
 *      its hash, every block, every payload against its commitment, every rebuilt
 *      entry against its leaf, the chain from facts.prev, the nodes of height 4,
 *      the tree from plan->before to facts.root, every key, every page of the index.
 *   3. The manifest is written, flushed, renamed; the folder is flushed; it is read back.
 * A crash leaves *.tmp, or a .seg without manifest. A failure leaves nothing of the two.
 * *out is what the manifest says. Memory is bounded, whatever the
 * segment's size but for 4 bytes a record: some 12 MiB, most of it while the dictionary is trained.
 * STELE_EINVAL when the plan or a record is out of its range, or the source does not give exactly
 * count records; STELE_EEXIST when one of the files is there; STELE_EDAMAGED when what was read
 * back disagrees; STELE_ENOSPACE, STELE_EIO, STELE_ENOMEM; the source's errors. why says what was
 * tried and what is wrong.
 */
int segment_build(const struct segment_plan *plan, const struct segment_source *src,
		  struct toolbox *t, struct segment_facts *out, struct buf *why);

/*
 * Step 2 for a segment that is open: every byte of it that means something. STELE_EDAMAGED, and
 * why names the first record or part that is wrong; else as segment_each.
 */
int segment_verify(struct segment *s, const struct merkle_frontier *before, struct toolbox *t,
		   struct buf *why);

#endif
