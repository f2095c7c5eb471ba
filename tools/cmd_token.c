/* stele token create, list, revoke. */
#include <stdio.h>

#include "tools/api.h"
#include "tools/commands.h"

static const char path[] = "/api/v1/tokens";

/* --- token create ------------------------------------------------------------ */

struct token_arguments {
	struct cli_texts scopes, logs, paths;
	const char *principal, *kind, *expires, *log;
	uint64_t requests, bytes;
};

/*
 * A token for vendor paths can but append: that need not be said. When it is for one log, that is
 * its default.
 */
static void
complete(struct token_arguments *a)
{
	if (!a->paths.n)
		return;
	if (!a->scopes.n && a->logs.n)
		a->scopes.text[a->scopes.n++] = "append";
	if (!a->log && a->logs.n == 1 && !strpbrk(a->logs.text[0], "*,"))
		a->log = a->logs.text[0];
}

static json_t *
request_of(const struct token_arguments *a)
{
	json_t *doc = json_object();

	if (a->scopes.n)
		json_object_set_new(doc, "scopes", api_words(&a->scopes));
	if (a->logs.n)
		json_object_set_new(doc, "logs", api_words(&a->logs));
	api_set_text(doc, "log", a->log);
	if (a->paths.n)
		json_object_set_new(doc, "paths", api_words(&a->paths));
	api_set_text(doc, "principal", a->principal);
	api_set_text(doc, "kind", a->kind);
	api_set_text(doc, "expires", a->expires);
	if (a->requests)
		json_object_set_new(doc, "requests_per_s", json_integer((json_int_t)a->requests));
	if (a->bytes)
		json_object_set_new(doc, "bytes_per_s", json_integer((json_int_t)a->bytes));
	return doc;
}

static void
print_token(const json_t *doc)
{
	/* The secret alone on stdout: it goes into a file or a variable. */
	printf("%s\n", api_text(doc, "token"));
	fflush(stdout);
	cli_say("token %s of %s; it is shown this once", api_text(doc, "id"),
		api_text(doc, "principal"));
}

static int
run_create(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct token_arguments a = {.principal = NULL};
	const struct cli_option options[] = {
		{"scope", 0, CLI_TEXTS, &a.scopes, "S[,S]", "what it may do: see below"},
		{"log", 0, CLI_TEXTS, &a.logs, "L[,L]",
		 "on which logs: names or patterns such as 'k8s-*'"},
		{"path", 0, CLI_TEXTS, &a.paths, "P[,P]",
		 "for senders of these vendor paths, and nothing else: k8s"},
		{"default-log", 0, CLI_TEXT, &a.log, "LOG",
		 "where a vendor path goes that names no log (with --path: the one --log)"},
		{"principal", 0, CLI_TEXT, &a.principal, "ID",
		 "whose it is (default: a new principal's)"},
		{"kind", 0, CLI_TEXT, &a.kind, "KIND",
		 "of a new principal: person, service (the default) or job"},
		{"expires", 0, CLI_TEXT, &a.expires, "D",
		 "valid for D: 90d, 12h (default: until revoked)"},
		{"requests-per-s", 0, CLI_NUMBER, &a.requests, "N",
		 "no more requests a second (default: as many as come)"},
		{"bytes-per-s", 0, CLI_NUMBER, &a.bytes, "N",
		 "no more bytes of bodies a second: 10M"},
		{NULL},
	};
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	complete(&a);
	if (rc == CLI_GO && (!a.scopes.n != !a.logs.n || (!a.scopes.n && !a.principal)))
		rc = cli_usage(self, "--scope and --log go together, and only a token of "
				     "a --principal that is there may do without them");
	return rc == CLI_GO
		       ? api_show(cli, "POST", path, request_of(&a), print_token, "make a token")
		       : rc;
}

