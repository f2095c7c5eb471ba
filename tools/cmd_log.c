/* stele log create, log list, log show, log seal. */
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"
#include "tools/policy_args.h"

static void
print_compliance(const json_t *compliance)
{
	if (compliance)
		printf("COMPLIANCE BEGINS at %s, in %.1f hours\n", api_text(compliance, "from"),
		       (double)api_number(compliance, "seconds") / 3600);
}

static void
print_used(const json_t *quota, const json_t *used)
{
	static const char *const names[] = {"bytes", "records"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (api_number(quota, names[i]))
			printf("quota    %lld of %lld %s (%.1f %%)\n", api_number(used, names[i]),
			       api_number(quota, names[i]), names[i],
			       100 * (double)api_number(used, names[i]) /
				       (double)api_number(quota, names[i]));
}

static void
print_log(const json_t *doc)
{
	const json_t *policy = json_object_get(doc, "policy");
	const json_t *retain = json_object_get(policy, "retain");
	const json_t *storage = json_object_get(doc, "storage");
	const char *warning = json_string_value(json_object_get(doc, "warning"));

	printf("log      %s\norigin   %s\nrecords  %lld, entry 0 included\n", api_text(doc, "log"),
	       api_text(doc, "origin"), api_number(doc, "size"));
	print_compliance(json_object_get(doc, "compliance"));
	print_used(json_object_get(policy, "quota"), json_object_get(doc, "used"));
	printf("mode     %s\nretain   default %s, min %s, max %s\npublic   %s\n",
	       api_text(policy, "mode"), api_text(retain, "default"), api_text(retain, "min"),
	       api_text(retain, "max"),
	       json_is_true(json_object_get(policy, "public")) ? "yes" : "no");
	printf("schema   %s\n", json_object_get(doc, "schema") ? api_text(doc, "schema")
							       : "detected for each record");
	printf("created  %s\nkey      %s\n", api_text(doc, "created"), api_text(doc, "vkey"));
	printf("sealed   %lld records in %lld segments, %lld bytes on disk for %lld of payload%s\n",
	       api_number(storage, "sealed"), api_number(storage, "segments"),
	       api_number(storage, "segment_bytes"), api_number(storage, "payload_bytes"),
	       api_number(storage, "quarantined") ? "; SOME ARE DAMAGED" : "");
	if (api_number(storage, "segments"))
		printf("files    mode 0444, %lld of %lld immutable, %lld with fs-verity\n",
		       api_number(storage, "immutable"), api_number(storage, "segments"),
		       api_number(storage, "verity"));
	if (warning)
		printf("warning  %s\n", warning);
}

/* --- log create ------------------------------------------------------------ */

/* Whether a record of such a log is locked without its producer asking for it. */
static bool
locks(const struct policy_args *p)
{
	return (p->retain || p->min) && !(p->mode && strcmp(p->mode, "none") == 0);
}

static int
create(struct cli *cli, const struct cli_command *self, const char *log, const char *schema,
       const struct policy_args *p)
{
	json_t *policy = json_object(), *doc = NULL;
	struct http_call c;
	struct buf target;
	int rc = policy_args_put(self, p, policy);

	if (rc != CLI_GO) {
		json_decref(policy);
		return rc;
	}
	buf_init(&target);
	api_log_target(&target, log, "%s", schema ? "?schema=" : "");
	if (schema)
		cli_put_path(&target, schema);
	rc = api_send(cli, &c, "PUT", api_cstr(&target), policy, "create the log");
	if (rc == CLI_GO && !(doc = api_json(&c, "create the log")))
		rc = CLI_REFUSED;
	if (rc == CLI_GO && !cli->json)
		printf("%s\n", c.status == 201 ? "created" : "it exists already, with this policy");
	if (rc == CLI_GO)
		rc = api_print(cli, doc, print_log);
	if (rc == CLI_DONE && !cli->json && !locks(p))
		printf("note     its records are not locked: nothing is retained for a set time\n");
	json_decref(doc);
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

static int
run_create(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct policy_args p = {0};
	const char *schema = NULL;
	const struct cli_option options[] = {
		POLICY_OPTIONS(p),
		{"schema", 0, CLI_TEXT, &schema, "NAME",
		 "what all its records are read by (detect)"},
		{NULL},
	};
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	return rc == CLI_GO ? create(cli, self, argv[0], schema, &p) : rc;
}

const struct cli_command cmd_log_create = {
	.name = "log create",
	.operands = "LOG [--retain D] [options]",
	.summary = "make a log with its policy",
	.about = "Makes a log: one append-only sequence with its own key and policy. Asking again\n"
		 "with the same policy changes nothing; with another it is refused. A log cannot "
		 "be\n"
		 "removed or made anew. Without --retain its records are not locked: they cannot "
		 "be\n"
		 "changed all the same, but no retention is written into them.\n"
		 "Names are a-z 0-9 . _ - (up to 63, beginning with a letter "
		 "or digit).\n"
		 "\n"
		 "  stele log create payments --retain 7y\n"
		 "  stele log create k8s-prod --retain 1y --max 10y --public\n"
		 "  stele log create cases --retain 6y --event-based --dual-control policy.change",
	.run = run_create,
};

/* --- log list -------------------------------------------------------------- */

static void
print_row(const json_t *doc)
{
	const json_t *policy = json_object_get(doc, "policy");

	printf("%-32s %12lld  %-10s  %s\n", api_text(doc, "log"), api_number(doc, "size"),
	       api_text(policy, "mode"), api_text(json_object_get(policy, "retain"), "default"));
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	char header[80];
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	snprintf(header, sizeof header, "%-32s %12s  %-10s  %s", "LOG", "RECORDS", "MODE",
		 "RETAIN");
	return api_list(cli, "/api/v1/logs", "logs", header, print_row, "list the logs");
}

const struct cli_command cmd_log_list = {
	.name = "log list",
	.operands = "",
	.summary = "list the logs and how much they hold",
	.about = "Lists the logs this token may see. RECORDS counts entry 0, the policy, too.\n"
		 "With --json: the server's pages, one JSON document a line.",
	.run = run_list,
};

/* --- log show -------------------------------------------------------------- */

/* A command about one log, whose answer is what the log is then. */
static int
one_log(struct cli *cli, const struct cli_command *self, int argc, char **argv, const char *method,
	const char *rest, const char *what)
{
	const struct cli_option options[] = {{NULL}};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_log_target(&target, argv[0], "%s", rest);
	rc = api_show(cli, method, api_cstr(&target), NULL, print_log, what);
	buf_fini(&target);
	return rc;
}

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	return one_log(cli, self, argc, argv, "GET", "", "show the log");
}

const struct cli_command cmd_log_show = {
	.name = "log show",
	.operands = "LOG",
	.summary = "show a log's size, policy and key",
	.about = "Shows what a log is: its origin (the name its proofs are about), how many "
		 "entries\n"
		 "it holds, its policy, and the key that signs its checkpoints.",
	.run = run_show,
};

/* --- log seal -------------------------------------------------------------- */

static int
run_seal(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	return one_log(cli, self, argc, argv, "POST", "/seal", "seal the log");
}

const struct cli_command cmd_log_seal = {
	.name = "log seal",
	.operands = "LOG",
	.summary = "move a log's newest records into sealed segments now",
	.about = "Records are sealed by themselves when there are many of them, when they are an "
		 "hour\n"
		 "old, or when the write-ahead log needs their room. This does it now: before a "
		 "copy\n"
		 "is taken, or to see what they take on disk. Needs the scope operate.",
	.run = run_seal,
};
