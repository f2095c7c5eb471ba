/* Segments read: what went in comes out, from any place, and nothing else ever does. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/init.h"
#include "segment_fixture.h"
#include "storage/file.h"
#include "storage/manifest.h"
#include "suite.h"

static void
check_read(struct fixture *f, struct segment *s, uint64_t i, struct toolbox *t)
{
	struct segment_record r, want;
	struct arena a;

	arena_init(&a);
	ck_assert_int_eq(segment_read(s, i, t, &a, &r), 0);
	fixture_same(f, i, &r);
	fixture_record(f, i, &want);
	ck_assert_mem_eq(r.commitment, want.commitment, 32);
	arena_fini(&a);
}

START_TEST(every_record_comes_out_as_it_went_in_in_any_order)
{
	const uint64_t ranges[][2] = {{0, 1}, {0, 255}, {0, 256}, {0, 257}, {0, 3000}, {512, 1500}};
	struct segment_facts facts;
	struct segment *s;
	struct fixture f;

	fixture_init(&f, 3000);
	for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
		uint64_t from = ranges[k][0], n = ranges[k][1] - from;
		fixture_build(&f, from, from + n, &facts);
		ck_assert_int_eq(fixture_open(&f, &facts, &s), 0);
		for (uint64_t i = 0; i < n; i++)
			check_read(&f, s, from + i, f.t);
		for (uint64_t i = 0; i < n; i++)
			check_read(&f, s, from + i * 7919 % n, f.t);
		segment_unref(s);
	}
	fixture_fini(&f);
}
END_TEST

struct walk {
	struct fixture *f;
	uint64_t next, stop;
	bool whole;
};

static int
walk_record(void *ctx, uint64_t index, const struct segment_record *r)
{
	static const uint8_t zero[32];
	struct segment_record want, filled = *r;
	struct walk *w = ctx;

	ck_assert_uint_eq(index, w->next++);
	fixture_record(w->f, index, &want);
	if (!w->whole) {
		ck_assert_mem_eq(r->salt, zero, sizeof r->salt);
		ck_assert_mem_eq(r->leaf, zero, sizeof r->leaf);
		ck_assert(r->seed == NULL && r->seed_ordinal == 0);
		memcpy(filled.salt, want.salt, sizeof want.salt);
		memcpy(filled.leaf, want.leaf, sizeof want.leaf);
		filled.seed = want.seed;
		filled.seed_ordinal = want.seed_ordinal;
	}
	fixture_same(w->f, index, &filled);
	if (w->whole || want.object || want.size > LIMIT_DERIVED_BYTES)
		ck_assert_mem_eq(r->commitment, want.commitment, 32);
	else
		ck_assert_mem_eq(r->commitment, zero, 32);
	return index == w->stop ? 7 : 0;
}

START_TEST(a_walk_gives_a_range_in_order_and_ends_when_told)
{
	struct segment_facts facts;
	struct segment *s;
	struct fixture f;

	fixture_init(&f, 2000);
	fixture_build(&f, 256, 2000, &facts);
	ck_assert_int_eq(fixture_open(&f, &facts, &s), 0);
	for (int whole = 0; whole < 2; whole++) {
		struct walk w = {&f, 300, UINT64_MAX, whole};
		ck_assert_int_eq(segment_each(s, 300, 2000, whole, f.t, walk_record, &w), 0);
		ck_assert_uint_eq(w.next, 2000);
		w = (struct walk){&f, 256, 700, whole};
		ck_assert_int_eq(segment_each(s, 256, 2000, whole, f.t, walk_record, &w), 7);
		ck_assert_uint_eq(w.next, 701);
		ck_assert_int_eq(segment_each(s, 2000, 2000, whole, f.t, walk_record, &w), 0);
	}
	segment_unref(s);
	fixture_fini(&f);
}
END_TEST

START_TEST(what_is_outside_the_segment_is_refused)
{
	struct walk w = {0};
	struct segment_facts facts;
	struct segment_record r;
	uint8_t hashes[16][32];
	struct segment *s;
	struct fixture f;
	struct arena a;

	fixture_init(&f, 1300);
	arena_init(&a);
	fixture_build(&f, 256, 1200, &facts);
	ck_assert_int_eq(fixture_open(&f, &facts, &s), 0);
	for (int i = 0; i < 4; i++) {
		const uint64_t outside[] = {0, 255, 1200, UINT64_MAX};
		ck_assert_int_eq(segment_read(s, outside[i], f.t, &a, &r), STELE_EINVAL);
		ck_assert_int_eq(segment_leaves(s, outside[i], 1, hashes), STELE_EINVAL);
	}
	ck_assert_int_eq(segment_leaves(s, 1199, 2, hashes), STELE_EINVAL);
	ck_assert_int_eq(segment_each(s, 255, 300, true, f.t, walk_record, &w), STELE_EINVAL);
	ck_assert_int_eq(segment_each(s, 300, 1201, true, f.t, walk_record, &w), STELE_EINVAL);
	ck_assert_int_eq(segment_each(s, 301, 300, true, f.t, walk_record, &w), STELE_EINVAL);
	ck_assert_int_eq(segment_nodes(s, 0, hashes), STELE_EINVAL);
	ck_assert_int_eq(segment_nodes(s, 4, hashes), STELE_EINVAL); /* its end is missing */
	ck_assert_int_eq(segment_nodes(s, UINT64_MAX / 256, hashes), STELE_EINVAL);
	ck_assert_int_eq(segment_nodes(s, UINT64_MAX, hashes), STELE_EINVAL);
	segment_unref(s);
	arena_fini(&a);
	fixture_fini(&f);
}
END_TEST

