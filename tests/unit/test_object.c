/* Objects: any range comes back as it was, and nothing else ever does. */
#include "scratch_object.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "storage/fsck.h"
#include "storage/toolbox.h"
#include "suite.h"

/* Reads all of it in pieces of `step`; the first error. */
static int
read_all(struct scratch *s, struct object *o, uint8_t *out, size_t n, size_t step)
{
	int err = 0;

	for (size_t at = 0; err == 0 && at < n; at += step)
		err = object_read(o, at, out + at, n - at < step ? n - at : step, s->tools);
	return err;
}

START_TEST(a_payload_of_any_length_comes_back_whole_and_in_ranges)
{
	static const size_t sizes[] = {1, 1023, 1024, 1025, 2048, 5000, 70000};
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "scans", "{}");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t n = sizes[i];
		uint8_t *payload = scratch_payload(n, (uint32_t)i + 1), *got = malloc(n + 1);
		uint64_t index = scratch_object(&s, log, slice_of(payload, n));
		struct object *o;
		uint8_t sha[32];
		ck_assert_int_eq(scratch_open_object(&s, log, index, &o, NULL), 0);
		ck_assert_uint_eq(object_size(o), n);
		sha256_hash(s.tools->sha, sha, slice_of(payload, n));
		ck_assert_mem_eq(object_sha256(o), sha, 32);
		for (size_t step = 1; step <= 5000; step = step * 3 + 1) {
			memset(got, 0, n);
			ck_assert_int_eq(read_all(&s, o, got, n, step), 0);
			ck_assert_mem_eq(got, payload, n);
		}
		ck_assert_int_eq(object_read(o, n, got, 0, s.tools), 0);
		ck_assert_int_eq(object_read(o, n, got, 1, s.tools), STELE_EINVAL);
		ck_assert_int_eq(object_read(o, n + 1, got, 0, s.tools), STELE_EINVAL);
		ck_assert_int_eq(object_read(o, 1, got, SIZE_MAX, s.tools), STELE_EINVAL);
		object_close(o);
		free(payload);
		free(got);
	}
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

/* The file of a record, opened for the test to change it. */
static int
open_changed(const char *path)
{
	int fd;

	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
flip(int fd, off_t at, unsigned bit)
{
	uint8_t b;

	ck_assert_int_eq(pread(fd, &b, 1, at), 1);
	b ^= (uint8_t)(1u << bit);
	ck_assert_int_eq(pwrite(fd, &b, 1, at), 1);
}

START_TEST(no_flipped_byte_of_the_file_is_ever_read_as_payload)
{
	enum { N = 2500 };
	uint8_t *payload = scratch_payload(N, 5), got[N];
	char path[OBJECT_PATH_BYTES];
	struct scratch s;
	struct log *log;
	struct object *o;
	struct stat sb;
	uint64_t index;
	int fd;

	scratch_begin(&s);
	log = scratch_log(&s, "scans", "{}");
	index = scratch_object(&s, log, slice_of(payload, N));
	ck_assert_int_eq(scratch_open_object(&s, log, index, &o, path), 0);
	object_close(o);
	ck_assert_int_eq(stat(path, &sb), 0);
	ck_assert_uint_eq(sb.st_mode & 0777, 0444);
	fd = open_changed(path);
	for (off_t at = 0; at < sb.st_size; at++) {
		unsigned before = s.errors;
		int err;
		flip(fd, at, (unsigned)at % 8);
		memset(got, 0, N);
		err = scratch_open_object(&s, log, index, &o, NULL);
		if (err == 0) {
			err = read_all(&s, o, got, N, N);
			object_close(o);
		}
		ck_assert_msg(err == STELE_EDAMAGED, "byte %ld", (long)at);
		ck_assert_uint_eq(s.errors, before + 1);
		for (size_t i = 0; i < N; i++)
			ck_assert_msg(got[i] == 0 || got[i] == payload[i], "byte %ld", (long)at);
		flip(fd, at, (unsigned)at % 8);
	}
	ck_assert_int_eq(scratch_open_object(&s, log, index, &o, NULL), 0);
	ck_assert_int_eq(read_all(&s, o, got, N, N), 0);
	object_close(o);
	close(fd);
	free(payload);
	scratch_end(&s);
}
END_TEST

enum change { CUT, GROWN, EMPTY, MISSING, SWAPPED, REPEATED, OTHERS, OTHER_LOGS, LINKED, CHANGES };

/* Changes the file at path in one way that needs more than a flipped byte. */
static void
change_file(const char *path, const char *other, const char *other_log, enum change how)
{
	enum { BOX = SCRATCH_CHUNK + AEAD_OVERHEAD };
	uint8_t file[8192], box[BOX];
	const char *from = how == OTHERS ? other : how == OTHER_LOGS ? other_log : path;
	int fd = open(from, O_RDONLY);
	ssize_t n = read(fd, file, sizeof file);

	close(fd);
	ck_assert_int_gt(n, OBJECT_HEADER_BYTES + 2 * BOX);
	memcpy(box, file + OBJECT_HEADER_BYTES, BOX);
	if (how == CUT)
		n -= 1;
	if (how == GROWN)
		n += 1;
	if (how == EMPTY)
		n = 0;
	if (how == SWAPPED || how == REPEATED)
		memcpy(file + OBJECT_HEADER_BYTES, file + OBJECT_HEADER_BYTES + BOX, BOX);
	if (how == SWAPPED)
		memcpy(file + OBJECT_HEADER_BYTES + BOX, box, BOX);
	ck_assert_int_eq(unlink(path), 0);
	if (how == MISSING)
		return;
	if (how == LINKED) {
		ck_assert_int_eq(symlink(other, path), 0);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, file, (size_t)n), n);
	close(fd);
}

