/*
 * Two sorted arrays under a read-write lock: they are small, and read for every request. The
 * acts on them are in access_apply.c.
 */
#include "server/access.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "proto/base64.h"
#include "proto/check.h"
#include "proto/err.h"
#include "server/access_json.h"
#include "server/access_state.h"

#define MINUTE_NS INT64_C(60000000000)

static const char prefix[] = "stele_";

struct access *
access_new(void)
{
	struct access *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	pthread_rwlock_init(&a->lock, NULL);
	random_bytes(a->key, sizeof a->key);
	return a;
}

void
access_forget(struct access *a)
{
	pthread_rwlock_wrlock(&a->lock);
	while (a->n_tokens)
		token_unref(a->tokens[--a->n_tokens]);
	while (a->n_principals)
		principal_unref(a->principals[--a->n_principals]);
	access_forget_approvals(a);
	access_forget_holds(a);
	access_forget_erasures(a);
	access_forget_exports(a);
	access_forget_schemas(a);
	access_forget_aliases(a);
	a->newest_timestamp_ns = 0;
	pthread_rwlock_unlock(&a->lock);
}

bool
access_has_principals(struct access *a)
{
	return a->n_principals > 0;
}

void
access_free(struct access *a)
{
	if (!a)
		return;
	access_forget(a);
	free(a->tokens);
	free(a->principals);
	pthread_rwlock_destroy(&a->lock);
	explicit_bzero(a, sizeof *a);
	free(a);
}

void
principal_unref(struct principal *p)
{
	if (p && atomic_fetch_sub(&p->refs, 1) == 1)
		free(p);
}

void
token_unref(struct token *token)
{
	if (token && atomic_fetch_sub(&token->refs, 1) == 1) {
		explicit_bzero(token->secret, sizeof token->secret);
		principal_unref(token->principal);
		free(token);
	}
}

/* --- the arrays ------------------------------------------------------------------------ */

/* Byte order; a prefix comes first. */
static int
compare(const char *have, struct slice id)
{
	size_t n = strlen(have);
	int c = memcmp(have, id.p, n < id.n ? n : id.n);

	return c ? c : (n > id.n) - (n < id.n);
}

