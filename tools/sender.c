/*
 * A slot per connection: free -> due (filled, waiting for its time) -> sent ->
 * free again, or due again after a failure that may pass. The loop feeds free
 * slots from the input, launches those due, waits, settles what came back.
 *
 * What can fail: a refusal (stops the feeding; its batch counts as failed), a
 * server that stays away longer than retry_s (the same), the input (stops the
 * feeding). Nothing in flight is ever abandoned before it is settled.
 */
#include "tools/sender.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "tools/api.h"
#include "tools/progress.h"
#include "tools/receipts_out.h"
#include "tools/retry.h"

enum {
	TICK_MS = 200,
	HURRY_NS = 50 * 1000 * 1000, /* a pipe that paused so long gets what it gave sent */
};

enum slot_state { SLOT_FREE, SLOT_DUE, SLOT_SENT };

struct slot {
	enum slot_state state;
	struct http_call call;
	struct buf body;
	char key[256];
	uint64_t offset, line, records;
	unsigned tries;
	bool lost; /* an attempt went without an answer: it may be stored */
	int64_t due_ns, first_failure_ns;
};

struct sender {
	struct cli *cli;
	const struct sender_options *o;
	struct cutter *cutter;
	struct sender_result *r;
	struct slot *slot;
	struct buf target;
	const char *headers[2]; /* of every batch */
	struct json_scanner *scanner;
	struct slice *records; /* LIMIT_BATCH_RECORDS: where the scanner says they are */
	struct progress progress;
	bool stop;     /* feed no more */
	bool ended;    /* the input ended */
	bool alone;    /* a hurried batch is on its way */
	bool answered; /* the server has answered at least once */
	bool interrupted;
	uint64_t bad_offset;    /* where a line begins that cannot be sent; UINT64_MAX: none */
	uint64_t lowest_failed; /* offset of the first batch given up; UINT64_MAX: none */
	int64_t last_read_ns;
	int exit;
	sigset_t signals; /* SIGINT, SIGTERM */
	int interrupt;    /* signalfd for them */
};

/* Feeds no more, and remembers the first reason. */
static void
stop(struct sender *s, int exit_code, struct buf *why)
{
	if (!s->stop) {
		s->exit = exit_code;
		buf_put_slice(&s->r->why, buf_slice(why));
	}
	s->stop = true;
}

static size_t
in_flight(const struct sender *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->o->connections; i++)
		n += s->slot[i].state != SLOT_FREE;
	return n;
}

static struct slot *
free_slot(const struct sender *s)
{
	for (size_t i = 0; i < s->o->connections; i++)
		if (s->slot[i].state == SLOT_FREE)
			return &s->slot[i];
	return NULL;
}

static bool
wants_input(const struct sender *s)
{
	return !s->stop && !s->ended && !s->alone && free_slot(s);
}

static void
input_stops(struct sender *s, int exit_code, uint64_t line, const char *what)
{
	struct buf why;

	buf_init(&why);
	buf_printf(&why, "input line %llu: %s", (unsigned long long)line, what);
	stop(s, exit_code, &why);
	buf_fini(&why);
}

/* A line that is no record: it is tallied as one that failed. */
static void
bad_line(struct sender *s, uint64_t line, const char *what)
{
	input_stops(s, CLI_REFUSED, line, what);
	s->r->bad_line = line;
	s->r->sent++;
	s->r->failed++;
}

/* The first n lines of text. */
static struct slice
first_lines(struct slice text, uint64_t n)
{
	size_t at = 0;

	while (n--)
		at = (size_t)((const uint8_t *)memchr(text.p + at, '\n', text.n - at) - text.p) + 1;
	return slice_of(text.p, at);
}

/*
 * Counts a batch's records by the very code that the server splits it with. A
 * line that it would refuse ends the input there: what stands before it is sent,
 * and nothing after it is, so that mending that line and going on is simple.
 */
