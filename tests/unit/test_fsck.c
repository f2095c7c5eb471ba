/* fsck: silent about what is whole, exact about what is not. */
#include "scratch_object.h"

#include <fcntl.h>

#include "crypto/keyfile.h"
#include "storage/fsck.h"

struct findings {
	unsigned n;
	char where[64][512];
};

static void
note_finding(void *ctx, const char *where, const char *what)
{
	struct findings *f = ctx;

	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%s: %s\n", where, what);
	if (f->n < 64)
		snprintf(f->where[f->n], sizeof f->where[0], "%s", where);
	f->n++;
}

static int
check_dir(struct scratch *s, struct findings *f, struct fsck_result *r)
{
	struct fsck_options opts = {.dir = s->dir, .finding = note_finding, .ctx = f};
	struct buf why;
	int err;

	memset(f, 0, sizeof *f);
	buf_init(&why);
	err = fsck_run(&opts, r, &why);
	buf_fini(&why);
	return err;
}

static void
fill(struct scratch *s)
{
	struct log *log = scratch_log(s, "payments", "{\"retain\":{\"default\":\"7y\"}}");
	char text[64];

	for (int i = 1; i <= 40; i++) {
		snprintf(text, sizeof text, "{\"n\":%d,\"text\":\"some payload\"}", i);
		scratch_append(s, log, text);
	}
}

/* Flips one bit of a file of the data directory. */
static void
flip(struct scratch *s, const char *name, off_t at, unsigned bit)
{
	char path[512];
	uint8_t b;
	int fd;

	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &b, 1, at), 1);
	b ^= (uint8_t)(1u << bit);
	ck_assert_int_eq(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

START_TEST(a_whole_directory_has_no_findings)
{
	struct scratch s;
	struct findings f;
	struct fsck_result r;

	scratch_begin(&s);
	fill(&s);
	scratch_close(&s);
	ck_assert_int_eq(check_dir(&s, &f, &r), 0);
	ck_assert_uint_eq(f.n, 0);
	ck_assert_uint_eq(r.records, 41);
	ck_assert_uint_eq(r.commits, 41);
	scratch_end(&s);
}
END_TEST

/* Bytes of the frame at an offset of the first WAL file, header included. */
static unsigned
frame_bytes(struct scratch *s, off_t at)
{
	char path[512];
	uint64_t body;
	int fd;

	snprintf(path, sizeof path, "%s/wal/00000001.wal", s->dir);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &body, 8, at + 64), 8);
	close(fd);
	return 128 + (unsigned)body;
}

/* Every 97th bit of the first five commits, whatever it belongs to. */
START_TEST(a_flipped_bit_in_a_commit_is_found_and_the_directory_not_served)
{
	struct scratch s;
	struct findings f;
	struct fsck_result r;

	scratch_begin(&s);
	fill(&s);
	scratch_close(&s);
	for (unsigned commit = 0; commit < 5; commit++) {
		off_t start = 4096 * (off_t)(1 + commit);
		unsigned bits = frame_bytes(&s, start) * 8;
		for (unsigned bit = 0; bit < bits; bit += 97) {
			off_t at = start + bit / 8;
			flip(&s, "wal/00000001.wal", at, bit % 8);
			ck_assert_int_eq(check_dir(&s, &f, &r), 0);
			ck_assert_msg(f.n > 0, "bit %u of commit %u", bit, commit);
			flip(&s, "wal/00000001.wal", at, bit % 8);
		}
	}
	ck_assert_int_eq(check_dir(&s, &f, &r), 0);
	ck_assert_uint_eq(f.n, 0);
	scratch_end(&s);
}
END_TEST

