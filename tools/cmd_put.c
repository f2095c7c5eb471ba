/*
 * stele put: one file as one record. A large one is an upload that resumes: the
 * server says how much of it arrived, before and after every interruption, so
 * that nothing is sent twice and nothing is counted on this side.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/random.h"
#include "crypto/receipt.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/lock_args.h"
#include "tools/media.h"
#include "tools/payloads.h"
#include "tools/progress.h"
#include "tools/put_state.h"
#include "verify/receipt_json.h"

enum { RETRY_S = 120, KEY_MAX = 255, WAIT_MAX_S = 8 };

static const char about[] =
	"Stores FILE ('-': standard input) as one record, of any size the server takes, and\n"
	"prints where it is once it is durable. A file above 1 MiB is sent as an upload that\n"
	"resumes: run the same command again after it was interrupted, and it goes on where the\n"
	"server has got to. What it must know for that is kept in ~/.local/state/stele (or\n"
	"$XDG_STATE_HOME/stele) until the file is stored. Standard input cannot be sent twice:\n"
	"it is not resumed. Nothing is ever stored twice: the same --key, or a resumed upload,\n"
	"answers with the record that is there.\n"
	"\n"
	"A file that is changed while it is sent is noticed when the upload was interrupted: the\n"
	"file is then read once more and held against the receipt.\n"
	"\n"
	"  stele put scans disk.img --receipt disk.receipt.json\n"
	"  tar c evidence | stele put cases - --type application/x-tar";

struct put {
	struct cli *cli;
	const char *log, *file, *type, *receipt;
	struct lock_args lock;
	uint64_t retry_s;
	int fd;
	struct put_state state; /* its key is the idempotency key, its url the upload's */
	struct buf target, answer;
	struct http_call call;
	struct progress progress;
	uint64_t offset;  /* where the bytes in flight began */
	uint64_t arrived; /* the most that the server ever had */
	bool interrupted;
	time_t give_up;
	unsigned wait_s;
};

static void
show(struct http_call *c)
{
	struct put *p = c->owner;

	progress_show(&p->progress, 0, p->offset + c->moved_bytes,
		      p->interrupted ? "(resumed)" : "");
}

static void
begin_call(struct put *p, const char *method, const char *target)
{
	http_call_fini(&p->call);
	http_call_init(&p->call);
	p->call.method = method;
	p->call.target = target;
	p->call.owner = p;
}

/* --- waiting ------------------------------------------------------------------------------ */

/* Whether it is worth another try, after a pause; what arrived starts the patience anew. */
static bool
again(struct put *p)
{
	const struct http_call *c = &p->call;
	unsigned wait_s = p->wait_s;

	if (c->io_errno || c->untrusted)
		return false;
	if (c->status != 0 && c->status != 409 && c->status != 429 && c->status != 503 &&
	    c->status != 507 && c->status != 408)
		return false;
	if (c->has_retry_after && c->retry_after_s)
		wait_s = c->retry_after_s < 60 ? (unsigned)c->retry_after_s : 60;
	if (time(NULL) + (time_t)wait_s > p->give_up)
		return false;
	sleep(wait_s);
	p->wait_s = p->wait_s < WAIT_MAX_S ? 2 * p->wait_s : WAIT_MAX_S;
	return true;
}

static void
be_patient(struct put *p)
{
	p->give_up = time(NULL) + (time_t)p->retry_s;
	p->wait_s = 1;
}

static int
refused(struct put *p)
{
	progress_clear(&p->progress);
	if (p->call.io_errno) {
		cli_say("cannot read %s: %s", p->file,
			p->call.io_errno == ENODATA ? "it became shorter while it was sent"
						    : strerror(p->call.io_errno));
		return CLI_USAGE;
	}
	return api_refused(p->cli, &p->call, "put the file");
}

/* --- an upload that resumes ------------------------------------------------------------- */

