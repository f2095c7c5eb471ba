/*
 * The routes: one static table, which docs/openapi.yaml describes and a test
 * compares with what `steled --routes` prints.
 */
#ifndef STELE_SERVER_ROUTER_H
#define STELE_SERVER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"
#include "server/http.h"
#include "server/scope.h"

struct request;

struct route {
	enum method method;
	const char *pattern; /* {name} is a segment, {name*} all the rest */
	unsigned scopes;     /* any one of them; 0: no token needed */
	bool public_able;    /* a public log needs no token */
	bool creates_log;    /* {log} need not exist */
	unsigned vendor;     /* a vendor path: its bit (server/vendor.h); else 0 */
	uint64_t max_body;   /* 0: no body */
	const char *query;   /* names of its query parameters, each followed by a space */
	void (*handle)(struct request *r);
	/* Instead of a body of max_body: looks at the head, http_accept; false: answered. NULL: no.
	 */
	bool (*admit)(struct request *r);
};

/* The table, ROUTER_ROUTES of them. */
extern const struct route router_table[];
extern const size_t router_routes;

/*
 * The route of method and path, with its parameters in param; NULL when there
 * is none: *known_path then says whether another method would do.
 */
const struct route *router_match(enum method m, struct slice path, struct slice *param,
				 bool *known_path);

/* The methods that a path takes, as the Allow field wants them; static storage. */
const char *router_allow(struct slice path);

/*
 * A request whose head is complete: finds its route, authorises it, finds its
 * log. True: its body is wanted (http_accept was called); false: answered.
 */
bool router_admit(struct request *r);

/* "GET", ...; static storage. */
const char *router_method_name(enum method m);

/* Appends the routes as a JSON array. */
void router_dump(struct buf *out);

#endif
