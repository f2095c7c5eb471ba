/*
 * stele verify: evidence bundles, receipts, .tlog-proof files, checkpoints and search certificates,
 * offline.
 *
 * What a file is shows in its first bytes: "PK" begins a bundle, '{' JSON (one receipt, or one
 * a line), "c2sp.org/tlog-proof@" a proof, "stele search evidence v" a certificate,
 * anything else must be a signed note.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "crypto/receipt.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/certificate.h"
#include "tools/bundle_report.h"
#include "tools/certificates.h"
#include "tools/commands.h"
#include "tools/payloads.h"
#include "verify/receipt_json.h"
#include "tools/report.h"
#include "tools/verify_trust.h"

enum { NOTE_FILE_MAX_BYTES = 1 << 20 };

static const char about[] =
	"Checks evidence on this machine alone: no server, no network. Each FILE is an evidence\n"
	"bundle (the ZIP from 'stele export', or its piece FILE.001), a receipt as JSON (from append, get\n"
	"--json or prove), a file of such receipts one a line, a .tlog-proof, a signed checkpoint, or the\n"
	"certificate of a search. One line says what each check found; the last line is the verdict.\n"
	"\n"
	"VKEY is the one thing you must have from elsewhere, from who runs the server: its identity's\n"
	"key ('stele key show' prints it there), or a log's ('stele key show LOG'); a bundle needs the\n"
	"identity's. No key is trusted that comes with the evidence: with the identity's, a log's key counts when\n"
	"a key statement signed by that identity names it. Receipts from 'stele prove' bring the statement along;\n"
	"--keys takes up to 1024 from files, keys.txt of a bundle too (for its checkpoint). An identity that was replaced, or that\n"
	"replaced another one, does as well: the succession notes tie them together, and come the\n"
	"same ways. When one was replaced as others may know its key, --no-successions has VKEY speak alone.\n"
	"\n"
	"A receipt commits to its payload; to have that checked, the payload must be there: in\n"
	"the receipt, or as --payload FILE. When it is in both, both must be what was committed\n"
	"to. For receipts of 'stele append --ndjson', FILE is the NDJSON that was sent.\n"
	"\n"
	"--since FILE takes a signed checkpoint that you kept, and shows that the log only grew\n"
	"since then: rollback and forks show here. It needs a receipt, checkpoint or bundle fetched with\n"
	"'--since' too, which holds the proof. With a bundle there may be one for each log; a\n"
	"checkpoint out of that same bundle shows nothing.\n"
	"\n"
	"--rows FILE takes the rows of a search (NDJSON, or from 'stele query --json'): are they its certificate's matches?\n"
	"\n"
	"  stele verify one.json --key @identity.vkey\n"
	"  stele verify one.tlog-proof --payload one.bin --key ledger.example.com/payments+5e…\n"
	"  stele verify now.json --since kept.checkpoint --key @identity.vkey\n"
	"  stele verify search.cert --rows rows.ndjson --key @identity.vkey\n"
	"\n"
	"--policy FILE is a C2SP tlog-policy: witnesses that must have cosigned the checkpoint of a\n"
	"receipt, proof or bundle. --tsa-ca FILE has roots (PEM) of time authorities: each timestamp must lead to one.\n"
	"\n"
	"  stele verify evidence.zip --key @identity.vkey\n"
	"\n"
	"The checks of a bundle, in this order; the first that fails ends them:\n"
	"\n"
	"  archive       it is a strict ZIP, with exactly the files that a bundle has\n"
	"  manifest      every file is as the lists in the bundle say\n"
	"  signature     these lists are signed by the key given\n"
	"  keys          each log's checkpoint is signed by the key that speaks for it\n"
	"  entries       every entry is well-formed, and all are here that are promised\n"
	"  chain         neighbours are chained by hashes; times never go back\n"
	"  commitments   every payload here is, to the byte, the one that was recorded\n"
	"  inclusion     every entry is in the tree that the checkpoint signs\n"
	"  consistency   the log grew out of the older checkpoints given (--since)\n"
	"  controls      no control entry of the logs is missing: policies, holds, purges\n"
	"  rules         what was done to locks and payloads was allowed\n"
	"  custody       the server recorded this export\n"
	"  timestamps    authorities elsewhere saw the logs when they say\n"
	"  completeness  nothing that was asked for is missing, as far as that is claimed\n"
	"\n"
	"'open' says that there was nothing to look at: it is no finding, neither for nor against.\n"
	"'not checked' are those behind one that failed. With --json each check of a bundle has\n"
	"\"result\": ok, open, failed or not_checked. Beside it \"ok\" is true of the first two (and\n"
	"\"open\" then tells them apart), false of the third, and null of the last. What the bundle\n"
	"has is in \"covers\"; of an invalid one in \"claims\", which nothing vouches for.\n"
	"\n"
	"exit status: 0 all valid; 1 something is not; 2 valid, but for a completeness that is claimed\n"
	"and fails; 3 wrong usage, or something is unreadable.";

struct verify {
	struct cli *cli;
	struct sha256 *h;
	struct receipt_trust trust;
	struct report report;
	struct payloads payloads;
	bool alone; /* no succession counts */
	bool has_payload;
	const char *payload_path;
	size_t whole_used;            /* receipts that took the payload file as a whole */
	bool held;                    /* a receipt was held against the payload file */
	struct buf vkey, keys, since; /* since: the only one there is, or empty */
	struct bundle_since sinces[CLI_TEXTS_MAX];
	struct buf since_text[CLI_TEXTS_MAX];
	size_t n_sinces;
	struct buf policy_text;
	struct tlogpolicy *policy;   /* NULL: none was given */
	struct tsp_roots *tsa_roots; /* likewise */
	bool has_rows;
	struct certificate_rows rows;
};

