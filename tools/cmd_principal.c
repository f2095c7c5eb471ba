/* stele principal create, invite, list, show, change, disable. */
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"

static const char path[] = "/api/v1/principals";

/* --- what a request says ------------------------------------------------------- */

struct principal_arguments {
	struct cli_texts grants, names;
	const char *kind, *id, *ends, *matter, *expires;
	bool token;
};

/* "read,verify:k8s-*,payments": scopes, a colon, logs. NULL when it is not so. */
static json_t *
grant_of(const char *text)
{
	const char *colon = strchr(text, ':');
	struct cli_texts scopes = {.n = 1}, logs = {.n = 1};
	char left[256];

	if (!colon || (size_t)(colon - text) >= sizeof left)
		return NULL;
	snprintf(left, sizeof left, "%.*s", (int)(colon - text), text);
	scopes.text[0] = left;
	logs.text[0] = colon + 1;
	return json_pack("{s:o, s:o}", "scopes", api_words(&scopes), "logs", api_words(&logs));
}

/* The members that were given; NULL after saying which grant is none. */
static json_t *
request_of(const struct cli_command *self, const struct principal_arguments *a)
{
	json_t *doc = json_object(), *grants = json_array();

	for (size_t i = 0; i < a->grants.n; i++) {
		json_t *g = grant_of(a->grants.text[i]);
		if (!g) {
			cli_usage(self, "--grant is SCOPE[,SCOPE]:LOG[,LOG], not '%s'",
				  a->grants.text[i]);
			json_decref(doc);
			json_decref(grants);
			return NULL;
		}
		json_array_append_new(grants, g);
	}
	if (a->grants.n)
		json_object_set(doc, "grants", grants);
	json_decref(grants);
	if (a->names.n) {
		json_t *names = json_array();
		for (size_t i = 0; i < a->names.n; i++)
			json_array_append_new(names, json_string(a->names.text[i]));
		json_object_set_new(doc, "names", names);
	}
	api_set_text(doc, "kind", a->kind);
	api_set_text(doc, "id", a->id);
	api_set_text(doc, "matter", a->matter);
	if (a->ends)
		json_object_set_new(doc, "ends",
				    strcmp(a->ends, "never") == 0 ? json_null()
								  : json_string(a->ends));
	if (a->token || a->expires)
		json_object_set_new(doc, "token",
				    a->expires ? json_pack("{s:s}", "expires", a->expires)
					       : json_object());
	return doc;
}

/* --- what comes back ------------------------------------------------------------ */

static void
put_member(const json_t *doc, const char *name)
{
	if (json_object_get(doc, name))
		printf("%-10s %s\n", name, api_text(doc, name));
}

static void
print_principal(const json_t *doc)
{
	const json_t *grants = json_object_get(doc, "grants"),
		     *names = json_object_get(doc, "names");

	put_member(doc, "id");
	put_member(doc, "kind");
	for (size_t i = 0; i < json_array_size(grants); i++) {
		const json_t *g = json_array_get(grants, i);
		struct buf scopes, logs;

		buf_init(&scopes);
		buf_init(&logs);
		api_put_joined(&scopes, json_object_get(g, "scopes"));
		api_put_joined(&logs, json_object_get(g, "logs"));
		printf("%-10s %s:%s\n", "grant", api_cstr(&scopes), api_cstr(&logs));
		buf_fini(&scopes);
		buf_fini(&logs);
	}
	for (size_t i = 0; i < json_array_size(names); i++)
		printf("%-10s %s\n", "name", json_string_value(json_array_get(names, i)));
	put_member(doc, "matter");
	put_member(doc, "created");
	put_member(doc, "widened");
	put_member(doc, "ends");
	put_member(doc, "disabled");
	put_member(doc, "successor");
}

/* Shows the principal that came back; a token alone goes to stdout. */
static void
print_made(const json_t *doc)
{
	if (!json_object_get(doc, "token")) {
		print_principal(doc);
		return;
	}
	printf("%s\n", api_text(doc, "token"));
	fflush(stdout);
	cli_say("the token of %s; it is shown this once", api_text(doc, "id"));
}

