/*
 * The socket of a connection and what goes out on it, in clear or under TLS: one message at a
 * time, as much of it at once as the socket takes, and under TLS never more of it encrypted
 * than that.
 */
#ifndef STELE_SERVER_WIRE_H
#define STELE_SERVER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "proto/slice.h"

struct tls_session;

struct wire {
	uv_tcp_t tcp;
	uv_write_t write;
	struct tls_session *tls; /* NULL: in clear. The wire's */
	char *scratch;           /* LOOP_SCRATCH_BYTES, the loop's */
	struct slice rest; /* of the message: not encrypted, or not given to the socket, yet */
	uint8_t *held;     /* encrypted, what the socket has yet to take */
	bool message;      /* one is under way: sent() follows */
	bool flying;       /* so is a write */
	void (*sent)(struct wire *w, int status);
};

/*
 * Prepares w, all zeroes, without a socket; w->tls may be set before the first byte. sent: the
 * message that wire_send left waiting is gone, or the connection is broken (status < 0), maybe long
 * after.
 */
void wire_init(struct wire *w, uv_loop_t *loop, char *scratch,
	       void (*sent)(struct wire *w, int status));

/* After the socket is closed. */
void wire_fini(struct wire *w);

/*
 * Sends bytes, which stay where they are until they have gone: 1, they have; 0, sent() follows;
 * negative (libuv's), the connection is broken. Not before the last message has gone.
 */
int wire_send(struct wire *w, struct slice bytes);

/*
 * Sends what TLS itself has to say, if anything. Negative: the connection is broken, or its peer
 * does not take what it makes us say.
 */
int wire_flush(struct wire *w);

/* Bytes that have not gone yet. */
size_t wire_waiting(const struct wire *w);

#endif
