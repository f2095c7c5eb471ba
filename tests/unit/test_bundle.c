/* Bundles, held against docs/formats.md section 10 by a reader of their own. */
#include "bundle_check.h"

#include <fcntl.h>
#include <pthread.h>

/* What line i of a log's records says of `member`. */
static void
says(const struct case_zip *z, const char *log, size_t i, const char *member, const char *text)
{
	json_t *j = case_line(log_file(z, log, "records.ndjson"), i),
	       *m = json_object_get(j, member);
	char *got;

	ck_assert_msg(m != NULL, "line %zu of %s has no %s", i, log, member);
	got = json_dumps(m, JSON_ENCODE_ANY);
	ck_assert_str_eq(got, text);
	free(got);
	json_decref(j);
}

/* --- tests --------------------------------------------------------------------------------- */

START_TEST(a_range_is_a_bag_with_all_that_proves_it)
{
	static const char *const order[] = {
		"bagit.txt",
		"data/bundle.json",
		"data/custody.ndjson",
		"data/certificate.search",
		"data/l/checkpoint",
		"data/l/keys.txt",
		"data/l/consistency.ndjson",
		"data/l/controls.ndjson",
		"data/l/proofs.ndjson",
		"data/l/records.ndjson",
		"data/l/records.csv",
		"README.txt",
		"certificate.html",
		"verify.html",
		"bag-info.txt",
		"manifest-sha256.txt",
		"tagmanifest-sha256.txt",
		"signature",
	};
	static const uint64_t since[] = {300, 2, 300, 1000};
	struct bundle_case c;
	struct case_zip *z;
	struct log *log;
	size_t l;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	purge_fill(&c.s, log, 700);
	sealed_log_seal(&c.s, log);
	purge_fill(&c.s, log, 1000);
	l = case_add(&c, log);
	c.logs[l].since = since;
	c.logs[l].n_since = 4;
	c.job.certificate = slice_str("a certificate\n");
	case_run(&c, l, 298, 298, false);
	case_run(&c, l, 299, 900, true);
	case_run(&c, l, 901, 901, false);
	z = case_open(&c);
	ck_assert_uint_eq(z->n, sizeof order / sizeof *order);
	for (size_t i = 0; i < z->n; i++)
		ck_assert_str_eq(z->files[i].path, order[i]);
	check_bag(&c, z);
	check_log(&c, z, l, "l");
	says(z, "l", 0, "withheld", "\"not_requested\"");
	says(z, "l", 603, "withheld", "\"not_requested\"");
	ck_assert_uint_eq(c.logs[l].counts.entries, 604);
	ck_assert_uint_eq(c.logs[l].counts.payloads, 602);
	ck_assert_uint_eq(c.took, 602);
	case_zip_free(z);
	case_end(&c);
}
END_TEST

START_TEST(growth_is_proven_once_for_each_size_in_order)
{
	static const uint64_t since[] = {300, 2, 300, 1000};
	struct bundle_case c;
	struct case_zip *z;
	struct slice lines;
	size_t n = 0;
	json_t *j;

	case_begin(&c);
	purge_fill(&c.s, scratch_log(&c.s, "l", "{}"), 1000);
	ck_assert_uint_eq(store_log_list(c.s.st, slice_of(NULL, 0), &c.logs[0].log, 1), 1);
	case_add(&c, c.logs[0].log);
	c.logs[0].since = since;
	c.logs[0].n_since = 4;
	z = case_open(&c);
	lines = log_file(z, "l", "consistency.ndjson");
	for (uint64_t want[] = {2, 300, 1000}; (j = case_line(lines, n)) != NULL; n++) {
		const json_t *list = json_object_get(j, "proof");
		uint8_t root[32], proof[64][32];

		ck_assert_int_eq(json_integer_value(json_object_get(j, "from")), (long)want[n]);
		ck_assert_int_eq(read_root(c.s.st, c.logs[0].log, want[n], c.s.tools, root), 0);
		for (size_t i = 0; i < json_array_size(list); i++)
			case_hash(list, i, proof[i]);
		ck_assert_int_eq(merkle_verify_consistency(
					 c.s.tools->sha, want[n], root, 1000, c.logs[0].head->root,
					 (const uint8_t(*)[32])proof, json_array_size(list)),
				 0);
		json_decref(j);
	}
	ck_assert_uint_eq(n, 3);
	case_zip_free(z);
	case_end(&c);
}
END_TEST