static unsigned fsck_findings(struct scratch *s, char where[512]);

START_TEST(a_file_cut_grown_swapped_or_anothers_is_refused_and_named_by_fsck)
{
	enum { N = 3000 };
	for (enum change how = CUT; how < CHANGES; how++) {
		uint8_t *payload = scratch_payload(N, 5), got[N];
		char path[OBJECT_PATH_BYTES], other[OBJECT_PATH_BYTES], alien[OBJECT_PATH_BYTES];
		char where[512] = "", want[600];
		struct scratch s;
		struct log *log, *second;
		struct object *o;
		uint64_t index, next, third;
		int err;
		scratch_begin(&s);
		log = scratch_log(&s, "scans", "{}");
		second = scratch_log(&s, "others", "{}");
		index = scratch_object(&s, log, slice_of(payload, N));
		next = scratch_object(&s, log, slice_of(payload, N));
		third = scratch_object(&s, second, slice_of(payload, N));
		ck_assert_int_eq(scratch_open_object(&s, log, next, &o, other), 0);
		object_close(o);
		ck_assert_int_eq(scratch_open_object(&s, second, third, &o, alien), 0);
		object_close(o);
		ck_assert_int_eq(scratch_open_object(&s, log, index, &o, path), 0);
		object_close(o);
		change_file(path, other, alien, how);
		err = scratch_open_object(&s, log, index, &o, NULL);
		if (err == 0) {
			err = read_all(&s, o, got, N, N);
			object_close(o);
		}
		ck_assert_msg(err == STELE_EDAMAGED, "change %d", how);
		scratch_close(&s);
		ck_assert_uint_eq(fsck_findings(&s, where), 1);
		snprintf(want, sizeof want, "log scans, record %llu, objects/scans/%s",
			 (unsigned long long)index, strrchr(path, '/') + 1);
		ck_assert_str_eq(where, want);
		free(payload);
		scratch_end(&s);
	}
}
END_TEST

/* --- fsck ------------------------------------------------------------------------------ */

struct findings {
	unsigned n;
	char *where;
};

static void
note(void *ctx, const char *where, const char *what)
{
	struct findings *f = ctx;

	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%s: %s\n", where, what);
	snprintf(f->where, 512, "%s", where);
	f->n++;
}

