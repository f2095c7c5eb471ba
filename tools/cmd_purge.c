/* stele purge plan, approve, run. */
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"

static long long
number_of(const json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

/* --- what is shown ------------------------------------------------------------------------- */

static void
print_plan(const json_t *plan)
{
	const json_t *go = json_object_get(plan, "go"), *stay = json_object_get(plan, "stay");

	printf("plan      %s of log %s, made %s, good until %s\n", api_text(plan, "id"),
	       api_text(plan, "log"), api_text(plan, "made"), api_text(plan, "expires"));
	printf("goes      %lld records, %lld bytes, in %zu ranges\n", number_of(go, "records"),
	       number_of(go, "bytes"), json_array_size(json_object_get(go, "ranges")));
	printf("stays     %lld by retention, %lld by legal holds, %lld waiting for an event, %lld "
	       "without any retention, %lld control entries; %lld bytes\n",
	       number_of(stay, "retention"), number_of(stay, "hold"), number_of(stay, "event"),
	       number_of(stay, "unlocked"), number_of(stay, "control"), number_of(stay, "bytes"));
	printf("gone      %lld records already\n", number_of(plan, "gone"));
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
	       number_of(done, "records"), number_of(done, "bytes"), number_of(done, "entry"),
	       api_text(done, "log"));
	printf("returned  %lld bytes; %lld segments made again, %lld objects removed\n",
	       number_of(done, "returned_bytes"), number_of(done, "segments"),
	       number_of(done, "objects"));
	if (json_is_true(json_object_get(done, "destroyed")))
		printf("destroyed no key is left that opens what went\n");
	else
		printf("destroyed not yet (%s): it goes on by itself\n", api_text(done, "why"));
}

/* Sends it; prints the answer; the document is *out's, unless that is NULL. */
static int
call(struct cli *cli, const char *method, const char *target, json_t *body, const char *what,
     void (*print)(const json_t *), json_t **out)
{
	struct http_call c;
	json_t *doc = NULL;
	int rc = api_send(cli, &c, method, target, body, what);

	if (rc == CLI_GO && !(doc = api_json(&c, what)))
		rc = CLI_REFUSED;
	if (rc == CLI_GO && cli->json)
		cli_write_json(buf_slice(&c.answer));
	else if (rc == CLI_GO)
		print(doc);
	http_call_fini(&c);
	if (out && rc == CLI_GO)
		*out = doc;
	else
		json_decref(doc);
	return rc;
}

/* --- purge plan ---------------------------------------------------------------------------- */

static int
plan(struct cli *cli, const char *log, json_t *body, json_t **out)
{
	struct buf target;
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/purge-plans");
	rc = call(cli, "POST", api_cstr(&target), body, "plan a purge", print_plan, out);
	buf_fini(&target);
	return rc;
}

/* "FIRST-LAST" as a body; NULL after saying what is wrong. */
static json_t *
range_body(const struct cli_command *self, const char *text)
{
	unsigned long long first, last;
	int end = 0;

	if (sscanf(text, "%llu-%llu%n", &first, &last, &end) == 2 && text[end] == '\0' &&
	    first <= last && last < 1ull << 53)
		return json_pack("{s:[I, I]}", "range", (json_int_t)first, (json_int_t)last);
	(void)cli_usage(self, "%s is not a range of records such as 0-999", text);
	return NULL;
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
	json_t *body;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	body = range ? range_body(self, range) : json_object();
	if (!body)
		return CLI_USAGE;
	if (unlocked)
		json_object_set_new(body, "unlocked", json_true());
	rc = plan(cli, argv[0], body, NULL);
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

static int
carry_out(struct cli *cli, const char *log, const char *id, const char *digest)
{
	struct buf target;
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/purge-plans/");
	cli_put_path(&target, id);
	buf_put_str(&target, "/approve");
	rc = call(cli, "POST", api_cstr(&target), json_pack("{s:s}", "digest", digest), "purge",
		  print_result, NULL);
	buf_fini(&target);
	return rc;
}

static void
print_nothing(const json_t *doc)
{
	(void)doc;
}

static int
run_approve(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *digest = NULL;
	const struct cli_option options[] = {
		{"digest", 0, CLI_TEXT, &digest, "HEX", "what the plan said: nothing else is done"},
		{NULL},
	};
	bool json = cli->json;
	json_t *shown = NULL;
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc != CLI_GO)
		return rc;
	json = cli->json;
	buf_init(&target);
	api_log_target(&target, argv[0], "/purge-plans/");
	cli_put_path(&target, argv[1]);
	cli->json = false;
	if (!digest)
		rc = call(cli, "GET", api_cstr(&target), NULL, "look at the plan",
			  json ? print_nothing : print_plan, &shown);
	cli->json = json;
	buf_fini(&target);
	if (rc == CLI_GO)
		rc = carry_out(cli, argv[0], argv[1], digest ? digest : api_text(shown, "digest"));
	json_decref(shown);
	return rc == CLI_GO ? CLI_DONE : rc;
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
	if (rc == CLI_GO && number_of(json_object_get(made, "go"), "records") > 0)
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
