/* stele schema list, show, add, retire; stele log schema. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/limits.h"
#include "tools/api.h"
#include "tools/commands.h"

static const char path[] = "/api/v1/schemas";

/* --- list ---------------------------------------------------------------------------------- */

static void
print_row(const json_t *row)
{
	printf("%-32s %-8s %.30s  %.16s\n", api_text(row, "name"), api_text(row, "state"),
	       api_text(row, "added"), api_text(row, "digest"));
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	char header[96];
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	snprintf(header, sizeof header, "%-32s %-8s %-30s  %s", "SCHEMA", "STATE", "VERSION OF",
		 "DIGEST");
	return api_list(cli, path, "schemas", header, print_row, "list the schemas");
}

const struct cli_command cmd_schema_list = {
	.name = "schema list",
	.operands = "",
	.summary = "list how records are read, in the order in which it is tried",
	.about =
		"Lists the schemas: which producer's records look how. A record has the first one in\n"
		"this list whose `when` holds, unless one was chosen for its log. `builtin` ones come\n"
		"with steled, `added` ones are tried before them, `retired` ones not at all.",
	.run = run_list,
};

/* --- show ---------------------------------------------------------------------------------- */

/* The document as people write one: what add takes. */
static void
print_document(const json_t *doc)
{
	char *text = json_dumps(json_object_get(doc, "schema"), JSON_INDENT(2));

	if (text)
		printf("%s\n", text);
	free(text);
}

static void
print_schema(const json_t *doc)
{
	const json_t *versions = json_object_get(doc, "versions");

	printf("schema   %s, %s%s%s\ndigest   %s\nadded    %s by %s\nversions %zu\n",
	       api_text(doc, "name"), api_text(doc, "state"),
	       json_object_get(doc, "retired") ? " at " : "",
	       json_object_get(doc, "retired") ? api_text(doc, "retired") : "",
	       api_text(doc, "digest"), api_text(doc, "added"), api_text(doc, "by"),
	       json_array_size(versions));
	for (size_t i = 0; i < json_array_size(versions); i++) {
		const json_t *v = json_array_get(versions, i);

		printf("         %s  %s by %s\n", api_text(v, "digest"), api_text(v, "added"),
		       api_text(v, "by"));
	}
}

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *version = NULL;
	bool versions = false;
	const struct cli_option options[] = {
		{"version", 0, CLI_TEXT, &version, "DIGEST", "another version than the last one"},
		{"versions", 0, CLI_FLAG, &versions, NULL, "which there are, and by whom"},
		{NULL},
	};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_put_target(&target, path, argv[0], "");
	if (version) {
		buf_put_str(&target, "?version=");
		cli_put_path(&target, version);
	}
	rc = api_show(cli, "GET", api_cstr(&target), NULL, versions ? print_schema : print_document,
		      "show the schema");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_schema_show = {
	.name = "schema show",
	.operands = "NAME [--version DIGEST|--versions]",
	.summary = "show a schema's document, or its versions",
	.about =
		"Prints the document, as schema add takes it. A version stays for ever: holds go on by\n"
		"the one that they were placed under.\n"
		"\n"
		"  stele schema show kubernetes-audit > ours.json",
	.run = run_show,
};

/* --- add ----------------------------------------------------------------------------------- */

static int
run_add(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	json_error_t error;
	json_t *doc = NULL;
	struct buf text;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&text);
	rc = cli_read_file(&text, argv[0], LIMIT_SCHEMA_BYTES);
	if (rc == CLI_GO) {
		doc = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &error);
		if (!doc) {
			cli_say("%s is no JSON: line %d, column %d: %s", argv[0], error.line,
				error.column, error.text);
			rc = CLI_USAGE;
		}
	}
	buf_fini(&text);
	if (rc != CLI_GO)
		return rc;
	return api_show(cli, "POST", path, doc, print_schema, "add the schema");
}

const struct cli_command cmd_schema_add = {
	.name = "schema add",
	.operands = "FILE",
	.summary = "add a schema, or a new version of one",
	.about =
		"Adds a document (docs/queries.md, \"Schemas\") from a file or, with -, from standard\n"
		"input. It is in force for all that is asked from then on, before those that come with\n"
		"steled; one with the name of another takes its place. What was decided before stays:\n"
		"legal holds go on by the version that they were placed under. Needs the scope policy\n"
		"on all logs. Look at what it gives first:\n"
		"\n"
		"  stele schema check ours.json events.ndjson\n"
		"  stele schema add ours.json",
	.run = run_add,
};

/* --- retire -------------------------------------------------------------------------------- */

static int
run_retire(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_put_target(&target, path, argv[0], "/retire");
	rc = api_show(cli, "POST", api_cstr(&target), NULL, print_schema, "retire the schema");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_schema_retire = {
	.name = "schema retire",
	.operands = "NAME",
	.summary = "read no records by a schema any more",
	.about =
		"From then on no record is found to have it, also when it is one that comes with\n"
		"steled; adding it again brings it back. Holds that were placed under it go on by it. A\n"
		"schema that was chosen for a log is not retired: choose another one there first (stele\n"
		"log schema). Needs the scope policy on all logs.",
	.run = run_retire,
};

/* --- of a log ------------------------------------------------------------------------------ */

static void
print_choice(const json_t *doc)
{
	const char *name = json_string_value(json_object_get(doc, "schema"));

	printf("log      %s\nschema   %s\nmapping  %s\n", api_text(doc, "log"),
	       name ? name : "detected for each record", api_text(doc, "mapping"));
}

static int
run_log(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	bool detect = false;
	const struct cli_option options[] = {
		{"detect", 0, CLI_FLAG, &detect, NULL,
		 "none: each record's is found by its `when`"},
		{NULL},
	};
	json_t *doc = NULL;
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 2, &n);

	if (rc != CLI_GO)
		return rc;
	if (n == 2 && detect)
		return cli_usage(self, "give a schema's NAME, or --detect");
	if (n == 2 || detect)
		doc = json_pack("{s:s?}", "schema", n == 2 ? argv[1] : NULL);
	buf_init(&target);
	api_log_target(&target, argv[0], "/schema");
	rc = api_show(cli, doc ? "PUT" : "GET", api_cstr(&target), doc, print_choice,
		      doc ? "choose the log's schema" : "show the log's schema");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_log_schema = {
	.name = "log schema",
	.operands = "LOG [NAME|--detect]",
	.summary = "show or choose the schema that a log's records are read by",
	.about =
		"Without more: which schema was chosen for the log. With NAME all its records are taken\n"
		"to have that one, whatever their `when` says; --detect takes the choice back. It is\n"
		"about what is asked from then on: legal holds that are in the log go on as they were\n"
		"placed. Needs the scope policy on the log.",
	.run = run_log,
};
