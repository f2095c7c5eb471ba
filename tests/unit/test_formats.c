/*
 * docs/formats.md cannot rot: every block that follows a line
 * "<!-- vector: NAME -->" there must be, byte for byte, what this code computes.
 * On a mismatch the test prints what the block should hold.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/identities.h"
#include "crypto/init.h"
#include "crypto/merkle.h"
#include "crypto/receipt.h"
#include "crypto/sign.h"
#include "proto/control.h"
#include "proto/keystatement.h"
#include "proto/policy.h"
#include "proto/proof.h"
#include "storage/manifest.h"
#include "storage/purgeentry.h"
#include "storage/restorelogs.h"
#include "storage/rotate.h"

#ifndef STELE_SOURCE_ROOT /* meson gives the absolute path */
#define STELE_SOURCE_ROOT "."
#endif

enum { LEAVES = 6, AT = 3, OLD = 2 };

#define SERVER "ledger.example.com"
#define ORIGIN SERVER "/payments"
#define BORN_NS INT64_C(1795448880000000000) /* 2026-11-23T15:48:00Z */

static const char *const payloads[LEAVES] = {
	NULL, /* the policy, made below */
	"{\"actor\":\"alice\",\"action\":\"login\"}",
	"",
	"{\"actor\":\"bob\",\"action\":\"pay\",\"amount\":\"12.50\"}",
	"plain text\n",
	"{\"actor\":\"alice\",\"action\":\"logout\"}",
};

static struct sha256 *h;
static struct signer *identity, *key;
static struct buf doc, statement, policy_payload, entries, leaves, note, old_note;
static uint8_t leaf[LEAVES][SHA256_BYTES];
static char entry[LEAVES][LIMIT_ENTRY_BYTES];
static size_t entry_n[LEAVES];

/* --- the document --------------------------------------------------------------- */

static void
read_doc(void)
{
	FILE *f = fopen(STELE_SOURCE_ROOT "/docs/formats.md", "rb");
	uint8_t block[4096];
	size_t n;

	ck_assert_msg(f != NULL, "docs/formats.md is not there");
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_put(&doc, block, n);
	fclose(f);
	buf_put_u8(&doc, 0);
}

/* The block of that name must hold this. */
static void
expect(const char *name, struct slice want)
{
	char mark[128];
	const char *at, *end;
	struct slice got;

	snprintf(mark, sizeof mark, "<!-- vector: %s -->\n```\n", name);
	at = strstr((const char *)doc.p, mark);
	ck_assert_msg(at != NULL, "docs/formats.md has no vector %s; it is\n%.*s", name,
		      (int)want.n, (const char *)want.p);
	at += strlen(mark);
	end = strstr(at, "\n```\n");
	ck_assert_ptr_nonnull(end);
	got = slice_of(at, (size_t)(end + 1 - at));
	ck_assert_msg(slice_eq(got, want), "vector %s should be\n%.*s", name, (int)want.n,
		      (const char *)want.p);
}

static void
expect_line(const char *name, struct buf *b)
{
	buf_put_u8(b, '\n');
	expect(name, buf_slice(b));
	buf_fini(b);
}

static void
put_hex(struct buf *b, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%02x", p[i]);
}

/* --- the log that the document describes ------------------------------------------ */

static struct signer *
make_signer(const char *name, uint8_t fill)
{
	uint8_t seed[SIGN_SEED_BYTES];
	struct signer *s;

	memset(seed, fill, sizeof seed);
	ck_assert_int_eq(signer_new(&s, h, slice_str(name), seed), 0);
	return s;
}

static void
make_policy(void)
{
	struct policy p;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(policy_read(&p, slice_str("{\"retain\":{\"default\":\"7y\"}}"), &why), 0);
	ck_assert_int_eq(sign_key_statement(&statement, identity, signer_vkey(key), 0, 1), 0);
	buf_put_str(&policy_payload, "{\"policy\":");
	policy_write(&policy_payload, &p);
	buf_put_str(&policy_payload, ",\"key_statement\":");
	buf_put_json_str(&policy_payload, buf_slice(&statement));
	buf_put_str(&policy_payload, "}");
	buf_fini(&why);
}