START_TEST(what_has_no_payload_says_why)
{
	struct bundle_case c;
	struct case_zip *z;
	struct log *log, *other;
	uint64_t entry;
	size_t l, o;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	purge_fill(&c.s, log, 600);
	entry = purge_range(&c.s, log, 10, 19);
	purge_fill(&c.s, log, 650);
	other = scratch_log(&c.s, "other", "{}");
	purge_fill(&c.s, other, 4);
	l = case_add(&c, log);
	o = case_add(&c, other);
	c.logs[o].permitted = false;
	c.restricted = 30;
	case_run(&c, l, 0, 649, true);
	case_run(&c, o, 0, 3, true);
	z = case_open(&c);
	check_bag(&c, z);
	check_log(&c, z, l, "l");
	check_log(&c, z, o, "other");
	ck_assert_uint_eq(entry, 600);
	says(z, "l", 10, "purged", "600");
	says(z, "l", 19, "purged", "600");
	says(z, "l", 30, "withheld", "\"restricted\"");
	says(z, "other", 1, "withheld", "\"not_permitted\"");
	ck_assert_uint_eq(c.logs[l].counts.purged, 10);
	ck_assert_uint_eq(c.logs[l].counts.restricted, 1);
	ck_assert_uint_eq(c.logs[l].counts.payloads, 639);
	ck_assert_uint_eq(c.logs[o].counts.payloads, 1); /* entry 0 */
	ck_assert_uint_eq(c.logs[l].counts.controls, 2);
	case_zip_free(z);
	case_end(&c);
}
END_TEST

START_TEST(large_payloads_are_files_and_damaged_ones_are_said)
{
	uint8_t *large = scratch_payload(300000, 7);
	uint64_t good, bad, text, binary;
	char path[OBJECT_PATH_BYTES];
	struct object *object;
	struct bundle_case c;
	struct case_zip *z;
	struct log *log;
	size_t l;
	int fd;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	good = scratch_object(&c.s, log, slice_of(large, 300000));
	bad = scratch_object(&c.s, log, slice_of(large, 200000));
	memset(large, 'x', 65537);
	large[65537] = '\0';
	text = scratch_append(&c.s, log, (const char *)large);
	large[65536] = '\0';
	scratch_append(&c.s, log, (const char *)large);
	binary = scratch_append(&c.s, log, "\xff\xfe, not text");
	scratch_append(&c.s, log, "");
	ck_assert_int_eq(scratch_open_object(&c.s, log, bad, &object, path), 0);
	object_close(object);
	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "?", 1, 150000), 1);
	close(fd);
	l = case_add(&c, log);
	case_run(&c, l, 0, c.logs[l].head->size - 1, true);
	z = case_open(&c);
	check_bag(&c, z);
	check_log(&c, z, l, "l");
	says(z, "l", good, "file", "\"000000000000001.bin\"");
	says(z, "l", bad, "withheld", "\"unreadable\"");
	says(z, "l", text, "file", "\"000000000000003.bin\"");
	says(z, "l", binary, "payload_b64", "\"//4sIG5vdCB0ZXh0\"");
	says(z, "l", binary + 1, "payload", "\"\"");
	ck_assert_ptr_null(log_file(z, "l", "files/000000000000002.bin").p);
	ck_assert_uint_eq(c.logs[l].counts.unreadable, 1);
	ck_assert_uint_eq(c.took, 5);
	free(large);
	case_zip_free(z);
	case_end(&c);
}
END_TEST

