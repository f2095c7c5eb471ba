/*
 * What is left of purged payloads, for whoever has all files and every key that is left.
 *
 * A store gets records whose payloads, salts and objects hold markers that do not compress, sealed
 * ones and ones in the WAL, and dictionaries trained on them; a backup is made; then they are
 * purged. Afterwards every file of the data directory and of the backup is read as raw bytes,
 * and taken apart: each commit frame in each WAL file, those that were written over in part
 * or belong to an earlier life of the file too, each box in it under each key with each
 * dictionary; each segment under each key, whether a list names it or not; each object under each
 * descriptor that turned up. None of the markers may turn up.
 *
 * That the search can find them is shown by the same search before the purge, and by one
 * afterwards with the keys from before: what keeps the markers from being found in the backup is
 * that those are gone.
 */
#include <dirent.h>
#include <inttypes.h>

#include "crypto/aead.h"
#include "crypto/init.h"
#include "crypto/keyring.h"
#include "crypto/salt.h"
#include "proto/le.h"
#include "storage/backup.h"
#include "storage/file.h"
#include "storage/frame.h"
#include "storage/manifest.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "tests/unit/purge_case.h"

enum { MAX_KEYS = 64, MAX_DICTS = 64, MAX_SALTS = 1024, TEXT_BYTES = 1500 };

static const char marker[] = "MARK-q7Zp0vXw3Lk9sYt2Rb6NcJ4dHf8Ga1Me5Ui",
		  object_marker[] = "OBJ-w8Kd2Vn5Qy7Tz0Xp4Lr9Bs3Hc6Jg1FmEa";

/* Where markers were found, and how often. */
struct hits {
	unsigned raw, wal, wal_dict, wal_salt, segment, segment_dict, segment_salt, object;
};

struct scan {
	struct toolbox *t;
	uint8_t key[MAX_KEYS][32];
	unsigned n_keys;
	struct compress_dict *dict[MAX_DICTS];
	unsigned n_dicts;
	struct buf descriptors; /* of objects that payloads turned out to be */
	uint64_t dict_bytes;    /* of segments' dictionaries, seen in all */
	struct hits hits;
};

static uint8_t salts[MAX_SALTS][16]; /* of what is purged */
static unsigned n_salts;

