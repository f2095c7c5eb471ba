/* stele purge plan, approve, run. */
#include <stdio.h>

#include "tools/api.h"
#include "tools/commands.h"
#include "tools/range_args.h"

/* --- what is shown ------------------------------------------------------------------------- */

static void
print_plan(const json_t *plan)
{
	const json_t *go = json_object_get(plan, "go"), *stay = json_object_get(plan, "stay");

	printf("plan      %s of log %s, made %s, good until %s\n", api_text(plan, "id"),
	       api_text(plan, "log"), api_text(plan, "made"), api_text(plan, "expires"));
	printf("goes      %lld records, %lld bytes, in %zu ranges\n", api_number(go, "records"),
	       api_number(go, "bytes"), json_array_size(json_object_get(go, "ranges")));
	printf("stays     %lld by retention, %lld by legal holds, %lld waiting for an event, %lld "
	       "without any retention, %lld control entries; %lld bytes\n",
	       api_number(stay, "retention"), api_number(stay, "hold"), api_number(stay, "event"),
	       api_number(stay, "unlocked"), api_number(stay, "control"),
	       api_number(stay, "bytes"));
	printf("gone      %lld records already\n", api_number(plan, "gone"));
	if (json_object_get(plan, "next"))
		printf("next      a retention ends at %s\n", api_text(plan, "next"));
	if (!json_is_true(json_object_get(plan, "complete")))
		printf("          there is more behind it: plan again when this is done\n");
	printf("digest    %s\n", api_text(plan, "digest"));
}

static void
print_result(const json_t *done)
{
	printf("purged    %lld records, %lld bytes, by entry %lld of log %s\n",
	       api_number(done, "records"), api_number(done, "bytes"), api_number(done, "entry"),
	       api_text(done, "log"));
	printf("returned  %lld bytes; %lld segments made again, %lld objects removed\n",
	       api_number(done, "returned_bytes"), api_number(done, "segments"),
	       api_number(done, "objects"));
	if (json_is_true(json_object_get(done, "destroyed")))
		printf("destroyed no key is left that opens what went\n");
	else
		printf("destroyed not yet (%s): it goes on by itself\n", api_text(done, "why"));
}

/* --- purge plan ---------------------------------------------------------------------------- */

/* Makes a plan and shows it: CLI_GO and *made, the caller's, or an exit code. */
static int
plan(struct cli *cli, const char *log, json_t *body, json_t **made)
{
	struct buf target;
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/purge-plans");
	rc = api_ask(cli, "POST", api_cstr(&target), body, made, "plan a purge");
	buf_fini(&target);
	if (rc == CLI_GO)
		rc = api_print(cli, *made, print_plan);
	return rc == CLI_DONE ? CLI_GO : rc;
}

static int
run_plan(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *range = NULL;
	bool unlocked = false;
	const struct cli_option options[] = {
		{"range", 0, CLI_TEXT, &range, "FIRST-LAST", "of these records alone"},
		{"unlocked", 0, CLI_FLAG, &unlocked, NULL,
		 "also what never had a retention, not only what is over"},
		{NULL},
	};
	json_t *body, *pair, *made = NULL;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	pair = range ? range_args_pair(range, false) : NULL;
	if (range && !pair)
		return cli_usage(self, "--range is FIRST-LAST, as in 0-999; not '%s'", range);
	body = json_object();
	if (pair)
		json_object_set_new(body, "range", pair);
	if (unlocked)
		json_object_set_new(body, "unlocked", json_true());
	rc = plan(cli, argv[0], body, &made);
	json_decref(made);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_purge_plan = {
	.name = "purge plan",
	.operands = "LOG [--range FIRST-LAST] [--unlocked]",
	.summary = "show which payloads may go now, and what stays and why",
	.about =
		"Nothing is changed but that the log is sealed first. A payload may go when no legal\n"
		"hold covers it, its retention is over by both clocks, and no event is waited for;\n"
		"what never had a retention goes only with --unlocked.\n"
		"Entries, proofs and checkpoints stay for ever. Approve the plan to carry it out:\n"
		"\n"
		"  stele purge plan payments\n"
		"  stele purge approve payments g-2k7qm4xw9c\n"
		"\n"
		"Needs the scope purge.",
	.run = run_plan,
};

/* --- purge approve ------------------------------------------------------------------------- */

static void
put_target(struct buf *target, const char *log, const char *id)
{
	buf_init(target);
	api_log_target(target, log, "/purge-plans/");
	cli_put_path(target, id);
}

static int
carry_out(struct cli *cli, const char *log, const char *id, const char *digest)
{
	struct buf target;
	int rc;

	put_target(&target, log, id);
	buf_put_str(&target, "/approve");
	rc = api_show(cli, "POST", api_cstr(&target), json_pack("{s:s}", "digest", digest),
		      print_result, "purge");
	buf_fini(&target);
	return rc;
}

static int
run_approve(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *digest = NULL;
	const struct cli_option options[] = {
		{"digest", 0, CLI_TEXT, &digest, "HEX", "what the plan said: nothing else is done"},
		{NULL},
	};
	json_t *shown = NULL;
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc != CLI_GO)
		return rc;
	put_target(&target, argv[0], argv[1]);
	if (!digest)
		rc = api_ask(cli, "GET", api_cstr(&target), NULL, &shown, "look at the plan");
	buf_fini(&target);
	if (shown && !cli->json)
		print_plan(shown);
	if (rc == CLI_GO)
		rc = carry_out(cli, argv[0], argv[1], digest ? digest : api_text(shown, "digest"));
	json_decref(shown);
	return rc;
}

const struct cli_command cmd_purge_approve = {
	.name = "purge approve",
	.operands = "LOG PLAN [--digest HEX]",
	.summary = "carry out a purge plan as it was shown",
	.about =
		"The payloads of the plan go for good: every lock is looked at once more, a purge entry\n"
		"in the log says what went and why it was allowed, the segments are made again without\n"
		"it, and the keys that opened it are destroyed. A legal hold that was placed meanwhile\n"
		"wins. Where the log's policy asks for a second principal, it waits for that one:\n"
		"stele approve. Needs the scope purge.",
	.run = run_approve,
};

/* --- purge run ----------------------------------------------------------------------------- */

static int
run_run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	json_t *made = NULL;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	rc = plan(cli, argv[0], NULL, &made);
	if (rc == CLI_GO && api_number(json_object_get(made, "go"), "records") > 0)
		rc = carry_out(cli, argv[0], api_text(made, "id"), api_text(made, "digest"));
	json_decref(made);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_purge_run = {
	.name = "purge run",
	.operands = "LOG",
	.summary = "plan a purge and carry it out: for a job",
	.about =
		"What a timer does once a day, as a principal of the kind job with the scope purge.\n"
		"With nothing to purge it ends with 0.",
	.run = run_run,
};
