/* The catalogue: what was put in comes out, or nothing does. */
#include "scratch_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crypto/init.h"
#include "faulty_disk.h"
#include "folder.h"
#include "storage/catalog.h"
#include "storage/internal.h"
#include "storage/save.h"
#include "suite.h"

enum { KEYS = 400 };

/* What a key's value is in a generation; generations replace every third value. */
static size_t
value_of(uint64_t key, unsigned generation, uint8_t out[400])
{
	unsigned since = key % 3 ? 0 : generation;
	size_t n = (size_t)((key * 37 + since * 11) % 400);

	memset(out, (int)(key + since), n);
	return n;
}

static uint64_t
be(uint64_t key)
{
	return __builtin_bswap64(key);
}

static int
put_all(struct catalog *c, unsigned generation)
{
	struct catalog_state state = {.incarnation = 5, .sequence = generation, .last_run = 3};

	catalog_begin(c);
	for (uint64_t key = 0; key < KEYS; key++) {
		uint64_t k = be(key);
		uint8_t v[400];
		size_t n = value_of(key, generation, v);
		if (generation == 0 || key % 3 == 0)
			catalog_put(c, key % 2 ? CATALOG_LOG : CATALOG_NODE, slice_of(&k, 8),
				    slice_of(v, n));
	}
	return catalog_commit(c, &state);
}

struct seen {
	unsigned generation;
	uint64_t next; /* key */
	bool wrong;
};

static int
see(void *ctx, struct slice key, struct slice value)
{
	struct seen *s = ctx;
	uint64_t k = be(s->next);
	uint8_t v[400];
	size_t n = value_of(s->next, s->generation, v);

	s->wrong |= !slice_eq(key, slice_of(&k, 8)) || !slice_eq(value, slice_of(v, n));
	s->next += 2;
	return 0;
}

/* Whether the catalogue holds exactly a generation. */
static bool
holds(struct catalog *c, unsigned generation)
{
	struct seen logs = {generation, 1, false}, nodes = {generation, 0, false},
		    none = {generation, 0, false};

	return catalog_each(c, CATALOG_LOG, see, &logs) == 0 && !logs.wrong &&
	       logs.next == KEYS + 1 && catalog_each(c, CATALOG_NODE, see, &nodes) == 0 &&
	       !nodes.wrong && nodes.next == KEYS &&
	       catalog_each(c, CATALOG_DICT, see, &none) == 0 && none.next == 0;
}

static int
count_one(void *ctx, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(unsigned *)ctx;
	return 0;
}

START_TEST(what_is_deleted_is_gone_after_a_restart_and_the_rest_is_not)
{
	struct catalog_state state = {.incarnation = 5, .sequence = 1};
	unsigned left = 0;
	struct catalog *c;
	struct folder f;

	folder_init(&f);
	ck_assert_int_eq(catalog_create(&c, f.dir), 0);
	ck_assert_int_eq(put_all(c, 0), 0);
	catalog_begin(c);
	for (uint64_t key = 1; key < KEYS; key += 2) {
		uint64_t k = be(key);
		catalog_delete(c, CATALOG_LOG, slice_of(&k, 8));
		catalog_delete(c, CATALOG_LOG, slice_of(&k, 8)); /* not there any more: no error */
	}
	ck_assert_int_eq(catalog_commit(c, &state), 0);
	catalog_close(c);
	ck_assert_int_eq(catalog_open(&c, f.dir, &state), 0); /* its sum holds */
	ck_assert_int_eq(catalog_each(c, CATALOG_LOG, count_one, &left), 0);
	ck_assert_uint_eq(left, 0);
	ck_assert_int_eq(catalog_each(c, CATALOG_NODE, count_one, &left), 0);
	ck_assert_uint_eq(left, KEYS / 2);
	catalog_close(c);
	folder_fini(&f);
}
END_TEST

