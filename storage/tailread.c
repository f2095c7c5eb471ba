/* The columns are read in one go where they are small, and the rest after their length is known. */
#include "storage/tailread.h"

#include <string.h>

#include "proto/err.h"

enum { META_GUESS_BYTES = 8192 };

int
tailread_meta(struct log *log, const struct extent *e, struct section_memo *m)
{
	size_t want = e->bytes < META_GUESS_BYTES ? e->bytes : META_GUESS_BYTES;
	uint32_t meta_bytes;
	int err;

	if (m->log_id == log->id && m->at.file == e->at.file && m->at.offset == e->at.offset)
		return 0;
	m->log_id = 0;
	m->has_block = false;
	buf_reset(&m->meta);
	if (want < SECTION_HEADER_BYTES)
		return STELE_EDAMAGED;
	err = buf_reserve(&m->meta, want);
	if (err == 0)
		err = wal_read(log->store->wal, e->at, m->meta.p, want);
	if (err != 0)
		return err;
	memcpy(&meta_bytes, m->meta.p + 96, 4);
	if (meta_bytes > e->bytes)
		return STELE_EDAMAGED;
	m->meta.n = want;
	if (meta_bytes > want) {
		struct wal_pos rest = {e->at.file, e->at.offset + want};
		err = buf_reserve(&m->meta, meta_bytes - want);
		if (err == 0)
			err = wal_read(log->store->wal, rest, m->meta.p + want, meta_bytes - want);
		if (err != 0)
			return err;
	}
	m->meta.n = meta_bytes;
	if (frame_section_read_meta(&m->section, buf_slice(&m->meta)) != 0 ||
	    m->section.log_id != log->id || m->section.first != e->first ||
	    m->section.count != e->count)
		return STELE_EDAMAGED;
	m->log_id = log->id;
	m->at = e->at;
	return 0;
}

static void
swap(struct buf *a, struct buf *b)
{
	struct buf was = *a;

	*a = *b;
	*b = was;
}

int
tailread_block(struct log *log, uint32_t ordinal, struct toolbox *t)
{
	struct section_memo *m = &t->memo;
	uint32_t block = 0, first = 0;
	struct opened_block opened;
	struct wal_pos at = m->at;
	uint64_t offset;
	int err;

	for (; block < m->section.n_blocks; block++) {
		uint32_t count = frame_block_at(&m->section, block).count;
		if (ordinal < first + count)
			break;
		first += count;
	}
	if (m->has_block && m->block == block)
		return 0;
	m->has_block = false;
	(void)frame_box_at(&m->section, block, &offset);
	at.offset += m->section.meta_bytes + offset;
	struct frame_block blk = frame_block_at(&m->section, block);
	buf_reset(&m->box);
	err = buf_reserve(&m->box, blk.box_bytes);
	if (err == 0)
		err = wal_read(log->store->wal, at, m->box.p, blk.box_bytes);
	if (err == 0)
		err = block_open(log, &m->section, block, m->section.first + first,
				 slice_of(m->box.p, blk.box_bytes), t, &opened);
	if (err != 0)
		return err;
	buf_reset(&m->salts);
	buf_put_slice(&m->salts, opened.salts);
	if (m->salts.err)
		return STELE_ENOMEM;
	swap(&m->payloads, &t->plain); /* where block_open has put them */
	m->has_block = true;
	m->block = block;
	m->block_ordinal = first;
	return 0;
}
