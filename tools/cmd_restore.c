/* stele restore: a data directory from a backup, with no server. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "storage/restore.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/purges.h"

static const char about[] =
	"Makes a data directory from what 'stele backup' wrote: every file is copied, and must\n"
	"have the digest that the signed BACKUP stands for. DIR is new or empty, and no server\n"
	"runs on it.\n"
	"What was acknowledged after the backup is lost, and the logs say so: each gets a new\n"
	"signing key (a new epoch) and an entry of the kind 'restore', which names the backup,\n"
	"the newest checkpoint that is known and what is lost by it. Give those checkpoints, from\n"
	"wherever they were kept, with --newest-checkpoint, once a log; one that contradicts the\n"
	"backup ends it. What was purged after the backup would come back with it: give the receipts\n"
	"of those purge entries ('stele prove LOG INDEX -o FILE', kept apart) with --purge, and they\n"
	"are purged again, before anything is served.\n"
	"The keys are sealed with the same passphrase again: steled is to be given it. Tokens are\n"
	"in no backup: the first start makes a new first one.\n"
	"Killed or failed, the same command goes on; until it is done nothing else opens DIR.\n"
	"\n"
	"  stele restore /backup/stele --data /var/lib/stele --keyring /safe/ring \\\n"
	"      --passphrase-file /safe/pass --newest-checkpoint payments.checkpoint\n"
	"\n"
	"Make sure that the original never runs again. Afterwards, 'stele append --replay' sends\n"
	"what producers still have, and 'stele backup' is due: a second restore from the old one\n"
	"would lose what came after this one.\n"
	"\n"
	"exit status: 0 restored; 1 the backup, a key or a checkpoint is not to be believed;\n"
	"3 it could not be looked at or written to.";

struct restore {
	struct cli *cli;
	struct purges *purges; /* to be done again */
	struct progress progress;
	struct buf logs, again; /* JSON, with a comma behind each */
};

static void
progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	struct restore *r = ctx;
	char note[64];

	snprintf(note, sizeof note, "of %.1f MB", (double)total_bytes / 1e6);
	progress_show(&r->progress, 0, done_bytes, note);
}

static void
say(void *ctx, enum store_level level, const char *line)
{
	struct restore *r = ctx;

	progress_clear(&r->progress);
	if (level != STORE_INFO)
		cli_say("%s", line);
}

static void
restored(void *ctx, const struct restore_log *l)
{
	struct restore *r = ctx;

	progress_clear(&r->progress);
	if (r->cli->json) {
		buf_put_str(&r->logs, "{\"log\":");
		buf_put_json_str(&r->logs, slice_str(l->name));
		buf_printf(&r->logs,
			   ",\"size\":%" PRIu64 ",\"epoch\":%" PRIu32 ",\"lost\":", l->size,
			   l->epoch);
		if (l->newest > l->size)
			buf_printf(&r->logs, "{\"first\":%" PRIu64 ",\"last\":%" PRIu64 "}},",
				   l->size, l->newest - 1);
		else
			buf_put_str(&r->logs, "null},");
		return;
	}
	printf("%s: %" PRIu64 " entries, then the restore entry, under epoch %" PRIu32, l->name,
	       l->size, l->epoch);
	if (l->newest > l->size)
		printf("; entries %" PRIu64 " to %" PRIu64 " are lost\n", l->size, l->newest - 1);
	else if (l->newest)
		printf("; nothing is lost by the checkpoint of size %" PRIu64 "\n", l->newest);
	else
		printf("; what is lost is not known\n");
}

static void
purged(void *ctx, const struct restore_purge *p, uint64_t again, uint64_t records)
{
	struct restore *r = ctx;

	progress_clear(&r->progress);
	if (r->cli->json) {
		buf_put_str(&r->again, "{\"log\":");
		buf_put_json_str(&r->again, slice_str(p->log));
		buf_printf(&r->again, ",\"entry\":%" PRIu64 ",\"records\":%" PRIu64 "},", p->entry,
			   records);
	} else if (records) {
		printf("%s: %" PRIu64 " payloads that entry %" PRIu64
		       " purged are gone again, by entry %" PRIu64 "\n",
		       p->log, records, p->entry, again);
	} else {
		printf("%s: nothing was left of what entry %" PRIu64 " purged\n", p->log, p->entry);
	}
}

/* For %.*s: without the last comma. */
#define SHOWN(b) (b).n ? (int)((b).n - 1) : 0, (b).n ? (const char *)(b).p : ""

