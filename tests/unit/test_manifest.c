/* Manifests: one spelling, signed, and about the segment that the file is named after. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/init.h"
#include "folder.h"
#include "proto/err.h"
#include "storage/file.h"
#include "storage/manifest.h"
#include "suite.h"

#define ORIGIN "ledger.example.com/payments"

static struct sha256 *h;
static struct signer *key, *old_key, *stranger;
static struct folder folder;
static struct segment_facts facts;
static const struct segment_name name = {512, 700, 2};

static struct signer *
make_signer(const char *of, uint8_t fill)
{
	uint8_t seed[SIGN_SEED_BYTES];
	struct signer *s;

	memset(seed, fill, sizeof seed);
	ck_assert_int_eq(signer_new(&s, h, slice_str(of), seed), 0);
	return s;
}

static void
begin(void)
{
	h = sha256_new();
	key = make_signer(ORIGIN, 2);
	old_key = make_signer(ORIGIN, 3);
	stranger = make_signer("ledger.example.com/other", 2);
	folder_init(&folder);
	facts = (struct segment_facts){.log_id = 4,
				       .origin = ORIGIN,
				       .first = 512,
				       .count = 700,
				       .generation = 2,
				       .data_key_id = 9,
				       .ctl = 600,
				       .payload_bytes = 12345,
				       .file_bytes = 40960,
				       .first_time_ns = 1795448880000000000,
				       .last_time_ns = 1795448890000000000,
				       .software = "steled/0.1.0"};
	for (int i = 0; i < 32; i++) {
		facts.prev[i] = (uint8_t)i;
		facts.last[i] = (uint8_t)(2 * i);
		facts.root[i] = (uint8_t)(3 * i);
		facts.file_hash[i] = (uint8_t)(5 * i);
		for (int k = 0; k < SEGMENT_PARTS; k++)
			facts.part[k][i] = (uint8_t)(7 * i + k);
	}
}

static void
end(void)
{
	sha256_free(h);
	signer_free(key);
	signer_free(old_key);
	signer_free(stranger);
	folder_fini(&folder);
}

static int
read_with(const struct signer *s, const struct segment_name *n, const char *origin, uint64_t log_id,
	  struct segment_facts *out)
{
	struct note_vkey keys[2];
	struct buf why;
	int err;

	buf_init(&why);
	keys[0] = *signer_vkey(s);
	keys[1] = *signer_vkey(stranger);
	err = manifest_read(out, NULL, folder.dir, n, slice_str(origin), log_id, keys, 1, &why);
	ck_assert((err == 0) == (why.n == 0));
	buf_fini(&why);
	return err;
}

START_TEST(a_manifest_reads_back_as_it_was_written)
{
	struct segment_facts got;
	struct buf replaces, why;
	struct stat sb;

	buf_init(&replaces);
	buf_init(&why);
	ck_assert_int_eq(
		manifest_write(folder.dir, &facts, slice_str("512-300.1\n768-444.17\n"), key), 0);
	ck_assert_int_eq(stat(folder_path(&folder, "512-700.2.manifest"), &sb), 0);
	ck_assert_uint_eq(sb.st_mode & 07777, 0444);
	ck_assert_int_eq(manifest_read(&got, &replaces, folder.dir, &name, slice_str(ORIGIN), 4,
				       signer_vkey(key), 1, &why),
			 0);
	ck_assert(slice_eq_str(buf_slice(&replaces), "512-300.1\n768-444.17\n"));
	ck_assert_mem_eq(&got, &facts, sizeof facts);
	buf_fini(&replaces);
	buf_fini(&why);
}
END_TEST

START_TEST(every_changed_or_missing_byte_of_a_manifest_is_found)
{
	struct segment_facts got;
	struct buf bytes;
	const char *path = folder_path(&folder, "512-700.2.manifest");

	buf_init(&bytes);
	ck_assert_int_eq(manifest_write(folder.dir, &facts, slice_str("512-300.1\n"), key), 0);
	ck_assert_int_eq(file_read_all(path, &bytes, 1 << 20), 0);
	for (size_t bit = 0; bit < bytes.n * 8; bit++) {
		bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		unlink(path);
		FILE *f = fopen(path, "wb");
		ck_assert_uint_eq(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
		fclose(f);
		ck_assert_msg(read_with(key, &name, ORIGIN, 4, &got) == STELE_EDAMAGED, "bit %zu",
			      bit);
		bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < bytes.n; n++) {
		ck_assert_int_eq(truncate(path, (off_t)(bytes.n - 1 - n)), 0);
		ck_assert_int_eq(read_with(key, &name, ORIGIN, 4, &got), STELE_EDAMAGED);
	}
	buf_fini(&bytes);
}
END_TEST

START_TEST(a_manifest_of_something_else_or_by_someone_else_is_refused)
{
	const struct segment_name others[] = {{0, 700, 2}, {512, 701, 2}, {512, 700, 3}};
	struct segment_facts got;
	char from[600], to[600], stem[SEGMENT_NAME_BYTES];

	ck_assert_int_eq(manifest_write(folder.dir, &facts, slice_str(""), key), 0);
	ck_assert_int_eq(read_with(key, &name, ORIGIN, 4, &got), 0);
	ck_assert_int_eq(read_with(old_key, &name, ORIGIN, 4, &got), STELE_EDAMAGED);
	ck_assert_int_eq(read_with(stranger, &name, ORIGIN, 4, &got), STELE_EDAMAGED);
	ck_assert_int_eq(read_with(key, &name, "ledger.example.com/other", 4, &got),
			 STELE_EDAMAGED);
	ck_assert_int_eq(read_with(key, &name, "other.example.com/payments", 4, &got),
			 STELE_EDAMAGED);
	ck_assert_int_eq(read_with(key, &name, ORIGIN, 5, &got), STELE_EDAMAGED);
	snprintf(from, sizeof from, "%s/512-700.2.manifest", folder.dir);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		ck_assert_int_eq(read_with(key, &others[i], ORIGIN, 4, &got), STELE_ENOTFOUND);
		segment_name_format(stem, &others[i]);
		snprintf(to, sizeof to, "%s/%s.manifest", folder.dir, stem);
		ck_assert_int_eq(link(from, to), 0);
		ck_assert_int_eq(read_with(key, &others[i], ORIGIN, 4, &got), STELE_EDAMAGED);
	}
}
END_TEST

static int
put_changed(void (*change)(struct segment_facts *))
{
	struct segment_facts f = facts;
	struct buf b;
	int err;

	buf_init(&b);
	change(&f);
	err = manifest_put(&b, &f, slice_str(""));
	ck_assert(err == 0 || b.n == 0);
	buf_fini(&b);
	return err;
}

#define CHANGE(what) static void what(struct segment_facts *f)
CHANGE(nothing)
{
	f->log_id = 4;
}
CHANGE(unaligned)
{
	f->first = 513;
}
CHANGE(empty)
{
	f->count = 0;
}
CHANGE(huge)
{
	f->count = LIMIT_SEGMENT_RECORDS + 1;
}
CHANGE(no_generation)
{
	f->generation = 0;
}
CHANGE(no_key)
{
	f->data_key_id = 0;
}
CHANGE(later_ctl)
{
	f->ctl = 512 + 700;
}
CHANGE(backwards)
{
	f->last_time_ns = f->first_time_ns - 1;
}
CHANGE(no_file)
{
	f->file_bytes = 0;
}
CHANGE(no_origin)
{
	f->origin[0] = '\0';
}
CHANGE(two_lines)
{
	strcpy(f->software, "a\nb");
}
CHANGE(no_software)
{
	f->software[0] = '\0';
}
CHANGE(too_much)
{
	f->payload_bytes = LIMIT_INTEGER + 1;
}

START_TEST(what_is_purged_has_a_line_and_nothing_has_none)
{
	struct segment_facts got, purged = facts;
	struct buf b;
	char *at;

	buf_init(&b);
	ck_assert_int_eq(manifest_put(&b, &facts, slice_str("")), 0);
	ck_assert_ptr_null(memmem(b.p, b.n, "purged", 6));
	ck_assert_int_eq(manifest_parse(&got, NULL, buf_slice(&b)), 0);
	ck_assert_uint_eq(got.purged, 0);
	buf_reset(&b);
	purged.purged = 7;
	ck_assert_int_eq(manifest_put(&b, &purged, slice_str("")), 0);
	ck_assert_int_eq(manifest_parse(&got, NULL, buf_slice(&b)), 0);
	ck_assert_uint_eq(got.purged, 7);
	at = memmem(b.p, b.n, "purged 7", 8);
	ck_assert_ptr_nonnull(at);
	at[7] = '0'; /* none has no line */
	ck_assert_int_eq(manifest_parse(&got, NULL, buf_slice(&b)), STELE_ESYNTAX);
	purged.purged = purged.count + 1;
	ck_assert_int_eq(manifest_put(&b, &purged, slice_str("")), STELE_EINVAL);
	buf_fini(&b);
}
END_TEST