static bool
has(struct slice s, const char *text)
{
	return s.p && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static bool
is_marked(struct slice s)
{
	return has(s, marker) || has(s, object_marker);
}

static unsigned
count_salts(const uint8_t *p, size_t n, size_t step)
{
	unsigned found = 0;

	for (size_t at = 0; at + 16 <= n; at += step) {
		for (unsigned i = 0; i < n_salts; i++)
			found += memcmp(p + at, salts[i], 16) == 0;
	}
	return found;
}

/* Salts that are there as they are, or would be computed from a seed. */
static unsigned
salts_in(const uint8_t *p, size_t n, bool seed)
{
	static uint8_t expanded[256][16];

	if (!seed)
		return count_salts(p, n, 16);
	salt_expand(p, 0, 256, expanded);
	return count_salts(expanded[0], sizeof expanded, 16);
}

/* A payload, or the descriptor of an object. */
static void
look_at_payload(struct scan *s, struct slice payload, unsigned *hits)
{
	struct object_descriptor d;

	*hits += is_marked(payload);
	if (payload.n == OBJECT_DESCRIPTOR_BYTES && object_descriptor_read(&d, payload) == 0)
		buf_put(&s->descriptors, &d, sizeof d);
}

/* --- the WAL ------------------------------------------------------------------------ */

static void
look_at_dict(struct scan *s, uint32_t id, struct slice plain)
{
	s->hits.wal_dict += is_marked(plain);
	for (unsigned i = 0; i < s->n_dicts; i++) {
		if (slice_eq(compress_dict_bytes(s->dict[i]), plain))
			return;
	}
	ck_assert_uint_lt(s->n_dicts, MAX_DICTS);
	s->dict[s->n_dicts++] = compress_dict_new(id, plain);
}

/* Payloads of a block that opened, under each dictionary it may have been packed with. */
static void
look_at_block(struct scan *s, const struct frame_section *sec, uint32_t ordinal,
	      const struct frame_block *blk, struct slice plain)
{
	size_t head = frame_salts_bytes(blk), at = 0;
	uint8_t *raw = malloc(blk->raw_bytes + 1);
	int err = STELE_EDAMAGED;

	s->hits.wal_salt += salts_in(plain.p, head, blk->salts == FRAME_SALTS_SEED);
	for (unsigned i = 0; err != 0 && i <= s->n_dicts; i++)
		err = decompress_block(s->t->zip, i ? s->dict[i - 1] : NULL,
				       slice_of(plain.p + head, plain.n - head), raw,
				       blk->raw_bytes);
	for (uint32_t i = 0; err == 0 && i < blk->count; i++) {
		uint32_t n = frame_size_at(sec, ordinal + i);
		look_at_payload(s, slice_of(raw + at, n), &s->hits.wal);
		at += n;
	}
	free(raw);
}

static void
look_at_box(struct scan *s, const struct frame_section *sec, uint32_t block, uint32_t ordinal)
{
	struct frame_block blk = frame_block_at(sec, block);
	struct slice box = frame_box_at(sec, block, NULL);
	uint8_t ad[FRAME_AD_BYTES], *plain = malloc(box.n + 1);

	frame_box_ad(ad, sec->log_id, blk.count ? sec->first + ordinal : 0, &blk);
	for (unsigned k = 0; box.n > AEAD_OVERHEAD && k < s->n_keys; k++) {
		struct slice got = slice_of(plain, box.n - AEAD_OVERHEAD);
		if (aead_open(plain, s->key[k], box, slice_of(ad, sizeof ad)) != 0)
			continue;
		if (blk.count == 0)
			look_at_dict(s, blk.dict, got);
		else
			look_at_block(s, sec, ordinal, &blk, got);
	}
	free(plain);
}

/* Every place where a frame may begin, of this life of the file or of an earlier one. */
static void
look_at_wal(struct scan *s, struct slice file)
{
	for (size_t at = 0; at + FRAME_HEADER_BYTES < file.n; at += FRAME_ALIGN) {
		struct slice rest = slice_of(file.p + at, file.n - at);
		struct frame_header head;
		if (frame_header_read(&head, slice_of(rest.p, FRAME_HEADER_BYTES), UINT64_MAX) != 0)
			continue;
		rest = slice_of(rest.p + FRAME_HEADER_BYTES, rest.n - FRAME_HEADER_BYTES);
		for (uint32_t i = 0; i < head.n_sections; i++) {
			struct frame_section sec;
			uint32_t ordinal = 0;
			if (frame_section_read(&sec, rest) != 0)
				break;
			for (uint32_t b = 0; b < sec.n_blocks; b++) {
				look_at_box(s, &sec, b, ordinal);
				ordinal += frame_block_at(&sec, b).count;
			}
			rest = slice_of(rest.p + sec.bytes, rest.n - sec.bytes);
		}
	}
}

/* --- segments -------------------------------------------------------------------------- */

static int
look_at_record(void *ctx, uint64_t index, const struct segment_record *r)
{
	struct scan *s = ctx;

	(void)index;
	look_at_payload(s, r->payload, &s->hits.segment);
	s->hits.segment_salt += salts_in(r->salt, 16, false);
	if (r->seed)
		s->hits.segment_salt += salts_in(r->seed, 32, true);
	return 0;
}

static void
look_at_segment_dict(struct scan *s, struct segment *seg, const uint8_t key[32])
{
	const struct segment_facts *f = segment_facts(seg);
	uint64_t n = segfile_bytes(segment_file(seg), SEGMENT_DICT);
	uint8_t ad[SEGMENT_AD_BYTES], *plain, *raw;
	struct buf box;

	if (n == 0)
		return;
	buf_init(&box);
	ck_assert_int_eq(segfile_read(segment_file(seg), SEGMENT_DICT, 0, n, &box), 0);
	segment_box_ad(ad, f->log_id, f->first, f->count, SEGMENT_BOX_DICT);
	plain = malloc(n);
	ck_assert_int_eq(aead_open(plain, key, buf_slice(&box), slice_of(ad, sizeof ad)), 0);
	raw = malloc(le_get32(plain) + 1);
	ck_assert_int_eq(decompress_block(s->t->zip, NULL,
					  slice_of(plain + 4, n - AEAD_OVERHEAD - 4), raw,
					  le_get32(plain)),
			 0);
	s->dict_bytes += le_get32(plain);
	s->hits.segment_dict += is_marked(slice_of(raw, le_get32(plain)));
	free(raw);
	free(plain);
	buf_fini(&box);
}

/* By its manifest, whoever signed that. */
static void
look_at_segment(struct scan *s, const char *dir, struct slice note)
{
	const uint8_t *end = memmem(note.p, note.n, "\n\n", 2);
	struct segment_facts facts;
	struct buf why;

	ck_assert_ptr_nonnull(end);
	ck_assert_int_eq(manifest_parse(&facts, NULL, slice_of(note.p, (size_t)(end + 1 - note.p))),
			 0);
	buf_init(&why);
	for (unsigned k = 0; k < s->n_keys; k++) {
		struct segment *seg;
		if (segment_open(&seg, dir, &facts, s->key[k], s->t, &why) != 0)
			continue;
		if (segment_each(seg, facts.first, facts.first + facts.count, false, s->t,
				 look_at_record, s) == 0)
			look_at_segment_dict(s, seg, s->key[k]);
		segment_unref(seg);
	}
	buf_fini(&why);
}

/* --- objects ------------------------------------------------------------------------------ */

/* Its first chunk, in which the marker is, under each key that turned up. */
static void
look_at_object(struct scan *s, struct slice file)
{
	const struct object_descriptor *d = (const void *)s->descriptors.p;

	for (size_t i = 0; i < s->descriptors.n / sizeof *d; i++) {
		size_t n = d[i].chunk_bytes + (size_t)AEAD_OVERHEAD;
		uint8_t ad[OBJECT_AD_BYTES], *plain;
		if (file.n < OBJECT_HEADER_BYTES + n || memcmp(file.p + 16, d[i].id, 16) != 0)
			continue;
		plain = malloc(n);
		object_chunk_ad(ad, file.p, 0, false);
		if (aead_open(plain, d[i].key, slice_of(file.p + OBJECT_HEADER_BYTES, n),
			      slice_of(ad, sizeof ad)) == 0)
			s->hits.object += is_marked(slice_of(plain, d[i].chunk_bytes));
		free(plain);
	}
}

/* --- all files -------------------------------------------------------------------------- */

static bool
ends(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n >= k && strcmp(name + n - k, suffix) == 0;
}

static void
look_at_file(struct scan *s, const char *dir, const char *name, bool objects)
{
	char path[1024];
	struct buf file;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	buf_init(&file);
	ck_assert_int_eq(file_read_all(path, &file, 256 << 20), 0);
	if (objects) {
		if (ends(name, ".obj"))
			look_at_object(s, buf_slice(&file));
	} else {
		s->hits.raw += is_marked(buf_slice(&file));
		if (ends(name, ".wal"))
			look_at_wal(s, buf_slice(&file));
		if (ends(name, ".manifest"))
			look_at_segment(s, dir, buf_slice(&file));
	}
	buf_fini(&file);
}

static void
walk(struct scan *s, const char *dir, bool objects)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d))) {
		char path[1024];
		struct stat sb;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.' || lstat(path, &sb) != 0)
			continue;
		if (S_ISDIR(sb.st_mode))
			walk(s, path, objects);
		else
			look_at_file(s, dir, e->d_name, objects);
	}
	closedir(d);
}

