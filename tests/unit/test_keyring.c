/* crypto/keyring: keys survive a restart, are found quickly, and dropped ones are gone. */
#include "crypto/keyring.h"

#include <sys/stat.h>
#include <time.h>

#include <check.h>

#include "crypto/init.h"
#include "crypto/sign.h"
#include "proto/err.h"
#include "tests/unit/folder.h"

static struct keyfile_seal *plain, *sealed;
static struct folder folder;
static char path[512];

static void
setup(void)
{
	folder_init(&folder);
	snprintf(path, sizeof path, "%s", folder_path(&folder, "keyring"));
}

static void
teardown(void)
{
	folder_fini(&folder);
}

static struct keyring *
open_ring(struct keyfile_seal *seal, bool create)
{
	struct keyring *kr;

	ck_assert_int_eq(keyring_open(&kr, path, seal, create), 0);
	return kr;
}

static uint64_t
add(struct keyring *kr, uint64_t log_id, const char *name)
{
	uint64_t key_id = 0;

	ck_assert_int_eq(keyring_add_log(kr, log_id, slice_str(name), &key_id), 0);
	return key_id;
}

/* The log's seed of that epoch, or NULL. */
static const struct keyring_seed *
seed_of(const struct keyring *kr, uint64_t log_id, size_t epoch)
{
	const struct keyring_seed *s;
	size_t n;

	s = keyring_find_seeds(kr, log_id, &n);
	return epoch < n ? &s[epoch] : NULL;
}

START_TEST(committed_keys_are_there_after_a_restart_and_others_are_not)
{
	struct keyring *kr = open_ring(sealed, true);
	struct keyring_data data;
	struct keyring_seed seed;
	uint64_t id = add(kr, 7, "payments"), lost;

	data = *keyring_find_data(kr, id);
	seed = *seed_of(kr, 7, 0);
	ck_assert_int_eq(keyring_commit(kr), 0);
	lost = add(kr, 8, "k8s-prod");
	keyring_free(kr);

	kr = open_ring(sealed, false);
	ck_assert_ptr_nonnull(keyring_find_data(kr, id));
	ck_assert_mem_eq(keyring_find_data(kr, id)->key, data.key, 32);
	ck_assert_uint_eq(keyring_find_data(kr, id)->log_id, 7);
	ck_assert_int_eq(keyring_find_data(kr, id)->kind, KEYRING_TAIL);
	ck_assert_mem_eq(seed_of(kr, 7, 0)->seed, seed.seed, 32);
	ck_assert_str_eq(seed_of(kr, 7, 0)->name, "payments");
	ck_assert_ptr_null(keyring_find_data(kr, lost));
	ck_assert_ptr_null(seed_of(kr, 8, 0));
	keyring_free(kr);
}
END_TEST

START_TEST(every_key_is_its_own)
{
	struct keyring *kr = open_ring(plain, true);
	uint64_t a = add(kr, 1, "a"), b = add(kr, 2, "b"), c = add(kr, 3, "c");

	ck_assert_uint_ne(a, 0);
	ck_assert(a != b && b != c && a != c);
	ck_assert_mem_ne(keyring_find_data(kr, a)->key, keyring_find_data(kr, b)->key, 32);
	ck_assert_mem_ne(keyring_find_data(kr, b)->key, keyring_find_data(kr, c)->key, 32);
	ck_assert_mem_ne(seed_of(kr, 2, 0)->seed, seed_of(kr, 3, 0)->seed, 32);
	ck_assert_mem_ne(seed_of(kr, 1, 0)->seed, keyring_find_data(kr, a)->key, 32);
	ck_assert_int_eq(keyring_add_log(kr, 2, slice_str("b"), &a), STELE_EEXIST);
	ck_assert_int_eq(keyring_add_log(kr, 4, slice_str(""), &a), STELE_EINVAL);
	keyring_free(kr);
}
END_TEST