/* A request about one principal. */
static int
send(struct cli *cli, const char *method, const char *id, const char *rest, json_t *doc,
     const char *what)
{
	struct buf target;
	int rc;

	buf_init(&target);
	api_put_target(&target, path, id, rest);
	rc = api_show(cli, method, api_cstr(&target), doc, print_principal, what);
	buf_fini(&target);
	return rc;
}

/* --- principal create, invite ----------------------------------------------------- */

static int
run_create(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	bool invite = self == &cmd_principal_invite;
	struct principal_arguments a = {.kind = invite ? "person" : NULL, .token = invite};
	const struct cli_option options[] = {
		{"grant", 0, CLI_TEXTS, &a.grants, "S[,S]:L[,L]",
		 "scopes on logs, once or more: 'stele token create --help' lists the scopes"},
		{"name", 0, CLI_TEXTS, &a.names, "N",
		 "of its client certificate, once or more: dns:HOST, uri:URI, email:ADDRESS"},
		{"kind", 0, CLI_TEXT, &a.kind, "KIND", "person, service or job"},
		{"id", 0, CLI_TEXT, &a.id, "ID", "an opaque id (default: one is made)"},
		{"ends", 0, CLI_TEXT, &a.ends, "D", "when it ends: 90d, or an instant"},
		{"matter", 0, CLI_TEXT, &a.matter, "TEXT", "what it is invited for"},
		{"token", 0, CLI_FLAG, &a.token, NULL, "make a token, too, and print that"},
		{"expires", 0, CLI_TEXT, &a.expires, "D", "when the token expires, if before"},
		{NULL},
	};
	json_t *doc;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc == CLI_GO && !a.kind)
		rc = cli_usage(self, "--kind is needed: person, service or job");
	if (rc == CLI_GO && invite && (!a.ends || !a.matter || !a.grants.n))
		rc = cli_usage(self, "--grant, --ends and --matter are needed: a guest has a "
				     "reason and an end");
	if (rc != CLI_GO)
		return rc;
	doc = request_of(self, &a);
	if (!doc)
		return CLI_USAGE;
	if (!a.grants.n)
		json_object_set_new(doc, "grants", json_array());
	return api_show(cli, "POST", path, doc, print_made, "make a principal");
}

const struct cli_command cmd_principal_create = {
	.name = "principal create",
	.operands = "--kind KIND [--grant S[,S]:L[,L]]... [--name N]... [--token]",
	.summary = "make a principal: someone who may do something",
	.about =
		"Makes a principal, a person, a service or a job, with scopes on logs by name or\n"
		"pattern. Records name it as their writer for ever: its id is opaque, and whose it\n"
		"is stands in your directory, not here. Tokens and certificates stand for it.\n"
		"\n"
		"  stele principal create --kind service --grant 'append:k8s-*' --token\n"
		"  stele principal create --kind person --grant 'read,verify:*' \\\n"
		"      --grant 'read:_system,_access'",
	.run = run_create,
};

const struct cli_command cmd_principal_invite = {
	.name = "principal invite",
	.operands = "--grant S[,S]:L[,L]... --ends D --matter TEXT",
	.summary = "let someone in for a matter, until a date",
	.about = "Makes a principal that ends by itself, for an auditor or a regulator, and prints "
		 "a\n"
		 "token for it. Hand that over by a safe way.\n"
		 "\n"
		 "  stele principal invite --grant 'read,verify:payments' --ends 30d \\\n"
		 "      --matter 'Audit 2026/4' > guest.token",
	.run = run_create,
};

/* --- principal list, show ----------------------------------------------------------- */

