/* stele hold place, list, show, release. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/api.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/range_args.h"

static const char path[] = "/api/v1/holds";

enum { POLL_FIRST_MS = 50, POLL_MOST_MS = 2000 };

/* --- what a hold says ------------------------------------------------------------------------- */

static void
put_member(const json_t *doc, const char *name, const char *label)
{
	if (json_object_get(doc, name))
		printf("%-10s %s\n", label, api_text(doc, name));
}

/* A member that is no text, as JSON. */
static void
put_value(const json_t *doc, const char *name)
{
	const json_t *v = json_object_get(doc, name);
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text)
		printf("%-10s %s\n", name, text);
	free(text);
}

static void
put_row(const json_t *row, bool filter)
{
	long long records = api_number(row, "records"), purged = api_number(row, "purged");

	if (json_object_get(row, "released"))
		printf("%-24s released by entry %lld\n", api_text(row, "log"),
		       api_number(row, "released"));
	else if (filter)
		printf("%-24s %12lld %12lld %12lld %12lld\n", api_text(row, "log"), records, purged,
		       api_number(row, "examined"), api_number(row, "pending"));
	else
		printf("%-24s %12lld %12lld\n", api_text(row, "log"), records, purged);
}

static void
put_covers(const json_t *doc)
{
	const json_t *covers = json_object_get(doc, "covers"),
		     *sums = json_object_get(doc, "covered");
	bool filter = json_object_get(doc, "mapping") != NULL;

	if (json_array_size(covers))
		printf("\n%-24s %12s %12s%s\n", "LOG", "HELD", "PURGED",
		       filter ? "     EXAMINED      PENDING" : "");
	for (size_t i = 0; i < json_array_size(covers); i++)
		put_row(json_array_get(covers, i), filter);
	if (api_number(sums, "purged"))
		printf("\n%lld of its records were purged before it: their payloads are gone.\n",
		       api_number(sums, "purged"));
	if (json_is_true(json_object_get(doc, "examining")))
		printf("\nIt is being examined: what is pending is held meanwhile, all of it.\n");
	if (json_is_true(json_object_get(doc, "mapping_changed")))
		printf("\nSchemas have changed since it was placed: it goes on by those that it was placed "
		       "under.\nTo hold by the new ones, place a new hold.\n");
	if (json_is_true(json_object_get(doc, "mapping_unknown")))
		printf("\nThe server does not know the schemas that it was placed under: what is pending "
		       "stays\nheld, all of it. Place a new hold, and release this one then.\n");
}

static void
print_hold(const json_t *doc)
{
	struct buf logs;

	buf_init(&logs);
	api_put_joined(&logs, json_object_get(doc, "logs"));
	put_member(doc, "id", "hold");
	put_member(doc, "matter", "matter");
	put_member(doc, "name", "name");
	put_member(doc, "state", "state");
	printf("%-10s %s%s\n", "logs", api_cstr(&logs),
	       json_is_true(json_object_get(doc, "open_ended"))
		       ? ", later ones and later records too"
		       : "");
	put_member(doc, "filter", "filter");
	put_value(doc, "range");
	put_value(doc, "records");
	put_member(doc, "from", "from");
	put_member(doc, "to", "to");
	put_member(doc, "reason", "reason");
	put_member(doc, "owner", "owner");
	put_member(doc, "review_by", "review by");
	put_member(doc, "placed", "placed");
	put_member(doc, "by", "by");
	put_member(doc, "released", "released");
	put_member(doc, "released_by", "by");
	put_member(doc, "release_reason", "because");
	put_covers(doc);
	buf_fini(&logs);
}

/* --- waiting until it was examined ---------------------------------------------------------------
 */

static bool
is_examined(const json_t *doc)
{
	return !json_is_true(json_object_get(doc, "examining")) ||
	       json_is_true(json_object_get(doc, "mapping_unknown"));
}

static void
show_progress(struct progress *p, const json_t *doc)
{
	const json_t *covers = json_object_get(doc, "covers");
	uint64_t examined = 0, all = 0;
	char note[64];

	for (size_t i = 0; i < json_array_size(covers); i++) {
		const json_t *row = json_array_get(covers, i);
		examined += (uint64_t)api_number(row, "examined");
		all += (uint64_t)api_number(row, "placed");
	}
	snprintf(note, sizeof note, "examined of %" PRIu64 ", all held meanwhile", all);
	progress_show(p, examined, 0, note);
}

