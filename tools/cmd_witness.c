/* stele witness show. */
#include <stdio.h>

#include "tools/api.h"
#include "tools/commands.h"

static const char *
text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "-";
}

/* Whose checkpoints it cosigns. */
static void
print_seen(const json_t *doc)
{
	const json_t *seen = json_object_get(doc, "seen"), *log;
	size_t i;

	if (!json_object_get(doc, "vkey")) {
		printf("this server is a witness of no log (steled --witness-for FILE)\n");
		return;
	}
	printf("key   %s\n", text(doc, "vkey"));
	json_array_foreach(seen, i, log)
	{
		if (api_number(log, "size"))
			printf("seen  %s: %lld records, root %s, cosigned %s\n",
			       text(log, "origin"), api_number(log, "size"), text(log, "root"),
			       text(log, "time"));
		else
			printf("seen  %s: nothing yet\n", text(log, "origin"));
	}
}

/* Who cosigns its own. */
static void
print_witnesses(const json_t *doc)
{
	const json_t *witnesses = json_object_get(doc, "witnesses"), *w;
	const json_t *disputed = json_object_get(doc, "disputed"), *log;
	size_t i;

	if (json_array_size(witnesses) == 0) {
		printf("this server asks no witness (steled --witness-policy FILE)\n");
		return;
	}
	printf("asks  %zu witnesses, requires %s; newest head without a quorum: %lld logs\n",
	       json_array_size(witnesses), text(doc, "require"), api_number(doc, "behind"));
	json_array_foreach(witnesses, i, w)
	{
		printf("asks  %s at %s: %lld requests, %lld cosignatures, %lld failures, %lld "
		       "conflicts%s%s\n",
		       text(w, "name"), text(w, "url"), api_number(w, "asked"),
		       api_number(w, "cosigned"), api_number(w, "failed"),
		       api_number(w, "conflicts"),
		       json_object_get(w, "last_failure") ? "; last: " : "",
		       json_object_get(w, "last_failure") ? text(w, "last_failure") : "");
	}
	json_array_foreach(disputed, i, log)
		printf("DISPUTED  %s: a witness has seen more of it, or another tree\n",
		       json_string_value(log));
}

static void
print_all(const json_t *doc)
{
	print_seen(doc);
	print_witnesses(doc);
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	json_t *doc = NULL;
	bool disputed;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc == CLI_GO)
		rc = api_ask(cli, "GET", "/api/v1/witness", NULL, &doc, "witness");
	if (rc == CLI_GO)
		rc = api_print(cli, doc, print_all);
	disputed = json_array_size(json_object_get(doc, "disputed")) > 0;
	json_decref(doc);
	return rc == CLI_DONE && disputed ? CLI_REFUSED : rc;
}

const struct cli_command cmd_witness_show = {
	.name = "witness show",
	.operands = "",
	.summary = "show who cosigns this server's checkpoints, and whose it cosigns",
	.about =
		"The key is what the logs that this server is a witness of put into their policies\n"
		"(steled --witness-for); behind it stands what it has cosigned last of each. Then its\n"
		"own witnesses (steled --witness-policy), how often each was asked, and what failed\n"
		"last. The exit status is 1 while a log is disputed: a witness has seen more of it than\n"
		"there is, or another tree. Needs the scope operate. docs/witnesses.md is the guide.",
	.run = run,
};
