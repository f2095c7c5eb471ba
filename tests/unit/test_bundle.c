/* Bundles, held against docs/formats.md section 10 by a reader of their own. */
#include "bundle_case.h"

#include <fcntl.h>

#include "crypto/identity.h"
#include "crypto/sign.h"
#include "proto/checkpoint.h"

/* --- what holds of every bundle ------------------------------------------------------------ */

struct subtree {
	uint64_t at, leaves;
	uint8_t hash[32];
};

/* Puts a complete subtree to the right of the others; two halves of one are one. */
static void
put_subtree(struct sha256 *h, struct subtree *s, size_t *n, struct subtree next)
{
	s[(*n)++] = next;
	while (*n > 1 && s[*n - 2].leaves == s[*n - 1].leaves &&
	       s[*n - 2].at % (2 * s[*n - 1].leaves) == 0) {
		sha256_node(h, s[*n - 2].hash, s[*n - 2].hash, s[*n - 1].hash);
		s[*n - 2].leaves *= 2;
		(*n)--;
	}
}

static void
put_roots(struct sha256 *h, const json_t *list, struct subtree *s, size_t *n, uint64_t at,
	  uint64_t end)
{
	size_t i = 0;

	while (at < end) {
		struct subtree next = {.at = at, .leaves = 1};

		while (next.at % (2 * next.leaves) == 0 && next.at + 2 * next.leaves <= end)
			next.leaves *= 2;
		case_hash(list, i++, next.hash);
		put_subtree(h, s, n, next);
		at += next.leaves;
	}
	ck_assert_uint_eq(json_array_size(list), i);
}

static void
entry_of(const json_t *line, const char *member, struct entry *e, char scratch[LIMIT_ENTRY_BYTES])
{
	ck_assert_int_eq(entry_read(e, case_string(line, member), scratch), 0);
}

/* The records of a run lead to the root, each chains to the one before. */
static void
check_run(struct bundle_case *c, const json_t *run, struct slice records, size_t *line,
	  const struct head *head)
{
	uint64_t first = (uint64_t)json_integer_value(json_object_get(run, "first"));
	uint64_t last = (uint64_t)json_integer_value(json_object_get(run, "last"));
	struct sha256 *h = c->s.tools->sha;
	struct subtree s[130];
	uint8_t before[32];
	size_t n = 0;

	put_roots(h, json_object_get(run, "left"), s, &n, 0, first);
	for (uint64_t i = first; i <= last; i++, ++*line) {
		json_t *j = case_line(records, *line);
		struct subtree leaf = {.at = i, .leaves = 1};
		char scratch[LIMIT_ENTRY_BYTES];
		struct entry e;

		entry_of(j, "entry", &e, scratch);
		ck_assert_uint_eq(e.index, i);
		sha256_leaf(h, leaf.hash, case_string(j, "entry"));
		if (i > first)
			ck_assert_mem_eq(e.prev, before, 32);
		memcpy(before, leaf.hash, 32);
		put_subtree(h, s, &n, leaf);
		json_decref(j);
	}
	put_roots(h, json_object_get(run, "right"), s, &n, last + 1, head->size);
	for (; n > 1; n--)
		sha256_node(h, s[n - 2].hash, s[n - 2].hash, s[n - 1].hash);
	ck_assert_mem_eq(s[0].hash, head->root, 32);
}

static void
check_included(struct bundle_case *c, const json_t *line, const char *member,
	       const struct head *head)
{
	const json_t *list = json_object_get(line, "proof");
	uint8_t proof[64][32], leaf[32];
	char scratch[LIMIT_ENTRY_BYTES];
	struct entry e;

	entry_of(line, member, &e, scratch);
	sha256_leaf(c->s.tools->sha, leaf, case_string(line, member));
	for (size_t i = 0; i < json_array_size(list); i++)
		case_hash(list, i, proof[i]);
	ck_assert_int_eq(merkle_verify_inclusion(c->s.tools->sha, head->root, e.index, head->size,
						 leaf, (const uint8_t(*)[32])proof,
						 json_array_size(list)),
			 0);
}