const struct cli_command cmd_token_create = {
	.name = "token create",
	.operands = "[--principal ID] [--scope S[,S] --log L[,L]] [--path P[,P]] [--expires D]",
	.summary = "make a token for someone",
	.about =
		"Makes a bearer token and prints it, for the only time: the server keeps a keyed "
		"hash.\n"
		"It stands for a principal ('stele principal'), and may do what that may, or with\n"
		"--scope and --log no more than they say of it. Without a principal of that id, one\n"
		"is made that may just this. Names of logs that begin with '_', which are the\n"
		"server's own, match only patterns that begin so.\n"
		"\n"
		"  append   store records             hold     legal holds\n"
		"  read     payloads and the rest     retain   retention of its own\n"
		"  verify   proofs and entries only   purge    payloads whose locks ended\n"
		"  export   evidence bundles          approve  what needs a second principal\n"
		"  policy   create logs               access   principals and tokens\n"
		"  operate  seal, scrub, backup, metrics\n"
		"\n"
		"With --path it is for a program that speaks a protocol of its own, such as the audit\n"
		"webhook of a Kubernetes API server (k8s: POST /k8s/audit): it opens these paths and\n"
		"nothing else. --scope append goes without saying then, and a single --log is where\n"
		"events go when the sender's path names none.\n"
		"\n"
		"  stele token create --scope append --log 'k8s-*' --expires 90d > agent.token\n"
		"  stele token create --log k8s-prod --path k8s > webhook.token\n"
		"  stele --token @agent.token append k8s-prod event.json",
	.run = run_create,
};

/* --- token list -------------------------------------------------------------- */

static void
print_row(const json_t *doc)
{
	const json_t *narrowed = json_object_get(doc, "scopes");
	const json_t *paths = json_object_get(doc, "paths");
	struct buf what;

	buf_init(&what);
	if (narrowed)
		api_put_joined(&what, narrowed);
	else
		buf_put_str(&what, "all its principal may");
	buf_put_u8(&what, ' ');
	api_put_joined(&what, json_object_get(doc, "logs"));
	if (paths)
		buf_put_str(&what, " by ");
	api_put_joined(&what, paths);
	if (json_object_get(doc, "log"))
		buf_printf(&what, " to %s", api_text(doc, "log"));
	printf("%-12s %-16s %-30s %-30s  %s\n", api_text(doc, "id"), api_text(doc, "principal"),
	       api_text(doc, "expires"), api_text(doc, "used"), api_cstr(&what));
	buf_fini(&what);
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	char header[120];
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	snprintf(header, sizeof header, "%-12s %-16s %-30s %-30s  %s", "ID", "PRINCIPAL", "EXPIRES",
		 "USED", "SCOPES, LOGS, PATHS");
	return api_list(cli, path, "tokens", header, print_row, "list the tokens");
}

const struct cli_command cmd_token_list = {
	.name = "token list",
	.operands = "",
	.summary = "list the tokens there are, without their secrets",
	.about =
		"Lists tokens: what each may do, where, and until when; \"by\" are the vendor paths\n"
		"that it is for alone, \"to\" the log where they go. The id is the part after "
		"the\n"
		"first underscore of the token itself. With --json: the server's pages, one a "
		"line.",
	.run = run_list,
};

/* --- token rotate ------------------------------------------------------------ */

static int
run_rotate(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *overlap = NULL;
	const struct cli_option options[] = {
		{"overlap", 0, CLI_TEXT, &overlap, "D",
		 "how long the old one still opens (24h; 1s: at once)"},
		{NULL},
	};
	struct buf target;
	json_t *doc;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	doc = json_object();
	api_set_text(doc, "overlap", overlap);
	buf_init(&target);
	api_put_target(&target, path, argv[0], "/rotate");
	rc = api_show(cli, "POST", api_cstr(&target), doc, print_token, "rotate the token");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_token_rotate = {
	.name = "token rotate",
	.operands = "ID [--overlap D]",
	.summary = "make a new token in the place of an old one",
	.about = "Makes a token with the same rights and the same length of life, and prints it. "
		 "The\n"
		 "old one opens for another day, or for --overlap, and then nothing any more.\n"
		 "\n"
		 "  stele token rotate qsgto26uaj > agent.token",
	.run = run_rotate,
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
	api_put_target(&target, path, argv[0], "");
	rc = api_send(cli, &c, "DELETE", api_cstr(&target), NULL, "revoke the token");
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