START_TEST(leaves_and_nodes_are_those_of_the_tree)
{
	uint8_t leaves[1500][32], nodes[16][32];
	struct segment_facts facts;
	struct segment *s;
	struct fixture f;

	fixture_init(&f, 1500);
	fixture_build(&f, 256, 1500, &facts);
	ck_assert_int_eq(fixture_open(&f, &facts, &s), 0);
	ck_assert_int_eq(segment_leaves(s, 256, 1244, leaves), 0);
	ck_assert_mem_eq(leaves, f.leaves[256], 1244 * 32);
	ck_assert_int_eq(segment_leaves(s, 500, 20, leaves), 0);
	ck_assert_mem_eq(leaves, f.leaves[500], 20 * 32);
	for (uint64_t tile = 1; tile < 5; tile++) {
		ck_assert_int_eq(segment_nodes(s, tile, nodes), 0);
		for (int i = 0; i < 16; i++) {
			struct merkle_frontier m;
			uint8_t root[32];
			merkle_frontier_init(&m);
			for (int k = 0; k < 16; k++)
				merkle_frontier_append(
					f.t->sha, &m,
					f.leaves[tile * 256 + (uint64_t)(i * 16 + k)]);
			merkle_frontier_root(f.t->sha, &m, root);
			ck_assert_mem_eq(nodes[i], root, 32);
		}
	}
	segment_unref(s);
	fixture_fini(&f);
}
END_TEST

struct keys {
	struct fixture *f;
	uint8_t last[16];
	uint64_t n;
};

static int
check_key(void *ctx, const uint8_t digest[16], uint64_t index)
{
	struct segment_record want;
	struct keys *k = ctx;

	fixture_record(k->f, index, &want);
	ck_assert(want.has_key);
	ck_assert_mem_eq(digest, want.key, 16);
	ck_assert(k->n == 0 || memcmp(k->last, digest, 16) < 0);
	memcpy(k->last, digest, 16);
	k->n++;
	return 0;
}

START_TEST(idempotency_keys_come_in_order_and_each_is_found)
{
	struct segment_facts facts;
	struct segment *s;
	struct fixture f;
	struct keys k = {&f};
	uint8_t digest[16];
	uint64_t n = 0, index;

	fixture_init(&f, 2000);
	fixture_build(&f, 256, 2000, &facts);
	ck_assert_int_eq(fixture_open(&f, &facts, &s), 0);
	ck_assert_int_eq(segment_keys(s, check_key, &k), 0);
	for (uint64_t i = 0; i < 2000; i++) {
		struct segment_record r;
		fixture_record(&f, i, &r);
		if (!r.has_key)
			continue;
		if (i < 256) {
			ck_assert_int_eq(segment_find_key(s, r.key, &index), STELE_ENOTFOUND);
			continue;
		}
		ck_assert_int_eq(segment_find_key(s, r.key, &index), 0);
		ck_assert_uint_eq(index, i);
		n++;
	}
	ck_assert_uint_eq(k.n, n);
	memset(digest, 0xff, sizeof digest);
	ck_assert_int_eq(segment_find_key(s, digest, &index), STELE_ENOTFOUND);
	memset(digest, 0, sizeof digest);
	ck_assert_int_eq(segment_find_key(s, digest, &index), STELE_ENOTFOUND);
	segment_unref(s);
	fixture_fini(&f);
}
END_TEST

