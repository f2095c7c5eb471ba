/*
 * The records of a range of a log as a segment_source: out of the segments that a
 * seal rewrites and out of the WAL, one section or block in memory at a time.
 */
#ifndef STELE_STORAGE_SEALFEED_H
#define STELE_STORAGE_SEALFEED_H

#include "proto/arena.h"
#include "storage/internal.h"
#include "storage/locate.h"
#include "storage/segbuild.h"

struct sealfeed {
	struct log *log;
	struct toolbox *t; /* its own: the builder uses another */
	const atomic_bool *stop;
	uint64_t first, end, at;
	struct arena arena; /* of the last record out of a segment */

	/* Thinning: what goes, and the seeds it was salted from, which nothing may keep. */
	const struct purging *thin; /* or NULL */
	uint64_t *seeds;            /* their first 8 bytes; sorted from the second pass on */
	size_t n_seeds, cap_seeds;
	unsigned pass;

	struct segment *segment; /* the one that holds `at`, or NULL */
	uint64_t segment_end;

	bool in_section;
	struct buf bytes; /* of the whole section */
	struct frame_section section;
	uint32_t ordinal; /* of the next record, in the section */
	uint32_t block, block_end;
	struct opened_block opened;
	const uint8_t *payload;
	uint32_t in_block; /* ordinal of the next record, in its block */
	struct bytes groups;
	struct frame_group group;
	uint32_t group_left;
};

/*
 * The records [first, end), all released, until *stop: then STELE_ECLOSED. The sealer alone
 * moves them meanwhile. Those of thin, unless it is NULL, come as gone; all are sealed then.
 */
void sealfeed_init(struct sealfeed *f, struct log *log, uint64_t first, uint64_t end,
		   const struct purging *thin, struct toolbox *t, const atomic_bool *stop);
void sealfeed_fini(struct sealfeed *f);

/* What segment_build reads: errors are STELE_EDAMAGED, STELE_EIO, STELE_ENOMEM. */
struct segment_source sealfeed_source(struct sealfeed *f);

#endif
