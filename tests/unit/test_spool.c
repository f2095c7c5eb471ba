/* Spools: any range of them, disks that fail, what a start finds. */
#include "bundle_case.h"

#include <fcntl.h>

#include "storage/sealedfile.h"
#include "storage/spoolmake.h"

/* A log with objects, so that all three bodies have something. */
static void
fill(struct bundle_case *c)
{
	uint8_t *large = scratch_payload(400000, 3);
	struct log *log = scratch_log(&c->s, "l", "{}");
	size_t l;

	purge_fill(&c->s, log, 400);
	scratch_object(&c->s, log, slice_of(large, 400000));
	scratch_object(&c->s, log, slice_of(large, 70000));
	free(large);
	l = case_add(c, log);
	case_run(c, l, 0, 401, true);
}

static unsigned
export_keys(struct bundle_case *c)
{
	const struct keyring_data *d;
	unsigned found = 0;
	size_t n;

	d = keyring_each_data(c->s.st->keyring, &n);
	for (size_t i = 0; i < n; i++)
		found += d[i].kind == KEYRING_EXPORT;
	return found;
}

static bool
is_there(struct bundle_case *c, const char *file)
{
	char path[512];

	snprintf(path, sizeof path, "%s/exports/" BUNDLE_ID "/%s", c->s.dir, file);
	return access(path, F_OK) == 0;
}

static void
reopen(struct bundle_case *c)
{
	head_unref(c->logs[0].head);
	scratch_close(&c->s);
	ck_assert_int_eq(scratch_open(&c->s), 0);
	ck_assert_int_eq(store_log_find(c->s.st, slice_str("l"), &c->logs[0].log), 0);
	c->logs[0].head = log_head(c->logs[0].log);
}

START_TEST(any_range_is_the_same_bytes_also_after_a_restart)
{
	struct spool_reader *r;
	struct bundle_case c;
	struct slice all;
	uint64_t x = 1;

	case_begin(&c);
	fill(&c);
	ck_assert_int_eq(case_make(&c), 0);
	all = case_bytes(&c);
	for (int round = 0; round < 2; round++) {
		uint8_t *got = malloc(all.n + 1);

		ck_assert_int_eq(spool_open(&r, c.s.st, c.job.id), 0);
		for (int i = 0; i < 600; i++) {
			uint64_t from, n;

			x = x * 6364136223846793005ull + 1442695040888963407ull;
			from = (x >> 20) % all.n;
			n = (x >> 8) % 5000;
			if (i % 3 == 0) /* where headers are close together */
				from = all.n - from % 6000 - 1;
			n = n < all.n - from ? n : all.n - from;
			ck_assert_int_eq(spool_read(r, from, got, n), 0);
			ck_assert_mem_eq(got, all.p + from, n);
		}
		for (uint64_t at = 0; at < 3000; at++) {
			ck_assert_int_eq(spool_read(r, at, got, 1), 0);
			ck_assert_uint_eq(got[0], all.p[at]);
		}
		ck_assert_int_eq(spool_read(r, 0, got, all.n), 0);
		ck_assert_mem_eq(got, all.p, all.n);
		ck_assert_int_eq(spool_read(r, all.n, got, 1), STELE_EINVAL);
		ck_assert_int_eq(spool_read(r, all.n, got, 0), 0);
		spool_close(r);
		free(got);
		reopen(&c);
	}
	free((void *)(uintptr_t)all.p);
	case_end(&c);
}
END_TEST

START_TEST(nothing_of_a_payload_lies_in_the_clear)
{
	static const char *const names[] = {"bodies.0", "bodies.1", "bodies.2", "rows", "spool"};
	struct bundle_case c;

	case_begin(&c);
	c.job.stored = true;
	scratch_append(&c.s, scratch_log(&c.s, "l", "{}"), "{\"secret\":\"stele-needle\"}");
	store_log_list(c.s.st, slice_of(NULL, 0), &c.logs[0].log, 1);
	case_add(&c, c.logs[0].log);
	case_run(&c, 0, 0, 1, true);
	ck_assert_int_eq(case_make(&c), 0);
	for (size_t i = 0; i < 5; i++) {
		char path[512];
		struct buf b;

		buf_init(&b);
		snprintf(path, sizeof path, "%s/exports/" BUNDLE_ID "/%s", c.s.dir, names[i]);
		ck_assert_int_eq(file_read_all(path, &b, 1 << 20), 0);
		ck_assert(b.n == 0 || !memmem(b.p, b.n, "needle", 6));
		ck_assert(b.n == 0 || !memmem(b.p, b.n, "README", 6));
		buf_fini(&b);
	}
	case_end(&c);
}
END_TEST

