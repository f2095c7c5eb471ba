/* stele find: which records have a payload with this SHA-256. */
#include <stdio.h>
#include <string.h>

#include "tools/api.h"
#include "tools/commands.h"

static const char about[] =
	"Lists the records of LOG whose payload has this SHA-256 ('sha256sum FILE' prints it).\n"
	"Only payloads that the server keeps as files are searched: those of 'stele put' and of\n"
	"single requests above 1 MiB. Smaller payloads and batches are not. Exit status 1 when\n"
	"there is none.\n"
	"\n"
	"  stele find scans --sha256 $(sha256sum disk.img | cut -d' ' -f1)";

/* The next page, its rows added to rows; *next is where to go on, *more whether. */
static int
fetch(struct cli *cli, const char *log, const char *sha256, json_t *rows, uint64_t *next,
      bool *more)
{
	struct http_call c;
	struct buf target;
	json_t *doc = NULL, *go_on;
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/records?sha256=%s&from=%llu", sha256,
		       (unsigned long long)*next);
	rc = api_get(cli, &c, api_cstr(&target), NULL, "search");
	if (rc == CLI_GO)
		doc = api_json(&c, "search");
	if (rc == CLI_GO && !doc)
		rc = CLI_REFUSED;
	if (rc == CLI_GO) {
		go_on = json_object_get(doc, "next");
		*more = go_on != NULL;
		*next = (uint64_t)json_integer_value(go_on);
		json_array_extend(rows, json_object_get(doc, "records"));
	}
	json_decref(doc);
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

static void
print_rows(const char *log, const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		printf("%s %lld  %s  %lld bytes  %s\n", log,
		       (long long)json_integer_value(json_object_get(row, "index")),
		       json_string_value(json_object_get(row, "time")),
		       (long long)json_integer_value(json_object_get(row, "size")),
		       json_string_value(json_object_get(row, "media_type")));
	}
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *sha256 = NULL;
	const struct cli_option options[] = {
		{"sha256", 0, CLI_TEXT, &sha256, "HEX", "of the whole payload (required)"},
		{NULL},
	};
	json_t *rows;
	uint64_t next = 0;
	bool more = true;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc == CLI_GO &&
	    (!sha256 || strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64))
		rc = cli_usage(self, "--sha256 takes 64 lower-case hex digits");
	if (rc != CLI_GO)
		return rc;
	rows = json_array();
	while (rc == CLI_GO && more)
		rc = fetch(cli, argv[0], sha256, rows, &next, &more);
	if (rc == CLI_GO && cli->json) {
		json_dumpf(rows, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (rc == CLI_GO) {
		print_rows(argv[0], rows);
		if (json_array_size(rows) == 0)
			cli_say("no object of %s has this SHA-256", argv[0]);
	}
	if (rc == CLI_GO)
		rc = json_array_size(rows) ? CLI_DONE : CLI_REFUSED;
	json_decref(rows);
	return rc;
}

const struct cli_command cmd_find = {
	.name = "find",
	.operands = "LOG --sha256 HEX",
	.summary = "find a payload by its SHA-256",
	.about = about,
	.run = run,
};