static unsigned
fsck_findings(struct scratch *s, char where[512])
{
	struct findings f = {.where = where};
	struct fsck_options opts = {.dir = s->dir, .finding = note, .ctx = &f};
	struct fsck_result r;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(fsck_run(&opts, &r, &why), 0);
	buf_fini(&why);
	return f.n;
}

START_TEST(fsck_finds_every_flipped_byte_and_names_record_and_file)
{
	enum { N = 400 };
	uint8_t *payload = scratch_payload(N, 9);
	char path[OBJECT_PATH_BYTES], where[512], want[600];
	struct scratch s;
	struct log *log;
	struct object *o;
	struct stat sb;
	uint64_t index;
	int fd;

	scratch_begin(&s);
	log = scratch_log(&s, "scans", "{}");
	index = scratch_object(&s, log, slice_of(payload, N));
	ck_assert_int_eq(scratch_open_object(&s, log, index, &o, path), 0);
	object_close(o);
	scratch_close(&s);
	ck_assert_uint_eq(fsck_findings(&s, where), 0);
	snprintf(want, sizeof want, "log scans, record %llu, objects/scans/%s",
		 (unsigned long long)index, strrchr(path, '/') + 1);
	fd = open_changed(path);
	ck_assert_int_eq(fstat(fd, &sb), 0);
	for (off_t at = 0; at < sb.st_size; at++) {
		flip(fd, at, (unsigned)at % 8);
		ck_assert_msg(fsck_findings(&s, where) == 1, "byte %ld", (long)at);
		ck_assert_str_eq(where, want);
		flip(fd, at, (unsigned)at % 8);
	}
	close(fd);
	free(payload);
	scratch_end(&s);
}
END_TEST

START_TEST(fsck_names_a_file_that_no_record_names)
{
	char path[512], where[512];
	struct scratch s;
	int fd;

	scratch_begin(&s);
	scratch_object(&s, scratch_log(&s, "scans", "{}"), slice_str("payload"));
	scratch_close(&s);
	snprintf(path, sizeof path, "%s/objects/scans/0123456789abcdef0123456789abcdef.obj", s.dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	close(fd);
	ck_assert_uint_eq(fsck_findings(&s, where), 1);
	ck_assert_str_eq(where, "objects/scans/0123456789abcdef0123456789abcdef.obj");
	scratch_end(&s);
}
END_TEST

/* --- what records and entries say -------------------------------------------------------- */

START_TEST(entry_and_commitment_are_those_of_the_payload)
{
	uint8_t *payload = scratch_payload(3000, 3), commitment[32];
	struct scratch s;
	struct record r;
	struct arena a;
	uint64_t index;

	scratch_begin(&s);
	index = scratch_object(&s, scratch_log(&s, "scans", "{}"), slice_of(payload, 3000));
	for (int again = 0; again < 2; again++) { /* and after a replay, and from the catalogue */
		struct log *log;
		ck_assert_int_eq(store_log_find(s.st, slice_str("scans"), &log), 0);
		arena_init(&a);
		ck_assert_int_eq(read_record(s.st, log, index, s.tools, &a, &r), 0);
		ck_assert(r.object);
		ck_assert_uint_eq(r.entry.size, 3000);
		sha256_commitment(s.tools->sha, commitment, r.salt, slice_of(payload, 3000));
		ck_assert_mem_eq(commitment, r.entry.commitment, 32);
		arena_fini(&a);
		scratch_close(&s);
		ck_assert_int_eq(scratch_open(&s), 0);
	}
	free(payload);
	scratch_end(&s);
}
END_TEST

START_TEST(objects_are_found_among_other_records)
{
	struct scratch s;
	struct log *log;
	struct record r;
	struct arena a;
	uint64_t want[3], from = 0;

	scratch_begin(&s);
	log = scratch_log(&s, "scans", "{}");
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 20; k++)
			scratch_append(&s, log, "{}");
		want[i] = scratch_object(&s, log, slice_str("an object"));
	}
	scratch_append(&s, log, "{}");
	for (int again = 0; again < 2; again++) {
		from = 0;
		for (int i = 0; i < 3; i++) {
			arena_init(&a);
			ck_assert_int_eq(read_next_object(s.st, log, from, s.tools, &a, &r), 0);
			ck_assert_uint_eq(r.entry.index, want[i]);
			from = r.entry.index + 1;
			arena_fini(&a);
		}
		arena_init(&a);
		ck_assert_int_eq(read_next_object(s.st, log, from, s.tools, &a, &r),
				 STELE_ENOTFOUND);
		ck_assert_int_eq(read_next_object(s.st, log, 9999, s.tools, &a, &r),
				 STELE_ENOTFOUND);
		arena_fini(&a);
		scratch_close(&s);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("scans"), &log), 0);
	}
	scratch_end(&s);
}
END_TEST

