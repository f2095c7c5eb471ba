/* stele checkpoint: the newest signed head of a log. */
#include <stdlib.h>

#include "proto/checkpoint.h"
#include "proto/note.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/consistency.h"
#include "tools/statements.h"

/* The note as it came, or JSON with the proof that leads to it from an older one. */
static int
put(struct cli *cli, const char *log, const char *since, struct slice text, struct buf *out)
{
	struct note note;
	struct checkpoint c;
	json_t *doc;
	char *json;
	int rc = CLI_GO;

	if (note_parse(&note, text) || checkpoint_parse(&c, note.text)) {
		cli_say("cannot use the server's answer: it is not a signed checkpoint");
		return CLI_REFUSED;
	}
	if (!since && !cli->json) {
		buf_put_slice(out, text);
		return CLI_GO;
	}
	doc = json_pack("{s:s%, s:I, s:s%}", "origin", c.origin.p, c.origin.n, "size",
			(json_int_t)c.size, "checkpoint", text.p, text.n);
	if (since)
		rc = consistency_add(cli, log, since, c.size, doc);
	if (rc == CLI_GO && since)
		rc = statements_add(cli, log, doc);
	json = json_dumps(doc, JSON_COMPACT);
	buf_printf(out, "%s\n", json ? json : "");
	free(json);
	json_decref(doc);
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *output = NULL, *since = NULL;
	const struct cli_option options[] = {
		{"output", 'o', CLI_TEXT, &output, "FILE",
		 "write there (default: standard output)"},
		{"since", 0, CLI_TEXT, &since, "FILE",
		 "add the proof that the log grew from this checkpoint, and key statements (JSON)"},
		{NULL},
	};
	struct http_call c;
	struct buf target, out;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	buf_init(&out);
	buf_put_str(&target, "/logs/");
	cli_put_path(&target, argv[0]);
	buf_put_str(&target, "/checkpoint");
	rc = api_get(cli, &c, api_cstr(&target), NULL, "get the checkpoint");
	if (rc == CLI_GO)
		rc = put(cli, argv[0], since, buf_slice(&c.answer), &out);
	if (rc == CLI_GO)
		rc = cli_write_file(output, buf_slice(&out));
	buf_fini(&out);
	buf_fini(&target);
	http_call_fini(&c);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_checkpoint = {
	.name = "checkpoint",
	.operands = "LOG [-o FILE] [--since CHECKPOINT]",
	.summary = "fetch a log's newest signed head",
	.about = "Writes the signed statement 'this log, this many entries, this root'. Keep one "
		 "now\n"
		 "and then, away from the server: whoever holds one can show later that nothing up "
		 "to\n"
		 "it was changed or dropped.\n"
		 "\n"
		 "  stele checkpoint payments -o kept.checkpoint\n"
		 "  stele checkpoint payments --since kept.checkpoint -o now.json\n"
		 "  stele verify now.json --since kept.checkpoint --key \"$(stele key show "
		 "payments)\"",
	.run = run,
};
