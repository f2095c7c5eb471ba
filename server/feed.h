/*
 * What tails follow: one query that goes on as its logs grow (docs/queries.md, "Tails"). All tails
 * of a loop that ask the same with the same token share one, so that a record is looked at and
 * written down once for all of them.
 *
 * It goes on in rounds, on a worker, each of which ends in a piece of text that the tails send from
 * the same memory. Pieces form a list; a tail holds the piece it sent last, and each piece the next
 * one, so what is kept is what the slowest tail has yet to take.
 *
 * A tail that begins in the past has a feed of its own until it has caught up, and then joins
 * (server/tails.c): its feed aims at where the other one is, and takes hold of the piece there.
 */
#ifndef STELE_SERVER_FEED_H
#define STELE_SERVER_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "server/query.h"

struct kit;
struct log;
struct mapping;
struct request;
struct server;
struct tail;
struct tails;
struct token;

/* The loop's thread alone has to do with pieces. */
struct piece {
	unsigned refs;
	struct piece *next;         /* what follows, counted; NULL: it is the newest */
	struct http_budget *budget; /* of answers that wait: it counts as one */
	uint64_t end;               /* bytes of all pieces of its feed up to and with this one */
	uint64_t rows;
	size_t n;
	uint8_t *bytes; /* one chunk of HTTP; none: it is only a place to go on behind */
};

/* Counts one more holder; and one fewer. */
struct piece *piece_ref(struct piece *p);
void piece_unref(struct piece *p); /* and what it alone holds behind it; NULL is fine */

/* Everybody has it: its text may go. */
void piece_empty(struct piece *p);

/* How far a log was looked through. */
struct feed_place {
	const struct log *log;
	const struct mapping *mapping; /* by which it is read */
	uint64_t next;
};

struct feed {
	struct feed *next; /* of the loop's */
	struct tails *tails;
	uint64_t number; /* no other of the process's loop has it */
	struct tail *members;
	size_t n_ready; /* of them, those that are to be served */

	/* What is asked, by whom, and how far it came: the worker's while a round is under way. */
	struct server *server;
	struct token *token; /* counted */
	struct arena memory;
	struct query q;
	struct query_source *spare; /* room for another choice */
	struct buf text, id;
	struct piece *made; /* by the round, or NULL: it found nothing to say */
	int err;
	uv_work_t work;
	bool worked; /* there was a kit */

	/* What the loop knows of it. */
	bool running, heard, more; /* a round is; there may be something new; there is, known */
	bool own;                  /* one tail's, which catches up */
	struct piece *newest;      /* counted */
	struct feed_place places[LIMIT_QUERY_LOGS]; /* behind it */
	size_t n_places;
	uint64_t horizon;    /* q's, then */
	struct buf position; /* the id of that, for who comes back */
	/* Of one that catches up: where it will join. */
	struct piece *anchor; /* counted; NULL: nowhere yet */
	uint64_t anchor_feed; /* whose it is */
	struct feed_place aim[LIMIT_QUERY_LOGS];
	size_t n_aim;
};

/* Where a tail begins. */
struct feed_start {
	struct slice id; /* behind the event of that id; empty: as follows */
	bool has_index;  /* with the record of one log, or 0: of all */
	uint64_t index;
	bool has_time; /* with what was received then or later; neither: with what comes now */
	int64_t time_ns;
};

/* An empty one, whose query is to be read (q.memory is the request's till feed_own). NULL without
 * memory. */
struct feed *feed_new(struct request *r);

/*
 * Chooses logs and where to begin, and makes it ready. A worker thread. STELE_ESYNTAX: the id is
 * not one of this question by this principal; STELE_EINVAL: an index, of several logs, or beyond
 * the end; others as query_choose.
 */
int feed_begin(struct feed *f, const struct feed_start *start, struct kit *kit);

/* Takes over what the query was read into, the request's arena, so that it outlives the request. */
void feed_own(struct feed *f, struct request *r);

/* No round is under way, and it has no member. */
void feed_free(struct feed *f);

/* A round: looks at what is new, or up to what it aims at. Sets err, made, id. A worker thread. */
void feed_round(struct feed *f, struct kit *kit);

/* After it, on the loop: what it found becomes the newest piece. False: there is none. */
bool feed_settle(struct feed *f);

/* Whether a log has grown, or been born, since it was looked at. */
bool feed_has_news(const struct feed *f);

/* Whether it asks the same as another, with the same rights, and reads by the same schemas. */
bool feed_same(const struct feed *a, const struct feed *b);

/* How far a is, seen from b. */
enum feed_order {
	FEED_EQUAL,
	FEED_BEHIND, /* in some logs, and in none ahead */
	FEED_AHEAD,  /* in some */
	FEED_OTHER,  /* b has logs that a does not know yet */
};
enum feed_order feed_compare(const struct feed *a, const struct feed *b);

/* a shall go as far as b is, and take hold of the piece there. */
void feed_aim(struct feed *a, const struct feed *b);

/* Forgets that again. */
void feed_let_go(struct feed *f);

/* Whether one of a list is to join another feed before its newest piece, and then has to have it.
 */
bool feed_is_aimed_at(const struct feed *shared, const struct feed *list);

#endif