START_TEST(a_dropped_log_leaves_nothing_and_its_key_id_is_not_used_again)
{
	struct keyring *kr = open_ring(plain, true);
	uint64_t a = add(kr, 1, "a"), b = add(kr, 2, "b"), c;
	size_t n;

	keyring_drop_log(kr, 2);
	keyring_drop_log(kr, 99);
	ck_assert_ptr_null(keyring_find_data(kr, b));
	ck_assert_ptr_null(seed_of(kr, 2, 0));
	ck_assert_ptr_nonnull(keyring_find_data(kr, a));
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_free(kr);
	kr = open_ring(plain, false);
	c = add(kr, 3, "c");
	ck_assert_uint_gt(c, b);
	keyring_each_data(kr, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(keyring_each_seed(kr, &n)[1].name, "c");
	ck_assert_uint_eq(n, 2);
	keyring_free(kr);
}
END_TEST

START_TEST(a_segments_key_outlives_a_restart_and_goes_alone)
{
	struct keyring *kr = open_ring(sealed, true);
	uint64_t tail = add(kr, 7, "payments"), first, second;
	uint8_t key[32];
	size_t n;

	ck_assert_int_eq(keyring_add_data(kr, 7, KEYRING_SEGMENT, 1, &first), 0);
	ck_assert_int_eq(keyring_add_data(kr, 7, KEYRING_SEGMENT, 2, &second), 0);
	ck_assert(tail != first && first != second);
	memcpy(key, keyring_find_data(kr, second)->key, 32);
	ck_assert_mem_ne(key, keyring_find_data(kr, first)->key, 32);
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_drop_data(kr, first);
	keyring_drop_data(kr, first);
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_free(kr);

	kr = open_ring(sealed, false);
	keyring_each_data(kr, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_ptr_null(keyring_find_data(kr, first));
	ck_assert_int_eq(keyring_find_data(kr, tail)->kind, KEYRING_TAIL);
	ck_assert_int_eq(keyring_find_data(kr, second)->kind, KEYRING_SEGMENT);
	ck_assert_uint_eq(keyring_find_data(kr, second)->epoch, 2);
	ck_assert_mem_eq(keyring_find_data(kr, second)->key, key, 32);
	keyring_free(kr);
}
END_TEST

static int
next_epoch(struct keyring *kr, uint64_t log_id, uint64_t first_size)
{
	int err = keyring_prepare_epoch(kr, log_id, first_size, 0);

	return err ? err : keyring_begin_epoch(kr, log_id);
}

START_TEST(logs_may_come_in_any_order)
{
	static const uint64_t ids[] = {50, 3, 99, 1, 51, 2, 98};
	struct keyring *kr = open_ring(plain, true);
	size_t n;

	for (size_t i = 0; i < 7; i++)
		add(kr, ids[i], "log");
	for (uint64_t first_size = 10; first_size < 30; first_size += 10) {
		for (size_t i = 7; i-- > 0;)
			ck_assert_int_eq(next_epoch(kr, ids[i], first_size), 0);
	}
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_free(kr);
	kr = open_ring(plain, false);
	keyring_each_seed(kr, &n);
	ck_assert_uint_eq(n, 21);
	for (size_t i = 0; i < 7; i++) {
		for (uint32_t epoch = 0; epoch < 3; epoch++) {
			const struct keyring_seed *s = seed_of(kr, ids[i], epoch);
			ck_assert_ptr_nonnull(s);
			ck_assert(s->log_id == ids[i] && s->epoch == epoch);
		}
		ck_assert_ptr_null(seed_of(kr, ids[i], 3));
	}
	keyring_free(kr);
}
END_TEST

/* What a log's key signed stays verifiable, and nothing more can be signed with it. */
START_TEST(an_epoch_that_ends_leaves_its_public_key)
{
	struct keyring *kr = open_ring(sealed, true);
	struct sha256 *h = sha256_new();
	struct signer *signer;
	const struct keyring_seed *s;
	uint64_t tail = add(kr, 7, "payments");
	uint8_t first[32], second[32], zeros[32] = {0};
	size_t n;

	add(kr, 8, "other");
	memcpy(first, seed_of(kr, 7, 0)->seed, 32);
	ck_assert_int_eq(signer_new(&signer, h, slice_str("x/payments"), first), 0);
	ck_assert_int_eq(next_epoch(kr, 7, 1), STELE_EINVAL);
	ck_assert_int_eq(next_epoch(kr, 9, 5), STELE_ENOTFOUND);
	ck_assert_int_eq(next_epoch(kr, 7, 41), 0);
	ck_assert_int_eq(next_epoch(kr, 7, 41), STELE_EINVAL);
	memcpy(second, seed_of(kr, 7, 1)->seed, 32);
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_free(kr);

	kr = open_ring(sealed, false);
	s = keyring_find_seeds(kr, 7, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert(s[0].ended && !s[1].ended);
	ck_assert_uint_eq(s[0].first_size, 1);
	ck_assert_uint_eq(s[1].first_size, 41);
	ck_assert_str_eq(s[1].name, "payments");
	ck_assert_mem_eq(s[0].seed, zeros, 32);
	ck_assert_mem_eq(s[0].public_key, signer_vkey(signer)->public_key, 32);
	ck_assert_mem_eq(s[1].seed, second, 32);
	ck_assert_mem_ne(first, second, 32);
	ck_assert_ptr_nonnull(keyring_find_data(kr, tail));
	ck_assert(!seed_of(kr, 8, 0)->ended);
	signer_free(signer);
	sha256_free(h);
	keyring_free(kr);
}
END_TEST

/* The one that signs goes on until the prepared one begins; each lies in the file. */
START_TEST(a_prepared_epoch_changes_nothing_until_it_begins)
{
	struct keyring *kr = open_ring(sealed, true);
	uint8_t signs[32], other[32], prepared[32], zeros[32] = {0};
	size_t n;

	add(kr, 7, "payments");
	add(kr, 8, "other");
	memcpy(signs, seed_of(kr, 7, 0)->seed, 32);
	ck_assert_ptr_null(keyring_prepared(kr, 7));
	ck_assert_int_eq(keyring_begin_epoch(kr, 7), STELE_ENOTFOUND);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 9, 0), 0);
	memcpy(other, keyring_prepared(kr, 7)->seed, 32);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 5, 0), 0); /* in its place */
	memcpy(prepared, keyring_prepared(kr, 7)->seed, 32);
	ck_assert_mem_ne(prepared, other, 32);
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_free(kr);

	kr = open_ring(sealed, false);
	ck_assert_ptr_null(keyring_prepared(kr, 8));
	ck_assert_uint_eq(keyring_prepared(kr, 7)->first_size, 5);
	ck_assert_uint_eq(keyring_prepared(kr, 7)->epoch, 1);
	ck_assert_mem_eq(keyring_prepared(kr, 7)->seed, prepared, 32);
	ck_assert_mem_eq(keyring_find_seeds(kr, 7, &n)->seed, signs, 32);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(keyring_begin_epoch(kr, 7), 0);
	ck_assert_ptr_null(keyring_prepared(kr, 7));
	ck_assert(keyring_find_seeds(kr, 7, &n)->ended);
	ck_assert_mem_eq(keyring_find_seeds(kr, 7, &n)->seed, zeros, 32); /* in memory, too */
	ck_assert_uint_eq(n, 2);
	ck_assert_mem_eq(seed_of(kr, 7, 1)->seed, prepared, 32);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 5, 0), STELE_EINVAL);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 9, 5, 0), STELE_ENOTFOUND);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 6, (uint64_t)UINT32_MAX + 1), STELE_ELIMIT);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 6, 1000), 0);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 6, 2000), 0); /* in its place */
	ck_assert_int_eq(keyring_begin_epoch(kr, 7), 0);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 7, 1), 0);
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_free(kr);

	kr = open_ring(sealed, false);
	ck_assert_uint_eq(keyring_find_seeds(kr, 7, &n)[2].epoch, 2000);
	ck_assert_uint_eq(keyring_prepared(kr, 7)->epoch, 2001);
	keyring_drop_log(kr, 7);
	ck_assert_ptr_null(keyring_prepared(kr, 7));
	ck_assert(!seed_of(kr, 8, 0)->ended);
	keyring_free(kr);
}
END_TEST