START_TEST(what_is_out_of_range_is_not_written)
{
	void (*const changes[])(struct segment_facts *) = {
		unaligned, empty,   huge,      no_generation, no_key,      later_ctl,
		backwards, no_file, no_origin, two_lines,     no_software, too_much,
	};
	struct buf b, names;

	ck_assert_int_eq(put_changed(nothing), 0);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
		ck_assert_msg(put_changed(changes[i]) == STELE_EINVAL, "%zu", i);
	buf_init(&b);
	buf_init(&names);
	ck_assert_int_eq(manifest_put(&b, &facts, slice_str("512-300.1")), STELE_EINVAL);
	ck_assert_int_eq(manifest_put(&b, &facts, slice_str("513-300.1\n")), STELE_EINVAL);
	ck_assert_int_eq(manifest_put(&b, &facts, slice_str("\n")), STELE_EINVAL);
	for (unsigned i = 0; i < LIMIT_SEGMENT_REPLACES; i++)
		buf_put_str(&names, "512-300.1\n");
	ck_assert_int_eq(manifest_put(&b, &facts, buf_slice(&names)), 0);
	buf_reset(&b);
	buf_put_str(&names, "512-300.1\n");
	ck_assert_int_eq(manifest_put(&b, &facts, buf_slice(&names)), STELE_EINVAL);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
	buf_fini(&names);
}
END_TEST

