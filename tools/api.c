/* RFC 9457 problem documents carry the sentence; statuses without one get ours. */
#include "tools/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

const char *
api_cstr(struct buf *b)
{
	CHECK(buf_reserve(b, 1) == 0);
	b->p[b->n] = '\0';
	return (const char *)b->p;
}

void
api_log_target(struct buf *out, const char *log, const char *fmt, ...)
{
	char *rest;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&rest, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);
	buf_put_str(out, "/api/v1/logs/");
	cli_put_path(out, log);
	buf_put_str(out, rest);
	free(rest);
}

/* What to do about a status when the server's own words do not say it. */
static const char *
advice(const struct cli *cli, long status)
{
	switch (status) {
	case 401:
		return cli->token
			       ? " Check --token or STELE_TOKEN: it is unknown, expired or revoked."
			       : " Give --token TOKEN or @FILE, or set STELE_TOKEN; the first "
				 "token "
				 "is in DATA/admin.token.";
	case 403:
		return " Ask whoever made this token for one with the scope, or make one with "
		       "'stele token create'.";
	case 404:
		return " 'stele log list' shows the logs there are.";
	case 429:
	case 503:
		return " Try again in a moment.";
	case 507:
		return " Free some space on the server's disk; nothing was stored.";
	default:
		return "";
	}
}

/* Where the sentence of a problem document is, or NULL. */
static const char *
problem_text(json_t *problem)
{
	const char *detail = json_string_value(json_object_get(problem, "detail"));

	return detail ? detail : json_string_value(json_object_get(problem, "title"));
}

void
api_explain(struct buf *out, const struct cli *cli, const struct http_call *c, uint64_t *line)
{
	json_t *problem = NULL, *where;
	const char *text = NULL, *type;

	if (c->status == 0) {
		buf_printf(out, "no answer from %s: %s. Is steled running there?", cli->server,
			   c->trouble);
		return;
	}
	if (strncmp(c->media_type, "application/problem+json", 24) == 0)
		problem = json_loadb((const char *)c->answer.p, c->answer.n, 0, NULL);
	text = problem_text(problem);
	if (text)
		buf_put_str(out, text);
	else
		buf_printf(out, "%s answered without saying why", cli->server);
	if (out->n && out->p[out->n - 1] != '.')
		buf_put_u8(out, '.');
	buf_put_str(out, advice(cli, c->status));
	type = json_string_value(json_object_get(problem, "type"));
	buf_printf(out, " (HTTP %ld%s%s)", c->status, type ? ", " : "", type ? type : "");
	where = json_object_get(problem, "line");
	if (json_is_integer(where) && json_integer_value(where) > 0)
		*line = (uint64_t)json_integer_value(where);
	json_decref(problem);
}

int
api_refused(struct cli *cli, const struct http_call *c, const char *what)
{
	uint64_t line;
	struct buf text;

	buf_init(&text);
	api_explain(&text, cli, c, &line);
	cli_say("cannot %s: %s", what, api_cstr(&text));
	buf_fini(&text);
	if (cli->json && c->status)
		cli_write_json(buf_slice(&c->answer));
	return c->status ? CLI_REFUSED : CLI_UNREACHABLE;
}

int
api_call(struct cli *cli, struct http_call *c, const char *what)
{
	int rc = cli_transport(cli);

	if (rc != CLI_GO)
		return rc;
	transport_call(cli->transport, c);
	return http_call_good(c) ? CLI_GO : api_refused(cli, c, what);
}

int
api_get(struct cli *cli, struct http_call *c, const char *target, const char *accept,
	const char *what)
{
	http_call_init(c);
	c->method = "GET";
	c->target = target;
	c->accept = accept;
	return api_call(cli, c, what);
}

json_t *
api_json(const struct http_call *c, const char *what)
{
	json_t *doc = json_loadb((const char *)c->answer.p, c->answer.n, 0, NULL);

	if (!doc)
		cli_say("cannot %s: the server's answer is not JSON. "
			"Does the URL lead to steled, or to something in front of it?",
			what);
	return doc;
}
