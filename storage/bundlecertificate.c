/* certificate.html: for people and printers, and for whoever signs it for a court. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/identity.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/timestamp.h"
#include "storage/bundlework.h"
#include "storage/clocks.h"
#include "storage/internal.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'\">\n<title>Cover sheet of an evidence bundle</title>\n<style>\n"
	"body { font: 11pt/1.45 Georgia, serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; "
	"color: #111 }\n"
	"h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid "
	"#999 }\n"
	"table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: "
	"top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd }\n"
	"pre { white-space: pre-wrap } code, td.n { font: 10pt monospace; overflow-wrap: anywhere } .blank { display: inline-block; "
	"min-width: 18rem; border-bottom: 1px solid #111 }\n"
	".note { border-left: 3px solid #999; padding-left: .8rem }\n"
	"@page { margin: 2cm } @media print { body { max-width: none; margin: 0; padding: 0 } h2, tr "
	"{ break-after: avoid; break-inside: avoid } .court { break-before: page } }\n"
	"</style>\n</head>\n<body>\n<h1>Cover sheet of an evidence bundle</h1>\n"
	"<p class=\"note\">The server wrote this page when it made the bundle. It proves nothing: a "
	"forged bundle may have the same page, with the right key on it. What decides is a verifier "
	"that you got yourself, with the server's key, got from elsewhere (README.txt).</p>\n";

/* Escaped for text and for attributes; control characters as their pictures. */
static void
put(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
			buf_printf(out, "&#%u;", c);
		else if ((c < 0x20 && c != '\n') || c == 0x7f)
			buf_printf(out, "&#%u;", c == 0x7f ? 0x2421u : 0x2400u + c);
		else
			buf_put_u8(out, c);
	}
}

static void
put_fact(struct buf *out, const char *what, struct slice s)
{
	buf_printf(out, "<tr><th>%s</th><td>", what);
	put(out, s);
	buf_put_str(out, "</td></tr>\n");
}

/* An instant in UTC, and as the server's own zone has it. */
static void
put_time(struct buf *out, int64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	char utc[TIMESTAMP_BYTES], local[64] = "";
	struct tm tm;

	timestamp_format(utc, ns);
	buf_put(out, utc, sizeof utc);
	if (localtime_r(&s, &tm) &&
	    strftime(local, sizeof local, "%Y-%m-%d %H:%M:%S %z (%Z)", &tm)) {
		buf_put_str(out, " UTC; on the server ");
		put(out, slice_str(local));
	}
}

static void
put_time_fact(struct buf *out, const char *what, int64_t ns)
{
	buf_printf(out, "<tr><th>%s</th><td>", what);
	put_time(out, ns);
	buf_put_str(out, "</td></tr>\n");
}

/* --- who, when, by what -------------------------------------------------------------------- */

static const char *
clock_words(enum clock_state s)
{
	static const char *const words[] = {
		[CLOCK_OK] = "in order",
		[CLOCK_WARN] = "in doubt: it disagreed with the time of the machine",
		[CLOCK_FROZEN] = "stopped: what ends locks was not believed",
	};

	return words[s];
}

static void
put_facts(struct bundle *b, struct buf *out)
{
	const struct bundle_job *j = b->job;
	struct identity *id = store_identity(j->st);
	struct clock_reading clock;
	char hex[65];

	store_clock_get(j->st, &clock);
	hex_format(hex, j->sha256, 32);
	buf_put_str(out, "<h2>The export</h2>\n<table>\n");
	put_fact(out, "Export", j->id);
	put_fact(out, "Server", slice_str(store_server_name(j->st)));
	put_fact(out, "Exported by (an account of the server)", j->requester);
	put_fact(out, "Reason, as it was typed",
		 j->reason.n ? j->reason : slice_str("none was given"));
	put_time_fact(out, "Begun", j->begun_ns);
	put_time_fact(out, "Finished", b->ended_ns);
	put_fact(out, "Kind",
		 slice_str(j->selection
				   ? (j->certificate.n ? "selection, with a search certificate"
						       : "selection: completeness is not claimed")
				   : "range: all entries of the range are here"));
	buf_put_str(out, "<tr><th>Asked for</th><td><code>");
	put(out, j->request);
	buf_put_str(out, "</code></td></tr>\n");
	put_fact(out, "Server's clock, by its own word", slice_str(clock_words(clock.state)));
	put_fact(out, "Software", j->version);
	put_fact(out, "SHA-256 of the server's program", slice_str(hex));
	put_fact(out, "Claims to be signed under", slice_str(identity_vkey(id)));
	buf_put_str(out,
		    "</table>\n<p>Whether it is, a verifier tells: comparing the key by eye proves "
		    "nothing.</p>\n");
	identity_unref(id);
}

