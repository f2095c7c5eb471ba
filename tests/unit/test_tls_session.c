/* A session against OpenSSL's client, in memory: names, resumption, bytes, the end. */
#include "server/tls_session.h"

#include <check.h>
#include <malloc.h>
#include <unistd.h>

#include "proto/limits.h"

#include "suite.h"
#include "tls_pair.h"

static void
assert_name(const struct tls_peer *peer, size_t at, enum tls_name_kind kind, const char *text)
{
	ck_assert_uint_lt(at, peer->n);
	ck_assert_int_eq(peer->names[at].kind, kind);
	ck_assert(slice_eq_str(peer->names[at].text, text));
}

/* What the client writes comes to the server whole. */
static void
assert_carried(struct tls_pair *p, size_t n)
{
	char sent[LIMIT_TLS_SLICE_BYTES], got[LIMIT_TLS_SLICE_BYTES];
	size_t have = 0;
	ssize_t more;

	for (size_t i = 0; i < n; i++)
		sent[i] = (char)(i * 7);
	ck_assert_int_eq(SSL_write(p->client, sent, (int)n), (int)n);
	while (pair_to_server(p)) {
		while ((more = tls_read(p->server, got + have, sizeof got - have)) > 0)
			have += (size_t)more;
		ck_assert_int_eq(more, 0);
	}
	ck_assert_uint_eq(have, n);
	ck_assert_mem_eq(sent, got, n);
	ck_assert(!tls_partial(p->server));
}

/* And the other way. */
static void
assert_answered(struct tls_pair *p, size_t n)
{
	char sent[LIMIT_TLS_SLICE_BYTES], got[LIMIT_TLS_SLICE_BYTES];
	size_t have = 0;
	int more;

	for (size_t i = 0; i < n; i++)
		sent[i] = (char)(i * 5);
	ck_assert(tls_write(p->server, sent, n));
	while (pair_to_client(p)) {
		while ((more = SSL_read(p->client, got + have, (int)(sizeof got - have))) > 0)
			have += (size_t)more;
	}
	ck_assert_uint_eq(have, n);
	ck_assert_mem_eq(sent, got, n);
}

START_TEST(a_verified_certificate_names_its_holder)
{
	struct tls_world w;
	struct identity client;
	struct tls_pair p;

	world_init(&w);
	client = identity_new("client", &w.ca,
			      "URI:spiffe://example.org/agent,IP:10.0.0.1,DNS:a.example,"
			      "email:ops@example.org",
			      3600);
	pair_init(&p, &w, &client, NULL);
	ck_assert(!tls_ready(p.server));
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert(tls_ready(p.server));
	ck_assert_ptr_nonnull(tls_peer(p.server));
	ck_assert_uint_eq(tls_peer(p.server)->n, 3);
	assert_name(tls_peer(p.server), 0, TLS_NAME_URI, "spiffe://example.org/agent");
	assert_name(tls_peer(p.server), 1, TLS_NAME_DNS, "a.example");
	assert_name(tls_peer(p.server), 2, TLS_NAME_EMAIL, "ops@example.org");
	pair_fini(&p);

	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert_ptr_null(tls_peer(p.server));
	pair_fini(&p);
	identity_fini(&client);
	world_fini(&w);
}
END_TEST

START_TEST(one_that_does_not_hold_ends_the_handshake)
{
	struct tls_world w;
	struct identity stranger = identity_new("client", NULL, NULL, 3600);
	struct tls_pair p;

	world_init(&w);
	pair_init(&p, &w, &stranger, NULL);
	ck_assert_int_eq(pair_shake(&p), TLS_BROKEN);
	ck_assert_int_eq(tls_failure(p.server), TLS_BAD_CERTIFICATE);
	ck_assert_ptr_null(tls_peer(p.server));
	ck_assert(!tls_ready(p.server));
	pair_fini(&p);
	identity_fini(&stranger);
	world_fini(&w);
}
END_TEST

