/* stele log reindex: request after request, each of which says where the next one goes on. */
#include <stdio.h>

#include "tools/api.h"
#include "tools/commands.h"
#include "tools/progress.h"

struct reindex {
	long long made, kept;
	struct progress progress;
};

/* One request: CLI_GO and *next, or CLI_DONE at the end. */
static int
step(struct cli *cli, const char *log, bool all, long long *next, struct reindex *x)
{
	json_t *answer = NULL;
	struct buf target;
	char note[64];
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/reindex?from=%lld%s", *next, all ? "&all=true" : "");
	rc = api_ask(cli, "POST", api_cstr(&target), NULL, &answer, "make the index anew");
	buf_fini(&target);
	if (rc != CLI_GO)
		return rc;
	x->made += api_number(answer, "made");
	x->kept += api_number(answer, "kept");
	rc = json_object_get(answer, "next") ? CLI_GO : CLI_DONE;
	*next = api_number(answer, "next");
	snprintf(note, sizeof note, "in %lld segments", x->made + x->kept);
	if (rc == CLI_GO)
		progress_show(&x->progress, (uint64_t)*next, 0, note);
	json_decref(answer);
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct reindex x = {0};
	bool all = false;
	const struct cli_option options[] = {
		{"all", 0, CLI_FLAG, &all, NULL, "also where the index is of the present schemas"},
		{NULL},
	};
	long long next = 0;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	progress_init(&x.progress);
	do {
		rc = step(cli, argv[0], all, &next, &x);
	} while (rc == CLI_GO);
	progress_clear(&x.progress);
	if (rc != CLI_DONE)
		return rc;
	if (cli->json)
		printf("{\"log\":\"%s\",\"made\":%lld,\"kept\":%lld}\n", argv[0], x.made, x.kept);
	else
		printf("%s: the index of %lld segments was made anew, that of %lld was as it should be\n",
		       argv[0], x.made, x.kept);
	return CLI_DONE;
}

const struct cli_command cmd_log_reindex = {
	.name = "log reindex",
	.operands = "LOG [--all]",
	.summary = "make the index of a log's sealed segments anew",
	.about =
		"Queries find records by an index in each sealed segment, which is made when it is\n"
		"sealed, by the schemas that the log was read by. After one was added or chosen, or when\n"
		"stele fsck says that an index is wrong, this writes each segment whose index is of\n"
		"other schemas once more; with --all every one. Answers are the same with or without:\n"
		"what has no index is read whole. Each segment takes about what sealing it took, and\n"
		"its old file leaves behind it. When it is interrupted, run it again. Needs the scope\n"
		"operate.",
	.run = run,
};
