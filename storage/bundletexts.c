/* What stands in bundle.json, and the texts for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crypto/identity.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/timestamp.h"
#include "storage/bundlework.h"
#include "storage/internal.h"
#include "storage/verify_page.h"

/* --- bundle.json --------------------------------------------------------------------------- */

static void
put_part(struct buf *out, const struct bundle_part *p)
{
	buf_printf(out,
		   "{\"log\":\"%s\",\"size\":%" PRIu64 ",\"entries\":%" PRIu64
		   ",\"payloads\":%" PRIu64 ",\"purged\":%" PRIu64 ",\"withheld\":%" PRIu64
		   ",\"controls\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
		   log_name(p->log->log), p->log->head->size, p->counts.entries, p->counts.payloads,
		   p->counts.purged, p->counts.withheld, p->counts.controls, p->counts.bytes);
}

int
bundle_put_json(struct bundle *b, struct buf *out)
{
	const struct bundle_job *j = b->job;
	char begun[TIMESTAMP_BYTES], hex[65];

	timestamp_format(begun, j->begun_ns);
	hex_format(hex, j->sha256, 32);
	buf_put_str(out, "{\"v\":1,\"export\":");
	buf_put_json_str(out, j->id);
	buf_put_str(out, ",\"server\":");
	buf_put_json_str(out, slice_str(store_server_name(j->st)));
	buf_printf(out, ",\"kind\":\"%s\",\"request\":", j->selection ? "selection" : "range");
	buf_put_slice(out, j->request);
	buf_put_str(out, ",\"requester\":");
	buf_put_json_str(out, j->requester);
	buf_put_str(out, ",\"reason\":");
	buf_put_json_str(out, j->reason);
	buf_printf(out, ",\"begun\":\"%.*s\",\"software\":{\"version\":", TIMESTAMP_BYTES, begun);
	buf_put_json_str(out, j->version);
	buf_printf(out, ",\"sha256\":\"%s\"},\"logs\":[", hex);
	for (size_t i = 0; i < j->n_logs; i++) {
		buf_put_str(out, i ? "," : "");
		put_part(out, &b->parts[i]);
	}
	buf_put_str(out, "]}\n");
	return out->err;
}

/* --- README.txt ---------------------------------------------------------------------------- */

static const char readme_head[] =
	"WHAT THIS IS\n"
	"\n"
	"A bundle of evidence: records of an append-only store (stele), and all that is needed to\n"
	"check them on a computer without a network. It is a ZIP file with a BagIt folder in it.\n"
	"\n"
	"  README.txt                this page\n"
	"  certificate.html          a cover sheet: what is here and what is missing, to print\n"
	"  verify.html               a page that checks the bundle in a browser, without a network\n"
	"  bagit.txt                 that it is a BagIt folder (RFC 8493)\n"
	"  bag-info.txt              whose it is, and of which export\n"
	"  manifest-sha256.txt       the SHA-256 of each file under data/\n"
	"  tagmanifest-sha256.txt    the SHA-256 of the other files, but for itself and signature\n"
	"  signature                 the server's signature over tagmanifest-sha256.txt, and so over all\n"
	"  data/bundle.json          what was asked for, by whom and why, and how much is here\n"
	"  data/custody.ndjson       who exported this, and who exported the same records before\n"
	"  data/certificate.search   if it is there: what a search found, signed\n"
	"  data/timestamps/          if it is there: when somebody else's clock saw the logs so\n"
	"\n"
	"and of each log, under data/LOG/:\n"
	"\n"
	"  records.ndjson            the entries, one a line, each with the record that it is of\n"
	"  records.csv               the same as a table, for reading: the verifier does not compare it\n"
	"                            with the records. time is when an event happened, as the record\n"
	"                            itself says; receive_time when the store got it\n"
	"  files/                    if it is there: payloads of more than 65,536 bytes\n"
	"  controls.ndjson           all that was ever decided about the log: policies, holds, purges\n"
	"  proofs.ndjson             that the entries are in the log's tree\n"
	"  consistency.ndjson        if it is there: that the log grew out of older checkpoints\n"
	"  checkpoint                the log as it is here, signed by the log's key\n"
	"  keys.txt                  that this key may sign for the log, signed by the server\n"
	"\n"
	"HOW TO CHECK IT\n"
	"\n"
	"Keep the ZIP exactly as you got it: unpacked and packed again it fails, though no file was\n"
	"changed. (verify.html also checks the unpacked folder.) That `sha256sum -c` succeeds with the\n"
	"manifests proves nothing: whoever changes a file changes its line, too. The signature counts.\n"
	"\n"
	"1. Take a verifier that you got yourself, `stele-verify` or verify.html, from the publisher\n"
	"   of the software, not the copy in here. Whoever forges a bundle forges that copy too.\n"
	"2. Take the server's key from somewhere else than this bundle: a letter, a contract, the\n"
	"   auditor's file. It begins with the server's name. Comparing it by eye proves nothing,\n"
	"   since a forged bundle may show the right one; this bundle claims to be signed under\n"
	"\n";

