/* stele retain extend, shorten, event. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/dec.h"
#include "proto/limits.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/range_args.h"

/* --- which records --------------------------------------------------------------------------- */

struct which {
	struct cli_texts records;
	const char *range, *filter;
};

/* clang-format off */
#define WHICH_OPTIONS(which) \
	{"records", 0, CLI_TEXTS, &(which).records, "N[,N]", "these records"}, \
	{"range", 0, CLI_TEXT, &(which).range, "FIRST-LAST", "all records from FIRST to LAST"}, \
	{"filter", 0, CLI_TEXT, &(which).filter, "F", \
	 "those that match now, of the range or of all"}
/* clang-format on */

static bool
put_index(json_t *list, struct slice text)
{
	uint64_t index;

	return dec_parse(&index, text, LIMIT_INTEGER) == 0 &&
	       json_array_append_new(list, json_integer((json_int_t)index)) == 0;
}

static int
put_records(const struct cli_command *self, const struct which *w, json_t *doc)
{
	json_t *list = json_array(), *words = api_words(&w->records), *word;
	bool good = true;
	size_t i;

	json_object_set_new(doc, "records", list);
	json_array_foreach(words, i, word) good =
		good && put_index(list, slice_str(json_string_value(word)));
	json_decref(words);
	return good ? CLI_GO : cli_usage(self, "--records takes record indexes: 4,7,9");
}

static int
put_which(const struct cli_command *self, const struct which *w, json_t *doc)
{
	json_t *range;

	if ((w->records.n != 0) == (w->range || w->filter))
		return cli_usage(self, "say which records: --records 4,7,9, or --range 10-20, "
				       "--filter F or both");
	if (w->records.n)
		return put_records(self, w, doc);
	api_set_text(doc, "filter", w->filter);
	if (!w->range)
		return CLI_GO;
	range = range_args_pair(w->range, false);
	if (!range)
		return cli_usage(self, "--range takes two record indexes: 10-20");
	json_object_set_new(doc, "range", range);
	return CLI_GO;
}

/* --- extend, shorten ------------------------------------------------------------------------- */

static void
print_end(const json_t *doc)
{
	printf("locked until %s; entry %lld says so\n", api_text(doc, "until"),
	       api_number(doc, "index"));
	if (json_object_get(doc, "records"))
		printf("%lld records matched; of %lld it could not be told\n",
		       api_number(doc, "records"), api_number(doc, "unread"));
}

static int
send(struct cli *cli, const char *log, json_t *doc, const char *what)
{
	struct buf target;
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/extensions");
	rc = api_show(cli, "POST", api_cstr(&target), doc, print_end, what);
	buf_fini(&target);
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv, bool shorten)
{
	const char *until = NULL, *period = NULL, *reason = NULL;
	struct which which = {.range = NULL, .filter = NULL};
	const struct cli_option options[] = {
		WHICH_OPTIONS(which),
		{"until", 0, CLI_TEXT, &until, "TIME",
		 "when their locks end: 2033-01-31T00:00:00Z"},
		{"for", 0, CLI_TEXT, &period, "D", "or how long from now on: 7y, 18mo, 90d"},
		{"reason", 0, CLI_TEXT, &reason, "TEXT", "why; it is kept for ever"},
		{NULL},
	};
	json_t *doc;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc == CLI_GO && ((until != NULL) == (period != NULL) || !reason))
		rc = cli_usage(self, "it takes --until or --for, and --reason");
	if (rc != CLI_GO)
		return rc;
	doc = json_pack("{s:s, s:s}", until ? "until" : "for", until ? until : period, "reason",
			reason);
	if (shorten)
		json_object_set_new(doc, "shorten", json_true());
	rc = put_which(self, &which, doc);
	if (rc == CLI_GO)
		return send(cli, argv[0], doc, shorten ? "shorten the locks" : "extend the locks");
	json_decref(doc);
	return rc;
}

static int
run_extend(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	return run(cli, self, argc, argv, false);
}

const struct cli_command cmd_retain_extend = {
	.name = "retain extend",
	.operands =
		"LOG --records N[,N]|--range FIRST-LAST|--filter F --until TIME|--for D --reason TEXT",
	.summary = "lock records for longer",
	.about =
		"Locks records until a later time than now: all of them or none. One that is locked\n"
		"for as long already is in the way, and the answer names it. No lock ends later than\n"
		"the policy's --max from now. Needs the scope retain.\n"
		"\n"
		"  stele retain extend payments --range 100-199 --for 10y --reason 'audit 2026'\n"
		"  stele retain extend payments --records 7,12 --until 2040-01-01T00:00:00Z "
		"--reason tax",
	.run = run_extend,
};

static int
run_shorten(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	return run(cli, self, argc, argv, true);
}

const struct cli_command cmd_retain_shorten = {
	.name = "retain shorten",
	.operands =
		"LOG --records N[,N]|--range FIRST-LAST|--filter F --until TIME|--for D --reason TEXT",
	.summary = "lock records for less, with a second principal",
	.about =
		"Asks for earlier ends of locks, which a second principal must approve: 'stele\n"
		"approve'. In governance mode alone, not below the policy's --min from when a record\n"
		"was stored, and not for records that wait for an event. In compliance mode, or for a\n"
		"record that was stored in it, nobody can.\n"
		"\n"
		"  stele retain shorten payments --records 7 --for 30d --reason 'stored by mistake'",
	.run = run_shorten,
};

/* --- event -------------------------------------------------------------------------------------
 */

static void
print_event(const json_t *doc)
{
	printf("%s came at %s: what waited for it is locked until %s (entry %lld)\n",
	       api_text(doc, "event"), api_text(doc, "at"), api_text(doc, "until"),
	       api_number(doc, "index"));
}

static int
run_event(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *at = NULL;
	const struct cli_option options[] = {
		{"at", 0, CLI_TEXT, &at, "TIME|now", "record that it came then"},
		{NULL},
	};
	struct buf target;
	json_t *doc = NULL;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_log_target(&target, argv[0], "/retention-events/");
	cli_put_path(&target, argv[1]);
	if (at)
		doc = strcmp(at, "now") == 0 ? json_object() : json_pack("{s:s}", "at", at);
	rc = api_show(cli, at ? "POST" : "GET", api_cstr(&target), doc, print_event,
		      at ? "record the event" : "read the event");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_retain_event = {
	.name = "retain event",
	.operands = "LOG NAME [--at TIME|now]",
	.summary = "record an event that locks wait for, or show it",
	.about =
		"With --at: records that the event came. Records that were stored with --retain-event\n"
		"NAME before are locked until that time and the policy's --retain. Recorded again, it\n"
		"only moves later. Without --at: shows when it came.\n"
		"\n"
		"  stele append cases file.json --retain-event case-17-closed\n"
		"  stele retain event cases case-17-closed --at now",
	.run = run_event,
};
