/* stele key letter: keys on a page that a person signs and another can check. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/identities.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/qr.h"

enum { GROUP = 4, GROUPS_A_LINE = 8 }; /* hex digits; groups */

static const char about[] =
	"Prints a page about the key that auditors pin: the server's name, the identity's\n"
	"verifier key, its fingerprint, the date, a place for a signature, and a QR code of the\n"
	"key. Signed on paper by someone who stands for the server, it ties the key to a person\n"
	"and a day. With LOG the page has that log's key of today, too.\n"
	"The fingerprint is the SHA-256 of the verifier key as printed, without a newline:\n"
	"  printf %s \"$(stele key show)\" | sha256sum\n"
	"\n"
	"  stele key letter | lpr\n"
	"  stele key letter --html letter.html";

static const char statement[] =
	"I compared this key with what the server itself prints (stele key show), over a way that I "
	"trust. It is the verifier key of the server named above.";

/* One key of the page. */
struct key {
	const char *title;
	char *vkey;      /* owned */
	long long epoch; /* of a log's key; -1: the identity's */
	char fingerprint[2 * SHA256_BYTES + 1];
	struct qr qr;
};

struct letter {
	char *server;  /* owned */
	char date[16]; /* of today, UTC: 2026-11-25 */
	struct key keys[2];
	size_t n_keys;
};

static void
fini(struct letter *l)
{
	for (size_t i = 0; i < l->n_keys; i++) {
		free(l->keys[i].vkey);
		qr_fini(&l->keys[i].qr);
	}
	free(l->server);
}

/* --- what is on it ------------------------------------------------------------------------ */

/* Takes a verifier key, which must be one and its ID its own. */
static int
add_key(struct letter *l, struct sha256 *h, const char *title, const char *vkey, long long epoch)
{
	struct key *k = &l->keys[l->n_keys];
	struct note_vkey parsed;
	uint8_t hash[SHA256_BYTES];

	if (!vkey || sign_vkey_parse(h, &parsed, slice_str(vkey)) != 0)
		return STELE_EVERIFY;
	*k = (struct key){.title = title, .vkey = strdup(vkey), .epoch = epoch};
	l->n_keys++;
	if (!k->vkey)
		return STELE_ENOMEM;
	sha256_hash(h, hash, slice_str(vkey));
	hex_format(k->fingerprint, hash, sizeof hash);
	return qr_init(&k->qr, vkey);
}

/* The identities that the server's answer leads to from the one on the page. */
static int
read_identities(const struct letter *l, struct sha256 *h, const json_t *doc, struct identities *ids)
{
	struct slice notes[LIMIT_SUCCESSIONS];
	struct note_vkey pinned;
	const json_t *list = json_object_get(doc, "successions"), *note;
	char why[256];
	size_t i, n = 0;

	json_array_foreach(list, i, note)
	{
		if (!json_is_string(note) || n == LIMIT_SUCCESSIONS)
			return STELE_EVERIFY;
		notes[n++] = slice_of(json_string_value(note), json_string_length(note));
	}
	if (sign_vkey_parse(h, &pinned, slice_str(l->keys[0].vkey)) != 0)
		return STELE_EVERIFY;
	return identities_read(ids, h, &pinned, notes, n, why, sizeof why);
}

/* A log's key, which the statement of the identity, or of one before it, must name. */
static int
add_log_key(struct letter *l, struct sha256 *h, const json_t *doc)
{
	const char *text = json_string_value(json_object_get(doc, "key_statement"));
	const char *vkey = json_string_value(json_object_get(doc, "vkey"));
	struct identities ids;
	struct note_vkey own;
	struct keystatement s;
	size_t by;

	if (!text || !vkey || read_identities(l, h, doc, &ids) != 0 ||
	    sign_vkey_parse(h, &own, slice_str(vkey)) != 0 ||
	    identities_statement(h, &ids, slice_str(text), &s, &by) != 0 ||
	    !slice_eq(s.key.name, own.name) ||
	    memcmp(s.key.public_key, own.public_key, sizeof own.public_key) != 0)
		return STELE_EVERIFY;
	return add_key(l, h, "The log's key", vkey, (long long)s.epoch);
}

static int
take(struct letter *l, const json_t *doc, bool log)
{
	const char *server = json_string_value(json_object_get(doc, "server"));
	struct sha256 *h = sha256_new();
	time_t now = time(NULL);
	struct tm utc;
	int err = STELE_EVERIFY;

	l->server = server ? strdup(server) : NULL;
	gmtime_r(&now, &utc);
	strftime(l->date, sizeof l->date, "%Y-%m-%d", &utc);
	if (!h)
		return STELE_ENOMEM;
	if (l->server)
		err = add_key(l, h, "The server's identity",
			      json_string_value(json_object_get(doc, "server_vkey")), -1);
	if (err == 0 && log)
		err = add_log_key(l, h, doc);
	sha256_free(h);
	return err;
}

/* --- as text ------------------------------------------------------------------------------ */

/* The fingerprint in groups, those of a line apart by a space, the lines by `line`. */
static void
put_fingerprint(struct buf *out, const char *hex, const char *line)
{
	for (size_t i = 0; hex[i]; i += GROUP) {
		if (i)
			buf_put_str(out, i % (GROUP * GROUPS_A_LINE) ? " " : line);
		buf_put(out, hex + i, GROUP);
	}
}

