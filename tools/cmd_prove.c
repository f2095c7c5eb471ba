/* stele prove: everything that 'stele verify' needs for one record, in one file. */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/consistency.h"
#include "verify/receipt_json.h"
#include "tools/statements.h"

static const char about[] =
	"Fetches a record's proof: its entry, its salt, the path to the newest signed\n"
	"checkpoint, and the statement by which the server identity names the log's key; when that\n"
	"identity was replaced, the notes that say so.\n"
	"The file verifies for ever, whatever happens to the server or to the record.\n"
	"\n"
	"As JSON it holds the payload too; --no-payload leaves it out. With --text, or when\n"
	"FILE ends in .tlog-proof, it is a C2SP tlog-proof for any transparency-log tool, to be\n"
	"checked with the log's own key and the payload beside it.\n"
	"\n"
	"It needs a token with the scope read, also for --no-payload: the proof holds the\n"
	"record's salt, with which a payload can be guessed.\n"
	"\n"
	"  stele prove payments 70211 -o 70211.json\n"
	"  stele verify 70211.json --key \"$(stele key show)\"\n"
	"  stele prove payments 70211 -o 70211.tlog-proof\n"
	"  stele verify 70211.tlog-proof --payload event.json --key \"$(stele key show payments)\"";

struct prove_arguments {
	const char *log, *output, *since;
	bool text, no_payload;
	uint64_t index;
};

/* The server's JSON of the record as a tlog-proof, appended to out. */
static int
put_text(struct buf *out, struct slice answer)
{
	struct receipt_json d;
	struct buf why;
	int err;

	buf_init(&why);
	err = receipt_json_read(&d, answer, &why);
	if (!err) {
		err = d.receipt.has_salt ? proof_text_put(out, &d.receipt.proof) : STELE_ENOTFOUND;
		if (err == STELE_ENOTFOUND)
			buf_put_str(&why, "its salt is gone, and a tlog-proof has one");
		else if (err)
			buf_put_str(&why, "it lacks what a proof needs");
		receipt_json_fini(&d);
	}
	if (err)
		cli_say("cannot use the server's answer: %s", api_cstr(&why));
	buf_fini(&why);
	return err ? CLI_REFUSED : CLI_GO;
}

/* The size that the receipt's checkpoint signs; 0 when it cannot be read. */
static uint64_t
signed_size(const json_t *receipt)
{
	const char *text = json_string_value(json_object_get(receipt, "checkpoint"));
	struct note note;
	struct checkpoint c;

	if (!text || note_parse(&note, slice_str(text)) || checkpoint_parse(&c, note.text))
		return 0;
	return c.size;
}

static int
put_json(struct cli *cli, const struct prove_arguments *a, const struct http_call *c,
	 struct buf *out)
{
	json_t *doc = api_json(c, "prove the record");
	char *text = NULL;
	int rc = doc ? statements_add(cli, a->log, doc) : CLI_REFUSED;

	if (rc == CLI_GO && a->since)
		rc = consistency_add(cli, a->log, a->since, signed_size(doc), doc);
	if (rc == CLI_GO && a->no_payload) {
		json_object_del(doc, "payload");
		json_object_del(doc, "payload_b64");
	}
	if (rc == CLI_GO)
		text = json_dumps(doc, JSON_COMPACT);
	if (text) {
		buf_put_str(out, text);
		buf_put_u8(out, '\n');
	}
	free(text);
	json_decref(doc);
	return rc;
}

static bool
ends_with(const char *s, const char *end)
{
	return s && strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

static int
prove(struct cli *cli, const struct prove_arguments *a)
{
	struct http_call c;
	struct buf target, out;
	int rc;

	buf_init(&target);
	buf_init(&out);
	api_log_target(&target, a->log, "/records/%llu", (unsigned long long)a->index);
	rc = api_get(cli, &c, api_cstr(&target), "application/json", "prove the record");
	if (rc == CLI_GO)
		rc = a->text ? put_text(&out, buf_slice(&c.answer)) : put_json(cli, a, &c, &out);
	if (rc == CLI_GO)
		rc = cli_write_file(a->output, buf_slice(&out));
	buf_fini(&out);
	buf_fini(&target);
	http_call_fini(&c);
	return rc == CLI_GO ? CLI_DONE : rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct prove_arguments a = {0};
	const struct cli_option options[] = {
		{"output", 'o', CLI_TEXT, &a.output, "FILE",
		 "write there (default: standard output)"},
		{"text", 0, CLI_FLAG, &a.text, NULL, "a C2SP tlog-proof"},
		{"no-payload", 0, CLI_FLAG, &a.no_payload, NULL, "leave the payload out"},
		{"since", 0, CLI_TEXT, &a.since, "FILE",
		 "add the proof that the log grew from this checkpoint"},
		{NULL},
	};
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc == CLI_GO)
		rc = cli_index(self, argv[1], &a.index);
	if (rc != CLI_GO)
		return rc;
	a.log = argv[0];
	a.text = a.text || (ends_with(a.output, ".tlog-proof") && !cli->json);
	if (a.text && a.since)
		return cli_usage(self, "a tlog-proof has no room for --since; use JSON");
	return prove(cli, &a);
}

const struct cli_command cmd_prove = {
	.name = "prove",
	.operands = "LOG INDEX [-o FILE] [--text] [--since CHECKPOINT]",
	.summary = "fetch the proof of a record",
	.about = about,
	.run = run,
};
