/* Building: all of it or nothing, and nothing that does not verify. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/init.h"
#include "segment_fixture.h"
#include "storage/file.h"
#include "storage/manifest.h"
#include "storage/segseal.h"
#include "suite.h"

static unsigned
files_in(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

START_TEST(what_was_built_is_two_files_that_nobody_may_write_and_that_say_the_same)
{
	struct segment_facts facts, again;
	struct merkle_frontier before;
	struct segment_plan plan;
	struct segment_name name;
	struct fixture f;
	struct stat sb;

	fixture_init(&f, 1400);
	fixture_plan(&f, 512, 1400, &before, &plan);
	plan.replaces = "512-100.4\n";
	plan.facts.generation = 5;
	ck_assert_int_eq(fixture_build_plan(&f, &plan, &facts), 0);
	ck_assert_uint_eq(files_in(f.folder.dir), 2);
	ck_assert_int_eq(stat(folder_path(&f.folder, "512-888.5.seg"), &sb), 0);
	ck_assert_uint_eq(sb.st_mode & 07777, 0444);
	ck_assert_uint_eq((uint64_t)sb.st_size, facts.file_bytes);
	name = (struct segment_name){512, 888, 5};
	ck_assert_int_eq(manifest_read(&again, NULL, f.folder.dir, &name, slice_str(FIXTURE_ORIGIN),
				       3, signer_vkey(f.signer), 1, &f.why),
			 0);
	ck_assert_uint_gt(facts.terms_bytes, 0); /* which no manifest says */
	again.terms_bytes = facts.terms_bytes;
	ck_assert_mem_eq(&again, &facts, sizeof facts);
	ck_assert_mem_eq(facts.last, f.leaves[1399], 32);
	ck_assert_mem_eq(facts.prev, f.leaves[511], 32);
	ck_assert_uint_eq(facts.ctl, 999);
	ck_assert_int_eq(fixture_build_plan(&f, &plan, &facts), STELE_EEXIST);
	ck_assert_uint_eq(files_in(f.folder.dir), 2);
	fixture_fini(&f);
}
END_TEST

START_TEST(the_same_records_make_a_segment_that_another_generation_is_read_like)
{
	struct segment_facts one, two;
	struct fixture f;

	fixture_init(&f, 700);
	fixture_build(&f, 0, 600, &one);
	fixture_build(&f, 0, 700, &two); /* a tail, rewritten when it has grown */
	ck_assert_mem_eq(one.last, f.leaves[599], 32);
	ck_assert_mem_eq(two.last, f.leaves[699], 32);
	ck_assert_uint_eq(files_in(f.folder.dir), 4);
	fixture_fini(&f);
}
END_TEST

/* Builds with one thing wrong; nothing may be left, and why must say something. */
static int
build_wrong(struct fixture *f, void (*spoil)(struct fixture *, struct segment_plan *))
{
	struct segment_facts facts = {0}, untouched = {0};
	struct merkle_frontier before;
	struct segment_plan plan;
	int err;

	fixture_plan(f, 256, 900, &before, &plan);
	spoil(f, &plan);
	err = fixture_build_plan(f, &plan, &facts);
	f->fail_at = -1;
	if (err != 0) {
		ck_assert_uint_gt(f->why.n, 0);
		ck_assert_mem_eq(&facts, &untouched, sizeof facts);
		ck_assert_uint_eq(files_in(f->folder.dir), 0);
	}
	return err;
}

static void
fewer(struct fixture *f, struct segment_plan *p)
{
	(void)p;
	f->to--;
}
static void
more(struct fixture *f, struct segment_plan *p)
{
	(void)p;
	f->to++;
}
static void
failing_sample(struct fixture *f, struct segment_plan *p)
{
	(void)p;
	f->fail_at = 700;
}
static void
unaligned(struct fixture *f, struct segment_plan *p)
{
	(void)f;
	p->facts.first++;
}
static void
no_generation(struct fixture *f, struct segment_plan *p)
{
	(void)f;
	p->facts.generation = 0;
}
static void
bad_replaces(struct fixture *f, struct segment_plan *p)
{
	(void)f;
	p->replaces = "nonsense\n";
}
static void
no_folder(struct fixture *f, struct segment_plan *p)
{
	(void)f;
	p->dir = "/nonexistent";
}
static void
other_prev(struct fixture *f, struct segment_plan *p)
{
	(void)f;
	p->facts.prev[31] ^= 1;
}
static void
other_root(struct fixture *f, struct segment_plan *p)
{
	(void)f;
	p->facts.root[0] ^= 1;
}
static void
other_origin(struct fixture *f, struct segment_plan *p)
{
	(void)f;
	p->facts.origin[0] = 'm';
}
static void
other_tree(struct fixture *f, struct segment_plan *p)
{
	static struct merkle_frontier tree;

	(void)f;
	tree = *p->before;
	tree.node[8][3] ^= 1;
	p->before = &tree;
}
static void
smaller_tree(struct fixture *f, struct segment_plan *p)
{
	static struct merkle_frontier tree;

	(void)f;
	merkle_frontier_init(&tree);
	p->before = &tree;
}
static void
other_leaf(struct fixture *f, struct segment_plan *p)
{
	(void)p;
	f->leaves[600][7] ^= 1;
}

