/*
 * Objects: payloads too large for a block, each in a file of its own under
 * DATA/objects/LOG/, sealed chunk by chunk so that any range can be read and
 * verified alone. The file's key lies in the record's descriptor and nowhere
 * else, and the descriptor lies in the record's block: when the block's key is
 * destroyed, so is the object's.
 *
 * File, little-endian:
 *   header[OBJECT_HEADER_BYTES]: 0 magic "steleobj"  8 u32 version  12 u32 required features (0)
 *                                16 id[16]  32 u64 log id  40 u32 chunk bytes  44 u32 zero
 *   chunk 0, chunk 1, ...: each crypto/aead.h's box of chunk bytes of payload, the last one of
 *   what is left (1..chunk bytes), under the object's key with the associated data
 *   header || u64 number || u8 1 for the last chunk, else 0
 *
 * So a chunk that was changed, moved, swapped, cut off or added does not open.
 */
#ifndef STELE_STORAGE_OBJECT_H
#define STELE_STORAGE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "proto/slice.h"

struct log;
struct store;
struct toolbox;

enum {
	OBJECT_VERSION = 1,
	OBJECT_ID_BYTES = 16,
	OBJECT_HEADER_BYTES = 48,
	OBJECT_AD_BYTES = OBJECT_HEADER_BYTES + 9,
	OBJECT_DESCRIPTOR_BYTES = 96,
	OBJECT_NAME_BYTES = 2 * OBJECT_ID_BYTES + 1, /* the id in hex, and a NUL */
	OBJECT_PATH_BYTES = 4096,
};

/*
 * What a record's block holds in place of its payload. As bytes: 0 u32 version
 * 4 u32 chunk bytes  8 u64 size  16 id[16]  32 key[32]  64 SHA-256 of the payload
 */
struct object_descriptor {
	uint32_t chunk_bytes;
	uint64_t size;
	uint8_t id[OBJECT_ID_BYTES];
	uint8_t key[AEAD_KEY_BYTES];
	uint8_t sha256[32];
};

/* Writes a descriptor; reads one: STELE_EVERSION, or STELE_ESYNTAX when it is none. */
void object_descriptor_write(uint8_t out[OBJECT_DESCRIPTOR_BYTES],
			     const struct object_descriptor *d);
int object_descriptor_read(struct object_descriptor *d, struct slice s);

/* The file's header, which is also in the associated data of each of its chunks. */
void object_header_write(uint8_t out[OBJECT_HEADER_BYTES], const uint8_t id[OBJECT_ID_BYTES],
			 uint64_t log_id, uint32_t chunk_bytes);

/* Associated data of chunk `number` of the object with this header. */
void object_chunk_ad(uint8_t ad[OBJECT_AD_BYTES], const uint8_t header[OBJECT_HEADER_BYTES],
		     uint64_t number, bool last);

/* How many chunks size bytes make (size > 0), and how long the whole file is. */
uint64_t object_chunks(uint64_t size, uint32_t chunk_bytes);
uint64_t object_file_bytes(uint64_t size, uint32_t chunk_bytes);

/* The id in lower-case hex, NUL-terminated. */
void object_name(char out[OBJECT_NAME_BYTES], const uint8_t id[OBJECT_ID_BYTES]);

/* The id that a file's name of the form <hex><suffix> begins with; false when it is no such name.
 */
bool object_id_of(const char *name, const char *suffix, uint8_t id[OBJECT_ID_BYTES]);

/* DATA/objects/LOG/<id>.obj; STELE_ELIMIT when the path is too long. */
int object_path(char *out, size_t cap, const struct store *st, const struct log *log,
		const uint8_t id[OBJECT_ID_BYTES]);

/* --- reading --------------------------------------------------------------------------- */

/* An object open for reading: one thread at a time. */
struct object;

/*
 * Opens the object of the record at index by its descriptor (struct record's
 * payload). STELE_EDAMAGED when the file is missing, has another length or
 * another header: counted and said, as every damaged read; STELE_EGONE when it is
 * missing because the record was purged meanwhile; STELE_EIO;
 * STELE_ENOMEM. The descriptor need not outlive the call.
 */
int object_open(struct object **out, struct store *st, struct log *log, uint64_t index,
		struct slice descriptor);

/* Closes it and wipes its key. NULL may be closed. */
void object_close(struct object *o);

/* Payload bytes, and their SHA-256; the latter the object's. */
uint64_t object_size(const struct object *o);
const uint8_t *object_sha256(const struct object *o);

/*
 * Payload bytes [from, from + n) into out, from + n <= object_size(): each
 * chunk they lie in is verified first. STELE_EDAMAGED (counted and said; out
 * then holds no byte of a chunk that failed), STELE_EIO, STELE_ENOMEM.
 */
int object_read(struct object *o, uint64_t from, void *out, size_t n, struct toolbox *t);

/* Has the kernel forget what it holds of the file, as far as it can: reads ask the disk. */
void object_uncache(const struct object *o);

enum { OBJECT_HOW_BYTES = 96 };

/*
 * Opens an object and reads all of it, for fsck: STELE_EDAMAGED when the file
 * is missing or not what was stored, or its payload is not what salt and
 * commitment, or the descriptor's SHA-256, say. how then says which; nothing is
 * counted or said. STELE_EIO; STELE_ENOMEM.
 */
int object_check(struct store *st, struct log *log, struct slice descriptor, const uint8_t salt[16],
		 const uint8_t commitment[32], struct toolbox *t, char how[OBJECT_HOW_BYTES]);

#endif