START_TEST(ten_thousand_logs_are_written_and_found_quickly)
{
	enum { N = 10000 };
	struct keyring *kr = open_ring(sealed, true);
	struct timespec t0, t1, t2;
	char name[64];

	for (uint64_t i = 0; i < N; i++) {
		snprintf(name, sizeof name, "log-%llu", (unsigned long long)i);
		add(kr, i, name);
	}
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ck_assert_int_eq(keyring_commit(kr), 0);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	keyring_free(kr);
	kr = open_ring(sealed, false);
	clock_gettime(CLOCK_MONOTONIC, &t2);
	printf("%d logs: commit %.1f ms, open %.1f ms\n", N,
	       (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6,
	       (double)(t2.tv_sec - t1.tv_sec) * 1e3 + (double)(t2.tv_nsec - t1.tv_nsec) / 1e6);
	for (uint64_t i = 0; i < N; i++) {
		ck_assert_uint_eq(seed_of(kr, i, 0)->log_id, i);
		ck_assert_uint_eq(keyring_find_data(kr, i + 1)->log_id, i);
	}
	ck_assert_ptr_null(keyring_find_data(kr, 0));
	ck_assert_ptr_null(keyring_find_data(kr, N + 1));
	keyring_free(kr);
}
END_TEST

START_TEST(a_missing_keyring_is_made_only_when_asked)
{
	struct keyring *kr = NULL;
	struct stat st;

	ck_assert_int_eq(keyring_open(&kr, path, plain, false), STELE_ENOTFOUND);
	ck_assert_ptr_null(kr);
	keyring_free(open_ring(plain, true));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(keyring_open(&kr, path, sealed, true), STELE_EKEY);
	ck_assert_ptr_null(kr);
	keyring_free(NULL);
}
END_TEST

/* A body of two data keys (4 + 8 + 4 + 4 bytes in) and two seeds (at 132 and 132 + 55). */
static void
body_of_two(struct buf *body)
{
	struct keyring *kr = open_ring(plain, true);

	add(kr, 1, "a");
	add(kr, 2, "b");
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_free(kr);
	buf_init(body);
	ck_assert_int_eq(keyfile_read(path, body, plain), 0);
	ck_assert_uint_eq(body->n, 20 + 2 * 56 + 2 * 55);
}

static int
reopen_with(struct slice body)
{
	struct keyring *kr;
	int r;

	ck_assert_int_eq(keyfile_write(path, body, plain), 0);
	r = keyring_open(&kr, path, plain, false);
	if (r == 0)
		keyring_free(kr);
	return r;
}

START_TEST(a_body_that_is_not_in_order_is_refused)
{
	static const struct {
		size_t at;
		uint8_t value;
		int want;
	} cases[] = {
		{0, 1, STELE_EVERSION},         /* version */
		{4, 2, STELE_EDAMAGED},         /* next key id not above the last */
		{12, 3, STELE_EDAMAGED},        /* one data key more than there is */
		{16, 3, STELE_EDAMAGED},        /* one seed more */
		{16, 1, STELE_EDAMAGED},        /* one seed fewer */
		{20 + 56, 1, STELE_EDAMAGED},   /* the same key id twice */
		{20, 0, STELE_EDAMAGED},        /* key id 0 */
		{20 + 16, 5, STELE_EVERSION},   /* unknown kind */
		{132 + 55, 1, STELE_EDAMAGED},  /* the same log and epoch twice */
		{132 + 8, 1, STELE_EDAMAGED},   /* a log that begins with epoch 1 */
		{132 + 12, 2, STELE_EDAMAGED},  /* epoch 0 does not speak from 1 on */
		{132 + 20, 1, STELE_EDAMAGED},  /* a log whose epochs have all ended */
		{187 + 20, 1, STELE_EDAMAGED},  /* the last one, too */
		{132 + 20, 2, STELE_EDAMAGED},  /* prepared, without one that signs */
		{132 + 20, 3, STELE_EDAMAGED},  /* no such state */
		{132 + 53, 0, STELE_EDAMAGED},  /* a log without a name */
		{132 + 53, 64, STELE_EDAMAGED}, /* a name too long */
		{132 + 54, 0, STELE_EDAMAGED},  /* a NUL in a name */
	};
	struct buf body;

	body_of_two(&body);
	ck_assert_int_eq(reopen_with(buf_slice(&body)), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t old = body.p[cases[i].at];
		body.p[cases[i].at] = cases[i].value;
		ck_assert_int_eq(reopen_with(buf_slice(&body)), cases[i].want);
		body.p[cases[i].at] = old;
	}
	for (size_t n = 0; n < body.n; n++)
		ck_assert_int_eq(reopen_with(slice_of(body.p, n)), STELE_EDAMAGED);
	buf_put_u8(&body, 0);
	ck_assert_int_eq(reopen_with(buf_slice(&body)), STELE_EDAMAGED);
	keyfile_wipe(&body);
}
END_TEST

/* What the identity of its time signed of an epoch stays, and nothing takes its place. */
START_TEST(a_statement_stays_with_its_epoch)
{
	struct keyring *kr = open_ring(sealed, true);
	uint8_t a[KEYRING_STATEMENT_BYTES], b[KEYRING_STATEMENT_BYTES];

	memset(a, 'a', sizeof a);
	memset(b, 'b', sizeof b);
	add(kr, 7, "payments");
	add(kr, 8, "other");
	ck_assert_int_eq(keyring_state(kr, 7, 0, a), 0);
	ck_assert_int_eq(keyring_state(kr, 7, 0, b), STELE_EEXIST);
	ck_assert_int_eq(keyring_state(kr, 7, 1, b), STELE_ENOTFOUND);
	ck_assert_int_eq(keyring_state(kr, 9, 0, b), STELE_ENOTFOUND);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 5, 0), 0);
	ck_assert_int_eq(keyring_state(kr, 7, 1, a), 0);
	ck_assert_int_eq(keyring_prepare_epoch(kr, 7, 6, 0), 0); /* another key, not stated yet */
	ck_assert(!keyring_prepared(kr, 7)->stated);
	ck_assert_int_eq(keyring_state(kr, 7, 1, b), 0);
	ck_assert_int_eq(keyring_begin_epoch(kr, 7), 0);
	ck_assert_int_eq(keyring_commit(kr), 0);
	keyring_free(kr);

	kr = open_ring(sealed, false);
	ck_assert(seed_of(kr, 7, 0)->stated && seed_of(kr, 7, 1)->stated);
	ck_assert(!seed_of(kr, 8, 0)->stated);
	ck_assert_mem_eq(seed_of(kr, 7, 0)->statement, a, sizeof a);
	ck_assert_mem_eq(seed_of(kr, 7, 1)->statement, b, sizeof b);
	ck_assert(seed_of(kr, 7, 0)->ended && !seed_of(kr, 7, 1)->ended);
	keyring_free(kr);
}
END_TEST

