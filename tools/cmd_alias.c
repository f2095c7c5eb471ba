/* stele alias set, list, remove. */
#include <stdio.h>

#include "proto/limits.h"
#include "tools/api.h"
#include "tools/commands.h"

static const char path[] = "/api/v1/aliases";

/* --- what is shown --------------------------------------------------------------------------- */

static void
print_alias(const json_t *doc)
{
	const json_t *values = json_object_get(doc, "values");
	char name[LIMIT_LOG_NAME_BYTES + 2];

	snprintf(name, sizeof name, "@%s", api_text(doc, "name"));
	for (size_t i = 0; i < json_array_size(values); i++)
		printf("%-24s %s\n", i ? "" : name, json_string_value(json_array_get(values, i)));
}

static void
print_list(const json_t *doc)
{
	const json_t *list = json_object_get(doc, "aliases");

	for (size_t i = 0; i < json_array_size(list); i++)
		print_alias(json_array_get(list, i));
}

/* --- set ------------------------------------------------------------------------------------- */

static int
run_set(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	json_t *values;
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 3, 2 + LIMIT_ALIAS_VALUES, &n);

	if (rc != CLI_GO)
		return rc;
	values = json_array();
	for (int i = 2; i < n; i++)
		json_array_append_new(values, json_string(argv[i]));
	buf_init(&target);
	api_put_target(&target, path, argv[1], "");
	rc = api_show(cli, "PUT", api_cstr(&target),
		      json_pack("{s:s, s:o}", "matter", argv[0], "values", values), print_alias,
		      "set the alias");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_alias_set = {
	.name = "alias set",
	.operands = "CASE NAME VALUE...",
	.summary = "name a set of values of a matter",
	.about =
		"Names what somebody or something is called by in one matter, so that one question finds\n"
		"all of it: @NAME in a query's terms and filters, and in a hold's filter, stands for any\n"
		"of the VALUEs, as they are when it is asked. It takes the place of the alias of that\n"
		"name. Needs the scope hold; it is recorded, with the values.\n"
		"\n"
		"  stele alias set 'Case 7' alice alice@example.com S-1-5-21-7-1104 \\\n"
		"      arn:aws:iam::111122223333:user/alice\n"
		"  stele query --matter 'Case 7' --any @alice",
	.run = run_set,
};

/* --- list ------------------------------------------------------------------------------------ */

static void
put_matter(struct buf *target, const char *matter)
{
	buf_put_str(target, "?matter=");
	cli_put_path(target, matter);
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	buf_put_str(&target, path);
	if (n)
		put_matter(&target, argv[0]);
	rc = api_show(cli, "GET", api_cstr(&target), NULL, print_list, "list the aliases");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_alias_list = {
	.name = "alias list",
	.operands = "[CASE]",
	.summary = "list the named sets of values of a matter",
	.about =
		"Lists the aliases of a matter: for whoever was invited for it, who may leave CASE out,\n"
		"and for those with the scope hold.",
	.run = run_list,
};

/* --- remove ---------------------------------------------------------------------------------- */

static int
run_remove(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct http_call c;
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_put_target(&target, path, argv[1], "");
	put_matter(&target, argv[0]);
	rc = api_send(cli, &c, "DELETE", api_cstr(&target), NULL, "remove the alias");
	if (rc == CLI_GO && !cli->json)
		printf("removed @%s\n", argv[1]);
	http_call_fini(&c);
	buf_fini(&target);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_alias_remove = {
	.name = "alias remove",
	.operands = "CASE NAME",
	.summary = "forget a named set of values",
	.about =
		"Holds that were placed with it stay as they are: they hold by the values that it had.\n"
		"Needs the scope hold.",
	.run = run_remove,
};
