/* stele approve, approval list, show, refuse; dual-control show, set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/api.h"
#include "tools/commands.h"

static const char path[] = "/api/v1/approvals";

static void
print_approval(const json_t *doc)
{
	char *act = json_dumps(json_object_get(doc, "act"), JSON_INDENT(2));

	printf("approval   %s, %s\n", api_text(doc, "id"), api_text(doc, "state"));
	printf("asked by   %s at %s\n", api_text(doc, "by"), api_text(doc, "requested"));
	printf("expires    %s\n", api_text(doc, "expires"));
	if (json_object_get(doc, "decider"))
		printf("decided by %s at %s\n", api_text(doc, "decider"), api_text(doc, "decided"));
	printf("digest     %s\n", api_text(doc, "digest"));
	printf("what will happen:\n%s\n", act ? act : "-");
	free(act);
}

/* The approval, the caller's to decref; CLI_GO, or the exit code. */
static int
fetch(struct cli *cli, const char *id, json_t **doc)
{
	struct buf target;
	int rc;

	buf_init(&target);
	api_put_target(&target, path, id, "");
	rc = api_ask(cli, "GET", api_cstr(&target), NULL, doc, "show the approval");
	buf_fini(&target);
	return rc;
}

static void
print_decided(const json_t *doc)
{
	printf("%s is %s\n", api_text(doc, "id"), api_text(doc, "state"));
}

/* Sends a decision, and says what came of it. */
static int
decide(struct cli *cli, const char *id, const char *rest, json_t *body, const char *what)
{
	struct buf target;
	int rc;

	buf_init(&target);
	api_put_target(&target, path, id, rest);
	rc = api_show(cli, "POST", api_cstr(&target), body, print_decided, what);
	buf_fini(&target);
	return rc;
}

/* --- approve ------------------------------------------------------------------- */

/* Shows it to the person at the terminal and asks: CLI_GO when they say yes. */
static int
ask_person(const struct cli_command *self, const json_t *doc)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return cli_usage(self, "without a terminal say what it is that you approve: "
				       "--digest, from 'stele approval show'");
	print_approval(doc);
	printf("Approve exactly this? Type yes: ");
	fflush(stdout);
	if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n") != 0) {
		cli_say("nothing was approved");
		return CLI_REFUSED;
	}
	return CLI_GO;
}

static int
run_approve(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *digest = NULL;
	const struct cli_option options[] = {
		{"digest", 0, CLI_TEXT, &digest, "HEX",
		 "of the act that you have seen; do not ask"},
		{NULL},
	};
	json_t *doc = NULL, *body;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc == CLI_GO && !digest) {
		rc = fetch(cli, argv[0], &doc);
		if (rc == CLI_GO)
			rc = ask_person(self, doc);
	}
	if (rc == CLI_GO) {
		body = json_pack("{s:s}", "digest", digest ? digest : api_text(doc, "digest"));
		rc = decide(cli, argv[0], "/approve", body, "approve it");
	}
	json_decref(doc);
	return rc;
}

const struct cli_command cmd_approve = {
	.name = "approve",
	.operands = "ID [--digest HEX]",
	.summary = "let an act happen that needs a second principal",
	.about =
		"Shows what will happen, asks, and lets it happen, then and there. Needs the scope\n"
		"approve, of another principal than the one that asked, whose grants have not grown\n"
		"for 72 hours. What is approved is what was shown: its digest goes along.\n"
		"\n"
		"  stele approval list\n"
		"  stele approve a-bwwaim2apv",
	.run = run_approve,
};

/* --- approval list, show, refuse -------------------------------------------------- */

