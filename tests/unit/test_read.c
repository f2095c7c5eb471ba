/* Reading: the right record or a clear error, never another one. */
#include "scratch_store.h"

#include <fcntl.h>

#include "crypto/init.h"
#include "crypto/merkle.h"
#include "storage/internal.h"
#include "suite.h"

enum { RECORDS = 620 };

static void
text_of(unsigned n, char out[200])
{
	snprintf(out, 200, "{\"n\":%u,\"user\":\"u-%u\",\"pad\":\"%*s\"}", n, n % 17, n % 90, "");
}

/* A log of single appends and of one job of 300 records, so that sections of both kinds are read.
 */
static struct log *
fill(struct scratch *s)
{
	struct log *log = scratch_log(s, "l", "{\"retain\":{\"default\":\"7y\"}}");
	static char texts[300][200];
	struct append_item items[300];
	struct append_job job;
	char text[200];

	for (unsigned n = 1; n <= 320; n++) {
		text_of(n, text);
		scratch_append(s, log, text);
	}
	append_job_init(&job);
	memset(items, 0, sizeof items);
	for (unsigned i = 0; i < 300; i++) {
		text_of(321 + i, texts[i]);
		items[i].payload = slice_str(texts[i]);
		items[i].media_type = slice_str("application/json");
	}
	job.log = log;
	job.writer = slice_str("p-test");
	job.items = items;
	job.n_items = 300;
	ck_assert_int_eq(append_prepare(&job, s->tools), 0);
	ck_assert_int_eq(store_append_batch(s->st, &job), 0);
	append_job_fini(&job);
	return log;
}

/* 0 or STELE_EDAMAGED; anything read must be right, with its proof. */
static int
read_one(struct scratch *s, struct log *log, struct toolbox *tools, unsigned n)
{
	struct sha256 *h = s->st->upkeep->sha;
	struct head *head = log_head(log);
	struct record r;
	struct proof p;
	struct arena a;
	char text[200];
	int err;

	arena_init(&a);
	text_of(n, text);
	err = read_record(s->st, log, n, tools, &a, &r);
	if (err == 0) {
		uint8_t commitment[32];
		ck_assert(slice_eq_str(r.payload, text));
		ck_assert_uint_eq(r.entry.index, n);
		sha256_commitment(h, commitment, r.salt, r.payload);
		ck_assert_mem_eq(commitment, r.entry.commitment, 32);
		err = read_inclusion(s->st, log, n, head->size, tools, &p);
		if (err == 0)
			ck_assert_int_eq(merkle_verify_inclusion(h, head->root, n, head->size,
								 r.leaf, (const void *)p.hash, p.n),
					 0);
	}
	ck_assert_msg(err == 0 || err == STELE_EDAMAGED, "record %u: %d", n, err);
	head_unref(head);
	arena_fini(&a);
	return err;
}

START_TEST(every_record_reads_in_any_order_with_one_toolbox_and_many)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = fill(&s);
	for (unsigned i = 0; i < RECORDS; i++)
		ck_assert_int_eq(read_one(&s, log, s.tools, 1 + i * 37 % RECORDS), 0);
	for (unsigned n = 1; n <= RECORDS; n += 29) {
		struct toolbox *tools = toolbox_new();
		ck_assert_int_eq(read_one(&s, log, tools, n), 0);
		toolbox_free(tools);
	}
	ck_assert_uint_eq(atomic_load(&s.st->damaged_reads), 0);
	scratch_end(&s);
}
END_TEST

/* Sizes alone take 12,000 bytes here; a first look reads 8,192. */
START_TEST(a_section_whose_columns_are_longer_than_a_first_look_reads_whole)
{
	enum { MANY = 3000 };
	struct append_item *items = calloc(MANY, sizeof *items);
	char(*texts)[200] = calloc(MANY, sizeof *texts);
	struct append_job job;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	append_job_init(&job);
	for (unsigned i = 0; i < MANY; i++) {
		text_of(1 + i, texts[i]);
		items[i].payload = slice_str(texts[i]);
		items[i].media_type = slice_str("application/json");
	}
	job.log = log;
	job.writer = slice_str("p-test");
	job.items = items;
	job.n_items = MANY;
	ck_assert_int_eq(append_prepare(&job, s.tools), 0);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	append_job_fini(&job);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_int_eq(read_one(&s, log, s.tools, 1 + i * 1009 % MANY), 0);
	scratch_end(&s);
	free(texts);
	free(items);
}
END_TEST

