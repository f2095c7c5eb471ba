/* What goes out on a socket whose peer reads late, or makes TLS talk and never reads. */
#include "server/wire.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/limits.h"
#include "server/loop.h"

#include "suite.h"
#include "tls_pair.h"

struct world {
	uv_loop_t loop;
	struct wire wire;
	int peer; /* the other end: it does not block */
	int sent; /* calls of sent(), and the last status */
	int status;
	char scratch[LOOP_SCRATCH_BYTES];
};

static void
on_sent(struct wire *w, int status)
{
	struct world *c = w->tcp.data;

	c->sent++;
	c->status = status;
}

/* Two ends of a TCP connection with small buffers; a wire on one of them. */
static void
connect_world(struct world *c, struct tls_session *tls)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int small = 8192, listener = socket(AF_INET, SOCK_STREAM, 0), ours;

	memset(c, 0, sizeof *c);
	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, n), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&a, &n);
	c->peer = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(c->peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	ck_assert_int_eq(connect(c->peer, (struct sockaddr *)&a, n), 0);
	ours = accept(listener, NULL, NULL);
	close(listener);
	fcntl(c->peer, F_SETFL, O_NONBLOCK);
	uv_loop_init(&c->loop);
	wire_init(&c->wire, &c->loop, c->scratch, on_sent);
	c->wire.tls = tls;
	c->wire.tcp.data = c;
	ck_assert_int_eq(uv_tcp_open(&c->wire.tcp, ours), 0);
}

static void
close_world(struct world *c)
{
	uv_close((uv_handle_t *)&c->wire.tcp, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	wire_fini(&c->wire);
	ck_assert_int_eq(uv_loop_close(&c->loop), 0);
	close(c->peer);
}

enum { BIG = 3 << 20 };

/* Sends BIG bytes, reads them at the other end; through the pair's client when there is one. */
static void
assert_all_comes(struct world *c, struct tls_pair *p)
{
	uint8_t *sent = malloc(BIG), *got = malloc(BIG), piece[65536];
	size_t have = 0;

	for (size_t i = 0; i < BIG; i++)
		sent[i] = (uint8_t)(i * 31 >> 3);
	ck_assert_int_eq(wire_send(&c->wire, slice_of(sent, BIG)), 0);
	ck_assert_uint_gt(wire_waiting(&c->wire), BIG / 2);
	while (have < BIG) {
		ssize_t n = read(c->peer, piece, sizeof piece);
		int more;

		uv_run(&c->loop, UV_RUN_NOWAIT);
		ck_assert(!p || tls_waiting(p->server) <= LIMIT_TLS_OWN_BYTES);
		if (n > 0 && !p) {
			memcpy(got + have, piece, (size_t)n);
			have += (size_t)n;
		} else if (n > 0) {
			ck_assert_int_eq(BIO_write(p->in, piece, (int)n), n);
			while ((more = SSL_read(p->client, got + have, (int)(BIG - have))) > 0)
				have += (size_t)more;
		}
	}
	for (int i = 0; i < 10; i++)
		uv_run(&c->loop, UV_RUN_NOWAIT);
	ck_assert_int_eq(c->sent, 1);
	ck_assert_int_eq(c->status, 0);
	ck_assert_uint_eq(wire_waiting(&c->wire), 0);
	ck_assert_mem_eq(sent, got, BIG);
	ck_assert_int_eq(wire_send(&c->wire, slice_of("x", 1)), 1);
	ck_assert_int_eq(c->sent, 1);
	free(sent);
	free(got);
}

START_TEST(a_message_goes_as_the_peer_takes_it)
{
	struct world *c = malloc(sizeof *c);

	connect_world(c, NULL);
	assert_all_comes(c, NULL);
	close_world(c);
	free(c);
}
END_TEST

START_TEST(under_tls_too)
{
	struct world *c = malloc(sizeof *c);
	struct tls_world w;
	struct tls_pair p;

	world_init(&w);
	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	connect_world(c, p.server);
	assert_all_comes(c, &p);
	close_world(c);
	p.server = NULL;
	pair_fini(&p);
	world_fini(&w);
	free(c);
}
END_TEST

START_TEST(a_peer_that_makes_tls_talk_and_takes_nothing_is_given_up)
{
	static uint8_t big[BIG];
	struct world *c = malloc(sizeof *c);
	struct tls_world w;
	struct tls_pair p;
	char got[16];
	int i, rc = 0;

	world_init(&w);
	pair_init(&p, &w, NULL, NULL);
	ck_assert_int_eq(pair_shake(&p), 1);
	connect_world(c, p.server);
	ck_assert_int_eq(wire_send(&c->wire, slice_of(big, BIG)), 0);
	for (i = 0; i < 100000 && rc >= 0; i++) {
		ck_assert_int_eq(SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED), 1);
		SSL_do_handshake(p.client);
		while (pair_to_server(&p))
			;
		ck_assert_int_eq(tls_read(p.server, got, sizeof got), 0);
		rc = wire_flush(&c->wire);
		ck_assert_uint_lt(tls_waiting(p.server), 2 * LIMIT_TLS_OWN_BYTES);
	}
	ck_assert_int_eq(rc, UV_ENOBUFS);
	close_world(c);
	ck_assert_int_eq(c->sent, 1); /* the message that was under way is not */
	ck_assert_int_lt(c->status, 0);
	p.server = NULL;
	pair_fini(&p);
	world_fini(&w);
	free(c);
}
END_TEST

START_TEST(a_peer_that_went_away_is_said)
{
	static uint8_t big[BIG];
	struct world *c = malloc(sizeof *c);

	connect_world(c, NULL);
	ck_assert_int_eq(wire_send(&c->wire, slice_of(big, BIG)), 0);
	close(c->peer);
	for (int i = 0; i < 1000 && !c->sent; i++)
		uv_run(&c->loop, UV_RUN_NOWAIT);
	ck_assert_int_eq(c->sent, 1);
	ck_assert_int_lt(c->status, 0);
	c->peer = -1;
	close_world(c);
	free(c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_message_goes_as_the_peer_takes_it,
		under_tls_too,
		a_peer_that_makes_tls_talk_and_takes_nothing_is_given_up,
		a_peer_that_went_away_is_said,
	};

	signal(SIGPIPE, SIG_IGN);
	return suite_run("wire", tests, sizeof tests / sizeof *tests, 60);
}
