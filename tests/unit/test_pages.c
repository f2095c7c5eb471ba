/* LMDB's pages checked by hand: never a complaint about a whole file, always about a double use. */
#include "scratch_store.h"

#include <fcntl.h>

#include "crypto/init.h"
#include "folder.h"
#include "storage/catalog.h"
#include "storage/pages.h"
#include "suite.h"

/* A catalogue through many commits of every size: entries added, replaced, grown and shrunk. */
START_TEST(whatever_the_catalogue_went_through_its_pages_are_believed)
{
	struct catalog_state state = {.incarnation = 1};
	static uint8_t bytes[20000];
	struct catalog *c;
	struct folder f;

	folder_init(&f);
	ck_assert_int_eq(catalog_create(&c, f.dir), 0);
	srandom(7);
	for (int commit = 0; commit < 300; commit++) {
		int puts = 1 << random() % 9;
		catalog_begin(c);
		for (int i = 0; i < puts; i++) {
			uint64_t key = (uint64_t)random() % (commit % 2 ? 100 : 10000);
			size_t n =
				random() % 50 ? (size_t)random() % 200 : (size_t)random() % 20000;
			memset(bytes, i, sizeof bytes);
			catalog_put(c, CATALOG_LOG, slice_of(&key, 8), slice_of(bytes, n));
		}
		ck_assert_int_eq(catalog_commit(c, &state), 0);
		ck_assert_int_eq(pages_check(folder_path(&f, "catalog.mdb")), 0);
	}
	catalog_close(c);
	folder_fini(&f);
}
END_TEST

START_TEST(a_file_that_is_none_or_cut_is_refused)
{
	struct catalog_state state = {.incarnation = 1};
	struct catalog *c;
	struct folder f;
	struct stat sb;

	folder_init(&f);
	ck_assert_int_eq(pages_check(folder_path(&f, "catalog.mdb")), STELE_ENOTFOUND);
	ck_assert_int_eq(catalog_create(&c, f.dir), 0);
	for (uint64_t key = 0; key < 2000; key++) {
		catalog_begin(c);
		catalog_put(c, CATALOG_LOG, slice_of(&key, 8), slice_of(f.dir, 100));
		ck_assert_int_eq(catalog_commit(c, &state), 0);
	}
	catalog_close(c);
	ck_assert_int_eq(stat(folder_path(&f, "catalog.mdb"), &sb), 0);
	for (off_t n = sb.st_size - 4096; n >= 0; n -= 4096) {
		ck_assert_int_eq(truncate(f.path, n), 0);
		if (n < sb.st_size / 2)
			ck_assert_int_eq(pages_check(f.path), STELE_EDAMAGED);
	}
	folder_fini(&f);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		whatever_the_catalogue_went_through_its_pages_are_believed,
		a_file_that_is_none_or_cut_is_refused,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("pages", tests, sizeof tests / sizeof *tests, 120);
}