/* --- the pieces that come from elsewhere -------------------------------------- */

static int
open_payload(struct verify *v, const char *path)
{
	if (!path)
		return CLI_GO;
	v->payload_path = path;
	v->has_payload = payloads_open(&v->payloads, path) == 0;
	if (!v->has_payload)
		cli_say("cannot read %s: %s", path, strerror(errno));
	return v->has_payload ? CLI_GO : CLI_USAGE;
}

static int
read_rows(struct verify *v, const char *path)
{
	struct payloads file;
	struct buf why;
	int err = 0;

	if (!path)
		return CLI_GO;
	buf_init(&why);
	if (payloads_open(&file, path) != 0 || payloads_map(&file) != 0)
		buf_printf(&why, "%s", strerror(errno));
	else
		err = certificate_rows_read(&v->rows, file.all, &why);
	if (err == STELE_ENOMEM)
		buf_put_str(&why, "out of memory");
	if (why.n)
		cli_say("--rows: cannot read %s: %s", path, buf_cstr(&why));
	v->has_rows = why.n == 0;
	payloads_close(&file);
	buf_fini(&why);
	return v->has_rows ? CLI_GO : CLI_USAGE;
}

static int
read_policy(struct verify *v, const char *path)
{
	const char *what;
	size_t line;

	if (!path)
		return CLI_GO;
	if (cli_read_file(&v->policy_text, path, TLOGPOLICY_BYTES) != CLI_GO)
		return CLI_USAGE;
	v->policy = calloc(1, sizeof *v->policy);
	CHECK(v->policy);
	if (tlogpolicy_read(v->policy, v->h, buf_slice(&v->policy_text), &line, &what) == 0)
		return CLI_GO;
	cli_say("--policy: %s, line %zu: %s", path, line, what);
	return CLI_USAGE;
}

static int
read_roots(struct verify *v, const char *path)
{
	struct buf pem;
	int err, rc;

	if (!path)
		return CLI_GO;
	buf_init(&pem);
	rc = cli_read_file(&pem, path, NOTE_FILE_MAX_BYTES);
	err = rc == CLI_GO ? tsp_roots_new(&v->tsa_roots, buf_slice(&pem)) : 0;
	buf_fini(&pem);
	if (err)
		cli_say("--tsa-ca: %s is no list of certificates in PEM", path);
	return rc == CLI_GO && err == 0 ? CLI_GO : CLI_USAGE;
}

static int
read_sinces(struct verify *v, const struct cli_texts *files)
{
	for (size_t i = 0; i < files->n; i++) {
		struct buf *text = &v->since_text[v->n_sinces++];
		if (cli_read_file(text, files->text[i], NOTE_FILE_MAX_BYTES) != CLI_GO)
			return CLI_USAGE;
		v->sinces[i] = (struct bundle_since){files->text[i], buf_slice(text)};
	}
	if (files->n == 1)
		buf_put_slice(&v->since, v->sinces[0].note);
	return CLI_GO;
}

/* --- one item ------------------------------------------------------------------ */

