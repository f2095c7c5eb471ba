/*
 * Every write, flush and rename of a store's life fails once.
 *
 * A scripted life (first start, logs, appends over several WAL files, keys that
 * spill, a dictionary, saves, seals, rotations of keys and identity, a segment that replaces
 * another, WAL files that leave, a restart) is run once to count its operations, and then again and
 * again with the n-th one failing: with EIO, with ENOSPC, or after half a write. Each time it must
 * hold that
 *
 *   - what fails with EIO while the store runs makes it read-only, and says so;
 *     later appends get STELE_EREADONLY, and nothing else
 *   - without room nothing breaks: the act fails, and works when tried again,
 *     unless what failed was written in place
 *   - everything acknowledged before is read while the store is still open
 *   - after a restart on a whole disk all of it is there, every head that was
 *     released is a prefix of the head now and its key its epoch's, every identity that was
 *     in force leads to the one that is, and appends go on
 *
 * The last must hold too when the process is killed at the n-th operation.
 */
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "crypto/init.h"
#include "crypto/merkle.h"
#include "proto/check.h"
#include "proto/err.h"
#include "storage/append.h"
#include "storage/internal.h"
#include "storage/read.h"
#include "storage/rotate.h"
#include "storage/succeed.h"
#include "tests/unit/faulty_disk.h"

enum { LOGS = 2, MAX_ACKS = 256, BIG = 300000 };

struct ack {
	int log;
	uint64_t index;
	unsigned n;    /* which payload */
	uint64_t size; /* of the head that came with it */
	uint8_t root[32];
	uint32_t epoch; /* of the key that signed it */
	uint8_t key[32];
	size_t identities; /* up to the one in force */
	uint8_t identity[32];
};

static struct {
	char dir[256];
	struct store_options opts;
	struct store *st;
	struct log *logs[LOGS];
	struct toolbox *tools;
	struct sha256 *h;
	unsigned errors;  /* lines said at STORE_ERROR */
	bool was_failing; /* the fault came while the store was running */
	char what[128];
} g;

/* What outlives a process that is killed. */
static struct told {
	struct ack acks[MAX_ACKS];
	unsigned n_acks, n_payloads;
} * told;

static void __attribute__((format(printf, 2, 3))) must(bool holds, const char *fmt, ...)
{
	va_list ap;

	if (holds)
		return;
	va_start(ap, fmt);
	printf("%s: ", g.what);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	exit(1);
}

static void
say(void *ctx, enum store_level level, const char *line)
{
	(void)ctx;
	g.errors += level == STORE_ERROR;
	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%s: %s\n", g.what, line);
}

static int
remove_one(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	return f->level ? remove(path) : 0;
}

/* The n-th payload: every seventh fills much of a WAL file. */
static struct slice
payload(unsigned n, char *out)
{
	size_t bytes = n % 7 == 3 ? BIG : 200;

	for (size_t i = 0; i < bytes; i++)
		out[i] = (char)('!' + (i * 2654435761u + n * 40503u + i * i * 31u) % 90);
	return slice_of(out, bytes);
}

static bool
opens(void)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = store_open(&g.st, &g.opts, &why);
	if (err != 0) {
		must(why.n != 0, "refused without a word");
		g.st = NULL;
	}
	buf_fini(&why);
	return err == 0;
}

/* What must hold right after an act of the running store failed with err. */
static void
after_failure(int err)
{
	bool read_only = atomic_load(&g.st->read_only);

	must(atomic_load(&disk.failed), "error without a fault: %s", stele_strerror(err));
	g.was_failing = true;
	if (disk.error == EIO)
		must(read_only, "not read-only after %s", stele_strerror(err));
	must(!read_only || g.errors, "read-only without a word");
	must(read_only || err == STELE_ENOSPACE, "not read-only, but %s", stele_strerror(err));
}

static void
note_identity(struct ack *a)
{
	const struct identities *row = identity_row(g.st->identity);

	a->identities = row->n;
	memcpy(a->identity, row->of[row->n - 1].key.public_key, 32);
}

