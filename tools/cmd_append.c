/* stele append: one record, or NDJSON in batches. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/random.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/lock_args.h"
#include "tools/media.h"
#include "tools/replay.h"
#include "tools/sender.h"

enum {
	BATCH_BYTES = 1 << 20,
	BATCH_BYTES_MAX = 8 << 20,
	BATCH_RECEIPTS = 4096, /* receipts are some 2 KB each: keeps an answer near 8 MB */
	CONNECTIONS = 4,
	RETRY_S = 120,
};

static const char about[] =
	"Appends FILE (default: standard input) to LOG. The answer means: durable, signed\n"
	"for, provable.\n"
	"\n"
	"Without --ndjson the whole input is one record, stored byte for byte. Its media type\n"
	"is --type; else what the file's name ends in tells (.json .txt .log .csv .pdf .xml .png\n"
	".jpg .zip); else it is application/json when all of it is JSON, and otherwise\n"
	"application/octet-stream. The answer says which.\n"
	"With --ndjson each line is a record; lines travel in batches of about 1 MiB, several\n"
	"at a time, so batches may be stored in another order than the input's; --connections 1\n"
	"keeps the order. A pipe that pauses has what it gave so far sent at once, so\n"
	"'tail -F events | stele append LOG --ndjson' works.\n"
	"\n"
	"Retries are safe: everything carries an idempotency key. If append has to stop, it\n"
	"says what is stored and prints the command that goes on exactly there.\n"
	"\n"
	"After a server was restored from a backup, --replay RECEIPTS sends again what it lost:\n"
	"records whose receipts are in RECEIPTS and that the server does not have at their index.\n"
	"Payloads come from the receipts, or from FILE when these name its lines. Replayed again,\n"
	"nothing is stored twice within the seven days that keys are remembered.\n"
	"\n"
	"  echo '{\"actor\":\"alice\",\"action\":\"login\"}' | stele append payments\n"
	"  stele append scans report.pdf --type application/pdf --receipts report.receipt\n"
	"  zcat events.ndjson.gz | stele append payments --ndjson --receipts events.receipts";

struct append_arguments {
	const char *log, *file, *type, *receipts, *key, *replay;
	bool ndjson;
	uint64_t connections, batch_bytes, retry_s, from;
	struct lock_args lock;
	char random_key[33];
};

static bool
is_json(struct slice text)
{
	struct json_scanner *scanner = json_scanner_new();
	bool valid = scanner && json_validate(scanner, text, NULL) == 0;

	json_scanner_free(scanner);
	return valid;
}

/* The type of a record that came with neither type nor telling name. */
static const char *
type_by_content(struct slice text)
{
	size_t i = 0;

	if (is_json(text))
		return "application/json";
	while (i < text.n && memchr(" \t\r\n", text.p[i], 4))
		i++;
	if (i < text.n && (text.p[i] == '{' || text.p[i] == '['))
		cli_say("warning: this begins like JSON and is not valid JSON; it is stored as "
			"application/octet-stream (--type application/json refuses it instead, "
			"--ndjson takes a record from each line)");
	return "application/octet-stream";
}

/* What the entry says of the payload's type; "?" when it cannot be read. */
static const char *
stored_type(const json_t *answer, json_t **entry)
{
	const char *text = json_string_value(json_object_get(answer, "entry")), *type;

	*entry = text ? json_loads(text, 0, NULL) : NULL;
	type = json_string_value(json_object_get(*entry, "media_type"));
	return type ? type : "?";
}

static int
report_one(struct cli *cli, const struct append_arguments *a, const struct http_call *c)
{
	json_t *doc = api_json(c, "append"), *entry = NULL;
	int rc = CLI_DONE;

	if (!doc)
		return CLI_REFUSED;
	if (a->receipts)
		rc = cli_write_file(a->receipts, buf_slice(&c->answer));
	if (rc == CLI_GO)
		rc = CLI_DONE;
	if (cli->json)
		cli_write_json(buf_slice(&c->answer));
	else
		printf("%s %lld stored at %s as %s\n", a->log,
		       (long long)json_integer_value(json_object_get(doc, "index")),
		       json_string_value(json_object_get(doc, "time")), stored_type(doc, &entry));
	json_decref(entry);
	json_decref(doc);
	return rc;
}