/* Both folders under the keys of a keyring's file. Dictionaries and descriptors turn up first. */
static struct hits
search(const char *keyring, const char *data, const char *backup)
{
	struct scan s = {.t = toolbox_new()};
	const struct keyring_data *keys;
	struct keyfile_seal *seal;
	struct keyring *ring;
	size_t n;

	ck_assert_int_eq(keyfile_seal_new(&seal, NULL), 0);
	ck_assert_int_eq(keyring_open(&ring, keyring, seal, false), 0);
	keys = keyring_each_data(ring, &n);
	ck_assert_uint_le(n, MAX_KEYS);
	for (size_t i = 0; i < n; i++)
		memcpy(s.key[s.n_keys++], keys[i].key, 32);
	for (int round = 0; round < 2; round++) {
		s.hits = (struct hits){0};
		walk(&s, data, false);
		walk(&s, backup, false);
	}
	walk(&s, data, true);
	walk(&s, backup, true);
	for (unsigned i = 0; i < s.n_dicts; i++)
		compress_dict_unref(s.dict[i]);
	buf_fini(&s.descriptors);
	toolbox_free(s.t);
	ck_assert_uint_gt(s.dict_bytes, 0); /* there is one to look at */
	keyring_free(ring);
	keyfile_seal_free(seal);
	return s.hits;
}

