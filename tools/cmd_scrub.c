/* stele scrub. */
#include <stdio.h>
#include <unistd.h>

#include "tools/api.h"
#include "tools/commands.h"

enum { POLL_US = 100000 };

static long long
number_of(const json_t *doc, const char *name)
{
	return (long long)json_integer_value(json_object_get(doc, name));
}

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
	       ended ? ", ended " : "", ended ? ended : "", number_of(pass, "segments"),
	       number_of(pass, "bytes"));
	if (!ended && total)
		printf(" of %lld", total);
	printf(", %lld objects, %lld bytes", number_of(pass, "objects"),
	       number_of(pass, "object_bytes"));
	printf(": %lld damaged, %lld not to be checked\n", number_of(pass, "damaged"),
	       number_of(pass, "unread"));
}

static void
print_state(const json_t *doc, bool running)
{
	const json_t *now = json_object_get(doc, "now");

	if (running && now)
		print_pass("now ", now, number_of(doc, "total_bytes"));
	else if (running)
		printf("now   a pass begins\n");
	print_pass("last", json_object_get(doc, "last"), 0);
}

/* Asks; *running and *sound are what the answer says. Prints it unless quiet. */
static int
ask(struct cli *cli, const char *method, bool quiet, bool *running, bool *sound)
{
	struct http_call c;
	const json_t *last;
	json_t *doc = NULL;
	int rc;

	http_call_init(&c);
	c.method = method;
	c.target = "/api/v1/scrub";
	rc = api_call(cli, &c, "scrub");
	if (rc == CLI_GO && !(doc = api_json(&c, "scrub")))
		rc = CLI_REFUSED;
	if (rc == CLI_GO) {
		last = json_object_get(doc, "last");
		*running = json_is_true(json_object_get(doc, "running"));
		*sound = !number_of(last, "damaged") && !number_of(last, "unread");
		if (!quiet && cli->json)
			cli_write_json(buf_slice(&c.answer));
		if (!quiet && !cli->json)
			print_state(doc, *running);
	}
	json_decref(doc);
	http_call_fini(&c);
	return rc;
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