static int
append(int log)
{
	static char bytes[BIG];
	struct append_item item = {.media_type = slice_str("text/plain"), .has_key = true};
	struct append_job job;
	unsigned n = told->n_payloads++;
	struct slice key = slice_of(&n, sizeof n);
	int err;

	item.payload = payload(n, bytes);
	append_job_init(&job);
	log_key_digest(g.logs[log], item.key, 'k', &key, 1);
	job.log = g.logs[log];
	job.writer = slice_str("p-test");
	job.items = &item;
	job.n_items = 1;
	CHECK(append_prepare(&job, g.tools) == 0);
	err = store_append_batch(g.st, &job);
	must(err == job.err, "batch and job disagree");
	if (err == 0) {
		struct ack *a = &told->acks[told->n_acks];
		*a = (struct ack){.log = log, .index = item.index, .n = n, .size = job.head->size};
		memcpy(a->root, job.head->root, 32);
		a->epoch = g.logs[log]->keys->epoch;
		memcpy(a->key, g.logs[log]->keys->vkeys[a->epoch].public_key, 32);
		note_identity(a);
		told->n_acks++;
	}
	append_job_fini(&job);
	return err;
}

static int
create(int log)
{
	struct policy policy = {.mode = ENTRY_MODE_NONE};
	const char *names[] = {"one", "two"};
	struct append_job job;
	int err;

	err = store_log_conceive(g.st, slice_str(names[log]), &policy, slice_str("p"), &job,
				 &g.logs[log]);
	if (err != 0)
		return err == STELE_EEXIST ? 0 : err;
	(void)store_append_batch(g.st, &job);
	err = store_log_born(g.st, &job);
	append_job_fini(&job);
	return err;
}

static void
find_logs(void)
{
	const char *names[] = {"one", "two"};

	for (int i = 0; i < LOGS; i++) {
		if (store_log_find(g.st, slice_str(names[i]), &g.logs[i]) != 0)
			g.logs[i] = NULL;
	}
}

/* Every statement holds under one of the identities, and no later one under an earlier one. */
static void
check_statements(int log)
{
	const struct logkeys *keys = g.logs[log]->keys;
	struct keystatement k;
	size_t by, last = 0;
	struct buf note;

	buf_init(&note);
	for (uint32_t i = 0; i <= keys->epoch; i++, last = by) {
		buf_reset(&note);
		must(logkeys_put_statement(keys, i, &note) == 0 &&
			     identities_statement(g.h, identity_row(g.st->identity),
						  buf_slice(&note), &k, &by) == 0,
		     "epoch %u is stated by none", i);
		must(by >= last, "epoch %u is stated by an identity that was replaced", i);
	}
	buf_fini(&note);
}

static void
check_ack(const struct ack *a)
{
	static char bytes[BIG];
	struct head *now;
	struct record r;
	struct proof p;
	struct arena arena;
	int err;

	must(g.logs[a->log] != NULL, "log %d is gone", a->log);
	now = log_head(g.logs[a->log]);
	must(now->size >= a->size, "the head went back");
	arena_init(&arena);
	err = read_record(g.st, g.logs[a->log], a->index, g.tools, &arena, &r);
	must(err == 0, "record %llu: %s", (unsigned long long)a->index, stele_strerror(err));
	must(slice_eq(r.payload, payload(a->n, bytes)), "another record at %llu",
	     (unsigned long long)a->index);
	arena_fini(&arena);
	err = read_consistency(g.st, g.logs[a->log], a->size, now->size, g.tools, &p);
	if (err == 0)
		err = merkle_verify_consistency(g.h, a->size, a->root, now->size, now->root,
						(const uint8_t(*)[32])p.hash, p.n);
	must(err == 0, "a released head is no prefix: %s", stele_strerror(err));
	must(a->epoch <= g.logs[a->log]->keys->epoch, "the key of epoch %u is gone", a->epoch);
	must(memcmp(a->key, g.logs[a->log]->keys->vkeys[a->epoch].public_key, 32) == 0,
	     "there is another key of epoch %u", a->epoch);
	must(a->identities <= identity_row(g.st->identity)->n, "identity %zu is gone",
	     a->identities);
	must(memcmp(a->identity, identity_row(g.st->identity)->of[a->identities - 1].key.public_key,
		    32) == 0,
	     "there is another identity %zu", a->identities);
	check_statements(a->log);
	head_unref(now);
}

static void
check_acks(void)
{
	for (unsigned i = 0; i < told->n_acks; i++)
		check_ack(&told->acks[i]);
}

/*
 * One act of the script: done, or failed in the stated way and then, where the
 * store still writes, done again. False when the life is over.
 */