START_TEST(what_was_committed_is_there_after_opening_again)
{
	struct catalog_state state;
	struct catalog *c;
	struct folder f;

	folder_init(&f);
	ck_assert_int_eq(catalog_open(&c, f.dir, &state), STELE_ENOTFOUND);
	ck_assert_int_eq(catalog_create(&c, f.dir), 0);
	for (unsigned generation = 0; generation < 6; generation++) {
		ck_assert_int_eq(put_all(c, generation), 0);
		ck_assert(holds(c, generation));
		catalog_begin(c); /* begun and left */
		catalog_put(c, CATALOG_LOG, slice_of("x", 1), slice_of("y", 1));
		catalog_close(c);
		ck_assert_int_eq(catalog_open(&c, f.dir, &state), 0);
		ck_assert_uint_eq(state.sequence, generation);
		ck_assert_uint_eq(state.incarnation, 5);
		ck_assert_uint_eq(state.last_run, 3);
		ck_assert(holds(c, generation));
	}
	catalog_close(c);
	ck_assert_int_eq(catalog_create(&c, f.dir), 0);
	ck_assert(!holds(c, 5));
	catalog_close(c);
	ck_assert_int_eq(catalog_open(&c, f.dir, &state), STELE_EDAMAGED); /* no state in it */
	folder_fini(&f);
}
END_TEST

START_TEST(a_transaction_is_kept_whole_or_not_at_all)
{
	const int errors[] = {ENOSPC, EIO};
	struct catalog_state state;
	struct catalog *c;
	struct folder f;

	for (int e = 0; e < 2; e++) {
		unsigned generation = 0, n;
		folder_init(&f);
		ck_assert_int_eq(catalog_create(&c, f.dir), 0);
		ck_assert_int_eq(put_all(c, 0), 0);
		for (n = 1;; n++) {
			int err;
			disk_fail_at(DISK_WRITE | DISK_FLUSH, n, 1, errors[e], false);
			err = put_all(c, generation + 1);
			if (!disk_repair(NULL)) {
				ck_assert_int_eq(err, 0);
				break;
			}
			ck_assert_int_ne(err, 0);
			/* what was kept is known when it is opened anew */
			catalog_close(c);
			ck_assert_int_eq(catalog_open(&c, f.dir, &state), 0);
			ck_assert(state.sequence == generation || state.sequence == generation + 1);
			generation = (unsigned)state.sequence;
			ck_assert(holds(c, generation));
		}
		ck_assert_uint_ge(n, 4);
		catalog_close(c);
		folder_fini(&f);
	}
}
END_TEST

/* In a child: 0 refused, 1 the old content, and it can be written; else wrong. */
static int
use(const char *dir, unsigned generation)
{
	struct catalog_state state;
	struct catalog *c;

	alarm(30);
	if (!freopen("/dev/null", "w", stderr))
		return 9;
	if (catalog_open(&c, dir, &state) != 0)
		return 0;
	if (state.sequence > generation || !holds(c, (unsigned)state.sequence))
		return 2;
	for (unsigned more = 1; more <= 6; more++) {
		if (put_all(c, generation + more) != 0)
			return 3;
	}
	catalog_close(c);
	if (catalog_open(&c, dir, &state) != 0 || !holds(c, generation + 6))
		return 4;
	catalog_close(c);
	return 1;
}

