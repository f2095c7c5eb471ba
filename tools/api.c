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
	return buf_cstr(b);
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

void
api_put_target(struct buf *out, const char *path, const char *id, const char *rest)
{
	buf_printf(out, "%s/", path);
	cli_put_path(out, id);
	buf_put_str(out, rest);
}

/* What to do about it, where the server, who does not know stele, cannot say. */
static const char *
advice(const struct cli *cli, long status, const char *type)
{
	static const char urn[] = "urn:stele:problem:";
	static const struct {
		const char *name, *text;
	} known[] = {
		{"insufficient-scope", " Ask whoever made this token for one with the scope, or "
				       "make one with 'stele token create'."},
		{"unknown-log", " 'stele log list' shows the logs there are."},
		{"unknown-token", " 'stele token list' shows the tokens there are."},
	};

	if (status == 401)
		return cli->token ? " Check --token or STELE_TOKEN."
				  : " Give --token TOKEN or @FILE, or set STELE_TOKEN.";
	if (status == 429 || status == 503)
		return " Try again in a moment.";
	if (status == 507)
		return " Free some space on the server's disk; nothing was stored.";
	if (!type || strncmp(type, urn, strlen(urn)) != 0)
		return "";
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(type + strlen(urn), known[i].name) == 0)
			return known[i].text;
	return "";
}