static bool
act(int (*fn)(int), int arg)
{
	bool before = atomic_load(&disk.failed);
	int err = fn(arg);

	if (err == 0 && !atomic_load(&g.st->read_only)) {
		must(before || !atomic_load(&disk.failed), "a failure was passed over");
		return true;
	}
	after_failure(err);
	check_acks();
	if (!atomic_load(&g.st->read_only)) {
		disk.at = 0; /* room again */
		err = fn(arg);
		must(err == 0, "does not go on with room: %s", stele_strerror(err));
		return true;
	}
	if (g.logs[0])
		must(append(0) == STELE_EREADONLY, "an append to a read-only store");
	must(create(LOGS - 1) != 0 || g.logs[LOGS - 1], "a log on a read-only store");
	return false;
}

static int
maintain(int arg)
{
	(void)arg;
	return store_maintain(g.st);
}

static int
prewrite(int arg)
{
	(void)arg;
	return store_prewrite(g.st);
}

/* Sets the keys aside as if their table were full. */
static int
spill(int arg)
{
	(void)arg;
	if (g.st->keys.frozen.n == 0)
		CHECK(keyindex_freeze(&g.st->keys, g.st->position.end, g.st->position.sequence + 1,
				      g.st->position.hash) == 0);
	return store_maintain(g.st);
}

static int
seal(int arg)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = store_seal_log(g.st, g.logs[arg], &why);
	buf_fini(&why);
	return err;
}

static int
rotate(int arg)
{
	struct append_job job;
	bool destroyed;
	int err;

	append_job_init(&job);
	err = rotate_begin(&job, g.logs[arg], slice_str("p"), g.tools);
	if (err == 0) {
		(void)store_append_batch(g.st, &job);
		err = rotate_end(&job, &destroyed);
		if (err == 0 && !destroyed)
			err = STELE_ENOSPACE; /* said, and done again */
	}
	append_job_fini(&job);
	return err;
}

static int
succeed(int arg)
{
	static const char text[] = "{\"type\":\"identity.rotate\"}";
	struct append_job job;
	bool destroyed;
	int err;

	append_job_init(&job);
	CHECK(append_control(&job, g.logs[arg], ENTRY_RECORD, slice_str("p"), slice_str(text),
			     g.tools) == 0);
	err = succeed_begin(&job);
	if (err == 0) {
		(void)store_append_batch(g.st, &job);
		err = succeed_end(&job, &destroyed);
		if (err == 0 && !destroyed)
			err = STELE_ENOSPACE; /* said, and done again */
	}
	append_job_fini(&job);
	return err;
}

/* What is due: pressure by WAL files, and the end of what was replaced. */
static int
tend(int arg)
{
	int err;

	(void)arg;
	do
		err = store_seal_due(g.st);
	while (err == 1);
	return err;
}

static bool
first_half(void)
{
	bool alive = act(create, 0) && act(create, 1);

	for (int i = 0; alive && i < 9; i++)
		alive = act(append, i % LOGS);
	alive = alive && act(maintain, 0) && act(prewrite, 0);
	for (int i = 0; alive && i < 9; i++)
		alive = act(append, i % 3 == 0);
	alive = alive && act(rotate, 0) && act(append, 0);
	alive = alive && act(succeed, 1) && act(append, 0) && act(rotate, 1);
	alive = alive && act(spill, 0) && act(append, 1) && act(maintain, 0);
	alive = alive && act(seal, 0) && act(append, 0) && act(seal, 0) && act(maintain, 0);
	return alive && act(tend, 0) && act(append, 1) && act(maintain, 0);
}

static bool
second_half(void)
{
	bool alive = true;

	for (int i = 0; alive && i < 4; i++)
		alive = act(append, i % LOGS);
	alive = alive && act(rotate, 1) && act(append, 1) && act(maintain, 0) && act(rotate, 0);
	alive = alive && act(append, 0) && act(succeed, 0) && act(append, 1) && act(seal, 1);
	return alive && act(maintain, 0) && act(tend, 0) && act(append, 0);
}

/* A short write alone may be taken for a full disk. */
static bool
failed_hard(void)
{
	return atomic_load(&disk.failed) && disk.error == EIO && !disk.shorter;
}

