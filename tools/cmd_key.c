/* stele key show: verifier keys, and the statements that tie them together. */
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"

static const char about[] =
	"Without LOG: prints the server identity's verifier key. It is what auditors pin: print\n"
	"it once, by a way you trust, and keep it apart from the server.\n"
	"With LOG: prints that log's own verifier key, which signs its checkpoints.\n"
	"With LOG and --statement: prints the signed note in which the identity names the log's\n"
	"key; 'stele verify --keys' takes it.\n"
	"\n"
	"  stele key show > identity.vkey\n"
	"  stele key show payments --statement > payments.keys\n"
	"  stele verify receipts.ndjson --key @identity.vkey --keys payments.keys";

/* {"statement":…}, or {"name":…,"vkey":…}: a verifier key begins with its name and a '+'. */
static void
print_json(const char *text, bool is_key)
{
	json_t *doc =
		is_key ? json_pack("{s:s%, s:s}", "name", text, strcspn(text, "+"), "vkey", text)
		       : json_pack("{s:s}", "statement", text);

	json_dumpf(doc, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(doc);
}

/* Prints a string member of the document at target, as it is. */
static int
print_member(struct cli *cli, const char *target, const char *member, bool is_key)
{
	struct http_call c;
	json_t *doc = NULL;
	const char *text;
	int rc = api_get(cli, &c, target, "application/json", "show the key");

	if (rc == CLI_GO && !(doc = api_json(&c, "show the key")))
		rc = CLI_REFUSED;
	if (rc == CLI_GO) {
		text = json_string_value(json_object_get(doc, member));
		if (text && cli->json)
			print_json(text, is_key);
		else if (text)
			printf(is_key ? "%s\n" : "%s", text);
		else
			cli_say("cannot show the key: the server's answer has none");
		rc = text ? CLI_GO : CLI_REFUSED;
	}
	json_decref(doc);
	http_call_fini(&c);
	return rc == CLI_GO ? CLI_DONE : rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	bool statement = false;
	const struct cli_option options[] = {
		{"statement", 0, CLI_FLAG, &statement, NULL, "the signed key statement of LOG"},
		{NULL},
	};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 1, &n);

	if (rc == CLI_GO && statement && n == 0)
		rc = cli_usage(self,
			       "--statement needs a log: the identity states nothing about itself");
	if (rc != CLI_GO)
		return rc;
	if (n == 0)
		return print_member(cli, "/api/v1/logs?limit=1", "server_vkey", true);
	buf_init(&target);
	api_log_target(&target, argv[0], "%s", "");
	rc = print_member(cli, api_cstr(&target), statement ? "key_statement" : "vkey", !statement);
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_key_show = {
	.name = "key show",
	.operands = "[LOG [--statement]]",
	.summary = "print the key to trust",
	.about = about,
	.run = run,
};