/* Makes the upload; its URL is kept before a byte is sent. */
static int
create(struct put *p)
{
	char length[64];
	const char *const headers[] = {"Upload-Complete: ?0", length, lock_args_field(&p->lock),
				       NULL};

	snprintf(length, sizeof length, "Upload-Length: %llu", (unsigned long long)p->state.size);
	for (;;) {
		begin_call(p, "POST", api_cstr(&p->target));
		p->call.content_type = p->type;
		p->call.idempotency_key = p->state.key;
		p->call.headers = headers;
		transport_call(p->cli->transport, &p->call);
		if (http_call_good(&p->call))
			break;
		if (!again(p))
			return refused(p);
	}
	if (!p->call.location[0] || p->call.location[0] != '/') {
		cli_say("cannot put the file: the server made no upload. Is it steled?");
		return CLI_REFUSED;
	}
	snprintf(p->state.url, sizeof p->state.url, "%s", p->call.location);
	if (!put_state_save(&p->state) && !p->interrupted)
		cli_say("warning: this upload cannot be resumed by another command: its state "
			"cannot be kept (%s)",
			p->state.path[0] ? strerror(errno) : "HOME is not set");
	p->offset = 0;
	return CLI_GO;
}

/* The receipt of the record at index into p->answer. */
static int
fetch_receipt(struct put *p, uint64_t index)
{
	struct buf target;

	buf_init(&target);
	api_log_target(&target, p->log, "/records/%llu", (unsigned long long)index);
	for (;;) {
		begin_call(p, "GET", api_cstr(&target));
		p->call.accept = "application/json";
		transport_call(p->cli->transport, &p->call);
		if (http_call_good(&p->call) || !again(p))
			break;
	}
	buf_fini(&target);
	if (http_call_good(&p->call)) {
		buf_put_slice(&p->answer, buf_slice(&p->call.answer));
		return CLI_DONE;
	}
	progress_clear(&p->progress);
	cli_say("the file is stored as record %llu of %s, but its receipt cannot be read",
		(unsigned long long)index, p->log);
	return refused(p);
}

/* How far it is: CLI_GO with p->offset; CLI_DONE when it is stored and p->answer its receipt. */
static int
ask(struct put *p)
{
	json_t *doc;
	int rc = CLI_GO;

	begin_call(p, "GET", p->state.url);
	transport_call(p->cli->transport, &p->call);
	if (p->call.status ==
	    404) { /* removed, or of a server that was restarted: from the start */
		p->state.url[0] = '\0';
		return create(p);
	}
	if (!http_call_good(&p->call))
		return again(p) ? ask(p) : refused(p);
	doc = api_json(&p->call, "put the file");
	if (!doc)
		return CLI_REFUSED;
	p->offset = (uint64_t)json_integer_value(json_object_get(doc, "offset"));
	if (json_is_true(json_object_get(doc, "complete")))
		rc = fetch_receipt(p, (uint64_t)json_integer_value(json_object_get(doc, "index")));
	json_decref(doc);
	if (p->offset > p->arrived) {
		p->arrived = p->offset;
		be_patient(p);
	}
	return rc;
}

/* Sends all that is left. CLI_DONE: stored, p->answer is the receipt. CLI_GO: ask and go on. */
static int
send_rest(struct put *p)
{
	char offset[64];
	const char *const headers[] = {"Upload-Complete: ?1", offset, NULL};

	snprintf(offset, sizeof offset, "Upload-Offset: %llu", (unsigned long long)p->offset);
	begin_call(p, "PATCH", p->state.url);
	p->call.content_type = "application/partial-upload";
	p->call.headers = headers;
	p->call.body_fd = p->fd;
	p->call.body_at = p->offset;
	p->call.body_bytes = p->state.size - p->offset;
	p->call.moved = show;
	transport_call(p->cli->transport, &p->call);
	if (http_call_good(&p->call)) {
		buf_put_slice(&p->answer, buf_slice(&p->call.answer));
		return CLI_DONE;
	}
	p->interrupted = true;
	return again(p) ? CLI_GO : refused(p);
}

