/* stele backup. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/limits.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/progress.h"

enum { POLL_US = 300000 };

/* The path as the server sees it, which has another working directory. */
static bool
make_absolute(struct buf *out, const char *path)
{
	char cwd[PATH_MAX];

	if (path[0] != '/') {
		if (!getcwd(cwd, sizeof cwd))
			return false;
		buf_printf(out, "%s/", cwd);
	}
	buf_put_str(out, path);
	return true;
}

/* What the server says; *doc is the caller's. */
static int
ask(struct cli *cli, const char *method, struct slice body, json_t **doc)
{
	struct http_call c;
	int rc;

	http_call_init(&c);
	c.method = method;
	c.target = "/api/v1/backups";
	c.content_type = body.n ? "application/json" : NULL;
	c.body = body;
	rc = api_call(cli, &c, "back up");
	if (rc == CLI_GO && !(*doc = api_json(&c, "back up")))
		rc = CLI_REFUSED;
	http_call_fini(&c);
	return rc;
}

static void
print_backup(const json_t *doc)
{
	printf("backup in %s: %lld files (%lld were there), %lld bytes, up to commit %lld\n",
	       api_text(doc, "dir"), api_number(doc, "files"), api_number(doc, "kept"),
	       api_number(doc, "bytes"), api_number(doc, "commit"));
}

static int
say_end(struct cli *cli, const json_t *doc)
{
	const char *error = json_string_value(json_object_get(doc, "error"));
	int rc = cli->json || !error ? api_print(cli, doc, print_backup) : CLI_DONE;

	if (error)
		cli_say("this is no backup: %s", error);
	return error ? CLI_REFUSED : rc;
}

/* Asks until it has ended. */
static int
follow(struct cli *cli, json_t *doc)
{
	struct progress p;
	int rc = CLI_GO;

	progress_init(&p);
	while (rc == CLI_GO && json_is_true(json_object_get(doc, "running"))) {
		char note[64];
		snprintf(note, sizeof note, "of %.1f MB",
			 (double)api_number(doc, "total_bytes") / 1e6);
		progress_show(&p, 0, (uint64_t)api_number(doc, "bytes"), note);
		usleep(POLL_US);
		json_decref(doc);
		doc = NULL;
		rc = ask(cli, "GET", slice_of(NULL, 0), &doc);
	}
	progress_clear(&p);
	if (rc == CLI_GO)
		rc = say_end(cli, doc);
	json_decref(doc);
	return rc;
}

static int
back_up(struct cli *cli, const char *dir, const char *keyring, const char *passphrase)
{
	json_t *doc = NULL, *body = json_object(), *ring;
	struct buf path, ring_path;
	char *text = NULL;
	int rc = CLI_USAGE;

	buf_init(&path);
	buf_init(&ring_path);
	if (!make_absolute(&path, dir) || (keyring && !make_absolute(&ring_path, keyring))) {
		cli_say("the working directory is gone");
		goto out;
	}
	json_object_set_new(body, "dir", json_string(api_cstr(&path)));
	if (keyring) {
		ring = json_object();
		json_object_set_new(ring, "file", json_string(api_cstr(&ring_path)));
		json_object_set_new(ring, "passphrase", json_string(passphrase));
		json_object_set_new(body, "keyring", ring);
	}
	text = json_dumps(body, JSON_COMPACT);
	rc = text ? ask(cli, "POST", slice_str(text), &doc) : CLI_USAGE;
	if (rc == CLI_GO)
		rc = follow(cli, doc);
out:
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	json_decref(body);
	buf_fini(&path);
	buf_fini(&ring_path);
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct passphrase_source source = {.fd = PASSPHRASE_NO_FD, .twice = true};
	const char *keyring = NULL;
	const struct cli_option options[] = {
		{"keyring", 0, CLI_TEXT, &keyring, "FILE",
		 "write the keys too: FILE and FILE.identity"},
		CLI_PASSPHRASE(source),
		{NULL},
	};
	struct buf passphrase;
	bool given;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	given = source.file || source.prompt || source.fd != PASSPHRASE_NO_FD;
	if (given && !keyring)
		return cli_usage(self, "a passphrase seals what --keyring writes: give both");
	buf_init(&passphrase);
	if (keyring)
		rc = cli_read_passphrase(&passphrase, &source);
	if (rc == CLI_GO && keyring && passphrase.n == 0)
		rc = cli_usage(self,
			       "--keyring needs a passphrase: --passphrase-file, -fd or -prompt");
	if (rc == CLI_GO)
		rc = back_up(cli, argv[0], keyring, passphrase.n ? (const char *)passphrase.p : "");
	passphrase_wipe(&passphrase);
	return rc;
}

const struct cli_command cmd_backup = {
	.name = "backup",
	.operands = "DIR [--keyring FILE --passphrase-file FILE]",
	.summary = "copy everything but the keys, while the server runs",
	.about = "Has the server copy itself into DIR, a folder on its own machine: the catalogue, "
		 "the\n"
		 "write-ahead log up to now, and the sealed segments, as hard links where that can "
		 "be.\n"
		 "Again into the same DIR, what is there and has the right digest stays, and what "
		 "has\n"
		 "left is removed. DIR/BACKUP, signed, is written last: without it, DIR is no "
		 "backup,\n"
		 "and the next one goes on. 'sha256sum -c LIST' in DIR checks it at any time.\n"
		 "Nothing in DIR can be read without the keys. --keyring writes them elsewhere, "
		 "sealed\n"
		 "with the passphrase: keep them apart from DIR. Needs the scope operate.\n"
		 "\n"
		 "  stele backup /backup/stele --keyring /safe/ring --passphrase-file /safe/pass",
	.run = run,
};
