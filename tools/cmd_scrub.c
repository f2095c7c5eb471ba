/* stele scrub. */
#include <stdio.h>
#include <unistd.h>

#include "tools/api.h"
#include "tools/commands.h"

enum { POLL_US = 100000 };

static void
print_pass(const char *what, const json_t *pass, long long total)
{
	const char *ended = json_string_value(json_object_get(pass, "ended"));
	const char *begun = json_string_value(json_object_get(pass, "begun"));

	if (!pass) {
		printf("%s  none since the server started\n", what);
		return;
	}
	printf("%s  begun %s%s%s, %lld segments, %lld bytes", what, begun ? begun : "-",
	       ended ? ", ended " : "", ended ? ended : "", api_number(pass, "segments"),
	       api_number(pass, "bytes"));
	if (!ended && total)
		printf(" of %lld", total);
	printf(", %lld objects, %lld bytes", api_number(pass, "objects"),
	       api_number(pass, "object_bytes"));
	printf(": %lld damaged, %lld not to be checked\n", api_number(pass, "damaged"),
	       api_number(pass, "unread"));
}

static void
print_state(const json_t *doc)
{
	const json_t *now = json_object_get(doc, "now");

	if (json_is_true(json_object_get(doc, "running"))) {
		if (now)
			print_pass("now ", now, api_number(doc, "total_bytes"));
		else
			printf("now   a pass begins\n");
	}
	print_pass("last", json_object_get(doc, "last"), 0);
}

/* Asks; *running and *sound are what the answer says. Prints it unless quiet. */
static int
ask(struct cli *cli, const char *method, bool quiet, bool *running, bool *sound)
{
	json_t *doc = NULL;
	int rc = api_ask(cli, method, "/api/v1/scrub", NULL, &doc, "scrub");

	if (rc == CLI_GO) {
		const json_t *last = json_object_get(doc, "last");
		*running = json_is_true(json_object_get(doc, "running"));
		*sound = !api_number(last, "damaged") && !api_number(last, "unread");
	}
	if (rc == CLI_GO && !quiet)
		rc = api_print(cli, doc, print_state);
	json_decref(doc);
	return rc == CLI_DONE ? CLI_GO : rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	bool show = false, wait = false, running = false, sound = true;
	const struct cli_option options[] = {
		{"show", 0, CLI_FLAG, &show, NULL, "only show how far it is; start nothing"},
		{"wait", 0, CLI_FLAG, &wait, NULL, "wait until the pass has ended"},
		{NULL},
	};
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	rc = ask(cli, show ? "GET" : "POST", wait, &running, &sound);
	while (rc == CLI_GO && wait && running) {
		usleep(POLL_US);
		rc = ask(cli, "GET", true, &running, &sound);
	}
	if (rc == CLI_GO && wait)
		rc = ask(cli, "GET", false, &running, &sound);
	if (rc == CLI_GO && (wait || show) && !sound)
		return CLI_REFUSED;
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_scrub = {
	.name = "scrub",
	.operands = "[--show] [--wait]",
	.summary = "read every sealed segment and object again and verify it, now",
	.about =
		"The server does this by itself, once a week and slowly (steled --scrub-every,\n"
		"--scrub-rate). This begins a pass now, or when the one under way has ended, at the\n"
		"same pace, and shows how far it is and what the last one found. A damaged segment\n"
		"is not read any more until it is put back; everything else is served. Needs the\n"
		"scope operate. With --show or --wait the exit status is 1 when the last pass found\n"
		"something wrong.",
	.run = run,
};