/* The older checkpoint's size, for the report; 0 when it is none. */
static uint64_t
since_size(const struct verify *v)
{
	struct note note;
	struct checkpoint c;

	if (note_parse(&note, buf_slice(&v->since)) || checkpoint_parse(&c, note.text))
		return 0;
	return c.size;
}

static void
check_since(struct verify *v, const struct receipt_json *d, const struct receipt_trust *trust,
	    struct receipt_verdict *verdict, struct report_item *item)
{
	struct receipt_growth growth;

	item->since = v->since.n > 0;
	if (!item->since || verdict->err)
		return;
	item->since_size = since_size(v);
	if (d && d->has_consistency)
		growth = (struct receipt_growth){d->from, d->to, d->consistency, d->n_consistency};
	receipt_check_since(v->h, buf_slice(&v->since), d && d->has_consistency ? &growth : NULL,
			    trust, verdict);
}

static void
check_witnesses(struct verify *v, struct slice checkpoint, struct receipt_verdict *verdict,
		struct report_item *item)
{
	item->witnesses = v->policy != NULL;
	if (item->witnesses && !verdict->err)
		receipt_check_witnesses(v->policy, checkpoint, verdict);
}

/*
 * Checks the receipt with the payload that it brings, and then with the one that
 * was given: where there are both, both must be what was committed to. False:
 * the given file does not have the receipt's line. The verdict points into r.
 */
static bool
check_record(struct verify *v, struct receipt *r, const struct receipt_trust *trust,
	     const struct receipt_json *d, struct receipt_verdict *verdict)
{
	bool brought = r->has_payload, by_line = v->has_payload && d && d->has_line;
	struct slice line;

	v->held = true;
	if (by_line && !payloads_line(&v->payloads, d->line, &line))
		return false;
	if (brought) {
		receipt_check(v->h, r, trust, verdict);
		if (verdict->err || !v->has_payload)
			return true;
	}
	r->has_payload = v->has_payload;
	if (by_line) {
		r->payload = line;
	} else if (v->has_payload) {
		v->whole_used += !brought;
		payloads_rewind(&v->payloads);
		r->payload_next = payloads_next;
		r->payload_ctx = &v->payloads;
	}
	receipt_check(v->h, r, trust, verdict);
	return true;
}

static void
check_json(struct verify *v, struct slice text, struct report_item *item)
{
	struct receipt_trust trust = v->trust;
	struct receipt_verdict verdict;
	struct receipt_json d;
	struct buf why;

	buf_init(&why);
	if (receipt_json_read(&d, text, &why) != 0) {
		report_unreadable(&v->report, item, buf_cstr(&why));
		buf_fini(&why);
		return;
	}
	item->is_checkpoint = !d.is_record;
	if (receipt_json_trust(&d, !v->alone, &trust, &why) != 0) {
		report_unreadable(&v->report, item, buf_cstr(&why));
	} else if (d.is_record && !check_record(v, &d.receipt, &trust, &d, &verdict)) {
		report_unreadable(&v->report, item,
				  "the payload file does not have the line that "
				  "this receipt is for; is it the NDJSON that was sent?");
	} else {
		item->no_payload_file = !d.receipt.has_payload;
		if (!d.is_record)
			receipt_check_checkpoint(v->h, d.receipt.proof.checkpoint, &trust,
						 &verdict);
		check_since(v, &d, &trust, &verdict, item);
		check_witnesses(v, d.receipt.proof.checkpoint, &verdict, item);
		report_verdict(&v->report, item, &verdict);
	}
	receipt_json_fini(&d);
	buf_fini(&why);
}

static void
check_proof(struct verify *v, struct slice text, struct report_item *item)
{
	struct receipt r = {.has_index = true, .has_salt = true};
	struct receipt_verdict verdict;
	int err = proof_text_parse(&r.proof, text);

	if (err) {
		report_unreadable(&v->report, item,
				  err == STELE_EVERSION
					  ? "it is a tlog-proof of another version"
					  : "it is not a whole and unaltered tlog-proof");
		return;
	}
	check_record(v, &r, &v->trust, NULL, &verdict);
	item->no_payload_file = !r.has_payload;
	check_since(v, NULL, &v->trust, &verdict, item);
	check_witnesses(v, r.proof.checkpoint, &verdict, item);
	report_verdict(&v->report, item, &verdict);
}

