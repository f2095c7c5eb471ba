/* stele comply: a running configuration, held against a rule book. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"
#include "tools/comply.h"

/* One run: what is asked, and what came of it. */
struct run {
	const struct comply_profile *profile;
	const struct comply_facts *facts;
	const char *period;
	json_t *logs;   /* those that are looked at */
	json_t *checks; /* with --json: every line; NULL: they are printed */
	unsigned n[3];  /* by enum comply_state */
};

/* --- lines -------------------------------------------------------------------------------- */

static const char *const words[] = {"ok", "GAP", "not seen"};
static const char *const members[] = {"ok", "gap", "unseen"};

/* The row's fix for this log: LOG and ARG filled in. */
static void
put_fix(struct buf *out, const struct comply_row *row, const char *log, const char *arg)
{
	for (const char *p = row->fix; *p;) {
		if (strncmp(p, "LOG", 3) == 0 && log) {
			cli_put_word(out, log);
			p += 3;
		} else if (strncmp(p, "ARG", 3) == 0) {
			buf_put_str(out, arg);
			p += 3;
		} else {
			buf_put_u8(out, (uint8_t)*p++);
		}
	}
}

static void
add_line(struct run *run, const struct comply_row *row, const char *log,
	 const struct comply_finding *f, const char *fix)
{
	json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "paragraph", row->paragraph, "asks",
				 row->asks, "state", members[f->state], "says", f->says);

	if (log)
		json_object_set_new(line, "log", json_string(log));
	if (f->state == COMPLY_GAP)
		json_object_set_new(line, "fix", json_string(fix));
	json_array_append_new(run->checks, line);
}

static void
print_line(const struct comply_row *row, const char *log, const struct comply_finding *f,
	   const char *fix)
{
	printf("%-8s  %-22s %-16s %s%s%s%s%s\n", words[f->state], row->paragraph, row->asks,
	       log ? log : "", log ? ": " : "", f->says, f->state == COMPLY_GAP ? "; fix: " : "",
	       f->state == COMPLY_GAP ? fix : "");
}

/* One row of the profile, of one log or of the server. */
static void
check(struct run *run, const struct comply_row *row, const json_t *log)
{
	const char *name = log ? api_text(log, "log") : NULL;
	struct comply_case c = {run->facts, run->logs, log, row->arg ? row->arg : run->period};
	struct comply_finding f = {.state = COMPLY_UNSEEN};
	struct buf fix;

	buf_init(&fix);
	row->check(&c, &f);
	put_fix(&fix, row, name, f.arg[0] ? f.arg : c.arg);
	run->n[f.state]++;
	if (run->checks)
		add_line(run, row, name, &f, api_cstr(&fix));
	else
		print_line(row, name, &f, api_cstr(&fix));
	buf_fini(&fix);
}

/* --- all rows -------------------------------------------------------------------------------- */

/* No log to look at is nothing that was seen. */
static void
no_logs(const struct comply_case *c, struct comply_finding *out)
{
	struct comply_part none = {.why = "there is no log that the token may see"};

	comply_unseen(out, c->facts->logs.doc ? &none : &c->facts->logs);
}

static void
check_all(struct run *run)
{
	const struct comply_row none = {"-", "logs", no_logs, NULL, ""};
	const json_t *log;
	size_t i;

	if (json_array_size(run->logs) == 0)
		check(run, &none, NULL);
	json_array_foreach(run->logs, i, log)
	{
		for (const struct comply_row *row = run->profile->log; row->paragraph; row++)
			check(run, row, log);
	}
	for (const struct comply_row *row = run->profile->server; row->paragraph; row++)
		check(run, row, NULL);
}

/* Logs whose name matches; the server's own have a row of their own unless they are asked for. */
static json_t *
choose(const json_t *all, const char *pattern)
{
	json_t *chosen = json_array(), *log;
	size_t i;

	json_array_foreach(all, i, log)
	{
		const char *name = api_text(log, "log");
		if (fnmatch(pattern, name, 0) == 0 && (name[0] != '_' || pattern[0] == '_'))
			json_array_append(chosen, log);
	}
	return chosen;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static int
end(const struct run *run)
{
	if (run->checks) {
		json_t *doc =
			json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:O}", "profile",
				  run->profile->name, "server", run->facts->server, "period",
				  run->period, "logs", (int)json_array_size(run->logs), "ok",
				  (int)run->n[COMPLY_OK], "gaps", (int)run->n[COMPLY_GAP], "unseen",
				  (int)run->n[COMPLY_UNSEEN], "checks", run->checks);
		json_dumpf(doc, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(doc);
	} else {
		printf("%s: %u ok, %u gaps, %u not seen; logs: %zu, records kept for %s\n",
		       run->profile->title, run->n[COMPLY_OK], run->n[COMPLY_GAP],
		       run->n[COMPLY_UNSEEN], json_array_size(run->logs), run->period);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_say("cannot write to standard output");
		return CLI_USAGE;
	}
	if (run->n[COMPLY_GAP])
		return CLI_REFUSED;
	return run->n[COMPLY_UNSEEN] ? CLI_INCOMPLETE : CLI_DONE;
}

static int
look(struct cli *cli, const struct cli_command *self, struct run *run, const char *pattern)
{
	struct comply_facts facts;
	int rc = comply_facts_fetch(&facts, cli);

	run->facts = &facts;
	if (rc == CLI_GO) {
		run->logs = choose(facts.logs.doc, pattern ? pattern : "*");
		run->checks = cli->json ? json_array() : NULL;
		if (pattern && facts.logs.doc && json_array_size(run->logs) == 0) {
			rc = cli_usage(self, "no log that the token may see matches %s", pattern);
		} else {
			check_all(run);
			rc = end(run);
		}
	}
	json_decref(run->checks);
	json_decref(run->logs);
	comply_facts_fini(&facts);
	run->facts = NULL;
	return rc;
}

static int
run_comply(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *profile = NULL, *pattern = NULL, *period = NULL;
	const struct cli_option options[] = {
		{"profile", 0, CLI_TEXT, &profile, "NAME", "sec17a4, hipaa or pci"},
		{"log", 0, CLI_TEXT, &pattern, "PATTERN", "these logs alone, such as 'trades-*'"},
		{"retain", 0, CLI_TEXT, &period, "D",
		 "how long their records are to be kept, where your\n"
		 "                              schedule says another time than the profile"},
		{NULL},
	};
	struct run run = {0};
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	run.profile = profile ? comply_find(profile) : NULL;
	if (!run.profile)
		return cli_usage(self, "--profile is sec17a4, hipaa or pci");
	run.period = period ? period : run.profile->period;
	if (!comply_lasts(run.period, run.period))
		return cli_usage(self, "%s is not a period such as 6y or 18mo", run.period);
	return look(cli, self, &run, pattern);
}

const struct cli_command cmd_comply = {
	.name = "comply",
	.operands = "--profile NAME [--log PATTERN] [--retain D]",
	.summary = "hold the running configuration against a rule book",
	.about =
		"Asks the server, with your token, what a rule book asks of its settings, and prints\n"
		"one line for each: ok, GAP with what mends it, or not seen, which is no ok. It is\n"
		"no audit and no certificate: docs/compliance.md says what no check can see.\n"
		"\n"
		"  stele comply --profile sec17a4 --log 'trades-*'\n"
		"  stele comply --profile hipaa --retain 10y --json\n"
		"\n"
		"Everything is seen with the scopes read or verify (also on _system and _access),\n"
		"access, operate and hold. Exit status: 0 no gap and all seen; 1 gaps; 2 no gap in\n"
		"what was seen, but not all was.",
	.run = run_comply,
};
