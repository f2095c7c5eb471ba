/*
 * Purge plans that were made and may still be approved: what was shown is what is done. In
 * memory alone, for a day, the newest LIMIT_PLANS of them: a plan is quickly made again.
 */
#ifndef STELE_SERVER_PLANS_H
#define STELE_SERVER_PLANS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/slice.h"

struct json_t;

enum { PLAN_ID_CHARS = 12 }; /* "g-" and 50 random bits in base32 */

struct plans {
	pthread_mutex_t mu;
	struct {
		char id[PLAN_ID_CHARS + 1];
		int64_t made_ns;
		struct json_t *doc;
	} plan[LIMIT_PLANS]; /* the oldest first */
	size_t n;
};

/* Empty; and frees all of them. */
void plans_init(struct plans *p);
void plans_fini(struct plans *p);

/* A new id, which no plan has, with its NUL. */
void plans_new_id(char id[PLAN_ID_CHARS + 1]);

/* Keeps doc, an object whose "id" is one that was just made, and counts it. */
void plans_keep(struct plans *p, struct json_t *doc, int64_t now_ns);

/* The plan of that id, counted for the caller; NULL: there is none, or it is too old. */
struct json_t *plans_find(struct plans *p, struct slice id, int64_t now_ns);

#endif
