/*
 * Bearer tokens: "stele_ID_SECRET". Only a keyed hash of the secret is kept,
 * in DIR/keys/tokens (a key file: 0600, replaced atomically). Safe from any
 * thread.
 */
#ifndef STELE_SERVER_TOKENS_H
#define STELE_SERVER_TOKENS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "server/scope.h"

enum {
	TOKEN_ID_CHARS = 10,     /* 50 random bits: unique among LIMIT_TOKENS */
	TOKEN_SECRET_CHARS = 52, /* 256 random bits in base32 */
	TOKEN_CHARS = 6 + TOKEN_ID_CHARS + 1 + TOKEN_SECRET_CHARS,
	TOKEN_PATTERNS = 32,
	TOKEN_HASH_BYTES = 16,
};

/* One token; counted, and immutable but for what the first right secret leaves. */
struct token {
	atomic_uint refs;
	/*
	 * The secret once it was proven by its hash, in memory only, so that the next
	 * request need not hash it: 0 not yet, 1 being copied, 2 there.
	 */
	atomic_int proven;
	char secret[TOKEN_SECRET_CHARS];
	char id[TOKEN_ID_CHARS + 1];
	char principal[LIMIT_WRITER_BYTES + 1]; /* entries name it as their writer */
	uint8_t hash[TOKEN_HASH_BYTES];
	unsigned scopes; /* of enum scope */
	int64_t created_ns;
	int64_t expires_ns; /* 0: never */
	size_t n_patterns;
	struct slice patterns[TOKEN_PATTERNS]; /* into text */
	char text[LIMIT_TOKEN_PATTERNS_BYTES];
};

struct tokens;

/*
 * Opens DIR/keys/tokens. When there is none, this is a first start: it makes
 * one token with every scope on every log and leaves it in DIR/admin.token
 * (0600). On failure why says what to do. STELE_EKEY, STELE_EDAMAGED,
 * STELE_EIO, STELE_ENOMEM.
 */
int tokens_open(struct tokens **out, const char *dir, const char *passphrase, struct buf *why);
void tokens_free(struct tokens *t);

/*
 * The token that text is, referenced for the caller, or NULL: unknown,
 * revoked, expired or not a token at all. The comparison takes the same time
 * for every wrong secret.
 */
struct token *tokens_check(struct tokens *t, struct slice text, int64_t now_ns);
void token_unref(struct token *token);

/* True when the token has any of these scopes on the log (empty name: on any log at all). */
bool token_may(const struct token *token, unsigned scopes, struct slice log);

/* What a new token is to be. */
struct token_request {
	unsigned scopes;
	struct slice principal; /* empty: a new opaque id beginning with kind */
	char kind;              /* 'p'erson, 's'ervice, 'j'ob */
	int64_t created_ns, expires_ns;
	struct slice patterns[TOKEN_PATTERNS];
	size_t n_patterns;
};

/*
 * Makes a token, durably. text gets the token itself, for the only time; *out
 * is referenced for the caller. STELE_ELIMIT (LIMIT_TOKENS, or patterns too
 * long), STELE_EINVAL, STELE_EIO.
 */
int tokens_create(struct tokens *t, const struct token_request *req, char text[TOKEN_CHARS + 1],
		  struct token **out);

/* Takes a token away, durably, at once. STELE_ENOTFOUND, STELE_EIO. */
int tokens_revoke(struct tokens *t, struct slice id);

/*
 * Up to cap tokens in order of id, those after `after`; each referenced for
 * the caller. Returns how many.
 */
size_t tokens_list(struct tokens *t, struct slice after, struct token **out, size_t cap);

#endif
