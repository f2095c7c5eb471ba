/*
 * The set is small and read for every request: a sorted array under a
 * read-write lock. A change is written to disk first, under a lock of its
 * own, and only then takes effect.
 */
#include "server/tokens.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/keyfile.h"
#include "crypto/random.h"
#include "proto/check.h"
#include "proto/err.h"
#include "server/server.h"
#include "server/tokens_file.h"
#include "storage/file.h"

struct tokens {
	pthread_rwlock_t lock;   /* set */
	pthread_mutex_t writing; /* one change at a time */
	struct token_set set;
	struct keyfile_seal *seal;
	char path[LIMIT_PATH_BYTES];
};

static const char prefix[] = "stele_";
static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567"; /* base32, lower case */

static void
random_text(char *out, size_t n)
{
	uint8_t bytes[TOKEN_SECRET_CHARS];
	size_t i;

	CHECK(n <= sizeof bytes);
	random_bytes(bytes, n);
	for (i = 0; i < n; i++)
		out[i] = alphabet[bytes[i] % 32];
	explicit_bzero(bytes, sizeof bytes);
}

/* --- checking --------------------------------------------------------------------- */

/* Where id is in the set, or would be. */
static size_t
place(const struct token_set *set, const char *id, bool *found)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = memcmp(set->tokens[mid]->id, id, TOKEN_ID_CHARS);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*found = false;
	return low;
}

static void
hash_secret(uint8_t out[TOKEN_HASH_BYTES], const struct token_set *set, const char *id,
	    struct slice secret)
{
	struct slice parts[] = {slice_of(id, TOKEN_ID_CHARS), secret};

	_Static_assert((int)TOKEN_HASH_BYTES == (int)KDIGEST_BYTES, "hash");
	kdigest(out, set->key, parts, 2);
}

