/*
 * What spools there are, in files and in use, and how they end: storage/spool.h from inside.
 * Inside storage/ only.
 */
#ifndef STELE_STORAGE_SPOOLKEEP_H
#define STELE_STORAGE_SPOOLKEEP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "proto/buf.h"
#include "proto/zip.h"
#include "storage/purgeentry.h"
#include "storage/spool.h"

enum {
	SPOOL_VERSION = 1,
	SPOOL_BODIES = 3,
	SPOOL_ROWS = SPOOL_BODIES, /* numbers of the sealed files: bodies from 0 on, rows, */
	SPOOL_KEPT,                /* rows that wait for their place while it is made, */
	SPOOL_SAID,                /* and the box in the file `spool` */
	SPOOL_PATH_BYTES = 4096,
	SPOOL_ROW_BYTES = 192,
	SPOOL_ROW_FACTS = 79, /* of them, before the path */
};

/* A file of the bundle. */
struct spool_row {
	unsigned stream; /* of the bodies */
	uint64_t at;     /* where in it */
	enum zip_method method;
	uint32_t crc;
	uint64_t size, packed;
	uint8_t sha256[32];
	uint64_t start;   /* of its local header in the archive */
	uint64_t central; /* of its entry in the central directory, from that one's begin */
	uint8_t path_n;
	char path[SPOOL_ROW_BYTES - SPOOL_ROW_FACTS]; /* in the bag */
};

/* As bytes: u8 stream, u8 method, u32 crc, u64 at, size, packed, start, central, sha256[32],
 * u8 length, path, zeros. STELE_EDAMAGED for what is no row. */
void spool_row_write(uint8_t out[SPOOL_ROW_BYTES], const struct spool_row *r);
int spool_row_read(struct spool_row *r, const uint8_t in[SPOOL_ROW_BYTES]);

/* What the archive says of a row's file; its name goes into name, with a NUL. */
void spool_zip_file(struct zip_file *f, const struct spool_row *r, const char *id,
		    char name[ZIP_NAME_BYTES + 1]);

/* Records of a log of which the spool may have payloads: first to last. */
struct spool_cover {
	uint64_t log_id, first, last;
};

/*
 * What the file `spool` says. As bytes: magic "steleexp"  8 u32 version  12 u32 features (0)
 * 16 u64 key id  24 u64 bytes of what follows; then a box of u64 files, u64 bytes of rows, u64
 * bytes of each of the bodies, u64 offset of the central directory, u64 its bytes, digest[32], u32
 * covers, of each u64 log id, first, last.
 */
struct spool_said {
	uint64_t key_id, files, rows_bytes, bodies_bytes[SPOOL_BODIES], central, central_bytes;
	uint8_t digest[32];
	struct spool_cover *covers;
	size_t n_covers;
};

/* Frees its memory. */
void spool_said_fini(struct spool_said *s);
/* Appends the file. STELE_ENOMEM. */
int spool_said_write(struct buf *out, const struct spool_said *s,
		     const uint8_t key[AEAD_KEY_BYTES]);
/* Reads that of an export: what it says, and the key. Errors as spool_open. */
int spool_said_read(struct spool_said *s, uint8_t key[AEAD_KEY_BYTES], struct store *st,
		    const char *id);

/* DATA/exports/ID/FILE; of an empty file the folder, of an empty id exports/. STELE_ELIMIT. */
int spool_path(char out[SPOOL_PATH_BYTES], const struct store *st, const char *id,
	       const char *file);

/* A spool that somebody has open, or makes. */
struct spool_use {
	char id[SPOOL_ID_BYTES + 1];
	uint64_t key_id; /* of one that is made; 0: not yet. Under the list's lock */
	bool making;
	atomic_bool lost;           /* it was destroyed */
	struct spool_cover *covers; /* while it is made; under the list's lock */
	size_t n_covers;
	struct spool_use *next;
};

/* All of these; of the store. */
struct spools {
	pthread_mutex_t mu;
	struct spool_use *uses;
};

/* Takes part: 0; STELE_EEXIST when one of that id is being made, and this one is to be. */
int spools_enter(struct store *st, struct spool_use *u);
void spools_leave(struct store *st, struct spool_use *u);

/*
 * The payloads of these records of a log are to go: destroys every spool that may have one of them,
 * made or being made. *n is how many. Errors as spool_destroy.
 */
int spools_purge(struct store *st, uint64_t log_id, const struct purge_set *set, size_t *n);

#endif
