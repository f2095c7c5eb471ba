/*
 * The tails of one loop: answers that go on as logs grow (server/feed.h is what they follow).
 *
 *   a commit is released -> the bell wakes the loop -> feeds with something new get a round on a
 *   worker -> its piece is sent to each of its tails, some at a time -> the next round
 *
 * Nothing polls, and no thread belongs to a tail. A feed gets its next round when all tails that
 * keep up have the last piece: so pieces grow with the load. All of it leaves the loop three
 * quarters of its time for requests.
 *
 * A tail ends by an event that says why: its token does not open any more, the server stops, a
 * round failed. It is cut, without a word, when it does not take what is there for it.
 */
#ifndef STELE_SERVER_TAILS_H
#define STELE_SERVER_TAILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

struct feed;
struct loop;
struct request;
struct tail;

struct tails {
	struct loop *loop;
	struct feed *shared;             /* whom one joined last, or NULL: the next may do so too */
	struct feed *feeds, **feeds_end; /* those that had a round last at the end */
	size_t n_feeds;
	uint64_t n_opened;               /* feeds, ever: their numbers */
	struct tail *ready, **ready_end; /* to be served, in this order */
	unsigned rounds;                 /* under way */
	bool draining;
	uint64_t not_before_ns; /* the next turn: what is left for others */
	uint64_t generation;    /* of server/access.h, when rights were looked at last */
	uv_timer_t timer;       /* of the next turn */
};

/* None, with a timer of the loop. */
void tails_init(struct tails *t, struct loop *l);

/* With the loop's other handles: all tails have gone. */
void tails_close(struct tails *t);

/*
 * The request's answer, whose head and first events are in its buffer, goes on with what the feed
 * finds from now on; the feed is the tails'. False, and neither is: no memory.
 */
bool tails_join(struct tails *t, struct request *r, struct feed *f);

/* Whether there may be one more feed. */
bool tails_have_room(const struct tails *t);

/* A commit was released. */
void tails_heard(struct tails *t);

/* Now and then: heartbeats, slow readers, rights. */
void tails_tick(struct tails *t);

/* All of them end, now. */
void tails_drain(struct tails *t);

#endif