/* What no frame covers is checked too: header blocks, padding, both marks, the tokens. */
START_TEST(a_flipped_bit_between_the_commits_is_found)
{
	struct scratch s;
	struct findings f;
	struct fsck_result r;
	struct keyfile_seal *seal;
	char path[512];

	scratch_begin(&s);
	fill(&s);
	scratch_close(&s);
	snprintf(path, sizeof path, "%s/keys/tokens", s.dir);
	ck_assert_int_eq(keyfile_seal_new(&seal, NULL), 0);
	ck_assert_int_eq(keyfile_write(path, slice_str("{}"), seal), 0);
	keyfile_seal_free(seal);
	const struct {
		const char *file;
		off_t at;
	} places[] = {
		{"wal/00000001.wal", 100},
		{"wal/00000001.wal", 4095},
		{"wal/00000001.wal", 4096 + (off_t)frame_bytes(&s, 4096)},
		{"wal/00000001.wal", 4096 * 2 - 1},
		{"wal/released", 20},
		{"wal/released", 4096 + 40},
		{"keys/tokens", 57},
	};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		flip(&s, places[i].file, places[i].at, 2);
		ck_assert_int_eq(check_dir(&s, &f, &r), 0);
		ck_assert_msg(f.n == 1, "%s at %ld: %u findings", places[i].file,
			      (long)places[i].at, f.n);
		flip(&s, places[i].file, places[i].at, 2);
	}
	ck_assert_int_eq(check_dir(&s, &f, &r), 0);
	ck_assert_uint_eq(f.n, 0);
	scratch_end(&s);
}
END_TEST

START_TEST(the_finding_names_the_record)
{
	struct scratch s;
	struct findings f;
	struct fsck_result r;
	bool named = false;

	scratch_begin(&s);
	fill(&s);
	scratch_close(&s);
	/* commit 8 holds record 7; its box lies some 200 bytes into the frame */
	flip(&s, "wal/00000001.wal", 4096 * 8 + 128 + 240, 3);
	ck_assert_int_eq(check_dir(&s, &f, &r), 0);
	for (unsigned i = 0; i < f.n; i++)
		named |= strstr(f.where[i], "log payments, record") != NULL &&
			 strstr(f.where[i], " 7") != NULL;
	ck_assert(named);
	scratch_end(&s);
}
END_TEST

START_TEST(a_lost_last_commit_that_was_acknowledged_is_found)
{
	struct scratch s;
	struct findings f;
	struct fsck_result r;

	scratch_begin(&s);
	fill(&s);
	scratch_close(&s);
	flip(&s, "wal/00000001.wal", 4096 * 41 + 130, 0);
	ck_assert_int_eq(check_dir(&s, &f, &r), 0);
	ck_assert_uint_gt(f.n, 0);
	scratch_end(&s);
}
END_TEST

START_TEST(an_object_between_records_of_one_commit_is_no_finding)
{
	struct append_job jobs[3];
	struct fsck_result r;
	struct findings f;
	struct deposit *d;
	struct scratch s;
	struct log *log;
	uint8_t *p = scratch_payload(5000, 7);

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	scratch_object(&s, log, slice_of(p, 5000)); /* what is overwritten is large enough now */
	d = scratch_deposit(&s, log, slice_of(p, 5000), true);
	scratch_job(&s, &jobs[0], log, "{\"before\":1}", NULL);
	scratch_object_job(&s, &jobs[1], log, d, NULL);
	scratch_job(&s, &jobs[2], log, "{\"behind\":1}", NULL);
	jobs[0].next = &jobs[1];
	jobs[1].next = &jobs[2];
	ck_assert_int_eq(store_append_batch(s.st, jobs), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(jobs[i].err, 0);
		append_job_fini(&jobs[i]);
	}
	deposit_keep(d);
	scratch_close(&s);
	ck_assert_int_eq(check_dir(&s, &f, &r), 0);
	ck_assert_uint_eq(r.records, 5);
	ck_assert_uint_eq(f.n, 0);
	ck_assert_int_eq(scratch_open(&s), 0);
	scratch_end(&s);
	free(p);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fsck");
	TCase *c = tcase_create("fsck");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 240);
	tcase_add_test(c, a_whole_directory_has_no_findings);
	tcase_add_test(c, a_flipped_bit_in_a_commit_is_found_and_the_directory_not_served);
	tcase_add_test(c, a_flipped_bit_between_the_commits_is_found);
	tcase_add_test(c, the_finding_names_the_record);
	tcase_add_test(c, a_lost_last_commit_that_was_acknowledged_is_found);
	tcase_add_test(c, an_object_between_records_of_one_commit_is_no_finding);
	suite_add_tcase(suite, c);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
