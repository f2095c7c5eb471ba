/* Matching is by segments, in the table's order: the busiest route comes first. */
#include "server/router.h"

#include <stdio.h>
#include <string.h>

#include "proto/check.h"
#include "proto/entry.h"
#include "server/auth.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/server.h"
#include "server/access.h"
#include "server/vendor.h"
#include "storage/log.h"
#include "storage/store.h"

static const char *const method_names[] = {"GET",   "HEAD",   "POST", "PUT",
					   "PATCH", "DELETE", "other"};

const char *
router_method_name(enum method m)
{
	return method_names[m];
}

/* The next segment of *path without its slash; false at the end. */
static bool
next_segment(struct slice *path, struct slice *segment)
{
	const uint8_t *slash;

	if (path->n == 0 || path->p[0] != '/')
		return false;
	path->p++;
	path->n--;
	slash = memchr(path->p, '/', path->n);
	segment->p = path->p;
	segment->n = slash ? (size_t)(slash - path->p) : path->n;
	path->p += segment->n;
	path->n -= segment->n;
	return true;
}

static bool
match(const char *pattern, struct slice path, struct slice *param)
{
	struct slice want = slice_str(pattern), w, have;
	size_t n = 0;

	while (next_segment(&want, &w)) {
		struct slice rest = path;

		if (!next_segment(&path, &have))
			return false;
		if (w.n && w.p[0] == '{') {
			CHECK(n < REQUEST_PARAMS);
			if (w.p[w.n - 2] == '*') {
				param[n] = slice_of(rest.p + 1, rest.n - 1);
				return true;
			}
			if (have.n == 0)
				return false;
			param[n++] = have;
		} else if (!slice_eq(w, have)) {
			return false;
		}
	}
	return path.n == 0;
}

const struct route *
router_match(enum method m, struct slice path, struct slice *param, bool *known_path)
{
	size_t i;

	if (m == METHOD_HEAD)
		m = METHOD_GET;
	*known_path = false;
	for (i = 0; i < router_routes; i++) {
		const struct route *route = &router_table[i];

		if (route->method != m && *known_path)
			continue;
		if (!match(route->pattern, path, param))
			continue;
		if (route->method == m)
			return route;
		*known_path = true;
	}
	return NULL;
}

const char *
router_allow(struct slice path)
{
#define WITH_PATCH(list)                                                                           \
	{                                                                                          \
		list, list ", PATCH"                                                               \
	}
	static const char *const lists[16][2] = {
		{"", "PATCH"},
		WITH_PATCH("GET, HEAD"),
		WITH_PATCH("POST"),
		WITH_PATCH("GET, HEAD, POST"),
		WITH_PATCH("PUT"),
		WITH_PATCH("GET, HEAD, PUT"),
		WITH_PATCH("POST, PUT"),
		WITH_PATCH("GET, HEAD, POST, PUT"),
		WITH_PATCH("DELETE"),
		WITH_PATCH("GET, HEAD, DELETE"),
		WITH_PATCH("POST, DELETE"),
		WITH_PATCH("GET, HEAD, POST, DELETE"),
		WITH_PATCH("PUT, DELETE"),
		WITH_PATCH("GET, HEAD, PUT, DELETE"),
		WITH_PATCH("POST, PUT, DELETE"),
		WITH_PATCH("GET, HEAD, POST, PUT, DELETE"),
	};
#undef WITH_PATCH
	struct slice param[REQUEST_PARAMS];
	unsigned set = 0, patch = 0;
	size_t i;

	for (i = 0; i < router_routes; i++) {
		if (!match(router_table[i].pattern, path, param))
			continue;
		switch (router_table[i].method) {
		case METHOD_GET:
			set |= 1;
			break;
		case METHOD_POST:
			set |= 2;
			break;
		case METHOD_PUT:
			set |= 4;
			break;
		case METHOD_PATCH:
			patch = 1;
			break;
		default:
			set |= 8;
		}
	}
	return lists[set][patch];
}

/* A parameter that the route does not know is refused: it would otherwise be ignored. */
static bool
check_query(struct request *r)
{
	struct slice q = r->http.query;

	while (q.n) {
		const uint8_t *amp = memchr(q.p, '&', q.n);
		size_t n = amp ? (size_t)(amp - q.p) : q.n;
		const uint8_t *eq = memchr(q.p, '=', n);
		size_t name_n = eq ? (size_t)(eq - q.p) : n;
		const char *known = r->route->query, *space;

		for (; known && *known; known = space + 1) {
			space = strchr(known, ' ');
			if ((size_t)(space - known) == name_n && memcmp(known, q.p, name_n) == 0)
				break;
		}
		if (!known || !*known) {
			reply_problem(r, PROBLEM_INVALID_PARAMETER,
				      "This resource takes the query parameters: %s.",
				      r->route->query ? r->route->query : "none");
			return false;
		}
		q.p += n + (amp ? 1 : 0);
		q.n -= n + (amp ? 1 : 0);
	}
	return true;
}

