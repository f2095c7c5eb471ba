/* A reading of the files is whole, or it changes nothing. */
#include "server/tls.h"

#include <check.h>
#include <time.h>

#include "proto/err.h"

#include "suite.h"
#include "tls_pair.h"

START_TEST(the_earliest_end_of_the_chain_counts)
{
	struct tls_world w;
	struct identity below, leaf;
	struct tls_status s;

	world_init(&w);
	tls_status_get(w.tls, &s);
	ck_assert_int_le(llabs(s.certificate_end_s - (int64_t)time(NULL) - 86400), 5);
	ck_assert_int_eq(s.crl_end_s, 0);
	below = identity_new("below", &w.ca, NULL, 5000);
	leaf = identity_new("leaf", &below, "DNS:server", 9000);
	world_show(&w, &leaf, &below);
	ck_assert_int_eq(tls_reload(w.tls, &w.why), 0);
	tls_status_get(w.tls, &s);
	ck_assert_int_le(llabs(s.certificate_end_s - (int64_t)time(NULL) - 5000), 5);
	ck_assert_uint_eq(s.reloads, 1);
	identity_fini(&below);
	identity_fini(&leaf);
	world_fini(&w);
}
END_TEST

START_TEST(what_cannot_be_used_leaves_what_is_there)
{
	struct tls_world w;
	struct identity other, old;
	struct tls_status before, after;
	struct tls_pair p;

	world_init(&w);
	other = identity_new("other", &w.ca, "DNS:server", 9000);
	old = identity_new("old", &w.ca, "DNS:server", -10);
	tls_status_get(w.tls, &before);
	world_show(&w, &old, NULL);
	ck_assert_int_eq(tls_reload(w.tls, &w.why), STELE_EINVAL);
	EVP_PKEY_free(other.key);
	other.key = w.server.key; /* a certificate with another's key */
	world_show(&w, &other, NULL);
	ck_assert_int_eq(tls_reload(w.tls, &w.why), STELE_EINVAL);
	ck_assert_ptr_nonnull(memmem(w.why.p, w.why.n, "key", 3));
	remove(w.cert);
	ck_assert_int_eq(tls_reload(w.tls, &w.why), STELE_EINVAL);
	tls_status_get(w.tls, &after);
	ck_assert_int_eq(after.certificate_end_s, before.certificate_end_s);
	ck_assert_uint_eq(after.reloads, 0);
	ck_assert_uint_eq(after.reload_failures, 3);
	ck_assert_uint_eq(tls_generation(w.tls), 0);
	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	pair_fini(&p);
	X509_free(other.certificate);
	identity_fini(&old);
	world_fini(&w);
}
END_TEST

START_TEST(sessions_outlive_what_they_began_under)
{
	struct tls_world w;
	struct tls_pair p;
	char got[10];

	world_init(&w);
	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert_int_eq(tls_reload(w.tls, &w.why), 0);
	ck_assert_int_eq(tls_reload(w.tls, &w.why), 0);
	ck_assert_int_eq(SSL_write(p.client, "abc", 3), 3);
	ck_assert(pair_to_server(&p));
	ck_assert_int_eq(tls_read(p.server, got, sizeof got), 3);
	pair_fini(&p);
	world_fini(&w);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_earliest_end_of_the_chain_counts,
		what_cannot_be_used_leaves_what_is_there,
		sessions_outlive_what_they_began_under,
	};

	return suite_run("tls", tests, sizeof tests / sizeof *tests, 60);
}