static size_t
count_records(struct sender *s, struct cutter_batch *b)
{
	struct json_error where;
	size_t n = 0;
	int err =
		json_ndjson_split(s->scanner, b->body, s->records, LIMIT_BATCH_RECORDS, &n, &where);
	char what[256];

	CHECK(err == 0 || err == STELE_ESYNTAX || err == STELE_ELIMIT);
	if (err == 0)
		return n;
	snprintf(what, sizeof what, "not a record of JSON: %s at byte %llu of the input.",
		 where.message, (unsigned long long)(b->offset + where.offset));
	bad_line(s, b->line + where.line - 1, what);
	b->body = first_lines(b->body, where.line - 1);
	s->bad_offset = b->offset + b->body.n;
	CHECK(json_ndjson_split(s->scanner, b->body, s->records, LIMIT_BATCH_RECORDS, &n, NULL) ==
	      0);
	return n;
}

static void
load(struct sender *s, struct slot *slot, struct cutter_batch *b)
{
	size_t records = count_records(s, b);

	if (records == 0)
		return; /* blank lines only: nothing to store, nothing to count */
	buf_reset(&slot->body);
	buf_put_slice(&slot->body, b->body);
	CHECK(slot->body.err == 0);
	slot->state = SLOT_DUE;
	slot->offset = b->offset;
	slot->line = b->line;
	slot->records = records;
	slot->tries = 0;
	slot->lost = false;
	slot->due_ns = 0;
	snprintf(slot->key, sizeof slot->key, "%s.%llu", s->o->key, (unsigned long long)b->offset);
	s->r->sent += records;
}

/* Reads once; false when there is nothing to read now. */
static bool
read_some(struct sender *s)
{
	if (!cutter_room(s->cutter) || !cutter_ready(s->cutter))
		return false;
	if (cutter_fill(s->cutter) != 0) {
		input_stops(s, CLI_USAGE, s->cutter->line, strerror(errno));
		return false;
	}
	s->last_read_ns = progress_now_ns();
	return true;
}

/* The next batch, cut in a hurry only when the input pauses and nothing else is on its way. */
static bool
next_batch(struct sender *s, struct cutter_batch *b)
{
	while (!cutter_cut(s->cutter, false, b)) {
		if (s->cutter->too_long) {
			bad_line(s, s->cutter->line,
				 "longer than the 1 MiB that one record may have.");
			return false;
		}
		if (s->cutter->eof) {
			s->ended = true;
			return false;
		}
		if (read_some(s))
			continue;
		if (s->stop || in_flight(s) || progress_now_ns() - s->last_read_ns < HURRY_NS)
			return false;
		s->alone = cutter_cut(s->cutter, true, b);
		return s->alone;
	}
	return true;
}

static void
feed(struct sender *s)
{
	struct cutter_batch b;

	while (wants_input(s)) {
		struct slot *slot = free_slot(s);

		if (!next_batch(s, &b))
			return;
		load(s, slot, &b);
	}
}

static void
launch(struct sender *s)
{
	int64_t now = progress_now_ns();

	for (size_t i = 0; i < s->o->connections; i++) {
		struct slot *slot = &s->slot[i];

		if (slot->state != SLOT_DUE || slot->due_ns > now)
			continue;
		slot->call.method = "POST";
		slot->call.target = api_cstr(&s->target);
		slot->call.body = buf_slice(&slot->body);
		slot->call.content_type = "application/x-ndjson";
		slot->call.accept = "application/json";
		slot->call.idempotency_key = slot->key;
		slot->call.headers = s->headers;
		slot->call.owner = slot;
		slot->state = SLOT_SENT;
		transport_start(s->cli->transport, &slot->call);
	}
}

static void
give_up(struct sender *s, struct slot *slot, int exit_code)
{
	uint64_t line = 0;
	struct buf why;

	buf_init(&why);
	api_explain(&why, s->cli, &slot->call, &line);
	if (line)
		buf_printf(&why, " That is line %llu of the input.",
			   (unsigned long long)(slot->line + line - 1));
	stop(s, exit_code, &why);
	buf_fini(&why);
	s->r->failed += slot->records;
	if (slot->offset < s->lowest_failed)
		s->lowest_failed = slot->offset;
	slot->state = SLOT_FREE;
}

