/* stele key: verifier keys, the notes that tie them together, and new keys. */
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"
#include "tools/statements.h"

static const char about[] =
	"Without LOG: prints the server identity's verifier key. It is what auditors pin: print\n"
	"it once, by a way you trust, and keep it apart from the server.\n"
	"With LOG: prints that log's own verifier key, which signs its checkpoints.\n"
	"With LOG and --statement: prints the signed notes in which the identity names the log's\n"
	"keys, one for each epoch, the current one last; 'stele verify --keys' takes them. When the\n"
	"identity was replaced, the notes that say so come first; without LOG, they come alone.\n"
	"\n"
	"  stele key show > identity.vkey\n"
	"  stele key show payments --statement > payments.keys\n"
	"  stele verify receipts.ndjson --key @identity.vkey --keys payments.keys";

/* {"name":…,"vkey":…}: a verifier key begins with its name and a '+'. */
static void
print_json(const char *text)
{
	json_t *doc = json_pack("{s:s%, s:s}", "name", text, strcspn(text, "+"), "vkey", text);

	json_dumpf(doc, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(doc);
}

static void
print_notes(const json_t *list)
{
	const json_t *note;
	size_t i;

	json_array_foreach(list, i, note) fputs(json_string_value(note), stdout);
}

/* The notes as they are, or {"statement":…,"earlier":[…],"identities":[…]}. */
static int
print_statements(struct cli *cli, const char *log)
{
	json_t *list, *successions, *note, *doc;
	int rc = statements_get(cli, log, &list, &successions);
	size_t last;

	if (rc != CLI_GO)
		return rc;
	last = json_array_size(list) - 1;
	if (cli->json) {
		note = json_incref(json_array_get(list, last));
		json_array_remove(list, last);
		doc = json_pack("{s:o, s:O, s:O}", "statement", note, "earlier", list, "identities",
				successions);
		json_dumpf(doc, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(doc);
	} else {
		print_notes(successions);
		print_notes(list);
	}
	json_decref(list);
	json_decref(successions);
	return CLI_DONE;
}

/* The succession notes as they are, or {"identities":[…]}. */
static int
print_successions(struct cli *cli)
{
	json_t *doc = NULL, *list, *out;
	int rc = api_ask(cli, "GET", "/api/v1/identity", NULL, &doc, "show the successions");

	list = json_object_get(doc, "successions");
	if (rc == CLI_GO && cli->json) {
		out = json_pack("{s:O}", "identities", list);
		json_dumpf(out, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(out);
	} else if (rc == CLI_GO) {
		if (json_array_size(list) == 0)
			cli_say("the identity is the server's first one: there is no note");
		print_notes(list);
	}
	json_decref(doc);
	return rc == CLI_GO ? CLI_DONE : rc;
}

/* Prints a verifier key, a member of the document at target. */
static int
print_vkey(struct cli *cli, const char *target, const char *member)
{
	json_t *doc = NULL;
	const char *text;
	int rc = api_ask(cli, "GET", target, NULL, &doc, "show the key");

	if (rc == CLI_GO) {
		text = json_string_value(json_object_get(doc, member));
		if (text && cli->json)
			print_json(text);
		else if (text)
			puts(text);
		else
			cli_say("cannot show the key: the server's answer has none");
		rc = text ? CLI_GO : CLI_REFUSED;
	}
	json_decref(doc);
	return rc == CLI_GO ? CLI_DONE : rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	bool statement = false;
	const struct cli_option options[] = {
		{"statement", 0, CLI_FLAG, &statement, NULL,
		 "the signed key statements of LOG; of the identity, its successions"},
		{NULL},
	};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 1, &n);

	if (rc != CLI_GO)
		return rc;
	if (n == 0 && statement)
		return print_successions(cli);
	if (n == 0)
		return print_vkey(cli, "/api/v1/logs?limit=1", "server_vkey");
	if (statement)
		return print_statements(cli, argv[0]);
	buf_init(&target);
	api_log_target(&target, argv[0], "%s", "");
	rc = print_vkey(cli, api_cstr(&target), "vkey");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_key_show = {
	.name = "key show",
	.operands = "[LOG] [--statement]",
	.summary = "print the key to trust",
	.about = about,
	.run = run,
};

/* --- key rotate ------------------------------------------------------------------------ */

static void
print_rotated(const json_t *doc)
{
	printf("%s is in epoch %lld: from %lld records on, its key is\n%s\n", api_text(doc, "log"),
	       api_number(doc, "epoch"), api_number(doc, "first_size"), api_text(doc, "vkey"));
}

static void
print_succeeded(const json_t *doc)
{
	printf("the identity of %s, replaced %lld times so far, is\n%s\n", api_text(doc, "server"),
	       api_number(doc, "number"), api_text(doc, "vkey"));
}

static int
rotate(struct cli *cli, const char *target, void (*print)(const json_t *), const char *what)
{
	json_t *doc = NULL;
	int rc = api_ask(cli, "POST", target, NULL, &doc, what);

	if (rc == CLI_GO && !json_is_true(json_object_get(doc, "old_key_destroyed")))
		cli_say("the new key signs; the old one could not be removed from its file yet: "
			"the server's log says why");
	if (rc == CLI_GO)
		rc = api_print(cli, doc, print);
	json_decref(doc);
	return rc;
}

static int
run_rotate(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	bool identity = false;
	const struct cli_option options[] = {
		{"identity", 0, CLI_FLAG, &identity, NULL, "the server's identity, no log's key"},
		{NULL},
	};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 1, &n);

	if (rc == CLI_GO && identity == (n == 1))
		rc = cli_usage(self, "it is either LOG or --identity");
	if (rc != CLI_GO)
		return rc;
	if (identity)
		return rotate(cli, "/api/v1/identity/rotate", print_succeeded,
			      "rotate the identity");
	buf_init(&target);
	api_log_target(&target, argv[0], "%s", "/key/rotate");
	rc = rotate(cli, api_cstr(&target), print_rotated, "rotate the key");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_key_rotate = {
	.name = "key rotate",
	.operands = "LOG|--identity",
	.summary = "give a log, or the server, a new signing key",
	.about =
		"A new key signs the log's checkpoints from now on; an entry of the log names it, in a\n"
		"statement that the server's identity signs, and the old private key is destroyed.\n"
		"Whoever pins the identity need do nothing: what was signed before keeps verifying.\n"
		"Whoever pins the log's key finds both signatures under the first checkpoint of the\n"
		"new one.\n"
		"\n"
		"--identity replaces the key that auditors pin. A note that both the old one and the new\n"
		"one sign is recorded in _system and goes along with every proof from now on, so that\n"
		"evidence of before and after holds with either pinned. Tell auditors the new key all\n"
		"the same, by the way that they got the old one: 'stele key letter' prints it.\n"
		"\n"
		"Make a backup with the keyring afterwards. Not while a backup is being made. Where dual\n"
		"control lists log.key.rotate, or identity.rotate, another principal approves it first,\n"
		"who is shown the key that goes. Needs the scope operate.",
	.run = run_rotate,
};
