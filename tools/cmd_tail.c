/* stele tail: records as they come, over restarts of the server and of the network. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/sse.h"
#include "tools/query_args.h"

static const char about[] =
	"Shows the records of the LOGs (names, and patterns such as 'k8s-*'; none: of all that the\n"
	"token may read) that match, from now on and as they come. A lost connection is made again,\n"
	"and goes on where it was: nothing is missed, and nothing shown twice. Ctrl-C ends it.\n"
	"What to match is said as to stele query; --from says where to begin: now, an index of one\n"
	"log, or a time of receiving such as '2h ago'.\n"
	"\n"
	"  stele tail payments --outcome failure\n"
	"  stele tail 'k8s-*' --filter 'verb = \"delete\"' --from '10 minutes ago'\n"
	"  stele tail payments --from 0 --json | jq .payload\n"
	"\n"
	"--json writes each record as a line, with its payload and an id. A program that keeps the id\n"
	"of the last line that it has dealt with goes on behind it with --after ID.\n"
	"\n"
	"Exit status 0 after Ctrl-C, SIGTERM or --limit; 1 when the server refuses, also later, such as\n"
	"a token that was revoked; 2 as 0, but something could not be read; 4 when no server answers at\n"
	"the first call.";

enum { WAIT_MS = 1000, RETRY_MIN_MS = 250, RETRY_MAX_MS = 10000 };

struct tailing {
	struct cli *cli;
	const struct cli_command *self;
	struct query_args terms;
	const char *from, *filter, *after;
	uint64_t limit;

	struct buf base; /* path and parameters, but where to begin */
	struct buf start;
	struct sse events;
	int signals; /* to be read when one came */
	uint64_t shown, unparsed, purged, restricted, unreadable;
	bool begun;   /* the server has answered once */
	bool stopped; /* by a signal, or the limit */
	bool whole;   /* the connection ended by an event that said so */
	int rc;       /* CLI_GO, or how it ends */
	uint64_t retry_ms;
};

/* --- events --------------------------------------------------------------------------------------
 */

static uint64_t
number(const json_t *o, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(o, name));
}

static void
show(struct tailing *t, struct slice text, const json_t *row)
{
	if (t->cli->json) { /* {"id":…, and what the server has behind its brace */
		printf("{\"id\":\"%.*s\",", (int)t->events.id.n, (char *)t->events.id.p);
		fwrite(text.p + 1, 1, text.n - 1, stdout);
		putchar('\n');
	} else {
		if (t->shown == 0)
			query_args_print_head();
		query_args_print_row(row);
	}
	t->shown++;
	t->stopped = t->stopped || t->shown == t->limit;
}

static void
count(struct tailing *t, const json_t *status)
{
	t->unparsed += number(status, "unparsed");
	t->purged += number(status, "purged");
	t->restricted += number(status, "restricted");
	t->unreadable += number(status, "unreadable");
}

static bool
on_event(void *ctx, struct slice name, struct slice data)
{
	struct tailing *t = ctx;
	json_t *doc = json_loadb((const char *)data.p, data.n, JSON_ALLOW_NUL, NULL);

	if (!json_is_object(doc)) {
		cli_say("tail: what came is no event of steled's");
		t->rc = CLI_REFUSED;
	} else if (slice_eq_str(name, "message")) {
		show(t, data, doc);
	} else if (slice_eq_str(name, "status")) {
		count(t, doc);
	} else if (slice_eq_str(name, "end")) {
		t->whole = true;
	}
	if (slice_eq_str(name, "begin")) {
		t->begun = true;
		t->retry_ms = RETRY_MIN_MS;
	}
	json_decref(doc);
	return t->rc == CLI_GO && !t->stopped;
}

static bool
take(struct http_call *c, struct slice bytes)
{
	struct tailing *t = c->owner;
	int rc = sse_feed(&t->events, bytes);

	if (rc < 0) {
		cli_say("tail: an event cannot be taken: %s", stele_strerror(rc));
		t->rc = CLI_REFUSED;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_say("tail: cannot write: %s", strerror(errno));
		t->rc = CLI_USAGE;
	}
	return rc == 0 && t->rc == CLI_GO;
}

/* --- connections
 * ----------------------------------------------------------------------------------- */

/* Whether Ctrl-C, or SIGTERM, has come. */
static void
look_for_signal(struct tailing *t)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof info) > 0)
		t->stopped = true;
}

/* One connection, until it ends. */
static void
connect_once(struct tailing *t, struct http_call *c)
{
	struct buf target, field;
	const char *headers[] = {NULL, NULL};
	bool resumes = t->events.id.n > 0;

	buf_init(&target);
	buf_init(&field);
	buf_put_slice(&target, buf_slice(&t->base));
	if (!resumes)
		buf_put_slice(&target, buf_slice(&t->start));
	buf_put_str(&field, "Last-Event-ID: ");
	buf_put_slice(&field, buf_slice(&t->events.id));
	headers[0] = resumes ? api_cstr(&field) : NULL;
	http_call_init(c);
	c->method = "GET";
	c->target = api_cstr(&target);
	c->accept = "text/event-stream";
	c->headers = headers;
	c->take = take;
	c->owner = t;
	t->whole = false;
	sse_restart(&t->events);
	transport_start(t->cli->transport, c);
	while (!t->stopped && t->rc == CLI_GO && transport_done(t->cli->transport) != c) {
		transport_wait(t->cli->transport, t->signals, WAIT_MS);
		look_for_signal(t);
	}
	transport_cancel(t->cli->transport, c);
	buf_fini(&target);
	buf_fini(&field);
}