/* Every byte of every file, changed: no read gives it, and nothing else is hidden by it. */
START_TEST(what_was_changed_on_disk_is_not_served)
{
	static const char *const names[] = {"bodies.0", "bodies.1", "bodies.2", "rows", "spool"};
	struct bundle_case c;
	struct slice all;
	uint8_t *got;

	case_begin(&c);
	fill(&c);
	ck_assert_int_eq(case_make(&c), 0);
	all = case_bytes(&c);
	got = malloc(all.n);
	for (size_t i = 0; i < 5; i++) {
		char path[512];
		struct stat sb;

		snprintf(path, sizeof path, "%s/exports/" BUNDLE_ID "/%s", c.s.dir, names[i]);
		ck_assert_int_eq(stat(path, &sb), 0);
		for (off_t at = 0; at < sb.st_size; at += sb.st_size / 5 + 1) {
			struct spool_reader *r = NULL;
			int fd = open(path, O_RDWR), err;
			uint8_t byte;

			ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
			byte ^= 4;
			ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
			err = spool_open(&r, c.s.st, c.job.id);
			if (err == 0)
				err = spool_read(r, 0, got, all.n);
			ck_assert_msg(err == STELE_EDAMAGED || err == STELE_EVERSION ||
					      err == STELE_EKEY,
				      "%s at %ld: %d", names[i], (long)at, err);
			spool_close(r);
			byte ^= 4;
			ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
			close(fd);
		}
	}
	free(got);
	free((void *)(uintptr_t)all.p);
	case_end(&c);
}
END_TEST

START_TEST(boxes_that_changed_places_do_not_open)
{
	static uint8_t first[SEALEDFILE_BOX], second[SEALEDFILE_BOX];
	struct spool_reader *r;
	struct bundle_case c;
	char path[512];
	int fd;

	case_begin(&c);
	c.job.stored = true;
	fill(&c);
	ck_assert_int_eq(case_make(&c), 0);
	snprintf(path, sizeof path, "%s/exports/" BUNDLE_ID "/bodies.2", c.s.dir);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, first, sizeof first, 0), sizeof first);
	ck_assert_int_eq(pread(fd, second, sizeof second, sizeof first), sizeof second);
	ck_assert_int_eq(pwrite(fd, second, sizeof second, 0), sizeof second);
	ck_assert_int_eq(pwrite(fd, first, sizeof first, sizeof second), sizeof first);
	close(fd);
	ck_assert_int_eq(spool_open(&r, c.s.st, c.job.id), 0);
	for (uint64_t at = 0; at + 1000 < spool_bytes(r); at += 1000)
		if (spool_read(r, at, first, 1000) == STELE_EDAMAGED)
			fd = -7;
	ck_assert_int_eq(fd, -7);
	spool_close(r);
	case_end(&c);
}
END_TEST

enum { MANY = 1500 }; /* rows fill more than two boxes */

START_TEST(thousands_of_files_are_found_wherever_they_are)
{
	struct bundle_case c;
	struct spool_maker *m;
	struct spool_reader *r;
	struct spool_row row;
	uint8_t *all, digest[32] = {0}, some[300];
	uint64_t n, files, at = 0;
	char text[32];

	case_begin(&c);
	ck_assert_int_eq(spool_make_begin(&m, c.s.st, c.job.id), 0);
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_int_eq(spool_body_begin(m, i % 3, i % 2), 0);
		snprintf(text, sizeof text, "file %u", i);
		ck_assert_int_eq(spool_body_put(m, i % 3, slice_str(text)), 0);
		ck_assert_int_eq(spool_body_end(m, i % 3, text, &row), 0);
		ck_assert_int_eq(spool_keep(m, &row), 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_int_eq(spool_kept_row(m, i, &row), 0);
		ck_assert_int_eq(spool_place(m, &row), 0);
	}
	ck_assert_int_eq(spool_make_end(m, digest, &n, &files), 0);
	spool_make_free(m);
	ck_assert_uint_eq(files, MANY);
	ck_assert_int_eq(spool_open(&r, c.s.st, c.job.id), 0);
	all = malloc(n);
	ck_assert_int_eq(spool_read(r, 0, all, n), 0);
	for (unsigned i = 0; i < MANY; i++) { /* each header where the one before ends */
		ck_assert_uint_eq(le_get32(all + at), 0x04034b50);
		at += 30 + le_get16(all + at + 26) + le_get32(all + at + 18);
	}
	ck_assert_uint_eq(le_get32(all + at), 0x02014b50);
	for (uint64_t from = n; from > 300; from -= 211) { /* backwards: no row is near */
		ck_assert_int_eq(spool_read(r, from - 300, some, 300), 0);
		ck_assert_mem_eq(some, all + from - 300, 300);
	}
	free(all);
	spool_close(r);
	case_end(&c);
}
END_TEST

