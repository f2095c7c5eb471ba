/* What is done first when much is due. */
#include "sealed_log.h"

#include "crypto/init.h"
#include "storage/keyindex.h"
#include "suite.h"

enum { PAYLOAD = 60000 }; /* a WAL file of these scratch stores takes seventeen */

/* Hardly compressible, another one for each i. */
static const char *
payload_of(unsigned i)
{
	static char text[PAYLOAD + 1];
	uint32_t x = i + 1;

	for (int k = 0; k < PAYLOAD; k++) {
		x = x * 1664525 + 1013904223;
		text[k] = (char)(' ' + (x >> 24) % 95);
	}
	return text;
}

/* New keys are looked for in every run, so that many of them cannot wait for sealing to rest. */
START_TEST(runs_of_keys_are_merged_while_there_is_much_to_seal)
{
	struct scratch s;
	struct log *log;
	size_t runs;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (unsigned i = 0; !keyindex_crowded(&s.st->keys); i++) {
		struct append_job job;
		char key[16];
		ck_assert_uint_lt(i, 1000);
		snprintf(key, sizeof key, "key-%u", i);
		scratch_job(&s, &job, log, payload_of(i), key);
		ck_assert_int_eq(store_append_batch(s.st, &job), 0);
		ck_assert_int_eq(job.err, 0);
		append_job_fini(&job);
		ck_assert_int_eq(store_maintain(s.st), 0);
	}
	runs = s.st->keys.n_runs;
	ck_assert_int_eq(store_seal_due(s.st), 1);
	ck_assert_uint_lt(s.st->keys.n_runs, runs);
	ck_assert_uint_eq(log->sealed.n, 0); /* though WAL files wait for it */
	ck_assert_int_eq(store_seal_due(s.st), 1);
	ck_assert_uint_gt(log->sealed.n, 0);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		runs_of_keys_are_merged_while_there_is_much_to_seal,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("sealplan", tests, sizeof tests / sizeof *tests, 120);
}
