/*
 * Replaying: a section of a frame, read back from the WAL, taken into the
 * store. What the writer computed is computed again and must agree.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/internal.h"
#include "storage/read.h"

/* The payload of the first record of a section: entry 0's, which founds the log. */
static int
founding_payload(struct log *log, const struct frame_section *s, struct toolbox *t,
		 struct slice *payload)
{
	struct opened_block opened;
	int err;

	if (s->n_blocks == 0 || s->count == 0)
		return STELE_EDAMAGED;
	err = block_open(log, s, 0, 0, frame_box_at(s, 0, NULL), t, &opened);
	if (err != 0)
		return err;
	*payload = slice_of(opened.payloads.p, frame_size_at(s, 0));
	return 0;
}

static int
found_log(struct store *st, const struct frame_section *s, struct toolbox *t, struct log **out,
	  struct buf *why)
{
	struct log *log = log_new(st, s->log_id, s->name);
	struct slice payload;
	int err = log ? log_take_keys(log, t->sha) : STELE_ENOMEM;

	if (err == STELE_EKEY)
		buf_printf(why, "log %s: its keys are not in keys/keyring: restore that file. ",
			   log->name);
	if (err == 0)
		err = founding_payload(log, s, t, &payload);
	if (err == 0)
		err = policy_from_entry0(log, payload, t->sha, why);
	if (err != 0) {
		log_free(log);
		return err;
	}
	*out = log;
	return 0;
}

/*
 * Walks over the section's control entries: *ctl is the last of them, or as it was. Purges that
 * they began are under way until found to have ended. STELE_ENOMEM.
 */
static int
take_controls(struct log *log, const struct frame_section *s, uint64_t *ctl)
{
	uint64_t index = s->first;
	struct bytes b;
	int err = 0;

	bytes_init(&b, s->groups);
	for (uint32_t i = 0; err == 0 && i < s->n_groups; i++) {
		struct frame_group g;
		if (frame_group_read(&g, &b) != 0)
			break;
		index += g.count;
		if (g.kind != ENTRY_RECORD)
			*ctl = index - 1;
		for (uint32_t k = g.kind == ENTRY_PURGE ? g.count : 0; err == 0 && k > 0; k--)
			err = purging_note(log, index - k);
	}
	return err;
}

int
apply_keys(struct store *st, const struct frame_section *s)
{
	int err = keyindex_reserve(&st->keys, s->n_keys);

	for (uint32_t i = 0; err == 0 && i < s->n_keys; i++) {
		const uint8_t *p = s->keys.p + (size_t)i * SECTION_KEY_BYTES;
		struct key_entry e = {.log_id = s->log_id, .index = s->first + le_get32(p)};
		memcpy(e.digest, p + 4, 16);
		keyindex_add(&st->keys, &e);
	}
	return err;
}

/* Where the section's dictionary lies: its box is the first. */
static struct wal_pos
dict_place_at(const struct frame_section *s, struct wal_pos at)
{
	return (struct wal_pos){at.file, at.offset + s->meta_bytes};
}

static struct log_step
step_of(const struct frame_section *s, uint32_t skip, struct wal_pos at, uint64_t ctl,
	const struct merkle_batch *batch)
{
	struct log_step step = {
		.extent = {.first = s->first,
			   .count = s->count,
			   .bytes = s->bytes,
			   .leaves_at = (uint32_t)frame_leaves_at(s),
			   .objects = s->n_objects,
			   .at = at,
			   .time_ns = s->time_ns},
		.skip = skip,
		.leaves = (const void *)s->leaves.p,
		.batch = batch,
		.ctl = ctl,
		.payload_bytes = frame_payload_bytes(s, skip),
		.time_ns = s->time_ns,
	};

	if (s->n_dicts) {
		struct frame_block blk = frame_block_at(s, 0);
		step.dict_id = blk.dict;
		step.dict_box_bytes = blk.box_bytes;
		step.dict_at = dict_place_at(s, at);
		step.data_key_id = s->data_key_id;
	}
	return step;
}

/*
 * How many of the section's first records the log has already, because segments were
 * read before the WAL; *all when that is every one of them.
 */
static int
overlap(const struct log *log, const struct frame_section *s, uint32_t *skip, bool *all)
{
	uint64_t size = log->frontier.size;

	if (s->first > size || (s->first == size && s->time_ns < log->time_ns))
		return STELE_EDAMAGED;
	*all = s->first + s->count <= size && s->first < size;
	*skip = *all ? s->count : (uint32_t)(size - s->first);
	return size > sealed_end(&log->sealed) && s->first < size ? STELE_EDAMAGED : 0;
}

/* Whether the key that the section is sealed under is still there. */
static bool
has_key(struct log *log, const struct frame_section *s)
{
	uint8_t key[32];
	bool has = tailkey_find(log, s->data_key_id, key) == 0;

	explicit_bzero(key, sizeof key);
	return has;
}

/*
 * Of a section that segments hold, only the dictionary may still be needed; not even that when
 * its key was destroyed.
 */
static int
keep_dict(struct log *log, const struct frame_section *s, struct wal_pos at)
{
	struct frame_block blk;
	int err;

	if (!s->n_dicts || !has_key(log, s))
		return 0;
	err = dict_reserve(log);
	if (err != 0)
		return err;
	blk = frame_block_at(s, 0);
	dict_add(log, &(struct dict_place){.id = blk.dict,
					   .box_bytes = blk.box_bytes,
					   .data_key_id = s->data_key_id,
					   .at = dict_place_at(s, at)});
	return 0;
}

int
apply_section(struct store *st, const struct frame_section *s, struct wal_pos at, struct toolbox *t,
	      struct merkle_batch *batch, struct buf *why)
{
	struct log *log = log_by_id(st, s->log_id);
	struct log_step step;
	uint64_t ctl = 0;
	uint32_t skip = 0;
	bool all = false;
	int err = 0;

	if (!log)
		err = s->first == 0 ? found_log(st, s, t, &log, why) : STELE_EDAMAGED;
	if (err == 0 && s->epoch > log->seen_epoch)
		log->seen_epoch = s->epoch;
	if (err == 0)
		err = overlap(log, s, &skip, &all);
	if (err == 0 && all)
		return keep_dict(log, s, at);
	if (err == 0 && !has_key(log, s)) {
		buf_printf(
			why,
			"log %s: the data key of its records from %llu on is not in keys/keyring: "
			"restore that file. ",
			log->name, (unsigned long long)s->first);
		err = STELE_EKEY;
	}
	if (err == 0)
		err = merkle_batch_build(t->sha, batch, &log->frontier,
					 (const void *)(s->leaves.p + (size_t)skip * 32),
					 s->count - skip);
	if (err == 0 && memcmp(merkle_batch_root(batch), s->root, 32) != 0)
		err = STELE_EDAMAGED;
	if (err == 0)
		err = apply_controls(log, s, t, why);
	if (err == 0)
		err = log_make_room(log, s->count, s->n_dicts != 0);
	if (err == 0) {
		ctl = log->ctl;
		err = take_controls(log, s, &ctl);
	}
	if (err != 0) {
		if (log && log->frontier.size == 0)
			log_free(log);
		return err;
	}
	step = step_of(s, skip, at, ctl, batch);
	log_advance(log, &step);
	return 0;
}
