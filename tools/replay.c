/*
 * Reads a receipt, looks whether the server has its record, and gives what is lost to a slot;
 * there is one a connection. Memory is that of the slots, however many receipts there are.
 */
#include "tools/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/sha256.h"
#include "proto/check.h"
#include "proto/entry.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "tools/api.h"
#include "tools/entries.h"
#include "tools/payloads.h"
#include "tools/progress.h"
#include "verify/receipt_json.h"
#include "tools/receipts_out.h"
#include "tools/replay_lock.h"
#include "tools/retry.h"

enum { TICK_MS = 200, SAID_MAX = 20 };

enum slot_state { SLOT_FREE, SLOT_DUE, SLOT_SENT };

struct slot {
	enum slot_state state;
	struct http_call call;
	struct receipt_json receipt; /* holds the payload, unless that is in the file */
	char media_type[LIMIT_MEDIA_TYPE_BYTES + 1];
	char key[sizeof "replay-" + 64];
	char lock[REPLAY_LOCK_BYTES];
	const char *headers[2]; /* lock, or nothing */
	uint64_t number;        /* line of the receipts */
	unsigned tries;
	int64_t due_ns, first_failure_ns;
};

struct replay {
	struct cli *cli;
	const struct replay_options *o;
	struct entries entries;
	struct replay_lock lock;
	struct payloads payloads;
	struct sha256 *sha;
	FILE *in;
	int out; /* new receipts, or -1 */
	char *text;
	size_t text_cap;
	uint64_t number; /* of the line read last */
	struct slot *slot;
	struct buf target;
	struct progress progress;
	bool stop;
	int exit;

	uint64_t receipts, kept, replayed, duplicates, unmatched, refused, bytes;
};

/* One of the receipts cannot be replayed: said, at most so often, and counted by the caller. */
static void
say(struct replay *r, uint64_t number, const char *why)
{
	progress_clear(&r->progress);
	if (r->unmatched + r->refused < SAID_MAX)
		cli_say("receipt %" PRIu64 ": %s", number, why);
	else if (r->unmatched + r->refused == SAID_MAX)
		cli_say("and more, counted below");
}

static bool
unmatched(struct replay *r, const char *why)
{
	say(r, r->number, why);
	r->unmatched++;
	return false;
}

/* --- one receipt -------------------------------------------------------------------- */

/* The payload that goes with a receipt: from it, from the file's line, or the whole file. */
static bool
find_payload(struct replay *r, const struct receipt_json *d, uint64_t size, struct slice *out)
{
	if (d->receipt.has_payload) {
		*out = d->receipt.payload;
		return true;
	}
	if (!r->o->payloads)
		return unmatched(r, d->has_line
					    ? "its payload is a line of a file: give that file too"
					    : "it has no payload: give the file that it is of too");
	if (d->has_line)
		return payloads_line(&r->payloads, d->line, out) ||
		       unmatched(r, "the file has no line of that number");
	if (payloads_map(&r->payloads) != 0)
		return unmatched(r, "the file cannot be read");
	*out = r->payloads.all;
	return out->n == size || unmatched(r, "the file is not its payload");
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* What an entry says as a record to be sent again, into the slot. */
static void
fill(struct replay *r, struct slot *slot, const struct entry *e, struct slice entry,
     struct slice payload)
{
	uint8_t leaf[32];
	char *at = slot->key;
	bool is_event = slice_eq_str(e->media_type, "application/cloudevents+json");

	sha256_leaf(r->sha, leaf, entry);
	at += sprintf(at, "replay-");
	hex_format(at, leaf, sizeof leaf);
	snprintf(slot->media_type, sizeof slot->media_type, "%.*s", (int)e->media_type.n,
		 (const char *)e->media_type.p);
	slot->call.method = "POST";
	slot->call.target = api_cstr(&r->target);
	slot->call.body = payload;
	slot->call.content_type = slot->media_type;
	slot->call.accept = "application/json";
	slot->call.idempotency_key = is_event ? NULL : slot->key;
	slot->headers[0] = replay_lock_field(&r->lock, e, now_ns(), slot->lock) ? slot->lock : NULL;
	slot->call.headers = slot->headers;
	slot->call.owner = slot;
	slot->number = r->number;
	slot->tries = 0;
	slot->due_ns = 0;
	slot->state = SLOT_DUE;
}

/* Whether the record is lost and can be sent: then it is in the slot, which owns the receipt. */
static bool
examine(struct replay *r, struct slot *slot)
{
	struct slice entry = slot->receipt.receipt.proof.entry_n
				     ? slice_of(slot->receipt.receipt.proof.entry,
						slot->receipt.receipt.proof.entry_n)
				     : slice_of("", 0);
	char scratch[LIMIT_ENTRY_BYTES];
	struct slice there, payload;
	uint8_t commitment[32];
	struct entry e;
	int rc;

	if (!slot->receipt.is_record || entry_read(&e, entry, scratch) != 0)
		return unmatched(r, "it has no entry, as a record's receipt has");
	if (!slice_eq_str(e.origin, r->entries.origin))
		return unmatched(r, "it is of another log or server");
	if (e.kind != ENTRY_RECORD)
		return unmatched(r, "it is of a control entry, which only the server writes");
	rc = entries_get(&r->entries, e.index, &there);
	if (rc != CLI_GO) {
		r->stop = true;
		r->exit = rc;
		return false;
	}
	if (slice_eq(there, entry)) {
		r->kept++;
		return false;
	}
	if (!slot->receipt.receipt.has_salt)
		return unmatched(r, "it has no salt to check its payload with");
	if (!find_payload(r, &slot->receipt, e.size, &payload))
		return false;
	sha256_commitment(r->sha, commitment, slot->receipt.receipt.proof.salt, payload);
	if (payload.n != e.size || memcmp(commitment, e.commitment, 32) != 0)
		return unmatched(r, "the payload is not the one that was acknowledged");
	fill(r, slot, &e, entry, payload);
	return true;
}

/* --- the input ---------------------------------------------------------------------- */

static bool
is_blank(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!memchr(" \t\r\n", text[i], 4))
			return false;
	return true;
}

