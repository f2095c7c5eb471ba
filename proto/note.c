/* The whole note is checked before anything of it is handed out. */
#include "proto/note.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/lines.h"
#include "proto/utf8.h"

#define DASH "\xe2\x80\x94 " /* U+2014 and a space */

enum { DASH_BYTES = sizeof DASH - 1, HEX_ID_BYTES = 2 * NOTE_KEY_ID_BYTES };

/* --- characters ----------------------------------------------------------- */

/* Valid UTF-8 without control characters but newline. */
static bool
text_valid(struct slice s)
{
	while (s.n) {
		uint32_t c;
		size_t n = utf8_decode(&c, s);

		if (n == 0 || (c < 0x20 && c != '\n'))
			return false;
		s = slice_of(s.p + n, s.n - n);
	}
	return true;
}

bool
note_name_valid(struct slice name)
{
	if (name.n == 0)
		return false;
	while (name.n) {
		uint32_t c;
		size_t n = utf8_decode(&c, name);

		if (n == 0 || c < 0x20 || c == '+' || utf8_is_space(c))
			return false;
		name = slice_of(name.p + n, name.n - n);
	}
	return true;
}

/* Whether text is base64 of at least min bytes; the bytes are not kept. */
static bool
base64_valid(struct slice text, size_t min)
{
	uint8_t block[768];
	size_t total = 0;

	while (text.n) {
		size_t take = text.n < 1024 ? text.n : 1024, n;

		if (base64_decode(block, sizeof block, &n, slice_of(text.p, take)) != 0)
			return false;
		if (take < text.n && n != sizeof block)
			return false; /* padding before the end */
		total += n;
		text = slice_of(text.p + take, text.n - take);
	}
	return total >= min;
}

/* --- notes ---------------------------------------------------------------- */

/* One line without its newline. */
static int
parse_signature(struct note_signature *s, struct slice line)
{
	struct slice rest, base64;
	const uint8_t *space;
	uint8_t head[6]; /* the key ID, and what shares its base64 */
	size_t n;

	if (line.n < DASH_BYTES || memcmp(line.p, DASH, DASH_BYTES) != 0)
		return STELE_ESYNTAX;
	rest = slice_of(line.p + DASH_BYTES, line.n - DASH_BYTES);
	space = rest.n ? memchr(rest.p, ' ', rest.n) : NULL;
	if (!space)
		return STELE_ESYNTAX;
	n = (size_t)(space - rest.p);
	base64 = slice_of(space + 1, rest.n - n - 1);
	if (!note_name_valid(slice_of(rest.p, n)) || !base64_valid(base64, NOTE_KEY_ID_BYTES + 1))
		return STELE_ESYNTAX;
	s->name = slice_of(rest.p, n);
	s->base64 = base64;
	CHECK(base64_decode(head, sizeof head, &n, slice_of(base64.p, 8)) == 0);
	memcpy(s->key_id, head, NOTE_KEY_ID_BYTES);
	return 0;
}

/* Where the last blank line's first newline stands, or NULL. */
static const uint8_t *
last_blank(struct slice s)
{
	const uint8_t *p = s.n ? s.p + s.n - 1 : s.p;

	for (; p > s.p; p--)
		if (p[-1] == '\n' && p[0] == '\n')
			return p - 1;
	return NULL;
}

int
note_parse(struct note *note, struct slice text)
{
	struct note got = {.n_signatures = 0};
	const uint8_t *blank;
	struct lines l;

	if (text.n > LIMIT_NOTE_BYTES)
		return STELE_ELIMIT;
	blank = last_blank(text);
	if (!blank || !text_valid(text))
		return STELE_ESYNTAX;
	got.text = slice_of(text.p, (size_t)(blank + 1 - text.p));
	lines_init(&l, slice_of(blank + 2, text.n - got.text.n - 1));
	do {
		if (got.n_signatures == LIMIT_NOTE_SIGNATURES)
			return STELE_ELIMIT;
		if (parse_signature(&got.signatures[got.n_signatures++], lines_take(&l)) != 0)
			return STELE_ESYNTAX;
	} while (l.rest.n);
	*note = got;
	return 0;
}