static void
print_row(const json_t *doc)
{
	printf("%-14s %-9s %-16s %-30s  %s\n", api_text(doc, "id"), api_text(doc, "state"),
	       api_text(doc, "by"), api_text(doc, "expires"),
	       api_text(json_object_get(doc, "act"), "type"));
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	bool all = false;
	const struct cli_option options[] = {
		{"all", 0, CLI_FLAG, &all, NULL, "decided and expired ones too, for 30 days"},
		{NULL},
	};
	char header[80];
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	snprintf(header, sizeof header, "%-14s %-9s %-16s %-30s  %s", "ID", "STATE", "ASKED BY",
		 "EXPIRES", "ACT");
	return api_list(cli, all ? "/api/v1/approvals?state=all" : path, "approvals", header,
			print_row, "list the approvals");
}

const struct cli_command cmd_approval_list = {
	.name = "approval list",
	.operands = "[--all]",
	.summary = "list what waits for a second principal",
	.about =
		"Lists acts that were asked for and need a second principal's approval. Each waits for\n"
		"seven days. 'stele approval show ID' shows exactly what will happen.",
	.run = run_list,
};

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	json_t *doc = NULL;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc == CLI_GO)
		rc = fetch(cli, argv[0], &doc);
	if (rc == CLI_GO)
		rc = api_print(cli, doc, print_approval);
	json_decref(doc);
	return rc;
}

const struct cli_command cmd_approval_show = {
	.name = "approval show",
	.operands = "ID",
	.summary = "show exactly what will happen when it is approved",
	.about =
		"Shows an approval: the act, who asked for it, until when it waits, and the digest\n"
		"that approving it takes.",
	.run = run_show,
};

static int
run_refuse(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	return rc == CLI_GO ? decide(cli, argv[0], "/refuse", NULL, "refuse it") : rc;
}

const struct cli_command cmd_approval_refuse = {
	.name = "approval refuse",
	.operands = "ID",
	.summary = "have it never happen",
	.about = "Refuses what waits. Who asked for it may take it back so, too, with the scope\n"
		 "approve. The refusal is recorded.",
	.run = run_refuse,
};

/* --- dual-control show, set ----------------------------------------------------------- */

static const char dual_path[] = "/api/v1/dual-control";

static void
print_acts(const json_t *doc)
{
	const json_t *acts = json_object_get(doc, "acts"), *act;
	size_t i;

	json_array_foreach(acts, i, act) printf("%s\n", json_string_value(act));
	if (json_array_size(acts) == 0)
		printf("dual control is off\n");
}

static int
run_dual_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	return rc == CLI_GO ? api_show(cli, "GET", dual_path, NULL, print_acts, "read dual control")
			    : rc;
}

const struct cli_command cmd_dual_control_show = {
	.name = "dual-control show",
	.operands = "",
	.summary = "show which acts need a second principal",
	.about =
		"Lists the types of acts that wait for a second principal. While there are any, so\n"
		"do weakening this list, making or widening principals that may hold, retain, purge\n"
		"or approve, making tokens for them, and confirming a step of the wall clock.",
	.run = run_dual_show,
};

static int
run_dual_set(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct cli_texts acts = {.n = 1};
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	acts.text[0] = strcmp(argv[0], "none") == 0 ? "" : argv[0];
	return api_show(cli, "PUT", dual_path, json_pack("{s:o}", "acts", api_words(&acts)),
			print_acts, "set dual control");
}

const struct cli_command cmd_dual_control_set = {
	.name = "dual-control set",
	.operands = "ACT[,ACT]|none",
	.summary = "say which acts need a second principal",
	.about =
		"Sets which acts wait for a second principal: principal.create, principal.change,\n"
		"principal.disable, token.create, token.rotate, token.revoke, policy.change,\n"
		"hold.place, hold.release, retain.extend, retain.event, retain.shorten, purge,\n"
		"erasure.request, clock.credit (which always does), clock.confirm, log.key.rotate,\n"
		"identity.rotate, schema.add, schema.retire, log.schema, alias.set, alias.remove. To\n"
		"take one off the list needs a second principal itself. Two principals with the scope\n"
		"approve must be there first.\n"
		"\n"
		"  stele dual-control set principal.create,principal.change,principal.disable",
	.run = run_dual_set,
};
