/*
 * One flipped bit, anywhere in a data directory: bitflip [STRIDE [DENSE [FILE]]].
 *
 * A small store is made: several logs, full tiles, keys in a run, a dictionary,
 * sealed segments, a catalogue, two WAL files; once closed in order and once killed with the
 * catalogue behind. Then one bit of one file is flipped, the store opened in a
 * child, and the answer must be one of:
 *
 *   refused   store_open fails and says why, naming the file
 *   whole     the same heads, and every record reads as it was written
 *   partly    the same heads; some records answer STELE_EDAMAGED, the rest read right
 *
 * What opens must also go on: records are appended, the catalogue is saved, and
 * after another opening the old heads must be prefixes of the new ones.
 * Headers and small files are flipped at every DENSE-th bit, the rest at every STRIDE-th.
 * Prints one line per file; exit 0 when no flip did anything else.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/init.h"
#include "crypto/merkle.h"
#include "proto/check.h"
#include "proto/err.h"
#include "storage/append.h"
#include "storage/internal.h"
#include "storage/read.h"

enum { MAX_FILES = 64, LOGS = 3, RECORDS = 300, SMALL_BYTES = 2048, CHILD_SECONDS = 120 };
enum outcome { REFUSED = 10, WHOLE = 11, PARTLY = 12, WRONG = 13 };

struct file {
	char path[512]; /* below the folder */
	uint8_t *bytes;
	size_t n;
};

struct known {
	char name[16];
	uint64_t size;
	uint8_t root[32];
	char *payload[RECORDS];
	uint8_t leaf[RECORDS][32];
};

static struct {
	char dir[256];
	struct file files[MAX_FILES];
	size_t n_files;
	struct known logs[LOGS];
	struct toolbox *tools;
	struct store_options opts;
} g;

static void
say(void *ctx, enum store_level level, const char *line)
{
	(void)ctx;
	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "  %d: %s\n", level, line);
}

/* --- the folder ------------------------------------------------------------ */

static int
take_file(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	struct file *file = &g.files[g.n_files];
	int fd;

	(void)f;
	if (type != FTW_F)
		return 0;
	CHECK(g.n_files < MAX_FILES);
	snprintf(file->path, sizeof file->path, "%s", path + strlen(g.dir) + 1);
	file->n = (size_t)sb->st_size;
	file->bytes = malloc(file->n + 1);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, file->bytes, file->n) == (ssize_t)file->n);
	close(fd);
	g.n_files++;
	return 0;
}

/* Forgets the last store: its files and what is known of its records. */
static void
forget_store(void)
{
	for (size_t i = 0; i < g.n_files; i++)
		free(g.files[i].bytes);
	g.n_files = 0;
	for (int i = 0; i < LOGS; i++) {
		for (int n = 0; n < RECORDS; n++)
			free(g.logs[i].payload[n]);
		memset(&g.logs[i], 0, sizeof g.logs[i]);
	}
}

static int
remove_unknown(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)f;
	if (type != FTW_F)
		return 0;
	for (size_t i = 0; i < g.n_files; i++) {
		if (strcmp(path + strlen(g.dir) + 1, g.files[i].path) == 0)
			return 0;
	}
	return unlink(path);
}

static int
remove_all(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	(void)f;
	return remove(path);
}

/* Makes the folder what it was; stele.id keeps its inode, by which it knows its place. */
static void
restore(void)
{
	CHECK(nftw(g.dir, remove_unknown, 16, FTW_PHYS) == 0);
	for (size_t i = 0; i < g.n_files; i++) {
		char path[1024];
		int fd;
		snprintf(path, sizeof path, "%s/%s", g.dir, g.files[i].path);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		CHECK(fd >= 0);
		CHECK(pwrite(fd, g.files[i].bytes, g.files[i].n, 0) == (ssize_t)g.files[i].n);
		CHECK(ftruncate(fd, (off_t)g.files[i].n) == 0);
		close(fd);
	}
}

static void
flip(const struct file *file, size_t bit)
{
	uint8_t b = file->bytes[bit / 8] ^ (uint8_t)(1u << bit % 8);
	char path[1024];
	int fd;

	snprintf(path, sizeof path, "%s/%s", g.dir, file->path);
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && pwrite(fd, &b, 1, (off_t)(bit / 8)) == 1);
	close(fd);
}