/* A line has one of: payload and salt that are committed to, purged, withheld. */
static void
check_payload(struct bundle_case *c, const struct case_zip *z, const char *log, const json_t *line)
{
	struct slice file = case_string(line, "file"), p = case_string(line, "payload");
	struct slice b64 = case_string(line, "payload_b64");
	uint8_t salt[16], got[32], *plain = NULL;
	char scratch[LIMIT_ENTRY_BYTES], path[300];
	struct entry e;

	if (json_object_get(line, "purged") || json_object_get(line, "withheld")) {
		ck_assert_uint_eq(json_object_size(line), 2);
		return;
	}
	ck_assert_uint_eq(json_object_size(line), json_object_get(line, "proof") ? 4 : 3);
	if (b64.n) {
		plain = malloc(b64.n);
		ck_assert_int_eq(base64_decode(plain, b64.n, &p.n, b64), 0);
		p.p = plain;
	}
	if (file.n) {
		snprintf(path, sizeof path, "data/%s/files/%.*s", log, (int)file.n, file.p);
		p = case_file(z, path);
		ck_assert_uint_gt(p.n, 65536);
	}
	ck_assert(file.n || p.n <= 65536 || json_object_get(line, "proof"));
	entry_of(line, "entry", &e, scratch);
	ck_assert_int_eq(base64_decode_exact(salt, 16, case_string(line, "salt")), 0);
	sha256_commitment(c->s.tools->sha, got, salt, p);
	ck_assert_mem_eq(got, e.commitment, 32);
	ck_assert_uint_eq(p.n, e.size);
	free(plain);
}

static struct slice
log_file(const struct case_zip *z, const char *log, const char *name)
{
	char path[300];

	snprintf(path, sizeof path, "data/%s/%s", log, name);
	return case_file(z, path);
}

/* Control entries chain from the tip down to entry 0, and are all there are. */
static void
check_controls(struct bundle_case *c, const struct case_zip *z, const char *log,
	       const struct head *head, const json_t *tip)
{
	struct slice file = log_file(z, log, "controls.ndjson");
	char scratch[LIMIT_ENTRY_BYTES];
	uint64_t before = 0;
	struct entry e;
	json_t *j;

	for (size_t i = 0; (j = case_line(file, i)) != NULL; i++) {
		entry_of(j, "entry", &e, scratch);
		ck_assert(e.kind != ENTRY_RECORD);
		ck_assert_uint_eq(e.ctl, before);
		ck_assert(i ? e.index > before : e.index == 0);
		before = e.index;
		check_included(c, j, "entry", head);
		check_payload(c, z, log, j);
		json_decref(j);
	}
	entry_of(tip, "tip", &e, scratch);
	ck_assert_uint_eq(e.index, head->size - 1);
	ck_assert_uint_eq(e.kind == ENTRY_RECORD ? e.ctl : e.index, before);
	check_included(c, tip, "tip", head);
}

static void
check_log(struct bundle_case *c, const struct case_zip *z, size_t i, const char *folder)
{
	struct slice records = log_file(z, folder, "records.ndjson");
	struct slice proofs = log_file(z, folder, "proofs.ndjson");
	const struct head *head = c->logs[i].head;
	size_t line = 0, at = 0;
	json_t *j = case_line(proofs, at);

	ck_assert(
		slice_eq(log_file(z, folder, "checkpoint"), slice_of(head->note, head->note_len)));
	for (; json_object_get(j, "first"); j = case_line(proofs, ++at)) {
		check_run(c, j, records, &line, head);
		json_decref(j);
	}
	ck_assert_uint_eq(line, c->logs[i].counts.entries);
	ck_assert_ptr_null(case_line(records, line));
	ck_assert_ptr_null(case_line(proofs, at + 1));
	check_controls(c, z, folder, head, j);
	json_decref(j);
	for (size_t k = 0; k < line; k++) {
		j = case_line(records, k);
		check_payload(c, z, folder, j);
		json_decref(j);
	}
}

/* --- the bag ------------------------------------------------------------------------------- */

/* Each line's digest is that of its file; paths ascend; all files of the kind are in it. */
static void
check_manifest(struct bundle_case *c, const struct case_zip *z, const char *name, bool data)
{
	struct slice m = case_file(z, name);
	char before[256] = "", path[256], hex[65];
	const char *p = (const char *)m.p;
	size_t n = 0, want = 0;
	uint8_t hash[32];

	for (; p < (const char *)m.p + m.n; n++) {
		struct slice file;
		int used = 0;

		ck_assert_int_eq(sscanf(p, "%64[0-9a-f]  %255[^\n]\n%n", hex, path, &used), 2);
		ck_assert(p[64] == ' ' && p[65] == ' ' && p[66] != ' ');
		ck_assert_int_lt(strcmp(before, path), 0);
		memcpy(before, path, sizeof path);
		file = case_file(z, path);
		ck_assert_ptr_nonnull(file.p);
		sha256_hash(c->s.tools->sha, hash, file);
		hex_format(path, hash, 32);
		ck_assert_str_eq(path, hex);
		p += used;
	}
	for (size_t i = 0; i < z->n; i++) {
		const char *f = z->files[i].path;
		want += data ? strncmp(f, "data/", 5) == 0
			     : strncmp(f, "data/", 5) != 0 && strcmp(f, name) != 0 &&
					strcmp(f, "signature") != 0;
	}
	ck_assert_uint_eq(n, want);
}

