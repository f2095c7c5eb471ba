/*
 * The sockets that loops accept on: bound at start, before anything else can
 * fail, and listened to at the end, when everything else is ready.
 */
#ifndef STELE_SERVER_LISTEN_H
#define STELE_SERVER_LISTEN_H

#include "proto/buf.h"
#include "server/config.h"

/*
 * Binds one socket for each of c->loops into fds, not yet listening. Port 0
 * becomes the port that the first one gets: c->address says so afterwards.
 * STELE_EIO with why when the address is taken or not ours.
 */
int listen_bind(struct config *c, int *fds, struct buf *why);

#endif