/* --- logs ---------------------------------------------------------------------------------- */

static void
put_count(struct buf *out, const char *what, uint64_t n)
{
	buf_printf(out, "<tr><th>%s</th><td class=\"n\">%" PRIu64 "</td></tr>\n", what, n);
}

static void
put_missing(struct buf *out, const struct bundle_part *p)
{
	static const char *const words[] = {
		[WITHHELD_NOT_REQUESTED] = "Withheld: not asked for",
		[WITHHELD_NOT_PERMITTED] = "Withheld: the requester may not read this log",
		[WITHHELD_RESTRICTED] = "Withheld: they wait for their erasure",
		[WITHHELD_UNREADABLE] = "Withheld: damaged on the server's disk",
	};

	put_count(out, "Purged before: the entry is here, the payload is gone for good",
		  p->counts.purged);
	for (size_t i = 0; i < WITHHELD_REASONS; i++)
		put_count(out, words[i], p->withheld[i]);
}

static void
put_controls(struct buf *out, const struct bundle_part *p)
{
	buf_put_str(out, "<h3>Locks and holds, as the log's control entries say</h3>\n<table>\n");
	for (size_t i = 0; i < BUNDLE_KINDS; i++)
		if (p->kinds[i])
			put_count(out, entry_kind_name((enum entry_kind)i), p->kinds[i]);
	buf_put_str(out, "</table>\n");
	if (!p->holds_told) {
		buf_put_str(out, "<p>No legal hold was ever placed in this log.</p>\n");
		return;
	}
	buf_put_str(out, "<table>\n<tr><th>Hold</th><th></th><th>Entry</th><th>Time</th></tr>\n");
	buf_put_slice(out, buf_slice(&p->holds));
	buf_put_str(out, "</table>\n");
	if (p->holds_told > BUNDLE_HOLDS_TOLD)
		buf_printf(out, "<p>and %" PRIu64 " more: controls.ndjson has all of them.</p>\n",
			   p->holds_told - BUNDLE_HOLDS_TOLD);
}

static void
put_part(struct buf *out, const struct bundle_part *p)
{
	buf_put_str(out, "<h2>Log ");
	put(out, slice_str(log_name(p->log->log)));
	buf_put_str(out, "</h2>\n<table>\n");
	put_count(out, "Entries in the log, at the checkpoint", p->log->head->size);
	put_count(out, "Entries here", p->counts.entries);
	put_count(out, "Of them records", p->counts.entries - p->controls_here);
	put_count(out, "Of them control entries", p->controls_here);
	if (p->counts.entries) {
		buf_printf(out,
			   "<tr><th>From, to</th><td class=\"n\">%" PRIu64 " to %" PRIu64
			   "%s</td></tr>\n",
			   p->first, p->last, bundle_has_whole(p) ? ": the whole log" : "");
		put_time_fact(out, "Received from", p->from_ns);
		put_time_fact(out, "to", p->to_ns);
	}
	put_count(out, "Payloads here", p->counts.payloads);
	put_count(out, "Bytes of them", p->counts.bytes);
	put_missing(out, p);
	buf_put_str(out, "</table>\n");
	put_controls(out, p);
	buf_put_str(out, "<p>Checkpoint:</p>\n<pre><code>");
	put(out, slice_of(p->log->head->note, p->log->head->note_len));
	buf_put_str(out, "</code></pre>\n");
}

void
bundle_tell_hold(struct bundle_part *p, const struct record *r)
{
	json_t *said, *hold;

	if (r->entry.kind != ENTRY_HOLD && r->entry.kind != ENTRY_RELEASE)
		return;
	if (p->holds_told++ >= BUNDLE_HOLDS_TOLD)
		return;
	said = json_loadb((const char *)r->payload.p, r->payload.n, 0, NULL);
	hold = json_object_get(said, "hold");
	buf_put_str(&p->holds, "<tr><td>");
	put(&p->holds, json_is_string(hold) ? slice_str(json_string_value(hold)) : slice_str("?"));
	buf_printf(&p->holds, "</td><td>%s</td><td class=\"n\">%" PRIu64 "</td><td>",
		   r->entry.kind == ENTRY_HOLD ? "covers records" : "is released", r->entry.index);
	put_time(&p->holds, r->entry.time_ns);
	buf_put_str(&p->holds, "</td></tr>\n");
	json_decref(said);
}

