/* Words for each step when it holds; when it does not, the verdict brings its own sentence. */
#include "tools/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/timestamp.h"
#include "tools/cli.h"

#define TEXT(s) (int)(s).n, (const char *)(s).p

static const char *const names[RECEIPT_STEPS] = {
	[RECEIPT_ENTRY] = "entry",
	[RECEIPT_CLAIMS] = "claims",
	[RECEIPT_CHECKPOINT] = "checkpoint",
	[RECEIPT_KEY] = "key",
	[RECEIPT_SIGNATURE] = "signature",
	[RECEIPT_ORIGIN] = "origin",
	[RECEIPT_INCLUSION] = "inclusion",
	[RECEIPT_PAYLOAD] = "payload",
	[RECEIPT_CONSISTENCY] = "consistency",
	[RECEIPT_WITNESSES] = "witnesses",
};

static void
say_entry(struct buf *out, const struct entry *e)
{
	char time[TIMESTAMP_BYTES];

	timestamp_format(time, e->time_ns);
	buf_printf(out, "well-formed: number %" PRIu64 " of %.*s, a %s written at %.*s by %.*s",
		   e->index, TEXT(e->origin), entry_kind_name(e->kind), TIMESTAMP_BYTES, time,
		   TEXT(e->writer));
	if (e->mode == ENTRY_MODE_NONE)
		return;
	timestamp_format(time, e->retain_until_ns);
	if (e->event.n)
		buf_printf(out, ", locked (%s) from the event %.*s on", entry_mode_name(e->mode),
			   TEXT(e->event));
	else
		buf_printf(out, ", locked (%s) until %.*s", entry_mode_name(e->mode),
			   TIMESTAMP_BYTES, time);
}

static void
say_payload(struct buf *out, const struct report_item *item, const struct receipt_verdict *v)
{
	if (v->payload_checked)
		buf_printf(out, "its %" PRIu64 " bytes are the ones committed to", v->entry.size);
	else
		buf_printf(out, "NOT checked: %s",
			   item->no_payload_file
				   ? "none came with the receipt; --payload FILE gives it"
				   : "it is withheld");
}

/* What a step that holds has shown. */
static void
say_step(struct buf *out, enum receipt_step step, const struct report_item *item,
	 const struct receipt_verdict *v)
{
	switch (step) {
	case RECEIPT_ENTRY:
		say_entry(out, &v->entry);
		return;
	case RECEIPT_CLAIMS:
		buf_put_str(out, "what stands beside the entry agrees with it");
		return;
	case RECEIPT_CHECKPOINT:
		buf_printf(out, "%.*s at %" PRIu64 " entries", TEXT(v->checkpoint.origin),
			   v->checkpoint.size);
		return;
	case RECEIPT_KEY:
		buf_printf(out,
			   !v->by_statement ? "the trusted key is the one of %.*s"
			   : v->identity < 0
				   ? "an identity that led to the trusted one names the key of %.*s"
			   : v->identity > 0
				   ? "an identity that the trusted one led to names the key of %.*s"
				   : "the trusted identity names the key of %.*s",
			   TEXT(v->key.name));
		return;
	case RECEIPT_SIGNATURE:
		buf_printf(out, "the checkpoint is signed by that key");
		return;
	case RECEIPT_ORIGIN:
		buf_put_str(out, "entry and checkpoint are of the same log");
		return;
	case RECEIPT_INCLUSION:
		buf_printf(out, "the entry is number %" PRIu64 " in the signed tree of %" PRIu64,
			   v->entry.index, v->checkpoint.size);
		return;
	case RECEIPT_PAYLOAD:
		say_payload(out, item, v);
		return;
	case RECEIPT_CONSISTENCY:
		buf_printf(out, "the signed tree begins with the older one of %" PRIu64 " entries",
			   item->since_size);
		return;
	default:
		buf_printf(out, "%zu of the policy's witnesses cosigned the checkpoint: its quorum",
			   v->cosignatures);
	}
}