static void
print_row(const json_t *doc)
{
	const json_t *grants = json_object_get(doc, "grants");
	struct buf text;

	buf_init(&text);
	for (size_t i = 0; i < json_array_size(grants); i++) {
		const json_t *g = json_array_get(grants, i);
		buf_put_str(&text, i ? "  " : "");
		api_put_joined(&text, json_object_get(g, "scopes"));
		buf_put_u8(&text, ':');
		api_put_joined(&text, json_object_get(g, "logs"));
	}
	printf("%-16s %-8s %-30s  %s\n", api_text(doc, "id"), api_text(doc, "kind"),
	       json_object_get(doc, "disabled") ? "disabled" : api_text(doc, "ends"),
	       api_cstr(&text));
	buf_fini(&text);
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	char header[80];
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	snprintf(header, sizeof header, "%-16s %-8s %-30s  %s", "ID", "KIND", "ENDS", "GRANTS");
	return api_list(cli, path, "principals", header, print_row, "list the principals");
}

const struct cli_command cmd_principal_list = {
	.name = "principal list",
	.operands = "",
	.summary = "list who may do what",
	.about = "Lists the principals, disabled ones too: records name them. With --json: the\n"
		 "server's pages, one a line.",
	.run = run_list,
};

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	return rc == CLI_GO ? send(cli, "GET", argv[0], "", NULL, "show the principal") : rc;
}

const struct cli_command cmd_principal_show = {
	.name = "principal show",
	.operands = "ID",
	.summary = "show one principal and what it may do",
	.about =
		"Shows a principal: what it may, on which logs, since when and until when. 'widened' is\n"
		"when it last came to be allowed more: for 72 hours from then it approves nothing.",
	.run = run_show,
};

/* --- principal change, disable ---------------------------------------------------------- */

static int
run_change(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct principal_arguments a = {.kind = NULL};
	const struct cli_option options[] = {
		{"grant", 0, CLI_TEXTS, &a.grants, "S[,S]:L[,L]",
		 "all that it may from now on, in the place of what it may now"},
		{"name", 0, CLI_TEXTS, &a.names, "N", "of its certificate, in the place of others"},
		{"ends", 0, CLI_TEXT, &a.ends, "D", "when it ends: 90d, an instant, or never"},
		{"matter", 0, CLI_TEXT, &a.matter, "TEXT", "what it is invited for"},
		{NULL},
	};
	json_t *doc;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc == CLI_GO && !a.grants.n && !a.names.n && !a.ends && !a.matter)
		rc = cli_usage(self, "say what is to change: --grant, --name, --ends or --matter");
	if (rc != CLI_GO)
		return rc;
	doc = request_of(self, &a);
	return doc ? send(cli, "PATCH", argv[0], "", doc, "change the principal") : CLI_USAGE;
}

const struct cli_command cmd_principal_change = {
	.name = "principal change",
	.operands = "ID [--grant S[,S]:L[,L]]... [--name N]... [--ends D] [--matter TEXT]",
	.summary = "change what a principal may, or its end",
	.about = "Changes a principal, in force for all its tokens at once. Grants are replaced, "
		 "not\n"
		 "added to.\n"
		 "\n"
		 "  stele principal change p-bwwaim2apv --grant 'read,verify,hold:payments'",
	.run = run_change,
};

static int
run_disable(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *successor = NULL;
	const struct cli_option options[] = {
		{"successor", 0, CLI_TEXT, &successor, "ID", "who takes over"},
		{NULL},
	};
	json_t *doc;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	doc = json_object();
	api_set_text(doc, "successor", successor);
	return send(cli, "POST", argv[0], "/disable", doc, "disable the principal");
}

const struct cli_command cmd_principal_disable = {
	.name = "principal disable",
	.operands = "ID [--successor ID]",
	.summary = "take all tokens of a principal away, for good",
	.about =
		"Disables a principal: when someone leaves, when a machine is given up. Its tokens\n"
		"open nothing from this moment on. It stays listed, as records name it, and never\n"
		"comes back; the successor is recorded, and gets no right by it. The last principal\n"
		"with the scope access stays.",
	.run = run_disable,
};