size_t
access_place_principal(const struct access *a, struct slice id, bool *found)
{
	size_t low = 0, high = a->n_principals;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (compare(a->principals[mid]->id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*found = low < a->n_principals && compare(a->principals[low]->id, id) == 0;
	return low;
}

struct principal *
access_find_principal(const struct access *a, struct slice id)
{
	bool found;
	size_t at = access_place_principal(a, id, &found);

	return found ? a->principals[at] : NULL;
}

size_t
access_place_token(const struct access *a, struct slice id, bool *found)
{
	size_t low = 0, high = a->n_tokens;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (compare(a->tokens[mid]->id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*found = low < a->n_tokens && compare(a->tokens[low]->id, id) == 0;
	return low;
}

/* Doubles an array of pointers until n fit. */
static int
grow(void ***array, size_t *room, size_t n)
{
	size_t want = *room ? *room : 16;
	void **p;

	if (n <= *room)
		return 0;
	while (want < n)
		want *= 2;
	p = realloc(*array, want * sizeof *p);
	if (!p)
		return STELE_ENOMEM;
	*array = p;
	*room = want;
	return 0;
}

int
access_reserve(struct access *a, size_t principals, size_t tokens)
{
	void **p = (void **)a->principals, **t = (void **)a->tokens;
	int err;

	pthread_rwlock_wrlock(&a->lock);
	err = grow(&p, &a->room_principals, a->n_principals + principals);
	a->principals = (struct principal **)p;
	if (err == 0)
		err = grow(&t, &a->room_tokens, a->n_tokens + tokens);
	a->tokens = (struct token **)t;
	pthread_rwlock_unlock(&a->lock);
	return err;
}

void
access_insert_principal(struct access *a, struct principal *p)
{
	bool found;
	size_t at = access_place_principal(a, slice_str(p->id), &found);

	CHECK(!found && a->n_principals < a->room_principals);
	memmove(a->principals + at + 1, a->principals + at,
		(a->n_principals - at) * sizeof(struct principal *));
	a->principals[at] = p;
	a->n_principals++;
}

void
access_insert_token(struct access *a, struct token *t)
{
	bool found;
	size_t at = access_place_token(a, slice_str(t->id), &found);

	CHECK(!found && a->n_tokens < a->room_tokens);
	memmove(a->tokens + at + 1, a->tokens + at, (a->n_tokens - at) * sizeof(struct token *));
	a->tokens[at] = t;
	a->n_tokens++;
}

void
access_remove_token(struct access *a, size_t at)
{
	token_unref(a->tokens[at]);
	a->n_tokens--;
	memmove(a->tokens + at, a->tokens + at + 1, (a->n_tokens - at) * sizeof(struct token *));
}

/* --- checking --------------------------------------------------------------------------- */

static void
hash_secret(uint8_t out[TOKEN_HASH_BYTES], const struct access *a, const char *id,
	    struct slice secret)
{
	struct slice parts[] = {slice_of(id, TOKEN_ID_CHARS), secret};

	_Static_assert((int)TOKEN_HASH_BYTES == (int)KDIGEST_BYTES, "hash");
	kdigest(out, a->key, parts, 2);
}

/* Looks at every byte, whatever they are. */
static bool
same(const void *left, const void *right, size_t n)
{
	const uint8_t *a = left, *b = right;
	volatile uint8_t differ = 0;

	for (size_t i = 0; i < n; i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

void
access_seal(const struct access *a, const struct slice *parts, size_t n, uint8_t out[KDIGEST_BYTES])
{
	uint8_t key[KDIGEST_KEY_BYTES];

	kdigest_subkey(key, a->key, 1, "handouts");
	kdigest(out, key, parts, n);
	explicit_bzero(key, sizeof key);
}

bool
access_sealed(const struct access *a, const struct slice *parts, size_t n,
	      const uint8_t seal[KDIGEST_BYTES])
{
	uint8_t is[KDIGEST_BYTES];

	access_seal(a, parts, n, is);
	return same(is, seal, sizeof is);
}

/* Whether secret is the token's: against the secret proven before, else by its hash. */
static bool
secret_is(const struct access *a, struct token *token, const char *secret)
{
	uint8_t hash[TOKEN_HASH_BYTES];
	int none = 0;

	if (atomic_load_explicit(&token->proven, memory_order_acquire) == 2)
		return same(secret, token->secret, TOKEN_SECRET_CHARS);
	hash_secret(hash, a, token->id, slice_of(secret, TOKEN_SECRET_CHARS));
	if (!same(hash, token->hash, sizeof hash))
		return false;
	if (atomic_compare_exchange_strong(&token->proven, &none, 1)) {
		memcpy(token->secret, secret, TOKEN_SECRET_CHARS);
		atomic_store_explicit(&token->proven, 2, memory_order_release);
	}
	return true;
}

enum access_answer
token_opens(const struct token *t, int64_t now_ns)
{
	const struct principal *p = t->principal;

	if ((t->expires_ns && now_ns >= t->expires_ns) || (p->ends_ns && now_ns >= p->ends_ns))
		return ACCESS_EXPIRED;
	return ACCESS_OPENS;
}

enum access_answer
access_check(struct access *a, struct slice text, int64_t now_ns, struct token **out)
{
	const char *id = (const char *)text.p + sizeof prefix - 1;
	enum access_answer answer = ACCESS_UNKNOWN;
	struct token *t;
	bool found;
	size_t at;

	if (text.n != TOKEN_CHARS || memcmp(text.p, prefix, sizeof prefix - 1) != 0 ||
	    id[TOKEN_ID_CHARS] != '_')
		return ACCESS_UNKNOWN;
	pthread_rwlock_rdlock(&a->lock);
	at = access_place_token(a, slice_of(id, TOKEN_ID_CHARS), &found);
	t = found ? a->tokens[at] : NULL;
	if (t && secret_is(a, t, id + TOKEN_ID_CHARS + 1))
		answer = token_opens(t, now_ns);
	if (answer == ACCESS_OPENS) {
		atomic_fetch_add(&t->refs, 1);
		*out = t;
	}
	pthread_rwlock_unlock(&a->lock);
	if (answer == ACCESS_OPENS &&
	    now_ns - atomic_load_explicit(&t->used_ns, memory_order_relaxed) >= MINUTE_NS)
		atomic_store_explicit(&t->used_ns, now_ns - now_ns % MINUTE_NS,
				      memory_order_relaxed);
	return answer;
}

static bool
grant_covers(const struct grant *g, struct slice log)
{
	return log.n == 0 || scope_list_match(g->logs, log);
}

bool
principal_may(const struct principal *p, unsigned scopes, struct slice log)
{
	for (size_t i = 0; i < p->n_grants; i++)
		if ((p->grants[i].scopes & scopes) && grant_covers(&p->grants[i], log))
			return true;
	return false;
}

bool
token_may(const struct token *token, unsigned scopes, struct slice log)
{
	if (token->narrowed.scopes) {
		scopes &= token->narrowed.scopes;
		if (!grant_covers(&token->narrowed, log))
			return false;
	}
	return principal_may(token->principal, scopes, log);
}

bool
principal_may_pattern(const struct principal *p, unsigned scopes, struct slice pattern)
{
	for (size_t i = 0; i < p->n_grants; i++)
		if ((p->grants[i].scopes & scopes) && scope_list_within(p->grants[i].logs, pattern))
			return true;
	return false;
}

bool
token_may_pattern(const struct token *t, unsigned scopes, struct slice pattern)
{
	const struct grant *g = &t->narrowed;

	if (g->scopes && (!(g->scopes & scopes) || !scope_list_within(g->logs, pattern)))
		return false;
	return principal_may_pattern(t->principal, scopes, pattern);
}

bool
token_may_some(const struct token *t, unsigned scopes, const char *patterns)
{
	const struct principal *p = t->principal;
	const struct grant *g = &t->narrowed;

	if (g->scopes && (!(g->scopes & scopes) || !scope_lists_meet(g->logs, patterns)))
		return false;
	for (size_t i = 0; i < p->n_grants; i++)
		if ((p->grants[i].scopes & scopes) && scope_lists_meet(p->grants[i].logs, patterns))
			return true;
	return false;
}

/* --- looking ------------------------------------------------------------------------------ */

struct principal *
access_principal(struct access *a, struct slice id)
{
	struct principal *p;

	pthread_rwlock_rdlock(&a->lock);
	p = access_find_principal(a, id);
	if (p)
		atomic_fetch_add(&p->refs, 1);
	pthread_rwlock_unlock(&a->lock);
	return p;
}

struct token *
access_token(struct access *a, struct slice id)
{
	struct token *t = NULL;
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = access_place_token(a, id, &found);
	if (found) {
		t = a->tokens[at];
		atomic_fetch_add(&t->refs, 1);
	}
	pthread_rwlock_unlock(&a->lock);
	return t;
}

size_t
access_principals(struct access *a, struct slice after, struct principal **out, size_t cap)
{
	size_t at, n = 0;
	bool found;

	pthread_rwlock_rdlock(&a->lock);
	at = access_place_principal(a, after, &found);
	for (at += found; at < a->n_principals && n < cap; at++) {
		atomic_fetch_add(&a->principals[at]->refs, 1);
		out[n++] = a->principals[at];
	}
	pthread_rwlock_unlock(&a->lock);
	return n;
}

size_t
access_tokens(struct access *a, struct slice after, struct token **out, size_t cap)
{
	size_t at, n = 0;
	bool found;

	pthread_rwlock_rdlock(&a->lock);
	at = access_place_token(a, after, &found);
	for (at += found; at < a->n_tokens && n < cap; at++) {
		atomic_fetch_add(&a->tokens[at]->refs, 1);
		out[n++] = a->tokens[at];
	}
	pthread_rwlock_unlock(&a->lock);
	return n;
}

/* --- new ones ---------------------------------------------------------------------------- */

void
access_new_principal_id(struct access *a, char kind, char id[LIMIT_WRITER_BYTES + 1])
{
	bool found;

	id[0] = kind;
	id[1] = '-';
	id[2 + TOKEN_ID_CHARS] = '\0';
	do {
		random_base32(id + 2, TOKEN_ID_CHARS);
		(void)access_place_principal(a, slice_str(id), &found);
	} while (found);
}

void
access_new_approval_id(struct access *a, char id[APPROVAL_ID_CHARS + 1])
{
	bool taken;

	memcpy(id, "a-", 2);
	id[APPROVAL_ID_CHARS] = '\0';
	do {
		random_base32(id + 2, APPROVAL_ID_CHARS - 2);
		taken = false;
		for (size_t i = 0; i < a->n_approvals; i++)
			taken |= strcmp(a->approvals[i]->id, id) == 0;
	} while (taken);
}

void
access_new_token(struct access *a, char text[TOKEN_CHARS + 1], uint8_t hash[TOKEN_HASH_BYTES])
{
	char *id = text + sizeof prefix - 1, *secret = id + TOKEN_ID_CHARS + 1;
	bool found;

	memcpy(text, prefix, sizeof prefix - 1);
	do {
		random_base32(id, TOKEN_ID_CHARS);
		(void)access_place_token(a, slice_of(id, TOKEN_ID_CHARS), &found);
	} while (found);
	id[TOKEN_ID_CHARS] = '_';
	random_base32(secret, TOKEN_SECRET_CHARS);
	text[TOKEN_CHARS] = '\0';
	hash_secret(hash, a, id, slice_of(secret, TOKEN_SECRET_CHARS));
}