static void
other_last_leaf(struct fixture *f, struct segment_plan *p)
{
	(void)p;
	f->leaves[890][7] ^= 1; /* in a tile that is not full: no node tells */
}

START_TEST(a_plan_or_a_source_that_is_wrong_leaves_nothing)
{
	struct fixture f;

	fixture_init(&f, 1000);
	ck_assert_int_eq(build_wrong(&f, fewer), STELE_EINVAL);
	ck_assert_int_eq(build_wrong(&f, more), STELE_EINVAL);
	ck_assert_int_eq(build_wrong(&f, failing_sample), STELE_EIO);
	ck_assert_int_eq(build_wrong(&f, unaligned), STELE_EINVAL);
	ck_assert_int_eq(build_wrong(&f, no_generation), STELE_EINVAL);
	ck_assert_int_eq(build_wrong(&f, bad_replaces), STELE_EINVAL);
	ck_assert_int_eq(build_wrong(&f, no_folder), STELE_ENOTFOUND);
	ck_assert_int_eq(build_wrong(&f, smaller_tree), STELE_EINVAL);
	fixture_fini(&f);
}
END_TEST

START_TEST(records_that_are_not_those_of_the_tree_are_never_published)
{
	struct fixture f;

	fixture_init(&f, 1000);
	ck_assert_int_eq(build_wrong(&f, other_prev), STELE_EDAMAGED);
	ck_assert_int_eq(build_wrong(&f, other_root), STELE_EDAMAGED);
	ck_assert_int_eq(build_wrong(&f, other_origin), STELE_EDAMAGED);
	ck_assert_int_eq(build_wrong(&f, other_tree), STELE_EDAMAGED);
	ck_assert_int_eq(build_wrong(&f, other_leaf), STELE_EDAMAGED);
	f.leaves[600][7] ^= 1;
	ck_assert_int_eq(build_wrong(&f, other_last_leaf), STELE_EDAMAGED);
	f.leaves[890][7] ^= 1;
	fixture_fini(&f);
}
END_TEST

/* A source that changes one field of one record. */
struct spoiler {
	struct fixture *f;
	int what;
};

static int
spoiler_rewind(void *ctx)
{
	return fixture_rewind(((struct spoiler *)ctx)->f);
}

static int
spoiler_next(void *ctx, struct segment_record *r)
{
	struct spoiler *s = ctx;
	uint64_t index = s->f->at;
	int err = fixture_next(s->f, r);

	if (err == 0 && s->what == 1 && index >= 290 && index < 300)
		r->seed_ordinal++; /* the salts are right, what they are said to expand from is not
				    */
	if (err != 0 || index != (s->what == 7 ? 11u : s->what == 8 ? 200u : 301u))
		return err;
	switch (s->what) {
	case 0:
		r->salt[0] ^= 1;
		r->seed = NULL;
		break;
	case 1:
		break;
	case 2:
		r->time_ns++;
		break;
	case 3:
		r->ctl++;
		break;
	case 4:
		r->writer = slice_str("someone");
		break;
	case 5:
		s->f->payload.p[3] ^= 1;
		break;
	case 6:
		r->kind = ENTRY_KEY;
		break;
	default: /* a stored commitment: of a long payload, of an object */
		r->commitment[5] ^= 1;
	}
	return 0;
}