START_TEST(no_flipped_bit_changes_what_is_believed_or_what_is_written_next)
{
	unsigned outcome[2] = {0};
	uint8_t *bytes;
	struct catalog *c;
	struct folder f;
	struct stat sb;
	int fd;

	folder_init(&f);
	ck_assert_int_eq(catalog_create(&c, f.dir), 0);
	for (unsigned generation = 0; generation < 8; generation++)
		ck_assert_int_eq(put_all(c, generation), 0);
	catalog_close(c);
	fd = open(folder_path(&f, "catalog.mdb"), O_RDWR);
	ck_assert_int_eq(fstat(fd, &sb), 0);
	bytes = malloc((size_t)sb.st_size);
	ck_assert_int_eq(read(fd, bytes, (size_t)sb.st_size), sb.st_size);
	for (size_t bit = 0; bit < (size_t)sb.st_size * 8;) {
		bool root = bit / 8 < 8192 && bit / 8 % 4096 < 160;
		int status;
		pid_t pid;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(pwrite(fd, bytes, (size_t)sb.st_size, 0), sb.st_size);
		ck_assert_int_eq(ftruncate(fd, sb.st_size), 0);
		fflush(stdout);
		pid = fork();
		if (pid == 0)
			_exit(use(f.dir, 7));
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) < 2,
			      "byte %zu, bit %zu: status %x", bit / 8, bit % 8, (unsigned)status);
		outcome[WEXITSTATUS(status)]++;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		bit += root ? 7 : 1499;
	}
	ck_assert_uint_gt(outcome[0], 20);
	ck_assert_uint_gt(outcome[1], 20);
	close(fd);
	free(bytes);
	folder_fini(&f);
}
END_TEST

/* --- in a store --------------------------------------------------------------- */

START_TEST(a_store_on_a_full_disk_starts_and_reads_and_saves_when_there_is_room)
{
	struct scratch s;
	char path[512];
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	scratch_append(&s, log, "one");
	for (int missing = 0; missing < 2; missing++) {
		struct record r;
		struct arena a;
		atomic_store(&s.st->read_only, true); /* closes without saving */
		scratch_close(&s);
		snprintf(path, sizeof path, "%s/catalog.mdb", s.dir);
		if (missing)
			ck_assert_int_eq(unlink(path), 0);
		/* WAL and mark are written in place, two writes: only the catalogue needs room */
		if (missing)
			disk_fail_at(DISK_WRITE, 1, 1, ENOSPC, false);
		else
			disk_fail_at(DISK_WRITE, 3, 1000, ENOSPC, false);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
		arena_init(&a);
		ck_assert_int_eq(read_record(s.st, log, 1, s.tools, &a, &r), 0);
		ck_assert(slice_eq_str(r.payload, "one"));
		arena_fini(&a);
		ck_assert(disk_repair(NULL));
		disk_fail_at(DISK_WRITE, 1, 1000, ENOSPC, false);
		ck_assert_int_eq(store_maintain(s.st), STELE_ENOSPACE);
		ck_assert(disk_repair(NULL));
		ck_assert(!atomic_load(&s.st->read_only));
		ck_assert_int_eq(store_maintain(s.st), 0);
		ck_assert_uint_eq(s.st->saved_sequence, s.st->position.sequence);
		scratch_append(&s, log, "two");
	}
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_catalogue_that_cannot_be_written_is_made_anew_from_memory)
{
	uint64_t commits;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (int i = 0; i < 600; i++)
		scratch_append(&s, log, "one");
	ck_assert_int_eq(store_maintain(s.st), 0);
	scratch_append(&s, log, "two");
	commits = atomic_load(&s.st->catalog_commits);
	ck_assert_int_eq(catalog_renew(s.st), 0);
	ck_assert_uint_eq(atomic_load(&s.st->catalog_commits), commits + 1);
	scratch_close(&s);
	s.warnings = 0;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_eq(s.warnings, 0); /* it was believed */
	ck_assert_uint_eq(s.st->saved_sequence, 602);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	for (uint64_t n = 1; n < 601; n += 13) {
		struct record r;
		struct arena a;
		arena_init(&a);
		ck_assert_int_eq(read_record(s.st, log, n, s.tools, &a, &r), 0);
		arena_fini(&a);
	}
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_deleted_is_gone_after_a_restart_and_the_rest_is_not,
		what_was_committed_is_there_after_opening_again,
		a_transaction_is_kept_whole_or_not_at_all,
		no_flipped_bit_changes_what_is_believed_or_what_is_written_next,
		a_store_on_a_full_disk_starts_and_reads_and_saves_when_there_is_room,
		a_catalogue_that_cannot_be_written_is_made_anew_from_memory,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("catalog", tests, sizeof tests / sizeof *tests, 240);
}