START_TEST(a_text_that_says_it_otherwise_is_refused_and_a_new_version_by_its_name)
{
	const char *const changes[][2] = {
		{"count 700", "count 0700"},
		{"size 1212", "size 1211"},
		{"generation 2", "generation 4294967298"},
		{"log 4\n", "log 4\nlog 4\n"},
		{"software", "Software"},
		{"steled/0.1.0\n", "steled/0.1.0"},
		{"steled/0.1.0\n", "steled/0.1.0\n\n"},
		{"ctl 600", "ctl -600"},
		{"log 4\n", "log 4 \n"},
		{"data_key 9", "data_key 0"},
	};
	struct segment_facts got;
	struct buf b, c;

	buf_init(&b);
	buf_init(&c);
	ck_assert_int_eq(manifest_put(&b, &facts, slice_str("")), 0);
	ck_assert_int_eq(manifest_parse(&got, NULL, buf_slice(&b)), 0);
	buf_put_u8(&b, 0);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		char *at = strstr((char *)b.p, changes[i][0]);
		ck_assert_ptr_nonnull(at);
		buf_reset(&c);
		buf_put(&c, b.p, (size_t)(at - (char *)b.p));
		buf_put_str(&c, changes[i][1]);
		buf_put_str(&c, at + strlen(changes[i][0]));
		ck_assert_msg(manifest_parse(&got, NULL, buf_slice(&c)) == STELE_ESYNTAX, "%s",
			      changes[i][1]);
	}
	b.p[15] = '2';
	ck_assert_int_eq(manifest_parse(&got, NULL, slice_of(b.p, b.n - 1)), STELE_EVERSION);
	buf_fini(&b);
	buf_fini(&c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("manifest");
	TCase *c = tcase_create("manifest");
	SRunner *r = srunner_create(s);
	int failed;

	if (crypto_init() != 0)
		return 1;
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, begin, end);
	tcase_add_test(c, a_manifest_reads_back_as_it_was_written);
	tcase_add_test(c, every_changed_or_missing_byte_of_a_manifest_is_found);
	tcase_add_test(c, a_manifest_of_something_else_or_by_someone_else_is_refused);
	tcase_add_test(c, what_is_purged_has_a_line_and_nothing_has_none);
	tcase_add_test(c, what_is_out_of_range_is_not_written);
	tcase_add_test(c, a_text_that_says_it_otherwise_is_refused_and_a_new_version_by_its_name);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
