/*
 * Which ranges of a log lie in sealed segments: a sorted list without gaps from
 * entry 0 on, 96 bytes a segment. The segments themselves: storage/segment.h.
 */
#ifndef STELE_STORAGE_SEALED_H
#define STELE_STORAGE_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sealed {
	uint64_t first, count;
	uint32_t generation;
	bool quarantined;   /* found damaged: not read until it is replaced */
	bool saved;         /* the catalogue has it as it is */
	uint8_t protection; /* of enum protection: what its files had when looked at last */
	uint64_t data_key_id;
	uint64_t payload_bytes, file_bytes;
	uint8_t file_hash[32]; /* SHA-256 of the whole file */
};

struct sealed_list {
	struct sealed *s;
	size_t n, cap;
};

/* No segments; allocates nothing. */
void sealed_init(struct sealed_list *l);
/* Frees the memory; as after sealed_init. */
void sealed_fini(struct sealed_list *l);

/* Room for one more, so that sealed_put cannot fail: 0 or STELE_ENOMEM. */
int sealed_reserve(struct sealed_list *l);

/*
 * Takes a segment in, at the end or in place of those whose ranges it covers,
 * which must be whole ones. It must begin where one of them or the end of the
 * list is; room was reserved.
 */
void sealed_put(struct sealed_list *l, const struct sealed *s);

/* The segment that holds index, or NULL; valid until the list changes. */
struct sealed *sealed_find(const struct sealed_list *l, uint64_t index);

/* Index behind the last segment: how many entries are sealed. */
uint64_t sealed_end(const struct sealed_list *l);

#endif