/* --- for a court --------------------------------------------------------------------------- */

static void
put_blank(struct buf *out, const char *what)
{
	buf_printf(out, "<p>%s <span class=\"blank\">&nbsp;</span></p>\n", what);
}

/* Who signs, and what of. */
static void
put_signer(struct buf *out, const char *title, const char *who)
{
	buf_printf(
		out,
		"<h2 class=\"court\">%s</h2>\n<p class=\"note\">To be filled in and signed by %s. "
		"The software has filled in nothing below but what it knows. Strike out what does "
		"not apply, or what the signer does not know.</p>\n",
		title, who);
	put_blank(out, "I, (name)");
	put_blank(out, "of (title, organisation)");
	buf_put_str(out, "<p>am qualified by knowledge, training or experience to make this "
			 "certification, and state:</p>\n<ol>\n");
}

static void
put_oath(struct buf *out)
{
	buf_put_str(out,
		    "<p>I declare under penalty of perjury under the laws of the United States "
		    "of America that the foregoing is true and correct (28 U.S.C. § 1746).</p>\n");
	put_blank(out, "Executed on (date)");
	put_blank(out, "at (place)");
	put_blank(out, "Signature");
}

/* Of the system that the records come from: by who runs it. */
static void
put_system(struct bundle *b, struct buf *out)
{
	put_signer(
		out,
		"Certification of the system, under Federal Rules of Evidence 902(11) and 902(13)",
		"somebody who knows how the server is run and how its records are made");
	buf_put_str(out, "<li>The electronic records in the evidence bundle ");
	put(out, b->job->id);
	buf_put_str(out, " were generated by an electronic process or system, the evidence store ");
	put(out, slice_str(store_server_name(b->job->st)));
	buf_put_str(
		out,
		", that produces an accurate result: each record was committed to, when it was "
		"received, by an entry in a chain of SHA-256 hashes and in a Merkle tree (RFC 6962) "
		"whose root was signed (Ed25519).</li>\n"
		"<li>The store received the records at the times that their entries say.</li>\n"
		"<li>As far as I know of how they come to the store, the records were made at or near "
		"the time of the events that they tell of. (The signer has to judge that: neither "
		"the store nor a verifier can. An entry's time is when the store received the record; "
		"the event may have been earlier, and a time that the record itself tells is the word "
		"of whoever sent it. Strike this out where it is not so, or not known.)</li>\n"
		"<li>The records were kept in the course of a regularly conducted activity, and making "
		"them was a regular practice of that activity.</li>\n"
		"</ol>\n");
	put_blank(out, "The account that exported the bundle is that of");
	put_blank(out, "The server's key was given to the reader on (date), by");
	put_oath(out);
}

/* Of the copy: by who checked it, who need not know the system. */
static void
put_copy(struct bundle *b, struct buf *out)
{
	put_signer(out, "Certification of the copy, under Federal Rules of Evidence 902(14)",
		   "whoever checked the bundle");
	buf_put_str(out, "<li>The files of the evidence bundle ");
	put(out, b->job->id);
	buf_put_str(
		out,
		" are a copy of data from an electronic device, storage medium or file, "
		"authenticated by a process of digital identification: each file has its SHA-256 in "
		"manifest-sha256.txt, whose own digest is under the signature of the server's "
		"key.</li>\n"
		"<li>I checked the bundle with a verifier got independently of it, named below, and "
		"with the server's key got independently of it, named below. The result was, word "
		"for word, as written below.</li>\n</ol>\n");
	put_blank(out, "SHA-256 of the bundle's ZIP file:");
	put_blank(out, "Verifier, its version and SHA-256:");
	put_blank(out, "Key, and where it was got:");
	put_blank(out, "Result (or the verifier's output, attached as exhibit):");
	put_oath(out);
}

int
bundle_put_certificate(struct bundle *b, struct buf *out)
{
	buf_put_str(out, head);
	put_facts(b, out);
	for (size_t i = 0; i < b->job->n_logs; i++) {
		if (b->parts[i].holds.err)
			return b->parts[i].holds.err;
		put_part(out, &b->parts[i]);
	}
	put_system(b, out);
	put_copy(b, out);
	buf_put_str(out, "</body>\n</html>\n");
	return out->err;
}