static struct slice
payload_of(size_t i)
{
	return i ? slice_str(payloads[i]) : buf_slice(&policy_payload);
}

static void
make_entries(void)
{
	struct entry e = {.origin = slice_str(ORIGIN)};

	sha256_hash(h, e.prev, slice_of("", 0));
	for (size_t i = 0; i < LEAVES; i++) {
		uint8_t salt[16];
		int n;

		memset(salt, (int)i, sizeof salt);
		e.index = i;
		e.kind = i ? ENTRY_RECORD : ENTRY_POLICY;
		e.time_ns = BORN_NS + 1500000000 * (int64_t)i;
		e.mode = i ? ENTRY_MODE_GOVERNANCE : ENTRY_MODE_NONE; /* control entries: no lock */
		e.retain_until_ns = i ? e.time_ns + INT64_C(86400000000000) * (7 * 365 + 2) : 0;
		e.media_type = slice_str(i == 4 ? "text/plain; charset=utf-8" : "application/json");
		e.writer = slice_str(i ? "s-7k2m9q" : "p-4x8w2c");
		e.size = payload_of(i).n;
		sha256_commitment(h, e.commitment, salt, payload_of(i));
		n = entry_write(entry[i], sizeof entry[i], &e);
		ck_assert_int_gt(n, 0);
		entry_n[i] = (size_t)n;
		sha256_leaf(h, leaf[i], slice_of(entry[i], entry_n[i]));
		memcpy(e.prev, leaf[i], sizeof e.prev);
		buf_printf(&entries, "%.*s\n", n, entry[i]);
		buf_printf(&leaves, "%zu ", i);
		put_hex(&leaves, leaf[i], sizeof leaf[i]);
		buf_put_u8(&leaves, '\n');
	}
}

static int
node(void *ctx, unsigned height, uint64_t index, uint8_t out[SHA256_BYTES])
{
	uint8_t right[SHA256_BYTES];

	(void)ctx;
	if (height == 0) {
		memcpy(out, leaf[index], SHA256_BYTES);
		return 0;
	}
	node(NULL, height - 1, 2 * index, out);
	node(NULL, height - 1, 2 * index + 1, right);
	sha256_node(h, out, out, right);
	return 0;
}

static void
make_checkpoint(struct buf *out, uint64_t size)
{
	const struct signer *s = key;
	uint8_t root[SHA256_BYTES];
	struct buf text;

	buf_init(&text);
	ck_assert_int_eq(merkle_root_at(h, node, NULL, size, root), 0);
	ck_assert_int_eq(checkpoint_put(&text, slice_str(ORIGIN), size, root), 0);
	sign_note(out, buf_slice(&text), &s, 1);
	buf_fini(&text);
}

static void
make_proof(struct proof_text *p)
{
	memset(p, 0, sizeof *p);
	memcpy(p->entry, entry[AT], entry_n[AT]);
	p->entry_n = entry_n[AT];
	memset(p->salt, AT, sizeof p->salt);
	p->index = AT;
	ck_assert_int_eq(merkle_inclusion(h, node, NULL, AT, LEAVES, p->hashes, &p->n_hashes), 0);
	p->checkpoint = buf_slice(&note);
}

static void
setup(void)
{
	ck_assert_int_eq(crypto_init(), 0);
	h = sha256_new();
	identity = make_signer(SERVER, 1);
	key = make_signer(ORIGIN, 2);
	read_doc();
	make_policy();
	make_entries();
	make_checkpoint(&note, LEAVES);
	make_checkpoint(&old_note, OLD);
}

static void
teardown(void)
{
	signer_free(identity);
	signer_free(key);
	sha256_free(h);
	buf_fini(&doc);
	buf_fini(&statement);
	buf_fini(&policy_payload);
	buf_fini(&entries);
	buf_fini(&leaves);
	buf_fini(&note);
	buf_fini(&old_note);
}

/* --- the vectors -------------------------------------------------------------------- */

