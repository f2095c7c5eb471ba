/* What access.c and access_apply.c share. */
#ifndef STELE_SERVER_ACCESS_STATE_H
#define STELE_SERVER_ACCESS_STATE_H

#include <pthread.h>

#include <jansson.h>

#include "server/access.h"

struct access {
	pthread_rwlock_t lock;          /* all below; the acting thread alone writes */
	uint8_t key[KDIGEST_KEY_BYTES]; /* of the secrets' hashes */
	struct principal **principals;  /* in byte order of their ids, each counted once */
	struct token **tokens;          /* likewise */
	size_t n_principals, n_tokens, room_principals, room_tokens;
};

/* Where the one with this id is, or would be. */
size_t access_place_principal(const struct access *a, struct slice id, bool *found);
size_t access_place_token(const struct access *a, struct slice id, bool *found);

/* Room for n more of each, so that what follows cannot fail. STELE_ENOMEM. */
int access_reserve(struct access *a, size_t principals, size_t tokens);

/* Puts one in where it belongs, its count with it; there is room, and none of its id. */
void access_insert_principal(struct access *a, struct principal *p);
void access_insert_token(struct access *a, struct token *t);

/* Takes the token at `at` out and drops its count. */
void access_remove_token(struct access *a, size_t at);

#endif
