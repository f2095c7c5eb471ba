/* stele erasure request, list, show. */
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"
#include "tools/range_args.h"

/* --- what is shown: an answer to whoever asked ---------------------------------------------- */

static void
print_locks(const json_t *doc)
{
	const json_t *locked = json_object_get(doc, "locked");
	struct buf holds;

	buf_init(&holds);
	api_put_joined(&holds, json_object_get(doc, "holds"));
	if (api_number(locked, "retention"))
		printf("kept      %lld records by retention, of which the first ends at %s\n",
		       api_number(locked, "retention"), api_text(doc, "next"));
	if (api_number(locked, "hold"))
		printf("kept      %lld records by legal hold: %s\n", api_number(locked, "hold"),
		       api_cstr(&holds));
	if (api_number(locked, "event"))
		printf("kept      %lld records until an event that has not come\n",
		       api_number(locked, "event"));
	if (api_number(locked, "doubt"))
		printf("kept      %lld records because not all locks are in memory: restart the "
		       "server\n",
		       api_number(locked, "doubt"));
	if (json_object_get(doc, "until"))
		printf("until     %s, when the last retention of them ends\n",
		       api_text(doc, "until"));
	buf_fini(&holds);
}

static void
print_wait(const json_t *doc)
{
	const char *waits = api_text(doc, "waits_for");

	if (strcmp(waits, "clock") == 0)
		printf("waits     the clocks are frozen: nothing goes until they are thawed (stele "
		       "clock)\n");
	else if (strcmp(waits, "second-principal") == 0)
		printf("waits     two must look at every purge here: what is free goes by\n"
		       "          stele purge plan %s --unlocked --range FIRST-LAST, then approved\n",
		       api_text(doc, "log"));
}

static void
print_erasure(const json_t *doc)
{
	bool done = json_is_true(json_object_get(doc, "done"));

	printf("erasure   %s of log %s, case %s\n", api_text(doc, "id"), api_text(doc, "log"),
	       api_text(doc, "case"));
	printf("requested %s by %s\n", api_text(doc, "requested"), api_text(doc, "by"));
	if (json_object_get(doc, "reason"))
		printf("reason    %s\n", api_text(doc, "reason"));
	if (json_object_get(doc, "looked"))
		printf("found     among %lld records; %lld could not be read by the filter and are not "
		       "in it; %lld were gone before\n",
		       api_number(doc, "looked"), api_number(doc, "unread"),
		       api_number(doc, "gone"));
	printf("about     %lld records%s\n", api_number(doc, "records"),
	       done ? "" : ", of which only who may hold the log reads the payloads");
	printf("purged    %lld records; %lld more may go now\n", api_number(doc, "purged"),
	       api_number(doc, "free"));
	print_locks(doc);
	print_wait(doc);
	if (done)
		printf("done      %s: nothing of it is left but entries, which hold no payload\n",
		       api_text(doc, "ended"));
}

/* --- request -------------------------------------------------------------------------------- */

/* What it is about; false when a text of it is none. */
static bool
put_records(json_t *doc, const char *range, const char *records)
{
	json_t *pair = range ? range_args_pair(range, false) : NULL,
	       *list = records ? range_args_list(records) : NULL;

	if (pair)
		json_object_set_new(doc, "range", pair);
	if (list)
		json_object_set_new(doc, "records", list);
	return !range == !pair && !records == !list;
}

static int
run_request(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *matter = NULL, *filter = NULL, *range = NULL, *records = NULL, *reason = NULL;
	const struct cli_option options[] = {
		{"case", 0, CLI_TEXT, &matter, "CASE", "under which the request is filed"},
		{"filter", 0, CLI_TEXT, &filter, "FILTER", "records that match; kept nowhere"},
		{"range", 0, CLI_TEXT, &range, "FIRST-LAST", "of these records alone"},
		{"records", 0, CLI_TEXT, &records, "LIST", "these records: 3,7-9"},
		{"reason", 0, CLI_TEXT, &reason, "TEXT", "kept for ever: name nobody"},
		{NULL},
	};
	struct buf target;
	json_t *doc;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	if (!matter || (!filter && !range && !records))
		return cli_usage(self, "say --case, and what: --filter, --range or --records");
	doc = json_object();
	api_set_text(doc, "case", matter);
	api_set_text(doc, "filter", filter);
	api_set_text(doc, "reason", reason);
	if (!put_records(doc, range, records)) {
		json_decref(doc);
		return cli_usage(self, "--range is FIRST-LAST, --records INDEX[-INDEX],…");
	}
	buf_init(&target);
	api_log_target(&target, argv[0], "/erasures");
	rc = api_show(cli, "POST", api_cstr(&target), doc, print_erasure, "request the erasure");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_erasure_request = {
	.name = "erasure request",
	.operands = "LOG --case CASE --filter FILTER|--range FIRST-LAST|--records LIST",
	.summary = "restrict somebody's records now, and purge each when its last lock ends",
	.about =
		"For requests by those whom records are about (GDPR, article 17). From now on only who\n"
		"has the scope hold on the log reads the payloads; what nothing locks goes at once, the\n"
		"rest by itself, record by record, when retention, events and legal holds allow it.\n"
		"The answer says what still keeps it, and until when: it is what to tell who asked.\n"
		"\n"
		"The log is sealed, and read whole with --filter; what cannot be read by the filter, or\n"
		"comes later, is not in it. The filter is kept nowhere, the case and the reason are\n"
		"for ever: put no name into them. Needs the scope purge.\n"
		"\n"
		"  stele erasure request payments --case DSR-2027-14 --filter 'actor = \"smith\"'",
	.run = run_request,
};

/* --- list ----------------------------------------------------------------------------------- */

static void
print_row(const json_t *doc)
{
	const json_t *locked = json_object_get(doc, "locked");

	printf("%-13s %.10s %10lld %10lld %10lld  %-20.20s %s\n", api_text(doc, "id"),
	       api_text(doc, "requested"), api_number(doc, "records"), api_number(doc, "purged"),
	       api_number(locked, "hold"), api_text(doc, "until"), api_text(doc, "case"));
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *state = NULL;
	const struct cli_option options[] = {
		{"state", 0, CLI_TEXT, &state, "STATE", "open (the default), done, or all"},
		{NULL},
	};
	struct buf target;
	char header[96];
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_log_target(&target, argv[0], "/erasures?state=");
	cli_put_path(&target, state ? state : "open");
	snprintf(header, sizeof header, "%-13s %-10s %10s %10s %10s  %-20s %s", "ID", "REQUESTED",
		 "RECORDS", "PURGED", "HELD", "RETAINED UNTIL", "CASE");
	rc = api_list(cli, api_cstr(&target), "erasures", header, print_row, "list the erasures");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_erasure_list = {
	.name = "erasure list",
	.operands = "LOG [--state open|done|all]",
	.summary = "list requests of erasure, and how far each is",
	.about = "Lists those of which something is still there. 'stele erasure show' tells what\n"
		 "keeps it. Needs the scope purge.",
	.run = run_list,
};

/* --- show ----------------------------------------------------------------------------------- */

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_log_target(&target, argv[0], "/erasures/");
	cli_put_path(&target, argv[1]);
	rc = api_show(cli, "GET", api_cstr(&target), NULL, print_erasure, "show the erasure");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_erasure_show = {
	.name = "erasure show",
	.operands = "LOG ID",
	.summary = "show what of an erasure is gone, and what keeps the rest",
	.about =
		"Shows how many of its records are purged, and what keeps the others: retention and\n"
		"its end, legal holds by their ids, events. Needs the scope purge.",
	.run = run_show,
};
