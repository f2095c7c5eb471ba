/* stele token create, list, revoke. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"

static const char *
text_of(const json_t *doc, const char *name)
{
	const char *s = json_string_value(json_object_get(doc, name));

	return s ? s : "-";
}

/* A JSON array of strings, joined by commas. */
static void
put_joined(struct buf *out, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		buf_printf(out, "%s%s", i ? "," : "", json_string_value(json_array_get(list, i)));
}

/* --- token create ------------------------------------------------------------ */

struct token_arguments {
	struct cli_texts scopes, logs;
	const char *principal, *kind, *expires;
};

/* Adds "a,b" and "c" as strings of an array. */
static json_t *
list_of(const struct cli_texts *texts)
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

static char *
request_json(const struct token_arguments *a)
{
	json_t *doc = json_object();
	char *text;

	json_object_set_new(doc, "scopes", list_of(&a->scopes));
	json_object_set_new(doc, "logs", list_of(&a->logs));
	if (a->principal)
		json_object_set_new(doc, "principal", json_string(a->principal));
	if (a->kind)
		json_object_set_new(doc, "kind", json_string(a->kind));
	if (a->expires)
		json_object_set_new(doc, "expires", json_string(a->expires));
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	return text;
}

static int
print_token(struct cli *cli, const struct http_call *c)
{
	json_t *doc;

	if (cli->json)
		return cli_write_json(buf_slice(&c->answer)) == CLI_GO ? CLI_DONE : CLI_USAGE;
	doc = api_json(c, "make a token");
	if (!doc)
		return CLI_REFUSED;
	/* The secret alone on stdout: it goes into a file or a variable. */
	printf("%s\n", text_of(doc, "token"));
	fflush(stdout);
	fprintf(stderr, "stele: token %s of %s; it is shown this once\n", text_of(doc, "id"),
		text_of(doc, "principal"));
	json_decref(doc);
	return CLI_DONE;
}

static int
run_create(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct token_arguments a = {.principal = NULL};
	const struct cli_option options[] = {
		{"scope", 0, CLI_TEXTS, &a.scopes, "S[,S]",
		 "append, read, verify, policy, access, operate (required)"},
		{"log", 0, CLI_TEXTS, &a.logs, "L[,L]",
		 "names or patterns such as 'k8s-*' (required; '*': all)"},
		{"principal", 0, CLI_TEXT, &a.principal, "ID",
		 "who it is for: an opaque id (default: a new one)"},
		{"kind", 0, CLI_TEXT, &a.kind, "KIND",
		 "of a new principal: person, service (the default) or job"},
		{"expires", 0, CLI_TEXT, &a.expires, "D",
		 "valid for D: 90d, 12h (default: until revoked)"},
		{NULL},
	};
	struct http_call c;
	char *body;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc == CLI_GO && (a.scopes.n == 0 || a.logs.n == 0))
		rc = cli_usage(
			self,
			"--scope and --log are both needed: no token may do everything unasked");
	if (rc != CLI_GO)
		return rc;
	body = request_json(&a);
	http_call_init(&c);
	c.method = "POST";
	c.target = "/api/v1/tokens";
	c.content_type = "application/json";
	c.body = slice_str(body ? body : "{}");
	rc = api_call(cli, &c, "make a token");
	if (rc == CLI_GO)
		rc = print_token(cli, &c);
	http_call_fini(&c);
	free(body);
	return rc;
}

const struct cli_command cmd_token_create = {
	.name = "token create",
	.operands = "--scope S[,S] --log L[,L] [--principal ID] [--expires D]",
	.summary = "make a token for someone",
	.about =
		"Makes a bearer token and prints it, for the only time: the server keeps a keyed "
		"hash.\n"
		"It may do what its scopes say, on the logs its patterns match, and nothing else.\n"
		"Entries name the principal as their writer for ever: let it be an opaque id, no "
		"name.\n"
		"\n"
		"  append   store records            read     read payloads, entries, proofs\n"
		"  verify   proofs and entries only  policy   create logs\n"
		"  access   tokens                   operate  metrics\n"
		"\n"
		"  stele token create --scope append --log 'k8s-*' --expires 90d > agent.token\n"
		"  stele --token @agent.token append k8s-prod event.json",
	.run = run_create,
};

/* --- token list -------------------------------------------------------------- */

static void
print_row(const json_t *doc)
{
	struct buf scopes, logs;

	buf_init(&scopes);
	buf_init(&logs);
	put_joined(&scopes, json_object_get(doc, "scopes"));
	put_joined(&logs, json_object_get(doc, "logs"));
	printf("%-12s %-16s %-30s %-30s  %s\n", text_of(doc, "id"), text_of(doc, "principal"),
	       text_of(doc, "expires"), api_cstr(&scopes), api_cstr(&logs));
	buf_fini(&scopes);
	buf_fini(&logs);
}

/* One page; *after is set to where the next begins, or emptied. */
static int
list_page(struct cli *cli, struct buf *after)
{
	struct http_call c;
	struct buf target;
	json_t *doc = NULL;
	const json_t *tokens, *next;
	int rc;

	buf_init(&target);
	buf_put_str(&target, "/api/v1/tokens");
	if (after->n) {
		buf_put_str(&target, "?after=");
		cli_put_path(&target, api_cstr(after));
	}
	rc = api_get(cli, &c, api_cstr(&target), "application/json", "list the tokens");
	buf_reset(after);
	if (rc == CLI_GO && !(doc = api_json(&c, "list the tokens")))
		rc = CLI_REFUSED;
	if (rc == CLI_GO) {
		tokens = json_object_get(doc, "tokens");
		for (size_t i = 0; i < json_array_size(tokens) && !cli->json; i++)
			print_row(json_array_get(tokens, i));
		if (cli->json)
			cli_write_json(buf_slice(&c.answer));
		next = json_object_get(doc, "next");
		buf_put_str(after, json_is_string(next) ? json_string_value(next) : "");
	}
	json_decref(doc);
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct buf after;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	if (!cli->json)
		printf("%-12s %-16s %-30s %-30s  %s\n", "ID", "PRINCIPAL", "EXPIRES", "SCOPES",
		       "LOGS");
	buf_init(&after);
	do
		rc = list_page(cli, &after);
	while (rc == CLI_GO && after.n);
	buf_fini(&after);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_token_list = {
	.name = "token list",
	.operands = "",
	.summary = "list the tokens there are, without their secrets",
	.about = "Lists tokens: what each may do, where, and until when. The id is the part after "
		 "the\n"
		 "first underscore of the token itself. With --json: the server's pages, one a "
		 "line.",
	.run = run_list,
};

/* --- token revoke ------------------------------------------------------------ */

static int
run_revoke(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct http_call c;
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	buf_put_str(&target, "/api/v1/tokens/");
	cli_put_path(&target, argv[0]);
	http_call_init(&c);
	c.method = "DELETE";
	c.target = api_cstr(&target);
	rc = api_call(cli, &c, "revoke the token");
	if (rc == CLI_GO) {
		printf(cli->json ? "{\"revoked\":\"%s\"}\n"
				 : "%s is revoked: it opens nothing any more\n",
		       argv[0]);
		rc = CLI_DONE;
	}
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

const struct cli_command cmd_token_revoke = {
	.name = "token revoke",
	.operands = "ID",
	.summary = "take a token away, at once",
	.about = "Takes the token with this id away. It is refused from this moment on, by every\n"
		 "connection. 'stele token list' shows the ids.",
	.run = run_revoke,
};