/* Takes what is between two marks, alone: the bytes it unpacks to. */
static size_t
unpack_alone(const uint8_t *p, size_t n, uint8_t *out, size_t cap)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n, .next_out = out};

	z.avail_out = (uInt)cap;
	ck_assert_int_eq(inflateInit2(&z, -MAX_WBITS), Z_OK);
	ck_assert_int_eq(inflate(&z, Z_NO_FLUSH), Z_OK);
	ck_assert_uint_eq(z.avail_in, 0);
	inflateEnd(&z);
	return cap - z.avail_out;
}

/* Whatever pieces it is put in. */
START_TEST(a_deflated_body_begins_anew_at_each_part)
{
	static const size_t pieces[] = {1, 77, LIMIT_BUNDLE_PART_BYTES, 900000, 13};
	const size_t whole = 3 * LIMIT_BUNDLE_PART_BYTES + 100;
	uint8_t *plain = malloc(whole), *part = malloc(whole), *all, *p, digest[32] = {0};
	size_t at = 0, took;
	struct bundle_case c;
	struct spool_maker *m;
	struct spool_reader *r;
	struct spool_row row;
	uint64_t n, files;

	for (size_t i = 0; i < whole; i++)
		plain[i] = (uint8_t)('a' + (i * i >> 9) % 23);
	case_begin(&c);
	ck_assert_int_eq(spool_make_begin(&m, c.s.st, c.job.id), 0);
	ck_assert_int_eq(spool_body_begin(m, 0, true), 0);
	for (size_t i = 0; at < whole; i++, at += took) {
		took = pieces[i % 5] < whole - at ? pieces[i % 5] : whole - at;
		ck_assert_int_eq(spool_body_put(m, 0, slice_of(plain + at, took)), 0);
	}
	ck_assert_int_eq(spool_body_end(m, 0, "f", &row), 0);
	ck_assert_int_eq(spool_place(m, &row), 0);
	ck_assert_int_eq(spool_make_end(m, digest, &n, &files), 0);
	spool_make_free(m);
	ck_assert_int_eq(spool_open(&r, c.s.st, c.job.id), 0);
	all = malloc(n);
	ck_assert_int_eq(spool_read(r, 0, all, n), 0);
	p = all + 30 + le_get16(all + 26);
	for (size_t i = 0; i < 3; i++) {
		uint8_t *mark = memmem(p, n - (size_t)(p - all), "\0\0\xff\xff", 4);

		ck_assert_ptr_nonnull(mark);
		ck_assert_uint_eq(unpack_alone(p, (size_t)(mark + 4 - p), part, whole),
				  LIMIT_BUNDLE_PART_BYTES);
		ck_assert_mem_eq(part, plain + i * LIMIT_BUNDLE_PART_BYTES,
				 LIMIT_BUNDLE_PART_BYTES);
		p = mark + 4;
	}
	free(plain);
	free(part);
	free(all);
	spool_close(r);
	case_end(&c);
}
END_TEST

/* Operation `at` fails, and so many after it: whether any did. Nothing may be left, or all of it.
 */
static bool
fail_at(struct bundle_case *c, unsigned at, unsigned length, unsigned *whole)
{
	struct spool_reader *r;
	bool failed;
	int err;

	disk_fail_at(DISK_WRITE | DISK_FLUSH | DISK_RENAME | DISK_REMOVE, at, length,
		     at % 2 ? EIO : ENOSPC, at % 3 == 0);
	err = case_make(c);
	failed = disk_repair(NULL);
	if (!failed) {
		ck_assert_int_eq(err, 0);
		return false;
	}
	/* half a write is continued */
	ck_assert_msg(err != 0 || (length == 1 && at % 3 == 0),
		      "operation %u failed, and nobody said so", at);
	reopen(c);
	err = spool_open(&r, c->s.st, c->job.id);
	if (err == 0) { /* it was whole when the last flush failed */
		spool_close(r);
		ck_assert_int_eq(spool_destroy(c->s.st, c->job.id), 0);
		++*whole;
	} else {
		ck_assert_int_eq(err, STELE_ENOTFOUND);
	}
	ck_assert_uint_eq(export_keys(c), 0);
	ck_assert(!is_there(c, ""));
	return true;
}