START_TEST(a_selection_has_a_proof_for_each_run_and_a_log_may_be_empty)
{
	static const char *const names[] = {"a", "a-b", "a.b", "com1.x", "empty."};
	struct bundle_case c;
	struct case_zip *z;

	case_begin(&c);
	c.job.selection = true;
	c.job.stored = true;
	for (size_t i = 0; i < 5; i++) {
		struct log *log = scratch_log(&c.s, names[i], "{}");

		if (i < 4)
			purge_fill(&c.s, log, 100 + 70 * i);
		case_add(&c, log);
	}
	for (size_t i = 0; i < 3; i++) {
		case_run(&c, i, 1, 1, true);
		case_run(&c, i, 3, 7, true);
		case_run(&c, i, 8, 8, true); /* touches the one before */
		case_run(&c, i, 64, 64, true);
		case_run(&c, i, 90, 99, true);
	}
	z = case_open(&c);
	check_bag(&c, z);
	check_log(&c, z, 0, "a");
	check_log(&c, z, 1, "a-b");
	check_log(&c, z, 2, "a.b");
	check_log(&c, z, 3, "~com1.x~");
	check_log(&c, z, 4, "~empty.~");
	ck_assert_uint_eq(c.logs[3].counts.entries, 0);
	case_zip_free(z);
	case_end(&c);
}
END_TEST

START_TEST(the_table_has_a_line_for_each_record_and_no_formula)
{
	static const char want[] =
		"log,index,time,receive_time,writer,schema,actor,action,resource,outcome,source_ip,"
		"trace_id,event_id,event_type,severity,kind,payload\r\n";
	struct bundle_case c;
	struct case_zip *z;
	struct log *log;
	const char *table;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	scratch_append(
		&c.s, log,
		"{\"specversion\":\"1.0\",\"id\":\"=1+1\",\"source\":\"/s\",\"type\":\"a,b\","
		"\"time\":\"2026-01-02T03:04:05Z\"}");
	scratch_append(&c.s, log, "not json");
	purge_range(&c.s, log, 2, 2);
	case_add(&c, log);
	case_run(&c, 0, 0, 3, true);
	z = case_open(&c);
	table = (const char *)log_file(z, "l", "records.csv").p;
	ck_assert_mem_eq(table, want, sizeof want - 1);
	ck_assert_ptr_nonnull(strstr(table, "\r\nl,0,2026-11-18T"));
	ck_assert_ptr_nonnull(strstr(table, ",policy,shown\r\n"));
	ck_assert_ptr_nonnull(strstr(table, "\r\nl,1,2026-01-02T03:04:05.000000000Z,2026-11-18T"));
	ck_assert_ptr_nonnull(strstr(table, ",\"'=1+1\",\"a,b\",,record,shown\r\n"));
	ck_assert_ptr_nonnull(strstr(table, ",record,purged by entry 3\r\n"));
	case_zip_free(z);
	case_end(&c);
}
END_TEST

START_TEST(what_people_wrote_is_no_markup)
{
	struct bundle_case c;
	struct case_zip *z;
	const char *page;

	case_begin(&c);
	case_add(&c, scratch_log(&c.s, "l", "{}"));
	z = case_open(&c);
	page = (const char *)case_file(z, "certificate.html").p;
	ck_assert_ptr_null(strstr(page, "<b>"));
	ck_assert_ptr_nonnull(strstr(page, "&#60;b&#62;&#34;case&#34; &#38; 7"));
	ck_assert_ptr_nonnull(strstr(page, "default-src 'none'"));
	ck_assert_ptr_null(strstr(page, "<script"));
	case_zip_free(z);
	case_end(&c);
}
END_TEST

static bool
in_text(struct case_zip *z, const char *file, const char *what)
{
	struct slice text = case_file(z, file);

	return memmem(text.p, text.n, what, strlen(what)) != NULL;
}

START_TEST(the_readme_names_every_file_and_counts_records_apart)
{
	struct bundle_case c;
	struct case_zip *z;
	struct log *log;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	purge_fill(&c.s, log, 50);
	purge_range(&c.s, log, 10, 19);
	case_add(&c, log);
	c.job.certificate = slice_str("a certificate\n");
	case_run(&c, 0, 0, 50, true);
	z = case_open(&c);
	for (size_t i = 0; i < z->n; i++) {
		const char *path = z->files[i].path, *in_log = strstr(path, "data/l/");
		char row[64];

		snprintf(row, sizeof row, "\n  %s  ", in_log ? in_log + 7 : path);
		if (!in_text(z, "README.txt", row))
			ck_abort_msg("README.txt has no line for %s", path);
	}
	ck_assert(in_text(z, "README.txt",
			  "Log l: 51 entries of 51, the whole log;\n"
			  "  indexes 0 to 50: 49 records and 2 control entries;\n"
			  "  received from "));
	ck_assert(in_text(z, "certificate.html", "0 to 50: the whole log<"));
	ck_assert(in_text(z, "certificate.html", "records</th><td class=\"n\">49<"));
	ck_assert(in_text(z, "certificate.html", "control entries</th><td class=\"n\">2<"));
	case_zip_free(z);
	case_end(&c);
}
END_TEST

