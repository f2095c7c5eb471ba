/*
 * A connection's phases, its end and its deadlines: what server/conn.c does not do with bytes.
 * For conn.c only.
 */
#ifndef STELE_SERVER_CONN_LIFE_H
#define STELE_SERVER_CONN_LIFE_H

#include "server/conn.h"
#include "server/tls_session.h"

#define CONN_MAGIC 0x636f6e6eu

/* The phase begins, unless it is the one already; idling begins anew each time. */
void conn_set_phase(struct conn *c, enum conn_phase phase);

/* The answer alone stays, and counts. False: slow readers hold as much as they may. */
bool conn_hold_answer(struct conn *c);

/* It has gone, or will not go. */
void conn_let_answer_go(struct conn *c);

/* Closes the socket; frees all once it is closed and no handler has the request. */
void conn_close(struct conn *c);

/* The last step of that, for whoever finds it closed after a handler. */
void conn_free(struct conn *c);

/* Tells a peer under TLS that nothing follows, and what went before was whole. */
void conn_say_goodbye(struct conn *c);

/* Sends no more, but reads on for a while, so that what was sent gets to the peer. */
void conn_linger(struct conn *c);

/* Reads from the socket, or does not. In conn.c. */
void conn_want_reading(struct conn *c, bool want);

/* A handshake failed. */
void conn_count_failure(struct conn *c, enum tls_failure why);

#endif
