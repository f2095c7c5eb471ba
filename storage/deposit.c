/*
 * How an object becomes part of the store, and what a crash leaves at each step:
 *
 *   1. objects/pending/ID.part is written       crash: a .part alone; removed at start
 *   2. it is made read-only and flushed         the same
 *   3. objects/pending/ID.commit is written and flushed: the log and its size now, so
 *      that the record, if it comes, has that index or a later one
 *                                               crash: .part and .commit; both removed
 *   4. ID.part becomes objects/LOG/ID.obj; both folders are flushed
 *                                               crash: .obj and .commit; the log's records
 *                                               from that index on decide
 *   5. the commit: descriptor in the frame, one flush
 *                                               crash: the same, and the record is found
 *   6. ID.commit is removed                     not flushed: if it comes back, step 5 again
 *
 * A start asks only about the markers, however many objects there are. To drop a
 * sealed object, its file goes first, that is flushed, and then the marker.
 */
#include "storage/deposit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/internal.h"

enum deposit_state { WRITING, MARKED, SEALED };

struct deposit {
	struct store *st;
	struct log *log;
	enum deposit_state state;
	int fd;
	uint64_t at;            /* where the next chunk goes */
	uint64_t number;        /* of the next chunk */
	uint64_t begun, waited; /* the disk was asked to write up to here; has written up to here */
	struct object_descriptor d;
	uint8_t header[OBJECT_HEADER_BYTES];
	uint8_t descriptor[OBJECT_DESCRIPTOR_BYTES];
	uint8_t salt[16], commitment[32];
	struct sha256 *plain, *bound; /* of the payload; of tag, salt and payload */
	uint8_t *chunk;               /* what waits for a chunk to be full, or for the end */
	size_t chunk_n;
	char part[OBJECT_PATH_BYTES], marker[OBJECT_PATH_BYTES], final[OBJECT_PATH_BYTES];
};

/* What an error means for the store: a failed write or flush ends writing (design: promise 8). */
static int
failed(struct deposit *d, int err, const char *what)
{
	if (err == STELE_EIO && !atomic_exchange(&d->st->read_only, true))
		store_say(d->st, STORE_ERROR,
			  "%s %s failed: the store is read-only until restart; check the disk, "
			  "then restart",
			  what, d->part);
	return err;
}

static int
may_write(const struct store *st)
{
	if (atomic_load(&st->read_only))
		return STELE_EREADONLY;
	return atomic_load(&st->low_space) ? STELE_ENOSPACE : 0;
}

/* A folder of ours, made when it is not there, so that its name outlives a power loss. */
static int
make_folder(const char *path)
{
	if (mkdir(path, 0700) == 0)
		return file_sync_parent(path);
	return errno == EEXIST ? 0 : stele_err_from_errno(errno);
}

static int
make_folders(const struct store *st, const struct log *log)
{
	static const char *const below[] = {"", "/pending"};
	char path[OBJECT_PATH_BYTES];
	int err = 0;

	for (size_t i = 0; err == 0 && i < 2; i++) {
		snprintf(path, sizeof path, "%s/objects%s", st->dir, below[i]);
		err = make_folder(path);
	}
	snprintf(path, sizeof path, "%s/objects/%s", st->dir, log->name);
	return err == 0 ? make_folder(path) : err;
}

static int
name_files(struct deposit *d)
{
	char name[OBJECT_NAME_BYTES];
	int n, m;

	object_name(name, d->d.id);
	n = snprintf(d->part, sizeof d->part, "%s/objects/pending/%s.part", d->st->dir, name);
	m = snprintf(d->marker, sizeof d->marker, "%s/objects/pending/%s.commit", d->st->dir, name);
	if (n >= (int)sizeof d->part || m >= (int)sizeof d->marker)
		return STELE_ELIMIT;
	return object_path(d->final, sizeof d->final, d->st, d->log, d->d.id);
}

