/* The two texts of a backup: one spelling each, and no path that a backup does not have. */
#include "storage/backuplist.h"

#include "proto/err.h"
#include "suite.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static const char text[] = "stele backup v1\n"
			   "ledger.example.com\n"
			   "begun 2026-11-23T15:48:00.123456789Z\n"
			   "ended 2026-11-23T15:49:00.000000000Z\n"
			   "commit 17\n"
			   "files 3\n"
			   "list " HEX "\n";

START_TEST(a_note_reads_and_writes_back_as_the_same_bytes)
{
	struct backup_note n;
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(backup_note_parse(&n, slice_str(text)), 0);
	ck_assert(slice_eq_str(n.server, "ledger.example.com"));
	ck_assert_uint_eq(n.commit, 17);
	ck_assert_uint_eq(n.files, 3);
	ck_assert_int_eq(n.ended_ns - n.begun_ns, 59876543211);
	for (int i = 0; i < 32; i++)
		ck_assert_int_eq(n.list_hash[i], i);
	backup_note_put(&out, &n);
	ck_assert(slice_eq(buf_slice(&out), slice_str(text)));
	buf_fini(&out);
}
END_TEST

START_TEST(what_is_no_note_of_this_version_is_none)
{
	struct backup_note n;
	char bad[sizeof text];
	size_t len = sizeof text - 1;

	ck_assert_int_eq(backup_note_parse(&n, slice_str("stele backup v2\nx\n")), STELE_EVERSION);
	for (size_t i = 0; i < len; i++)
		ck_assert_int_ne(backup_note_parse(&n, slice_of(text, i)), 0);
	memcpy(bad, text, sizeof text);
	bad[len - 2] = 'F'; /* hex is lower case */
	ck_assert_int_eq(backup_note_parse(&n, slice_of(bad, len)), STELE_ESYNTAX);
	bad[len - 2] = 'f';
	ck_assert_int_eq(backup_note_parse(&n, slice_of(bad, len)), 0);
	bad[len - 1] = ' ';
	ck_assert_int_eq(backup_note_parse(&n, slice_of(bad, len)), STELE_ESYNTAX);
}
END_TEST

/* Whether a line with this path is one. */
static bool
takes(const char *path)
{
	uint8_t hash[32], again[32] = {9};
	struct slice taken;
	struct lines l;
	struct buf b;
	bool ok;

	for (int i = 0; i < 32; i++)
		hash[i] = (uint8_t)(200 + i);
	buf_init(&b);
	backup_line_put(&b, hash, path);
	lines_init(&l, buf_slice(&b));
	backup_line_take(&l, again, &taken);
	ok = lines_end(&l) == 0;
	ck_assert(!ok || (slice_eq_str(taken, path) && memcmp(hash, again, 32) == 0));
	buf_fini(&b);
	return ok;
}

START_TEST(only_paths_that_a_backup_has_are_taken)
{
	static const char *const good[] = {"stele.id",
					   "LOCK",
					   "catalog.mdb",
					   "wal/00000001.wal",
					   "wal/keys-00000001-00000002.run",
					   "wal/released",
					   "segments/pay.ments/0-256.1.seg",
					   "segments/_system/0-256.1.manifest",
					   "objects/l/00ff.obj"};
	static const char *const bad[] = {"",
					  "x",
					  "/etc/passwd",
					  "wal",
					  "wal/",
					  "wal/..",
					  "wal/.hidden",
					  "wal/a/b",
					  "wal//a",
					  "../wal/a",
					  "segments/l",
					  "segments/l/",
					  "segments/../x",
					  "segments/l/..",
					  "segments/l/a/b",
					  "segments//a",
					  "segments/A/x.seg",
					  "objects/l/a b",
					  "objects/l/a\tb",
					  "keys/keyring",
					  "RESTORE.partial",
					  "stele.id/",
					  "stele.id ",
					  "wal/a\\b"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ck_assert_msg(takes(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!takes(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(what_is_no_line_is_none)
{
	static const char *const bad[] = {HEX "  LOCK",  HEX " LOCK\n", HEX "  \n",
					  "  LOCK\n",    "\n",          "G" HEX "  LOCK\n",
					  HEX "* LOCK\n"};
	uint8_t hash[32];
	struct slice path;
	struct lines l;

	lines_init(&l, slice_str(HEX "  LOCK\n"));
	backup_line_take(&l, hash, &path);
	ck_assert_int_eq(lines_end(&l), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		lines_init(&l, slice_str(bad[i]));
		backup_line_take(&l, hash, &path);
		ck_assert_msg(lines_end(&l) != 0, "%s", bad[i]);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_note_reads_and_writes_back_as_the_same_bytes,
		what_is_no_note_of_this_version_is_none,
		only_paths_that_a_backup_has_are_taken,
		what_is_no_line_is_none,
	};

	return suite_run("backuplist", tests, sizeof tests / sizeof *tests, 20);
}
