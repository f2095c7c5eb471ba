/*
 * Has authorities say when the store was as it is (RFC 3161): the newest checkpoint of `_system`,
 * which has the heads of all logs, goes to each of --timestamp-url every --timestamp-every, when it
 * has grown. What they answer is checked (crypto/tsp.h) and becomes a record of `_system`, so that
 * the next one covers it. A thread of its own, in nobody's way: an authority that is down, slow or
 * lying costs a warning and is asked again, later and later, at most as seldom as that. When the
 * wall clock steps they are asked at once (server/timestamps_step.h).
 */
#ifndef STELE_SERVER_TIMESTAMPS_H
#define STELE_SERVER_TIMESTAMPS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"

struct server;
struct timestamps;

/*
 * Starts asking whoever the configuration of s names; *out = NULL when it names nobody. After
 * audit_open. STELE_EINVAL: a URL or the file of roots is not one; STELE_EIO, STELE_ENOMEM; why
 * says what to do.
 */
int timestamps_start(struct timestamps **out, struct server *s, struct buf *why);

/* Gives up what is under way. Before audit_close. NULL is fine. */
void timestamps_stop(struct timestamps *t);

/* Asks all of them now, grown or not. Any thread. */
void timestamps_now(struct timestamps *t);

/* Appends how each authority is, as a JSON array: none for NULL. Any thread. */
void timestamps_put(struct timestamps *t, struct buf *out);

/*
 * Whether anybody else's time counts as evidence here: authorities are asked, and their roots are
 * known (--timestamp-ca). Then *index and *time_ns are those of the latest that such a one gave,
 * -1 both when there is none. Any thread.
 */
bool timestamps_evidence(struct timestamps *t, int64_t *index, int64_t *time_ns);

struct timestamps_figures {
	uint64_t granted, failed;
	int64_t age_s;     /* of the newest, by evidence time; -1: there is none */
	int64_t expires_s; /* until the newest one's certificate ends; -1: there is none, or it has
			    */
	bool late;         /* one is older than three times as often, or its end is near */
};

/* All of them together. Zeros for NULL, and -1. Any thread. */
void timestamps_figures(struct timestamps *t, struct timestamps_figures *f);

#endif