static int
begin_file(struct deposit *d)
{
	int err = make_folders(d->st, d->log);

	if (err != 0)
		return failed(d, err, "making folders for");
	d->fd = open(d->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (d->fd < 0)
		return failed(d, stele_err_from_errno(errno), "creating");
	err = file_pwrite(d->fd, d->header, sizeof d->header, 0);
	d->at = sizeof d->header;
	return failed(d, err, "writing");
}

int
deposit_new(struct deposit **out, struct store *st, struct log *log, uint64_t expect_bytes,
	    uint32_t chunk_bytes)
{
	uint64_t free_bytes = atomic_load(&st->free_disk_bytes); /* 0: nobody looked yet */
	struct deposit *d;
	int err = may_write(st);

	CHECK(chunk_bytes >= LIMIT_OBJECT_CHUNK_MIN_BYTES &&
	      chunk_bytes <= LIMIT_OBJECT_CHUNK_MAX_BYTES);
	if (err == 0 && free_bytes && expect_bytes > free_bytes - st->opts.free_bytes)
		err = STELE_ENOSPACE;
	if (err != 0)
		return err;
	d = calloc(1, sizeof *d);
	if (!d)
		return STELE_ENOMEM;
	d->st = st;
	d->log = log;
	d->fd = -1;
	atomic_fetch_add(&st->deposits_open, 1);
	d->d.chunk_bytes = chunk_bytes;
	random_bytes(d->d.id, sizeof d->d.id);
	random_bytes(d->d.key, sizeof d->d.key);
	random_bytes(d->salt, sizeof d->salt);
	object_header_write(d->header, d->d.id, log->id, chunk_bytes);
	d->chunk = malloc(chunk_bytes);
	d->plain = sha256_new();
	d->bound = sha256_new();
	err = d->chunk && d->plain && d->bound ? name_files(d) : STELE_ENOMEM;
	if (err == 0)
		err = begin_file(d);
	if (err != 0) {
		deposit_drop(d);
		return err;
	}
	sha256_begin(d->plain);
	sha256_commitment_begin(d->bound, d->salt);
	*out = d;
	return 0;
}

/*
 * Has the disk write on its way what would otherwise all be written by the flush
 * at the end, and lets no more than twice LIMIT_OBJECT_DIRTY_BYTES wait.
 */
static int
keep_disk_busy(struct deposit *d)
{
	uint64_t from = d->begun;
	int rc = 0;

	if (d->at - from < LIMIT_OBJECT_DIRTY_BYTES)
		return 0;
	d->begun = d->at;
	rc = sync_file_range(d->fd, (off_t)from, (off_t)(d->at - from), SYNC_FILE_RANGE_WRITE);
	if (rc == 0 && from > d->waited)
		rc = sync_file_range(d->fd, (off_t)d->waited, (off_t)(from - d->waited),
				     SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					     SYNC_FILE_RANGE_WAIT_AFTER);
	d->waited = from;
	/* A file system that does not know the call writes it all at the end. */
	if (rc == 0 || errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP)
		return 0;
	return failed(d, stele_err_from_errno(errno), "writing");
}

/* Seals what waits as the next chunk. */
static int
write_chunk(struct deposit *d, bool last, struct toolbox *t)
{
	size_t n = d->chunk_n + AEAD_OVERHEAD;
	uint8_t ad[OBJECT_AD_BYTES];
	int err;

	buf_reset(&t->packed);
	if (buf_reserve(&t->packed, n) != 0)
		return STELE_ENOMEM;
	object_chunk_ad(ad, d->header, d->number, last);
	aead_seal(t->packed.p, d->d.key, slice_of(d->chunk, d->chunk_n), slice_of(ad, sizeof ad),
		  &t->random);
	err = file_pwrite(d->fd, t->packed.p, n, d->at);
	if (err != 0)
		return failed(d, err, "writing");
	d->at += n;
	d->number++;
	d->chunk_n = 0;
	return keep_disk_busy(d);
}

int
deposit_put(struct deposit *d, struct slice piece, struct toolbox *t)
{
	int err = may_write(d->st);

	CHECK(d->state == WRITING);
	if (err == 0 && piece.n > LIMIT_INTEGER - d->d.size)
		err = STELE_ELIMIT;
	if (err != 0)
		return err;
	atomic_fetch_add(&d->st->deposited_bytes, piece.n);
	sha256_update(d->plain, piece);
	sha256_update(d->bound, piece);
	d->d.size += piece.n;
	while (err == 0 && piece.n) { /* a full chunk waits: it may be the last one */
		size_t room, take;
		if (d->chunk_n == d->d.chunk_bytes)
			err = write_chunk(d, false, t);
		room = d->d.chunk_bytes - d->chunk_n;
		take = piece.n < room ? piece.n : room;
		memcpy(d->chunk + d->chunk_n, piece.p, take);
		d->chunk_n += take;
		piece = slice_of(piece.p + take, piece.n - take);
	}
	return err;
}

uint64_t
deposit_size(const struct deposit *d)
{
	return d->d.size;
}

const uint8_t *
deposit_id(const struct deposit *d)
{
	return d->d.id;
}

bool
deposit_in_memory(const struct deposit *d, struct slice *payload)
{
	if (d->number > 0)
		return false;
	*payload = slice_of(d->chunk, d->chunk_n);
	return true;
}

/* Step 3. */
static int
write_marker(struct deposit *d)
{
	struct head *head = log_head(d->log);
	uint8_t bytes[DEPOSIT_MARKER_BYTES];
	int err;

	le_put64(bytes, d->log->id);
	le_put64(bytes + 8, head->size);
	head_unref(head);
	err = file_replace(d->marker, bytes, sizeof bytes, 0600);
	if (err == 0)
		d->state = MARKED;
	return err;
}

/* Step 4. */
static int
put_in_place(struct deposit *d)
{
	int err = rename(d->part, d->final) == 0 ? 0 : stele_err_from_errno(errno);

	if (err != 0)
		return err;
	d->state = SEALED;
	err = file_sync_parent(d->final);
	return err == 0 ? file_sync_parent(d->part) : err;
}

int
deposit_seal(struct deposit *d, struct toolbox *t)
{
	int err = may_write(d->st);

	CHECK(d->state == WRITING);
	if (err == 0 && d->d.size == 0)
		err = STELE_EINVAL;
	if (err == 0)
		err = write_chunk(d, true, t);
	if (err != 0)
		return err;
	sha256_end(d->plain, d->d.sha256);
	sha256_end(d->bound, d->commitment);
	if (fchmod(d->fd, 0444) != 0 || fsync(d->fd) != 0)
		err = STELE_EIO;
	if (err == 0)
		err = write_marker(d);
	if (err == 0)
		err = put_in_place(d);
	object_descriptor_write(d->descriptor, &d->d);
	return failed(d, err, "flushing");
}

void
deposit_item(const struct deposit *d, struct append_item *item)
{
	CHECK(d->state == SEALED);
	item->payload = slice_of(d->descriptor, sizeof d->descriptor);
	item->object = true;
	item->size = d->d.size;
	memcpy(item->salt, d->salt, sizeof item->salt);
	memcpy(item->commitment, d->commitment, sizeof item->commitment);
}

/* --- its end --------------------------------------------------------------------------- */

void
deposit_leave(struct deposit *d)
{
	uint8_t *chunk = d->chunk;

	atomic_fetch_sub(&d->st->deposits_open, 1);
	if (d->fd >= 0)
		close(d->fd);
	if (chunk)
		explicit_bzero(chunk, d->d.chunk_bytes);
	free(chunk);
	sha256_free(d->plain);
	sha256_free(d->bound);
	explicit_bzero(d, sizeof *d);
	free(d);
}

/* A file that should go. One that stays is looked at again by the next start. */
static void
remove_file(struct store *st, const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		store_say(st, STORE_WARN, "%s cannot be removed: %s; the next start tries again",
			  path, strerror(errno));
}

void
deposit_keep(struct deposit *d)
{
	remove_file(d->st, d->marker);
	atomic_fetch_add(&d->st->objects_stored, 1);
	deposit_leave(d);
}

void
deposit_drop(struct deposit *d)
{
	if (!d)
		return;
	atomic_fetch_add(&d->st->deposits_dropped, 1);
	if (d->fd >= 0 && d->state != SEALED)
		remove_file(d->st, d->part);
	if (d->state == SEALED) {
		remove_file(d->st, d->final);
		if (file_sync_parent(d->final) != 0) { /* the marker tells of it still */
			deposit_leave(d);
			return;
		}
	}
	if (d->state != WRITING)
		remove_file(d->st, d->marker);
	deposit_leave(d);
}