/* Looks at every byte, whatever they are. */
static bool
same(const void *left, const void *right, size_t n)
{
	const uint8_t *a = left, *b = right;
	volatile uint8_t differ = 0;
	size_t i;

	for (i = 0; i < n; i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

/* Whether secret is the token's: against the secret proven before, else by its hash. */
static bool
secret_is(const struct token_set *set, struct token *token, const char *secret)
{
	uint8_t hash[TOKEN_HASH_BYTES];
	int none = 0;

	if (atomic_load_explicit(&token->proven, memory_order_acquire) == 2)
		return same(secret, token->secret, TOKEN_SECRET_CHARS);
	hash_secret(hash, set, token->id, slice_of(secret, TOKEN_SECRET_CHARS));
	if (!same(hash, token->hash, sizeof hash))
		return false;
	if (atomic_compare_exchange_strong(&token->proven, &none, 1)) {
		memcpy(token->secret, secret, TOKEN_SECRET_CHARS);
		atomic_store_explicit(&token->proven, 2, memory_order_release);
	}
	return true;
}

struct token *
tokens_check(struct tokens *t, struct slice text, int64_t now_ns)
{
	const char *id = (const char *)text.p + sizeof prefix - 1;
	struct token *token = NULL;
	bool found;
	size_t at;

	if (text.n != TOKEN_CHARS || memcmp(text.p, prefix, sizeof prefix - 1) != 0 ||
	    id[TOKEN_ID_CHARS] != '_')
		return NULL;
	pthread_rwlock_rdlock(&t->lock);
	at = place(&t->set, id, &found);
	if (found) {
		token = t->set.tokens[at];
		if (secret_is(&t->set, token, id + TOKEN_ID_CHARS + 1) &&
		    (token->expires_ns == 0 || now_ns < token->expires_ns))
			atomic_fetch_add(&token->refs, 1);
		else
			token = NULL;
	}
	pthread_rwlock_unlock(&t->lock);
	return token;
}

void
token_unref(struct token *token)
{
	if (token && atomic_fetch_sub(&token->refs, 1) == 1) {
		explicit_bzero(token->secret, sizeof token->secret);
		free(token);
	}
}

bool
token_may(const struct token *token, unsigned scopes, struct slice log)
{
	size_t i;

	if (!(token->scopes & scopes))
		return false;
	if (log.n == 0)
		return true;
	for (i = 0; i < token->n_patterns; i++) {
		if (scope_pattern_match(token->patterns[i], log))
			return true;
	}
	return false;
}

size_t
tokens_list(struct tokens *t, struct slice after, struct token **out, size_t cap)
{
	size_t i, n = 0;

	pthread_rwlock_rdlock(&t->lock);
	for (i = 0; i < t->set.n && n < cap; i++) {
		struct token *token = t->set.tokens[i];
		size_t shorter = after.n < TOKEN_ID_CHARS ? after.n : TOKEN_ID_CHARS;
		int c = after.n ? memcmp(token->id, after.p, shorter) : 1;

		if (c < 0 || (c == 0 && after.n >= TOKEN_ID_CHARS))
			continue;
		atomic_fetch_add(&token->refs, 1);
		out[n++] = token;
	}
	pthread_rwlock_unlock(&t->lock);
	return n;
}

/* --- changing ---------------------------------------------------------------------- */

static int
save(struct tokens *t, const struct token_set *set)
{
	struct buf body;
	int err;

	buf_init(&body);
	buf_reserve(&body, 4096 + set->n * (sizeof(struct token) * 2));
	tokens_file_encode(&body, set);
	err = body.err ? body.err : keyfile_write(t->path, buf_slice(&body), t->seal);
	keyfile_wipe(&body);
	return err;
}

/*
 * Makes next, an array over the same tokens but for one more or one less, the
 * set in force once it is on disk. Under `writing`.
 */
static int
replace(struct tokens *t, struct token **next, size_t n)
{
	struct token_set set = t->set;
	struct token **old = set.tokens;
	int err;

	set.tokens = next;
	set.n = n;
	err = save(t, &set);
	if (!err) {
		pthread_rwlock_wrlock(&t->lock);
		t->set = set;
		pthread_rwlock_unlock(&t->lock);
	}
	explicit_bzero(set.key, sizeof set.key);
	free(err ? next : old);
	return err;
}

static int
add(struct tokens *t, struct token *token)
{
	struct token **next;
	bool found;
	size_t at;
	int err;

	if (t->set.n >= LIMIT_TOKENS)
		return STELE_ELIMIT;
	at = place(&t->set, token->id, &found);
	if (found)
		return STELE_EEXIST;
	next = calloc(t->set.n + 1, sizeof *next);
	if (!next)
		return STELE_ENOMEM;
	if (at)
		memcpy(next, t->set.tokens, at * sizeof *next);
	next[at] = token;
	if (t->set.n > at)
		memcpy(next + at + 1, t->set.tokens + at, (t->set.n - at) * sizeof *next);
	atomic_fetch_add(&token->refs, 1);
	err = replace(t, next, t->set.n + 1);
	if (err)
		token_unref(token);
	return err;
}

/* A token that is not in the set yet, and its text. NULL when it cannot be as asked. */
static struct token *
mint(struct tokens *t, const struct token_request *req, char text[TOKEN_CHARS + 1])
{
	struct token *token = token_new(req->patterns, req->n_patterns);
	char *id = text + sizeof prefix - 1, *secret = id + TOKEN_ID_CHARS + 1;

	if (!token)
		return NULL;
	memcpy(text, prefix, sizeof prefix - 1);
	random_text(id, TOKEN_ID_CHARS);
	id[TOKEN_ID_CHARS] = '_';
	random_text(secret, TOKEN_SECRET_CHARS);
	text[TOKEN_CHARS] = '\0';
	memcpy(token->id, id, TOKEN_ID_CHARS);
	hash_secret(token->hash, &t->set, id, slice_of(secret, TOKEN_SECRET_CHARS));
	CHECK(req->principal.n < sizeof token->principal);
	if (req->principal.n) {
		memcpy(token->principal, req->principal.p, req->principal.n);
	} else {
		token->principal[0] = req->kind;
		token->principal[1] = '-';
		random_text(token->principal + 2, TOKEN_ID_CHARS);
	}
	token->scopes = req->scopes;
	token->created_ns = req->created_ns;
	token->expires_ns = req->expires_ns;
	return token;
}

int
tokens_create(struct tokens *t, const struct token_request *req, char text[TOKEN_CHARS + 1],
	      struct token **out)
{
	struct token *token;
	int err;

	token = mint(t, req, text);
	if (!token)
		return STELE_ELIMIT;
	pthread_mutex_lock(&t->writing);
	err = add(t, token);
	pthread_mutex_unlock(&t->writing);
	if (err)
		token_unref(token);
	else
		*out = token;
	return err;
}

int
tokens_revoke(struct tokens *t, struct slice id)
{
	struct token **next, *gone;
	bool found = false;
	size_t at = 0;
	int err;

	if (id.n != TOKEN_ID_CHARS)
		return STELE_ENOTFOUND;
	pthread_mutex_lock(&t->writing);
	at = place(&t->set, (const char *)id.p, &found);
	next = found ? calloc(t->set.n, sizeof *next) : NULL;
	if (!found || !next) {
		pthread_mutex_unlock(&t->writing);
		return found ? STELE_ENOMEM : STELE_ENOTFOUND;
	}
	gone = t->set.tokens[at];
	if (at)
		memcpy(next, t->set.tokens, at * sizeof *next);
	if (t->set.n - at > 1)
		memcpy(next + at, t->set.tokens + at + 1, (t->set.n - at - 1) * sizeof *next);
	err = replace(t, next, t->set.n - 1);
	pthread_mutex_unlock(&t->writing);
	if (!err)
		token_unref(gone);
	return err;
}

/* --- opening ------------------------------------------------------------------------ */

/*
 * admin.token is written before the set that knows it: a crash in between
 * leaves a token that opens nothing, and the next start begins again.
 */
static int
first_start(struct tokens *t, const char *dir, struct buf *why)
{
	struct token_request req = {
		.scopes = SCOPE_ALL,
		.kind = 'p',
		.created_ns = server_now_ns(),
		.patterns = {{(const uint8_t *)"*", 1}},
		.n_patterns = 1,
	};
	char text[TOKEN_CHARS + 1], path[LIMIT_PATH_BYTES];
	struct token *token;
	int err;

	random_bytes(t->set.key, sizeof t->set.key);
	token = mint(t, &req, text);
	if (!token)
		return STELE_ENOMEM;
	text[TOKEN_CHARS] = '\n';
	snprintf(path, sizeof path, "%s/admin.token", dir);
	err = file_replace(path, text, sizeof text, 0600);
	explicit_bzero(text, sizeof text);
	if (err)
		buf_printf(why, "Cannot write the first token to %s: %s.", path,
			   stele_strerror(err));
	else
		err = add(t, token);
	token_unref(token);
	return err;
}

static int
load(struct tokens *t, const char *dir, struct buf *why)
{
	struct buf body;
	int err;

	buf_init(&body);
	err = keyfile_read(t->path, &body, t->seal);
	if (!err)
		err = tokens_file_decode(&t->set, buf_slice(&body));
	keyfile_wipe(&body);
	if (err == STELE_ENOTFOUND)
		err = first_start(t, dir, why);
	if (err && why->n == 0)
		buf_printf(why,
			   "Cannot use the tokens in %s: %s. Restore the file from a copy; or "
			   "remove it, and the next start makes a new admin.token and no other.",
			   t->path, stele_strerror(err));
	return err;
}

int
tokens_open(struct tokens **out, const char *dir, const char *passphrase, struct buf *why)
{
	struct tokens *t = calloc(1, sizeof *t);
	int err;

	if (!t)
		return STELE_ENOMEM;
	pthread_rwlock_init(&t->lock, NULL);
	pthread_mutex_init(&t->writing, NULL);
	snprintf(t->path, sizeof t->path, "%s/keys/tokens", dir);
	err = keyfile_seal_new(&t->seal, passphrase);
	if (!err)
		err = load(t, dir, why);
	if (err) {
		tokens_free(t);
		return err;
	}
	*out = t;
	return 0;
}

void
tokens_free(struct tokens *t)
{
	if (!t)
		return;
	tokens_file_free_set(&t->set);
	keyfile_seal_free(t->seal);
	pthread_rwlock_destroy(&t->lock);
	pthread_mutex_destroy(&t->writing);
	free(t);
}
