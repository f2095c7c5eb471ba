/*
 * A section written anew from what was read of it: reading must lose nothing,
 * so the bytes come out as they went in.
 */
#ifndef STELE_TESTS_UNIT_FRAME_REWRITE_H
#define STELE_TESTS_UNIT_FRAME_REWRITE_H

#include "storage/frame.h"

/* Appends the section s, every part of it by its own writer where it has one. */
static inline void
frame_rewrite(struct buf *out, const struct frame_section *s)
{
	uint8_t head[SECTION_HEADER_BYTES];
	struct bytes b;

	frame_section_header_write(head, s);
	buf_put(out, head, sizeof head);
	buf_put_slice(out, s->name);
	bytes_init(&b, s->groups);
	for (uint32_t i = 0; i < s->n_groups; i++) {
		struct frame_group g;
		if (frame_group_read(&g, &b) == 0)
			frame_group_write(out, &g);
	}
	for (uint32_t i = 0; i < s->n_blocks; i++) {
		struct frame_block blk = frame_block_at(s, i);
		frame_block_write(out, &blk);
	}
	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t size = frame_size_at(s, i);
		buf_put(out, &size, sizeof size);
	}
	for (uint32_t i = 0; i < s->n_objects; i++) {
		struct frame_object o = frame_object_at(s, i);
		frame_object_write(out, &o);
	}
	for (uint32_t i = 0; i < s->n_blocks; i++)
		buf_put_slice(out, frame_box_at(s, i, NULL));
	buf_put_slice(out, s->leaves);
	buf_put_slice(out, s->keys);
}

#endif