/* Reads receipts until one is to be sent; false at the end. */
static bool
next(struct replay *r, struct slot *slot)
{
	while (!r->stop) {
		ssize_t n = getline(&r->text, &r->text_cap, r->in);
		struct buf why;
		if (n < 0 && !feof(r->in)) {
			cli_say("cannot read %s: %s", r->o->replay, strerror(errno));
			r->stop = true;
			r->exit = CLI_USAGE;
		}
		if (n < 0)
			return false;
		r->number++;
		if (is_blank(r->text, (size_t)n))
			continue;
		r->receipts++;
		buf_init(&why);
		if (receipt_json_read(&slot->receipt, slice_of(r->text, (size_t)n), &why) != 0) {
			unmatched(r, api_cstr(&why));
		} else if (examine(r, slot)) {
			buf_fini(&why);
			return true;
		} else {
			receipt_json_fini(&slot->receipt);
		}
		buf_fini(&why);
	}
	return false;
}

/* --- sending ------------------------------------------------------------------------ */

static void
release(struct slot *slot)
{
	receipt_json_fini(&slot->receipt);
	slot->state = SLOT_FREE;
}

/* No more is read; what is in flight is waited for. */
static void
halt(struct replay *r, int exit_code)
{
	if (!r->stop)
		r->exit = exit_code;
	r->stop = true;
}

static void
give_up(struct replay *r, struct slot *slot)
{
	long status = slot->call.status;
	struct buf why;

	buf_init(&why);
	api_explain(&why, r->cli, &slot->call, NULL);
	say(r, slot->number, api_cstr(&why));
	buf_fini(&why);
	r->refused++;
	/* what holds for this one only is no reason not to go on */
	if (retry_may_pass(status) || status == 401 || status == 403 || status == 404 ||
	    status >= 500)
		halt(r, status ? CLI_REFUSED : CLI_UNREACHABLE);
	release(slot);
}

static void
again(struct replay *r, struct slot *slot)
{
	int64_t now = progress_now_ns();
	unsigned tries = slot->tries++;

	if (tries == 0)
		slot->first_failure_ns = now;
	if (slot->call.untrusted ||
	    now - slot->first_failure_ns > (int64_t)r->o->retry_s * INT64_C(1000000000)) {
		give_up(r, slot);
		return;
	}
	slot->due_ns = now + retry_wait_ns(tries, &slot->call, now);
	slot->state = SLOT_DUE;
}

/* The answer's receipt, with the payload or the line that the lost record's had. */
static void
keep_receipt(struct replay *r, const struct slot *slot, json_t *answer)
{
	static const char *const members[] = {"line", "payload", "payload_b64"};
	json_t *doc = json_object();
	struct buf why;

	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		json_t *m = json_object_get(slot->receipt.doc, members[i]);
		if (m)
			json_object_set(doc, members[i], m);
	}
	json_object_update(doc, answer);
	buf_init(&why);
	receipts_out_one(r->out, doc, &why);
	if (why.n) {
		cli_say("%s", api_cstr(&why));
		halt(r, CLI_REFUSED);
	}
	buf_fini(&why);
	json_decref(doc);
}

static void
acknowledged(struct replay *r, struct slot *slot)
{
	json_t *doc = json_loadb((const char *)slot->call.answer.p, slot->call.answer.n, 0, NULL);
	const json_t *index = json_object_get(doc, "index");

	if (!json_is_integer(index)) {
		say(r, slot->number,
		    "the answer does not say that it is stored; is something between here and "
		    "steled?");
		r->refused++;
		halt(r, CLI_REFUSED);
	} else {
		bool was_there = (uint64_t)json_integer_value(index) < r->entries.size;
		r->duplicates += was_there;
		r->replayed += !was_there;
		r->bytes += slot->call.body.n;
		if (r->out >= 0)
			keep_receipt(r, slot, doc);
	}
	json_decref(doc);
	release(slot);
}

static void
settle(struct replay *r)
{
	struct http_call *c;

	while ((c = transport_done(r->cli->transport))) {
		if (http_call_good(c))
			acknowledged(r, c->owner);
		else if (retry_may_pass(c->status))
			again(r, c->owner);
		else
			give_up(r, c->owner);
	}
}

