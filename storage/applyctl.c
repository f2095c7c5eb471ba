/*
 * Control entries found again at start, in a section of the WAL or by walking back over segments,
 * and folded into the log's locks.
 */
#include "proto/control.h"
#include "proto/err.h"
#include "storage/internal.h"

int
apply_control(struct log *log, enum entry_kind kind, uint64_t index, struct slice payload,
	      struct buf *why)
{
	struct control *c;
	int err = control_read(&c, kind, index, payload, why);

	if (err == 0)
		log_fold(log, c);
	return err == STELE_ESYNTAX ? STELE_EDAMAGED : err;
}

/* The payload of record ordinal of a section, valid until the toolbox is used again. */
static int
payload_of(struct log *log, const struct frame_section *s, uint32_t ordinal, struct toolbox *t,
	   struct slice *out)
{
	struct opened_block opened;
	uint32_t first = 0, block = 0, at = 0;
	struct frame_block b = {0};
	int err;

	for (; block < s->n_blocks; block++, first += b.count) {
		b = frame_block_at(s, block);
		if (ordinal < first + b.count)
			break;
	}
	if (block == s->n_blocks)
		return STELE_EDAMAGED;
	err = block_open(log, s, block, s->first + first, frame_box_at(s, block, NULL), t, &opened);
	if (err != 0)
		return err;
	for (uint32_t i = first; i < ordinal; i++)
		at += frame_size_at(s, i);
	*out = slice_of(opened.payloads.p + at, frame_size_at(s, ordinal));
	return 0;
}

int
apply_controls(struct log *log, const struct frame_section *s, struct toolbox *t, struct buf *why)
{
	uint32_t ordinal = 0;
	struct slice payload;
	struct bytes b;
	int err = 0;

	bytes_init(&b, s->groups);
	for (uint32_t i = 0; err == 0 && i < s->n_groups; i++) {
		struct frame_group g;
		if (frame_group_read(&g, &b) != 0)
			return STELE_EDAMAGED;
		for (uint32_t k = 0; err == 0 && control_kind(g.kind) && k < g.count; k++) {
			if (s->first + ordinal + k == 0)
				continue; /* it founded the log */
			err = payload_of(log, s, ordinal + k, t, &payload);
			if (err == 0)
				err = apply_control(log, g.kind, s->first + ordinal + k, payload,
						    why);
		}
		ordinal += g.count;
	}
	return err;
}