static void
print_result(struct restore *r, const struct restore_result *result)
{
	char begun[TIMESTAMP_BYTES];

	timestamp_format(begun, result->begun_ns);
	if (!r->cli->json) {
		printf("restored %s as of %.*s: %" PRIu64 " logs, %" PRIu64 " files (%" PRIu64
		       " were there), %" PRIu64 " bytes, up to commit %" PRIu64 "\n",
		       result->server, TIMESTAMP_BYTES, begun, result->logs, result->files,
		       result->kept, result->bytes, result->commit);
		return;
	}
	printf("{\"server\":\"%s\",\"begun\":\"%.*s\",\"files\":%" PRIu64 ",\"kept\":%" PRIu64
	       ",\"bytes\":%" PRIu64 ",\"commit\":%" PRIu64 ",\"logs\":[%.*s],\"purges\":[%.*s]}\n",
	       result->server, TIMESTAMP_BYTES, begun, result->files, result->kept, result->bytes,
	       result->commit, SHOWN(r->logs), SHOWN(r->again));
}

static int
check_purges(void *ctx, const char *identity_vkey, struct buf *why)
{
	struct restore *r = ctx;

	return purges_check(r->purges, identity_vkey, why);
}

static int
restore(struct cli *cli, struct restore_options *o, struct purges *purges)
{
	struct restore r = {.cli = cli, .purges = purges};
	struct restore_result result;
	struct buf why;
	int err;

	progress_init(&r.progress);
	buf_init(&r.logs);
	buf_init(&r.again);
	buf_init(&why);
	o->progress = progress;
	o->restored = restored;
	o->purges = purges->purge;
	o->n_purges = purges->n;
	o->check_purges = check_purges;
	o->purged = purged;
	o->say = say;
	o->ctx = &r;
	err = store_restore(o, &result, &why);
	progress_clear(&r.progress);
	if (err)
		cli_say("not restored: %s", why.n ? api_cstr(&why) : stele_strerror(err));
	else
		print_result(&r, &result);
	buf_fini(&r.logs);
	buf_fini(&r.again);
	buf_fini(&why);
	if (err == STELE_EVERIFY || err == STELE_EDAMAGED || err == STELE_EKEY)
		return CLI_REFUSED;
	return err ? CLI_USAGE : CLI_DONE;
}

/* Reads the files of the checkpoints one behind the other; notes[] points into out. */
static int
read_checkpoints(const struct cli_texts *files, struct buf *out, struct slice *notes)
{
	size_t end[CLI_TEXTS_MAX];
	int rc = CLI_GO;

	for (size_t i = 0; rc == CLI_GO && i < files->n; i++) {
		rc = cli_read_file(out, files->text[i], LIMIT_NOTE_BYTES);
		end[i] = out->n;
	}
	for (size_t i = 0, from = 0; rc == CLI_GO && i < files->n; from = end[i++])
		notes[i] = slice_of(out->p + from, end[i] - from);
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct passphrase_source source = {.fd = PASSPHRASE_NO_FD};
	struct cli_texts files = {.n = 0}, purge_files = {.n = 0};
	struct purges *purges;
	struct slice checkpoints[CLI_TEXTS_MAX];
	struct restore_options o = {.checkpoints = checkpoints};
	const struct cli_option options[] = {
		{"data", 0, CLI_TEXT, &o.dir, "DIR", "the data directory to make"},
		{"keyring", 0, CLI_TEXT, &o.keyring, "FILE",
		 "the keys that were written with the backup: FILE and FILE.identity"},
		CLI_PASSPHRASE(source),
		{"newest-checkpoint", 0, CLI_TEXTS, &files, "FILE",
		 "a log's newest checkpoint that is known; may be repeated"},
		{"purge", 0, CLI_TEXTS, &purge_files, "FILE",
		 "the receipt of a purge entry that may be later than the backup: it is done\n"
		 "again; may be repeated"},
		{NULL},
	};
	struct buf passphrase, notes;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	if (!o.dir || !o.keyring)
		return cli_usage(self, "--data and --keyring are needed");
	purges = calloc(1, sizeof *purges);
	if (!purges) {
		cli_say("not restored: %s", stele_strerror(STELE_ENOMEM));
		return CLI_USAGE;
	}
	buf_init(&passphrase);
	buf_init(&notes);
	rc = purges_read(purges, &purge_files);
	if (rc == CLI_GO)
		rc = cli_read_passphrase(&passphrase, &source);
	if (rc == CLI_GO)
		rc = read_checkpoints(&files, &notes, checkpoints);
	if (rc == CLI_GO) {
		o.backup = argv[0];
		o.passphrase = passphrase.n ? (const char *)passphrase.p : NULL;
		o.n_checkpoints = files.n;
		rc = restore(cli, &o, purges);
	}
	buf_fini(&notes);
	passphrase_wipe(&passphrase);
	purges_fini(purges);
	free(purges);
	return rc;
}

const struct cli_command cmd_restore = {
	.name = "restore",
	.operands = "BACKUP --data DIR --keyring FILE",
	.summary = "make a data directory from a backup",
	.about = about,
	.run = run,
};