/* Replaces *doc by what the hold is once it was examined, or says why not. */
static int
wait_for_it(struct cli *cli, json_t **doc)
{
	unsigned ms = POLL_FIRST_MS;
	struct buf target;
	struct progress p;
	int rc = CLI_GO;

	progress_init(&p);
	buf_init(&target);
	api_put_target(&target, path, api_text(*doc, "id"), "");
	while (rc == CLI_GO && !is_examined(*doc)) {
		struct timespec nap = {ms / 1000, (long)(ms % 1000) * 1000000};
		json_t *now = NULL;
		show_progress(&p, *doc);
		nanosleep(&nap, NULL);
		ms = ms * 2 > POLL_MOST_MS ? POLL_MOST_MS : ms * 2;
		rc = api_ask(cli, "GET", api_cstr(&target), NULL, &now, "look at the hold");
		if (rc == CLI_GO) {
			json_decref(*doc);
			*doc = now;
		}
	}
	buf_fini(&target);
	progress_clear(&p);
	return rc;
}

/* One request whose answer is a hold, which is shown; waits first, when it is to. */
static int
ask(struct cli *cli, const char *method, const char *target, json_t *body, bool wait,
    const char *what)
{
	json_t *doc = NULL;
	int rc = api_ask(cli, method, target, body, &doc, what);

	if (rc == CLI_GO && wait)
		rc = wait_for_it(cli, &doc);
	if (rc == CLI_GO)
		rc = api_print(cli, doc, print_hold);
	json_decref(doc);
	return rc;
}

/* --- place -------------------------------------------------------------------------------------
 */

struct placing {
	const char *matter, *name, *reason, *filter, *range, *records, *from, *to, *owner, *review;
	bool open_ended, no_wait;
};

/* The request; NULL after saying what is wrong. */
static json_t *
request_of(const struct cli_command *self, const struct placing *p, char **logs, int n)
{
	json_t *doc = json_object(), *names = json_array();
	json_t *range = p->range ? range_args_pair(p->range, true) : NULL,
	       *records = p->records ? range_args_list(p->records) : NULL;

	for (int i = 0; i < n; i++)
		json_array_append_new(names, json_string(logs[i]));
	json_object_set_new(doc, "logs", names);
	api_set_text(doc, "matter", p->matter);
	api_set_text(doc, "name", p->name);
	api_set_text(doc, "reason", p->reason);
	api_set_text(doc, "filter", p->filter);
	api_set_text(doc, "from", p->from);
	api_set_text(doc, "to", p->to);
	api_set_text(doc, "owner", p->owner);
	api_set_text(doc, "review_by", p->review);
	if (p->open_ended)
		json_object_set_new(doc, "open_ended", json_true());
	if (range)
		json_object_set_new(doc, "range", range);
	if (records)
		json_object_set_new(doc, "records", records);
	if ((range != NULL) == (p->range != NULL) && (records != NULL) == (p->records != NULL))
		return doc;
	json_decref(doc);
	cli_usage(self, "--range is FIRST-LAST or FIRST-, --records INDEX[-INDEX],…: not '%s'",
		  p->range ? p->range : p->records);
	return NULL;
}

static int
run_place(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct placing p = {0};
	const struct cli_option options[] = {
		{"matter", 0, CLI_TEXT, &p.matter, "M", "the case that it belongs to"},
		{"name", 0, CLI_TEXT, &p.name, "NAME", "by which people know it"},
		{"reason", 0, CLI_TEXT, &p.reason, "TEXT", "why it is placed"},
		{"filter", 0, CLI_TEXT, &p.filter, "FILTER",
		 "records that match, and unparsed ones"},
		{"range", 0, CLI_TEXT, &p.range, "A-B", "records of one log, A- to its end"},
		{"records", 0, CLI_TEXT, &p.records, "LIST", "records of one log: 3,7-9"},
		{"from", 0, CLI_TEXT, &p.from, "TIME", "events from then on"},
		{"to", 0, CLI_TEXT, &p.to, "TIME", "events before then"},
		{"open-ended", 0, CLI_FLAG, &p.open_ended, NULL, "later records and logs, too"},
		{"owner", 0, CLI_TEXT, &p.owner, "WHO", "who answers for it"},
		{"review-by", 0, CLI_TEXT, &p.review, "TIME",
		 "when to look at it again: 1y, a date"},
		{"no-wait", 0, CLI_FLAG, &p.no_wait, NULL, "do not wait until it is examined"},
		{NULL},
	};
	json_t *doc;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 32, &n);

	if (rc != CLI_GO)
		return rc;
	if (!p.matter || !p.name || !p.reason)
		return cli_usage(self, "say what it is: --matter, --name and --reason");
	doc = request_of(self, &p, argv, n);
	return doc ? ask(cli, "POST", path, doc, !p.no_wait, "place the hold") : CLI_USAGE;
}