/* The log that the token may use is there, and not the server's; or it is to be created. */
static bool
check_log(struct request *r)
{
	struct slice name = r->param[0];

	if (entry_log_name_reserved(name) && (r->route->scopes & (SCOPE_APPEND | SCOPE_POLICY))) {
		reply_problem(r, PROBLEM_RESERVED_LOG,
			      "Names beginning with '_' are the server's.");
		return false;
	}
	if (r->log || r->route->creates_log)
		return true;
	reply_problem(r, PROBLEM_UNKNOWN_LOG, "Create it with PUT /api/v1/logs/%.*s.", (int)name.n,
		      (const char *)name.p);
	return false;
}

/* The route's log: existing, or not needed. Also lets anyone in whom its policy lets in. */
static bool
admit_to_log(struct request *r)
{
	struct slice name = r->param[0];

	if (!entry_log_name_valid(name)) {
		reply_problem(r, PROBLEM_INVALID_LOG_NAME,
			      "A log's name has 1 to 63 characters of a-z, 0-9, '.', '_' and '-' "
			      "and begins with a letter or digit.");
		return false;
	}
	if (store_log_find(r->server->store, name, &r->log) != 0)
		r->log = NULL;
	if (r->route->public_able && r->log && log_policy(r->log)->public)
		return true;
	return auth_admit(r, name) && check_log(r);
}

/* A vendor path that names no log is about the token's own. */
static bool
admit_to_default(struct request *r)
{
	if (!auth_admit(r, slice_of("", 0)))
		return false;
	if (!r->token->log[0]) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "This path names no log, and the token has no default: send to "
			      "%s/LOG, or with a token that was made with a log for it.",
			      r->route->pattern);
		return false;
	}
	r->param[0] = slice_str(r->token->log);
	if (store_log_find(r->server->store, r->param[0], &r->log) != 0)
		r->log = NULL;
	return auth_also(r, r->route->scopes, r->param[0]) && check_log(r);
}

bool
router_admit(struct request *r)
{
	bool known_path;

	r->route = router_match(r->http.method, r->http.path, r->param, &known_path);
	r->no_body = r->http.method == METHOD_HEAD;
	if (!r->route) {
		if (known_path)
			reply_problem(r, PROBLEM_METHOD_NOT_ALLOWED, "Allow lists the methods.");
		else
			reply_problem(r, PROBLEM_NOT_FOUND, "docs/openapi.yaml lists the paths.");
		return false;
	}
	if (!check_query(r))
		return false;
	if (strstr(r->route->pattern, "{log}")) {
		if (!admit_to_log(r))
			return false;
	} else if (r->route->vendor) {
		if (!admit_to_default(r))
			return false;
	} else if (r->route->scopes && !auth_admit(r, slice_of("", 0))) {
		return false;
	}
	if (r->route->admit)
		return r->route->admit(r);
	http_accept(&r->http, r->route->max_body);
	return true;
}

static void
dump_words(struct buf *out, const char *name, const char *words)
{
	const char *space, *comma = "";

	buf_printf(out, ",\"%s\":[", name);
	for (; words && *words; words = space + 1) {
		space = strchr(words, ' ');
		buf_printf(out, "%s\"%.*s\"", comma, (int)(space - words), words);
		comma = ",";
	}
	buf_put_u8(out, ']');
}

void
router_dump(struct buf *out)
{
	size_t i;

	buf_put_u8(out, '[');
	for (i = 0; i < router_routes; i++) {
		const struct route *route = &router_table[i];
		const char *comma = "";
		unsigned s;

		buf_printf(out, "%s{\"method\":\"%s\",\"path\":\"%s\",\"public\":%s,\"scopes\":[",
			   i ? "," : "", method_names[route->method], route->pattern,
			   route->public_able ? "true" : "false");
		for (s = 1; s < SCOPE_ALL; s <<= 1) {
			if (!(route->scopes & s))
				continue;
			buf_printf(out, "%s\"%s\"", comma, scope_name(s));
			comma = ",";
		}
		buf_put_u8(out, ']');
		dump_words(out, "query", route->query);
		for (unsigned k = 0; k < VENDORS; k++)
			if (route->vendor & 1u << k)
				buf_printf(out, ",\"vendor\":\"%s\"", vendor_name(k));
		buf_printf(out, ",\"body\":%s}", route->max_body ? "true" : "false");
	}
	buf_put_u8(out, ']');
}