START_TEST(keys_are_as_documented)
{
	struct buf b = {0};

	ck_assert_int_eq(note_put_vkey(&b, signer_vkey(identity)), 0);
	expect_line("identity vkey", &b);
	ck_assert_int_eq(note_put_vkey(&b, signer_vkey(key)), 0);
	expect_line("log vkey", &b);
	expect("key statement", buf_slice(&statement));
}
END_TEST

START_TEST(a_succession_is_as_documented)
{
	struct succession s = {.number = 1, .time_ns = BORN_NS + INT64_C(3600000000000)};
	struct signer *next = make_signer(SERVER, 4);
	struct identities ids;
	struct buf b = {0};
	struct slice one;
	char why[256];

	ck_assert_int_eq(identities_sign(&b, &s, identity, next), 0);
	one = buf_slice(&b);
	expect("succession", one);
	ck_assert_int_eq(identities_read(&ids, h, signer_vkey(next), &one, 1, why, sizeof why), 0);
	ck_assert_uint_eq(ids.n, 2);
	buf_fini(&b);
	signer_free(next);
}
END_TEST

START_TEST(entries_are_as_documented)
{
	struct buf b = {0};

	buf_put_slice(&b, buf_slice(&policy_payload));
	expect_line("policy payload", &b);
	expect("entries", buf_slice(&entries));
	expect("entry hashes", buf_slice(&leaves));
}
END_TEST

START_TEST(a_restore_entry_is_as_documented)
{
	struct backup_note backup = {.begun_ns = BORN_NS + INT64_C(60000000000),
				     .ended_ns = BORN_NS + INT64_C(61000000000),
				     .commit = 17};
	struct signer *next = make_signer(ORIGIN, 3);
	struct buf of_next = {0}, b = {0};

	ck_assert_int_eq(sign_key_statement(&of_next, identity, signer_vkey(next), 1795450200, 5),
			 0);
	restore_entry_put(&b, buf_slice(&of_next), &backup, 4, buf_slice(&note), LEAVES);
	expect_line("restore payload", &b);
	buf_fini(&of_next);
	signer_free(next);
}
END_TEST

START_TEST(a_key_entry_is_as_documented)
{
	struct signer *next = make_signer(ORIGIN, 3);
	struct buf of_next = {0}, b = {0};

	ck_assert_int_eq(sign_key_statement(&of_next, identity, signer_vkey(next), 1, 7), 0);
	rotate_entry_put(&b, buf_slice(&of_next));
	expect_line("key payload", &b);
	buf_fini(&of_next);
	signer_free(next);
}
END_TEST

/* The payload is the vector, and reads as what it says. */
static struct control *
expect_control(const char *name, struct buf *b, enum entry_kind kind)
{
	struct control *c;
	struct buf why = {0};

	ck_assert_int_eq(control_read(&c, kind, 9, buf_slice(b), &why), 0);
	expect_line(name, b);
	return c;
}

START_TEST(entries_that_lock_are_as_documented)
{
	const struct control_actors alone = {.by = slice_str("p-4x8w2c")},
				    two = {slice_str("p-4x8w2c"), slice_str("p-9d3f7h")};
	const struct control_range ranges[] = {{1, 2}, {5, 5}};
	const int64_t day = 86400000000000;
	struct buf b = {0};
	struct control *c;

	control_put_extend(&b, ranges, 2, BORN_NS + 4000 * day, false, slice_str("audit 2026"),
			   &alone);
	c = expect_control("extend payload", &b, ENTRY_EXTEND);
	ck_assert(c->n_ranges == 2 && !c->shorten && c->until_ns == BORN_NS + 4000 * day);
	control_free(c);
	control_put_extend(&b, ranges + 1, 1, BORN_NS + 3000 * day, true,
			   slice_str("stored by mistake"), &two);
	c = expect_control("shorten payload", &b, ENTRY_EXTEND);
	ck_assert(c->n_ranges == 1 && c->shorten && c->until_ns == BORN_NS + 3000 * day);
	control_free(c);
	control_put_event(&b, slice_str("case-17-closed"), BORN_NS + day, BORN_NS + 2558 * day,
			  &alone);
	c = expect_control("event payload", &b, ENTRY_EVENT);
	ck_assert(c->at_ns == BORN_NS + day && c->until_ns == BORN_NS + 2558 * day);
	control_free(c);
}
END_TEST