START_TEST(one_wrong_field_of_one_record_is_found)
{
	struct segment_facts facts;
	struct merkle_frontier before;
	struct segment_plan plan;
	struct fixture f;

	fixture_init(&f, 1000);
	for (int what = 0; what < 9; what++) {
		struct spoiler s = {&f, what};
		const struct segment_source source = {&s, spoiler_rewind, spoiler_next};
		int err;
		fixture_plan(&f, 0, 1000, &before, &plan);
		buf_reset(&f.why);
		err = segment_build(&plan, &source, f.t, &facts, &f.why);
		ck_assert_msg(err == STELE_EDAMAGED || (err == STELE_EINVAL && what == 2), "%d: %d",
			      what, err);
		ck_assert_uint_eq(files_in(f.folder.dir), 0);
	}
	fixture_fini(&f);
}
END_TEST

/*
 * Entries that were hashed with a wrong ctl: leaves, chain and root agree, and only the rule that
 * each entry points to the control entry before it tells.
 */
START_TEST(entries_that_point_past_a_control_entry_are_refused)
{
	struct segment_facts facts;
	struct merkle_frontier before;
	struct segment_plan plan;
	struct fixture f;

	fixture_init(&f, 1000);
	f.ctl[700] = 0;
	fixture_hash(&f);
	fixture_plan(&f, 256, 1000, &before, &plan);
	ck_assert_int_eq(fixture_build_plan(&f, &plan, &facts), STELE_EDAMAGED);
	ck_assert_uint_eq(files_in(f.folder.dir), 0);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_segment_verifies_again_and_a_frontier_of_another_size_is_refused)
{
	struct segment_facts facts;
	struct merkle_frontier before;
	struct segment *s;
	struct fixture f;

	fixture_init(&f, 1000);
	fixture_build(&f, 256, 1000, &facts);
	ck_assert_int_eq(fixture_open(&f, &facts, &s), 0);
	fixture_tree(&f, 256, &before);
	ck_assert_int_eq(segment_verify(s, &before, f.t, &f.why), 0);
	before.node[8][0] ^= 1;
	ck_assert_int_eq(segment_verify(s, &before, f.t, &f.why), STELE_EDAMAGED);
	fixture_tree(&f, 255, &before);
	ck_assert_int_eq(segment_verify(s, &before, f.t, &f.why), STELE_EINVAL);
	segment_unref(s);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_full_disk_or_a_file_too_long_leaves_nothing)
{
	struct rlimit old, small;
	struct segment_facts facts;
	struct merkle_frontier before;
	struct segment_plan plan;
	struct fixture f;

	fixture_init(&f, 1000);
	fixture_plan(&f, 0, 1000, &before, &plan);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	for (rlim_t bytes = 0; bytes < 60000; bytes += 4096) {
		int err;
		small = (struct rlimit){bytes, old.rlim_max};
		ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
		err = fixture_build_plan(&f, &plan, &facts);
		ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
		ck_assert_msg(err == STELE_EIO || err == STELE_ENOSPACE, "%d", err);
		ck_assert_uint_eq(files_in(f.folder.dir), 0);
	}
	signal(SIGXFSZ, SIG_DFL);
	ck_assert_int_eq(fixture_build_plan(&f, &plan, &facts), 0);
	fixture_fini(&f);
}
END_TEST

/* A sanitizer keeps what was freed: there the figures mean nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_OURS = 0 };
#else
enum { MEMORY_IS_OURS = 1 };
#endif

START_TEST(memory_does_not_grow_with_the_segment)
{
	struct segment_facts facts;
	struct rusage small, large;
	struct fixture f;

	fixture_init(&f, 60000);
	fixture_build(&f, 0, 15000, &facts);
	getrusage(RUSAGE_SELF, &small);
	fixture_build(&f, 0, 60000, &facts);
	getrusage(RUSAGE_SELF, &large);
	ck_assert_uint_gt(facts.payload_bytes, 10 << 20);
	if (MEMORY_IS_OURS)
		ck_assert_int_lt(large.ru_maxrss - small.ru_maxrss, 6 << 10); /* KiB */
	fixture_fini(&f);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_was_built_is_two_files_that_nobody_may_write_and_that_say_the_same,
		the_same_records_make_a_segment_that_another_generation_is_read_like,
		a_plan_or_a_source_that_is_wrong_leaves_nothing,
		records_that_are_not_those_of_the_tree_are_never_published,
		one_wrong_field_of_one_record_is_found,
		entries_that_point_past_a_control_entry_are_refused,
		a_segment_verifies_again_and_a_frontier_of_another_size_is_refused,
		a_full_disk_or_a_file_too_long_leaves_nothing,
		memory_does_not_grow_with_the_segment,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("segbuild", tests, sizeof tests / sizeof *tests, 120);
}