START_TEST(one_toolbox_serves_two_segments_and_outlives_them)
{
	struct segment_facts facts[2];
	struct segment *s[2];
	struct fixture f;

	fixture_init(&f, 1024);
	fixture_build(&f, 0, 512, &facts[0]);
	fixture_build(&f, 512, 1024, &facts[1]);
	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(fixture_open(&f, &facts[0], &s[0]), 0);
		ck_assert_int_eq(fixture_open(&f, &facts[1], &s[1]), 0);
		for (uint64_t i = 0; i < 512; i += 37) {
			check_read(&f, s[0], i, f.t);
			check_read(&f, s[1], 512 + i, f.t);
		}
		check_read(&f, s[0], 5, f.t);
		segment_unref(s[0]);
		segment_unref(s[1]);
	}
	fixture_fini(&f);
}
END_TEST

struct reader {
	struct fixture *f;
	struct segment *s;
	unsigned seed;
	uint64_t n_right;
};

static void *
read_many(void *arg)
{
	struct reader *r = arg;
	struct toolbox *t = toolbox_new();
	struct arena a;
	unsigned x = r->seed;

	arena_init(&a);
	for (int i = 0; i < 3000; i++) {
		struct segment_record rec;
		uint8_t commitment[32];
		x = x * 1664525u + 1013904223u;
		arena_reset(&a);
		if (segment_read(r->s, (x >> 8) % 1500, t, &a, &rec) != 0)
			break;
		sha256_commitment(t->sha, commitment, rec.salt, rec.payload);
		r->n_right += (rec.object || memcmp(commitment, rec.commitment, 32) == 0) &&
			      memcmp(rec.leaf, r->f->leaves[(x >> 8) % 1500], 32) == 0;
	}
	arena_fini(&a);
	toolbox_free(t);
	segment_unref(r->s);
	return NULL;
}

START_TEST(threads_read_one_segment_side_by_side_and_the_last_one_closes_it)
{
	struct segment_facts facts;
	struct reader readers[4];
	pthread_t threads[4];
	struct segment *s;
	struct fixture f;

	fixture_init(&f, 1500);
	fixture_build(&f, 0, 1500, &facts);
	ck_assert_int_eq(fixture_open(&f, &facts, &s), 0);
	for (unsigned i = 0; i < 4; i++) {
		readers[i] = (struct reader){&f, segment_ref(s), i + 1, 0};
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_many, &readers[i]), 0);
	}
	segment_unref(s);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_uint_eq(readers[i].n_right, 3000);
	}
	fixture_fini(&f);
}
END_TEST

/* The segment's file, changed by hand and put in its place. */
static void
put_file(struct fixture *f, const char *name, struct slice bytes)
{
	const char *path = folder_path(&f->folder, name);
	FILE *out;

	unlink(path);
	out = fopen(path, "wb");
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(bytes.p, 1, bytes.n, out), bytes.n);
	ck_assert_int_eq(fclose(out), 0);
}

static int
reopen(struct fixture *f, const struct segment_facts *facts)
{
	struct segment *s;
	int err = fixture_open(f, facts, &s);

	if (err == 0)
		segment_unref(s);
	else
		ck_assert_uint_gt(f->why.n, 0);
	return err;
}

START_TEST(every_changed_byte_of_a_small_segment_is_found_when_it_is_opened)
{
	struct segment_facts facts;
	struct buf bytes;
	struct fixture f;

	fixture_init(&f, 20);
	buf_init(&bytes);
	fixture_build(&f, 0, 20, &facts);
	ck_assert_int_eq(file_read_all(folder_path(&f.folder, "0-20.1.seg"), &bytes, 1 << 20), 0);
	ck_assert_uint_eq(bytes.n, facts.file_bytes);
	put_file(&f, "0-20.1.seg", buf_slice(&bytes)); /* now writable */
	int fd = open(f.folder.path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < bytes.n; i++) {
		uint8_t flipped = bytes.p[i] ^ (uint8_t)(1u << i % 8);
		ck_assert_int_eq(file_pwrite(fd, &flipped, 1, i), 0);
		ck_assert_msg(reopen(&f, &facts) == STELE_EDAMAGED, "byte %zu", i);
		ck_assert_int_eq(file_pwrite(fd, bytes.p + i, 1, i), 0);
	}
	close(fd);
	ck_assert_int_eq(reopen(&f, &facts), 0);
	buf_fini(&bytes);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_file_that_is_cut_longer_missing_or_a_folder_is_no_segment)
{
	struct segment_facts facts;
	struct buf bytes;
	struct fixture f;

	fixture_init(&f, 300);
	buf_init(&bytes);
	fixture_build(&f, 0, 300, &facts);
	ck_assert_int_eq(file_read_all(folder_path(&f.folder, "0-300.1.seg"), &bytes, 1 << 24), 0);
	for (size_t n = 0; n < bytes.n; n += 1000) {
		put_file(&f, "0-300.1.seg", slice_of(bytes.p, n));
		ck_assert_int_eq(reopen(&f, &facts), STELE_EDAMAGED);
	}
	buf_put_u8(&bytes, 0);
	put_file(&f, "0-300.1.seg", buf_slice(&bytes));
	ck_assert_int_eq(reopen(&f, &facts), STELE_EDAMAGED);
	unlink(folder_path(&f.folder, "0-300.1.seg"));
	ck_assert_int_eq(reopen(&f, &facts), STELE_ENOTFOUND);
	ck_assert_int_eq(mkdir(f.folder.path, 0700), 0);
	ck_assert_int_eq(reopen(&f, &facts), STELE_EDAMAGED);
	buf_fini(&bytes);
	fixture_fini(&f);
}
END_TEST