static const char readme_tail[] =
	"\n"
	"3. Either open verify.html from your disk with a browser (a double click will do), choose\n"
	"   the ZIP, paste the key and press Verify: it takes some seconds, and sends nothing. Or\n"
	"   run    stele-verify BUNDLE.zip --key 'THE KEY THAT YOU GOT'\n"
	"   (--key @FILE takes it from a file; the full program does the same: stele verify ...)\n"
	"   The last line is the verdict: VALID; or NOT VALID, and then rely on nothing in here,\n"
	"   keep the file and ask for the original. Exit status 0 is valid, 1 invalid, 2 says that\n"
	"   only completeness fails, 3 that the file or the key could not be read.\n"
	"4. If you kept a checkpoint of a log from before, not one out of this bundle, add\n"
	"   --since CHECKPOINT: only so it shows that the log was rewritten since. Keep this\n"
	"   bundle's (data/LOG/checkpoint) with its keys.txt: a later bundle can be held against it,\n"
	"   and    stele-verify checkpoint --keys keys.txt --key 'THE KEY'    checks it by itself.\n"
	"\n"
	"WHAT A VALID BUNDLE PROVES\n"
	"\n"
	"- Every record here stands in the log at its place, as it was written, to the byte. Nothing\n"
	"  was changed since the log was signed as it is here, and nothing was put between two that\n"
	"  follow each other.\n"
	"- The server that holds the key vouched for the log, and exported this.\n"
	"- With data/timestamps/: that the records, but for those that the verifier counts as not\n"
	"  covered, existed no later than an authority's clock says. Give the verifier the root\n"
	"  certificate of that authority, from elsewhere (--tsa-ca FILE): without it anybody could\n"
	"  have signed them. The program openssl judges them too: openssl ts -verify -in X.tsr\n"
	"  -data X.checkpoint -CAfile FILE\n"
	"- A payload that is missing is missing for the reason that is said: purged, by an entry that\n"
	"  the locks and holds of the log allowed; or withheld.\n"
	"- A bundle of the kind `range` has all entries of its range. A `selection` has those that\n"
	"  were chosen; that no other one matches it proves only with a search certificate in it, and\n"
	"  then as far as the server's index goes.\n"
	"\n"
	"WHAT IT DOES NOT PROVE\n"
	"\n"
	"- That the operator did not rewrite the whole log before: whoever holds the server's key\n"
	"  can. It shows only against a checkpoint that somebody else kept (--since), or by the\n"
	"  signatures of witnesses (--policy).\n"
	"- That what a record says is true: only that it was recorded so.\n"
	"- That every event was recorded: what never reached the store is not missing from it.\n"
	"- That the server's clock was right, or that an event happened when its record says.\n"
	"- What records.csv, certificate.html and this file say: they are under the signature, but\n"
	"  computed by the server. The verifier's word counts, not theirs.\n"
	"- That the person who gave you the bundle gave you the newest one.\n"
	"\n"
	"TEN WORDS\n"
	"\n"
	"log            a row of entries, numbered from 0, to which the store only adds\n"
	"entry          a line of the log: its number, time, and hashes of payload and entry before\n"
	"record         what was sent to the store, and the entry of it\n"
	"control entry  an entry that the store made about the log: policy, lock, hold, key, purge\n"
	"payload        the bytes of a record. They can be missing, and the entry is still proven\n"
	"commitment     the hash in an entry that ties it to its payload, and does not give it away\n"
	"checkpoint     a log's length and the hash of all of it, signed: short, and worth keeping\n"
	"witness        somebody else, who signs a checkpoint when the log has only grown\n"
	"legal hold     payloads stay, whatever their lock says, until it is released\n"
	"lock           until when a payload must stay: in the mode governance two persons together\n"
	"               may shorten it, in the mode compliance nobody can\n"
	"\n"
	"The format is in the software's docs/formats.md, section 10: a verifier can be written from\n"
	"it alone, and does not need the software.\n";