/* The session of a client that has had a record, and so its ticket. */
static SSL_SESSION *
session_of(struct tls_world *w, const struct identity *client)
{
	struct tls_pair p;
	SSL_SESSION *session;

	pair_init(&p, w, client, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert(!tls_resumed(p.server));
	assert_answered(&p, 10);
	session = SSL_get1_session(p.client);
	pair_fini(&p);
	return session;
}

START_TEST(a_session_that_resumes_knows_its_peer_until_the_certificate_ends)
{
	struct tls_world w;
	struct identity client;
	SSL_SESSION *session;
	struct tls_pair p;

	world_init(&w);
	client = identity_new("client", &w.ca, "DNS:a.example", 3);
	session = session_of(&w, &client);
	pair_init(&p, &w, &client, session);
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert(tls_resumed(p.server));
	assert_name(tls_peer(p.server), 0, TLS_NAME_DNS, "a.example");
	pair_fini(&p);

	sleep(4);
	pair_init(&p, &w, &client, session);
	ck_assert_int_eq(pair_shake(&p), TLS_BROKEN);
	ck_assert_int_eq(tls_failure(p.server), TLS_OLD_CERTIFICATE);
	pair_fini(&p);
	SSL_SESSION_free(session);
	identity_fini(&client);
	world_fini(&w);
}
END_TEST

START_TEST(a_reload_makes_verified_sessions_stale_and_tickets_void)
{
	struct tls_world w;
	struct identity client;
	SSL_SESSION *session;
	struct tls_pair p, bare;

	world_init(&w);
	client = identity_new("client", &w.ca, "DNS:a.example", 3600);
	session = session_of(&w, &client);
	pair_init(&p, &w, &client, NULL);
	pair_init(&bare, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert_int_eq(pair_shake(&bare), 1);
	ck_assert(!tls_stale(p.server));
	ck_assert_int_eq(tls_reload(w.tls, &w.why), 0);
	ck_assert(tls_stale(p.server));
	ck_assert(!tls_stale(bare.server));
	assert_carried(&p, 1000);
	assert_answered(&p, 1000);
	pair_fini(&p);
	pair_fini(&bare);
	pair_init(&p, &w, &client, session);
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert(!tls_resumed(p.server));
	ck_assert(!tls_stale(p.server));
	pair_fini(&p);
	SSL_SESSION_free(session);
	identity_fini(&client);
	world_fini(&w);
}
END_TEST

START_TEST(a_key_that_encrypted_enough_is_stale)
{
	struct tls_world w;
	struct tls_pair p;
	char bytes[65536];

	world_init(&w);
	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	for (size_t i = 0; i < LIMIT_TLS_RECORDS - 3; i++) {
		ck_assert(tls_write(p.server, "x", 1));
		if (i % 1000 == 0)
			tls_take(p.server, bytes, sizeof bytes);
	}
	ck_assert(!tls_stale(p.server));
	ck_assert(tls_write(p.server, bytes, LIMIT_TLS_SLICE_BYTES)); /* three records */
	ck_assert(tls_stale(p.server));
	pair_fini(&p);
	world_fini(&w);
}
END_TEST

START_TEST(bytes_come_through_however_they_are_cut)
{
	static const size_t steps[] = {1, 7, 1000, 65536};
	struct tls_world w;
	struct tls_pair p;

	world_init(&w);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		pair_init(&p, &w, NULL, NULL);
		p.step = steps[i];
		ck_assert_int_eq(pair_shake(&p), 1);
		assert_carried(&p, 1);
		assert_carried(&p, LIMIT_TLS_SLICE_BYTES);
		ck_assert_int_eq(SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_carried(&p, 3000);
		assert_answered(&p, LIMIT_TLS_SLICE_BYTES);
		assert_answered(&p, 1);
		pair_fini(&p);
	}
	world_fini(&w);
}
END_TEST

START_TEST(half_a_record_is_told_from_none)
{
	struct tls_world w;
	struct tls_pair p;
	char got[10];

	world_init(&w);
	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert_int_eq(tls_read(p.server, got, sizeof got), 0);
	ck_assert(!tls_partial(p.server));
	ck_assert_int_eq(SSL_write(p.client, "abc", 3), 3);
	p.step = 3;
	ck_assert(pair_to_server(&p));
	ck_assert_int_eq(tls_read(p.server, got, sizeof got), 0);
	ck_assert(tls_partial(p.server));
	while (pair_to_server(&p))
		;
	ck_assert_int_eq(tls_read(p.server, got, sizeof got), 3);
	ck_assert(!tls_partial(p.server));
	pair_fini(&p);
	world_fini(&w);
}
END_TEST

START_TEST(the_end_is_told_from_a_break)
{
	struct tls_world w;
	struct tls_pair p;
	char got[10];

	world_init(&w);
	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	SSL_shutdown(p.client);
	ck_assert(pair_to_server(&p));
	ck_assert_int_eq(tls_read(p.server, got, sizeof got), TLS_ENDED);
	assert_answered(&p, 100); /* the other way is open still */
	tls_goodbye(p.server);
	while (pair_to_client(&p))
		;
	ck_assert_int_le(SSL_read(p.client, got, sizeof got), 0);
	ck_assert(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN);
	pair_fini(&p);

	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	ck_assert(tls_feed(p.server, "\x17\x03\x03\x00\x20 this was never encrypted at all", 37));
	ck_assert_int_eq(tls_read(p.server, got, sizeof got), TLS_BROKEN);
	ck_assert(!tls_ready(p.server));
	pair_fini(&p);
	world_fini(&w);
}
END_TEST

enum { MANY = 64 };

START_TEST(a_session_at_rest_holds_little)
{
	struct tls_session *kept[MANY];
	struct tls_world w;
	struct tls_pair p;
	size_t before = 0, each;

	world_init(&w);
	for (size_t i = 0; i < MANY; i++) {
		pair_init(&p, &w, NULL, NULL);
		ck_assert_int_eq(pair_shake(&p), 1);
		assert_carried(&p, LIMIT_TLS_SLICE_BYTES);
		assert_answered(&p, LIMIT_TLS_SLICE_BYTES);
		kept[i] = p.server;
		p.server = NULL;
		pair_fini(&p);
		if (i == 0) /* what OpenSSL makes once is there now */
			before = mallinfo2().uordblks;
	}
	each = (mallinfo2().uordblks - before) / (MANY - 1);
	ck_assert_msg(each < 24000, "%zu bytes each", each);
	for (size_t i = 0; i < MANY; i++)
		tls_session_free(kept[i]);
	world_fini(&w);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_verified_certificate_names_its_holder,
		one_that_does_not_hold_ends_the_handshake,
		a_session_that_resumes_knows_its_peer_until_the_certificate_ends,
		a_reload_makes_verified_sessions_stale_and_tickets_void,
		a_key_that_encrypted_enough_is_stale,
		bytes_come_through_however_they_are_cut,
		half_a_record_is_told_from_none,
		the_end_is_told_from_a_break,
		a_session_at_rest_holds_little,
	};

	return suite_run("tls_session", tests, sizeof tests / sizeof *tests, 60);
}