/* One write, flush, rename or removal after the other fails, alone or with all after it. */
START_TEST(a_disk_that_fails_leaves_nothing_that_is_taken_for_a_bundle)
{
	static const unsigned lengths[] = {1000000, 1};

	for (size_t i = 0; i < 2; i++) {
		unsigned at = 1, whole = 0;
		struct bundle_case c;

		case_begin(&c);
		fill(&c);
		while (fail_at(&c, at, lengths[i], &whole))
			at++;
		ck_assert_uint_gt(at, 10);
		ck_assert_uint_le(whole, lengths[i] == 1 ? at / 3 + 2 : 2);
		reopen(&c);
		ck_assert_uint_eq(export_keys(&c), 1);
		free((void *)(uintptr_t)case_bytes(&c).p);
		case_end(&c);
	}
}
END_TEST

START_TEST(a_start_sweeps_what_was_not_finished_and_keys_without_a_spool)
{
	struct spool_maker *m;
	struct bundle_case c;
	char path[512];

	case_begin(&c);
	fill(&c);
	ck_assert_int_eq(case_make(&c), 0);
	snprintf(path, sizeof path, "%s/exports/" BUNDLE_ID "/spool", c.s.dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(spool_make_begin(&m, c.s.st, slice_str("x-zzzzzzzzzz")), 0);
	ck_assert_uint_eq(export_keys(&c), 2);
	/* as a crash leaves it: the maker's files and key stay */
	snprintf(path, sizeof path, "%s/exports/x-zzzzzzzzzz", c.s.dir);
	ck_assert_int_eq(rename(path, strcat(strcpy((char[520]){0}, path), "~")), 0);
	spool_make_free(m);
	ck_assert_int_eq(rename(strcat(strcpy((char[520]){0}, path), "~"), path), 0);
	reopen(&c);
	ck_assert_uint_eq(export_keys(&c), 0);
	ck_assert(!is_there(&c, ""));
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(case_make(&c), 0);
	case_end(&c);
}
END_TEST

static int
count(void *ctx, struct slice id, uint64_t disk_bytes)
{
	ck_assert(slice_eq_str(id, BUNDLE_ID));
	*(uint64_t *)ctx += disk_bytes;
	return 0;
}

START_TEST(one_that_was_destroyed_can_be_made_again_and_opened)
{
	struct bundle_case c;
	struct spool_reader *r;
	uint64_t bytes = 0, after = 0;
	uint8_t some[16];

	case_begin(&c);
	fill(&c);
	ck_assert_int_eq(case_make(&c), 0);
	ck_assert_int_eq(spool_each(c.s.st, count, &bytes), 0);
	ck_assert_uint_gt(bytes, 470000);
	ck_assert_int_eq(spool_open(&r, c.s.st, c.job.id), 0);
	ck_assert_int_eq(spool_destroy(c.s.st, c.job.id), 0);
	ck_assert_int_eq(spool_destroy(c.s.st, c.job.id), 0);
	ck_assert_int_eq(spool_read(r, 0, some, 16), STELE_EGONE);
	ck_assert_int_eq(spool_each(c.s.st, count, &after), 0);
	ck_assert_uint_eq(after, 0);
	ck_assert_uint_eq(export_keys(&c), 0);
	ck_assert_int_eq(case_make(&c), 0);
	ck_assert_int_eq(spool_read(r, 0, some, 16), STELE_EGONE);
	spool_close(r);
	free((void *)(uintptr_t)case_bytes(&c).p);
	case_end(&c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		any_range_is_the_same_bytes_also_after_a_restart,
		nothing_of_a_payload_lies_in_the_clear,
		what_was_changed_on_disk_is_not_served,
		boxes_that_changed_places_do_not_open,
		thousands_of_files_are_found_wherever_they_are,
		a_deflated_body_begins_anew_at_each_part,
		a_disk_that_fails_leaves_nothing_that_is_taken_for_a_bundle,
		a_start_sweeps_what_was_not_finished_and_keys_without_a_spool,
		one_that_was_destroyed_can_be_made_again_and_opened,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("spool", tests, sizeof tests / sizeof *tests, 120);
}
