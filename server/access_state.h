/* What the access_*.c share. */
#ifndef STELE_SERVER_ACCESS_STATE_H
#define STELE_SERVER_ACCESS_STATE_H

#include <pthread.h>

#include <jansson.h>

#include "server/access.h"
#include "server/aliases.h"
#include "server/erasures.h"
#include "server/exports.h"
#include "server/holds.h"
#include "server/schemas.h"

struct access {
	pthread_rwlock_t lock;          /* all below; the acting thread alone writes */
	uint8_t key[KDIGEST_KEY_BYTES]; /* of the secrets' hashes */
	struct principal **principals;  /* in byte order of their ids, each counted once */
	struct token **tokens;          /* likewise */
	size_t n_principals, n_tokens, room_principals, room_tokens;
	struct approval **approvals; /* in the order of their requests */
	size_t n_approvals;
	int64_t stepped_to_ns, settled_by_ns; /* fold_clock_confirm */
	_Atomic uint64_t generation;
	struct holds holds;
	struct erasures erasures;
	struct exports exports;
	struct schemas schemas;
	struct aliases aliases;
	uint64_t successions;        /* of the server's identity, that are recorded */
	int64_t newest_timestamp_ns; /* time of the record of the newest; 0: there is none */
	json_t *dual;                /* types of acts that need a second principal; NULL: none */
};

/* An act that waits for a second principal, or did. */
struct approval {
	char id[APPROVAL_ID_CHARS + 1];
	char by[LIMIT_WRITER_BYTES + 1]; /* who asked */
	int64_t requested_ns, expires_ns;
	enum { APPROVAL_PENDING, APPROVAL_GRANTED, APPROVAL_REFUSED } state;
	char decider[LIMIT_WRITER_BYTES + 1]; /* who granted or refused */
	int64_t decided_ns;
	json_t *act;
	char digest[2 * 32 + 1]; /* SHA-256 of the act as compact JSON, in hex */
};

/* One act on its way into the state. */
struct fold {
	struct access *a;
	int64_t time_ns;
	bool dry;
	struct buf *why;
};

/* Sets why, returns err. */
int fold_refuse(const struct fold *f, int err, const char *why);

/* A member that is a string, or empty. */
struct slice fold_text(const json_t *o, const char *name);

/* True when a grant of it has one of these scopes on the log. */
bool principal_may(const struct principal *p, unsigned scopes, struct slice log);

/* True when a grant of it has one of these scopes, on whatever log. */
bool principal_has(const struct principal *p, unsigned scopes);

/* True when the new one may something that the old one may not, as far as can be seen; in
 * doubt it may. */
bool principal_is_wider(const struct principal *new, const struct principal *old);

/* access_dual.c */
int fold_dual_control(const struct fold *f, const json_t *act);

/* What whoever asks for the act must be allowed: of enum scope. */
unsigned access_asker_scope(const json_t *act);

/* The acts of access_approve.c. */
int fold_approval_request(const struct fold *f, const json_t *act);
int fold_approval_grant(const struct fold *f, const json_t *act);
int fold_approval_refuse(const struct fold *f, const json_t *act);

/*
 * A step that a timestamp confirmed, alone, lets evidence time jump to stepped_to_ns: no 72 hours
 * in which somebody could have looked on. So for as long from there on, nobody approves who did not
 * come before settled_by_ns, which was 72 hours before the step.
 */
int fold_clock_confirm(const struct fold *f, const json_t *act);

/* access_identity.c */
int fold_identity(const struct fold *f, const json_t *act);
void access_encode_identity(const struct access *a, struct buf *out);
int access_decode_identity(struct access *a, const json_t *root);

/* How many principals but this one could approve: for ever, and not disabled. */
size_t access_approvers(const struct access *a, const char *but);

/* Frees all approvals. Appends dual control and approvals as members of the snapshot; reads them.
 */
void access_forget_approvals(struct access *a);
void access_encode_approvals(const struct access *a, struct buf *out);
int access_decode_approvals(struct access *a, const json_t *root);

/* Where the one with this id is, or would be. */
size_t access_place_principal(const struct access *a, struct slice id, bool *found);
size_t access_place_token(const struct access *a, struct slice id, bool *found);

/* The principal of that id, the state's; NULL: there is none. */
struct principal *access_find_principal(const struct access *a, struct slice id);

/* Room for n more of each, so that what follows cannot fail. STELE_ENOMEM. */
int access_reserve(struct access *a, size_t principals, size_t tokens);

/* Puts one in where it belongs, its count with it; there is room, and none of its id. */
void access_insert_principal(struct access *a, struct principal *p);
void access_insert_token(struct access *a, struct token *t);

/* Takes the token at `at` out and drops its count. */
void access_remove_token(struct access *a, size_t at);

#endif