int
note_signature_blob(uint8_t *out, size_t cap, size_t *n_out, const struct note_signature *s)
{
	uint8_t bytes[LIMIT_NOTE_BLOB_BYTES + NOTE_KEY_ID_BYTES];
	size_t n;
	int rc = base64_decode(bytes, sizeof bytes, &n, s->base64);

	if (rc)
		return rc;
	n -= NOTE_KEY_ID_BYTES;
	if (n > cap)
		return STELE_ELIMIT;
	memcpy(out, bytes + NOTE_KEY_ID_BYTES, n);
	*n_out = n;
	return 0;
}

int
note_put_signature(struct buf *out, struct slice name, const uint8_t key_id[NOTE_KEY_ID_BYTES],
		   struct slice blob)
{
	uint8_t bytes[NOTE_KEY_ID_BYTES + LIMIT_NOTE_BLOB_BYTES];

	if (!note_name_valid(name) || blob.n == 0 || blob.n > LIMIT_NOTE_BLOB_BYTES)
		return STELE_EINVAL;
	memcpy(bytes, key_id, NOTE_KEY_ID_BYTES);
	memcpy(bytes + NOTE_KEY_ID_BYTES, blob.p, blob.n);
	buf_put(out, DASH, DASH_BYTES);
	buf_put_slice(out, name);
	buf_put_u8(out, ' ');
	buf_put_base64(out, bytes, NOTE_KEY_ID_BYTES + blob.n);
	buf_put_u8(out, '\n');
	return 0;
}

/* --- verifier keys ---------------------------------------------------------- */

static int
nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
parse_key_id(uint8_t id[NOTE_KEY_ID_BYTES], const uint8_t *hex)
{
	for (size_t i = 0; i < NOTE_KEY_ID_BYTES; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return STELE_ESYNTAX;
		id[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static bool
type_supported(unsigned type)
{
	return type == NOTE_ED25519 || type == NOTE_ED25519_COSIGNATURE;
}

int
note_vkey_parse(struct note_vkey *key, struct slice text)
{
	const uint8_t *plus = text.n ? memchr(text.p, '+', text.n) : NULL;
	size_t name = plus ? (size_t)(plus - text.p) : 0;
	uint8_t bytes[LIMIT_NOTE_BLOB_BYTES];
	struct note_vkey got;
	size_t n;

	if (!plus || text.n - name < HEX_ID_BYTES + 2 || plus[1 + HEX_ID_BYTES] != '+')
		return STELE_ESYNTAX;
	got.name = slice_of(text.p, name);
	if (!note_name_valid(got.name) || parse_key_id(got.key_id, plus + 1) != 0)
		return STELE_ESYNTAX;
	name += HEX_ID_BYTES + 2;
	if (base64_decode(bytes, sizeof bytes, &n, slice_of(text.p + name, text.n - name)) != 0 ||
	    n == 0)
		return STELE_ESYNTAX;
	if (!type_supported(bytes[0]))
		return STELE_EUNSUPPORTED;
	if (n != 1 + NOTE_PUBLIC_KEY_BYTES)
		return STELE_ESYNTAX;
	got.type = (enum note_type)bytes[0];
	memcpy(got.public_key, bytes + 1, NOTE_PUBLIC_KEY_BYTES);
	*key = got;
	return 0;
}

int
note_put_vkey(struct buf *out, const struct note_vkey *key)
{
	const uint8_t *id = key->key_id;
	uint8_t bytes[1 + NOTE_PUBLIC_KEY_BYTES] = {(uint8_t)key->type};

	if (!note_name_valid(key->name) || !type_supported(key->type))
		return STELE_EINVAL;
	memcpy(bytes + 1, key->public_key, NOTE_PUBLIC_KEY_BYTES);
	buf_put_slice(out, key->name);
	buf_printf(out, "+%02x%02x%02x%02x+", id[0], id[1], id[2], id[3]);
	buf_put_base64(out, bytes, sizeof bytes);
	return 0;
}

void
note_put_key_id_input(struct buf *out, const struct note_vkey *key)
{
	buf_put_slice(out, key->name);
	buf_put_u8(out, '\n');
	buf_put_u8(out, (uint8_t)key->type);
	buf_put(out, key->public_key, NOTE_PUBLIC_KEY_BYTES);
}
