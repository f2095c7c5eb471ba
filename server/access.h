/*
 * Who there is and what each may do: principals with their grants, and the bearer tokens
 * ("stele_ID_SECRET") that stand for them. Of a token's secret only a keyed hash is kept.
 *
 * The state is what the acts that `_system` records make of nothing: access_apply folds one
 * in, and is the same for an act that was just recorded and for one read again at a start
 * (server/system.h). Documented in docs/formats.md, "The system log".
 *
 * Principals and tokens are immutable and counted: a change puts another object in
 * their place, and a request keeps the one it was admitted with. Safe from any thread but
 * where it says otherwise.
 */
#ifndef STELE_SERVER_ACCESS_H
#define STELE_SERVER_ACCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/kdigest.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "server/scope.h"

enum {
	TOKEN_ID_CHARS = 10,     /* 50 random bits: unique among LIMIT_TOKENS */
	TOKEN_SECRET_CHARS = 52, /* 256 random bits in base32 */
	TOKEN_CHARS = 6 + TOKEN_ID_CHARS + 1 + TOKEN_SECRET_CHARS,
	TOKEN_HASH_BYTES = 16,
	PRINCIPAL_GRANTS = LIMIT_GRANTS,
	PRINCIPAL_MATTER_BYTES = 127,
	PRINCIPAL_NAMES = LIMIT_PRINCIPAL_NAMES,
	PRINCIPAL_NAME_BYTES = 263, /* "email:" and 255 more, and some */
	APPROVAL_ID_CHARS = 12,     /* "a-" and 50 random bits */
};

/* Some scopes on the logs whose names match one of some patterns. */
struct grant {
	unsigned scopes;  /* of enum scope */
	const char *logs; /* patterns, a space between two; its owner's */
};

struct principal {
	atomic_uint refs;
	char id[LIMIT_WRITER_BYTES + 1]; /* opaque; entries name it as their writer for ever */
	char kind;                       /* 'p'erson, 's'ervice, 'j'ob */
	int64_t created_ns;
	int64_t widened_ns;  /* when its grants last grew; its creation to begin with */
	int64_t ends_ns;     /* from then on its tokens open nothing; 0: never */
	int64_t disabled_ns; /* 0: it is not */
	char successor[LIMIT_WRITER_BYTES + 1];  /* who took over, or "" */
	char matter[PRINCIPAL_MATTER_BYTES + 1]; /* what it was invited for, or "" */
	size_t n_grants;
	struct grant grants[PRINCIPAL_GRANTS];
	size_t n_names;
	const char *names[PRINCIPAL_NAMES]; /* in its certificates: "dns:…", "uri:…", "email:…" */
	size_t text_n;
	char text[]; /* the grants' patterns, the names */
};

struct token {
	atomic_uint refs;
	/*
	 * The secret once it was proven by its hash, in memory only, so that the next
	 * request need not hash it: 0 not yet, 1 being copied, 2 there.
	 */
	atomic_int proven;
	char secret[TOKEN_SECRET_CHARS];
	_Atomic int64_t used_ns; /* last, to the minute; 0: never, or before the last start */
	char id[TOKEN_ID_CHARS + 1];
	uint8_t hash[TOKEN_HASH_BYTES];
	struct principal *principal; /* counted */
	int64_t created_ns;
	int64_t expires_ns;                   /* 0: never */
	uint64_t requests_per_s, bytes_per_s; /* 0: as many as come */
	/* When what was let in is used up, at that rate, by the monotonic clock (GCRA) */
	_Atomic int64_t requests_until_ns, bytes_until_ns;
	unsigned vendors; /* of enum vendor: it opens these paths alone; 0: what its scopes say */
	char log[LIMIT_LOG_NAME_BYTES + 1]; /* of vendor paths that name none, or "" */
	struct grant narrowed; /* it may no more than this; scopes 0: all that its principal may */
	char text[];           /* narrowed.logs */
};

struct access;
struct json_t;

/* Nobody and nothing, under a new random key for the secrets' hashes. NULL without memory. */
struct access *access_new(void);
void access_free(struct access *a);

/* --- asking ------------------------------------------------------------------------ */

enum access_answer {
	ACCESS_OPENS,
	ACCESS_UNKNOWN, /* no token, a wrong secret, revoked, or its principal was disabled */
	ACCESS_EXPIRED, /* the token, or its principal has ended */
	ACCESS_ANSWERS,
};

/*
 * The token that text is, referenced for the caller in *out, and its use noted; or why it
 * opens nothing. The comparison takes the same time for every wrong secret.
 */
enum access_answer access_check(struct access *a, struct slice text, int64_t now_ns,
				struct token **out);

/*
 * The principal that a verified client certificate stands for: the one that has one of its n names,
 * as a token of the id "x509", which may all that it may. ACCESS_UNKNOWN when there is none, or
 * more than one.
 */
enum access_answer access_check_names(struct access *a, const char *const *names, size_t n,
				      int64_t now_ns, struct token **out);

/*
 * A keyed digest of n parts that the server hands out and takes back, such as cursors: the same
 * after a restart, and nobody else can make it. And whether it is theirs.
 */
void access_seal(const struct access *a, const struct slice *parts, size_t n,
		 uint8_t out[KDIGEST_BYTES]);
bool access_sealed(const struct access *a, const struct slice *parts, size_t n,
		   const uint8_t seal[KDIGEST_BYTES]);

/* Moves on with every act that is folded in: what was found out before may not hold any more. */
uint64_t access_generation(struct access *a);