START_TEST(what_is_not_released_is_not_found)
{
	struct scratch s;
	struct record r;
	struct proof p;
	struct arena a;
	struct log *log;
	struct buf b;

	scratch_begin(&s);
	log = fill(&s);
	arena_init(&a);
	buf_init(&b);
	ck_assert_int_eq(read_record(s.st, log, RECORDS + 1, s.tools, &a, &r), STELE_ENOTFOUND);
	ck_assert_int_eq(read_record(s.st, log, UINT64_MAX, s.tools, &a, &r), STELE_ENOTFOUND);
	ck_assert_int_eq(read_inclusion(s.st, log, RECORDS + 1, RECORDS + 1, s.tools, &p),
			 STELE_EINVAL);
	ck_assert_int_eq(read_inclusion(s.st, log, 3, RECORDS + 2, s.tools, &p), STELE_EINVAL);
	ck_assert_int_eq(read_inclusion(s.st, log, 5, 5, s.tools, &p), STELE_EINVAL);
	ck_assert_int_eq(read_consistency(s.st, log, 0, 5, s.tools, &p), STELE_EINVAL);
	ck_assert_int_eq(read_consistency(s.st, log, 6, 5, s.tools, &p), STELE_EINVAL);
	ck_assert_int_eq(read_consistency(s.st, log, 5, RECORDS + 2, s.tools, &p), STELE_EINVAL);
	/* 621 entries: tiles of 256, 256 and 109, above them 2 */
	ck_assert_int_eq(read_tile(s.st, log, 0, 2, 109, s.tools, &b), 0);
	ck_assert_uint_eq(b.n, 109 * 32);
	ck_assert_int_eq(read_tile(s.st, log, 0, 2, 110, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 0, 3, 1, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 1, 0, 2, s.tools, &b), 0);
	ck_assert_int_eq(read_tile(s.st, log, 1, 0, 3, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 2, 0, 1, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 0, 0, 0, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 0, 0, 257, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 7, 0, 1, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 8, 0, 1, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 63, UINT64_MAX, 256, s.tools, &b), STELE_ENOTFOUND);
	ck_assert_int_eq(read_tile(s.st, log, 0, UINT64_MAX / 256, 256, s.tools, &b),
			 STELE_ENOTFOUND);
	ck_assert_int_eq(read_bundle(s.st, log, 2, 110, s.tools, &b), STELE_ENOTFOUND);
	buf_fini(&b);
	arena_fini(&a);
	scratch_end(&s);
}
END_TEST

START_TEST(a_proof_of_any_old_size_holds_and_memory_alone_gives_the_newest)
{
	struct scratch s;
	struct log *log;
	struct proof p, q;

	scratch_begin(&s);
	log = fill(&s);
	for (uint64_t to = 1; to <= RECORDS + 1; to += 31) {
		struct sha256 *h = s.st->upkeep->sha;
		struct merkle_frontier f;
		uint8_t roots[2][32];
		struct buf tiles;
		uint64_t from = 1 + to / 3;
		if (from > to)
			continue;
		buf_init(&tiles);
		for (uint64_t n = 0; n * 256 < to; n++)
			ck_assert_int_eq(
				read_tile(s.st, log, 0, n,
					  (unsigned)(to - n * 256 < 256 ? to - n * 256 : 256),
					  s.tools, &tiles),
				0);
		for (int i = 0; i < 2; i++) {
			merkle_frontier_init(&f);
			for (uint64_t k = 0; k < (i ? to : from); k++)
				merkle_frontier_append(h, &f, tiles.p + k * 32);
			merkle_frontier_root(h, &f, roots[i]);
		}
		ck_assert_int_eq(read_consistency(s.st, log, from, to, s.tools, &p), 0);
		ck_assert_int_eq(merkle_verify_consistency(h, from, roots[0], to, roots[1],
							   (const void *)p.hash, p.n),
				 0);
		ck_assert_int_eq(read_inclusion(s.st, log, from - 1, to, s.tools, &p), 0);
		ck_assert_int_eq(merkle_verify_inclusion(h, roots[1], from - 1, to,
							 tiles.p + (from - 1) * 32,
							 (const void *)p.hash, p.n),
				 0);
		buf_fini(&tiles);
	}
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	ck_assert_int_eq(read_inclusion_cached(s.st, log, 3, RECORDS + 1, s.tools, &p),
			 STELE_EBUSY);
	ck_assert_int_eq(read_inclusion_cached(s.st, log, RECORDS, RECORDS + 1, s.tools, &p), 0);
	ck_assert_int_eq(read_inclusion(s.st, log, 3, RECORDS + 1, s.tools, &q), 0);
	ck_assert_int_eq(read_inclusion_cached(s.st, log, 3, RECORDS + 1, s.tools, &p), 0);
	ck_assert_uint_eq(p.n, q.n);
	ck_assert_mem_eq(p.hash, q.hash, p.n * 32);
	scratch_end(&s);
}
END_TEST