static unsigned
sum(const char *when, const struct hits *h)
{
	printf("%s: raw %u, WAL %u, its dictionaries %u, its salts %u, segments %u, their "
	       "dictionaries %u, their salts %u, objects %u\n",
	       when, h->raw, h->wal, h->wal_dict, h->wal_salt, h->segment, h->segment_dict,
	       h->segment_salt, h->object);
	return h->raw + h->wal + h->wal_dict + h->wal_salt + h->segment + h->segment_dict +
	       h->segment_salt + h->object;
}

/* --- the store ----------------------------------------------------------------------------- */

/* Text that trains a dictionary; of what is purged, with the marker in it. */
static size_t
text_of(uint64_t i, bool marked, char out[TEXT_BYTES])
{
	uint64_t x = i * 0x9e3779b97f4a7c15ull + 3;
	int n = snprintf(out, TEXT_BYTES, "{\"n\":%" PRIu64 ",\"id\":\"%016" PRIx64 "\"", i, x);

	for (uint64_t k = 0; k < 16; k++)
		n += snprintf(out + n, TEXT_BYTES - (size_t)n,
			      ",\"%s-%" PRIu64 "\":\"v%" PRIu64 "\"", marked ? marker : "field", k,
			      (i * 7919 + k * 104729) % 997);
	return (size_t)(n + snprintf(out + n, TEXT_BYTES - (size_t)n, "}"));
}

static void
fill(struct scratch *s, struct log *log, uint64_t size, const struct control_range *marked)
{
	while (log->frontier.size < size) {
		uint64_t at = log->frontier.size;
		size_t n = size - at < 160 ? (size_t)(size - at) : 160;
		struct append_job job;
		append_job_init(&job);
		job.items = arena_alloc(&job.arena, n * sizeof *job.items);
		memset(job.items, 0, n * sizeof *job.items);
		for (size_t i = 0; i < n; i++) {
			char text[TEXT_BYTES];
			bool is = marked && at + i >= marked->first && at + i <= marked->last;
			size_t bytes = text_of(at + i, is, text);
			job.items[i].payload = slice_of(arena_dup(&job.arena, text, bytes), bytes);
			job.items[i].media_type = slice_str("application/json");
		}
		job.log = log;
		job.writer = slice_str("p-test");
		job.n_items = n;
		ck_assert_int_eq(append_prepare(&job, s->tools), 0);
		ck_assert_int_eq(store_append_batch(s->st, &job), 0);
		ck_assert_int_eq(job.err, 0);
		append_job_fini(&job);
	}
}

static uint64_t
put_object(struct scratch *s, struct log *log)
{
	uint8_t *payload = scratch_payload(70000, 11);
	uint64_t index;

	memcpy(payload + 100, object_marker, strlen(object_marker));
	index = scratch_object(s, log, slice_of(payload, 70000));
	free(payload);
	return index;
}