START_TEST(a_part_of_a_log_is_not_called_the_whole)
{
	struct bundle_case c;
	struct case_zip *z;
	struct log *log;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	purge_fill(&c.s, log, 50);
	case_add(&c, log);
	case_run(&c, 0, 1, 49, true);
	z = case_open(&c);
	ck_assert(in_text(z, "README.txt",
			  "Log l: 49 entries of 50;\n  indexes 1 to 49: 49 "
			  "records and 0 control entries;\n"));
	ck_assert(!in_text(z, "certificate.html", "the whole log"));
	ck_assert(!in_text(z, "README.txt", "the whole log;"));
	case_zip_free(z);
	case_end(&c);
}
END_TEST

/* --- purges meanwhile, stops --------------------------------------------------------------- */

static void
purge_now(struct bundle_case *c)
{
	purge_range(&c->s, c->logs[0].log, 2, 3);
}

static unsigned
export_keys(struct bundle_case *c)
{
	const struct keyring_data *d;
	unsigned found = 0;
	size_t n;

	d = keyring_each_data(c->s.st->keyring, &n);
	for (size_t i = 0; i < n; i++)
		found += d[i].kind == KEYRING_EXPORT;
	return found;
}

/* Nothing of an export is left, in files or keys. */
static void
check_nothing(struct bundle_case *c)
{
	char path[512];

	snprintf(path, sizeof path, "%s/exports/" BUNDLE_ID, c->s.dir);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_uint_eq(export_keys(c), 0);
}

START_TEST(what_is_purged_while_it_is_made_is_not_in_it)
{
	struct bundle_case c;
	struct log *log;
	size_t l;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	purge_fill(&c.s, log, 300);
	l = case_add(&c, log);
	case_run(&c, l, 0, 299, true);
	c.at_step = purge_now;
	c.stop_at = 200; /* its payload was written already */
	ck_assert_int_eq(case_make(&c), STELE_EGONE);
	ck_assert_ptr_nonnull(memmem(c.why.p, c.why.n, "export again", 12));
	check_nothing(&c);
	c.stop_at = 0; /* it is gone, by an entry behind the pinned size */
	ck_assert_int_eq(case_make(&c), STELE_EGONE);
	ck_assert_ptr_nonnull(memmem(c.why.p, c.why.n, "purged by entry 300", 19));
	check_nothing(&c);
	head_unref(c.logs[l].head);
	c.logs[l].head = log_head(log);
	ck_assert_int_eq(case_make(&c), 0);
	ck_assert_uint_eq(c.logs[l].counts.purged, 2);
	case_end(&c);
}
END_TEST

START_TEST(a_purge_destroys_what_was_exported_of_it_and_nothing_else)
{
	struct spool_reader *r;
	struct bundle_case c;
	struct log *log;
	uint8_t some[64];
	size_t l;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	purge_fill(&c.s, log, 300);
	l = case_add(&c, log);
	case_run(&c, l, 0, 199, true);
	ck_assert_int_eq(case_make(&c), 0);
	ck_assert_int_eq(spool_open(&r, c.s.st, c.job.id), 0);
	purge_range(&c.s, log, 200, 210);
	ck_assert_int_eq(spool_read(r, 0, some, sizeof some), 0);
	purge_range(&c.s, log, 199, 199);
	ck_assert_int_eq(spool_read(r, 0, some, sizeof some), STELE_EGONE);
	spool_close(r);
	check_nothing(&c);
	ck_assert_int_eq(spool_open(&r, c.s.st, c.job.id), STELE_ENOTFOUND);
	case_end(&c);
}
END_TEST

static void *
make_beside(void *ctx)
{
	struct bundle_case *c = ctx;
	int err = case_make(c);

	ck_assert_msg(err == 0 || err == STELE_EGONE, "%d", err);
	return NULL;
}

