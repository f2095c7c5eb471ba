/* Opening what a commit sealed: a box gives back salts and payloads. */
#include <string.h>

#include "crypto/aead.h"
#include "crypto/salt.h"
#include "proto/err.h"
#include "storage/frame.h"
#include "storage/internal.h"

/* The seed becomes the salts it stands for. */
static int
expand(struct toolbox *t, uint32_t count, struct opened_block *out)
{
	size_t n = (size_t)count * SALT_BYTES;

	buf_reset(&t->salts);
	if (buf_reserve(&t->salts, n) != 0)
		return STELE_ENOMEM;
	salt_expand(out->salts.p, 0, count, (uint8_t(*)[SALT_BYTES])t->salts.p);
	t->salts.n = n;
	out->seed = out->salts.p;
	out->salts = buf_slice(&t->salts);
	return 0;
}

int
block_open(struct log *log, const struct frame_section *s, uint32_t block, uint64_t first,
	   struct slice box, struct toolbox *t, struct opened_block *out)
{
	struct frame_block blk = frame_block_at(s, block);
	struct compress_dict *dict = NULL;
	size_t n_salts = frame_salts_bytes(&blk);
	uint8_t ad[FRAME_AD_BYTES], key[32];
	int err;

	if (box.n != blk.box_bytes || box.n < AEAD_OVERHEAD + n_salts)
		return STELE_EDAMAGED;
	buf_reset(&t->packed);
	buf_reset(&t->plain);
	if (buf_reserve(&t->packed, box.n) != 0 || buf_reserve(&t->plain, blk.raw_bytes + 1) != 0)
		return STELE_ENOMEM;
	frame_box_ad(ad, log->id, first, &blk);
	err = tailkey_find(log, s->data_key_id, key);
	if (err == 0 && aead_open(t->packed.p, key, box, slice_of(ad, sizeof ad)) != 0)
		err = STELE_EDAMAGED;
	explicit_bzero(key, sizeof key);
	if (err != 0)
		return STELE_EDAMAGED;
	t->packed.n = box.n - AEAD_OVERHEAD;
	err = blk.dict ? dict_get(log, blk.dict, &dict) : 0;
	if (err == 0)
		err = decompress_block(t->zip, dict,
				       slice_of(t->packed.p + n_salts, t->packed.n - n_salts),
				       t->plain.p, blk.raw_bytes);
	compress_dict_unref(dict);
	if (err != 0)
		return err;
	t->plain.n = blk.raw_bytes;
	*out = (struct opened_block){.salts = slice_of(t->packed.p, n_salts),
				     .payloads = buf_slice(&t->plain)};
	return blk.salts == FRAME_SALTS_SEED ? expand(t, blk.count, out) : 0;
}