/* Fills what is free, sends what is due; how many are on their way, and how long to wait. */
static size_t
feed(struct replay *r, int *wait_ms)
{
	int64_t now;
	size_t busy = 0;
	bool more = true;

	*wait_ms = TICK_MS;
	for (size_t i = 0; i < r->o->connections; i++) {
		struct slot *slot = &r->slot[i];
		if (slot->state == SLOT_FREE && more)
			more = next(r, slot);
		now = progress_now_ns();
		if (slot->state == SLOT_DUE && slot->due_ns <= now) {
			slot->state = SLOT_SENT;
			transport_start(r->cli->transport, &slot->call);
		} else if (slot->state == SLOT_DUE && (slot->due_ns - now) / 1000000 < *wait_ms) {
			*wait_ms = (int)((slot->due_ns - now) / 1000000) + 1;
		}
		busy += slot->state != SLOT_FREE;
	}
	return busy;
}

static void
run(struct replay *r)
{
	int wait_ms;

	while (feed(r, &wait_ms)) {
		char note[96];
		transport_wait(r->cli->transport, -1, wait_ms);
		settle(r);
		snprintf(note, sizeof note, "replayed of %" PRIu64 " receipts", r->receipts);
		progress_show(&r->progress, r->replayed + r->duplicates, r->bytes, note);
	}
	progress_clear(&r->progress);
}

/* --- all of it ---------------------------------------------------------------------- */

static void
print_result(const struct replay *r)
{
	double seconds = (double)(progress_now_ns() - r->progress.start_ns) / 1e9;

	if (r->cli->json)
		printf("{\"log\":\"%s\",\"receipts\":%" PRIu64 ",\"kept\":%" PRIu64
		       ",\"replayed\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"unmatched\":%" PRIu64
		       ",\"refused\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f}\n",
		       r->o->log, r->receipts, r->kept, r->replayed, r->duplicates, r->unmatched,
		       r->refused, r->bytes, seconds);
	else
		printf("%s: %" PRIu64 " receipts: %" PRIu64 " of records that are there, %" PRIu64
		       " replayed, %" PRIu64 " replayed before, %" PRIu64 " unmatched, %" PRIu64
		       " refused; %.2f s\n",
		       r->o->log, r->receipts, r->kept, r->replayed, r->duplicates, r->unmatched,
		       r->refused, seconds);
	fflush(stdout);
}

/* CLI_GO when all files are open. */
static int
open_files(struct replay *r)
{
	const struct replay_options *o = r->o;

	r->in = strcmp(o->replay, "-") == 0 ? stdin : fopen(o->replay, "re");
	if (!r->in) {
		cli_say("cannot open %s: %s", o->replay, strerror(errno));
		return CLI_USAGE;
	}
	if (o->payloads && payloads_open(&r->payloads, o->payloads) != 0) {
		cli_say("cannot open %s: %s", o->payloads, strerror(errno));
		return CLI_USAGE;
	}
	if (o->receipts)
		r->out = open(o->receipts, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (o->receipts && r->out < 0) {
		cli_say("cannot write %s: %s", o->receipts, strerror(errno));
		return CLI_USAGE;
	}
	return CLI_GO;
}

static int
finish(struct replay *r)
{
	if (r->out >= 0 && fsync(r->out) != 0 && errno != EINVAL && errno != EROFS) {
		cli_say("cannot flush %s: %s", r->o->receipts, strerror(errno));
		halt(r, CLI_REFUSED);
	}
	print_result(r);
	if (r->stop)
		cli_say("replay stopped early: the same command goes on, and stores nothing twice");
	if (r->exit != CLI_DONE)
		return r->exit;
	return r->unmatched || r->refused ? CLI_REFUSED : CLI_DONE;
}

int
replay_run(struct cli *cli, const struct replay_options *o)
{
	struct replay r = {.cli = cli, .o = o, .out = -1, .exit = CLI_DONE};
	int rc = cli_transport(cli);

	if (rc != CLI_GO)
		return rc;
	r.sha = sha256_new();
	r.slot = calloc(o->connections, sizeof *r.slot);
	CHECK(r.sha && r.slot);
	buf_init(&r.target);
	api_log_target(&r.target, o->log, "/records");
	for (size_t i = 0; i < o->connections; i++)
		http_call_init(&r.slot[i].call);
	progress_init(&r.progress);
	rc = open_files(&r);
	if (rc == CLI_GO)
		rc = entries_init(&r.entries, cli, o->log);
	if (rc == CLI_GO)
		rc = replay_lock_init(&r.lock, cli, o->log);
	if (rc == CLI_GO) {
		run(&r);
		rc = finish(&r);
	}
	entries_fini(&r.entries);
	for (size_t i = 0; i < o->connections; i++)
		http_call_fini(&r.slot[i].call);
	if (r.in && r.in != stdin)
		fclose(r.in);
	if (r.out >= 0)
		close(r.out);
	payloads_close(&r.payloads);
	free(r.text);
	free(r.slot);
	buf_fini(&r.target);
	sha256_free(r.sha);
	return rc;
}
