/*
 * What has become of a request of erasure: what of it is gone, what may go, and what still locks
 * the rest. The answer to who asked for it.
 */
#ifndef STELE_SERVER_ERASURE_STATE_H
#define STELE_SERVER_ERASURE_STATE_H

#include "proto/buf.h"
#include "server/erasure.h"

struct access;
struct log;
struct server;
struct toolbox;

/* Whether the server purges of that log by itself what may go: nobody asked that two look at it.
 * Any thread. */
bool erasure_goes_alone(struct access *a, struct log *log);

/*
 * Appends it without braces, as the API shows it: as erasure_put, then what has become of it.
 * STELE_EDAMAGED with why, STELE_EIO, STELE_ENOMEM. A worker thread: it reads the columns of the
 * segments in which its records lie.
 */
int erasure_state_put(struct buf *b, struct server *s, struct log *log, const struct erasure *e,
		      struct toolbox *t, struct buf *why);

#endif
