/* DATA/clock: two slots, of which the newer one that is whole counts. */
#include "storage/clockfile.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "suite.h"

enum { INCARNATION = 77, FILE_BYTES = CLOCKFILE_APART + CLOCKFILE_SLOT_BYTES };

static char dir[64], path[80];

static void
begin(void)
{
	strcpy(dir, "/tmp/stele-clock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/clock", dir);
}

static void
end(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct clock_saved
state(int64_t n)
{
	struct clock_saved s = {.now = {.wall_ns = n, .boot_ns = n + 1, .boot_id = {9, 8, 7}},
				.evidence_ns = n + 2,
				.lock_ns = n + 3,
				.era = 5,
				.sequence = 6,
				.state = CLOCK_FROZEN,
				.cause = CLOCK_RESTORED,
				.bucket = 690};

	for (int i = 0; i < CLOCK_BUCKETS; i++)
		s.credits[i] = n + i;
	return s;
}

/* Opens and reads; whether it is state(n). */
static int
look(uint64_t incarnation, int64_t *n)
{
	struct clock_saved s, want;
	struct clockfile f;
	int err = clockfile_open(&f, dir, incarnation, &s);

	clockfile_close(&f);
	if (err == 0) {
		*n = s.now.wall_ns;
		want = state(*n);
		ck_assert_mem_eq(&s.now, &want.now, sizeof s.now);
		ck_assert_int_eq(s.evidence_ns, want.evidence_ns);
		ck_assert_int_eq(s.lock_ns, want.lock_ns);
		ck_assert(s.era == want.era && s.sequence == want.sequence);
		ck_assert(s.state == want.state && s.cause == want.cause);
		ck_assert_uint_eq(s.bucket, want.bucket);
		ck_assert_mem_eq(s.credits, want.credits, sizeof s.credits);
	}
	return err;
}

static void
write_states(int from, int to)
{
	struct clock_saved s;
	struct clockfile f;
	int err = clockfile_open(&f, dir, INCARNATION, &s);

	ck_assert(err == 0 || err == STELE_ENOTFOUND);
	for (int n = from; n <= to; n++) {
		s = state(n);
		ck_assert_int_eq(clockfile_write(&f, &s), 0);
	}
	clockfile_close(&f);
}

static void
load(uint8_t bytes[FILE_BYTES])
{
	int fd = open(path, O_RDONLY);

	ck_assert_int_eq(pread(fd, bytes, FILE_BYTES, 0), FILE_BYTES);
	close(fd);
}

static void
store(const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_eq(pwrite(fd, bytes, n, 0), (ssize_t)n);
	close(fd);
}

START_TEST(what_was_saved_last_comes_back)
{
	struct stat sb;
	int64_t n = 0;

	begin();
	ck_assert_int_eq(look(INCARNATION, &n), STELE_ENOTFOUND);
	for (int i = 1; i <= 5; i++) {
		write_states(i * 10, i * 10);
		ck_assert_int_eq(look(INCARNATION, &n), 0);
		ck_assert_int_eq(n, i * 10);
	}
	ck_assert_int_eq(stat(path, &sb), 0);
	ck_assert_int_eq(sb.st_mode & 0777, 0600);
	ck_assert_int_eq(sb.st_size, FILE_BYTES);
	ck_assert_int_eq(look(INCARNATION + 1, &n), STELE_EDAMAGED); /* another store's */
	end();
}
END_TEST

/* State 3 lies in the second slot, 2 in the first, and 4 comes where 2 was. */
START_TEST(a_write_torn_at_any_byte_leaves_this_state_or_the_one_before)
{
	uint8_t before[FILE_BYTES], after[FILE_BYTES], torn[FILE_BYTES];
	int64_t n;

	begin();
	write_states(1, 3);
	load(before);
	write_states(4, 4);
	load(after);
	for (size_t cut = 0; cut <= CLOCKFILE_SLOT_BYTES; cut++) {
		memcpy(torn, before, sizeof torn);
		memcpy(torn, after, cut);
		store(torn, sizeof torn);
		ck_assert_int_eq(look(INCARNATION, &n), 0);
		/* the hash is last, and nothing of a slot is the same in both */
		ck_assert_int_eq(n, memcmp(torn, after, sizeof torn) == 0 ? 4 : 3);
	}
	end();
}
END_TEST

START_TEST(a_byte_wrong_or_zeroed_anywhere_is_found)
{
	uint8_t right[FILE_BYTES], wrong[FILE_BYTES];
	int64_t n;

	begin();
	write_states(1, 4); /* 4 in the first slot, 3 in the second */
	load(right);
	for (size_t at = 0; at < FILE_BYTES; at++) {
		bool first = at < CLOCKFILE_SLOT_BYTES, second = at >= CLOCKFILE_APART;
		for (int zero = 0; zero < 2; zero++) {
			memcpy(wrong, right, sizeof wrong);
			wrong[at] = zero ? 0 : wrong[at] ^ 0x40;
			if (memcmp(wrong, right, sizeof wrong) == 0)
				continue;
			store(wrong, sizeof wrong);
			ck_assert_int_eq(look(INCARNATION, &n), 0);
			ck_assert_int_eq(n, first ? 3 : 4);
			if (!first && !second)
				continue;
			/* and when it is in both */
			wrong[first ? CLOCKFILE_APART + at : at - CLOCKFILE_APART] ^= 0x40;
			store(wrong, sizeof wrong);
			ck_assert_int_eq(look(INCARNATION, &n), STELE_EDAMAGED);
		}
	}
	end();
}
END_TEST

START_TEST(a_file_cut_off_anywhere_or_zeroed_gives_nothing_false)
{
	uint8_t right[FILE_BYTES];
	int64_t n = 0;

	begin();
	write_states(1, 4);
	load(right);
	for (size_t size = 0; size <= FILE_BYTES; size++) {
		int err;
		store(right, size);
		err = look(INCARNATION, &n);
		if (size == 0)
			ck_assert_int_eq(err, STELE_ENOTFOUND);
		else if (size < CLOCKFILE_SLOT_BYTES)
			ck_assert_int_eq(err, STELE_EDAMAGED);
		else
			ck_assert(err == 0 && n == 4);
	}
	memset(right, 0, sizeof right);
	store(right, sizeof right);
	ck_assert_int_eq(look(INCARNATION, &n), STELE_ENOTFOUND);
	end();
}
END_TEST

START_TEST(a_later_version_is_not_guessed_at)
{
	uint8_t bytes[FILE_BYTES];
	struct sha256 *h = sha256_new();
	int64_t n;

	begin();
	write_states(1, 4);
	load(bytes);
	for (size_t at = 0; at <= CLOCKFILE_APART; at += CLOCKFILE_APART) {
		bytes[at + 8] = CLOCKFILE_VERSION + 1;
		sha256_hash(h, bytes + at + CLOCKFILE_SLOT_BYTES - 32,
			    slice_of(bytes + at, CLOCKFILE_SLOT_BYTES - 32));
	}
	store(bytes, sizeof bytes);
	ck_assert_int_eq(look(INCARNATION, &n), STELE_EVERSION);
	sha256_free(h);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_was_saved_last_comes_back,
		a_write_torn_at_any_byte_leaves_this_state_or_the_one_before,
		a_byte_wrong_or_zeroed_anywhere_is_found,
		a_file_cut_off_anywhere_or_zeroed_gives_nothing_false,
		a_later_version_is_not_guessed_at,
	};

	return suite_run("clockfile", tests, sizeof tests / sizeof *tests, 60);
}