START_TEST(a_descriptor_reads_back_and_every_other_one_is_refused)
{
	struct object_descriptor d = {.chunk_bytes = 1024, .size = 1ull << 36}, got;
	uint8_t bytes[OBJECT_DESCRIPTOR_BYTES], again[OBJECT_DESCRIPTOR_BYTES];

	memset(d.id, 1, sizeof d.id);
	memset(d.key, 2, sizeof d.key);
	memset(d.sha256, 3, sizeof d.sha256);
	object_descriptor_write(bytes, &d);
	ck_assert_int_eq(object_descriptor_read(&got, slice_of(bytes, sizeof bytes)), 0);
	object_descriptor_write(again, &got);
	ck_assert_mem_eq(again, bytes, sizeof bytes);
	for (size_t n = 0; n < sizeof bytes; n++)
		ck_assert_int_eq(object_descriptor_read(&got, slice_of(bytes, n)), STELE_ESYNTAX);
	bytes[0] = 2;
	ck_assert_int_eq(object_descriptor_read(&got, slice_of(bytes, sizeof bytes)),
			 STELE_EVERSION);
	for (int i = 0; i < 4; i++) {
		struct object_descriptor bad = d;
		bad.chunk_bytes = i == 0   ? LIMIT_OBJECT_CHUNK_MIN_BYTES - 1
				  : i == 1 ? LIMIT_OBJECT_CHUNK_MAX_BYTES + 1
					   : 1024;
		bad.size = i == 2 ? 0 : i == 3 ? LIMIT_INTEGER + 1 : 5;
		object_descriptor_write(bytes, &bad);
		ck_assert_int_eq(object_descriptor_read(&got, slice_of(bytes, sizeof bytes)),
				 STELE_ESYNTAX);
	}
}
END_TEST

START_TEST(only_an_objects_name_is_one)
{
	uint8_t id[OBJECT_ID_BYTES], want[OBJECT_ID_BYTES];
	char name[OBJECT_NAME_BYTES + 4];

	for (size_t i = 0; i < sizeof want; i++)
		want[i] = (uint8_t)(i * 17);
	object_name(name, want);
	strcat(name, ".obj");
	ck_assert(object_id_of(name, ".obj", id));
	ck_assert_mem_eq(id, want, sizeof id);
	ck_assert(!object_id_of(name, ".part", id));
	ck_assert(!object_id_of(name + 1, ".obj", id));
	name[3] = 'A';
	ck_assert(!object_id_of(name, ".obj", id));
	name[3] = ' ';
	ck_assert(!object_id_of(name, ".obj", id));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_payload_of_any_length_comes_back_whole_and_in_ranges,
		no_flipped_byte_of_the_file_is_ever_read_as_payload,
		a_file_cut_grown_swapped_or_anothers_is_refused_and_named_by_fsck,
		fsck_finds_every_flipped_byte_and_names_record_and_file,
		fsck_names_a_file_that_no_record_names,
		entry_and_commitment_are_those_of_the_payload,
		objects_are_found_among_other_records,
		a_descriptor_reads_back_and_every_other_one_is_refused,
		only_an_objects_name_is_one,
	};

	return suite_run("object", tests, sizeof tests / sizeof *tests, 240);
}
