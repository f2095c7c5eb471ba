/* stele why: what locks a record, and what would lift that. */
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"

static void
print_line(const json_t *doc, const char *name, const char *label)
{
	if (json_object_get(doc, name))
		printf("%-9s %s\n", label, api_text(doc, name));
}

/* The rule behind its end, as a sentence. */
static void
print_rule(const json_t *doc)
{
	const char *rule = api_text(doc, "rule");
	long long extension = api_number(doc, "extension");

	if (strcmp(rule, "entry") == 0)
		printf("rule      its entry says so\n");
	else if (strcmp(rule, "event") == 0)
		printf("rule      its event came\n");
	else if (strcmp(rule, "extension") == 0)
		printf("rule      it was extended by entry %lld\n", extension);
	else if (strcmp(rule, "shortened") == 0)
		printf("rule      it was shortened by entry %lld\n", extension);
}

static void
print_event(const json_t *event)
{
	if (!event)
		return;
	if (json_object_get(event, "index"))
		printf("event     %s came at %s (entry %lld)\n", api_text(event, "name"),
		       api_text(event, "at"), api_number(event, "index"));
	else
		printf("event     %s has not come\n", api_text(event, "name"));
}

/* Its names are there for who may see the hold. */
static void
print_hold(const json_t *hold)
{
	printf("hold      %s, placed by entry %lld", api_text(hold, "id"),
	       api_number(hold, "placed"));
	if (json_object_get(hold, "matter"))
		printf(": %s, %s", api_text(hold, "matter"), api_text(hold, "name"));
	printf("\n");
}

static void
print_why(const json_t *doc)
{
	const json_t *holds = json_object_get(doc, "holds"),
		     *lifts = json_object_get(doc, "lifted_by"), *v;
	size_t i;

	printf("%s %lld  %s\n", api_text(doc, "log"), api_number(doc, "index"),
	       json_is_true(json_object_get(doc, "locked")) ? "LOCKED" : "free");
	if (json_is_true(json_object_get(doc, "locked")))
		print_line(doc, "by", "by");
	print_line(doc, "until", "until");
	print_rule(doc);
	print_line(doc, "mode", "mode");
	print_event(json_object_get(doc, "event"));
	json_array_foreach(holds, i, v) print_hold(v);
	json_array_foreach(lifts, i, v) printf("lifted by %s\n", json_string_value(v));
	if (json_object_get(doc, "purged"))
		printf("purged    by entry %lld\n", api_number(doc, "purged"));
	print_line(doc, "now", "now");
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct buf target;
	uint64_t index;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc == CLI_GO)
		rc = cli_index(self, argv[1], &index);
	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_log_target(&target, argv[0], "/records/%llu/why", (unsigned long long)index);
	rc = api_show(cli, "GET", api_cstr(&target), NULL, print_why, "explain the record");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_why = {
	.name = "why",
	.operands = "LOG INDEX",
	.summary = "explain what locks a record, and what would lift it",
	.about =
		"Says whether a record is locked, until when, by which rule, hold or extension, and\n"
		"what would lift it. Needs one of the scopes read, hold, retain and purge; a hold's matter\n"
		"and name are shown to those with the scope hold on one of its logs.\n"
		"\n"
		"  stele why payments 17",
	.run = run,
};