static void
print_line(const struct report *r, const struct report_item *item, const char *check,
	   const char *word, struct slice text)
{
	struct buf out;

	buf_init(&out);
	if (r->json) {
		buf_put_str(&out, "{\"file\":");
		buf_put_json_str(&out, slice_str(item->file));
		if (item->line)
			buf_printf(&out, ",\"line\":%" PRIu64, item->line);
		buf_printf(&out, ",\"check\":\"%s\",\"result\":\"%s\",\"detail\":", check, word);
		buf_put_json_str(&out, text);
		buf_put_str(&out, "}\n");
	} else {
		buf_printf(&out, "  %-7s  %-11s  ", word, check);
		buf_put_slice(&out, text);
		buf_put_u8(&out, '\n');
	}
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
}

static void
print_title(const struct report *r, const struct report_item *item)
{
	if (r->json)
		return;
	if (item->line)
		printf("%s, line %" PRIu64 "\n", item->file, item->line);
	else
		printf("%s\n", item->file);
}

static bool
applies(enum receipt_step step, const struct report_item *item)
{
	if (step == RECEIPT_CONSISTENCY)
		return item->since;
	if (step == RECEIPT_WITNESSES)
		return item->witnesses;
	return !item->is_checkpoint || (step >= RECEIPT_CHECKPOINT && step <= RECEIPT_SIGNATURE);
}

/* --- a file of many -------------------------------------------------------------- */

void
report_begin(struct report *r)
{
	memset(&r->many, 0, sizeof r->many);
}

static void
count_valid(struct report_many *m, const struct receipt_verdict *v)
{
	const struct entry *e = &v->entry;

	m->valid++;
	m->unchecked_payloads += !v->payload_checked;
	if (!m->any || e->index < m->first)
		m->first = e->index;
	if (!m->any || e->index > m->last)
		m->last = e->index;
	if (v->checkpoint.size > m->size)
		m->size = v->checkpoint.size;
	if (!m->any)
		snprintf(m->origin, sizeof m->origin, "%.*s", TEXT(e->origin));
	else if (!slice_eq_str(e->origin, m->origin))
		snprintf(m->origin, sizeof m->origin, "several logs");
	m->any = true;
}

/* Whether the n-th failure of a kind is printed; in JSON all are. */
static bool
one_too_many(const struct report *r, const struct report_item *item, uint64_t n)
{
	return !r->json && item->line && n > REPORT_ALIKE;
}

static void
print_more(uint64_t n, const char *check)
{
	if (n > REPORT_ALIKE)
		printf("  and %" PRIu64 " more receipts fail at: %s\n", n - REPORT_ALIKE, check);
}

void
report_file(const struct report *r, const char *file)
{
	const struct report_many *m = &r->many;

	if (r->json)
		return;
	for (enum receipt_step step = 0; step < RECEIPT_STEPS; step++)
		print_more(m->failed[step], names[step]);
	print_more(m->unreadable, "reading");
	if (!m->any)
		return;
	printf("%s: %" PRIu64 " valid receipts of %s, index %" PRIu64 " to %" PRIu64
	       ", in signed trees of up to %" PRIu64 " entries",
	       file, m->valid, m->origin, m->first, m->last, m->size);
	if (m->unchecked_payloads)
		printf("; %" PRIu64 " without their payload", m->unchecked_payloads);
	putchar('\n');
}

