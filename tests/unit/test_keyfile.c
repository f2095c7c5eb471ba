/* crypto/keyfile: what was written is read, damage is told from a wrong passphrase. */
#include "crypto/keyfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "crypto/init.h"
#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "tests/unit/folder.h"

static struct keyfile_seal *plain, *sealed, *wrong;
static struct sha256 *h;
static const char secret[] = "the seed of a log, thirty-two b.";

static void
encode(struct buf *file, struct keyfile_seal *seal)
{
	buf_init(file);
	ck_assert_int_eq(keyfile_encode(file, slice_of(secret, sizeof secret), seal), 0);
}

static int
decode(struct slice file, struct keyfile_seal *seal)
{
	struct buf body;
	int r;

	buf_init(&body);
	r = keyfile_decode(&body, file, seal);
	if (r == 0)
		ck_assert(slice_eq(buf_slice(&body), slice_of(secret, sizeof secret)));
	else
		ck_assert_uint_eq(body.n, 0);
	keyfile_wipe(&body);
	ck_assert_ptr_null(body.p);
	return r;
}

/* Makes the trailer right again after a test changed a field. */
static void
retrail(struct buf *file)
{
	size_t covered = file->n - KEYFILE_TRAILER_BYTES;

	sha256_hash(h, file->p + covered, slice_of(file->p, covered));
}

START_TEST(a_file_opens_with_its_passphrase_and_no_other)
{
	struct keyfile_seal *again;
	struct buf file, other;

	encode(&file, sealed);
	ck_assert_int_eq(decode(buf_slice(&file), sealed), 0);
	ck_assert_int_eq(keyfile_seal_new(&again, "correct horse"), 0);
	encode(&other, again); /* under a salt of its own */
	ck_assert_int_eq(decode(buf_slice(&file), again), 0);
	ck_assert_int_eq(decode(buf_slice(&other), again), 0);
	buf_fini(&other);
	keyfile_seal_free(again);
	ck_assert_int_eq(decode(buf_slice(&file), wrong), STELE_EKEY);
	ck_assert_int_eq(decode(buf_slice(&file), plain), STELE_EKEY);
	ck_assert_ptr_null(memmem(file.p, file.n, secret, 8));
	buf_fini(&file);
}
END_TEST

START_TEST(a_file_without_a_passphrase_is_not_opened_with_one)
{
	struct buf file;

	encode(&file, plain);
	ck_assert_int_eq(decode(buf_slice(&file), plain), 0);
	ck_assert_int_eq(decode(buf_slice(&file), sealed), STELE_EKEY);
	buf_fini(&file);
}
END_TEST

START_TEST(every_flipped_bit_and_every_cut_is_damage)
{
	struct keyfile_seal *seals[] = {plain, sealed};

	for (size_t s = 0; s < 2; s++) {
		struct buf file;

		encode(&file, seals[s]);
		for (size_t bit = 0; bit < 8 * file.n; bit++) {
			file.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			ck_assert_int_eq(decode(buf_slice(&file), seals[s]), STELE_EDAMAGED);
			file.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t n = 0; n < file.n; n++)
			ck_assert_int_eq(decode(slice_of(file.p, n), seals[s]), STELE_EDAMAGED);
		buf_fini(&file);
	}
}
END_TEST

START_TEST(unknown_versions_features_and_kdfs_are_refused)
{
	static const size_t fields[] = {8, 12, 16};

	for (size_t i = 0; i < 3; i++) {
		struct buf file;

		encode(&file, plain);
		le_put32(file.p + fields[i], 2);
		retrail(&file);
		ck_assert_int_eq(decode(buf_slice(&file), plain), STELE_EVERSION);
		buf_fini(&file);
	}
}
END_TEST

START_TEST(a_file_that_asks_for_absurd_work_is_refused)
{
	struct buf file;

	encode(&file, sealed);
	le_put64(file.p + 24, (uint64_t)LIMIT_ARGON2_MAX_BYTES + 1);
	retrail(&file);
	ck_assert_int_eq(decode(buf_slice(&file), sealed), STELE_ELIMIT);
	le_put64(file.p + 24, LIMIT_ARGON2_BYTES);
	le_put32(file.p + 20, LIMIT_ARGON2_MAX_PASSES + 1);
	retrail(&file);
	ck_assert_int_eq(decode(buf_slice(&file), sealed), STELE_ELIMIT);
	le_put32(file.p + 20, 0);
	retrail(&file);
	ck_assert_int_eq(decode(buf_slice(&file), sealed), STELE_EDAMAGED);
	buf_fini(&file);
}
END_TEST

START_TEST(the_header_of_a_sealed_file_is_bound_to_its_body)
{
	struct buf file;

	encode(&file, sealed);
	le_put64(file.p + 48, le_get64(file.p + 48) + 1); /* body longer by one byte */
	buf_put_u8(&file, 0);
	retrail(&file);
	ck_assert_int_eq(decode(buf_slice(&file), sealed), STELE_EKEY);
	buf_fini(&file);
}
END_TEST

START_TEST(writing_again_under_one_seal_derives_no_new_key_but_seals_anew)
{
	struct buf a, b;

	encode(&a, sealed);
	encode(&b, sealed);
	ck_assert_mem_eq(a.p, b.p, KEYFILE_HEADER_BYTES);
	ck_assert_mem_ne(a.p + KEYFILE_HEADER_BYTES, b.p + KEYFILE_HEADER_BYTES, 24);
	buf_fini(&a);
	buf_fini(&b);
}
END_TEST