static void
flip(int fd, off_t bit)
{
	uint8_t b;

	ck_assert_int_eq(pread(fd, &b, 1, bit / 8), 1);
	b ^= (uint8_t)(1u << bit % 8);
	ck_assert_int_eq(pwrite(fd, &b, 1, bit / 8), 1);
}

/* Flips bits of a section in the WAL of a running store; how many reads then fail. */
static unsigned
flip_section(struct scratch *s, struct log *log, const struct extent *e, unsigned stride)
{
	char path[512];
	unsigned damaged = 0;
	int fd;

	snprintf(path, sizeof path, "%s/wal/%08u.wal", s->dir, e->at.file);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	for (uint64_t bit = 0; bit < (uint64_t)e->bytes * 8; bit += stride) {
		struct toolbox *tools = toolbox_new();
		unsigned n = (unsigned)(e->first + bit % e->count);
		struct tilecache *tiles = s->st->tiles;
		s->st->tiles = tilecache_new(); /* nothing is remembered */
		flip(fd, (off_t)(e->at.offset * 8 + bit));
		if (n) /* entry 0 is not one of ours */
			damaged += read_one(s, log, tools, n) != 0;
		flip(fd, (off_t)(e->at.offset * 8 + bit));
		if (n)
			ck_assert_int_eq(read_one(s, log, tools, n),
					 0); /* nothing wrong was kept */
		tilecache_free(s->st->tiles);
		s->st->tiles = tiles;
		toolbox_free(tools);
	}
	close(fd);
	return damaged;
}

START_TEST(a_flipped_bit_in_the_wal_is_never_a_wrong_record)
{
	unsigned damaged = 0;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = fill(&s);
	ck_assert_uint_eq(log->tail.n, 322);
	for (size_t i = 0; i < 320; i += 40)
		damaged += flip_section(&s, log, &log->tail.extents[i], i ? 1 : 3);
	ck_assert_uint_gt(damaged, 1000);
	damaged = flip_section(&s, log, &log->tail.extents[321], 61);
	ck_assert_uint_gt(damaged, 100);
	ck_assert_uint_ge(atomic_load(&s.st->damaged_reads), damaged);
	ck_assert_uint_gt(s.errors, damaged);
	scratch_end(&s);
}
END_TEST

/* Two records of one size exchanged whole: every byte was once right. */
START_TEST(sections_put_in_each_others_place_are_not_believed)
{
	uint8_t one[4096], two[4096];
	char path[512];
	struct scratch s;
	struct log *log;
	int fd;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (unsigned n = 1; n <= 300; n++) {
		char text[200];
		text_of(n % 10 + 1000, text);
		scratch_append(&s, log, text);
	}
	snprintf(path, sizeof path, "%s/wal/00000001.wal", s.dir);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, one, 4096, 4096 * 21), 4096);
	ck_assert_int_eq(pread(fd, two, 4096, 4096 * 31), 4096);
	ck_assert_int_eq(pwrite(fd, two, 4096, 4096 * 21), 4096);
	ck_assert_int_eq(pwrite(fd, one, 4096, 4096 * 31), 4096);
	close(fd);
	for (uint64_t n = 20; n <= 30; n += 10) {
		struct record r;
		struct arena a;
		arena_init(&a);
		ck_assert_int_eq(read_record(s.st, log, n, s.tools, &a, &r), STELE_EDAMAGED);
		ck_assert_int_eq(read_record(s.st, log, n + 1, s.tools, &a, &r), STELE_EDAMAGED);
		arena_fini(&a);
	}
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_record_reads_in_any_order_with_one_toolbox_and_many,
		a_section_whose_columns_are_longer_than_a_first_look_reads_whole,
		what_is_not_released_is_not_found,
		a_proof_of_any_old_size_holds_and_memory_alone_gives_the_newest,
		a_flipped_bit_in_the_wal_is_never_a_wrong_record,
		sections_put_in_each_others_place_are_not_believed,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("read", tests, sizeof tests / sizeof *tests, 240);
}