/* Sends until it is settled, as sender.c does for batches. */
static int
send_one(struct cli *cli, const struct append_arguments *a, struct http_call *c)
{
	int rc = cli_transport(cli);
	time_t give_up = time(NULL) + (time_t)a->retry_s;
	unsigned wait_s = 1;

	if (rc != CLI_GO)
		return rc;
	for (;;) {
		transport_call(cli->transport, c);
		if (c->status != 429 && c->status != 503 && c->status != 507)
			break;
		if (c->has_retry_after && c->retry_after_s)
			wait_s = c->retry_after_s < 60 ? (unsigned)c->retry_after_s : 60;
		if (time(NULL) + (time_t)wait_s > give_up)
			break;
		sleep(wait_s);
		wait_s = wait_s < 8 ? 2 * wait_s : wait_s;
	}
	return http_call_good(c) ? CLI_GO : api_refused(cli, c, "append");
}

static int
append_one(struct cli *cli, const struct append_arguments *a)
{
	const char *const headers[] = {lock_args_field(&a->lock), NULL};
	struct http_call c;
	struct buf body, target;
	int rc;

	http_call_init(&c);
	c.headers = headers;
	buf_init(&body);
	buf_init(&target);
	rc = cli_read_file(&body, a->file, LIMIT_RECORD_BYTES);
	if (rc != CLI_GO && body.n > LIMIT_RECORD_BYTES)
		cli_say("'stele put' stores a file of any size");
	if (rc != CLI_GO)
		goto out;
	api_log_target(&target, a->log, "/records");
	c.method = "POST";
	c.target = api_cstr(&target);
	c.body = buf_slice(&body);
	c.content_type = a->type ? a->type : media_by_name(a->file);
	if (!c.content_type)
		c.content_type = type_by_content(c.body);
	c.accept = "application/json";
	c.idempotency_key = a->key;
	rc = send_one(cli, a, &c);
	if (rc == CLI_GO)
		rc = report_one(cli, a, &c);
	else if (rc == CLI_UNREACHABLE && c.unsent)
		cli_say("nothing was sent, and nothing stored");
	else if (rc == CLI_UNREACHABLE)
		cli_say("it may or may not be stored; run it again with --key %s: "
			"it will not be stored twice",
			a->key);
out:
	http_call_fini(&c);
	buf_fini(&body);
	buf_fini(&target);
	return rc;
}

/* --- many ------------------------------------------------------------------- */

static void
put_option(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, " --%s ", name);
	cli_put_word(b, value);
}

static void
put_number(struct buf *b, const char *name, uint64_t value, uint64_t usual)
{
	if (value != usual)
		buf_printf(b, " --%s %llu", name, (unsigned long long)value);
}

/* A value that the environment gives again needs no repeating. */
static bool
from_environment(const char *variable, const char *value)
{
	const char *v = getenv(variable);

	return v && strcmp(v, value) == 0;
}

/* The command that goes on, ready to be pasted; a token's text is never part of it. */
static void
print_resume(const struct cli *cli, const struct append_arguments *a, const struct sender_result *r)
{
	const char *token = cli->token_at ? cli->token_at : cli->token;
	bool has_token = token && !from_environment("STELE_TOKEN", token);
	struct buf b;

	buf_init(&b);
	if (r->bad_line)
		buf_printf(&b, "correct line %llu of the input, then",
			   (unsigned long long)r->bad_line);
	else
		buf_put_str(&b, "to go on from there, with the same input");
	if (has_token && !cli->token_at)
		buf_put_str(&b, " (and the token in STELE_TOKEN)");
	buf_put_str(&b, ": stele append ");
	cli_put_word(&b, a->log);
	buf_put_u8(&b, ' ');
	cli_put_word(&b, a->file);
	buf_put_str(&b, " --ndjson");
	put_option(&b, "key", a->key);
	buf_printf(&b, " --from %llu", (unsigned long long)r->offset);
	put_number(&b, "batch-bytes", a->batch_bytes, BATCH_BYTES);
	put_number(&b, "connections", a->connections, CONNECTIONS);
	put_number(&b, "retry-for", a->retry_s, RETRY_S);
	if (a->receipts)
		put_option(&b, "receipts", a->receipts);
	if (a->lock.until)
		put_option(&b, "retain-until", a->lock.until);
	if (a->lock.period)
		put_option(&b, "retain-for", a->lock.period);
	if (a->lock.event)
		put_option(&b, "retain-event", a->lock.event);
	if (!from_environment("STELE_SERVER", cli->server))
		put_option(&b, "server", cli->server);
	if (has_token && cli->token_at)
		put_option(&b, "token", cli->token_at);
	if (cli->json)
		buf_put_str(&b, " --json");
	cli_say("%s", api_cstr(&b));
	buf_fini(&b);
}