START_TEST(a_keyring_of_version_2_is_read)
{
	struct buf body;

	body_of_two(&body);
	ck_assert_uint_eq(body.p[0], 3);
	body.p[0] = 2;
	ck_assert_int_eq(reopen_with(buf_slice(&body)), 0);
	body.p[0] = 4;
	ck_assert_int_eq(reopen_with(buf_slice(&body)), STELE_EVERSION);
	keyfile_wipe(&body);
}
END_TEST

static TCase *
cases(void)
{
	TCase *t = tcase_create("keyring");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, committed_keys_are_there_after_a_restart_and_others_are_not);
	tcase_add_test(t, every_key_is_its_own);
	tcase_add_test(t, a_dropped_log_leaves_nothing_and_its_key_id_is_not_used_again);
	tcase_add_test(t, a_segments_key_outlives_a_restart_and_goes_alone);
	tcase_add_test(t, logs_may_come_in_any_order);
	tcase_add_test(t, an_epoch_that_ends_leaves_its_public_key);
	tcase_add_test(t, a_prepared_epoch_changes_nothing_until_it_begins);
	tcase_add_test(t, a_statement_stays_with_its_epoch);
	tcase_add_test(t, a_keyring_of_version_2_is_read);
	tcase_add_test(t, ten_thousand_logs_are_written_and_found_quickly);
	tcase_add_test(t, a_missing_keyring_is_made_only_when_asked);
	tcase_add_test(t, a_body_that_is_not_in_order_is_refused);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("keyring");
	SRunner *r = srunner_create(s);
	int failed;

	if (crypto_init() != 0 || keyfile_seal_new(&plain, NULL) != 0 ||
	    keyfile_seal_new(&sealed, "correct horse") != 0)
		return 1;
	suite_add_tcase(s, cases());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	keyfile_seal_free(plain);
	keyfile_seal_free(sealed);
	return failed != 0;
}