START_TEST(a_written_file_is_private_whatever_the_umask_and_replaces_the_old)
{
	mode_t old = umask(0);
	struct folder s;
	struct stat st;
	struct buf body;
	char path[512];

	folder_init(&s);
	snprintf(path, sizeof path, "%s", folder_path(&s, "keyring"));
	ck_assert_int_eq(keyfile_write(path, slice_str("old"), plain), 0);
	close(open(folder_path(&s, "keyring.new"), O_CREAT | O_WRONLY, 0666)); /* a crash's rest */
	ck_assert_int_eq(keyfile_write(path, slice_of(secret, sizeof secret), sealed), 0);
	umask(old);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_ne(access(folder_path(&s, "keyring.new"), F_OK), 0);
	buf_init(&body);
	ck_assert_int_eq(keyfile_read(path, &body, sealed), 0);
	ck_assert(slice_eq(buf_slice(&body), slice_of(secret, sizeof secret)));
	keyfile_wipe(&body);
	folder_fini(&s);
}
END_TEST

START_TEST(a_file_others_can_reach_is_refused)
{
	static const mode_t wide[] = {0640, 0604, 0620, 0601, 0700, 0666};
	struct folder s;
	struct buf body;
	char path[512];

	folder_init(&s);
	buf_init(&body);
	snprintf(path, sizeof path, "%s", folder_path(&s, "identity"));
	ck_assert_int_eq(keyfile_write(path, slice_str("x"), plain), 0);
	for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
		ck_assert_int_eq(chmod(path, wide[i]), 0);
		ck_assert_int_eq(keyfile_read(path, &body, plain), STELE_EPERM);
	}
	ck_assert_int_eq(chmod(path, 0400), 0);
	ck_assert_int_eq(keyfile_read(path, &body, plain), 0);
	keyfile_wipe(&body);
	folder_fini(&s);
}
END_TEST

START_TEST(missing_files_folders_and_things_that_are_no_files_have_their_errors)
{
	struct folder s;
	struct buf body;

	folder_init(&s);
	buf_init(&body);
	ck_assert_int_eq(keyfile_read(folder_path(&s, "none"), &body, plain), STELE_ENOTFOUND);
	ck_assert_int_eq(keyfile_write(folder_path(&s, "no/where"), slice_str("x"), plain),
			 STELE_ENOTFOUND);
	ck_assert_int_eq(mkfifo(folder_path(&s, "fifo"), 0600), 0);
	ck_assert_int_eq(keyfile_read(s.path, &body, plain), STELE_EDAMAGED);
	ck_assert_int_eq(keyfile_read(s.dir, &body, plain), STELE_EDAMAGED);
	ck_assert_uint_eq(body.n, 0);
	folder_fini(&s);
}
END_TEST

START_TEST(a_failed_replacement_leaves_the_old_file)
{
	struct folder s;
	struct buf body;
	char path[512];

	folder_init(&s);
	snprintf(path, sizeof path, "%s", folder_path(&s, "keyring"));
	ck_assert_int_eq(keyfile_write(path, slice_str("old"), plain), 0);
	ck_assert_int_eq(mkdir(folder_path(&s, "keyring.new"), 0700), 0); /* in the way */
	ck_assert_int_ne(keyfile_write(path, slice_str("new"), plain), 0);
	buf_init(&body);
	ck_assert_int_eq(keyfile_read(path, &body, plain), 0);
	ck_assert(slice_eq_str(buf_slice(&body), "old"));
	keyfile_wipe(&body);
	folder_fini(&s);
}
END_TEST

START_TEST(passphrases_out_of_bounds_are_refused)
{
	char longest[LIMIT_PASSPHRASE_BYTES + 2];
	struct keyfile_seal *seal = NULL;

	ck_assert_int_eq(keyfile_seal_new(&seal, ""), STELE_EINVAL);
	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	ck_assert_int_eq(keyfile_seal_new(&seal, longest), STELE_EINVAL);
	ck_assert_ptr_null(seal);
	longest[sizeof longest - 2] = '\0';
	ck_assert_int_eq(keyfile_seal_new(&seal, longest), 0);
	keyfile_seal_free(seal);
	keyfile_seal_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keyfile");
	TCase *t = tcase_create("keyfile");
	SRunner *r = srunner_create(s);
	int failed;

	h = sha256_new();
	if (crypto_init() != 0 || !h || keyfile_seal_new(&plain, NULL) != 0 ||
	    keyfile_seal_new(&sealed, "correct horse") != 0 ||
	    keyfile_seal_new(&wrong, "correct horsf") != 0)
		return 1;
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_file_opens_with_its_passphrase_and_no_other);
	tcase_add_test(t, a_file_without_a_passphrase_is_not_opened_with_one);
	tcase_add_test(t, every_flipped_bit_and_every_cut_is_damage);
	tcase_add_test(t, unknown_versions_features_and_kdfs_are_refused);
	tcase_add_test(t, a_file_that_asks_for_absurd_work_is_refused);
	tcase_add_test(t, the_header_of_a_sealed_file_is_bound_to_its_body);
	tcase_add_test(t, writing_again_under_one_seal_derives_no_new_key_but_seals_anew);
	tcase_add_test(t, a_written_file_is_private_whatever_the_umask_and_replaces_the_old);
	tcase_add_test(t, a_file_others_can_reach_is_refused);
	tcase_add_test(t, missing_files_folders_and_things_that_are_no_files_have_their_errors);
	tcase_add_test(t, a_failed_replacement_leaves_the_old_file);
	tcase_add_test(t, passphrases_out_of_bounds_are_refused);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	keyfile_seal_free(plain);
	keyfile_seal_free(sealed);
	keyfile_seal_free(wrong);
	sha256_free(h);
	return failed != 0;
}