static void
print_json(const struct append_arguments *a, const struct sender_result *r)
{
	json_t *doc =
		json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:f}", "log", a->log,
			  "sent", (json_int_t)r->sent, "stored", (json_int_t)r->stored,
			  "duplicates", (json_int_t)r->duplicates, "failed", (json_int_t)r->failed,
			  "bytes", (json_int_t)r->bytes, "retries", (json_int_t)r->retries, "key",
			  a->key, "resume_from", (json_int_t)r->offset, "seconds", r->seconds);

	if (r->any) {
		json_object_set_new(doc, "first", json_integer((json_int_t)r->first));
		json_object_set_new(doc, "last", json_integer((json_int_t)r->last));
	}
	if (r->why.n)
		json_object_set_new(doc, "stopped", json_stringn((const char *)r->why.p, r->why.n));
	json_dumpf(doc, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(doc);
}

static void
report_many(struct cli *cli, const struct append_arguments *a, const struct sender_result *r)
{
	double s = r->seconds > 1e-6 ? r->seconds : 1e-6;

	if (r->why.n)
		cli_say("append stopped: %.*s", (int)r->why.n, (const char *)r->why.p);
	if (cli->json) {
		print_json(a, r);
	} else {
		printf("%s: sent %llu, stored %llu, duplicates %llu, failed %llu", a->log,
		       (unsigned long long)r->sent, (unsigned long long)r->stored,
		       (unsigned long long)r->duplicates, (unsigned long long)r->failed);
		if (r->any)
			printf("; index %llu to %llu", (unsigned long long)r->first,
			       (unsigned long long)r->last);
		printf("; %.1f MB in %.2f s, %.0f records/s\n", (double)r->bytes / 1e6, s,
		       (double)(r->stored + r->duplicates) / s);
	}
	fflush(stdout);
	if (r->why.n)
		print_resume(cli, a, r);
}

/* Runs the sender over an open input and flushes the receipts before saying how it went. */
static int
append_stream(struct cli *cli, const struct append_arguments *a, struct sender_options *o, int fd)
{
	struct sender_result r = {0};
	struct cutter cutter;
	int rc;

	if (cutter_init(&cutter, fd, a->batch_bytes,
			a->receipts ? BATCH_RECEIPTS : LIMIT_BATCH_RECORDS)) {
		cli_say("out of memory");
		return CLI_USAGE;
	}
	if (cutter_skip(&cutter, a->from) != 0) {
		cli_say("--from %llu: %s is shorter than that, or cannot be read",
			(unsigned long long)a->from, a->file);
		rc = CLI_USAGE;
		goto out;
	}
	rc = sender_run(cli, o, &cutter, &r);
	if (rc == CLI_USAGE && r.why.n == 0)
		goto out;
	if (o->receipts && fsync(o->receipts_fd) != 0 && errno != EINVAL && errno != EROFS) {
		cli_say("cannot flush %s: %s", a->receipts, strerror(errno));
		rc = CLI_REFUSED;
	}
	report_many(cli, a, &r);
out:
	buf_fini(&r.why);
	cutter_fini(&cutter);
	return rc;
}