/* --- the store -------------------------------------------------------------- */

static uint64_t
append(struct store *st, struct log *log, const char *payload, const char *key)
{
	struct append_item item = {.payload = slice_str(payload),
				   .media_type = slice_str("application/json"),
				   .has_key = key != NULL};
	struct append_job job;

	append_job_init(&job);
	if (key) {
		struct slice part = slice_str(key);
		log_key_digest(log, item.key, 'k', &part, 1);
	}
	job.log = log;
	job.writer = slice_str("p-test");
	job.items = &item;
	job.n_items = 1;
	CHECK(append_prepare(&job, g.tools) == 0);
	CHECK(store_append_batch(st, &job) == 0 && job.err == 0);
	append_job_fini(&job);
	return item.index;
}

static struct log *
create(struct store *st, const char *name)
{
	struct policy policy = {.mode = ENTRY_MODE_NONE};
	struct append_job job;
	struct log *log;

	CHECK(store_log_conceive(st, slice_str(name), &policy, slice_str("p-test"), &job, &log) ==
	      0);
	CHECK(store_append_batch(st, &job) == 0 && store_log_born(st, &job) == 0);
	append_job_fini(&job);
	return log;
}

/* Records of log number i: the first log has large ones, so that it gets a dictionary. */
static char *
make_payload(int i, int n)
{
	char *text = malloc(4096);
	int at = snprintf(text, 4096, "{\"log\":%d,\"n\":%d,\"user\":\"u-%d\"", i, n, n * n % 97);

	for (int k = 0; i == 0 && k < 60; k++)
		at += snprintf(text + at, 4096 - (size_t)at, ",\"field-%d\":\"value %d\"", k,
			       (n * 31 + k * 7) % 1009);
	strcpy(text + at, "}");
	return text;
}

static void
fill_log(struct store *st, int i, int from, int to)
{
	struct known *k = &g.logs[i];
	struct log *log;

	CHECK(store_log_find(st, slice_str(k->name), &log) == 0);
	for (int n = from; n < to; n++) {
		char key[32];
		snprintf(key, sizeof key, "key-%d", n);
		free(k->payload[n]); /* of the store made before */
		k->payload[n] = make_payload(i, n);
		CHECK(append(st, log, k->payload[n], n % 3 ? key : NULL) == (uint64_t)n + 1);
	}
}

static void
know(struct store *st)
{
	for (int i = 0; i < LOGS; i++) {
		struct known *k = &g.logs[i];
		struct head *head;
		struct log *log;
		CHECK(store_log_find(st, slice_str(k->name), &log) == 0);
		head = log_head(log);
		k->size = head->size;
		memcpy(k->root, head->root, 32);
		head_unref(head);
		for (uint64_t n = 1; n < k->size; n++) {
			struct record r;
			struct arena a;
			arena_init(&a);
			CHECK(read_record(st, log, n, g.tools, &a, &r) == 0);
			CHECK(slice_eq_str(r.payload, k->payload[n - 1]));
			memcpy(k->leaf[n - 1], r.leaf, 32);
			arena_fini(&a);
		}
	}
}

/* A run of keys before any is due. */
static void
spill_keys(struct store *st)
{
	CHECK(keyindex_freeze(&st->keys, st->position.end, st->position.sequence + 1,
			      st->position.hash) == 0);
}

/* Everything of a log so far into segments. */
static void
seal_log(struct store *st, int i)
{
	struct buf why;
	struct log *log;

	buf_init(&why);
	CHECK(store_log_find(st, slice_str(g.logs[i].name), &log) == 0);
	CHECK(store_seal_log(st, log, &why) == 0);
	buf_fini(&why);
}

