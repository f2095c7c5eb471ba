/* stele get: a record's payload, or the whole record as JSON. */
#include "tools/api.h"
#include "tools/commands.h"

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *output = NULL;
	const struct cli_option options[] = {
		{"output", 'o', CLI_TEXT, &output, "FILE",
		 "write there (default: standard output)"},
		{NULL},
	};
	struct http_call c;
	struct buf target;
	uint64_t index;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc == CLI_GO)
		rc = cli_index(self, argv[1], &index);
	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_log_target(&target, argv[0], "/records/%llu", (unsigned long long)index);
	rc = api_get(cli, &c, api_cstr(&target), cli->json ? "application/json" : NULL,
		     "get the record");
	if (rc == CLI_GO)
		rc = cli->json && !output ? cli_write_json(buf_slice(&c.answer))
					  : cli_write_file(output, buf_slice(&c.answer));
	buf_fini(&target);
	http_call_fini(&c);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_get = {
	.name = "get",
	.operands = "LOG INDEX [-o FILE]",
	.summary = "read a record back",
	.about =
		"Writes the record's payload, byte for byte as it was stored. The server verifies "
		"it\n"
		"against the tree before it answers. With --json: entry, salt, payload, proof and\n"
		"checkpoint together, which 'stele verify' takes.\n"
		"\n"
		"  stele get payments 70211\n"
		"  stele get scans 12 -o report.pdf",
	.run = run,
};