/*
 * An upload in parts may have met two states of the file: the receipt tells. The
 * file is read once more, with nothing believed but the entry's commitment.
 */
static int
check_file(struct put *p)
{
	struct payloads file;
	struct receipt_json d;
	struct slice piece;
	struct sha256 *h = sha256_new();
	uint8_t commitment[SHA256_BYTES];
	char scratch[LIMIT_ENTRY_BYTES];
	struct entry e;
	struct buf why;
	bool same = false;

	CHECK(h);
	buf_init(&why);
	if (receipt_json_read(&d, buf_slice(&p->answer), &why) == 0) {
		if (payloads_open(&file, p->file) == 0) {
			sha256_commitment_begin(h, d.receipt.proof.salt);
			while (payloads_next(&file, &piece) == 0 && piece.n)
				sha256_update(h, piece);
			sha256_end(h, commitment);
			same = entry_read(&e,
					  slice_of(d.receipt.proof.entry, d.receipt.proof.entry_n),
					  scratch) == 0 &&
			       memcmp(e.commitment, commitment, sizeof commitment) == 0;
			payloads_close(&file);
		}
		receipt_json_fini(&d);
	}
	buf_fini(&why);
	sha256_free(h);
	if (!same)
		cli_say("what is stored is not what %s holds now: it was changed while it was "
			"sent. The record stays; put the file again for one that is whole",
			p->file);
	return same ? CLI_DONE : CLI_REFUSED;
}

static int
put_upload(struct put *p)
{
	bool had_key = p->state.key[0] != '\0';
	char key[sizeof p->state.key];
	int rc;

	memcpy(key, p->state.key, sizeof key);
	p->interrupted = put_state_load(&p->state) && (!had_key || strcmp(key, p->state.key) == 0);
	if (!p->interrupted)
		memcpy(p->state.key, key, sizeof key);
	if (!p->state.key[0]) {
		uint8_t random[16];
		random_bytes(random, sizeof random);
		hex_format(p->state.key, random, sizeof random);
	}
	rc = p->interrupted ? ask(p) : create(p);
	while (rc == CLI_GO) {
		rc = send_rest(p);
		if (rc == CLI_GO)
			rc = ask(p);
	}
	if (rc != CLI_DONE)
		return rc;
	put_state_remove(&p->state);
	progress_clear(&p->progress);
	return p->interrupted ? check_file(p) : CLI_DONE;
}

/* --- one request ---------------------------------------------------------------------------- */

/* A small file, or standard input, whose bytes come once. */
static int
put_plain(struct put *p)
{
	const char *const headers[] = {lock_args_field(&p->lock), NULL};
	bool once = p->state.size == UINT64_MAX;

	for (;;) {
		begin_call(p, "POST", api_cstr(&p->target));
		p->call.content_type = p->type;
		p->call.headers = headers;
		p->call.idempotency_key = p->state.key[0] ? p->state.key : NULL;
		p->call.body_fd = p->fd;
		p->call.body_bytes = p->state.size;
		p->call.moved = show;
		transport_call(p->cli->transport, &p->call);
		if (http_call_good(&p->call))
			break;
		if ((once && p->call.moved_bytes) || !again(p))
			return refused(p);
	}
	progress_clear(&p->progress);
	buf_put_slice(&p->answer, buf_slice(&p->call.answer));
	return CLI_DONE;
}

/* --- the command ------------------------------------------------------------------------------ */

