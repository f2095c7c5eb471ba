#include "tools/verify_trust.h"

#include <inttypes.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/lines.h"

enum { KEYS_MAX_BYTES = 16 << 20 };

int
verify_trust_key(struct receipt_trust *trust, struct sha256 *h, struct buf *vkey, const char *text)
{
	int err;

	if (text[0] == '@') {
		if (cli_read_file(vkey, text + 1, 4096) != CLI_GO)
			return CLI_USAGE;
		while (vkey->n && vkey->p[vkey->n - 1] <= ' ')
			vkey->n--;
	} else {
		buf_put_str(vkey, text);
	}
	err = receipt_trust_init(trust, h, buf_slice(vkey));
	if (!err)
		return CLI_GO;
	if (text[0] == '@' || vkey->n > 256)
		cli_say("--key: what %s holds %s", text[0] == '@' ? text + 1 : "it",
			err == STELE_EVERIFY
				? "has a typing error: its hash does not fit it"
				: "is not a verifier key such as NAME+1a2b3c4d+BASE64");
	else
		cli_say("--key: '%.*s' %s", (int)vkey->n, (const char *)vkey->p,
			err == STELE_EVERIFY
				? "has a typing error: its hash does not fit it"
				: "is not a verifier key such as NAME+1a2b3c4d+BASE64");
	return CLI_USAGE;
}

/* What the first line of a note begins with that --keys takes. */
static const char statement_head[] = "stele key v", succession_head[] = "stele identity v";

static bool
begins(const char *p, const char *head)
{
	return strncmp(p, head, strlen(head)) == 0;
}

static const char *
next_head(const char *p, const char *end)
{
	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		if (begins(p, statement_head) || begins(p, succession_head))
			return p;
	}
	return end;
}

/*
 * Splits a file of key statements and succession notes, one after the other, at their first
 * lines.
 */
static int
split_statements(struct receipt_trust *trust, struct buf *keys)
{
	const char *p = buf_cstr(keys), *end = p + keys->n;

	if (strlen(p) != keys->n || (!begins(p, statement_head) && !begins(p, succession_head))) {
		cli_say("--keys: this is no key statement or succession note; a bundle has them in "
			"data/LOG/keys.txt, and 'stele key show LOG --statement' prints them");
		return CLI_USAGE;
	}
	while (p < end) {
		const char *next = next_head(p, end);
		struct slice note = slice_of(p, (size_t)(next - p));

		if (begins(p, statement_head) ? receipt_trust_statement(trust, note)
					      : receipt_trust_succession(trust, note)) {
			cli_say("--keys: there are more than %u key statements or %u succession "
				"notes; give only those of the logs in question",
				LIMIT_STATEMENTS, LIMIT_SUCCESSIONS);
			return CLI_USAGE;
		}
		p = next;
	}
	return CLI_GO;
}

/* --- keys.txt of a bundle (docs/formats.md section 10) ---------------------------------------- */

/* The base64 that a line has behind its word, or nothing. */
static struct slice
in_base64(struct slice line)
{
	static const char *const words[] = {"key ", "identity "};

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(words[i]);
		if (line.n > n && memcmp(line.p, words[i], n) == 0)
			return slice_of(line.p + n, line.n - n);
	}
	return slice_of(NULL, 0);
}

static bool
is_keys_txt(struct slice text)
{
	return in_base64(text).n > 0;
}

/* Whether a note is whole and one of those that --keys takes: else it would hide its neighbours. */
static bool
is_note(const uint8_t *p, size_t n)
{
	static const char *const heads[] = {statement_head, succession_head};

	for (size_t i = 0; i < 2; i++) {
		size_t head = strlen(heads[i]);
		if (n > head && memcmp(p, heads[i], head) == 0 && p[n - 1] == '\n')
			return true;
	}
	return false;
}

/* Its notes as they stand one after the other in other files. */
static int
put_notes(struct buf *keys, struct slice text, const char *path)
{
	struct lines l;
	uint64_t number = 0;
	size_t n;

	lines_init(&l, text);
	while (l.rest.n) {
		struct slice base64 = in_base64(lines_take(&l));

		number++;
		if (base64.n && buf_reserve(keys, base64.n) == 0 &&
		    base64_decode(keys->p + keys->n, base64.n, &n, base64) == 0 &&
		    is_note(keys->p + keys->n, n)) {
			keys->n += n;
			continue;
		}
		cli_say("--keys: %s, line %" PRIu64 " is neither a key statement nor a succession "
			"note in base64",
			path, number);
		return CLI_USAGE;
	}
	return CLI_GO;
}

static int
read_notes(struct buf *keys, const char *path)
{
	struct buf text;
	int rc;

	buf_init(&text);
	rc = cli_read_file(&text, path, KEYS_MAX_BYTES);
	if (rc == CLI_GO && is_keys_txt(buf_slice(&text)))
		rc = put_notes(keys, buf_slice(&text), path);
	else if (rc == CLI_GO)
		buf_put_slice(keys, buf_slice(&text));
	buf_fini(&text);
	return rc;
}

int
verify_trust_notes(struct receipt_trust *trust, struct buf *keys, const struct cli_texts *files)
{
	for (size_t i = 0; i < files->n; i++)
		if (read_notes(keys, files->text[i]) != CLI_GO)
			return CLI_USAGE;
	return files->n ? split_statements(trust, keys) : CLI_GO;
}