/* Facts that are wrong in one thing, with the file's own hash: the head and the boxes tell. */
START_TEST(a_segment_of_another_log_range_generation_or_key_is_not_opened)
{
	struct segment_facts facts, other;
	struct segment *s;
	struct fixture f;

	fixture_init(&f, 600);
	fixture_build(&f, 0, 600, &facts);
	for (int i = 0; i < 5; i++) {
		char from[600], to[600];
		struct segment_name name;
		char stem[SEGMENT_NAME_BYTES];
		other = facts;
		other.log_id += i == 0;
		other.generation += i == 1;
		other.count -= i == 2;
		other.first += i == 3 ? 256 : 0;
		other.data_key_id += i == 4;
		name = (struct segment_name){other.first, other.count, other.generation};
		segment_name_format(stem, &name);
		snprintf(to, sizeof to, "%s/%s.seg", f.folder.dir, stem);
		snprintf(from, sizeof from, "%s/0-600.1.seg", f.folder.dir);
		if (strcmp(from, to) != 0)
			ck_assert_int_eq(link(from, to), 0);
		ck_assert_msg(reopen(&f, &other) == STELE_EDAMAGED, "%d", i);
	}
	f.data_key[0] ^= 1;
	/* without a dictionary nothing is opened yet: then the first record tells */
	if (fixture_open(&f, &facts, &s) == 0) {
		struct segment_record r;
		struct arena a;
		arena_init(&a);
		ck_assert_int_eq(segment_read(s, 1, f.t, &a, &r), STELE_EDAMAGED);
		arena_fini(&a);
		segment_unref(s);
	}
	fixture_fini(&f);
}
END_TEST

START_TEST(files_that_changed_places_are_not_opened)
{
	struct segment_facts one, two;
	char a[600], b[600], c[600];
	struct fixture f;

	fixture_init(&f, 512);
	fixture_build(&f, 0, 256, &one);
	fixture_build(&f, 256, 512, &two);
	snprintf(a, sizeof a, "%s/0-256.1.seg", f.folder.dir);
	snprintf(b, sizeof b, "%s/256-256.1.seg", f.folder.dir);
	snprintf(c, sizeof c, "%s/x", f.folder.dir);
	ck_assert(rename(a, c) == 0 && rename(b, a) == 0 && rename(c, b) == 0);
	ck_assert_int_eq(reopen(&f, &one), STELE_EDAMAGED);
	ck_assert_int_eq(reopen(&f, &two), STELE_EDAMAGED);
	fixture_fini(&f);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_record_comes_out_as_it_went_in_in_any_order,
		a_walk_gives_a_range_in_order_and_ends_when_told,
		what_is_outside_the_segment_is_refused,
		leaves_and_nodes_are_those_of_the_tree,
		idempotency_keys_come_in_order_and_each_is_found,
		one_toolbox_serves_two_segments_and_outlives_them,
		threads_read_one_segment_side_by_side_and_the_last_one_closes_it,
		every_changed_byte_of_a_small_segment_is_found_when_it_is_opened,
		a_file_that_is_cut_longer_missing_or_a_folder_is_no_segment,
		a_segment_of_another_log_range_generation_or_key_is_not_opened,
		files_that_changed_places_are_not_opened,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("segment", tests, sizeof tests / sizeof *tests, 120);
}
