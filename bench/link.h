/*
 * A connection to the server under load, in clear or under TLS 1.3. Nothing here waits, but for
 * links_open's handshake.
 */
#ifndef STELE_BENCH_LINK_H
#define STELE_BENCH_LINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

/* What all links of a run have in common. */
struct links {
	struct sockaddr_in to;
	struct ssl_ctx_st *tls; /* NULL: in clear */
	bool resume;            /* a link that had a ticket resumes its session */
};

struct link {
	int fd; /* -1: not open */
	struct ssl_st *ssl;
	struct ssl_session_st *session; /* of its last ticket, or NULL */
};

/* Instead of a number of bytes. */
enum { LINK_LATER = 0, LINK_ENDED = -1, LINK_FAILED = -2 };

/*
 * ca: a file of certificates in PEM, one of which must have issued the server's, which must be for
 * its address; NULL: in clear. STELE_EINVAL when it cannot be read, STELE_ENOMEM.
 */
int links_init(struct links *ls, const struct sockaddr_in *to, const char *ca, bool resume);
void links_fini(struct links *ls);

/*
 * Connects. With wait the handshake is over when it returns, else it goes with the first bytes,
 * and link_send says LINK_LATER until then. STELE_EIO; STELE_ENOMEM.
 */
int link_open(const struct links *ls, struct link *l, bool wait);

/* Bytes that were taken of n, LINK_LATER, LINK_FAILED: link_why says more. */
ssize_t link_send(struct link *l, const uint8_t *p, size_t n);

/*
 * Bytes that are there, up to n: fewer only when no more are there now. LINK_LATER, LINK_ENDED,
 * LINK_FAILED.
 */
ssize_t link_recv(struct link *l, uint8_t *p, size_t n);

/* Whether the session of an open link under TLS was resumed. */
bool link_resumed(const struct link *l);

/* Ends it at once, without a port that lingers; its ticket stays. */
void link_close(struct link *l);
/* Closes it and drops the ticket. */
void link_fini(struct link *l);

/* The reason of the last failure on this thread, in words. */
const char *link_why(void);

#endif