static void
put_text(struct buf *out, const struct letter *l)
{
	buf_printf(out, "KEY LETTER\n\nServer       %s\nDate         %s (UTC)\n", l->server,
		   l->date);
	for (size_t i = 0; i < l->n_keys; i++) {
		const struct key *k = &l->keys[i];
		buf_printf(out, "\n%s", k->title);
		if (k->epoch >= 0)
			buf_printf(out, ", epoch %lld", k->epoch);
		buf_printf(out, "\n\n  %s\n\n  SHA-256 of that line:\n  ", k->vkey);
		put_fingerprint(out, k->fingerprint, "\n  ");
		buf_put_str(out, "\n\n");
		qr_put_blocks(out, &k->qr);
	}
	buf_printf(out,
		   "\n%s\n\n\nName, function  ________________________________________\n\n\n"
		   "Place, date     ________________________________________\n\n\n"
		   "Signature       ________________________________________\n",
		   statement);
}

/* --- as a page ----------------------------------------------------------------------------- */

static void
put_escaped(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("<>&\"", *s))
			buf_printf(out, "&#%d;", *s);
		else
			buf_put_u8(out, (uint8_t)*s);
	}
}

static void
put_html(struct buf *out, const struct letter *l)
{
	buf_put_str(
		out,
		"<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Key letter: ");
	put_escaped(out, l->server);
	buf_put_str(out,
		    "</title>\n<style>body{font:11pt/1.4 serif;max-width:17cm;margin:1cm auto}"
		    "code{font:10pt monospace;overflow-wrap:anywhere}svg{width:5cm}"
		    "section{break-inside:avoid}.line{border-bottom:1px solid;margin:1.2cm 0 0 4cm}"
		    ".line span{margin-left:-4cm}</style>\n<h1>Key letter</h1>\n<p>Server: <b>");
	put_escaped(out, l->server);
	buf_printf(out, "</b><br>Date: %s (UTC)</p>\n", l->date);
	for (size_t i = 0; i < l->n_keys; i++) {
		const struct key *k = &l->keys[i];
		buf_printf(out, "<section><h2>%s", k->title);
		if (k->epoch >= 0)
			buf_printf(out, ", epoch %lld", k->epoch);
		buf_put_str(out, "</h2>\n<p><code>");
		put_escaped(out, k->vkey);
		buf_put_str(out, "</code></p>\n<p>SHA-256 of that line:<br><code>");
		put_fingerprint(out, k->fingerprint, "<br>");
		buf_put_str(out, "</code></p>\n");
		qr_put_svg(out, &k->qr);
		buf_put_str(out, "</section>\n");
	}
	buf_printf(out, "<p>%s</p>\n", statement);
	for (size_t i = 0; i < 3; i++) {
		static const char *const lines[] = {"Name, function", "Place, date", "Signature"};
		buf_printf(out, "<p class=\"line\"><span>%s</span></p>\n", lines[i]);
	}
	buf_put_str(out, "</html>\n");
}

static void
put_json(struct buf *out, const struct letter *l)
{
	json_t *keys = json_array();
	json_t *doc =
		json_pack("{s:s, s:s, s:o}", "server", l->server, "date", l->date, "keys", keys);
	char *text;

	for (size_t i = 0; i < l->n_keys; i++) {
		const struct key *k = &l->keys[i];
		json_t *key =
			json_pack("{s:s, s:s}", "vkey", k->vkey, "fingerprint", k->fingerprint);
		if (k->epoch >= 0)
			json_object_set_new(key, "epoch", json_integer(k->epoch));
		json_array_append_new(keys, key);
	}
	text = json_dumps(doc, JSON_COMPACT);
	buf_put_str(out, text ? text : "");
	free(text);
	json_decref(doc);
}

/* --- the command --------------------------------------------------------------------------- */

static int
print(struct cli *cli, const struct letter *l, const char *html)
{
	struct buf out;
	int rc;

	buf_init(&out);
	if (html)
		put_html(&out, l);
	else if (cli->json)
		put_json(&out, l);
	else
		put_text(&out, l);
	if (out.err) {
		cli_say("cannot make the letter: out of memory");
		rc = CLI_USAGE;
	} else {
		rc = !html && cli->json ? cli_write_json(buf_slice(&out))
					: cli_write_file(html, buf_slice(&out));
	}
	buf_fini(&out);
	return rc == CLI_GO ? CLI_DONE : rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *html = NULL;
	const struct cli_option options[] = {
		{"html", 0, CLI_TEXT, &html, "FILE", "write it as a web page that prints well"},
		{NULL},
	};
	struct letter l = {.n_keys = 0};
	struct buf target;
	json_t *doc = NULL;
	int n, err, rc = cli_parse(cli, self, options, argc, argv, 0, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	if (n)
		api_log_target(&target, argv[0], "%s", "");
	else
		buf_put_str(&target, "/api/v1/logs?limit=1");
	rc = api_ask(cli, "GET", api_cstr(&target), NULL, &doc, "make the letter");
	if (rc == CLI_GO) {
		err = take(&l, doc, n == 1);
		if (err != 0)
			cli_say("cannot make the letter: %s",
				err == STELE_EVERIFY
					? "the server's answer has no keys that belong together"
					: stele_strerror(err));
		rc = err ? CLI_REFUSED : print(cli, &l, html);
	}
	fini(&l);
	json_decref(doc);
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_key_letter = {
	.name = "key letter",
	.operands = "[LOG] [--html FILE]",
	.summary = "print a page about the key to trust, to be signed",
	.about = about,
	.run = run,
};