/* The members that a detail may speak of, with their values. */
static void
put_members(struct buf *out, const json_t *problem, bool place)
{
	static const char *const names[] = {"line",  "offset", "event", "record",
					    "index", "limit",  "size",  "policy"};

	for (size_t i = place ? 0 : 2; i < sizeof names / sizeof *names; i++) {
		const json_t *v = json_object_get(problem, names[i]);
		char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

		if (text)
			buf_printf(out, ", %s %s", names[i], text);
		free(text);
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
		buf_printf(out, "no answer from %s: %s. %s", cli->server, c->trouble,
			   c->advice ? c->advice : "Is steled running there?");
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
	type = json_string_value(json_object_get(problem, "type"));
	buf_put_str(out, advice(cli, c->status, type));
	buf_printf(out, " (HTTP %ld%s%s", c->status, type ? ", " : "", type ? type : "");
	put_members(out, problem, line == NULL);
	buf_put_u8(out, ')');
	where = json_object_get(problem, "line");
	if (line && json_is_integer(where) && json_integer_value(where) > 0)
		*line = (uint64_t)json_integer_value(where);
	json_decref(problem);
}

/* One record that is in the way of what was asked for: by what, and until when. */
static void
say_record(const json_t *row)
{
	const json_t *until = json_object_get(row, "until"), *holds = json_object_get(row, "holds"),
		     *id;
	struct buf text;
	size_t i;

	buf_init(&text);
	buf_printf(&text, "record %lld: %s", api_number(row, "index"), api_text(row, "why"));
	if (until)
		buf_printf(&text, ", until %s", api_text(row, "until"));
	json_array_foreach(holds, i, id)
		buf_printf(&text, "%s%s", i ? " " : ", held by ", json_string_value(id));
	cli_say("  %s", api_cstr(&text));
	buf_fini(&text);
}

/* The records that a refusal lists, which are not always all. */
static void
say_records(const struct http_call *c)
{
	json_t *problem = json_loadb((const char *)c->answer.p, c->answer.n, 0, NULL);
	const json_t *rows = json_object_get(problem, "records"), *row;
	long long all = api_number(problem, "refused"), listed = (long long)json_array_size(rows);
	size_t i;

	json_array_foreach(rows, i, row) say_record(row);
	if (all > listed)
		cli_say("  and %lld more", all - listed);
	json_decref(problem);
}

int
api_refused(struct cli *cli, const struct http_call *c, const char *what)
{
	struct buf text;

	buf_init(&text);
	api_explain(&text, cli, c, NULL);
	cli_say("cannot %s: %s", what, api_cstr(&text));
	buf_fini(&text);
	if (c->status && !cli->json)
		say_records(c);
	if (cli->json && c->status)
		(void)cli_write_json(buf_slice(&c->answer)); /* it says so; the refusal stands */
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

const char *
api_text(const json_t *doc, const char *name)
{
	const char *s = json_string_value(json_object_get(doc, name));

	return s ? s : "-";
}

long long
api_number(const json_t *doc, const char *name)
{
	return (long long)json_integer_value(json_object_get(doc, name));
}

void
api_set_text(json_t *doc, const char *name, const char *text)
{
	if (text)
		json_object_set_new(doc, name, json_string(text));
}

json_t *
api_words(const struct cli_texts *texts)
{
	json_t *list = json_array();

	for (size_t i = 0; i < texts->n; i++) {
		const char *p = texts->text[i];

		while (*p) {
			size_t n = strcspn(p, ",");

			if (n)
				json_array_append_new(list, json_stringn(p, n));
			p += n + (p[n] == ',');
		}
	}
	return list;
}

void
api_put_joined(struct buf *out, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		buf_printf(out, "%s%s", i ? "," : "", json_string_value(json_array_get(list, i)));
}

int
api_send(struct cli *cli, struct http_call *c, const char *method, const char *target, json_t *doc,
	 const char *what)
{
	char *body = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	int rc;

	CHECK(!doc == !body);
	http_call_init(c);
	c->method = method;
	c->target = target;
	c->accept = "application/json";
	if (doc) {
		c->content_type = "application/json";
		c->body = slice_str(body);
	}
	rc = api_call(cli, c, what);
	c->body = slice_of(NULL, 0);
	json_decref(doc);
	free(body);
	return rc;
}

int
api_ask(struct cli *cli, const char *method, const char *target, json_t *doc, json_t **answer,
	const char *what)
{
	struct http_call c;
	int rc = api_send(cli, &c, method, target, doc, what);

	if (rc == CLI_GO && !(*answer = api_json(&c, what)))
		rc = CLI_REFUSED;
	http_call_fini(&c);
	return rc;
}

int
api_print(struct cli *cli, const json_t *answer, void (*print)(const json_t *answer))
{
	int rc = CLI_GO;

	if (cli->json) {
		char *text = json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY);
		CHECK(text);
		rc = cli_write_json(slice_str(text));
		free(text);
	} else {
		print(answer);
	}
	return rc == CLI_GO ? CLI_DONE : rc;
}

int
api_show(struct cli *cli, const char *method, const char *target, json_t *doc,
	 void (*print)(const json_t *answer), const char *what)
{
	json_t *answer = NULL;
	int rc = api_ask(cli, method, target, doc, &answer, what);

	if (rc == CLI_GO)
		rc = api_print(cli, answer, print);
	json_decref(answer);
	return rc;
}

/* One page; *after is set to where the next begins, or emptied. */
static int
list_page(struct cli *cli, const char *path, const char *member, const char *header,
	  void (*row)(const json_t *element), const char *what, struct buf *after)
{
	bool first = after->n == 0;
	const json_t *rows, *next;
	struct http_call c;
	struct buf target;
	json_t *doc = NULL;
	int rc;

	buf_init(&target);
	buf_put_str(&target, path);
	if (after->n) {
		buf_put_str(&target, "?after=");
		cli_put_path(&target, api_cstr(after));
	}
	rc = api_get(cli, &c, api_cstr(&target), "application/json", what);
	buf_reset(after);
	if (rc == CLI_GO && !(doc = api_json(&c, what)))
		rc = CLI_REFUSED;
	if (rc == CLI_GO) {
		rows = json_object_get(doc, member);
		if (first && !cli->json)
			printf("%s\n", header);
		for (size_t i = 0; i < json_array_size(rows) && !cli->json; i++)
			row(json_array_get(rows, i));
		if (cli->json)
			rc = cli_write_json(buf_slice(&c.answer));
		next = json_object_get(doc, "next");
		buf_put_str(after, json_is_string(next) ? json_string_value(next) : "");
	}
	json_decref(doc);
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

int
api_list(struct cli *cli, const char *path, const char *member, const char *header,
	 void (*row)(const json_t *element), const char *what)
{
	struct buf after;
	int rc;

	buf_init(&after);
	do
		rc = list_page(cli, path, member, header, row, what, &after);
	while (rc == CLI_GO && after.n);
	buf_fini(&after);
	return rc == CLI_GO ? CLI_DONE : rc;
}
