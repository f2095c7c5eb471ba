/*
 * A segment's dictionary: trained on records spread evenly over it, and kept
 * only where it saves more than it costs. Inside storage/ only.
 */
#ifndef STELE_STORAGE_SEGDICT_H
#define STELE_STORAGE_SEGDICT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"
#include "storage/compress.h"

/* Every stride-th payload, cut to a few KiB; the stride doubles whenever the room is used up. */
struct segdict_sample {
	struct buf joined;
	size_t *sizes;
	size_t n, cap;
	uint64_t stride, seen, bytes; /* bytes: of all payloads seen */
};

/* An empty sample; allocates nothing. */
void segdict_sample_init(struct segdict_sample *s);
/* Frees and wipes. */
void segdict_sample_fini(struct segdict_sample *s);
/* Takes the next payload in. STELE_ENOMEM. */
int segdict_sample_add(struct segdict_sample *s, struct slice payload);

/*
 * Chooses: *dict is a dictionary for compress_seal, counted for the caller, or NULL when the
 * segment is smaller without. *packed is what *raw bytes of the sample became. STELE_ENOMEM.
 */
int segdict_choose(const struct segdict_sample *s, struct compressor *zip,
		   struct compress_dict **dict, uint64_t *raw, uint64_t *packed);

/* How long frames and blocks should be, in raw bytes, where raw bytes have become packed. */
uint32_t segdict_frame_bytes(uint64_t raw, uint64_t packed);
uint32_t segdict_block_bytes(uint64_t raw, uint64_t packed);

#endif
