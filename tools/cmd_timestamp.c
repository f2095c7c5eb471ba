/* stele timestamp list, now. */
#include <stdio.h>
#include <unistd.h>

#include "tools/api.h"
#include "tools/commands.h"

enum { POLL_US = 100000, POLLS = 600 }; /* a minute: an authority has half of one */

static const char path[] = "/api/v1/timestamps";

static void
print_all(const json_t *doc)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(doc, "authorities"), i, v)
	{
		printf("%s  %lld of %lld since the server started", api_text(v, "url"),
		       api_number(v, "granted"), api_number(v, "asked"));
		if (json_object_get(v, "error"))
			printf("; last: %s", api_text(v, "error"));
		printf("\n");
	}
	if (json_is_true(json_object_get(doc, "late")))
		printf("late: one authority has given none for long, or certificates end soon\n");
	json_array_foreach(json_object_get(doc, "timestamps"), i, v) printf(
		"%s  _system of %lld, record %lld, %s%s, certificate to %s\n", api_text(v, "time"),
		api_number(v, "size"), api_number(v, "index"), api_text(v, "name"),
		json_is_true(json_object_get(v, "trusted")) ? "" : " (not judged)",
		api_text(v, "expires"));
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	return rc == CLI_GO ? api_show(cli, "GET", path, NULL, print_all, "list the timestamps")
			    : rc;
}

const struct cli_command cmd_timestamp_list = {
	.name = "timestamp list",
	.operands = "",
	.summary = "show the authorities that are asked, and the newest timestamps",
	.about =
		"Timestamps (RFC 3161) of the store's head, by authorities that steled --timestamp-url\n"
		"names: the newest 100, and how each authority answered last. All of them are records\n"
		"of _system. Needs the scope verify or operate.",
	.run = run_list,
};

/* --- now ------------------------------------------------------------------------------------- */

/* Whether every authority has answered since; one that gave none is said. */
static bool
is_answered(const json_t *before, const json_t *after, bool *failed, bool say)
{
	const json_t *v;
	size_t i;

	*failed = false;
	json_array_foreach(json_object_get(before, "authorities"), i, v)
	{
		const json_t *w = json_array_get(json_object_get(after, "authorities"), i);

		if (api_number(w, "granted") + api_number(w, "failed") <=
		    api_number(v, "granted") + api_number(v, "failed"))
			return false;
		if (api_number(w, "granted") > api_number(v, "granted"))
			continue;
		*failed = true;
		if (say)
			cli_say("no timestamp by %s: %s", api_text(w, "url"), api_text(w, "error"));
	}
	return true;
}

static int
wait_for(struct cli *cli, const json_t *before, json_t **after, bool *failed)
{
	int rc = CLI_GO;

	for (unsigned i = 0; i < POLLS; i++) {
		usleep(POLL_US);
		json_decref(*after);
		*after = NULL;
		rc = api_ask(cli, "GET", path, NULL, after, "have timestamps made");
		if (rc != CLI_GO || is_answered(before, *after, failed, false))
			return rc;
	}
	cli_say("an authority has not answered within a minute; stele timestamp list tells later");
	*failed = true;
	return rc;
}

static int
run_now(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	json_t *before = NULL, *after = NULL;
	bool failed = false;
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	rc = api_ask(cli, "POST", path, NULL, &before, "have timestamps made");
	if (rc == CLI_GO)
		rc = wait_for(cli, before, &after, &failed);
	if (rc == CLI_GO) {
		bool all = is_answered(before, after, &failed, true);

		failed = failed || !all;
		rc = api_print(cli, after, print_all);
	}
	json_decref(before);
	json_decref(after);
	return rc == CLI_DONE && failed ? CLI_REFUSED : rc;
}

const struct cli_command cmd_timestamp_now = {
	.name = "timestamp now",
	.operands = "",
	.summary = "have the store's head timestamped now",
	.about =
		"Each authority of steled --timestamp-url is asked at once, and what they answered is\n"
		"shown. The exit status is 1 when one gave no timestamp that holds; it is asked again\n"
		"by itself. Needs the scope operate.",
	.run = run_now,
};