static void
make_store(bool killed)
{
	struct store *st;
	struct buf why;

	buf_init(&why);
	forget_store();
	CHECK(nftw(g.dir, remove_unknown, 16, FTW_PHYS) == 0); /* all of them */
	CHECK(store_open(&st, &g.opts, &why) == 0);
	for (int i = 0; i < LOGS; i++) {
		snprintf(g.logs[i].name, sizeof g.logs[i].name, "log-%d", i);
		create(st, g.logs[i].name);
	}
	fill_log(st, 0, 0, RECORDS - 20);
	fill_log(st, 1, 0, 20);
	spill_keys(st);
	CHECK(store_maintain(st) == 0);
	CHECK(st->keys.n_runs == 1);
	seal_log(st, 0);
	seal_log(st, 1);
	fill_log(st, 0, RECORDS - 20, RECORDS); /* the first brings the dictionary */
	fill_log(st, 2, 0, 5);
	CHECK(store_maintain(st) == 0);
	fill_log(st, 2, 5, 30);
	know(st);
	CHECK(st->by_name[0]->n_dicts == 1 && st->position.end.file == 2);
	if (killed)
		atomic_store(&st->read_only, true); /* closes without a word to the disk */
	store_close(st);
	buf_fini(&why);
	CHECK(nftw(g.dir, take_file, 16, FTW_PHYS) == 0);
}

/* --- the judgement ---------------------------------------------------------- */

static void __attribute__((format(printf, 1, 2), noreturn)) wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
	_exit(WRONG);
}

static enum outcome
check_records(struct store *st, const struct known *k, struct log *log)
{
	enum outcome o = WHOLE;

	for (uint64_t n = 1; n < k->size; n++) {
		struct record r;
		struct arena a;
		int err;
		arena_init(&a);
		err = read_record(st, log, n, g.tools, &a, &r);
		if (err == STELE_EDAMAGED)
			o = PARTLY;
		else if (err != 0)
			wrong("log %s, record %llu: %s", k->name, (unsigned long long)n,
			      stele_strerror(err));
		else if (!slice_eq_str(r.payload, k->payload[n - 1]) ||
			 memcmp(r.leaf, k->leaf[n - 1], 32) != 0)
			wrong("log %s, record %llu is another", k->name, (unsigned long long)n);
		arena_fini(&a);
	}
	return o;
}

/* The head of a log is the known one, or `more` records on a tree that begins with it. */
static enum outcome
check_log(struct store *st, const struct known *k, unsigned more)
{
	struct sha256 *h = sha256_new();
	enum outcome o = WHOLE;
	struct head *head;
	struct proof p;
	struct log *log;
	int err;

	if (store_log_find(st, slice_str(k->name), &log) != 0)
		wrong("log %s is gone", k->name);
	head = log_head(log);
	if (head->size != k->size + more)
		wrong("log %s has %llu records", k->name, (unsigned long long)head->size);
	if (more == 0 && memcmp(head->root, k->root, 32) != 0)
		wrong("log %s has another root", k->name);
	err = read_consistency(st, log, k->size, head->size, g.tools, &p);
	if (err == STELE_EDAMAGED)
		o = PARTLY; /* the proof needs hashes that are damaged, and says so */
	else if (err != 0 || merkle_verify_consistency(h, k->size, k->root, head->size, head->root,
						       (const uint8_t(*)[32])p.hash, p.n) != 0)
		wrong("log %s: the known head is no prefix", k->name);
	head_unref(head);
	sha256_free(h);
	return check_records(st, k, log) == WHOLE ? o : PARTLY;
}

static enum outcome
check_store(struct store *st, unsigned more)
{
	enum outcome o = WHOLE;

	for (int i = 0; i < LOGS; i++) {
		if (check_log(st, &g.logs[i], more) == PARTLY)
			o = PARTLY;
	}
	return o;
}

static void
go_on(struct store *st)
{
	for (int i = 0; i < LOGS; i++) {
		struct log *log;
		CHECK(store_log_find(st, slice_str(g.logs[i].name), &log) == 0);
		append(st, log, "{\"after\":\"the flip\"}", NULL);
	}
	(void)store_maintain(st);
	store_close(st);
}