static void
check_note(struct verify *v, struct slice text, struct report_item *item)
{
	struct receipt_verdict verdict;
	struct checkpoint unsigned_text;
	struct note note;

	item->is_checkpoint = true;
	if (note_parse(&note, text) && checkpoint_parse(&unsigned_text, text)) {
		report_unreadable(&v->report, item,
				  "it is no evidence: neither JSON, nor a tlog-proof, nor a signed "
				  "checkpoint");
		return;
	}
	receipt_check_checkpoint(v->h, text, &v->trust, &verdict);
	check_since(v, NULL, &v->trust, &verdict, item);
	check_witnesses(v, text, &verdict, item);
	report_verdict(&v->report, item, &verdict);
}

static void
check_certificate(struct verify *v, struct slice text, struct report_item *item)
{
	if (v->policy) {
		report_unreadable(&v->report, item,
				  "--policy is not for certificates of searches, whose statement "
				  "no witness sees: leave it out");
		return;
	}
	if (v->since.n) {
		report_unreadable(&v->report, item,
				  "--since is for receipts and checkpoints: leave it out, the "
				  "certificate holds its checkpoint itself");
		return;
	}
	certificate_check(&v->report, item, text, &v->trust, !v->alone,
			  v->has_rows ? &v->rows : NULL);
}

static void
check_bundle(struct verify *v, const char *path)
{
	const struct bundle_options options = {
		.trust = &v->trust,
		.policy = v->policy,
		.tsa_roots = v->tsa_roots,
		.successions = !v->alone,
		.since = v->sinces,
		.n_since = v->n_sinces,
	};

	bundle_report(&v->report, path, buf_slice(&v->vkey), &options);
}

/* --- one file ------------------------------------------------------------------- */

static bool
blank(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(" \t\r\n", s.p[i], 4))
			return false;
	return true;
}

static bool
is_json(struct slice s)
{
	json_t *doc = json_loadb((const char *)s.p, s.n, JSON_ALLOW_NUL, NULL);

	json_decref(doc);
	return doc != NULL;
}

/* Takes the next line, without its LF, off the front. */
static struct slice
take_line(struct slice *rest)
{
	const uint8_t *lf = memchr(rest->p, '\n', rest->n);
	struct slice line = slice_of(rest->p, lf ? (size_t)(lf - rest->p) : rest->n);
	size_t used = line.n + (lf ? 1 : 0);

	*rest = slice_of(rest->p + used, rest->n - used);
	return line;
}

/* One document, or one a line: when there is more than a line, the first decides. */
static void
check_json_file(struct verify *v, struct slice text, const char *path)
{
	struct report_item item = {.file = path};
	struct slice rest = text, first = take_line(&rest);
	uint64_t number = 0;

	v->report.every = v->report.json || blank(rest) || !is_json(first);
	if (blank(rest) || !is_json(first)) {
		check_json(v, text, &item);
		return;
	}
	report_begin(&v->report);
	for (rest = text; rest.n;) {
		struct slice line = take_line(&rest);

		item = (struct report_item){.file = path, .line = ++number};
		if (!blank(line))
			check_json(v, line, &item);
	}
	report_file(&v->report, path);
}

static void
check_file(struct verify *v, const char *path)
{
	static const char proof[] = "c2sp.org/tlog-proof@";
	struct report_item item = {.file = path};
	struct payloads file;
	struct slice text;

	v->report.every = true;
	if (payloads_open(&file, path) != 0) {
		report_unreadable(
			&v->report, &item,
			errno == EISDIR
				? "it is a folder: give the bundle's ZIP file itself, as it was got "
				  "(an unpacked one verify.html can look at)"
				: strerror(errno));
		return;
	}
	if (payloads_map(&file) != 0) {
		report_unreadable(&v->report, &item, strerror(errno));
		payloads_close(&file);
		return;
	}
	text = file.all;
	if (bundle_is(text))
		check_bundle(v, path);
	else if (v->tsa_roots)
		report_unreadable(&v->report, &item,
				  "it is no bundle, and --tsa-ca is for bundles: leave it out");
	else if (v->n_sinces > 1)
		report_unreadable(&v->report, &item,
				  "it is no bundle, and there are several --since: give one");
	else if (text.n == 0)
		report_unreadable(&v->report, &item, "it is empty");
	else if (text.p[0] == '{')
		check_json_file(v, text, path);
	else if (text.n > strlen(proof) && memcmp(text.p, proof, strlen(proof)) == 0)
		check_proof(v, text, &item);
	else if (certificate_is(text))
		check_certificate(v, text, &item);
	else
		check_note(v, text, &item);
	payloads_close(&file);
}

