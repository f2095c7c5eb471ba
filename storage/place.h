/*
 * The data directory itself: DATA/LOCK keeps other processes out, DATA/stele.id
 * says what lies here and whether it is still the same place.
 *
 * stele.id, 512 bytes: 0 magic "stele id"  8 u32 version  12 u32 features
 * 16 u64 incarnation  24 server id (16 bytes)  40 u64 inode  48 i64 birth ns
 * 56 u32 demo  60 u32 name bytes  64 name (128)  ... zero  480 SHA-256 of the first 480.
 * inode and birth are the file's own: a copy has others, a restart does not.
 */
#ifndef STELE_STORAGE_PLACE_H
#define STELE_STORAGE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/limits.h"

struct place {
	int lock_fd;
	uint64_t incarnation; /* of this store's WAL */
	uint8_t server_id[16];
	char server_name[LIMIT_SERVER_NAME_BYTES + 1];
	bool demo; /* the name was made up */
};

/*
 * Takes the lock, waiting a second for it, making the directory first when create is true.
 * STELE_EBUSY when another process holds it, STELE_EUNSUPPORTED on a network file system,
 * STELE_ENOTFOUND, STELE_EIO; why says it in words.
 */
int place_lock(struct place *p, const char *dir, bool create, struct buf *why);
void place_unlock(struct place *p);

/*
 * STELE_EINVAL when a restore into the directory has begun and not ended: it may hold any
 * part of a backup, and is no store yet. (storage/restore.h)
 */
int place_complete(const char *dir, struct buf *why);

/*
 * Reads stele.id. STELE_ENOTFOUND when there is none; STELE_EDAMAGED,
 * STELE_EVERSION; STELE_EMOVED when it lies elsewhere than where it was
 * written, unless moved is true: then it is written anew.
 */
int place_read(struct place *p, const char *dir, bool moved, struct sha256 *h, struct buf *why);

/* A new incarnation, server id and, when name is NULL, a demo name. */
void place_make(struct place *p, const char *name);

/* Writes stele.id: the last step of a first start, durable when it returns 0. */
int place_write(const struct place *p, const char *dir, struct sha256 *h);

/*
 * Removes what a first start left that did not finish. STELE_EDAMAGED when
 * there is more than that: then stele.id was lost, not never written.
 */
int place_clear_unborn(const char *dir, struct buf *why);

#endif