START_TEST(a_changed_policy_is_as_documented)
{
	static const char json[] = "{\"retain\":{\"default\":\"7y\",\"max\":\"30y\"},"
				   "\"event_based\":true,\"dual_control\":[\"policy.change\"],"
				   "\"quota\":{\"bytes\":500000000000},"
				   "\"compliance_from\":\"2026-11-26T16:00:00.000000000Z\"}";
	const struct control_actors alone = {.by = slice_str("p-4x8w2c")};
	struct buf b = {0}, why = {0};
	struct control *c;
	struct policy p;

	ck_assert_int_eq(policy_read(&p, slice_str(json), &why), 0);
	control_put_policy(&b, &p, &alone);
	c = expect_control("changed policy payload", &b, ENTRY_POLICY);
	ck_assert(policy_equal(&c->policy, &p));
	control_free(c);
}
END_TEST

START_TEST(a_purge_entry_is_as_documented)
{
	struct control_range ranges[] = {{1, 1}, {3, 4}};
	struct purge_set set = {ranges, 2, 3, {0}}, got;
	struct merkle_frontier tree;
	struct buf b = {0};

	merkle_frontier_init(&tree);
	for (int i = 1; i < 5; i++) {
		if (i != 2)
			merkle_frontier_append(h, &tree, leaf[i]);
	}
	merkle_frontier_root(h, &tree, set.root);
	ck_assert_int_eq(purge_entry_put(&b, &set,
					 slice_str("{\"policy\":0,\"allowed_by\":0,\"clock\":{"
						   "\"state\":\"ok\",\"evidence\":\"2026-11-"
						   "24T15:48:00.000000000Z\",\"lock\":\"2026-11-"
						   "24T15:48:00.000000000Z\"},\"plan\":\"g-"
						   "bwwaim2apv\",\"by\":\"p-4x8w2c\",\"approved_"
						   "by\":\"p-9d3f7h\"}")),
			 0);
	ck_assert_int_eq(purge_entry_read(&got, buf_slice(&b)), 0);
	purge_set_fini(&got);
	expect_line("purge payload", &b);
}
END_TEST

START_TEST(hold_and_release_entries_are_as_documented)
{
	const struct control_range ranges[] = {{1, 3}, {5, 5}};
	uint8_t mapping[32], filter[16];
	const struct control_hold hold = {
		.id = "h-bwwaim2apv",
		.r = ranges,
		.n = 2,
		.open_from = 6,
		.mapping = slice_of(mapping, sizeof mapping),
		.filter = slice_of(filter, sizeof filter),
		.more = slice_str(",\"by\":\"p-4x8w2c\""),
	};
	struct buf b = {0};

	memset(mapping, 0x31, sizeof mapping);
	memset(filter, 0x32, sizeof filter);
	control_put_hold(&b, &hold);
	expect_line("hold payload", &b);
	control_put_release(&b, slice_str("h-bwwaim2apv"), hold.more);
	expect_line("release payload", &b);
}
END_TEST

START_TEST(a_commitment_is_as_documented)
{
	uint8_t salt[16], commitment[SHA256_BYTES];
	struct buf b = {0};

	memset(salt, AT, sizeof salt);
	sha256_commitment(h, commitment, salt, payload_of(AT));
	buf_put_str(&b, "payload    ");
	buf_put_slice(&b, payload_of(AT));
	buf_put_str(&b, "\nsalt       ");
	put_hex(&b, salt, sizeof salt);
	buf_put_str(&b, "\ncommitment ");
	put_hex(&b, commitment, sizeof commitment);
	expect_line("commitment", &b);
}
END_TEST

START_TEST(checkpoints_are_as_documented)
{
	expect("checkpoint", buf_slice(&note));
	expect("older checkpoint", buf_slice(&old_note));
}
END_TEST