/* The script, as far as the fault lets it come. */
static void
live(void)
{
	bool alive;

	if (!opens())
		return;
	must(!failed_hard(), "started although an operation failed");
	alive = first_half();
	store_close(g.st);
	g.st = NULL;
	if (!alive || failed_hard() || !opens())
		return;
	must(!failed_hard(), "started although an operation failed");
	find_logs();
	check_acks();
	(void)second_half();
	store_close(g.st);
	g.st = NULL;
}

/* Forgets everything and begins in an empty folder. */
static void
begin(const char *what)
{
	CHECK(nftw(g.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
	memset(g.logs, 0, sizeof g.logs);
	toolbox_free(g.tools); /* it remembers what it read last, of one store */
	g.tools = toolbox_new();
	told->n_acks = told->n_payloads = g.errors = 0;
	g.was_failing = false;
	snprintf(g.what, sizeof g.what, "%s", what);
}

/* On a whole disk everything acknowledged is there, and goes on. */
static void
check_restart(void)
{
	must(opens(), "does not start on a whole disk");
	find_logs();
	check_acks();
	must(create(0) == 0 && create(1) == 0, "no log can be made");
	find_logs();
	must(append(0) == 0 && append(1) == 0, "no append");
	must(rotate(0) == 0 && append(0) == 0, "no new key");
	must(succeed(0) == 0 && rotate(1) == 0 && append(1) == 0, "no new identity");
	must(store_maintain(g.st) == 0, "no save");
	store_close(g.st);
	must(opens(), "does not start again");
	find_logs();
	check_acks();
	store_close(g.st);
}

static void
run(unsigned kinds, unsigned n, int error, bool shorter)
{
	char what[128];

	snprintf(what, sizeof what, "operation %u of kinds %u, %s%s", n, kinds, strerror(error),
		 shorter ? " after half of it" : "");
	begin(what);
	/* half a write is an error only when the rest fails too */
	disk_fail_at(kinds, n, shorter ? 2 : 1, error, shorter);
	live();
	must(disk_repair(NULL), "the fault did not come");
	check_restart();
}

/* The same life, ended by a signal at operation n. */
static void
run_killed(unsigned kinds, unsigned n)
{
	char what[128];
	int status;
	pid_t pid;

	snprintf(what, sizeof what, "killed at operation %u", n);
	begin(what);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		disk_fail_at(kinds, n, 1, EIO, false);
		disk.die = true;
		live();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "not killed: %x",
	     (unsigned)status);
	check_restart();
}

static unsigned
count(unsigned kinds)
{
	unsigned n;

	begin("counting");
	disk_fail_at(kinds, 0, 0, 0, false);
	live();
	must(!disk_repair(&n), "nothing was to fail");
	must(told->n_acks == 31, "%u acknowledged", told->n_acks);
	return n;
}

int
main(int argc, char **argv)
{
	const struct {
		unsigned kinds;
		int error;
		bool shorter;
	} faults[] = {{DISK_WRITE, EIO, false},    {DISK_WRITE, ENOSPC, false},
		      {DISK_WRITE, EIO, true},     {DISK_FLUSH, EIO, false},
		      {DISK_FLUSH, ENOSPC, false}, {DISK_RENAME, EIO, false},
		      {DISK_RENAME, ENOSPC, false}};
	unsigned step = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1, runs = 0, all;

	snprintf(g.dir, sizeof g.dir, "%s/stele-disk-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (step == 0 || crypto_init() != 0 || !mkdtemp(g.dir))
		return 3;
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(told != MAP_FAILED);
	g.h = sha256_new();
	g.opts = (struct store_options){.dir = g.dir,
					.server_name = "test.example.com",
					.wal_file_bytes = LIMIT_WAL_FILE_MIN_BYTES,
					.create = true,
					.say = say};
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		unsigned n = count(faults[i].kinds);
		for (unsigned at = 1; at <= n; at += step, runs++)
			run(faults[i].kinds, at, faults[i].error, faults[i].shorter);
	}
	all = count(DISK_WRITE | DISK_FLUSH | DISK_RENAME);
	for (unsigned at = 1; at <= all; at += step, runs++)
		run_killed(DISK_WRITE | DISK_FLUSH | DISK_RENAME, at);
	begin("the end");
	toolbox_free(g.tools);
	sha256_free(g.h);
	rmdir(g.dir);
	printf("%u lives with one fault each\n", runs);
	return 0;
}
