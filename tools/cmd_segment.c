/* stele segment restore. */
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"
#include "storage/segment.h"
#include "tools/api.h"
#include "tools/commands.h"

/* Sends one file under its name. */
static int
send(struct cli *cli, const char *log, const char *id, const char *suffix, struct slice bytes)
{
	struct http_call c;
	struct buf target;
	int rc;

	http_call_init(&c);
	buf_init(&target);
	api_log_target(&target, log, "/segments/%s%s", id, suffix);
	c.method = "PUT";
	c.target = api_cstr(&target);
	c.content_type = "application/octet-stream";
	c.body = bytes;
	rc = api_call(cli, &c, "put the segment back");
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

/* Both files, the manifest first. stem is the path without .seg. */
static int
restore(struct cli *cli, const char *log, const char *stem, const char *id)
{
	struct buf path, manifest, file;
	int rc;

	buf_init(&path);
	buf_init(&manifest);
	buf_init(&file);
	buf_printf(&path, "%s.manifest", stem);
	rc = cli_read_file(&manifest, api_cstr(&path), LIMIT_NOTE_BYTES);
	buf_reset(&path);
	buf_printf(&path, "%s.seg", stem);
	if (rc == CLI_GO)
		rc = cli_read_file(&file, api_cstr(&path), LIMIT_SEGMENT_UPLOAD_BYTES);
	if (rc == CLI_GO)
		rc = send(cli, log, id, ".manifest", buf_slice(&manifest));
	if (rc == CLI_GO)
		rc = send(cli, log, id, ".seg", buf_slice(&file));
	if (rc == CLI_GO && !cli->json)
		printf("segment %s of %s is back: verified, and read again\n", id, log);
	buf_fini(&path);
	buf_fini(&manifest);
	buf_fini(&file);
	return rc == CLI_GO ? CLI_DONE : rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	char stem[4096], id[SEGMENT_NAME_BYTES];
	struct segment_name name;
	const char *base;
	size_t len;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc != CLI_GO)
		return rc;
	len = strlen(argv[1]);
	if (len < 4 || len >= sizeof stem || strcmp(argv[1] + len - 4, ".seg") != 0)
		return cli_usage(self, "%s: a segment's file is named FIRST-COUNT.GENERATION.seg",
				 argv[1]);
	memcpy(stem, argv[1], len - 4);
	stem[len - 4] = '\0';
	base = strrchr(stem, '/') ? strrchr(stem, '/') + 1 : stem;
	if (segment_name_parse(&name, slice_str(base)) != 0)
		return cli_usage(self, "%s: a segment's file is named FIRST-COUNT.GENERATION.seg",
				 argv[1]);
	segment_name_format(id, &name);
	return restore(cli, argv[0], stem, id);
}

const struct cli_command cmd_segment_restore = {
	.name = "segment restore",
	.operands = "LOG FILE",
	.summary = "put a damaged sealed segment back from a copy",
	.about = "Sends FILE (FIRST-COUNT.GENERATION.seg, from a copy or a backup) and the\n"
		 ".manifest beside it to the server, which believes them when they are byte for "
		 "byte\n"
		 "what it had: signed manifest, length, digest, and every record against the "
		 "tree.\n"
		 "Then the segment is read again. Nothing is changed otherwise. steled's log and "
		 "'stele\n"
		 "fsck' say which file is damaged. Needs the scope operate.\n"
		 "\n"
		 "  stele segment restore payments /backup/segments/payments/0-65536.3.seg",
	.run = run,
};