static int
check_files(struct verify *v, char **files, int n)
{
	for (int i = 0; i < n; i++)
		check_file(v, files[i]);
	if (v->whole_used > 1) {
		cli_say("--payload %s was held against %zu receipts as a whole; "
			"check those one at a time",
			v->payload_path, v->whole_used);
		return CLI_USAGE;
	}
	if (v->has_payload && !v->held) {
		struct report_item item = {.file = v->payload_path};

		report_unreadable(&v->report, &item,
				  "there was no record's receipt to hold against this payload");
	}
	if (v->has_rows && !v->rows.held) {
		struct report_item item = {.file = "--rows"};

		report_unreadable(&v->report, &item,
				  "there was no certificate to hold rows against");
	}
	return report_end(&v->report);
}

/* Says what there has to be, and is not. */
static int
check_usage(const struct cli_command *self, int n_files, const char *key)
{
	if (n_files == 0)
		return cli_usage(self,
				 "FILE is missing%s: a bundle (ZIP), receipt, proof, checkpoint "
				 "or search certificate",
				 key ? "" : ", and so is --key");
	if (!key)
		return cli_usage(
			self,
			"--key is missing: without a key you trust, nothing is valid. Get it from who "
			"runs the server, on another way than the evidence: 'stele key "
			"show' prints it there");
	return CLI_GO;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *key = NULL, *payload = NULL, *rows = NULL, *policy = NULL, *roots = NULL;
	struct verify v = {.cli = cli};
	struct cli_texts keys = {.n = 0}, since = {.n = 0};
	const struct cli_option options[] = {
		{"key", 0, CLI_TEXT, &key, "VKEY|@FILE", "the key you trust (required)"},
		{"keys", 0, CLI_TEXTS, &keys, "FILE", "key statements of logs, succession notes"},
		{"no-successions", 0, CLI_FLAG, &v.alone, NULL,
		 "believe VKEY alone, no identity before or after it"},
		{"payload", 0, CLI_TEXT, &payload, "FILE",
		 "the payload, or the NDJSON that was sent"},
		{"since", 0, CLI_TEXTS, &since, "FILE",
		 "a checkpoint you kept: the log must have grown from it"},
		{"policy", 0, CLI_TEXT, &policy, "FILE",
		 "a C2SP tlog-policy: witnesses that must have cosigned the checkpoints"},
		{"tsa-ca", 0, CLI_TEXT, &roots, "FILE",
		 "roots that a bundle's timestamps must lead to (PEM)"},
		{"rows", 0, CLI_TEXT, &rows, "FILE", "the rows of the search that is certified"},
		{"json", 0, CLI_FLAG, &cli->json, NULL, "the same as JSON, for programs"},
		{NULL},
	};
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, argc, &n);

	if (rc == CLI_GO)
		rc = check_usage(self, n, key);
	if (rc != CLI_GO)
		return rc;
	v.report.json = cli->json;
	v.h = sha256_new();
	CHECK(v.h);
	buf_init(&v.vkey);
	buf_init(&v.keys);
	buf_init(&v.since);
	rc = verify_trust_key(&v.trust, v.h, &v.vkey, key);
	if (rc == CLI_GO)
		rc = verify_trust_notes(&v.trust, &v.keys, &keys);
	if (v.alone)
		v.trust.n_successions = 0;
	if (rc == CLI_GO)
		rc = open_payload(&v, payload);
	if (rc == CLI_GO)
		rc = read_policy(&v, policy);
	if (rc == CLI_GO)
		rc = read_roots(&v, roots);
	if (rc == CLI_GO)
		rc = read_sinces(&v, &since);
	if (rc == CLI_GO)
		rc = read_rows(&v, rows);
	if (rc == CLI_GO)
		rc = check_files(&v, argv, n);
	payloads_close(&v.payloads);
	certificate_rows_free(&v.rows);
	buf_fini(&v.vkey);
	buf_fini(&v.keys);
	buf_fini(&v.since);
	buf_fini(&v.policy_text);
	free(v.policy);
	tsp_roots_free(v.tsa_roots);
	for (size_t i = 0; i < v.n_sinces; i++)
		buf_fini(&v.since_text[i]);
	sha256_free(v.h);
	return rc;
}

const struct cli_command cmd_verify = {
	.name = "verify",
	.operands = "FILE... --key VKEY|@FILE [OPTION...]",
	.summary =
		"check evidence bundles, receipts, proofs, checkpoints and search certificates offline",
	.about = about,
	.run = run,
};
