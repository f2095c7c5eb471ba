/* Lines in a fixed order; the checkpoint is whatever follows the blank one. */
#include "proto/proof.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/lines.h"

#define MAGIC "c2sp.org/tlog-proof@v"

enum { SALT_BASE64_BYTES = 24, HASH_BASE64_BYTES = 44 };
enum { EXTRA_BYTES = LIMIT_ENTRY_BYTES + 1 + SALT_BASE64_BYTES };

/* The entry, LF, and the salt in base64, all of it in base64 once more. */
static int
parse_extra(struct proof_text *proof, struct slice base64)
{
	uint8_t extra[EXTRA_BYTES];
	const uint8_t *newline;
	size_t n, entry_n;
	int rc = base64_decode(extra, sizeof extra, &n, base64);

	if (rc)
		return rc;
	newline = n ? memchr(extra, '\n', n) : NULL;
	entry_n = newline ? (size_t)(newline - extra) : 0;
	if (entry_n == 0)
		return STELE_ESYNTAX;
	if (entry_n > LIMIT_ENTRY_BYTES)
		return STELE_ELIMIT;
	if (base64_decode_exact(proof->salt, PROOF_SALT_BYTES,
				slice_of(newline + 1, n - entry_n - 1)) != 0)
		return STELE_ESYNTAX;
	memcpy(proof->entry, extra, entry_n);
	proof->entry_n = entry_n;
	return 0;
}

/* Hash lines up to and including the blank one. */
static int
parse_hashes(struct proof_text *proof, struct lines *l)
{
	struct slice line = lines_take(l);

	for (proof->n_hashes = 0; line.n; line = lines_take(l)) {
		if (proof->n_hashes == LIMIT_PROOF_HASHES)
			return STELE_ELIMIT;
		if (base64_decode_exact(proof->hashes[proof->n_hashes++], PROOF_HASH_BYTES, line) !=
		    0)
			return STELE_ESYNTAX;
	}
	return lines_err(l);
}

int
proof_text_parse(struct proof_text *proof, struct slice text)
{
	struct proof_text got;
	struct slice version, extra;
	struct lines l;
	int rc;

	if (text.n > LIMIT_PROOF_TEXT_BYTES)
		return STELE_ELIMIT;
	lines_init(&l, text);
	version = lines_take_after(&l, MAGIC);
	if (!lines_err(&l) && !slice_eq_str(version, "1"))
		return STELE_EVERSION;
	extra = lines_take_after(&l, "extra ");
	got.index = lines_take_integer_after(&l, "index ");
	if (lines_err(&l))
		return STELE_ESYNTAX;
	rc = parse_extra(&got, extra);
	if (rc == 0)
		rc = parse_hashes(&got, &l);
	if (rc)
		return rc;
	if (l.rest.n == 0)
		return STELE_ESYNTAX;
	got.checkpoint = l.rest;
	*proof = got;
	return 0;
}

int
proof_text_put(struct buf *out, const struct proof_text *proof)
{
	uint8_t extra[EXTRA_BYTES];
	size_t n = proof->entry_n;

	if (n == 0 || n > LIMIT_ENTRY_BYTES || memchr(proof->entry, '\n', n) ||
	    proof->n_hashes > LIMIT_PROOF_HASHES || proof->index > LIMIT_INTEGER ||
	    proof->checkpoint.n == 0)
		return STELE_EINVAL;
	memcpy(extra, proof->entry, n);
	extra[n++] = '\n';
	n += base64_encode((char *)extra + n, proof->salt, PROOF_SALT_BYTES);
	buf_put_str(out, MAGIC "1\nextra ");
	buf_put_base64(out, extra, n);
	buf_put_str(out, "\nindex ");
	buf_put_dec(out, proof->index);
	buf_put_u8(out, '\n');
	for (size_t i = 0; i < proof->n_hashes; i++) {
		buf_put_base64(out, proof->hashes[i], PROOF_HASH_BYTES);
		buf_put_u8(out, '\n');
	}
	buf_put_u8(out, '\n');
	buf_put_slice(out, proof->checkpoint);
	return 0;
}

/* Once for every receipt: the room is taken at one go, then it is only encoding. */
void
proof_put_json(struct buf *out, const uint8_t (*hashes)[PROOF_HASH_BYTES], size_t n)
{
	char *p;

	CHECK(n <= LIMIT_PROOF_HASHES);
	if (buf_reserve(out, 2 + n * (HASH_BASE64_BYTES + 3)) != 0)
		return;
	p = (char *)out->p + out->n;
	*p++ = '[';
	for (size_t i = 0; i < n; i++) {
		if (i)
			*p++ = ',';
		*p++ = '"';
		p += base64_encode(p, hashes[i], PROOF_HASH_BYTES);
		*p++ = '"';
	}
	*p++ = ']';
	out->n = (size_t)(p - (char *)out->p);
}