static void *
read_beside(void *ctx)
{
	struct bundle_case *c = ctx;
	struct spool_reader *r;
	uint8_t some[4096];
	uint64_t at = 0;
	int err = spool_open(&r, c->s.st, c->job.id);

	if (err == STELE_ENOTFOUND)
		return NULL;
	ck_assert_int_eq(err, 0);
	while ((err = spool_read(r, at, some, sizeof some)) == 0)
		at = (at + sizeof some) % (spool_bytes(r) - sizeof some);
	ck_assert_int_eq(err, STELE_EGONE);
	spool_close(r);
	return NULL;
}

START_TEST(whatever_a_purge_meets_nothing_of_it_is_left)
{
	struct bundle_case c;
	pthread_t thread;
	struct log *log;

	case_begin(&c);
	log = scratch_log(&c.s, "l", "{}");
	purge_fill(&c.s, log, 300);
	case_add(&c, log);
	case_run(&c, 0, 100, 299, true);
	for (unsigned i = 0; i < 8; i++) { /* once before it, once while, once behind it */
		head_unref(c.logs[0].head);
		c.logs[0].head = log_head(log);
		ck_assert_int_eq(pthread_create(&thread, NULL, make_beside, &c), 0);
		usleep(i * 3000);
		purge_range(&c.s, log, 100 + i, 100 + i);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		check_nothing(&c);
	}
	head_unref(c.logs[0].head);
	c.logs[0].head = log_head(log);
	ck_assert_int_eq(case_make(&c), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_beside, &c), 0);
	usleep(5000);
	purge_range(&c.s, log, 150, 150);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	check_nothing(&c);
	case_end(&c);
}
END_TEST

START_TEST(fsck_finds_nothing_wrong_beside_an_export)
{
	struct bundle_case c;

	case_begin(&c);
	purge_fill(&c.s, scratch_log(&c.s, "l", "{}"), 300);
	store_log_list(c.s.st, slice_of(NULL, 0), &c.logs[0].log, 1);
	case_add(&c, c.logs[0].log);
	case_run(&c, 0, 0, 299, true);
	ck_assert_int_eq(case_make(&c), 0);
	head_unref(c.logs[0].head);
	c.job.n_logs = 0;
	scratch_close(&c.s);
	ck_assert_uint_eq(purge_fsck(&c.s), 0);
	ck_assert_int_eq(scratch_open(&c.s), 0);
	ck_assert_uint_eq(export_keys(&c), 1);
	case_end(&c);
}
END_TEST

START_TEST(a_stop_leaves_nothing)
{
	struct bundle_case c;
	size_t l;

	case_begin(&c);
	purge_fill(&c.s, scratch_log(&c.s, "l", "{}"), 300);
	store_log_list(c.s.st, slice_of(NULL, 0), &c.logs[0].log, 1);
	l = case_add(&c, c.logs[0].log);
	case_run(&c, l, 0, 299, true);
	for (c.stop_at = 1; c.stop_at < 300; c.stop_at += 77) {
		ck_assert_int_eq(case_make(&c), STELE_ECLOSED);
		check_nothing(&c);
	}
	c.stop_at = 0;
	ck_assert_int_eq(case_make(&c), 0);
	ck_assert_int_eq(case_make(&c), STELE_EEXIST);
	case_end(&c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_range_is_a_bag_with_all_that_proves_it,
		growth_is_proven_once_for_each_size_in_order,
		what_has_no_payload_says_why,
		large_payloads_are_files_and_damaged_ones_are_said,
		a_selection_has_a_proof_for_each_run_and_a_log_may_be_empty,
		the_table_has_a_line_for_each_record_and_no_formula,
		what_people_wrote_is_no_markup,
		the_readme_names_every_file_and_counts_records_apart,
		a_part_of_a_log_is_not_called_the_whole,
		what_is_purged_while_it_is_made_is_not_in_it,
		a_purge_destroys_what_was_exported_of_it_and_nothing_else,
		whatever_a_purge_meets_nothing_of_it_is_left,
		fsck_finds_nothing_wrong_beside_an_export,
		a_stop_leaves_nothing,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("bundle", tests, sizeof tests / sizeof *tests, 120);
}