static int
report(struct put *p)
{
	json_t *doc = json_loadb((const char *)p->answer.p, p->answer.n, 0, NULL);
	double s = (double)(progress_now_ns() - p->progress.start_ns) / 1e9;
	int rc = CLI_GO;

	if (!doc) {
		cli_say("the file is stored, but the server's answer is not JSON");
		return CLI_REFUSED;
	}
	if (p->receipt)
		rc = cli_write_file(p->receipt, buf_slice(&p->answer));
	if (p->cli->json)
		cli_write_json(buf_slice(&p->answer));
	else
		printf("%s %lld stored at %s as %s; %.1f s\n", p->log,
		       (long long)json_integer_value(json_object_get(doc, "index")),
		       json_string_value(json_object_get(doc, "time")), p->type, s);
	json_decref(doc);
	return rc == CLI_GO ? CLI_DONE : rc;
}

static int
open_file(struct put *p)
{
	struct stat st;

	p->state.size = UINT64_MAX;
	p->fd = strcmp(p->file, "-") == 0 ? STDIN_FILENO : open(p->file, O_RDONLY | O_CLOEXEC);
	if (p->fd < 0 || fstat(p->fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		cli_say("cannot read %s: %s", p->file,
			p->fd >= 0 && S_ISDIR(st.st_mode) ? "it is a folder" : strerror(errno));
		return CLI_USAGE;
	}
	if (p->fd == STDIN_FILENO || !S_ISREG(st.st_mode))
		return CLI_GO;
	p->state.size = (uint64_t)st.st_size;
	p->state.inode = (uint64_t)st.st_ino;
	p->state.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return CLI_GO;
}

static int
put(struct put *p, const char *key)
{
	bool large;
	int rc = cli_transport(p->cli);

	if (rc == CLI_GO)
		rc = open_file(p);
	if (rc != CLI_GO)
		return rc;
	large = p->state.size != UINT64_MAX && p->state.size > LIMIT_RECORD_BYTES;
	if (large)
		put_state_init(&p->state, p->cli->server, p->log, p->file,
			       lock_args_field(&p->lock));
	snprintf(p->state.key, sizeof p->state.key, "%s", key ? key : "");
	api_log_target(&p->target, p->log, "/records");
	progress_init(&p->progress);
	be_patient(p);
	rc = large ? put_upload(p) : put_plain(p);
	if (p->answer.n && (rc == CLI_DONE || rc == CLI_REFUSED)) {
		int said = report(p);
		rc = rc == CLI_DONE ? said : rc;
	}
	if (p->fd > STDIN_FILENO)
		close(p->fd);
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct put p = {.cli = cli, .retry_s = RETRY_S, .fd = -1};
	const char *key = NULL;
	const struct cli_option options[] = {
		{"type", 0, CLI_TEXT, &p.type, "TYPE",
		 "media type (default: by name, else application/octet-stream)"},
		LOCK_OPTIONS(p.lock),
		{"receipt", 0, CLI_TEXT, &p.receipt, "FILE", "keep the receipt"},
		{"key", 0, CLI_TEXT, &key, "KEY",
		 "idempotency key: the same again stores nothing twice"},
		{"retry-for", 0, CLI_NUMBER, &p.retry_s, "S",
		 "seconds to wait for a server that takes nothing (120)"},
		{NULL},
	};
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc == CLI_GO)
		rc = lock_args_check(self, &p.lock);
	if (rc == CLI_GO && key && (!*key || strlen(key) > KEY_MAX))
		rc = cli_usage(self, "--key is 1 to %d characters", KEY_MAX);
	if (rc != CLI_GO)
		return rc;
	p.log = argv[0];
	p.file = argv[1];
	if (!p.type)
		p.type = media_by_name(p.file);
	if (!p.type)
		p.type = "application/octet-stream";
	http_call_init(&p.call);
	buf_init(&p.target);
	buf_init(&p.answer);
	rc = put(&p, key);
	http_call_fini(&p.call);
	buf_fini(&p.target);
	buf_fini(&p.answer);
	return rc;
}

const struct cli_command cmd_put = {
	.name = "put",
	.operands = "LOG FILE|- [--type TYPE] [--receipt FILE] [--key KEY]",
	.summary = "store a file of any size as one record",
	.about = about,
	.run = run,
};
