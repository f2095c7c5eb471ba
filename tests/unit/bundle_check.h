/*
 * What holds of every bundle, by docs/formats.md section 10: held against it with nothing but the
 * reader of bundle_case.h and the arithmetic of trees.
 */
#ifndef STELE_TESTS_UNIT_BUNDLE_CHECK_H
#define STELE_TESTS_UNIT_BUNDLE_CHECK_H

#include "bundle_case.h"

#include "crypto/identity.h"
#include "crypto/sign.h"

/* --- what holds of every bundle ------------------------------------------------------------ */

struct subtree {
	uint64_t at, leaves;
	uint8_t hash[32];
};

/* Puts a complete subtree to the right of the others; two halves of one are one. */
static inline void
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

static inline void
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

static inline void
entry_of(const json_t *line, const char *member, struct entry *e, char scratch[LIMIT_ENTRY_BYTES])
{
	ck_assert_int_eq(entry_read(e, case_string(line, member), scratch), 0);
}

/* The records of a run lead to the root, each chains to the one before. */
static inline void
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

static inline void
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
static inline void
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

static inline struct slice
log_file(const struct case_zip *z, const char *log, const char *name)
{
	char path[300];

	snprintf(path, sizeof path, "data/%s/%s", log, name);
	return case_file(z, path);
}

/* Control entries chain from the tip down to entry 0, and are all there are. */
static inline void
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

/* The log's statements hold under the identity, and one of their keys signed the checkpoint. */
static inline void
check_keys(struct bundle_case *c, struct slice file, struct slice checkpoint)
{
	struct identity *id = store_identity(c->s.st);
	const char *p = (const char *)file.p, *end = p + file.n;
	struct keystatement said;
	bool signed_by_one = false;
	uint8_t note[2048];
	struct note got;
	size_t n;

	for (const char *stop; p < end; p = stop + 1) {
		stop = memchr(p, '\n', (size_t)(end - p));
		ck_assert(stop && memcmp(p, "key ", 4) == 0);
		ck_assert_int_eq(base64_decode(note, sizeof note, &n,
					       slice_of(p + 4, (size_t)(stop - p) - 4)),
				 0);
		ck_assert_int_eq(sign_verify_key_statement(c->s.tools->sha,
							   signer_vkey(identity_signer(id)),
							   slice_of(note, n), &said),
				 0);
		signed_by_one |= sign_verify_note(&said.key, 1, checkpoint, &got, NULL) == 0;
	}
	ck_assert(signed_by_one);
	identity_unref(id);
}

static inline void
check_log(struct bundle_case *c, const struct case_zip *z, size_t i, const char *folder)
{
	struct slice records = log_file(z, folder, "records.ndjson");
	struct slice proofs = log_file(z, folder, "proofs.ndjson");
	const struct head *head = c->logs[i].head;
	size_t line = 0, at = 0;
	json_t *j = case_line(proofs, at);
	int64_t last = 0;

	ck_assert(
		slice_eq(log_file(z, folder, "checkpoint"), slice_of(head->note, head->note_len)));
	for (; json_object_get(j, "first"); j = case_line(proofs, ++at)) {
		int64_t first = json_integer_value(json_object_get(j, "first"));

		ck_assert(at == 0 || first > last + 1); /* runs are as long as can be */
		last = json_integer_value(json_object_get(j, "last"));
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
static inline void
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

static inline void
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

static inline void
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
static inline void
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

static inline void
check_bag(struct bundle_case *c, const struct case_zip *z)
{
	check_manifest(c, z, "manifest-sha256.txt", true);
	check_manifest(c, z, "tagmanifest-sha256.txt", false);
	check_signature(c, z);
	check_oxum(z);
	check_json(c, z);
}

#endif
