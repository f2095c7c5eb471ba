/*
 * Who asks, and may they: bearer tokens (RFC 6750) against a route's scopes.
 */
#ifndef STELE_SERVER_AUTH_H
#define STELE_SERVER_AUTH_H

#include <stdbool.h>

#include "proto/slice.h"

struct request;

/*
 * True when the request's token has one of its route's scopes on the log
 * (empty name: on any log); r->token is then set. False: answered, 401 without
 * a valid token, 403 without the scope - whether or not such a log exists.
 */
bool auth_admit(struct request *r, struct slice log);

/*
 * Whether an admitted request would be let in again now, with the same rights. For a request whose
 * answer goes on for long: what is in its arena is forgotten.
 */
bool auth_still(struct request *r);

/*
 * The same for a scope that is needed besides, of a request that was admitted. False: answered,
 * 403.
 */
bool auth_also(struct request *r, unsigned scope, struct slice log);

#endif
