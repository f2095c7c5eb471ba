/* stele policy show, set, lock, unlock. */
#include <stdio.h>

#include "tools/api.h"
#include "tools/commands.h"
#include "tools/policy_args.h"

/* --- printing -------------------------------------------------------------------------------- */

static void
print_periods(const json_t *policy)
{
	const json_t *retain = json_object_get(policy, "retain");

	printf("mode          %s\n", api_text(policy, "mode"));
	printf("retain        default %s, min %s, max %s\n", api_text(retain, "default"),
	       api_text(retain, "min"), api_text(retain, "max"));
	printf("event-based   %s\n",
	       json_is_true(json_object_get(policy, "event_based")) ? "yes" : "no");
}

static void
print_number(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	if (v)
		printf("%lld %s", (long long)json_integer_value(v), name);
	else
		printf("any %s", name);
}

static void
print_policy(const json_t *doc)
{
	const json_t *policy = json_object_get(doc, "policy"),
		     *compliance = json_object_get(doc, "compliance"),
		     *quota = json_object_get(policy, "quota");
	struct buf acts;

	buf_init(&acts);
	api_put_joined(&acts, json_object_get(policy, "dual_control"));
	print_periods(policy);
	printf("quota         ");
	print_number(quota, "bytes");
	printf(", ");
	print_number(quota, "records");
	printf("\ndual control  %s\n", acts.n ? api_cstr(&acts) : "none");
	printf("public        %s\n",
	       json_is_true(json_object_get(policy, "public")) ? "yes" : "no");
	if (compliance)
		printf("compliance    begins at %s, in %.1f hours; 'stele policy unlock %s' calls it "
		       "off until then\n",
		       api_text(compliance, "from"),
		       (double)json_integer_value(json_object_get(compliance, "seconds")) / 3600,
		       api_text(doc, "log"));
	if (json_object_get(doc, "index"))
		printf("entry         %lld says so\n", api_number(doc, "index"));
	buf_fini(&acts);
}

/* --- calls ----------------------------------------------------------------------------------- */

/* One request about a log's policy; body is dropped. */
static int
send(struct cli *cli, const char *log, const char *method, const char *rest, json_t *body,
     const char *what)
{
	struct buf target;
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/policy%s", rest);
	rc = api_show(cli, method, api_cstr(&target), body, print_policy, what);
	buf_fini(&target);
	return rc;
}

/* A command that takes a log and nothing else. */
static int
one_log(struct cli *cli, const struct cli_command *self, int argc, char **argv, const char *method,
	const char *rest, const char *what)
{
	const struct cli_option options[] = {{NULL}};
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	return rc == CLI_GO ? send(cli, argv[0], method, rest, NULL, what) : rc;
}

/* --- show ------------------------------------------------------------------------------------ */

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	return one_log(cli, self, argc, argv, "GET", "", "show the policy");
}

const struct cli_command cmd_policy_show = {
	.name = "policy show",
	.operands = "LOG",
	.summary = "show the policy that is in force",
	.about =
		"Shows what locks the records of a log: its mode, the periods a lock may have, its\n"
		"quota, what needs a second principal, and whether compliance is to begin.",
	.run = run_show,
};

/* --- set ------------------------------------------------------------------------------------- */

static int
run_set(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct policy_args a = {0};
	bool no_events = false, private = false;
	const struct cli_option options[] = {
		POLICY_OPTIONS(a),
		{"no-event-based", 0, CLI_FLAG, &no_events, NULL,
		 "no new record waits for an event"},
		{"private", 0, CLI_FLAG, &private, NULL, "not public"},
		{NULL},
	};
	json_t *policy = NULL;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc == CLI_GO)
		rc = policy_args_get(cli, argv[0], &policy);
	if (rc == CLI_GO)
		rc = policy_args_put(self, &a, policy);
	if (rc != CLI_GO) {
		json_decref(policy);
		return rc;
	}
	if (no_events)
		json_object_del(policy, "event_based");
	if (private)
		json_object_set_new(policy, "public", json_false());
	return send(cli, argv[0], "PUT", "", policy, "change the policy");
}

const struct cli_command cmd_policy_set = {
	.name = "policy set",
	.operands = "LOG [options]",
	.summary = "change a log's policy",
	.about =
		"Changes what is said, and leaves the rest of the policy as it is; 'none' takes a\n"
		"period, a quota or the list of dual control out. What is written already keeps its\n"
		"lock. In compliance mode a policy only becomes stricter, by nobody less; in\n"
		"governance a weaker one needs a second principal where the policy says so.\n"
		"\n"
		"  stele policy set payments --retain 10y --max 30y\n"
		"  stele policy set payments --dual-control policy.change,retain.shorten\n"
		"  stele policy set payments --quota-bytes 500G --min none",
	.run = run_set,
};

/* --- lock, unlock ---------------------------------------------------------------------------- */

static int
run_lock(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	return one_log(cli, self, argc, argv, "POST", "/lock", "lock the policy");
}

const struct cli_command cmd_policy_lock = {
	.name = "policy lock",
	.operands = "LOG",
	.summary = "begin compliance mode, in 72 hours",
	.about =
		"Begins compliance mode in 72 hours, a rehearsal in which 'stele policy unlock' calls\n"
		"it off. From then on nobody makes a lock shorter or the policy less strict, whatever\n"
		"their scopes. It needs --max and a quota, because nobody can delete what fills the\n"
		"disk then, and a server that was started with --origin.\n"
		"\n"
		"  stele policy set payments --max 30y --quota-bytes 500G\n"
		"  stele policy lock payments",
	.run = run_lock,
};

static int
run_unlock(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	return one_log(cli, self, argc, argv, "DELETE", "/lock", "call compliance mode off");
}

const struct cli_command cmd_policy_unlock = {
	.name = "policy unlock",
	.operands = "LOG",
	.summary = "call compliance mode off, within the 72 hours",
	.about =
		"Calls off what 'stele policy lock' began, within the 72 hours: the policy is what it\n"
		"was. It protects less, so it needs a second principal where the policy says so; an\n"
		"approval that comes after the 72 hours changes nothing any more.\n"
		"\n"
		"  stele policy unlock payments",
	.run = run_unlock,
};