const struct cli_command cmd_hold_place = {
	.name = "hold place",
	.operands = "LOG|PATTERN... --matter M --name NAME --reason TEXT",
	.summary = "keep records, whatever their retention says, until it is released",
	.about =
		"Places a legal hold: what it covers stays until every hold on it is released. It is in\n"
		"force in all its logs when this ends, or in none of them. Without --filter, --range,\n"
		"--records, --from and --to it covers every record of the logs; quote patterns: 'k8s-*'.\n"
		"With --open-ended it covers later records and later logs that match, too.\n"
		"\n"
		"A hold by --filter, --from or --to holds everything at first; then the records are\n"
		"examined, and those stay held that match, or that could not be parsed. The command\n"
		"waits for that; with --no-wait it does not, and 'stele hold show ID' tells how far it is.\n"
		"\n"
		"Needs the scope hold on every log.\n"
		"\n"
		"  stele hold place payments 'k8s-*' --matter 'Case 7' --name 'Smith' \\\n"
		"      --reason 'Litigation expected' --filter 'actor = \"smith\"' --open-ended\n"
		"  stele hold place payments --range 1200-1300 --matter 'Case 7' --name 'The transfer' \\\n"
		"      --reason 'Litigation expected' --review-by 1y",
	.run = run_place,
};

/* --- list ----------------------------------------------------------------------------------------
 */

static void
print_row(const json_t *doc)
{
	struct buf logs;

	buf_init(&logs);
	api_put_joined(&logs, json_object_get(doc, "logs"));
	printf("%-13s %-9s %.10s  %-20s %-24s %s\n", api_text(doc, "id"), api_text(doc, "state"),
	       api_text(doc, "placed"), api_text(doc, "matter"), api_text(doc, "name"),
	       api_cstr(&logs));
	buf_fini(&logs);
}

static void
put_query(struct buf *target, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(target, "%s%s=", memchr(target->p, '?', target->n) ? "&" : "?", name);
	cli_put_path(target, value);
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *matter = NULL, *log = NULL;
	bool all = false, released = false;
	const struct cli_option options[] = {
		{"matter", 0, CLI_TEXT, &matter, "M", "of that case alone"},
		{"log", 0, CLI_TEXT, &log, "LOG", "that are in that log"},
		{"released", 0, CLI_FLAG, &released, NULL, "those that were released"},
		{"all", 0, CLI_FLAG, &all, NULL, "both"},
		{NULL},
	};
	struct buf target;
	char header[96];
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	buf_put_str(&target, path);
	put_query(&target, "matter", matter);
	put_query(&target, "log", log);
	put_query(&target, "state", all ? "all" : released ? "released" : "placed");
	snprintf(header, sizeof header, "%-13s %-9s %-10s  %-20s %-24s %s", "ID", "STATE", "PLACED",
		 "MATTER", "NAME", "LOGS");
	rc = api_list(cli, api_cstr(&target), "holds", header, print_row, "list the holds");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_hold_list = {
	.name = "hold list",
	.operands = "[--matter M] [--log LOG] [--released|--all]",
	.summary = "list legal holds",
	.about = "Lists the holds that are in force, on logs that are yours to hold.\n"
		 "'stele hold show ID' tells what each covers.",
	.run = run_list,
};

/* --- show ----------------------------------------------------------------------------------------
 */

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	bool wait = false;
	const struct cli_option options[] = {
		{"wait", 0, CLI_FLAG, &wait, NULL, "until a hold by filter is examined"},
		{NULL},
	};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_put_target(&target, path, argv[0], "");
	rc = ask(cli, "GET", api_cstr(&target), NULL, wait, "show the hold");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_hold_show = {
	.name = "hold show",
	.operands = "ID [--wait]",
	.summary = "show a hold and what it covers in each log",
	.about =
		"Shows a hold: who placed it and why, and for each log how many entries it holds, and\n"
		"how many of these were purged before. For a hold by filter also how far the log was\n"
		"examined, and how many entries wait for that: they are held meanwhile.",
	.run = run_show,
};

/* --- release --------------------------------------------------------------------------------- */

static int
run_release(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *reason = NULL;
	const struct cli_option options[] = {
		{"reason", 0, CLI_TEXT, &reason, "TEXT", "why it is released"},
		{NULL},
	};
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	if (!reason)
		return cli_usage(self, "say why: --reason");
	buf_init(&target);
	api_put_target(&target, path, argv[0], "/release");
	rc = ask(cli, "POST", api_cstr(&target), json_pack("{s:s}", "reason", reason), false,
		 "release the hold");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_hold_release = {
	.name = "hold release",
	.operands = "ID --reason TEXT",
	.summary = "end a hold, in all its logs at once",
	.about =
		"Releases a hold, for good. Its records are then as their retention and their other\n"
		"holds say: a record is free only when all are released. Where a log's policy or dual\n"
		"control says so, a second principal must approve it: 'stele approval list'.\n"
		"\n"
		"Needs the scope hold on every log that it is in.\n"
		"\n"
		"  stele hold release h-bwwaim2apv --reason 'Case 7 was settled'",
	.run = run_release,
};
