/*
 * A disk that is really full: a small tmpfs in a mount namespace of our own.
 * Exit 77 (skipped) where that is not allowed.
 *
 * Appends go on until there is no room for the next WAL file; a ballast file
 * then takes the rest. From there on: STELE_ENOSPACE for appends that need a
 * file and for new logs, never read-only, all reads alive, also after a
 * restart; with the ballast gone, appends go on and nothing is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "crypto/init.h"
#include "proto/check.h"
#include "proto/err.h"
#include "storage/append.h"
#include "storage/internal.h"
#include "storage/read.h"

enum { SKIPPED = 77, PAYLOAD = 200000, MAX_RECORDS = 200 };

static struct {
	char dir[64], data[80], ballast[80];
	struct store_options opts;
	struct store *st;
	struct log *log;
	struct toolbox *tools;
	unsigned n; /* records acknowledged */
} g;

static void __attribute__((format(printf, 2, 3))) must(bool holds, const char *fmt, ...)
{
	va_list ap;

	if (holds)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	printf(" (%u records)\n", g.n);
	va_end(ap);
	exit(1);
}

static void
say(void *ctx, enum store_level level, const char *line)
{
	(void)ctx;
	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%d: %s\n", level, line);
}

static struct slice
payload(unsigned n, char out[PAYLOAD])
{
	for (unsigned i = 0; i < PAYLOAD; i++)
		out[i] = (char)('!' + (i * 2654435761u + n * 40503u + i * i * 31u) % 90);
	return slice_of(out, PAYLOAD);
}

static int
append(void)
{
	static char bytes[PAYLOAD];
	struct append_item item = {.payload = payload(g.n, bytes),
				   .media_type = slice_str("text/plain")};
	struct append_job job;
	int err;

	append_job_init(&job);
	job.log = g.log;
	job.writer = slice_str("p-test");
	job.items = &item;
	job.n_items = 1;
	CHECK(append_prepare(&job, g.tools) == 0);
	err = store_append_batch(g.st, &job);
	append_job_fini(&job);
	g.n += err == 0;
	return err;
}

static int
create(const char *name, struct log **out)
{
	struct policy policy = {.mode = ENTRY_MODE_NONE};
	struct append_job job;
	int err = store_log_conceive(g.st, slice_str(name), &policy, slice_str("p"), &job, out);

	if (err != 0)
		return err;
	(void)store_append_batch(g.st, &job);
	err = store_log_born(g.st, &job);
	append_job_fini(&job);
	return err;
}

static void
all_is_read(void)
{
	static char bytes[PAYLOAD];

	for (unsigned n = 0; n < g.n; n++) {
		struct record r;
		struct arena a;
		int err;
		arena_init(&a);
		err = read_record(g.st, g.log, n + 1, g.tools, &a, &r);
		must(err == 0 && slice_eq(r.payload, payload(n, bytes)), "record %u: %s", n + 1,
		     stele_strerror(err));
		arena_fini(&a);
	}
	must(!atomic_load(&g.st->read_only), "read-only");
}

static void
open_again(void)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = store_open(&g.st, &g.opts, &why);
	must(err == 0, "opening: %s: %.*s", stele_strerror(err), (int)why.n,
	     why.p ? (const char *)why.p : "");
	buf_fini(&why);
}

static void
restart(void)
{
	store_close(g.st);
	open_again();
	must(store_log_find(g.st, slice_str("l"), &g.log) == 0, "the log is gone");
	all_is_read();
}

/* Takes all the room there is. */
static void
take_the_rest(void)
{
	static const char block[4096];
	int fd = open(g.ballast, O_WRONLY | O_CREAT | O_APPEND, 0600);

	CHECK(fd >= 0);
	while (write(fd, block, sizeof block) == (ssize_t)sizeof block)
		continue;
	close(fd);
}

static void
fill_and_free(void)
{
	struct log *other = NULL;
	int err = 0;

	while (err == 0 && g.n < MAX_RECORDS)
		err = append();
	must(err == STELE_ENOSPACE, "the disk does not fill: %s", stele_strerror(err));
	all_is_read();
	take_the_rest();
	err = store_maintain(g.st);
	must(err == STELE_ENOSPACE, "upkeep on a full disk: %s", stele_strerror(err));
	err = append();
	must(err == STELE_ENOSPACE, "an append on a full disk: %s", stele_strerror(err));
	err = create("other", &other);
	must(err == STELE_ENOSPACE, "a log on a full disk: %s", stele_strerror(err));
	restart();
	err = append();
	must(err == STELE_ENOSPACE, "an append after a restart: %s", stele_strerror(err));
	CHECK(unlink(g.ballast) == 0);
}

static bool
mount_small(void)
{
	strcpy(g.dir, "/tmp/stele-full-XXXXXX");
	if (!mkdtemp(g.dir))
		return false;
	if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	return mount("tmpfs", g.dir, "tmpfs", 0, "size=8m") == 0;
}

int
main(void)
{
	if (!mount_small()) {
		printf("skipped: no mount namespace here (%s)\n", strerror(errno));
		rmdir(g.dir);
		return SKIPPED;
	}
	CHECK(crypto_init() == 0);
	snprintf(g.data, sizeof g.data, "%s/data", g.dir);
	snprintf(g.ballast, sizeof g.ballast, "%s/ballast", g.dir);
	g.opts = (struct store_options){.dir = g.data,
					.server_name = "test.example.com",
					.wal_file_bytes = LIMIT_WAL_FILE_MIN_BYTES,
					.create = true,
					.say = say};
	g.tools = toolbox_new();
	open_again();
	CHECK(create("l", &g.log) == 0);
	take_the_rest(); /* the first round on a smaller disk */
	CHECK(truncate(g.ballast, 2 << 20) == 0);
	fill_and_free();
	must(append() == 0, "no append although there is room");
	must(store_maintain(g.st) == 0, "no upkeep although there is room");
	restart();
	fill_and_free();
	all_is_read();
	store_close(g.st);
	toolbox_free(g.tools);
	printf("%u records through two full disks\n", g.n);
	(void)umount2(g.dir, MNT_DETACH);
	(void)rmdir(g.dir);
	return 0;
}
