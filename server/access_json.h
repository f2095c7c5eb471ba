/*
 * Principals and tokens as JSON: as acts of `_system` carry them, as the snapshot keeps them,
 * as the API shows them. For the access_*.c and the resources.
 */
#ifndef STELE_SERVER_ACCESS_JSON_H
#define STELE_SERVER_ACCESS_JSON_H

#include <jansson.h>

#include "server/access.h"

enum { ACCESS_PATTERNS = LIMIT_GRANT_PATTERNS }; /* of one grant */

/* "person", "service", "job". And back: 0 when it is none. */
const char *principal_kind_name(char kind);
char principal_kind(const char *name);

/* An id that may be given to a principal: 1 to LIMIT_WRITER_BYTES of printable ASCII without
 * spaces, quotes and backslashes. */
bool principal_id_valid(const char *id);

/* All of a principal, counted once. NULL: *why says what is wrong, or there is no memory. */
struct principal *principal_from_json(const json_t *o, const char **why);

/* Appends its members without braces: "id":…,"kind":… */
void principal_put(struct buf *b, const struct principal *p);

/* Appends scopes and logs, as members. */
void grant_put(struct buf *b, const struct grant *g);

/*
 * A token counted once, with its principal's id in principal; NULL as above. Its own principal is
 * the caller's to set.
 */
struct token *token_from_json(const json_t *o, char principal[LIMIT_WRITER_BYTES + 1],
			      const char **why);

/* Appends its members without braces; with `hash` the one that no API shows. */
void token_put(struct buf *b, const struct token *t, bool hash);

/* Appends its log and its paths, as members after a comma; nothing of what it has not. */
void token_put_vendor(struct buf *b, const struct token *t);

/* Another token with the same members but for principal, which it counts; NULL without memory. */
struct token *token_with(const struct token *t, struct principal *principal);

/* Another principal with the same members, counted once; NULL without memory. */
struct principal *principal_copy(const struct principal *p);

/* What stands for a principal by a certificate, counted once; NULL without memory. */
struct token *token_of_certificate(struct principal *principal);

/* Appends ,"name":"TIME"; nothing for 0. */
void access_put_time(struct buf *b, const char *name, int64_t ns);

#endif