static int
append_many(struct cli *cli, const struct append_arguments *a, bool patient)
{
	struct sender_options o = {.log = a->log,
				   .key = a->key,
				   .key_is_new = a->key == a->random_key,
				   .connections = a->connections,
				   .retry_s = a->retry_s,
				   .wait_for_server = patient,
				   .lock = lock_args_field(&a->lock),
				   .receipts = a->receipts != NULL,
				   .receipts_fd = -1};
	bool is_stdin = strcmp(a->file, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(a->file, O_RDONLY | O_CLOEXEC), rc = CLI_USAGE;

	if (fd < 0) {
		cli_say("cannot open %s: %s", a->file, strerror(errno));
		return CLI_USAGE;
	}
	if (a->receipts)
		o.receipts_fd = open(a->receipts, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (a->receipts && o.receipts_fd < 0)
		cli_say("cannot write %s: %s", a->receipts, strerror(errno));
	else
		rc = append_stream(cli, a, &o, fd);
	if (o.receipts_fd >= 0)
		close(o.receipts_fd);
	if (!is_stdin)
		close(fd);
	return rc;
}

/* --- arguments -------------------------------------------------------------- */

static void
make_key(struct append_arguments *a)
{
	uint8_t random[16];

	random_bytes(random, sizeof random);
	hex_format(a->random_key, random, sizeof random);
	a->key = a->random_key;
}

static int
check_arguments(const struct cli_command *self, struct append_arguments *a)
{
	int rc = lock_args_check(self, &a->lock);
	size_t n;

	if (rc != CLI_GO)
		return rc;
	if (a->replay && (a->ndjson || a->type || a->key || a->from || lock_args_field(&a->lock)))
		return cli_usage(self, "--replay goes with FILE, --receipts, --connections and "
				       "--retry-for alone: all else is in the receipts");
	if (a->ndjson && a->type)
		return cli_usage(self, "--type is for a single record: with --ndjson each line is "
				       "application/json");
	if (a->from && !(a->ndjson && a->key))
		return cli_usage(self,
				 "--from goes with --ndjson and the --key of the run it resumes");
	if (a->connections < 1 || a->connections > SENDER_MAX_CONNECTIONS)
		return cli_usage(self, "--connections is 1 to %d", SENDER_MAX_CONNECTIONS);
	if (a->batch_bytes < 1024 || a->batch_bytes > BATCH_BYTES_MAX)
		return cli_usage(self, "--batch-bytes is 1K to %dM", BATCH_BYTES_MAX >> 20);
	if (!a->key)
		make_key(a);
	n = strlen(a->key);
	for (size_t i = 0; i < n; i++)
		if (a->key[i] <= ' ' || a->key[i] > '~')
			n = 0;
	if (n == 0 || n > SENDER_MAX_KEY_BYTES)
		return cli_usage(self, "--key is 1 to %d printable ASCII characters without space",
				 SENDER_MAX_KEY_BYTES);
	return CLI_GO;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct append_arguments a = {
		.connections = CONNECTIONS, .batch_bytes = BATCH_BYTES, .retry_s = UINT64_MAX};
	const struct cli_option options[] = {
		{"ndjson", 0, CLI_FLAG, &a.ndjson, NULL, "each line is a record of JSON"},
		{"type", 0, CLI_TEXT, &a.type, "TYPE",
		 "media type (default: by name, then by content)"},
		LOCK_OPTIONS(a.lock),
		{"receipts", 0, CLI_TEXT, &a.receipts, "FILE",
		 "keep the receipts (with --ndjson: adds to FILE)"},
		{"replay", 0, CLI_TEXT, &a.replay, "RECEIPTS",
		 "send again what a restored server lost, by these receipts"},
		{"key", 0, CLI_TEXT, &a.key, "KEY",
		 "idempotency key: the same again stores nothing twice"},
		{"connections", 0, CLI_NUMBER, &a.connections, "N", "batches in flight (4)"},
		{"batch-bytes", 0, CLI_NUMBER, &a.batch_bytes, "N", "size of a batch (1M)"},
		{"from", 0, CLI_NUMBER, &a.from, "OFFSET",
		 "begin at this byte of the input, to resume"},
		{"retry-for", 0, CLI_NUMBER, &a.retry_s, "S",
		 "seconds to wait for a server that is away (120)"},
		{NULL},
	};
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 2, &n);
	bool patient = a.retry_s != UINT64_MAX;

	if (rc == CLI_GO)
		rc = check_arguments(self, &a);
	if (rc != CLI_GO)
		return rc;
	a.log = argv[0];
	a.file = n == 2 ? argv[1] : "-";
	if (!patient)
		a.retry_s = RETRY_S;
	if (a.replay)
		return replay_run(cli, &(struct replay_options){.log = a.log,
								.replay = a.replay,
								.payloads = n == 2 ? a.file : NULL,
								.receipts = a.receipts,
								.connections = a.connections,
								.retry_s = a.retry_s});
	return a.ndjson ? append_many(cli, &a, patient) : append_one(cli, &a);
}

const struct cli_command cmd_append = {
	.name = "append",
	.operands = "LOG [FILE|-] [--ndjson] [--receipts FILE] [--replay RECEIPTS] [options]",
	.summary = "store a record, or a stream of them",
	.about = about,
	.run = run,
};
