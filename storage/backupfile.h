/*
 * The files of a backup, one at a time: copied or linked durably, read again, listed.
 * For storage/backup.c, and for storage/restore.c, which copies them back.
 */
#ifndef STELE_STORAGE_BACKUPFILE_H
#define STELE_STORAGE_BACKUPFILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "storage/toolbox.h"

struct backup_files {
	const char *dir; /* where they go */
	const atomic_bool *stop;
	struct sha256 *sha;
	struct toolbox *tools; /* for reading records */
	uint8_t *window;       /* BACKUP_WINDOW_BYTES */
	struct buf list;       /* "SHA256  PATH\n" of every file done */
	struct buf why;
	uint64_t files, kept;
	atomic_ullong bytes;
	bool copies;                  /* no links: what is made shares nothing with its source */
	void (*step)(void *step_ctx); /* after each window copied; NULL: nothing */
	void *step_ctx;
};

enum { BACKUP_WINDOW_BYTES = 1 << 20 };

/*
 * DIR/rel becomes a copy of the file at source, of its first n bytes with zeros behind
 * them (n = UINT64_MAX: all). want is the SHA-256 that it must have, or NULL. With want a
 * file that is there and has it stays, and a link is made where that can and may be. 0;
 * STELE_EDAMAGED when what is there in the end is not want, or not what was read;
 * STELE_ECLOSED; STELE_ENOTFOUND, STELE_ENOSPACE, STELE_EIO, STELE_ENOMEM; why says which file.
 */
int backup_file(struct backup_files *b, const char *source, const char *rel, uint64_t n,
		const uint8_t want[32]);

/* The SHA-256 of the file at path, read from the disk. STELE_ECLOSED, and as backup_file. */
int backup_hash(struct backup_files *b, const char *path, uint8_t hash[32]);

/* The same for bytes in memory, mode 0600. */
int backup_bytes(struct backup_files *b, struct slice bytes, const char *rel);

/* Lists a file that lies in DIR already, flushed. */
int backup_listed(struct backup_files *b, const char *rel);

/* Makes the folder DIR/rel when it is not there; durable. */
int backup_folder(struct backup_files *b, const char *rel);

/* Removes what lies in the folder DIR/rel and is not listed, but folders. STELE_EIO. */
int backup_prune(struct backup_files *b, const char *rel);

#endif
