/*
 * A row of WAL files in a scratch folder, and the chain of the frames written to it.
 */
#ifndef STELE_TESTS_UNIT_WAL_ROW_H
#define STELE_TESTS_UNIT_WAL_ROW_H

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "proto/err.h"
#include "storage/wal.h"

enum { INCARNATION = 99, FILE_BYTES = 1 << 20 };

/* A WAL in a scratch folder, with the chain of what was written to it. */
struct row {
	struct folder f;
	struct wal *w;
	struct sha256 *h;
	uint64_t sequence;
	uint8_t prev[32];
	struct wal_pos at[64]; /* of frame i + 1 */
	char why[512];
};

static inline int
row_open(struct row *r, enum wal_mode mode)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = wal_open(&r->w, r->f.dir, INCARNATION, FILE_BYTES, mode, &why);
	snprintf(r->why, sizeof r->why, "%.*s", (int)why.n, why.p ? (const char *)why.p : "");
	buf_fini(&why);
	if (err != 0)
		r->w = NULL;
	return err;
}

static inline void
row_begin(struct row *r)
{
	memset(r, 0, sizeof *r);
	folder_init(&r->f);
	r->h = sha256_new();
	ck_assert_int_eq(row_open(r, WAL_CREATE), 0);
}

static inline void
row_end(struct row *r)
{
	wal_close(r->w);
	sha256_free(r->h);
	folder_fini(&r->f);
}

/* Frame number sequence + 1 with a body of n bytes, padded, in a new buffer. */
static inline void
make_frame(struct row *r, struct buf *out, size_t n)
{
	struct frame_header head = {.incarnation = INCARNATION,
				    .sequence = r->sequence + 1,
				    .body_bytes = n,
				    .n_sections = 1};
	static const uint8_t zeros[FRAME_ALIGN];

	memcpy(head.prev, r->prev, 32);
	buf_init(out);
	buf_put(out, zeros, FRAME_HEADER_BYTES);
	for (size_t i = 0; i < n; i++)
		buf_put_u8(out, (uint8_t)(i * 31 + r->sequence));
	frame_header_write(out->p, &head);
	const struct slice parts[] = {slice_of(out->p, FRAME_HASHED_BYTES),
				      slice_of(out->p + FRAME_HEADER_BYTES, n)};
	sha256_hash_parts(r->h, out->p + FRAME_HASHED_BYTES, parts, 2);
	memcpy(r->prev, out->p + FRAME_HASHED_BYTES, 32);
	r->sequence++;
	buf_put(out, zeros, (FRAME_ALIGN - out->n % FRAME_ALIGN) % FRAME_ALIGN);
}

static inline void
put_frame(struct row *r, size_t n)
{
	struct buf b;

	make_frame(r, &b, n);
	ck_assert_int_eq(wal_reserve(r->w, b.n), 0);
	ck_assert_int_eq(wal_append(r->w, b.p, b.n, &r->at[r->sequence - 1]), 0);
	buf_fini(&b);
}

/* Walks from the start: how it ends, and in *n how many frames came before. */
static inline int
walk(struct row *r, uint64_t *n, struct wal_pos *end)
{
	static const uint8_t zeros[32];
	struct frame_header head;
	struct wal_scan s;
	struct slice body;
	int err;

	ck_assert_int_eq(wal_scan_init(&s, r->w, (struct wal_pos){1, WAL_FIRST_OFFSET}, 1, zeros),
			 0);
	*n = 0;
	while ((err = wal_scan_next(&s, r->h, &head, &body, end)) == 0) {
		ck_assert_uint_eq(head.sequence, *n + 1);
		ck_assert_uint_eq(end->file, r->at[*n].file);
		ck_assert_uint_eq(end->offset, r->at[*n].offset);
		ck_assert(body.n == 0 || body.p[body.n - 1] == (uint8_t)((body.n - 1) * 31 + *n));
		++*n;
	}
	if (err == 1)
		*end = s.at;
	wal_scan_fini(&s);
	return err;
}

static inline void
ends_after(struct row *r, int how, uint64_t frames)
{
	struct wal_pos end;
	uint64_t n;

	ck_assert_int_eq(walk(r, &n, &end), how);
	ck_assert_uint_eq(n, frames);
}

/* Changes one byte of a file of the row. */
static inline void
damage(struct row *r, const char *name, uint64_t offset, uint8_t mask)
{
	int fd = open(folder_path(&r->f, name), O_RDWR);
	uint8_t b;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &b, 1, (off_t)offset), 1);
	b ^= mask;
	ck_assert_int_eq(pwrite(fd, &b, 1, (off_t)offset), 1);
	close(fd);
}

static inline void
damage_frame(struct row *r, unsigned i, uint64_t offset, uint8_t mask)
{
	char name[32];

	snprintf(name, sizeof name, "wal/%08u.wal", r->at[i].file);
	damage(r, name, r->at[i].offset + offset, mask);
}

#endif
