/*
 * The write-ahead log: a row of prewritten files DATA/wal/00000001.wal …, and
 * DATA/wal/released. Files leave at the front once sealed segments hold what
 * they held, and come back at the end under a new number.
 *
 * The protocol, in the order it runs:
 *   1. The next file is written full of zeros and flushed before it is used, so
 *      that a commit only overwrites: no size, extent or space can change.
 *   2. A commit is one frame at the next multiple of FRAME_ALIGN, one write,
 *      one fdatasync. A frame never spans two files.
 *   3. Only after that flush is `released` overwritten (not flushed) with the
 *      frame's sequence and hash. A killed process therefore leaves it exact;
 *      a power loss may leave it behind, never ahead.
 *   4. Only then are answers released. At most one frame is ever in flight, so
 *      at start an unreadable frame is either the last one and was never
 *      acknowledged, or it is damage: `released`, the catalogue and any later
 *      frame tell which.
 *   5. Nothing is written after a failed write or flush.
 *   6. A file that is not needed any more becomes DATA/wal/spare.wal by a rename;
 *      to be used again its header is overwritten and flushed, and it is renamed.
 *      What it held before stays until it is overwritten: frames with a sequence
 *      below the expected one are therefore no frames of the row.
 */
#ifndef STELE_STORAGE_WAL_H
#define STELE_STORAGE_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "storage/frame.h"

struct wal;

/* A place in the row: file number from 1, byte offset. */
struct wal_pos {
	uint32_t file;
	uint64_t offset;
};

enum { WAL_FIRST_OFFSET = FRAME_ALIGN }; /* a file's header fills its first block */

enum wal_mode {
	WAL_CHECK,  /* changes nothing; a missing `released` is no error */
	WAL_USE,    /* for a running store */
	WAL_CREATE, /* the same, and a first file is made */
};

/*
 * Opens DATA/wal; with WAL_CREATE makes the folder and the first file when there
 * is none. file_bytes is the size of files made from now on. Errors:
 * STELE_ENOTFOUND (no such folder), STELE_EIO, STELE_EDAMAGED (no file at all, a
 * hole in the row, a bad file header), STELE_EVERSION, STELE_ENOSPACE; why says
 * which file.
 */
int wal_open(struct wal **out, const char *data_dir, uint64_t incarnation, uint64_t file_bytes,
	     enum wal_mode mode, struct buf *why);
void wal_close(struct wal *w);

/* The folder the files lie in: DATA/wal. */
const char *wal_dir(const struct wal *w);

/* Where the next frame goes; set once after recovery, then by wal_append. */
void wal_set_end(struct wal *w, struct wal_pos end);
struct wal_pos wal_end(const struct wal *w);

/*
 * Makes the file after the current one if it is missing: for the maintaining
 * thread, so that the writer need not. 0, STELE_ENOSPACE, STELE_EIO.
 */
int wal_prepare_next(struct wal *w);

/* Ends the pauses of a wal_prepare_next under way: for shutting down. */
void wal_hurry(struct wal *w);

/*
 * Makes sure that n bytes fit at the end, moving on to the next file when they
 * do not. STELE_ELIMIT when no file can hold n; STELE_ENOSPACE or STELE_EIO
 * when the next file could not be made: nothing was written then.
 */
int wal_reserve(struct wal *w, uint64_t n);

/*
 * Writes n bytes (a multiple of FRAME_ALIGN, reserved before) at the end and
 * flushes. *at is where they begin. On error the caller must not write again.
 */
int wal_append(struct wal *w, const void *p, size_t n, struct wal_pos *at);

/* Records that the commit was flushed (step 3), without a flush of its own. */
int wal_mark_released(struct wal *w, uint64_t sequence, const uint8_t hash[32], struct sha256 *h);
/* Flushes that record: when idle, and at the end. */
int wal_sync_released(struct wal *w);
/* The newest readable mark: sequence 0 when there is none. */
int wal_read_released(struct wal *w, uint64_t *sequence, uint8_t hash[32], struct sha256 *h);

/* Appends the content of a file `released` that says this commit was the last; 0: none. */
int wal_put_released(const struct wal *w, uint64_t sequence, const uint8_t hash[32],
		     struct sha256 *h, struct buf *out);

/* For fsck: how many of the mark's two slots hold neither zeros nor a mark of this store. */
int wal_check_released(struct wal *w, struct sha256 *h, unsigned *damaged);

/* Reads n bytes at a position. Any thread. */
int wal_read(struct wal *w, struct wal_pos at, void *p, size_t n);

/* Numbers of the oldest and the newest file. Any thread. */
struct wal_row {
	uint32_t first, last;
	uint64_t disk_bytes; /* of all files, a spare one included */
};
struct wal_row wal_row(struct wal *w);

/*
 * Lets the files before number `first` go, the last of them as a spare one for
 * wal_prepare_next; the file of wal_end stays. The caller knows that nothing needs
 * what is in them, now or after a power loss. One thread at a time. STELE_EIO.
 */
int wal_drop_before(struct wal *w, uint32_t first);

/*
 * A walk over frames from a position on, reading past the page cache where the
 * file system can (direct is false where it cannot).
 */
struct wal_scan {
	struct wal *wal;
	struct wal_pos at; /* of the next frame */
	uint64_t sequence; /* of the next frame */
	uint8_t prev[32];  /* hash of the frame before it */
	bool direct;
	int fd;
	uint32_t fd_file;
	uint64_t file_bytes;
	uint8_t *window; /* FRAME_ALIGN-aligned */
	size_t window_cap, window_n;
	uint64_t window_at;
};

/* Starts at `at`; the first frame must have this sequence and predecessor. */
int wal_scan_init(struct wal_scan *s, struct wal *w, struct wal_pos at, uint64_t sequence,
		  const uint8_t prev[32]);
/*
 * Starts at the oldest file with whatever frame is the first in it. STELE_EDAMAGED
 * when there is none to be read although the row goes on behind it.
 */
int wal_scan_oldest(struct wal_scan *s, struct wal *w, struct sha256 *h);
void wal_scan_fini(struct wal_scan *s);

/*
 * The next frame: 0, with its header, body (valid until the next call) and
 * place, all hashes checked. 1 at the end of the row. STELE_EDAMAGED when the
 * frame is unreadable and a later one is not: *at is then the damaged place.
 */
int wal_scan_next(struct wal_scan *s, struct sha256 *h, struct frame_header *head,
		  struct slice *body, struct wal_pos *at);

/*
 * For fsck, after STELE_EDAMAGED: the frame there as far as its header can be
 * believed (right sequence and predecessor), its hash unchecked; the walk then
 * goes on behind it. STELE_ESYNTAX when not even that can be read.
 */
int wal_scan_damaged(struct wal_scan *s, struct frame_header *head, struct slice *body,
		     struct wal_pos *at);

/* For fsck: moves on to the next readable frame, whatever its sequence; 1 when there is none. */
int wal_scan_skip(struct wal_scan *s, struct sha256 *h);

#endif