void
report_verdict(struct report *r, const struct report_item *item, const struct receipt_verdict *v)
{
	struct buf text;

	*(v->err ? &r->invalid : &r->valid) += 1;
	r->n_of[item->is_checkpoint ? REPORT_CHECKPOINT : REPORT_RECEIPT]++;
	if (!v->err && !item->is_checkpoint && !v->payload_checked)
		r->unchecked_payloads++;
	if (!v->err && item->line && !item->is_checkpoint)
		count_valid(&r->many, v);
	if (v->err && one_too_many(r, item, ++r->many.failed[v->failed]))
		return;
	if (!v->err && !r->every)
		return;
	print_title(r, item);
	buf_init(&text);
	for (enum receipt_step step = 0; step < RECEIPT_STEPS; step++) {
		const char *word = step == RECEIPT_PAYLOAD && !v->payload_checked ? "open" : "ok";

		if (!applies(step, item))
			continue;
		buf_reset(&text);
		if (v->err && step == v->failed) {
			buf_put_str(&text, v->why);
			print_line(r, item, names[step], "INVALID", buf_slice(&text));
			break;
		}
		say_step(&text, step, item, v);
		print_line(r, item, names[step], word, buf_slice(&text));
	}
	buf_fini(&text);
}

void
report_check_begin(struct report *r, const struct report_item *item)
{
	print_title(r, item);
}

void
report_check(struct report *r, const struct report_item *item, const char *check, const char *word,
	     struct slice text)
{
	r->open += strcmp(word, "open") == 0;
	print_line(r, item, check, word, text);
}

void
report_check_end(struct report *r, bool valid, bool complete)
{
	*(valid ? &r->valid : &r->invalid) += 1;
	r->incomplete += valid && !complete;
}

void
report_unreadable(struct report *r, const struct report_item *item, const char *why)
{
	struct buf text;

	r->unreadable++;
	if (one_too_many(r, item, ++r->many.unreadable))
		return;
	buf_init(&text);
	buf_put_str(&text, why);
	print_title(r, item);
	print_line(r, item, "reading", "UNREAD", buf_slice(&text));
	buf_fini(&text);
}

/* "1 bundle, 2 receipts": all of them are valid. */
static void
print_kinds(const struct report *r)
{
	static const char *const kinds[REPORT_KINDS] = {
		[REPORT_BUNDLE] = "bundle",
		[REPORT_RECEIPT] = "receipt",
		[REPORT_CHECKPOINT] = "checkpoint",
		[REPORT_CERTIFICATE] = "search certificate",
	};
	const char *before = "VALID: ";

	for (size_t i = 0; i < REPORT_KINDS; i++) {
		if (!r->n_of[i])
			continue;
		printf("%s%" PRIu64 " %s%s", before, r->n_of[i], kinds[i],
		       r->n_of[i] == 1 ? "" : "s");
		before = ", ";
	}
	if (r->open)
		printf(", with %" PRIu64 " thing%s left open (see above)", r->open,
		       r->open == 1 ? "" : "s");
}

int
report_end(const struct report *r)
{
	bool good = r->invalid == 0 && r->unreadable == 0 && r->valid > 0;

	if (r->json && r->n_of[REPORT_BUNDLE] == r->valid + r->invalid && r->unreadable == 0)
		(void)0; /* each has said its verdict */
	else if (r->json)
		printf("{\"verdict\":\"%s\",\"valid\":%" PRIu64 ",\"invalid\":%" PRIu64
		       ",\"unreadable\":%" PRIu64 ",\"payloads_not_checked\":%" PRIu64
		       ",\"incomplete\":%" PRIu64 "}\n",
		       good ? "valid" : "invalid", r->valid, r->invalid, r->unreadable,
		       r->unchecked_payloads, r->incomplete);
	else if (good)
		print_kinds(r);
	else if (r->valid + r->invalid == 0)
		printf("NOTHING CHECKED: %" PRIu64 " unreadable", r->unreadable);
	else
		printf("NOT VALID: %" PRIu64 " valid, %" PRIu64 " invalid, %" PRIu64 " unreadable",
		       r->valid, r->invalid, r->unreadable);
	if (!r->json && r->unchecked_payloads)
		printf("; %" PRIu64 " without their payload", r->unchecked_payloads);
	if (!r->json && r->incomplete)
		printf("; %" PRIu64 " of them NOT complete", r->incomplete);
	if (!r->json)
		putchar('\n');
	if (r->invalid)
		return CLI_REFUSED;
	return !good ? CLI_USAGE : r->incomplete ? CLI_INCOMPLETE : CLI_DONE;
}
