/* Keys of idempotency digests: repeats are known over two epochs, and then nothing is left. */
#include "scratch_store.h"

#include "crypto/init.h"
#include "storage/internal.h"
#include "suite.h"

#define DAY_NS (INT64_C(86400) * 1000000000)

static struct scratch s;

static int
send(struct log *log, const char *key)
{
	struct append_job job;
	int err;

	scratch_job(&s, &job, log, "{}", key);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	err = job.err;
	append_job_fini(&job);
	return err;
}

static unsigned
keys_in_ring(void)
{
	const struct keyring_data *d;
	unsigned found = 0;
	size_t n;

	d = keyring_each_data(s.st->keyring, &n);
	for (size_t i = 0; i < n; i++)
		found += d[i].kind == KEYRING_DIGEST;
	return found;
}

START_TEST(a_repeat_is_known_in_the_next_epoch_and_its_digest_means_nothing_in_the_one_after)
{
	struct log *log;
	struct digest_keys first, now;
	uint8_t digest[16], again[16], key[16] = {7};

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	ck_assert_int_eq(send(log, "a"), 0);
	digest_keys_get(s.st, &first);
	digest_make(digest, &first, 0, log->id, key);
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_uint_eq(keys_in_ring(), 1);
	s.now_ns += 6 * DAY_NS;
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_uint_eq(keys_in_ring(), 1);
	ck_assert_int_eq(send(log, "b"), 0);
	s.now_ns += 2 * DAY_NS;
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_uint_eq(keys_in_ring(), 2);
	ck_assert_int_eq(send(log, "b"), STELE_EDUPLICATE); /* two days old */
	ck_assert_int_eq(send(log, "c"), 0);
	ck_assert_int_eq(send(log, "c"), STELE_EDUPLICATE);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	ck_assert_int_eq(send(log, "b"), STELE_EDUPLICATE);
	s.now_ns += 7 * DAY_NS;
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_uint_eq(keys_in_ring(), 2);
	digest_keys_get(s.st, &now);
	for (unsigned i = 0; i < now.n; i++) {
		ck_assert_mem_ne(now.key[i], first.key[0], 32);
		digest_make(again, &now, i, log->id, key);
		ck_assert_mem_ne(again, digest, 16);
	}
	ck_assert_int_eq(send(log, "c"), STELE_EDUPLICATE);
	ck_assert_int_eq(send(log, "b"), 0); /* nine days old: forgotten, as promised for seven */
	scratch_end(&s);
}
END_TEST

START_TEST(the_same_key_in_another_log_is_another_digest)
{
	struct digest_keys keys;
	uint8_t a[16], b[16], key[16] = {7};

	scratch_begin(&s);
	digest_keys_get(s.st, &keys);
	digest_make(a, &keys, 0, 1, key);
	digest_make(b, &keys, 0, 2, key);
	ck_assert_mem_ne(a, b, 16);
	ck_assert_int_ge(digest_means_until_ns(s.st), s.now_ns + 13 * DAY_NS);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_repeat_is_known_in_the_next_epoch_and_its_digest_means_nothing_in_the_one_after,
		the_same_key_in_another_log_is_another_digest,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("digest", tests, sizeof tests / sizeof *tests, 60);
}
