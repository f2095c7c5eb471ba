/*
 * The lock that an append asks for in its head: Stele-Retain-Until, Stele-Retain-For or
 * Stele-Retain-Event. What cannot be had is refused, and never becomes a shorter lock.
 */
#ifndef STELE_SERVER_WISH_H
#define STELE_SERVER_WISH_H

#include <stdbool.h>

#include "proto/limits.h"
#include "proto/policy.h"

struct request;

struct wish {
	struct policy_wish is; /* its event's bytes are in `event` once wish_of was asked */
	char event[LIMIT_EVENT_BYTES];
};

/*
 * Reads r's fields, whose token must have the scope retain for it. False: answered, 422 for what is
 * not understood, 403 without the scope; any other field that begins with Stele- is refused, too.
 */
bool wish_read(struct request *r, struct wish *w);

/* For the job of an append, as long as w stays where it is; NULL: what the policy says. */
const struct policy_wish *wish_of(struct wish *w);

/* A sentence: what cannot be represented. */
extern const char wish_too_far[];

/* wish_refuse.c */

/*
 * Whether r's log offers it now: for who would send much first. False: answered. With a key the
 * record may be there already, with an end that is over by now: then the writer decides.
 */
bool wish_offered(struct request *r, struct wish *w, bool has_key);

/* Answers that the writer refused it (STELE_EPERM, STELE_ELIMIT), with the policy's sentence. */
void wish_refuse(struct request *r, struct wish *w);

/* Answers that the log's quota is used up (STELE_EQUOTA). */
void wish_refuse_quota(struct request *r);

#endif
