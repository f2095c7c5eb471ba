#include "tools/verify_trust.h"

#include <string.h>

#include "proto/err.h"

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
		cli_say("--keys: this is no key statement or succession note; 'stele key show LOG --statement' prints "
			"one");
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

int
verify_trust_notes(struct receipt_trust *trust, struct buf *keys, const struct cli_texts *files)
{
	for (size_t i = 0; i < files->n; i++)
		if (cli_read_file(keys, files->text[i], KEYS_MAX_BYTES) != CLI_GO)
			return CLI_USAGE;
	return files->n ? split_statements(trust, keys) : CLI_GO;
}
