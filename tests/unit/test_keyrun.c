/* Runs of idempotency digests on disk. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/init.h"
#include "folder.h"
#include "proto/err.h"
#include "storage/keyrun.h"
#include "suite.h"

enum { KEYS = 300, INCARNATION = 77, RUN = 3 };

static struct key_entry
key(struct sha256 *h, uint64_t n)
{
	uint8_t digest[32];
	struct key_entry e = {.log_id = 1 + n % 2, .index = n + 5};

	sha256_hash(h, digest, slice_of(&n, sizeof n));
	memcpy(e.digest, digest, sizeof e.digest);
	return e;
}

/* A table of n keys, written as the run; twice has both logs know each digest. */
static void
write_run(struct folder *f, struct sha256 *h, uint64_t n, bool twice)
{
	struct keytable t;

	keytable_init(&t);
	ck_assert_int_eq(keytable_reserve(&t, n * 2), 0);
	for (uint64_t i = 0; i < n; i++) {
		struct key_entry e = key(h, i);
		keytable_add(&t, &e);
		e.log_id = 3 - e.log_id;
		e.index += 1000;
		if (twice)
			keytable_add(&t, &e);
	}
	ck_assert_int_eq(keyrun_write(f->dir, RUN, INCARNATION, 42, 1000, &t, h), 0);
	keytable_fini(&t);
}

START_TEST(a_run_holds_every_key_of_its_table_by_log)
{
	struct sha256 *h = sha256_new();
	struct folder f;
	struct keyrun r;

	folder_init(&f);
	for (int twice = 0; twice < 2; twice++) {
		uint64_t index;
		write_run(&f, h, KEYS, twice);
		ck_assert_int_eq(keyrun_open(&r, f.dir, RUN, RUN, INCARNATION, h), 0);
		ck_assert_uint_eq(r.count, (uint64_t)KEYS << twice);
		ck_assert_uint_eq(r.last_sequence, 42);
		for (uint64_t i = 0; i < 2 * KEYS; i++) {
			struct key_entry e = key(h, i);
			ck_assert_int_eq(keyrun_find(&r, e.log_id, e.digest, &index), i < KEYS);
			if (i < KEYS)
				ck_assert_uint_eq(index, e.index);
			ck_assert_int_eq(keyrun_find(&r, 3 - e.log_id, e.digest, &index),
					 twice && i < KEYS);
		}
		keyrun_close(&r);
	}
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

START_TEST(an_empty_table_makes_a_run_that_knows_nothing)
{
	struct sha256 *h = sha256_new();
	struct folder f;
	struct keyrun r;
	uint64_t index;

	folder_init(&f);
	write_run(&f, h, 0, false);
	ck_assert_int_eq(keyrun_open(&r, f.dir, RUN, RUN, INCARNATION, h), 0);
	ck_assert(!keyrun_find(&r, 1, key(h, 1).digest, &index));
	keyrun_close(&r);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

START_TEST(the_filter_spares_most_searches)
{
	struct sha256 *h = sha256_new();
	unsigned passed = 0;
	struct folder f;
	struct keyrun r;

	folder_init(&f);
	write_run(&f, h, KEYS, false);
	ck_assert_int_eq(keyrun_open(&r, f.dir, RUN, RUN, INCARNATION, h), 0);
	for (uint64_t i = KEYS; i < KEYS + 20000; i++) {
		struct key_entry e = key(h, i);
		uint64_t a, b;
		bool all = true;
		memcpy(&a, e.digest, 8);
		memcpy(&b, e.digest + 8, 8);
		for (unsigned k = 0; k < 8; k++) {
			uint64_t bit = (a + k * (b | 1)) % r.filter_bits;
			all &= r.filter[bit / 8] >> bit % 8 & 1;
		}
		passed += all;
	}
	ck_assert_uint_lt(passed, 20000 / 500);
	keyrun_close(&r);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

/* Opens the run with one bit flipped, or the file cut to n bytes. */
static int
open_changed(struct folder *f, struct sha256 *h, const uint8_t *bytes, size_t n, size_t bit)
{
	char path[600];
	struct keyrun r;
	uint8_t *copy = malloc(n ? n : 1);
	int fd, err;

	snprintf(path, sizeof path, "%s/keys-%08u-%08u.run", f->dir, RUN, RUN);
	memcpy(copy, bytes, n);
	if (bit < n * 8)
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, copy, n), (ssize_t)n);
	close(fd);
	free(copy);
	err = keyrun_open(&r, f->dir, RUN, RUN, INCARNATION, h);
	if (err == 0)
		keyrun_close(&r);
	return err;
}

START_TEST(no_flipped_bit_and_no_cut_run_is_believed)
{
	struct sha256 *h = sha256_new();
	uint8_t bytes[1024];
	struct folder f;
	char path[600];
	ssize_t n;
	int fd;

	folder_init(&f);
	write_run(&f, h, 10, false);
	snprintf(path, sizeof path, "%s/keys-%08u-%08u.run", f.dir, RUN, RUN);
	fd = open(path, O_RDONLY);
	n = read(fd, bytes, sizeof bytes);
	close(fd);
	ck_assert_int_gt(n, 128);
	for (size_t bit = 0; bit < (size_t)n * 8; bit++)
		ck_assert_msg(open_changed(&f, h, bytes, (size_t)n, bit) == STELE_EDAMAGED,
			      "bit %zu", bit);
	for (size_t cut = 0; cut < (size_t)n; cut++)
		ck_assert_int_eq(open_changed(&f, h, bytes, cut, SIZE_MAX), STELE_EDAMAGED);
	ck_assert_int_eq(open_changed(&f, h, bytes, (size_t)n, SIZE_MAX), 0);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

START_TEST(a_run_of_another_store_or_number_is_refused)
{
	struct sha256 *h = sha256_new();
	struct folder f;
	struct keyrun r;
	char a[600], b[600];

	folder_init(&f);
	write_run(&f, h, KEYS, false);
	ck_assert_int_eq(keyrun_open(&r, f.dir, RUN, RUN, INCARNATION + 1, h), STELE_EDAMAGED);
	ck_assert_int_eq(keyrun_open(&r, f.dir, RUN + 1, RUN + 1, INCARNATION, h), STELE_ENOTFOUND);
	snprintf(a, sizeof a, "%s/keys-%08u-%08u.run", f.dir, RUN, RUN);
	snprintf(b, sizeof b, "%s/keys-%08u-%08u.run", f.dir, RUN + 1, RUN + 1);
	ck_assert_int_eq(rename(a, b), 0);
	ck_assert_int_eq(keyrun_open(&r, f.dir, RUN + 1, RUN + 1, INCARNATION, h), STELE_EDAMAGED);
	ck_assert_int_eq(keyrun_remove(f.dir, RUN + 1, RUN + 1), 0);
	ck_assert_int_eq(keyrun_remove(f.dir, RUN + 1, RUN + 1), 0);
	ck_assert_int_ne(access(b, F_OK), 0);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_run_holds_every_key_of_its_table_by_log,
		an_empty_table_makes_a_run_that_knows_nothing,
		the_filter_spares_most_searches,
		no_flipped_bit_and_no_cut_run_is_believed,
		a_run_of_another_store_or_number_is_refused,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("keyrun", tests, sizeof tests / sizeof *tests, 60);
}