/* In a child: what the store makes of the folder. */
static enum outcome
judge(const struct file *file)
{
	const char *base = strrchr(file->path, '/') ? strrchr(file->path, '/') + 1 : file->path;
	struct store *st;
	enum outcome o;
	struct buf why;
	int err;

	alarm(CHILD_SECONDS);
	buf_init(&why);
	err = store_open(&st, &g.opts, &why);
	buf_put_u8(&why, 0);
	if (err != 0) {
		if (!strstr((const char *)why.p, base))
			wrong("refused without naming the file: %s", (const char *)why.p);
		say(NULL, STORE_INFO, (const char *)why.p);
		return REFUSED;
	}
	o = check_store(st, 0);
	go_on(st);
	err = store_open(&st, &g.opts, &why);
	if (err != 0)
		wrong("opened once, and then not: %s: %.*s", stele_strerror(err), (int)why.n,
		      (const char *)why.p);
	if (check_store(st, 1) != o && o == WHOLE)
		wrong("records were lost by going on");
	return o;
}

static enum outcome
try_flip(const struct file *file, size_t bit)
{
	int status;
	pid_t pid;

	restore();
	flip(file, bit);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		if (!getenv("STELE_TEST_VERBOSE") && !freopen("/dev/null", "w", stderr))
			_exit(WRONG);
		_exit(judge(file));
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) >= REFUSED && WEXITSTATUS(status) <= PARTLY)
		return (enum outcome)WEXITSTATUS(status);
	if (WIFSIGNALED(status))
		printf("killed by signal %d", WTERMSIG(status));
	printf(": %s, byte %zu, bit %zu\n", file->path, bit / 8, bit % 8);
	return WRONG;
}

/* --- the flips ---------------------------------------------------------------- */

/* Whether this byte is of a small file or a header. */
static bool
is_dense(const struct file *file, size_t byte)
{
	size_t in_page = byte % 4096;

	if (file->n <= SMALL_BYTES)
		return true;
	if (strcmp(file->path, "wal/released") == 0)
		return in_page < 136;
	if (strcmp(file->path, "catalog.mdb") == 0)
		return byte < 2 * 4096 && in_page < 176; /* LMDB's two roots */
	return byte < 104;                               /* a header */
}

/* Whether byte is within 128 bytes of something that is not zero: the rest is never read. */
static bool
is_used(const struct file *file, size_t byte)
{
	static const uint8_t zeros[128];
	size_t from = byte / 128 * 128, n = file->n - from < 128 ? file->n - from : 128;

	return memcmp(file->bytes + from, zeros, n) != 0;
}

static unsigned
flip_file(const struct file *file, size_t stride, size_t dense)
{
	unsigned n[4] = {0}, all;
	size_t bit = 0;

	while (bit < file->n * 8) {
		bool small = is_dense(file, bit / 8);
		n[try_flip(file, bit) - REFUSED]++;
		bit += small ? dense : stride;
		while (bit < file->n * 8 && !is_used(file, bit / 8) && !is_dense(file, bit / 8))
			bit += 8 * 128; /* one in a while of what lies idle */
	}
	all = n[0] + n[1] + n[2] + n[3];
	printf("%-26s %8zu bytes %7u flips %7u refused %7u whole %7u partly %5u wrong\n",
	       file->path, file->n, all, n[0], n[1], n[2], n[3]);
	fflush(stdout);
	return n[3];
}

int
main(int argc, char **argv)
{
	size_t stride = argc > 1 ? strtoul(argv[1], NULL, 10) : 1009;
	size_t dense = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	unsigned bad = 0;

	snprintf(g.dir, sizeof g.dir, "%s/stele-flip-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (stride == 0 || dense == 0 || crypto_init() != 0 || !mkdtemp(g.dir))
		return 3;
	g.tools = toolbox_new();
	g.opts = (struct store_options){.dir = g.dir,
					.server_name = "test.example.com",
					.wal_file_bytes = LIMIT_WAL_FILE_MIN_BYTES,
					.create = true,
					.say = say};
	for (int killed = 0; killed < 2; killed++) {
		make_store(killed);
		printf("%s:\n", killed ? "killed, the catalogue behind" : "closed in order");
		for (size_t i = 0; i < g.n_files; i++) {
			if (argc <= 3 || strstr(g.files[i].path, argv[3]))
				bad += flip_file(&g.files[i], stride, dense);
		}
	}
	forget_store();
	toolbox_free(g.tools);
	(void)nftw(g.dir, remove_all, 16, FTW_DEPTH | FTW_PHYS);
	printf("%u wrong\n", bad);
	return bad ? 1 : 0;
}
