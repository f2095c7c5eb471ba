/* Names of segments: one spelling; and what a folder of them holds. */
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "proto/err.h"
#include "storage/segment.h"
#include "suite.h"

START_TEST(a_name_has_one_spelling)
{
	const struct segment_name names[] = {
		{0, 1, 1}, {256, 300, 4294967295u}, {LIMIT_TREE_SIZE, LIMIT_SEGMENT_RECORDS, 1}};
	const char *const bad[] = {
		"",       "0-1",    "0-1.",      "0-1.0",         "0-0.1",
		"1-1.1",  "00-1.1", "0-01.1",    "0-1.01",        "0-1.1.",
		"-0-1.1", "0--1.1", "0-1.1 ",    "0-1.-1",        "256-1.4294967296",
		"a-1.1",  "0.1-1",  "0-1.1.seg", "0-268435457.1", "1099511628032-1.1"};
	char text[SEGMENT_NAME_BYTES];
	struct segment_name got;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		segment_name_format(text, &names[i]);
		ck_assert_int_eq(segment_name_parse(&got, slice_str(text)), 0);
		ck_assert(got.first == names[i].first && got.count == names[i].count &&
			  got.generation == names[i].generation);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(segment_name_parse(&got, slice_str(bad[i])) == STELE_ESYNTAX, "%s",
			      bad[i]);
}
END_TEST

struct seen {
	unsigned kinds[4];
	uint64_t first_sum;
	int stop;
};

static int
see(void *ctx, enum segment_file kind, const struct segment_name *name, const char *file)
{
	struct seen *s = ctx;

	ck_assert_uint_gt(strlen(file), 0);
	s->kinds[kind]++;
	ck_assert((name != NULL) == (kind <= SEGMENT_FILE_MANIFEST));
	if (name)
		s->first_sum += name->first;
	return s->stop;
}

START_TEST(a_folder_is_told_apart_by_names)
{
	const char *const files[] = {"0-256.1.seg",     "0-256.1.manifest", "512-3.9.seg",
				     "0-256.2.seg.tmp", "keys-x.tmp",       "notes.txt",
				     "1-256.1.seg",     "0-256.1.seg.bak"};
	struct folder folder;
	struct seen seen = {0};

	folder_init(&folder);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		FILE *f = fopen(folder_path(&folder, files[i]), "w");
		ck_assert_ptr_nonnull(f);
		fclose(f);
	}
	ck_assert_int_eq(segment_list(folder.dir, see, &seen), 0);
	ck_assert_uint_eq(seen.kinds[SEGMENT_FILE_DATA], 2);
	ck_assert_uint_eq(seen.kinds[SEGMENT_FILE_MANIFEST], 1);
	ck_assert_uint_eq(seen.kinds[SEGMENT_FILE_LEFTOVER], 2);
	ck_assert_uint_eq(seen.kinds[SEGMENT_FILE_OTHER], 3);
	ck_assert_uint_eq(seen.first_sum, 512);
	seen.stop = 5;
	ck_assert_int_eq(segment_list(folder.dir, see, &seen), 5);
	ck_assert_int_eq(segment_list(folder_path(&folder, "none"), see, &seen), STELE_ENOTFOUND);
	folder_fini(&folder);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_name_has_one_spelling,
		a_folder_is_told_apart_by_names,
	};

	return suite_run("segname", tests, sizeof tests / sizeof *tests, 30);
}
