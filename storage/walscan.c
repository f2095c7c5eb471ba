/*
 * Walking the WAL at start. Happy path: frame after frame, each with the hash
 * of the one before. It ends at the first place that holds no such frame; then
 * the rest of the row is searched, because a frame there means damage, not an end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "storage/file.h"
#include "storage/wal.h"
#include "storage/walfile.h"

enum { WINDOW_BYTES = 1 << 20 };

int
wal_scan_init(struct wal_scan *s, struct wal *w, struct wal_pos at, uint64_t sequence,
	      const uint8_t prev[32])
{
	memset(s, 0, sizeof *s);
	s->wal = w;
	s->at = at;
	s->sequence = sequence;
	memcpy(s->prev, prev, 32);
	s->fd = -1;
	s->direct = true;
	s->window_cap = WINDOW_BYTES;
	s->window = aligned_alloc(FRAME_ALIGN, s->window_cap);
	return s->window ? 0 : STELE_ENOMEM;
}

void
wal_scan_fini(struct wal_scan *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->window);
	s->window = NULL;
	s->fd = -1;
}

/* Opens a file past the page cache; where that cannot be, drops its cached pages. */
static int
open_file(struct wal_scan *s, uint32_t number)
{
	char path[PATH_MAX];
	struct stat sb;
	int err = walfile_name(path, sizeof path, wal_dir(s->wal), number);

	if (err != 0 || s->fd_file == number)
		return err;
	if (s->fd >= 0)
		close(s->fd);
	s->fd_file = 0;
	s->window_n = 0;
	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	if (s->fd < 0 && errno == EINVAL) {
		s->direct = false;
		s->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (s->fd >= 0)
			(void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	if (s->fd < 0)
		return stele_err_from_errno(errno);
	if (fstat(s->fd, &sb) != 0)
		return STELE_EIO;
	s->fd_file = number;
	s->file_bytes = (uint64_t)sb.st_size / FRAME_ALIGN * FRAME_ALIGN;
	return 0;
}

/* n bytes at offset of the open file, through the window; NULL and *err on failure. */
static const uint8_t *
view(struct wal_scan *s, uint64_t offset, uint64_t n, int *err)
{
	uint64_t want;

	CHECK(offset % FRAME_ALIGN == 0);
	*err = STELE_ESYNTAX;
	if (offset > s->file_bytes || n > s->file_bytes - offset)
		return NULL;
	if (s->window_n && offset >= s->window_at && offset + n <= s->window_at + s->window_n)
		return s->window + (offset - s->window_at);
	want = (n + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
	if (want > s->window_cap) {
		uint8_t *bigger = aligned_alloc(FRAME_ALIGN, want);
		if (!bigger) {
			*err = STELE_ENOMEM;
			return NULL;
		}
		free(s->window);
		s->window = bigger;
		s->window_cap = want;
	}
	want = s->file_bytes - offset < s->window_cap ? s->file_bytes - offset : s->window_cap;
	s->window_n = 0;
	*err = file_pread(s->fd, s->window, want, offset);
	if (*err != 0)
		return NULL;
	s->window_at = offset;
	s->window_n = want;
	return s->window;
}

/*
 * A whole frame with a right hash at offset, the expected one or a later one: 0, or
 * STELE_ESYNTAX when there is none. Earlier ones are what a file held in an earlier life.
 */
static int
frame_at(struct wal_scan *s, uint64_t offset, struct sha256 *h, struct frame_header *head,
	 struct slice *body)
{
	const uint8_t *p;
	uint8_t hash[32];
	int err;

	p = view(s, offset, FRAME_HEADER_BYTES, &err);
	if (!p)
		return err;
	if (frame_header_read(head, slice_of(p, FRAME_HEADER_BYTES),
			      s->file_bytes - offset - FRAME_HEADER_BYTES) != 0 ||
	    head->sequence < s->sequence)
		return STELE_ESYNTAX;
	p = view(s, offset, FRAME_HEADER_BYTES + head->body_bytes, &err);
	if (!p)
		return err;
	sha256_begin(h);
	sha256_update(h, slice_of(p, FRAME_HASHED_BYTES));
	*body = slice_of(p + FRAME_HEADER_BYTES, head->body_bytes);
	sha256_update(h, *body);
	sha256_end(h, hash);
	return memcmp(hash, head->hash, 32) == 0 ? 0 : STELE_ESYNTAX;
}

/* The frame that must come next, at `at`: 0, STELE_ESYNTAX when it is not there. */
static int
expected_at(struct wal_scan *s, struct wal_pos at, struct sha256 *h, struct frame_header *head,
	    struct slice *body)
{
	int err = open_file(s, at.file);

	if (err == 0)
		err = frame_at(s, at.offset, h, head, body);
	if (err == 0 && (head->sequence != s->sequence || memcmp(head->prev, s->prev, 32) != 0))
		err = STELE_ESYNTAX;
	return err;
}

/* Whether any readable frame lies behind `at`; that the next one is missing is then damage. */
static int
search_rest(struct wal_scan *s, struct wal_pos at, struct sha256 *h)
{
	uint32_t last = wal_row(s->wal).last;

	for (uint32_t file = at.file; file <= last; file++) {
		uint64_t offset = file == at.file ? at.offset : WAL_FIRST_OFFSET;
		int err = open_file(s, file);
		if (err != 0)
			return err;
		for (; offset < s->file_bytes; offset += FRAME_ALIGN) {
			struct frame_header head;
			struct slice body;
			err = frame_at(s, offset, h, &head, &body);
			if (err == 0)
				return STELE_EDAMAGED;
			if (err != STELE_ESYNTAX)
				return err;
		}
	}
	return 0;
}

/*
 * Whether the row never wrote at `at`, which is then blank or holds what the file
 * held in an earlier life: the frame looked for begins in the next file.
 */
static bool
is_blank(struct wal_scan *s, struct wal_pos at)
{
	static const uint8_t zeros[8];
	struct frame_header head;
	const uint8_t *p;
	int err = open_file(s, at.file);

	p = err == 0 ? view(s, at.offset, FRAME_HEADER_BYTES, &err) : NULL;
	if (!p || memcmp(p, zeros, sizeof zeros) == 0)
		return p || err == STELE_ESYNTAX;
	return frame_header_read(&head, slice_of(p, FRAME_HEADER_BYTES), s->file_bytes) == 0 &&
	       head.sequence < s->sequence;
}

static void
step_over(struct wal_scan *s, const struct frame_header *head)
{
	uint64_t n = FRAME_HEADER_BYTES + head->body_bytes;

	s->at.offset += (n + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
	s->sequence = head->sequence + 1;
	memcpy(s->prev, head->hash, 32);
}

int
wal_scan_damaged(struct wal_scan *s, struct frame_header *head, struct slice *body,
		 struct wal_pos *at)
{
	const uint8_t *p;
	int err = open_file(s, s->at.file);

	if (err != 0)
		return err;
	p = view(s, s->at.offset, FRAME_HEADER_BYTES, &err);
	if (!p)
		return err;
	err = frame_header_read(head, slice_of(p, FRAME_HEADER_BYTES),
				s->file_bytes - s->at.offset - FRAME_HEADER_BYTES);
	if (err != 0 || head->sequence != s->sequence || memcmp(head->prev, s->prev, 32) != 0)
		return STELE_ESYNTAX;
	p = view(s, s->at.offset, FRAME_HEADER_BYTES + head->body_bytes, &err);
	if (!p)
		return err;
	*body = slice_of(p + FRAME_HEADER_BYTES, head->body_bytes);
	*at = s->at;
	step_over(s, head);
	return 0;
}

int
wal_scan_skip(struct wal_scan *s, struct sha256 *h)
{
	uint32_t last = wal_row(s->wal).last;

	for (; s->at.file <= last; s->at = (struct wal_pos){s->at.file + 1, WAL_FIRST_OFFSET}) {
		int err = open_file(s, s->at.file);
		if (err != 0)
			return err;
		for (; s->at.offset < s->file_bytes; s->at.offset += FRAME_ALIGN) {
			struct frame_header head;
			struct slice body;
			err = frame_at(s, s->at.offset, h, &head, &body);
			if (err == 0) {
				s->sequence = head.sequence;
				memcpy(s->prev, head.prev, 32);
				return 0;
			}
			if (err != STELE_ESYNTAX)
				return err;
		}
	}
	return 1;
}

int
wal_scan_oldest(struct wal_scan *s, struct wal *w, struct sha256 *h)
{
	static const uint8_t zeros[32];
	struct wal_row row = wal_row(w);
	struct frame_header head;
	struct slice body;
	int err = wal_scan_init(s, w, (struct wal_pos){row.first, WAL_FIRST_OFFSET}, 1, zeros);

	if (err != 0 || row.first == 1)
		return err;
	err = open_file(s, row.first);
	if (err == 0)
		err = frame_at(s, WAL_FIRST_OFFSET, h, &head, &body);
	if (err != 0) {
		wal_scan_fini(s);
		return err == STELE_ESYNTAX ? STELE_EDAMAGED : err;
	}
	s->sequence = head.sequence;
	memcpy(s->prev, head.prev, 32);
	return 0;
}

int
wal_scan_next(struct wal_scan *s, struct sha256 *h, struct frame_header *head, struct slice *body,
	      struct wal_pos *at)
{
	struct wal_pos next = {s->at.file + 1, WAL_FIRST_OFFSET};
	uint32_t last = wal_row(s->wal).last;
	int err;

	*at = s->at;
	err = s->at.file <= last ? expected_at(s, s->at, h, head, body)
				 : STELE_EDAMAGED; /* the file is gone */
	if (err == STELE_ESYNTAX && next.file <= last) {
		err = expected_at(s, next, h, head, body);
		if (err == 0)
			s->at = next;
	}
	if (err == STELE_ESYNTAX) {
		err = search_rest(s, s->at, h);
		if (err == STELE_EDAMAGED && next.file <= last && is_blank(s, s->at))
			*at = s->at = next;
		return err == 0 ? 1 : err;
	}
	if (err != 0)
		return err;
	*at = s->at;
	step_over(s, head);
	return 0;
}
