/* stele fsck: every byte of a data directory verified again, with no server. */
#include <inttypes.h>
#include <stdio.h>

#include "proto/err.h"
#include "proto/note.h"
#include "storage/fsck.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/progress.h"

static const char about[] =
	"Verifies a data directory that no server has open: sealed segments, on all cores, and\n"
	"their manifests, the flushed commits and their chain, every record's entry, payload and\n"
	"commitment, every log's hash chain and tree, key statements, and the catalogue.\n"
	"Nothing is changed.\n"
	"Each finding is one line: where, and what is wrong there.\n"
	"\n"
	"Without --key it is checked that the directory agrees with itself; with the identity's\n"
	"key, of today or of before it was replaced, got elsewhere, that it is the server's you know.\n"
	"\n"
	"--rebuild afterwards makes the catalogue anew from the logs, when they are sound: the\n"
	"logs are the database, the catalogue is for speed.\n"
	"\n"
	"  stele fsck /var/lib/stele --key @identity.vkey\n"
	"\n"
	"exit status: 0 everything holds; 1 something is wrong; 3 it could not be looked at\n"
	"(a server runs on it, no right to read it, wrong passphrase).";

struct fsck {
	struct cli *cli;
	struct progress progress;
};

static void
finding(void *ctx, const char *where, const char *what)
{
	struct fsck *f = ctx;
	struct buf line;

	progress_clear(&f->progress);
	if (!f->cli->json) {
		printf("WRONG  %s: %s\n", where, what);
		return;
	}
	buf_init(&line);
	buf_put_str(&line, "{\"where\":");
	buf_put_json_str(&line, slice_str(where));
	buf_put_str(&line, ",\"what\":");
	buf_put_json_str(&line, slice_str(what));
	buf_put_u8(&line, '}');
	puts(api_cstr(&line));
	buf_fini(&line);
}

static void
progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	struct fsck *f = ctx;
	char note[64];

	snprintf(note, sizeof note, "of %.1f MB", (double)total_bytes / 1e6);
	progress_show(&f->progress, 0, done_bytes, note);
}

static void
print_result(const struct fsck *f, const struct fsck_result *r)
{
	double seconds = (double)(progress_now_ns() - f->progress.start_ns) / 1e9;

	if (f->cli->json)
		printf("{\"verdict\":\"%s\",\"problems\":%" PRIu64 ",\"logs\":%" PRIu64
		       ",\"records\":%" PRIu64 ",\"payload_bytes\":%" PRIu64 ",\"commits\":%" PRIu64
		       ",\"wal_bytes\":%" PRIu64 ",\"segments\":%" PRIu64
		       ",\"segment_bytes\":%" PRIu64 ",\"unindexed_segments\":%" PRIu64
		       ",\"seconds\":%.3f}\n",
		       r->problems ? "damaged" : "sound", r->problems, r->logs, r->records,
		       r->payload_bytes, r->commits, r->wal_bytes, r->segments, r->segment_bytes,
		       r->unindexed, seconds);
	else
		printf("%s: %" PRIu64 " records in %" PRIu64 " logs, %.1f MB of payload; %" PRIu64
		       " segments, %" PRIu64 " commits; %" PRIu64 " problem%s; %.2f s, %.0f MB/s\n",
		       r->problems ? "DAMAGED" : "SOUND", r->records, r->logs,
		       (double)r->payload_bytes / 1e6, r->segments, r->commits, r->problems,
		       r->problems == 1 ? "" : "s", seconds,
		       (double)r->payload_bytes / 1e6 / (seconds > 0 ? seconds : 1));
	if (r->unindexed && !f->cli->json)
		printf("note   %" PRIu64
		       " of the segments have no index of this version and the schemas that "
		       "come with stele: it was not held against their records\n",
		       r->unindexed);
}

static int
check(struct cli *cli, struct fsck_options *o)
{
	struct fsck f = {.cli = cli};
	struct fsck_result r = {0};
	struct buf why;
	int err;

	progress_init(&f.progress);
	o->finding = finding;
	o->progress = progress;
	o->ctx = &f;
	buf_init(&why);
	err = fsck_run(o, &r, &why);
	progress_clear(&f.progress);
	if (err)
		cli_say("cannot check %s: %s", o->dir,
			why.n ? api_cstr(&why) : stele_strerror(err));
	else
		print_result(&f, &r);
	buf_fini(&why);
	if (err == STELE_EDAMAGED || err == STELE_EVERIFY)
		return CLI_REFUSED;
	if (err)
		return CLI_USAGE;
	return r.problems ? CLI_REFUSED : CLI_DONE;
}

/* Appends a file's content without the line end that editors leave. */
static int
read_line(struct buf *out, const char *path)
{
	int rc = cli_read_file(out, path, 65536);

	while (rc == CLI_GO && out->n && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == '\r'))
		out->n--;
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct passphrase_source source = {.fd = PASSPHRASE_NO_FD};
	const char *key = NULL;
	uint64_t threads = 0;
	struct fsck_options o = {0};
	const struct cli_option options[] = {
		{"key", 0, CLI_TEXT, &key, "VKEY|@FILE",
		 "a key of the server's identity, got elsewhere"},
		CLI_PASSPHRASE(source),
		{"threads", 0, CLI_NUMBER, &threads, "N",
		 "check segments on N threads (one a core)"},
		{"rebuild", 0, CLI_FLAG, &o.rebuild, NULL, "then make the catalogue anew"},
		{NULL},
	};
	struct note_vkey vkey_parsed;
	struct buf vkey, passphrase;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&vkey);
	buf_init(&passphrase);
	o.dir = argv[0];
	if (key && key[0] == '@')
		rc = read_line(&vkey, key + 1);
	else if (key)
		buf_put_str(&vkey, key);
	if (rc == CLI_GO && key && note_vkey_parse(&vkey_parsed, buf_slice(&vkey)) != 0)
		rc = cli_usage(self,
			       "--key: '%s' is not a verifier key such as NAME+1a2b3c4d+BASE64",
			       api_cstr(&vkey));
	if (rc == CLI_GO)
		rc = cli_read_passphrase(&passphrase, &source);
	if (rc == CLI_GO && threads > 64)
		rc = cli_usage(self, "--threads: at most 64");
	if (rc == CLI_GO) {
		o.threads = (unsigned)threads;
		o.identity_vkey = key ? api_cstr(&vkey) : NULL;
		o.passphrase = passphrase.n ? (const char *)passphrase.p : NULL;
		rc = check(cli, &o);
	}
	buf_fini(&vkey);
	passphrase_wipe(&passphrase);
	return rc;
}

const struct cli_command cmd_fsck = {
	.name = "fsck",
	.operands = "DIR [--key VKEY] [--rebuild]",
	.summary = "verify every byte of a data directory",
	.about = about,
	.run = run,
};
