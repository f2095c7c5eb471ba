/* stele clock show, confirm, credit. */
#include <stdio.h>

#include "tools/api.h"
#include "tools/commands.h"

static const char path[] = "/api/v1/clock";

static void
print_clocks(const json_t *doc)
{
	const json_t *step = json_object_get(doc, "step"), *credit = json_object_get(doc, "credit");

	printf("state     %s", api_text(doc, "state"));
	if (json_object_get(doc, "cause"))
		printf(" (%s)", api_text(doc, "cause"));
	printf("\nevidence  %s\n", api_text(doc, "evidence"));
	printf("lock      %s\n", api_text(doc, "lock"));
	printf("wall      %s\n", api_text(doc, "wall"));
	printf("off by    %lld s; warns beyond %lld s, freezes beyond %lld s\n",
	       api_number(doc, "disagreement_seconds"), api_number(doc, "warn_seconds"),
	       api_number(doc, "freeze_seconds"));
	if (step)
		printf("step      of %lld s, not followed yet: it has stood for %lld of %lld s\n",
		       api_number(step, "seconds"), api_number(step, "stood_seconds"),
		       api_number(step, "wait_seconds"));
	printf("credit    %lld s are left of %lld s a year\n", api_number(credit, "left_seconds"),
	       api_number(credit, "year_seconds"));
}

/* --- show ------------------------------------------------------------------------ */

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	return rc == CLI_GO ? api_show(cli, "GET", path, NULL, print_clocks, "show the clocks")
			    : rc;
}

const struct cli_command cmd_clock_show = {
	.name = "clock show",
	.operands = "",
	.summary = "show the store's two clocks, and how far they are off",
	.about =
		"Evidence time is what records say; the lock clock decides, with it, when a lock is\n"
		"over. The state is ok, warn or frozen; frozen, nothing can be purged or shortened.\n"
		"Needs the scope operate.",
	.run = run_show,
};

/* --- confirm --------------------------------------------------------------------- */

static int
send_confirm(struct cli *cli, long long step, const char *reason)
{
	json_t *body = json_pack("{s:I}", "step_seconds", (json_int_t)step);

	api_set_text(body, "reason", reason);
	return api_show(cli, "POST", "/api/v1/clock/confirm", body, print_clocks,
			"confirm the step");
}

static int
run_confirm(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *reason = NULL;
	const struct cli_option options[] = {
		{"reason", 0, CLI_TEXT, &reason, "TEXT", "why; recorded"},
		{NULL},
	};
	json_t *doc = NULL;
	const json_t *step;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc == CLI_GO)
		rc = api_ask(cli, "GET", path, NULL, &doc, "show the clocks");
	if (rc != CLI_GO)
		return rc;
	step = json_object_get(doc, "step");
	if (!step) {
		cli_say("the wall clock has not stepped: there is nothing to confirm");
		rc = CLI_REFUSED;
	} else {
		rc = send_confirm(cli, api_number(step, "seconds"), reason);
	}
	json_decref(doc);
	return rc;
}

const struct cli_command cmd_clock_confirm = {
	.name = "clock confirm",
	.operands = "[--reason TEXT]",
	.summary = "say that a step of the wall clock is right: evidence time follows it",
	.about =
		"A wall clock that is 10 seconds off or more is followed once it has stood there for\n"
		"as long as the step is wide (10 minutes at least, a day at most), or now, when you\n"
		"say that it is right. The lock clock does not move. While any act is under dual\n"
		"control, another principal approves it first. Needs the scope operate.",
	.run = run_confirm,
};

/* --- credit ---------------------------------------------------------------------- */

static int
run_credit(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *until = NULL, *reason = NULL;
	uint64_t seconds = UINT64_MAX;
	const struct cli_option options[] = {
		{"until", 0, CLI_TEXT, &until, "INSTANT",
		 "how far it may go, such as 2027-01-31T00:00:00.000000000Z"},
		{"seconds", 0, CLI_NUMBER, &seconds, "N", "the same, from where it is"},
		{"reason", 0, CLI_TEXT, &reason, "TEXT",
		 "why; recorded, and shown to who approves"},
		{NULL},
	};
	struct http_call c;
	json_t *body;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	if (!until == (seconds == UINT64_MAX) || !reason)
		return cli_usage(self, "give --until or --seconds, and --reason");
	body = json_pack("{s:s}", "reason", reason);
	api_set_text(body, "until", until);
	if (!until)
		json_object_set_new(body, "seconds", json_integer((json_int_t)seconds));
	rc = api_send(cli, &c, "POST", "/api/v1/clock/credit", body, "credit the lock clock");
	http_call_fini(&c);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_clock_credit = {
	.name = "clock credit",
	.operands = "--until INSTANT|--seconds N --reason TEXT",
	.summary = "ask that the lock clock be moved on, or clocks be thawed",
	.about =
		"Always takes two principals: this asks, and another one approves what it is shown\n"
		"('stele approve'), within seven days. Then the lock clock goes up to that instant,\n"
		"but not beyond evidence time and the wall clock, and frozen clocks are thawed.\n"
		"With --timestamp-ca of steled it goes no further than an authority says that it is:\n"
		"'stele timestamp now' first, and --until no later than 'stele timestamp list' shows.\n"
		"Needs the scope operate; exit status 1, with the approval's id, is what it asks for.\n"
		"\n"
		"  stele clock credit --seconds 0 --reason 'restored on purpose; the time is right'\n"
		"  stele clock credit --until 2027-02-01T00:00:00.000000000Z --reason 'off for a month'",
	.run = run_credit,
};
