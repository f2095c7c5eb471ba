/*
 * The few file operations that durability rests on, each complete: short
 * writes are continued, EINTR is retried, errors are stele_err values.
 */
#ifndef STELE_STORAGE_FILE_H
#define STELE_STORAGE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/buf.h"

/* Writes all n bytes at offset: 0, STELE_ENOSPACE or STELE_EIO. */
int file_pwrite(int fd, const void *p, size_t n, uint64_t offset);

/* Reads exactly n bytes at offset: 0, STELE_EIO, or STELE_EDAMAGED when the file ends before. */
int file_pread(int fd, void *p, size_t n, uint64_t offset);

/*
 * Has the disk write what of a file waits for that, LIMIT_TRICKLE_BYTES at a time, each when the
 * one before is there: so somebody else's flush, an append's, waits for one of them and not for
 * all. It promises nothing: a flush comes behind. STELE_EIO; 0 where the file system does not know
 * how.
 */
int file_trickle(int fd);

/* Flushes a folder's entries. path is the folder. */
int file_sync_dir(const char *path);

/* Flushes the folder that path lies in, so that path itself outlives a power loss. */
int file_sync_parent(const char *path);

/*
 * Replaces path with the n bytes at p, atomically and durably: temporary file
 * in the same folder, fsync, rename, fsync of the folder. mode as for open(2).
 */
int file_replace(const char *path, const void *p, size_t n, mode_t mode);

/* Appends the whole file to out; STELE_ENOTFOUND, STELE_EIO, STELE_ELIMIT beyond limit bytes. */
int file_read_all(const char *path, struct buf *out, size_t limit);

/* Free bytes of the file system that path is on, for an unprivileged user. */
int file_free_bytes(const char *path, uint64_t *out);

#endif