/* What of a log is here, in a sentence. */
static void
put_scope(struct buf *out, const struct bundle_part *p)
{
	char from[TIMESTAMP_BYTES], to[TIMESTAMP_BYTES];
	uint64_t n = p->counts.entries;

	buf_printf(out, "Log %s: %" PRIu64 " entries of %" PRIu64 "%s", log_name(p->log->log), n,
		   p->log->head->size, bundle_has_whole(p) ? ", the whole log" : "");
	if (n) {
		timestamp_format(from, p->from_ns);
		timestamp_format(to, p->to_ns);
		buf_printf(out,
			   ";\n  indexes %" PRIu64 " to %" PRIu64 ": %" PRIu64
			   " records and %" PRIu64 " control entries;\n  received from %.10s %.8s "
			   "to %.10s %.8s (UTC)",
			   p->first, p->last, n - p->controls_here, p->controls_here, from,
			   from + 11, to, to + 11);
	}
	buf_put_str(out, ".\n");
}

static void
put_readme(struct bundle *b, struct buf *out)
{
	struct identity *id = store_identity(b->job->st);

	buf_printf(out, "Evidence bundle %.*s of %s\n\n", (int)b->job->id.n,
		   (const char *)b->job->id.p, store_server_name(b->job->st));
	for (size_t i = 0; i < b->job->n_logs; i++)
		put_scope(out, &b->parts[i]);
	buf_put_u8(out, '\n');
	buf_put_str(out, readme_head);
	buf_printf(out, "      %s\n", identity_vkey(id));
	buf_put_str(out, readme_tail);
	identity_unref(id);
}

static void
put_bag_info(struct bundle *b, struct buf *out)
{
	char ended[TIMESTAMP_BYTES];
	uint64_t files, bytes = bundle_bag_bytes(b, &files);

	timestamp_format(ended, b->ended_ns);
	buf_printf(out, "Source-Organization: %s\n", store_server_name(b->job->st));
	buf_printf(out, "Bagging-Date: %.10s\n", ended);
	buf_printf(out, "Bag-Software-Agent: stele %.*s\n", (int)b->job->version.n,
		   (const char *)b->job->version.p);
	buf_printf(out, "External-Identifier: %.*s\n", (int)b->job->id.n,
		   (const char *)b->job->id.p);
	buf_printf(out, "Payload-Oxum: %" PRIu64 ".%" PRIu64 "\n", bytes, files);
}

static int
put(struct bundle *b, const char *path)
{
	int err = b->text.err;

	if (err == 0)
		err = bundle_put_file(b, path, buf_slice(&b->text), &b->tail[b->n_tail]);
	b->n_tail += err == 0;
	buf_reset(&b->text);
	return err;
}

int
bundle_put_texts(struct bundle *b)
{
	int err;

	buf_reset(&b->text);
	put_readme(b, &b->text);
	err = put(b, "README.txt");
	if (err == 0)
		err = bundle_put_certificate(b, &b->text);
	if (err == 0)
		err = put(b, "certificate.html");
	if (err == 0) {
		buf_put(&b->text, verify_page, sizeof verify_page);
		err = put(b, "verify.html");
	}
	if (err == 0) {
		put_bag_info(b, &b->text);
		err = put(b, "bag-info.txt");
	}
	return err;
}
