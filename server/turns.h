/*
 * Turns to begin a TLS handshake, of one loop. A handshake costs as much as many requests do, and
 * whoever opens one after another would leave no time for those: so many begin a second
 * (--handshake-rate), a tenth of a second's worth at once, and the others wait. Who waits is asked
 * in turn by address, so that one that comes with thousands does not keep out another that comes
 * with one. Pure: no socket, no clock of its own.
 */
#ifndef STELE_SERVER_TURNS_H
#define STELE_SERVER_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct sockaddr;

/* So few that a round over them costs nothing; two addresses share one now and then. */
enum { TURNS_LANES = 256 };

/* One that waits, or may: its conn's. */
struct turn {
	struct conn *conn;
	struct turn *prev, *next;
	unsigned lane;
};

struct turns {
	uint64_t per_s;    /* 0: everyone at once */
	uint64_t until_ns; /* when what has begun is used up, at that rate (GCRA) */
	size_t most;       /* that may wait in one lane */
	size_t waiting;    /* in all of them */
	unsigned at;       /* the lane that was asked last */
	struct {
		struct turn *first, *last;
		size_t n;
	} lane[TURNS_LANES];
};

/* Nobody waits. */
void turns_init(struct turns *t, uint64_t per_s, size_t most);

/* True: it may begin now, which counts. Never while others wait. */
bool turns_now(struct turns *t, uint64_t now_ns);

/* It waits, by the address it comes from (IPv6: its first 64 bits). False: its lane is full. */
bool turns_wait(struct turns *t, struct turn *turn, const struct sockaddr *from);

/* It waits no more. */
void turns_leave(struct turns *t, struct turn *turn);

/* Takes out whose turn it is now, which counts; NULL: nobody's yet. */
struct turn *turns_next(struct turns *t, uint64_t now_ns);

#endif