/* Waits before the next one; a signal ends it. */
static void
wait_a_while(struct tailing *t, const struct http_call *c)
{
	uint64_t ms = t->retry_ms;

	if (c->has_retry_after && c->retry_after_s * 1000 > ms)
		ms = c->retry_after_s * 1000;
	for (; ms && !t->stopped; ms -= ms < WAIT_MS ? ms : WAIT_MS) {
		transport_wait(t->cli->transport, t->signals, ms < WAIT_MS ? (int)ms : WAIT_MS);
		look_for_signal(t);
	}
	t->retry_ms = t->retry_ms * 2 < RETRY_MAX_MS ? t->retry_ms * 2 : RETRY_MAX_MS;
}

/* Whether another connection may do what this one did not. */
static bool
may_pass(const struct tailing *t, const struct http_call *c)
{
	if (!t->begun || c->untrusted)
		return false;
	return c->status == 0 || c->status == 200 || c->status == 408 || c->status == 429 ||
	       c->status >= 500;
}

static int
follow(struct tailing *t)
{
	struct http_call c;
	bool said = false;

	while (t->rc == CLI_GO && !t->stopped) {
		bool again;

		connect_once(t, &c);
		again = may_pass(t, &c);
		if (t->retry_ms == RETRY_MIN_MS)
			said = false; /* it had been there */
		if (t->rc != CLI_GO || t->stopped) {
			http_call_fini(&c);
			break;
		}
		if (!again) {
			t->rc = api_refused(t->cli, &c, "tail");
		} else {
			if (!said && !t->whole)
				cli_say("tail: the connection is lost%s%s; trying again",
					c.trouble[0] ? ": " : "", c.trouble);
			said = true;
			wait_a_while(t, &c);
		}
		http_call_fini(&c);
	}
	return t->rc;
}

/* --- begin and end
 * --------------------------------------------------------------------------------- */

/* What was not shown, for people. */
static int
finish(const struct tailing *t)
{
	if (t->unparsed)
		fprintf(stderr, "%" PRIu64 " records cannot be judged\n", t->unparsed);
	if (t->purged)
		fprintf(stderr, "%" PRIu64 " were purged and cannot be judged\n", t->purged);
	if (t->restricted)
		fprintf(stderr, "%" PRIu64 " wait for their erasure\n", t->restricted);
	if (t->unreadable)
		fprintf(stderr, "%" PRIu64 " cannot be read: run stele fsck\n", t->unreadable);
	return t->unreadable ? CLI_INCOMPLETE : CLI_DONE;
}

static int
put_query(struct tailing *t, int n, char **logs)
{
	struct buf *b = &t->base;
	int rc;

	buf_put_str(b, "/api/v1/tail?logs=");
	query_args_put_logs(b, n, logs);
	query_args_put(&t->terms, b);
	query_args_put_one(b, "filter", t->filter);
	query_args_put_one(b, "view", t->cli->json ? NULL : "summary");
	query_args_put_one(&t->start, "after", t->after);
	rc = t->after ? CLI_GO : query_args_put_time(t->self, &t->start, "from", "start", t->from);
	return rc != CLI_GO ? rc : b->err || t->start.err ? CLI_REFUSED : CLI_GO;
}

/* The two signals come by a descriptor, so that what is written is whole when it ends. */
static void
catch_signals(struct tailing *t)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	t->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int
parse(struct tailing *t, int argc, char **argv, int *n)
{
	const struct cli_option rest[] = {
		{"from", 0, CLI_TEXT, &t->from, "WHERE", "now, an index, or a time (now)"},
		{"after", 0, CLI_TEXT, &t->after, "ID", "behind the record of that id"},
		{"filter", 0, CLI_TEXT, &t->filter, "FILTER",
		 "a filter over fields and JSON paths"},
		{"matter", 0, CLI_TEXT, &t->terms.matter, "CASE", "whose aliases @NAME stands for"},
		{"limit", 0, CLI_NUMBER, &t->limit, "N", "end after so many records"},
		{NULL},
	};
	struct cli_option options[QUERY_ARGS_TERMS + sizeof rest / sizeof *rest];
	int rc;

	query_args_options(&t->terms, options);
	memcpy(options + QUERY_ARGS_TERMS, rest, sizeof rest);
	rc = cli_parse(t->cli, t->self, options, argc, argv, 0, LIMIT_QUERY_LOGS, n);
	if (rc == CLI_GO && t->limit == 0)
		rc = cli_usage(t->self, "--limit is at least 1");
	if (rc == CLI_GO && t->from && t->after)
		rc = cli_usage(t->self, "--from and --after both say where to begin: give one");
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct tailing t = {.cli = cli,
			    .self = self,
			    .limit = UINT64_MAX,
			    .rc = CLI_GO,
			    .retry_ms = RETRY_MIN_MS};
	int n, rc = parse(&t, argc, argv, &n);

	if (rc != CLI_GO)
		return rc;
	sse_init(&t.events, on_event, &t);
	rc = put_query(&t, n, argv);
	if (rc == CLI_GO)
		rc = cli_transport(cli);
	if (rc == CLI_GO) {
		catch_signals(&t);
		rc = follow(&t);
		if (rc == CLI_GO)
			rc = finish(&t);
		close(t.signals);
	}
	sse_fini(&t.events);
	buf_fini(&t.base);
	buf_fini(&t.start);
	return rc;
}

const struct cli_command cmd_tail = {
	.name = "tail",
	.operands = "[LOG...]",
	.summary = "show records as they come",
	.about = about,
	.run = run,
};
