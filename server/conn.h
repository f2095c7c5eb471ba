/*
 * A connection: bytes from the socket, through TLS where there is one, into its
 * request, answers back, and the deadlines that no peer may miss.
 */
#ifndef STELE_SERVER_CONN_H
#define STELE_SERVER_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "server/loop.h"
#include "server/turns.h"
#include "server/wire.h"

enum conn_phase {
	CONN_HANDSHAKE, /* of TLS */
	CONN_TURN,      /* it has begun, and waits for its turn */
	CONN_IDLE,      /* no byte of a request */
	CONN_HEADER,    /* a head has begun */
	CONN_BODY,      /* a body is coming */
	CONN_HANDLER,   /* a handler has it: no deadline of ours */
	CONN_WRITE,     /* the answer waits for the peer to take it */
	CONN_LINGER,    /* the answer is out, what still comes is dropped */
};

struct conn {
	uint32_t magic;
	enum conn_phase phase;
	struct loop *loop;
	struct request *r; /* NULL while idle */
	struct conn *prev, *next;
	bool running, reading, continued, worked, eof, closing, closed;
	bool refused;                      /* one more than there may be: to be told so */
	bool shaking;                      /* its handshake had its turn, or has it */
	struct turn turn;                  /* while it waits for that */
	uint64_t since_ms, moved_ms;       /* start of the phase; last progress in it */
	uint64_t moved_bytes, write_bytes; /* progress in the phase; size of the answer */
	uint64_t held_bytes;               /* charged for the answer while it waits */
	struct wire wire;
	struct token *cert;       /* whom its certificate stands for, counted; or NULL */
	uint64_t cert_generation; /* of server/access.h, when that was found out */
	uv_shutdown_t shutdown;
	uv_work_t work;
};

/* Takes the connection that waits on the loop's listener. */
void conn_accept(struct loop *l);

/* Its handshake's turn has come. */
void conn_take_turn(struct conn *c);

/* A handler that took a piece of the body gave a window: reads on. */
void conn_go_on(struct conn *c);

/* An interim answer (RFC 9110 section 15.2), whole; nothing is sent when the peer cannot take it.
 */
void conn_send_interim(struct conn *c, struct slice text);

/* From r->pull: r->out holds the next piece of the answer; r->source is NULL with the last one. */
void conn_send_more(struct request *r);

/* From r->pull: there is no next piece; the peer sees the connection end too early. */
void conn_cut(struct request *r);

/* The same at any time since the answer began, also while a piece waits to be taken. */
void conn_drop(struct request *r);

/* Whether the peer has ended its side, or the connection is broken. */
bool conn_left(const struct request *r);

/* Cuts the connection when its deadline has passed. */
void conn_check_deadline(struct conn *c, uint64_t now_ms);

/* Closes the connection if it is idle; or whatever it does (by force), but for handlers. */
void conn_drain(struct conn *c, bool by_force);

#endif
