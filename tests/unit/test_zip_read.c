/* Strict archives: one that is as it has to be is read, and no byte of its headers may be another.
 */
#include "proto/zip_read.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/le.h"
#include "suite.h"

struct archive {
	uint8_t p[4096];
	size_t n;
	bool broken; /* reading fails */
};

static int
take(void *ctx, uint64_t at, void *dst, size_t n)
{
	const struct archive *a = ctx;

	if (a->broken)
		return STELE_EIO;
	ck_assert_uint_le(at, a->n);
	ck_assert_uint_le(n, a->n - at);
	memcpy(dst, a->p + at, n);
	return 0;
}

static void
put(struct archive *a, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		a->p[a->n++] = (uint8_t)(v >> 8 * i);
}

static void
put_text(struct archive *a, const char *s)
{
	memcpy(a->p + a->n, s, strlen(s));
	a->n += strlen(s);
}

static void
put_fields(struct archive *a, bool is64, uint32_t packed, uint32_t size, const char *name)
{
	put(a, is64 ? 45 : 20, 2);
	put(a, 0, 2);
	put(a, 0, 2);
	put(a, 0, 2);
	put(a, 0x21, 2);
	put(a, 0x12345678, 4);
	put(a, packed, 4);
	put(a, size, 4);
	put(a, strlen(name), 2);
}

/* Stored files of so many bytes and these names, and what ends the archive. */
static void
make(struct archive *a, const char *const *names, const size_t *bytes, size_t n)
{
	size_t at[8], directory;

	*a = (struct archive){.n = 0};
	for (size_t i = 0; i < n; i++) {
		at[i] = a->n;
		put(a, 0x04034b50, 4);
		put_fields(a, false, (uint32_t)bytes[i], (uint32_t)bytes[i], names[i]);
		put(a, 0, 2);
		put_text(a, names[i]);
		a->n += bytes[i];
	}
	directory = a->n;
	for (size_t i = 0; i < n; i++) {
		put(a, 0x02014b50, 4);
		put(a, 0x0314, 2);
		put_fields(a, false, (uint32_t)bytes[i], (uint32_t)bytes[i], names[i]);
		put(a, 0, 2);
		put(a, 0, 6);
		put(a, 0x81240000, 4);
		put(a, at[i], 4);
		put_text(a, names[i]);
	}
	put(a, 0x06054b50, 4);
	put(a, 0, 4);
	put(a, n, 2);
	put(a, n, 2);
	put(a, a->n - 12 - directory, 4);
	put(a, directory, 4);
	put(a, 0, 2);
}

static const char *const names[] = {"d/a", "d/b"};
static const size_t bytes[] = {7, 0};

/* Reads all; how many files, or the error. */
static int
read_all(struct archive *a, struct zip_file *last, const char **why)
{
	struct zip_read z;
	int err = zip_read_open(&z, take, a, a->n), n = 0;

	while (err == 0) {
		int more = zip_read_next(&z, last);
		if (more <= 0) {
			err = more;
			break;
		}
		n++;
	}
	*why = z.why;
	if (err == STELE_ESYNTAX) {
		ck_assert_ptr_nonnull(z.why);
		ck_assert_int_eq(zip_read_next(&z, last), STELE_ESYNTAX);
	}
	return err ? err : n;
}

START_TEST(files_are_read_in_order)
{
	struct zip_read z;
	struct archive a;
	struct zip_file f;

	make(&a, names, bytes, 2);
	ck_assert_int_eq(zip_read_open(&z, take, &a, a.n), 0);
	ck_assert_int_eq(zip_read_next(&z, &f), 1);
	ck_assert_str_eq(f.name, "d/a");
	ck_assert_uint_eq(f.size, 7);
	ck_assert_uint_eq(f.packed, 7);
	ck_assert_uint_eq(f.crc, 0x12345678);
	ck_assert_uint_eq(f.at, 33);
	ck_assert_int_eq(zip_read_next(&z, &f), 1);
	ck_assert_str_eq(f.name, "d/b");
	ck_assert_int_eq(zip_read_next(&z, &f), 0);
	ck_assert_int_eq(zip_read_next(&z, &f), 0);
}
END_TEST

/* Of a header's fields name, CRC and sizes are free; but both headers say the same of them. */
START_TEST(no_byte_of_a_header_may_be_another)
{
	struct archive good, bad;
	struct zip_file f;
	const char *why;

	make(&good, names, bytes, 2);
	for (size_t i = 0; i < good.n; i++) {
		bool is_data = i >= 33 && i < 40;
		for (int bit = 0; bit < 8; bit++) {
			bad = good;
			bad.p[i] ^= (uint8_t)(1 << bit);
			ck_assert_msg(read_all(&bad, &f, &why) == (is_data ? 2 : STELE_ESYNTAX),
				      "byte %zu bit %d", i, bit);
		}
	}
}
END_TEST

START_TEST(no_byte_may_be_missing_or_too_many)
{
	struct archive good, bad;
	struct zip_file f;
	const char *why;

	make(&good, names, bytes, 2);
	for (size_t i = 0; i < good.n; i++) {
		bad = good;
		bad.n = i;
		ck_assert_int_eq(read_all(&bad, &f, &why), STELE_ESYNTAX);
		bad.n = good.n + 1;
		memmove(bad.p + i + 1, good.p + i, good.n - i);
		ck_assert_int_eq(read_all(&bad, &f, &why), STELE_ESYNTAX);
	}
}
END_TEST