static void
remember_salts(struct scratch *s, struct log *log, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++) {
		struct record r;
		struct arena a;
		arena_init(&a);
		ck_assert_int_eq(read_record(s->st, log, i, s->tools, &a, &r), 0);
		ck_assert_uint_lt(n_salts, MAX_SALTS);
		memcpy(salts[n_salts++], r.salt, 16);
		arena_fini(&a);
	}
}

/* Marked records between others, of the same commits and so of the same seeds, too: in a segment
   with what is beside them, and in the WAL. */
static void
fill_all(struct scratch *s, struct log *log, struct control_range ranges[3])
{
	ranges[0] = (struct control_range){1010, 1590};
	ranges[1] = (struct control_range){1750, 1910};
	fill(s, log, 1500, &ranges[0]);
	ck_assert_int_eq(store_maintain(s->st), 0);
	fill(s, log, 1700, &ranges[0]); /* packed with what was trained on it */
	sealed_log_seal(s, log);
	fill(s, log, 2000, &ranges[1]);
	ranges[2].first = ranges[2].last = put_object(s, log);
	fill(s, log, 2100, NULL);
	ck_assert_uint_ge(log->n_dicts, 1);
	for (int i = 0; i < 3; i++)
		remember_salts(s, log, ranges[i].first, ranges[i].last);
}

static void
back_up(struct scratch *s, const char *dir)
{
	struct backup_request r = {.dir = dir};
	struct backup_state state;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(store_backup_start(s->st, &r, &why), 0);
	ck_assert_int_eq(store_backup_run(s->st), 1);
	store_backup_get(s->st, &state);
	ck_assert_int_eq(state.err, 0);
	buf_fini(&why);
}

/* Every way of hiding is one in which the search before the purge finds. */
static void
expect_all(const struct hits *h)
{
	ck_assert_uint_eq(h->raw, 0); /* encrypted, always */
	ck_assert_uint_ge(h->wal, 160);
	ck_assert_uint_ge(h->wal_dict, 1);
	ck_assert_uint_ge(h->wal_salt, 160);
	ck_assert_uint_ge(h->segment, 500);
	ck_assert_uint_ge(h->segment_dict, 1);
	ck_assert_uint_ge(h->segment_salt, 500);
	ck_assert_uint_ge(h->object, 2); /* in the store and in the backup */
}

START_TEST(nothing_that_was_purged_can_be_found_under_the_keys_that_are_left)
{
	char backup[300], ring[300], old_ring[300], command[700];
	struct control_range ranges[3];
	struct purge_result out;
	struct scratch s;
	struct log *log;
	struct hits h;

	scratch_begin(&s);
	snprintf(backup, sizeof backup, "%s.backup", s.dir);
	snprintf(ring, sizeof ring, "%s/keys/keyring", s.dir);
	snprintf(old_ring, sizeof old_ring, "%s.keyring", s.dir);
	log = scratch_log(&s, "l", "{}");
	fill_all(&s, log, ranges);
	back_up(&s, backup);
	snprintf(command, sizeof command, "cp '%s' '%s'", ring, old_ring);
	ck_assert_int_eq(system(command), 0);
	h = search(ring, s.dir, backup);
	sum("before the purge", &h);
	expect_all(&h);
	ck_assert_int_eq(purge_of(&s, log, ranges, 3, &out), 0);
	ck_assert(out.destroyed);
	ck_assert_int_eq(store_maintain(s.st), 0); /* trains again */
	fill(&s, log, 2200, NULL);
	ck_assert_int_eq(store_maintain(s.st), 0);
	fill(&s, log, 2300, NULL);
	scratch_close(&s);
	h = search(ring, s.dir, backup);
	ck_assert_uint_eq(sum("under the keys that are left", &h), 0);
	h = search(old_ring, s.dir, backup);
	ck_assert_uint_gt(sum("under the keys from before", &h), 0);
	ck_assert_uint_ge(h.object, 1); /* of the backup alone: the store's file is gone */
	snprintf(command, sizeof command, "rm -rf '%s' '%s'", backup, old_ring);
	ck_assert_int_eq(system(command), 0);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		nothing_that_was_purged_can_be_found_under_the_keys_that_are_left,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("residue", tests, sizeof tests / sizeof *tests, 300);
}
