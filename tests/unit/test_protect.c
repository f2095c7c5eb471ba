/* Sealed segments that nobody removes by mistake; where the platform cannot, that is reported. */
#include "sealed_log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "crypto/init.h"
#include "storage/protect.h"
#include "suite.h"

static unsigned unsupported; /* tests that could only see that */

static const char *
segments_of(struct scratch *s)
{
	static char dir[300];

	snprintf(dir, sizeof dir, "%s/segments/l", s->dir);
	return dir;
}

/* Removes the store's folder, whatever its files are. */
static void
end(struct scratch *s)
{
	char path[700];
	struct dirent *e;
	DIR *d = opendir(segments_of(s));

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof path, "%s/%s", segments_of(s), e->d_name);
		if (e->d_name[0] != '.')
			ck_assert_int_eq(protect_clear(path), 0);
	}
	if (d)
		closedir(d);
	scratch_end(s);
}

/* A store that protects, with log "l" of 300 sealed records. */
static struct log *
begin(struct scratch *s)
{
	struct log *log;

	scratch_begin(s);
	scratch_close(s);
	s->opts.protect = true;
	ck_assert_int_eq(scratch_open(s), 0);
	log = scratch_log(s, "l", "{}");
	sealed_log_fill(s, log, 300);
	sealed_log_seal(s, log);
	return log;
}

/* Whether a file here can be immutable, asked without the store's own code. */
static bool
supported(struct scratch *s)
{
	char path[300];
	int fd, flags, set;
	bool ok;

	snprintf(path, sizeof path, "%s/probe", s->dir);
	fd = open(path, O_RDONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ok = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
	set = flags | FS_IMMUTABLE_FL;
	ok = ok && ioctl(fd, FS_IOC_SETFLAGS, &set) == 0;
	if (ok)
		ck_assert_int_eq(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
	close(fd);
	ck_assert_int_eq(unlink(path), 0);
	return ok;
}

/* Whether segments here can be immutable: then the one there is, and else no figure says so. */
static bool
can(struct scratch *s, struct log *log)
{
	struct log_storage storage;
	struct store_stats stats;

	log_storage_get(log, &storage);
	store_stats_get(s->st, &stats);
	ck_assert_uint_eq(storage.segments, 1);
	ck_assert_uint_eq(stats.segments_immutable, storage.immutable);
	ck_assert_uint_eq(stats.segments_verity, storage.verity);
	ck_assert_uint_eq(storage.immutable, supported(s));
	unsupported += storage.immutable == 0;
	return storage.immutable == 1;
}

START_TEST(a_sealed_segment_is_not_removed_or_written_by_mistake)
{
	static const char *const files[] = {"0-300.1.seg", "0-300.1.manifest"};
	struct scratch s;
	struct log *log = begin(&s);
	char path[400], other[400];

	for (int i = 0; can(&s, log) && i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", segments_of(&s), files[i]);
		snprintf(other, sizeof other, "%s/x", s.dir);
		ck_assert(unlink(path) != 0 && errno == EPERM);
		ck_assert(rename(path, other) != 0 && errno == EPERM);
		ck_assert(rename(other, path) != 0);
		ck_assert(link(path, other) != 0 && errno == EPERM);
		ck_assert(truncate(path, 0) != 0 && errno == EPERM);
		ck_assert(open(path, O_RDWR) < 0 && errno == EPERM);
	}
	sealed_log_reads(&s, log, 300);
	end(&s);
}
END_TEST

START_TEST(what_replaces_it_is_protected_and_it_leaves)
{
	struct log_storage storage;
	struct scratch s;
	struct log *log = begin(&s);
	bool immutable = can(&s, log);

	sealed_log_fill(&s, log, 600);
	sealed_log_seal(&s, log);
	log_storage_get(log, &storage);
	ck_assert_uint_eq(storage.segments, 1);
	ck_assert_uint_eq(storage.immutable, immutable);
	ck_assert_int_ne(access(sealed_log_path(&s, "l", "0-300.1.seg"), F_OK), 0);
	ck_assert_int_ne(access(sealed_log_path(&s, "l", "0-300.1.manifest"), F_OK), 0);
	ck_assert_uint_eq(s.errors, 0);
	end(&s);
}
END_TEST

START_TEST(a_start_protects_what_is_not_and_knows_what_is)
{
	struct log_storage storage;
	const struct segment_name name = {0, 300, 1};
	struct scratch s;
	struct log *log = begin(&s);
	bool immutable = can(&s, log);

	ck_assert_int_eq(protect_clear(sealed_log_path(&s, "l", "0-300.1.seg")), 0);
	ck_assert_uint_eq(protect_segment(segments_of(&s), &name, false) & PROTECT_IMMUTABLE, 0);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	ck_assert_int_eq(can(&s, log), immutable);
	scratch_close(&s);
	s.opts.protect = false; /* nothing is set, nothing is taken off */
	for (int cleared = 0; cleared < 2; cleared++) {
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
		log_storage_get(log, &storage);
		ck_assert_uint_eq(storage.immutable, immutable && !cleared);
		scratch_close(&s);
		ck_assert_int_eq(protect_clear(sealed_log_path(&s, "l", "0-300.1.seg")), 0);
	}
	ck_assert_int_eq(scratch_open(&s), 0);
	end(&s);
}
END_TEST

START_TEST(what_an_interrupted_seal_left_is_removed_all_the_same)
{
	const struct segment_name name = {0, 400, 7};
	struct scratch s;
	char command[1200];

	begin(&s);
	scratch_close(&s);
	snprintf(command, sizeof command,
		 "cd '%s' && cp 0-300.1.seg 0-400.7.seg && cp 0-300.1.manifest 0-400.7.manifest",
		 segments_of(&s));
	ck_assert_int_eq(system(command), 0);
	protect_segment(segments_of(&s), &name, true);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_ne(access(sealed_log_path(&s, "l", "0-400.7.seg"), F_OK), 0);
	end(&s);
}
END_TEST

START_TEST(a_file_that_is_not_there_needs_no_removing)
{
	ck_assert_int_eq(protect_unlink("/tmp/stele-no-such-file"), 0);
	ck_assert_int_eq(protect_clear("/tmp/stele-no-such-file"), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_sealed_segment_is_not_removed_or_written_by_mistake,
		what_replaces_it_is_protected_and_it_leaves,
		a_start_protects_what_is_not_and_knows_what_is,
		what_an_interrupted_seal_left_is_removed_all_the_same,
		a_file_that_is_not_there_needs_no_removing,
	};
	int rc;

	if (crypto_init() != 0)
		return 1;
	rc = suite_run("protect", tests, sizeof tests / sizeof *tests, 60);
	if (unsupported)
		printf("no immutable files here (file system, or no CAP_LINUX_IMMUTABLE): seen to "
		       "be reported as such\n");
	return rc;
}