static void
again(struct sender *s, struct slot *slot)
{
	int64_t now = progress_now_ns();
	unsigned tries = slot->tries++;
	const struct http_call *c = &slot->call;

	slot->lost = slot->lost || c->status == 0;
	if (tries == 0)
		slot->first_failure_ns = now;
	if (s->interrupted || (c->status == 0 && !s->answered && !s->o->wait_for_server) ||
	    c->untrusted ||
	    now - slot->first_failure_ns > (int64_t)s->o->retry_s * INT64_C(1000000000)) {
		give_up(s, slot,
			c->status     ? CLI_REFUSED
			: s->answered ? CLI_REFUSED
				      : CLI_UNREACHABLE);
		return;
	}
	slot->due_ns = now + retry_wait_ns(tries, c, now);
	slot->state = SLOT_DUE;
	s->r->retries++;
}

/* A non-negative integer member, or false. */
static bool
member(const json_t *doc, const char *name, uint64_t *out)
{
	const json_t *v = json_object_get(doc, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

/* Counts an answered batch. False when the answer does not add up. */
static bool
count(struct sender *s, struct slot *slot, const json_t *doc)
{
	struct sender_result *r = s->r;
	uint64_t first, last, records,
		duplicates = json_array_size(json_object_get(doc, "duplicates"));

	if (!member(doc, "first", &first) || !member(doc, "last", &last) ||
	    !member(doc, "count", &records) || records != slot->records || duplicates > records)
		return false;
	/*
	 * After a lost answer, what the server has already is what this run sent
	 * before. libcurl repeats a request by itself when a kept-alive connection
	 * turns out closed, so lost alone does not tell.
	 */
	if (s->o->key_is_new || slot->lost)
		duplicates = 0;
	r->duplicates += duplicates;
	r->stored += records - duplicates;
	r->bytes += slot->body.n;
	if (!r->any || first < r->first)
		r->first = first;
	if (!r->any || last > r->last)
		r->last = last;
	r->any = true;
	return true;
}

static void
acknowledged(struct sender *s, struct slot *slot)
{
	json_t *doc = json_loadb((const char *)slot->call.answer.p, slot->call.answer.n, 0, NULL);
	struct buf why;

	buf_init(&why);
	if (!doc || !count(s, slot, doc)) {
		buf_printf(&why,
			   "the answer for the %llu records from input line %llu does not say "
			   "that they are stored; is something between here and steled?",
			   (unsigned long long)slot->records, (unsigned long long)slot->line);
		s->r->failed += slot->records;
		if (slot->offset < s->lowest_failed)
			s->lowest_failed = slot->offset;
	} else if (s->o->receipts) {
		receipts_out_write(s->o->receipts_fd, doc, buf_slice(&slot->body), slot->line,
				   &why);
	}
	if (why.n)
		stop(s, CLI_REFUSED, &why);
	buf_fini(&why);
	json_decref(doc);
	slot->state = SLOT_FREE;
}

static void
settle(struct sender *s)
{
	struct http_call *c;

	while ((c = transport_done(s->cli->transport))) {
		if (c->status)
			s->answered = true;
		if (http_call_good(c))
			acknowledged(s, c->owner);
		else if (retry_may_pass(c->status))
			again(s, c->owner);
		else
			give_up(s, c->owner, CLI_REFUSED);
	}
	if (in_flight(s) == 0)
		s->alone = false;
}

/* Milliseconds until something is due, at most a tick. */
static int
patience(const struct sender *s)
{
	int64_t now = progress_now_ns(), least = TICK_MS;

	for (size_t i = 0; i < s->o->connections; i++) {
		int64_t ms = (s->slot[i].due_ns - now) / 1000000 + 1;

		if (s->slot[i].state == SLOT_DUE && ms < least)
			least = ms > 0 ? ms : 0;
	}
	if (wants_input(s) && s->cutter->n && !in_flight(s) && least > HURRY_NS / 1000000)
		least = HURRY_NS / 1000000;
	return (int)least;
}

/* Ctrl-C: no more input, no more retries; what is on the wire is still settled. */
static void
take_interrupt(struct sender *s)
{
	struct signalfd_siginfo info;
	struct buf why;

	if (s->interrupted || read(s->interrupt, &info, sizeof info) != sizeof info)
		return;
	buf_init(&why);
	buf_put_str(&why, "interrupted.");
	stop(s, CLI_REFUSED, &why);
	buf_fini(&why);
	s->interrupted = true;
	for (size_t i = 0; i < s->o->connections; i++)
		if (s->slot[i].state == SLOT_DUE)
			give_up(s, &s->slot[i], CLI_REFUSED);
	sigprocmask(SIG_UNBLOCK, &s->signals, NULL); /* a second one ends the program */
}

static void
show(struct sender *s)
{
	char note[64];

	snprintf(note, sizeof note, "%zu in flight%s", in_flight(s),
		 s->r->retries ? ", retrying" : "");
	progress_show(&s->progress, s->r->stored + s->r->duplicates, s->r->bytes, note);
}

static void
run(struct sender *s)
{
	while (wants_input(s) || in_flight(s)) {
		feed(s);
		launch(s);
		if (in_flight(s) || wants_input(s))
			transport_wait(s->cli->transport, wants_input(s) ? s->cutter->fd : -1,
				       patience(s));
		settle(s);
		take_interrupt(s);
		show(s);
	}
	progress_clear(&s->progress);
}

static void
sender_init(struct sender *s)
{
	const struct sender_options *o = s->o;

	CHECK(o->connections >= 1 && o->connections <= SENDER_MAX_CONNECTIONS);
	CHECK(strlen(o->key) <= SENDER_MAX_KEY_BYTES);
	s->slot = calloc(o->connections, sizeof *s->slot);
	s->scanner = json_scanner_new();
	s->records = malloc(LIMIT_BATCH_RECORDS * sizeof *s->records);
	CHECK(s->slot && s->scanner && s->records);
	for (size_t i = 0; i < o->connections; i++) {
		http_call_init(&s->slot[i].call);
		buf_init(&s->slot[i].body);
	}
	buf_init(&s->target);
	api_log_target(&s->target, o->log, "/records%s", o->receipts ? "?proof=all" : "");
	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGINT);
	sigaddset(&s->signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &s->signals, NULL);
	s->interrupt = signalfd(-1, &s->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	CHECK(s->interrupt >= 0);
	progress_init(&s->progress);
}

static void
sender_fini(struct sender *s)
{
	for (size_t i = 0; i < s->o->connections; i++) {
		http_call_fini(&s->slot[i].call);
		buf_fini(&s->slot[i].body);
	}
	free(s->slot);
	free(s->records);
	json_scanner_free(s->scanner);
	buf_fini(&s->target);
	close(s->interrupt);
	sigprocmask(SIG_UNBLOCK, &s->signals, NULL);
}

int
sender_run(struct cli *cli, const struct sender_options *o, struct cutter *cutter,
	   struct sender_result *r)
{
	struct sender s = {.cli = cli,
			   .o = o,
			   .headers = {o->lock},
			   .cutter = cutter,
			   .r = r,
			   .exit = CLI_DONE,
			   .bad_offset = UINT64_MAX,
			   .lowest_failed = UINT64_MAX,
			   .last_read_ns = progress_now_ns()};
	int rc = cli_transport(cli);

	memset(r, 0, sizeof *r);
	buf_init(&r->why);
	if (rc != CLI_GO)
		return rc;
	sender_init(&s);
	run(&s);
	CHECK(r->sent == r->stored + r->duplicates + r->failed);
	r->offset = cutter->offset + cutter->out_bytes;
	if (s.bad_offset < r->offset)
		r->offset = s.bad_offset;
	if (s.lowest_failed < r->offset)
		r->offset = s.lowest_failed;
	r->seconds = (double)(progress_now_ns() - s.progress.start_ns) / 1e9;
	sender_fini(&s);
	return s.exit;
}
