/* One field or one certificate, one token, one question. */
#include "server/auth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/buf.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/conn.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/router.h"
#include "server/server.h"
#include "server/tls_session.h"

enum { RETRY_MAX_S = 86400 };

static const char scheme[] = "Bearer ";

/* The token in the Authorization field; an empty slice when there is none. */
static struct slice
bearer(const struct request *r)
{
	struct slice v = r->http.known[HEADER_AUTHORIZATION];
	size_t n = sizeof scheme - 1;

	if (v.n <= n || strncasecmp((const char *)v.p, scheme, n) != 0)
		return slice_of("", 0);
	for (; n < v.n && v.p[n] == ' '; n++)
		;
	return slice_of(v.p + n, v.n - n);
}

static void
refuse_scope(struct request *r, unsigned scopes)
{
	char list[64] = "";
	size_t n = 0;
	unsigned s;

	for (s = 1; s < SCOPE_ALL; s <<= 1) {
		if (scopes & s)
			n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? " or " : "",
					      scope_name(s));
	}
	reply_problem(r, PROBLEM_INSUFFICIENT_SCOPE,
		      "This needs the scope %s here; use a token that has it.", list);
}

/* A token that was made for vendor paths opens these and nothing else. */
static bool
within_paths(struct request *r, struct slice log)
{
	if (!r->token->vendors || (r->token->vendors & r->route->vendor))
		return true;
	audit_denied(r->server->audit, r, log, PROBLEM_INSUFFICIENT_SCOPE);
	reply_problem(r, PROBLEM_INSUFFICIENT_SCOPE,
		      "This token is for the vendor paths that it was made for, and for nothing "
		      "else; use one without paths.");
	return false;
}

/* What comes in chunks is counted when it has come (server/conn.c). */
static bool
within_rate(struct request *r)
{
	uint64_t bytes = r->http.chunked ? 0 : r->http.length, wait_s;

	if (token_admit(r->token, bytes, server_monotonic_ns(), &wait_s))
		return true;
	r->retry_after_s = wait_s > RETRY_MAX_S ? RETRY_MAX_S : (unsigned)wait_s;
	reply_problem(r, PROBLEM_RATE_LIMITED,
		      "Requests or bytes come faster than this token's rate. Nothing was stored: "
		      "send it again after the time in Retry-After.");
	return false;
}

/* The names of r's verified certificate, as principals have them. How many. */
static size_t
names_of(struct request *r, const char **names)
{
	static const char *const kinds[] = {
		[TLS_NAME_DNS] = "dns", [TLS_NAME_EMAIL] = "email", [TLS_NAME_URI] = "uri"};
	size_t n = 0;

	for (size_t i = 0; i < r->peer->n; i++) {
		const struct tls_name *name = &r->peer->names[i];
		size_t room = name->text.n + sizeof "email:";
		char *text = arena_alloc(&r->arena, room);
		if (!text)
			continue; /* one name less, which lets in less */
		snprintf(text, room, "%s:%.*s", kinds[name->kind], (int)name->text.n,
			 (const char *)name->text.p);
		names[n++] = text;
	}
	return n;
}

/* Whom the certificate stands for: found out once for a connection, and after every act. */
static enum access_answer
check_certificate(struct request *r)
{
	struct access *access = audit_access(r->server->audit);
	uint64_t generation = access_generation(access);
	const char *names[sizeof r->peer->names / sizeof *r->peer->names];
	enum access_answer answer;
	struct conn *c = r->conn;

	if (!c->cert || c->cert_generation != generation) {
		token_unref(c->cert);
		c->cert = NULL;
		c->cert_generation = generation;
		answer = access_check_names(access, names, names_of(r, names),
					    server_now_ns(r->server), &c->cert);
	} else {
		answer = token_opens(c->cert, server_now_ns(r->server));
	}
	if (answer == ACCESS_OPENS) {
		atomic_fetch_add(&c->cert->refs, 1);
		r->token = c->cert;
	}
	return answer;
}

static void
refuse(struct request *r, bool presented)
{
	const char *detail =
		presented
			? "The token is unknown, revoked or expired, or its principal is disabled."
		: r->peer
			? "The client certificate has no name of a principal that may come in, or "
			  "of more than one."
			: "Send \"Authorization: Bearer TOKEN\"; the server's first token is in "
			  "admin.token in its data directory.";

	reply_problem(r, PROBLEM_UNAUTHORIZED, "%s", detail);
}

/* Finds r->token, counted. *presented: there was something that may be one. */
static enum access_answer
check(struct request *r, bool *presented)
{
	struct slice text = bearer(r);

	*presented = text.n > 0 || (r->peer && r->conn);
	if (text.n == 0 && *presented)
		return check_certificate(r);
	return access_check(audit_access(r->server->audit), text, server_now_ns(r->server),
			    &r->token);
}

bool
auth_admit(struct request *r, struct slice log)
{
	struct audit *audit = r->server->audit;
	bool presented;
	enum access_answer answer = check(r, &presented);

	if (answer != ACCESS_OPENS) {
		audit_refused(audit, answer, presented);
		refuse(r, bearer(r).n > 0);
		return false;
	}
	if (!token_may(r->token, r->route->scopes, log)) {
		audit_denied(audit, r, log, PROBLEM_INSUFFICIENT_SCOPE);
		refuse_scope(r, r->route->scopes);
		return false;
	}
	return within_paths(r, log) && within_rate(r);
}

bool
auth_still(struct request *r)
{
	struct token *was = r->token;
	bool presented, still;

	r->token = NULL;
	still = check(r, &presented) == ACCESS_OPENS &&
		(r->token == was || (bearer(r).n == 0 && r->token->principal == was->principal));
	if (!still) {
		token_unref(r->token);
		r->token = was;
	} else {
		token_unref(was);
	}
	arena_reset(&r->arena); /* of the certificate's names */
	return still;
}

bool
auth_also(struct request *r, unsigned scope, struct slice log)
{
	if (token_may(r->token, scope, log))
		return true;
	audit_denied(r->server->audit, r, log, PROBLEM_INSUFFICIENT_SCOPE);
	refuse_scope(r, scope);
	return false;
}
