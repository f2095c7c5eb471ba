/* OpenSSL reads and writes the socket itself; what it cannot do now it says, and is asked again. */
#include "bench/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "proto/err.h"

enum { HANDSHAKE_MS = 10000, ADDRESS_BYTES = 16 };

/* The newest ticket of a link: one is asked for with every session that resumes. */
static int
keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct link *l = SSL_get_app_data(ssl);

	SSL_SESSION_free(l->session);
	l->session = session;
	return 1; /* it is ours now */
}

int
links_init(struct links *ls, const struct sockaddr_in *to, const char *ca, bool resume)
{
	*ls = (struct links){.to = *to, .resume = resume};
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	if (!ca)
		return 0;
	ls->tls = SSL_CTX_new(TLS_client_method());
	if (!ls->tls)
		return STELE_ENOMEM;
	SSL_CTX_set_verify(ls->tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ls->tls,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ls->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ls->tls, keep_ticket);
	if (SSL_CTX_set_min_proto_version(ls->tls, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_load_verify_locations(ls->tls, ca, NULL) == 1)
		return 0;
	links_fini(ls);
	return STELE_EINVAL;
}

void
links_fini(struct links *ls)
{
	SSL_CTX_free(ls->tls);
	ls->tls = NULL;
}

const char *
link_why(void)
{
	unsigned long e = ERR_peek_last_error();

	return e ? ERR_reason_error_string(e) : strerror(errno);
}

/* What an operation that returned rc, not above 0, means. */
static ssize_t
outcome(struct link *l, int rc)
{
	switch (SSL_get_error(l->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return LINK_LATER;
	case SSL_ERROR_ZERO_RETURN:
		return LINK_ENDED;
	default:
		return LINK_FAILED;
	}
}

static int
shake_hands(struct link *l)
{
	struct pollfd p = {.fd = l->fd};
	int rc;

	while ((rc = SSL_do_handshake(l->ssl)) != 1) {
		p.events = SSL_want_write(l->ssl) ? POLLOUT : POLLIN;
		if (outcome(l, rc) != LINK_LATER || poll(&p, 1, HANDSHAKE_MS) != 1)
			return STELE_EIO;
	}
	return 0;
}

static int
secure(const struct links *ls, struct link *l)
{
	char address[ADDRESS_BYTES];

	l->ssl = SSL_new(ls->tls);
	if (!l->ssl)
		return STELE_ENOMEM;
	SSL_set_connect_state(l->ssl);
	SSL_set_app_data(l->ssl, l);
	if (!inet_ntop(AF_INET, &ls->to.sin_addr, address, sizeof address) ||
	    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(l->ssl), address) != 1 ||
	    SSL_set_fd(l->ssl, l->fd) != 1 ||
	    (ls->resume && l->session && SSL_set_session(l->ssl, l->session) != 1))
		return STELE_ENOMEM;
	return 0;
}

int
link_open(const struct links *ls, struct link *l, bool wait)
{
	const struct linger none = {.l_onoff = 1};
	int on = 1, err = 0;

	ERR_clear_error();
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 ||
	    (connect(l->fd, (const struct sockaddr *)&ls->to, sizeof ls->to) != 0 &&
	     errno != EINPROGRESS) ||
	    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) != 0)
		return STELE_EIO;
	if (ls->tls)
		err = secure(ls, l);
	return err == 0 && ls->tls && wait ? shake_hands(l) : err;
}

ssize_t
link_send(struct link *l, const uint8_t *p, size_t n)
{
	size_t done = 0;
	ssize_t sent;
	int rc;

	if (l->ssl) {
		ERR_clear_error();
		rc = SSL_write_ex(l->ssl, p, n, &done);
		return rc == 1 ? (ssize_t)done : outcome(l, rc);
	}
	sent = send(l->fd, p, n, MSG_NOSIGNAL);
	return sent >= 0 ? sent : errno == EAGAIN ? LINK_LATER : LINK_FAILED;
}

/* Record by record: one is no sign that no more are there. */
static ssize_t
open_records(struct link *l, uint8_t *p, size_t n)
{
	size_t got = 0, some;
	int rc = 1;

	ERR_clear_error();
	while (got < n && (rc = SSL_read_ex(l->ssl, p + got, n - got, &some)) == 1)
		got += some;
	return got ? (ssize_t)got : outcome(l, rc);
}

ssize_t
link_recv(struct link *l, uint8_t *p, size_t n)
{
	ssize_t got;

	if (l->ssl)
		return open_records(l, p, n);
	got = recv(l->fd, p, n, 0);
	return got > 0 ? got : got == 0 ? LINK_ENDED : errno == EAGAIN ? LINK_LATER : LINK_FAILED;
}

bool
link_resumed(const struct link *l)
{
	return l->ssl && SSL_session_reused(l->ssl) == 1;
}

void
link_close(struct link *l)
{
	if (l->ssl)
		SSL_set_shutdown(l->ssl, SSL_SENT_SHUTDOWN); /* else its session may not resume */
	SSL_free(l->ssl);
	l->ssl = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void
link_fini(struct link *l)
{
	link_close(l);
	SSL_SESSION_free(l->session);
	l->session = NULL;
}