static void
check_signature(struct bundle_case *c, const struct case_zip *z)
{
	struct identity *id = store_identity(c->s.st);
	const struct note_vkey *key = signer_vkey(identity_signer(id));
	struct slice tags = case_file(z, "tagmanifest-sha256.txt");
	struct note note;
	uint8_t hash[32];
	char time[40];
	struct buf want;

	buf_init(&want);
	sha256_hash(c->s.tools->sha, hash, tags);
	ck_assert_mem_eq(hash, c->result.digest, 32);
	ck_assert_int_eq(sign_verify_note(key, 1, case_file(z, "signature"), &note, NULL), 0);
	ck_assert_int_eq(sscanf((const char *)note.text.p,
				"stele bundle v1\ntest.example.com\n" BUNDLE_ID "\n%39[^\n]", time),
			 1);
	buf_printf(&want, "stele bundle v1\ntest.example.com\n" BUNDLE_ID "\n%s\n", time);
	buf_put_base64(&want, hash, 32);
	buf_put_u8(&want, '\n');
	ck_assert(slice_eq(note.text, buf_slice(&want)));
	buf_fini(&want);
	identity_unref(id);
}

static void
check_oxum(const struct case_zip *z)
{
	uint64_t bytes = 0, files = 0;
	char want[64];

	for (size_t i = 0; i < z->n; i++) {
		if (strncmp(z->files[i].path, "data/", 5) != 0)
			continue;
		bytes += z->files[i].data.n;
		files++;
	}
	snprintf(want, sizeof want, "\nPayload-Oxum: %llu.%llu\n", (unsigned long long)bytes,
		 (unsigned long long)files);
	ck_assert_ptr_nonnull(strstr((const char *)case_file(z, "bag-info.txt").p, want));
	ck_assert_ptr_nonnull(strstr((const char *)case_file(z, "bag-info.txt").p,
				     "\nExternal-Identifier: " BUNDLE_ID "\n"));
}

/* bundle.json says what was asked, and counts as the result does. */
static void
check_json(struct bundle_case *c, const struct case_zip *z)
{
	json_t *j = case_line(case_file(z, "data/bundle.json"), 0), *logs, *l;
	size_t i;

	ck_assert(slice_eq(case_string(j, "export"), slice_str(BUNDLE_ID)));
	ck_assert(slice_eq(case_string(j, "reason"), c->job.reason));
	ck_assert_str_eq(json_string_value(json_object_get(j, "begun")),
			 "2026-11-18T11:06:40.000000000Z");
	ck_assert_uint_eq(json_object_size(j), 10);
	logs = json_object_get(j, "logs");
	ck_assert_uint_eq(json_array_size(logs), c->job.n_logs);
	json_array_foreach(logs, i, l)
	{
		const struct bundle_counts *n = &c->logs[i].counts;
		uint64_t entries, payloads, purged, withheld, controls, bytes, size;

		ck_assert_int_eq(json_unpack(l, "{sI sI sI sI sI sI sI}", "size", &size, "entries",
					     &entries, "payloads", &payloads, "purged", &purged,
					     "withheld", &withheld, "controls", &controls, "bytes",
					     &bytes),
				 0);
		ck_assert_uint_eq(size, c->logs[i].head->size);
		ck_assert(entries == n->entries && payloads == n->payloads && purged == n->purged);
		ck_assert(withheld == n->withheld && controls == n->controls && bytes == n->bytes);
		ck_assert_uint_eq(entries, payloads + purged + withheld);
	}
	json_decref(j);
}

static void
check_bag(struct bundle_case *c, const struct case_zip *z)
{
	check_manifest(c, z, "manifest-sha256.txt", true);
	check_manifest(c, z, "tagmanifest-sha256.txt", false);
	check_signature(c, z);
	check_oxum(z);
	check_json(c, z);
}

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
	for (size_t i = 0; i < z->n; i++)
		ck_assert(slice_eq(z->files[i].data, z->files[i].data));
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
		what_people_wrote_is_no_markup,
		what_is_purged_while_it_is_made_is_not_in_it,
		a_purge_destroys_what_was_exported_of_it_and_nothing_else,
		a_stop_leaves_nothing,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("bundle", tests, sizeof tests / sizeof *tests, 120);
}