/* Whether a token opens now: it has not expired, nor its principal ended. */
enum access_answer token_opens(const struct token *token, int64_t now_ns);
void token_unref(struct token *token);
void principal_unref(struct principal *p);

/*
 * True when both the token and a grant of its principal have one and the same of these scopes on
 * the log (empty name: on any log at all). Names that begin with '_' match no pattern
 * that does not.
 */
bool token_may(const struct token *token, unsigned scopes, struct slice log);

/*
 * Whether the token's rates let a request in that brings so many bytes of body, now by the
 * monotonic clock; it counts then. A second's worth may come at once, and a single body may be
 * larger: what follows waits for it. False: *wait_s is how long, at least 1.
 */
bool token_admit(struct token *token, uint64_t body_bytes, int64_t now_ns, uint64_t *wait_s);

/* Counts bytes of a body whose length was not known before. */
void token_charge(struct token *token, uint64_t body_bytes, int64_t now_ns);

/* The principal or token of that id, referenced for the caller, or NULL. */
struct principal *access_principal(struct access *a, struct slice id);
struct token *access_token(struct access *a, struct slice id);

/*
 * Up to cap principals or tokens in byte order of their ids, those after `after`; each
 * referenced for the caller. Return how many.
 */
size_t access_principals(struct access *a, struct slice after, struct principal **out, size_t cap);
size_t access_tokens(struct access *a, struct slice after, struct token **out, size_t cap);

/* Whether the principal, or the token, has one of these scopes on all logs that the pattern may
 * ever match, as far as can be seen; and whether the token has it on any log that one of them may.
 */
bool principal_may_pattern(const struct principal *p, unsigned scopes, struct slice pattern);
bool token_may_pattern(const struct token *token, unsigned scopes, struct slice pattern);
bool token_may_some(const struct token *token, unsigned scopes, const char *patterns);

/*
 * Appends the approvals, oldest first, as a JSON array: pending ones alone, or all that are
 * remembered. Or one of them, as an object: STELE_ENOTFOUND. Those alone that `by` may see: with
 * the scope access, or NULL, all; with approve those whose every log it has it on.
 */
void access_put_approvals(struct access *a, const struct token *by, bool pending, int64_t now_ns,
			  struct buf *out);
int access_put_approval(struct access *a, const struct token *by, struct slice id, int64_t now_ns,
			struct buf *out);

/* Appends the types of acts that need a second principal, as a JSON array. */
void access_put_dual_control(struct access *a, struct buf *out);

/* Whether dual control lists acts of that type. */
bool access_lists_dual(struct access *a, const char *type);

/* --- acting: one thread at a time calls these -------------------------------------------- */

/* A new id that nobody has: "p-…", "s-…" or "j-…", with its NUL. */
void access_new_principal_id(struct access *a, char kind, char id[LIMIT_WRITER_BYTES + 1]);

/* A new token's text, with its NUL, whose id no token has, and the hash of its secret. */
void access_new_token(struct access *a, char text[TOKEN_CHARS + 1], uint8_t hash[TOKEN_HASH_BYTES]);

/*
 * The act that waits for the grant that is an approval.grant of its id: counted for the caller;
 * NULL when there is none.
 */
struct json_t *access_pending_act(struct access *a, const struct json_t *grant);

/* A new approval's id, with its NUL. */
void access_new_approval_id(struct access *a, char id[APPROVAL_ID_CHARS + 1]);

/* Whether an act needs a second principal. */
enum access_second {
	ACCESS_ALONE,
	ACCESS_SECOND,
	ACCESS_SECOND_BY_POLICY, /* if the policy of any log asks for one */
};

/*
 * Whether the act needs a second principal before it may be recorded: when dual control is on, what
 * it names does; or it weakens dual control; or it lets somebody do what approving, holding,
 * retaining or purging is, or gives a token for that, or moves evidence time. The last three also
 * where only policies of logs ask for two and there are two who approve; to look at all of those is
 * the caller's, for these few acts alone.
 */
enum access_second access_needs_second(struct access *a, const struct json_t *act);

/*
 * Folds an act of `_system` in, that was recorded at time_ns; with `dry` it is only looked at,
 * whether it can be. Acts of other types change nothing here. STELE_ESYNTAX, STELE_EEXIST
 * (its id is taken), STELE_ENOTFOUND (whom it names), STELE_ELIMIT (LIMIT_PRINCIPALS,
 * LIMIT_TOKENS, LIMIT_APPROVALS), STELE_ECONFLICT (a disabled principal; the last one that has the
 * scope access; an approval that is not to be had), STELE_EPERM (not by this principal),
 * STELE_ENOMEM; why then gets one sentence.
 */
int access_apply(struct access *a, const struct json_t *act, int64_t time_ns, bool dry,
		 struct buf *why);

/* How often the server's identity was replaced, as far as acts were folded in. */
uint64_t access_successions(const struct access *a);

/* Whether there is any principal; and all of them, and their tokens, away. */
bool access_has_principals(struct access *a);
void access_forget(struct access *a);

/* --- the snapshot ------------------------------------------------------------------- */

/*
 * Appends all of it as one JSON document, the hashes' key with it: the body of a key file, in
 * force up to (not with) record `applied` of `_system`; and back into an access that is new.
 * STELE_EDAMAGED, STELE_EVERSION, STELE_ENOMEM. One thread at a time.
 */
void access_encode(struct access *a, uint64_t applied, struct buf *out);
int access_decode(struct access *a, struct slice body, uint64_t *applied);

#endif
