/* Dictionaries: trained on a log's own records, sealed into the WAL, found again. */
#include "scratch_store.h"

#include <fcntl.h>

#include "crypto/init.h"
#include "storage/internal.h"
#include "storage/seal.h"
#include "suite.h"

static void
text_of(unsigned n, char out[1200])
{
	int at = snprintf(out, 1200, "{\"n\":%u", n);

	for (unsigned k = 0; k < 40; k++)
		at += snprintf(out + at, 1200 - (size_t)at, ",\"field-%u\":\"v%u\"", k,
			       (n * 7919 + k * 104729) % 997);
	strcpy(out + at, "}");
}

/* Appends records [from, to] one commit each; the WAL bytes it took. */
static uint64_t
append(struct scratch *s, struct log *log, unsigned from, unsigned to)
{
	uint64_t bytes = 0;
	char text[1200];

	for (unsigned n = from; n <= to; n++) {
		text_of(n, text);
		ck_assert_uint_eq(scratch_append(s, log, text), n);
		bytes += log->tail.extents[log->tail.n - 1].bytes;
	}
	return bytes;
}

static void
all_read(struct scratch *s, struct log *log, unsigned n)
{
	struct toolbox *tools = toolbox_new();

	for (unsigned i = 1; i <= n; i += 3) {
		struct record r;
		struct arena a;
		char text[1200];
		arena_init(&a);
		text_of(i, text);
		ck_assert_int_eq(read_record(s->st, log, i, tools, &a, &r), 0);
		ck_assert(slice_eq_str(r.payload, text));
		arena_fini(&a);
	}
	toolbox_free(tools);
}

static struct log *
reopen(struct scratch *s, bool without_catalog)
{
	char path[512];
	struct log *log;

	scratch_close(s);
	snprintf(path, sizeof path, "%s/catalog.mdb", s->dir);
	if (without_catalog)
		ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(scratch_open(s), 0);
	ck_assert_int_eq(store_log_find(s->st, slice_str("l"), &log), 0);
	return log;
}

START_TEST(a_dictionary_is_trained_used_and_found_again)
{
	uint64_t before, after;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	before = append(&s, log, 1, 400);
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_ptr_nonnull(log->pending_dict);
	append(&s, log, 401, 401); /* carries it */
	ck_assert_uint_eq(log->n_dicts, 1);
	ck_assert_ptr_null(log->pending_dict);
	after = append(&s, log, 402, 801);
	ck_assert_uint_lt(after, before * 9 / 10);
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_uint_eq(log->n_dicts, 1); /* once is enough for now */
	for (int i = 0; i < 2; i++) {
		log = reopen(&s, i);
		ck_assert_uint_eq(log->n_dicts, 1);
		ck_assert_ptr_null(log->dict);
		all_read(&s, log, 801);
		ck_assert_ptr_nonnull(log->dict);
	}
	log = reopen(&s, false);
	ck_assert_int_eq(store_maintain(s.st), 0);
	scratch_append(&s, log, "something, so that upkeep looks at the log");
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_ptr_nonnull(log->dict); /* loaded ahead of the next appends */
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_trained_dictionary_that_was_never_committed_is_forgotten)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	append(&s, log, 1, 400);
	ck_assert_int_eq(store_maintain(s.st), 0);
	log = reopen(&s, false);
	ck_assert_uint_eq(log->n_dicts, 0);
	append(&s, log, 401, 405);
	all_read(&s, log, 405);
	scratch_end(&s);
}
END_TEST

START_TEST(records_too_alike_or_too_random_go_without)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (int i = 0; i < 300; i++) {
		char text[1001];
		for (int k = 0; k < 1000; k++)
			text[k] = (char)(' ' + random() % 95);
		text[1000] = '\0';
		scratch_append(&s, log, text);
	}
	ck_assert_int_eq(store_maintain(s.st), 0);
	scratch_append(&s, log, "x");
	ck_assert_int_eq(store_maintain(s.st), 0);
	log = reopen(&s, false);
	scratch_append(&s, log, "y");
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

/* A burst, then nothing more: every WAL file but the newest few leaves, with no later commit. */
START_TEST(a_store_at_rest_keeps_no_wal_file_for_a_dictionary_that_nothing_needs)
{
	struct wal_row row;
	struct scratch s;
	struct log *log;
	unsigned n = 401;

	scratch_begin(&s);
	scratch_close(&s);
	s.opts.wal_files = 1;
	ck_assert_int_eq(scratch_open(&s), 0);
	log = scratch_log(&s, "l", "{}");
	append(&s, log, 1, 400);
	ck_assert_int_eq(store_maintain(s.st), 0);
	append(&s, log, n, n); /* carries the dictionary */
	for (row = wal_row(s.st->wal); row.last < 6; row = wal_row(s.st->wal)) {
		append(&s, log, n + 1, n + 400);
		n += 400;
	}
	ck_assert_uint_eq(row.first, 1);
	for (int i = 0; i < 20; i++) {
		while (store_seal_due(s.st) > 0)
			;
		ck_assert_int_eq(store_maintain(s.st), 0);
	}
	row = wal_row(s.st->wal);
	ck_assert_uint_le(row.last - row.first, s.opts.wal_files + 1);
	all_read(&s, log, n);
	append(&s, log, n + 1, n + 300);
	log = reopen(&s, false);
	all_read(&s, log, n + 300);
	scratch_end(&s);
}
END_TEST

START_TEST(a_damaged_dictionary_is_damage_for_its_records_and_for_no_others)
{
	uint64_t damaged = 0;
	char path[512];
	struct scratch s;
	struct log *log;
	struct wal_pos at;
	uint8_t b;
	int fd;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	append(&s, log, 1, 400);
	ck_assert_int_eq(store_maintain(s.st), 0);
	append(&s, log, 401, 450);
	at = log->dicts[0].at;
	log = reopen(&s, false);
	ck_assert_uint_eq(log->dicts[0].at.offset, at.offset);
	snprintf(path, sizeof path, "%s/wal/%08u.wal", s.dir, at.file);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, &b, 1, (off_t)at.offset + 100), 1);
	b ^= 8;
	ck_assert_int_eq(pwrite(fd, &b, 1, (off_t)at.offset + 100), 1);
	close(fd);
	for (unsigned n = 1; n <= 450; n++) {
		struct record r;
		struct arena a;
		int err;
		arena_init(&a);
		err = read_record(s.st, log, n, s.tools, &a, &r);
		ck_assert(err == 0 || (err == STELE_EDAMAGED && n > 400));
		damaged += err != 0;
		arena_fini(&a);
	}
	ck_assert_uint_ge(damaged, 49);
	scratch_append(&s, log, "goes on without it");
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_dictionary_is_trained_used_and_found_again,
		a_trained_dictionary_that_was_never_committed_is_forgotten,
		records_too_alike_or_too_random_go_without,
		a_store_at_rest_keeps_no_wal_file_for_a_dictionary_that_nothing_needs,
		a_damaged_dictionary_is_damage_for_its_records_and_for_no_others,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("dict", tests, sizeof tests / sizeof *tests, 120);
}