START_TEST(proofs_are_as_documented_and_hold)
{
	uint8_t hashes[LIMIT_PROOF_HASHES][PROOF_HASH_BYTES];
	struct receipt r = {.has_salt = true,
			    .has_payload = true,
			    .has_index = true,
			    .payload = payload_of(AT)};
	struct buf vkey = {0}, b = {0};
	struct receipt_growth growth;
	struct receipt_trust trust;
	struct receipt_verdict v;
	size_t n;

	make_proof(&r.proof);
	ck_assert_int_eq(proof_text_put(&b, &r.proof), 0);
	expect("tlog-proof", buf_slice(&b));
	buf_reset(&b);
	ck_assert_int_eq(note_put_vkey(&vkey, signer_vkey(identity)), 0);
	ck_assert_int_eq(receipt_trust_init(&trust, h, buf_slice(&vkey)), 0);
	trust.statements[trust.n_statements++] = buf_slice(&statement);
	ck_assert_int_eq(receipt_check(h, &r, &trust, &v), 0);
	ck_assert(v.payload_checked);
	ck_assert_int_eq(merkle_consistency(h, node, NULL, OLD, LEAVES, hashes, &n), 0);
	growth = (struct receipt_growth){OLD, LEAVES, (const uint8_t(*)[SHA256_BYTES])hashes, n};
	ck_assert_int_eq(receipt_check_since(h, buf_slice(&old_note), &growth, &trust, &v), 0);
	buf_printf(&b, "{\"from\":%d,\"to\":%d,\"proof\":", OLD, LEAVES);
	proof_put_json(&b, hashes, n);
	buf_put_u8(&b, '}');
	expect_line("consistency", &b);
	buf_fini(&vkey);
}
END_TEST

START_TEST(a_segment_manifest_is_as_documented)
{
	struct segment_facts f = {.log_id = 1,
				  .origin = ORIGIN,
				  .count = LEAVES,
				  .generation = 2,
				  .data_key_id = 7,
				  .file_bytes = 24576,
				  .first_time_ns = BORN_NS,
				  .last_time_ns = BORN_NS + INT64_C(1500000000) * (LEAVES - 1),
				  .software = "steled/0.1.0"},
			     got;
	const struct signer *s = key;
	struct buf text = {0}, manifest = {0};
	struct note parsed;

	for (size_t i = 0; i < LEAVES; i++)
		f.payload_bytes += payload_of(i).n;
	sha256_hash(h, f.prev, slice_of("", 0));
	memcpy(f.last, leaf[LEAVES - 1], sizeof f.last);
	ck_assert_int_eq(merkle_root_at(h, node, NULL, LEAVES, f.root), 0);
	memset(f.file_hash, 0x11, sizeof f.file_hash);
	for (int i = 0; i < SEGMENT_PARTS; i++)
		memset(f.part[i], 0x21 + i, sizeof f.part[i]);
	memset(f.terms_root, 0x21 + SEGMENT_PARTS, sizeof f.terms_root);
	ck_assert_int_eq(manifest_put(&text, &f, slice_str("0-4.1\n")), 0);
	sign_note(&manifest, buf_slice(&text), &s, 1);
	expect("segment manifest", buf_slice(&manifest));
	ck_assert_int_eq(sign_verify_note(signer_vkey(key), 1, buf_slice(&manifest), &parsed, NULL),
			 0);
	ck_assert_int_eq(manifest_parse(&got, NULL, parsed.text), 0);
	ck_assert_mem_eq(&got, &f, sizeof f);
	buf_fini(&text);
	buf_fini(&manifest);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("formats");
	TCase *t = tcase_create("formats");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, keys_are_as_documented);
	tcase_add_test(t, a_succession_is_as_documented);
	tcase_add_test(t, entries_are_as_documented);
	tcase_add_test(t, a_restore_entry_is_as_documented);
	tcase_add_test(t, a_key_entry_is_as_documented);
	tcase_add_test(t, entries_that_lock_are_as_documented);
	tcase_add_test(t, a_changed_policy_is_as_documented);
	tcase_add_test(t, a_purge_entry_is_as_documented);
	tcase_add_test(t, hold_and_release_entries_are_as_documented);
	tcase_add_test(t, a_commitment_is_as_documented);
	tcase_add_test(t, checkpoints_are_as_documented);
	tcase_add_test(t, proofs_are_as_documented_and_hold);
	tcase_add_test(t, a_segment_manifest_is_as_documented);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
