/* Four lines. */
#include "proto/keystatement.h"

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/lines.h"

int
keystatement_parse(struct keystatement *k, struct slice text)
{
	struct keystatement got;
	struct slice version, vkey;
	struct lines l;

	lines_init(&l, text);
	version = lines_take_after(&l, "stele key v");
	if (!lines_err(&l) && !slice_eq_str(version, "1"))
		return STELE_EVERSION;
	vkey = lines_take(&l);
	got.epoch = lines_take_integer(&l);
	got.first_size = lines_take_integer(&l);
	if (lines_end(&l) != 0)
		return STELE_ESYNTAX;
	if (note_vkey_parse(&got.key, vkey) != 0 || got.key.type != NOTE_ED25519)
		return STELE_ESYNTAX;
	*k = got;
	return 0;
}

int
keystatement_put(struct buf *out, const struct keystatement *k)
{
	if (k->key.type != NOTE_ED25519 || !note_name_valid(k->key.name) ||
	    k->epoch > LIMIT_INTEGER || k->first_size > LIMIT_INTEGER)
		return STELE_EINVAL;
	buf_put_str(out, "stele key v1\n");
	note_put_vkey(out, &k->key);
	buf_put_u8(out, '\n');
	buf_put_dec(out, k->epoch);
	buf_put_u8(out, '\n');
	buf_put_dec(out, k->first_size);
	buf_put_u8(out, '\n');
	return 0;
}