START_TEST(an_archive_without_files_is_one)
{
	struct archive a;
	struct zip_file f;
	const char *why;

	make(&a, names, bytes, 0);
	ck_assert_int_eq(read_all(&a, &f, &why), 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_no_syntax)
{
	struct archive a;
	struct zip_file f;
	const char *why;

	make(&a, names, bytes, 2);
	a.broken = true;
	ck_assert_int_eq(read_all(&a, &f, &why), STELE_EIO);
}
END_TEST

/* A directory that only says that its file has 4 GiB: the header is looked at, the data is not. */
struct sparse {
	uint64_t size, hole; /* data from offset 0x2f on, so many bytes */
	uint8_t head[64], tail[512];
	size_t n_head, n_tail;
};

static int
take_sparse(void *ctx, uint64_t at, void *dst, size_t n)
{
	const struct sparse *s = ctx;
	uint8_t *out = dst;

	for (size_t i = 0; i < n; i++, at++)
		out[i] = at < s->n_head             ? s->head[at]
			 : at < s->n_head + s->hole ? 0
						    : s->tail[at - s->n_head - s->hole];
	return 0;
}

static void
make_large(struct sparse *s, uint64_t size)
{
	bool is64 = size >= 0xffffffff;
	uint32_t small = is64 ? 0xffffffff : (uint32_t)size;
	struct archive a = {.n = 0};
	uint64_t directory;

	*s = (struct sparse){.hole = size};
	put(&a, 0x04034b50, 4);
	put_fields(&a, is64, small, small, "x");
	put(&a, is64 ? 20 : 0, 2);
	put_text(&a, "x");
	if (is64) {
		put(&a, 16 << 16 | 1, 4);
		put(&a, size, 8);
		put(&a, size, 8);
	}
	memcpy(s->head, a.p, a.n);
	s->n_head = a.n;
	directory = a.n + size;
	a.n = 0;
	put(&a, 0x02014b50, 4);
	put(&a, 0x0314, 2);
	put_fields(&a, is64, small, small, "x");
	put(&a, is64 ? 28 : 0, 2);
	put(&a, 0, 6);
	put(&a, 0x81240000, 4);
	put(&a, is64 ? 0xffffffff : 0, 4);
	put_text(&a, "x");
	if (is64) {
		put(&a, 24 << 16 | 1, 4);
		put(&a, size, 8);
		put(&a, size, 8);
		put(&a, 0, 8);
	}
	s->size = directory + a.n;
	if (directory >= 0xffffffff) {
		size_t length = a.n;
		put(&a, 0x06064b50, 4);
		put(&a, 44, 8);
		put(&a, 0x032d, 2);
		put(&a, 45, 2);
		put(&a, 0, 8);
		put(&a, 1, 8);
		put(&a, 1, 8);
		put(&a, length, 8);
		put(&a, directory, 8);
		put(&a, 0x07064b50, 4);
		put(&a, 0, 4);
		put(&a, directory + length, 8);
		put(&a, 1, 4);
	}
	put(&a, 0x06054b50, 4);
	put(&a, 0, 4);
	put(&a, 1, 2);
	put(&a, 1, 2);
	put(&a, s->size - directory, 4);
	put(&a, directory >= 0xffffffff ? 0xffffffff : directory, 4);
	put(&a, 0, 2);
	memcpy(s->tail, a.p, a.n);
	s->n_tail = a.n;
	s->size = directory + a.n;
}

static int
read_sparse(struct sparse *s, struct zip_file *f)
{
	struct zip_read z;
	int err = zip_read_open(&z, take_sparse, s, s->size);

	if (err == 0)
		err = zip_read_next(&z, f);
	return err == 1 ? zip_read_next(&z, f) : err ? err : STELE_ESYNTAX;
}

START_TEST(large_ones_have_zip64_fields_and_only_these)
{
	static const uint64_t sizes[] = {0xfffffffe - 31, 0xfffffffe, 0xffffffff, 0x100000000,
					 0x7000000000};
	struct sparse s;
	struct zip_file f;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		make_large(&s, sizes[i]);
		ck_assert_int_eq(read_sparse(&s, &f), 0);
		ck_assert_uint_eq(f.size, sizes[i]);
		for (size_t k = 0; k < (s.n_head + s.n_tail) * 8; k++) {
			uint8_t *p = k / 8 < s.n_head ? &s.head[k / 8] : &s.tail[k / 8 - s.n_head];
			*p ^= (uint8_t)(1 << k % 8);
			ck_assert_msg(read_sparse(&s, &f) == STELE_ESYNTAX, "size %zu, bit %zu", i,
				      k);
			*p ^= (uint8_t)(1 << k % 8);
		}
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		files_are_read_in_order,
		no_byte_of_a_header_may_be_another,
		no_byte_may_be_missing_or_too_many,
		an_archive_without_files_is_one,
		what_cannot_be_read_is_no_syntax,
		large_ones_have_zip64_fields_and_only_these,
	};

	return suite_run("zip_read", tests, sizeof tests / sizeof *tests, 120);
}
