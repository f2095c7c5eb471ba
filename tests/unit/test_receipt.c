/*
 * Receipts: a true one holds, and nothing in it can change without the very
 * step that guards it saying so.
 */
#include "crypto/receipt.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "proto/err.h"
#include "tests/unit/receipt_fixture.h"

/* The receipt as it stands now must fail at this step, with words. */
static void
refused(enum receipt_step step)
{
	ck_assert_int_ne(receipt_check(f.h, &f.receipt, &f.trust, &f.v), 0);
	ck_assert_int_ne(f.v.err, 0);
	ck_assert_msg(f.v.failed == step, "failed at %d, not %d: %s", f.v.failed, step, f.v.why);
	ck_assert_uint_gt(strlen(f.v.why), 10);
}

static void
holds(void)
{
	ck_assert_msg(receipt_check(f.h, &f.receipt, &f.trust, &f.v) == 0, "%s", f.v.why);
	ck_assert_int_eq(f.v.failed, RECEIPT_STEPS);
}

START_TEST(a_true_receipt_holds)
{
	holds();
	ck_assert(f.v.payload_checked);
	ck_assert(!f.v.by_statement);
	ck_assert_uint_eq(f.v.entry.index, AT);
	ck_assert_uint_eq(f.v.checkpoint.size, LEAVES);
}
END_TEST

START_TEST(every_record_of_the_log_has_one)
{
	for (size_t i = 0; i < LEAVES; i++) {
		struct receipt r = {.has_index = true};

		memcpy(r.proof.entry, f.entry[i], f.entry_n[i]);
		r.proof.entry_n = f.entry_n[i];
		r.proof.index = i;
		r.proof.checkpoint = buf_slice(&f.note);
		merkle_inclusion(f.h, node, NULL, i, LEAVES, r.proof.hashes, &r.proof.n_hashes);
		ck_assert_int_eq(receipt_check(f.h, &r, &f.trust, &f.v), 0);
		ck_assert(!f.v.payload_checked);
	}
}
END_TEST

/* Flips every bit of n bytes at p, one at a time; none may pass. */
static void
every_bit(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < 8 * n; i++) {
		p[i / 8] ^= (uint8_t)(1u << i % 8);
		ck_assert_msg(receipt_check(f.h, &f.receipt, &f.trust, &f.v) != 0, "bit %zu", i);
		p[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	holds();
}

START_TEST(no_bit_of_entry_salt_or_proof_may_change)
{
	every_bit(f.receipt.proof.entry, f.receipt.proof.entry_n);
	every_bit(f.receipt.proof.salt, sizeof f.receipt.proof.salt);
	every_bit(f.receipt.proof.hashes[0], f.receipt.proof.n_hashes * SHA256_BYTES);
}
END_TEST

START_TEST(no_bit_of_the_checkpoint_may_change)
{
	every_bit(f.note.p, f.note.n);
}
END_TEST

START_TEST(no_bit_of_the_payload_may_change_nor_its_length)
{
	char copy[sizeof payload];

	memcpy(copy, payload, sizeof copy);
	f.receipt.payload = slice_of(copy, sizeof copy - 1);
	every_bit((uint8_t *)copy, sizeof copy - 1);
	f.receipt.payload.n--;
	refused(RECEIPT_PAYLOAD);
	f.receipt.payload.n += 2;
	refused(RECEIPT_PAYLOAD);
	f.receipt.payload.n = 0;
	refused(RECEIPT_PAYLOAD);
}
END_TEST

START_TEST(a_payload_without_salt_is_not_passed_over)
{
	f.receipt.has_salt = false;
	refused(RECEIPT_PAYLOAD);
	f.receipt.has_payload = false;
	holds();
	ck_assert(!f.v.payload_checked);
}
END_TEST

START_TEST(claims_beside_the_entry_must_agree_with_it)
{
	f.receipt.proof.index++;
	refused(RECEIPT_CLAIMS);
	make_receipt();
	f.receipt.log = slice_str("payment");
	refused(RECEIPT_CLAIMS);
	make_receipt();
	f.receipt.origin = slice_str("ledger.example.org/payments");
	refused(RECEIPT_CLAIMS);
	make_receipt();
	f.receipt.time = slice_str("2026-11-23T15:48:00.123456789Z");
	refused(RECEIPT_CLAIMS);
}
END_TEST

START_TEST(another_record_does_not_fit_the_proof)
{
	memcpy(f.receipt.proof.entry, f.entry[AT + 1], f.entry_n[AT + 1]);
	f.receipt.proof.entry_n = f.entry_n[AT + 1];
	f.receipt.has_index = false;
	f.receipt.time = slice_of("", 0);
	refused(RECEIPT_INCLUSION);
}
END_TEST

/* A log that keeps its own tree in order over an entry that lies, or is none. */
static void
plant(const char *entry, size_t n)
{
	memcpy(f.entry[AT], entry, n);
	f.entry_n[AT] = n;
	sha256_leaf(f.h, f.leaf[AT], slice_of(entry, n));
	make_checkpoint(&f.note, ORIGIN, LEAVES, f.key);
	make_receipt();
}

START_TEST(what_is_no_entry_is_refused_though_the_tree_holds_it)
{
	char text[LIMIT_ENTRY_BYTES];

	memcpy(text, f.entry[AT], f.entry_n[AT]);
	text[f.entry_n[AT]] = ' ';
	plant(text, f.entry_n[AT] + 1);
	refused(RECEIPT_ENTRY);
	text[f.entry_n[AT] - 1] = '}';
	plant(text, f.entry_n[AT] - 1);
	holds();
	text[5] = '2'; /* {"v":2 */
	plant(text, f.entry_n[AT]);
	refused(RECEIPT_ENTRY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "version"));
}
END_TEST

START_TEST(an_entry_that_lies_about_the_size_is_caught)
{
	char text[LIMIT_ENTRY_BYTES + 1], *size;

	memcpy(text, f.entry[AT], f.entry_n[AT]);
	text[f.entry_n[AT]] = '\0';
	size = strstr(text, "\"size\":");
	ck_assert_ptr_nonnull(size);
	size[7]++;
	plant(text, f.entry_n[AT]);
	refused(RECEIPT_PAYLOAD);
}
END_TEST

START_TEST(a_proof_has_exactly_its_length)
{
	f.receipt.proof.n_hashes--;
	refused(RECEIPT_INCLUSION);
	f.receipt.proof.n_hashes += 2;
	refused(RECEIPT_INCLUSION);
}
END_TEST

START_TEST(an_entry_beyond_the_signed_size_is_refused)
{
	make_checkpoint(&f.note, ORIGIN, AT, f.key);
	f.receipt.proof.checkpoint = buf_slice(&f.note);
	refused(RECEIPT_INCLUSION);
}
END_TEST

START_TEST(unsigned_is_never_valid)
{
	struct note note;

	ck_assert_int_eq(note_parse(&note, buf_slice(&f.note)), 0);
	f.receipt.proof.checkpoint = note.text;
	refused(RECEIPT_CHECKPOINT);
	f.receipt.proof.checkpoint = slice_of("", 0);
	refused(RECEIPT_CHECKPOINT);
	ck_assert_ptr_nonnull(strstr(f.v.why, "unsigned"));
}
END_TEST

START_TEST(a_key_of_the_same_name_is_not_the_key)
{
	make_checkpoint(&f.note, ORIGIN, LEAVES, f.stranger);
	f.receipt.proof.checkpoint = buf_slice(&f.note);
	refused(RECEIPT_SIGNATURE);
	ck_assert_ptr_nonnull(strstr(f.v.why, "no signature"));
}
END_TEST

START_TEST(a_signed_note_that_is_no_checkpoint_is_refused)
{
	f.receipt.proof.checkpoint = buf_slice(&f.statement);
	refused(RECEIPT_CHECKPOINT);
}
END_TEST

START_TEST(a_checkpoint_of_another_log_is_refused)
{
	struct signer *other = make_signer("ledger.example.com/other", 4);
	struct buf vkey;

	buf_init(&vkey);
	note_put_vkey(&vkey, signer_vkey(other));
	make_checkpoint(&f.note, "ledger.example.com/other", LEAVES, other);
	f.receipt.proof.checkpoint = buf_slice(&f.note);
	refused(RECEIPT_KEY);
	ck_assert_int_eq(receipt_trust_init(&f.trust, f.h, buf_slice(&vkey)), 0);
	refused(RECEIPT_ORIGIN);
	buf_fini(&vkey);
	signer_free(other);
}
END_TEST

/* --- through the server's identity ----------------------------------------------- */

static void
pin_identity(void)
{
	ck_assert_int_eq(receipt_trust_init(&f.trust, f.h, buf_slice(&f.identity_vkey)), 0);
	f.trust.statements[0] = buf_slice(&f.statement);
	f.trust.n_statements = 1;
}

static void
state(const struct signer *identity, const struct signer *key, uint64_t epoch, uint64_t first)
{
	buf_reset(&f.statement);
	ck_assert_int_eq(sign_key_statement(&f.statement, identity, signer_vkey(key), epoch, first),
			 0);
	f.trust.statements[0] = buf_slice(&f.statement);
}

START_TEST(the_identity_speaks_through_key_statements)
{
	pin_identity();
	holds();
	ck_assert(f.v.by_statement);
	every_bit(f.statement.p, f.statement.n);
	f.trust.n_statements = 0;
	refused(RECEIPT_KEY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "--keys"));
}
END_TEST

START_TEST(a_statement_by_another_identity_counts_for_nothing)
{
	struct signer *other = make_signer("ledger.example.com", 9);

	pin_identity();
	state(other, f.key, 1, 1);
	refused(RECEIPT_KEY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "not signed by"));
	signer_free(other);
}
END_TEST

START_TEST(a_statement_about_another_log_does_not_speak_for_this_one)
{
	struct signer *other = make_signer("ledger.example.com/other", 4);

	pin_identity();
	make_checkpoint(&f.note, ORIGIN, LEAVES, other);
	f.receipt.proof.checkpoint = buf_slice(&f.note);
	state(f.identity, other, 1, 1);
	refused(RECEIPT_KEY);
	signer_free(other);
}
END_TEST

START_TEST(a_statement_for_a_later_size_does_not_reach_back)
{
	pin_identity();
	state(f.identity, f.key, 1, LEAVES + 1);
	refused(RECEIPT_KEY);
	state(f.identity, f.key, 1, LEAVES);
	holds();
}
END_TEST

START_TEST(the_latest_epoch_signs)
{
	struct buf second;

	buf_init(&second);
	pin_identity();
	ck_assert_int_eq(sign_key_statement(&second, f.identity, signer_vkey(f.stranger), 2, AT),
			 0);
	f.trust.statements[1] = buf_slice(&second);
	f.trust.n_statements = 2;
	refused(RECEIPT_SIGNATURE); /* signed by the key of an epoch that has ended */
	ck_assert_ptr_nonnull(strstr(f.v.why, "history that the log lost"));
	buf_reset(&second);
	ck_assert_int_eq(sign_key_statement(&second, f.identity, signer_vkey(f.stranger), 1, 1), 0);
	f.trust.statements[1] = buf_slice(&second);
	refused(RECEIPT_KEY); /* two keys for one epoch */
	buf_fini(&second);
}
END_TEST

START_TEST(an_identity_does_not_speak_for_names_that_only_begin_alike)
{
	struct signer *other = make_signer("ledger.example.co", 1);
	struct buf vkey;

	buf_init(&vkey);
	note_put_vkey(&vkey, signer_vkey(other));
	ck_assert_int_eq(receipt_trust_init(&f.trust, f.h, buf_slice(&vkey)), 0);
	refused(RECEIPT_KEY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "another server"));
	buf_fini(&vkey);
	signer_free(other);
}
END_TEST

/* --- through identities that follow each other ------------------------------------ */

START_TEST(trust_follows_successions_both_ways)
{
	make_row();
	for (int by = 0; by < 3; by++) {
		state(row[by], f.key, 1, 1);
		if (by) { /* an epoch that began after the records: their checkpoint is its own */
			state(row[by], f.key, 1, LEAVES);
		}
		for (int pinned = 0; pinned < 3; pinned++) {
			pin(row[pinned], 2);
			holds();
			ck_assert(f.v.by_statement);
			ck_assert_int_eq(f.v.identity, (by > pinned) - (by < pinned));
			pin(row[pinned], 0);
			if (by == pinned) {
				holds();
			} else {
				refused(RECEIPT_KEY);
				ck_assert_ptr_nonnull(strstr(f.v.why, "--statement"));
			}
		}
	}
	pin(row[0], 1); /* the second one is missing */
	refused(RECEIPT_KEY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "successions lead to"));
	free_row();
}
END_TEST

START_TEST(a_succession_that_does_not_hold_is_not_passed_over)
{
	make_row();
	state(row[1], f.key, 1, 1);
	pin(row[0], 1);
	holds();
	passage[0].p[passage[0].n - 10] ^= 1;
	refused(RECEIPT_KEY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "succession 1 is not signed by"));
	passage[0].p[passage[0].n - 10] ^= 1;
	state(row[0], f.key, 1, 1);
	pin(row[0], 2);
	passage[1].p[passage[1].n - 10] ^= 1; /* which would not be needed */
	refused(RECEIPT_KEY);
	free_row();
}
END_TEST

/* A key that was replaced goes on signing: what can be told of it. */
START_TEST(a_replaced_identity_states_nothing_new)
{
	struct succession s = {.number = 1, .time_ns = INT64_C(1795448880123456789) + AT - 1};
	struct buf later;

	make_row();
	buf_reset(&passage[0]);
	ck_assert_int_eq(identities_sign(&passage[0], &s, row[0], row[1]), 0);
	for (uint64_t first = 1; first <= LEAVES; first++) {
		state(row[0], f.key, 1, first);
		pin(row[1], 1);
		if (first >
		    AT) { /* the record was written after it was replaced, and before this */
			refused(RECEIPT_KEY);
			ck_assert_ptr_nonnull(strstr(f.v.why, "used afterwards"));
			ck_assert_int_eq(
				receipt_check_checkpoint(f.h, buf_slice(&f.note), &f.trust, &f.v),
				0); /* which has no time */
		} else {
			holds();
		}
	}
	/* a later identity states an earlier epoch: whichever is in question */
	buf_init(&later);
	ck_assert_int_eq(sign_key_statement(&later, row[1], signer_vkey(f.stranger), 1, 1), 0);
	state(row[0], f.key, 2, 2);
	pin(row[1], 1);
	f.trust.statements[f.trust.n_statements++] = buf_slice(&later);
	refused(RECEIPT_KEY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "used afterwards"));
	f.trust.statements[1] = f.trust.statements[0];
	f.trust.statements[0] = buf_slice(&later);
	refused(RECEIPT_KEY);
	buf_fini(&later);
	free_row();
}
END_TEST

START_TEST(a_logs_own_key_needs_no_identity)
{
	make_row();
	f.trust.successions[f.trust.n_successions++] = buf_slice(&passage[0]);
	passage[0].p[passage[0].n - 10] ^= 1;
	holds();
	free_row();
}
END_TEST

START_TEST(a_mistyped_key_is_refused)
{
	for (size_t i = 0; i < f.vkey.n; i++) {
		struct receipt_trust t;

		f.vkey.p[i] ^= 1;
		ck_assert_int_ne(receipt_trust_init(&t, f.h, buf_slice(&f.vkey)), 0);
		f.vkey.p[i] ^= 1;
	}
	ck_assert_int_ne(receipt_trust_init(&f.trust, f.h, slice_str("")), 0);
}
END_TEST

START_TEST(a_witness_key_signs_no_checkpoints)
{
	struct note_vkey key = *signer_vkey(f.key);
	struct buf vkey;

	buf_init(&vkey);
	key.type = NOTE_ED25519_COSIGNATURE;
	sign_keyid(f.h, key.key_id, key.name, key.type, key.public_key);
	ck_assert_int_eq(note_put_vkey(&vkey, &key), 0);
	ck_assert_int_eq(receipt_trust_init(&f.trust, f.h, buf_slice(&vkey)), STELE_EUNSUPPORTED);
	buf_fini(&vkey);
}
END_TEST

/* --- checkpoints over time ----------------------------------------------------------- */

static int
since_from(uint64_t from, uint64_t to, const uint8_t (*proof)[SHA256_BYTES], size_t n)
{
	struct receipt_growth growth = {from, to, proof, n};

	ck_assert_int_eq(receipt_check_checkpoint(f.h, buf_slice(&f.note), &f.trust, &f.v), 0);
	return receipt_check_since(f.h, buf_slice(&f.old), proof ? &growth : NULL, &f.trust, &f.v);
}

static int
since(const uint8_t (*proof)[SHA256_BYTES], size_t n)
{
	return since_from(OLD, LEAVES, proof, n);
}

START_TEST(a_log_that_grew_is_told_from_one_that_forked)
{
	uint8_t proof[LIMIT_PROOF_HASHES][SHA256_BYTES];
	size_t n;

	ck_assert_int_eq(merkle_consistency(f.h, node, NULL, OLD, LEAVES, proof, &n), 0);
	ck_assert_int_eq(since(proof, n), 0);
	for (size_t i = 0; i < n * SHA256_BYTES * 8; i++) {
		proof[i / 256][i % 256 / 8] ^= (uint8_t)(1u << i % 8);
		ck_assert_int_eq(since(proof, n), STELE_EVERIFY);
		proof[i / 256][i % 256 / 8] ^= (uint8_t)(1u << i % 8);
	}
	ck_assert_int_eq(since(proof, n - 1), STELE_EVERIFY);
	ck_assert_int_eq(since(NULL, 0), STELE_ENOTFOUND);
	ck_assert_int_eq(since_from(OLD + 1, LEAVES, proof, n), STELE_EVERIFY);
	ck_assert_int_eq(since_from(OLD, LEAVES + 1, proof, n), STELE_EVERIFY);
	f.leaf[1][0] ^= 1;
	make_checkpoint(&f.old, ORIGIN, OLD, f.key);
	ck_assert_int_eq(since(proof, n), STELE_EVERIFY);
	ck_assert_int_eq(f.v.failed, RECEIPT_CONSISTENCY);
}
END_TEST

START_TEST(the_older_checkpoint_must_be_of_the_same_log)
{
	struct signer *other = make_signer("ledger.example.com/other", 4);
	struct buf second;

	buf_init(&second);
	pin_identity();
	ck_assert_int_eq(sign_key_statement(&second, f.identity, signer_vkey(other), 1, 1), 0);
	f.trust.statements[1] = buf_slice(&second);
	f.trust.n_statements = 2;
	make_checkpoint(&f.old, "ledger.example.com/other", LEAVES, other);
	ck_assert_int_eq(since(NULL, 0), STELE_EVERIFY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "another log"));
	buf_fini(&second);
	signer_free(other);
}
END_TEST

START_TEST(equal_sizes_need_equal_roots_and_no_proof)
{
	make_checkpoint(&f.old, ORIGIN, LEAVES, f.key);
	ck_assert_int_eq(since(NULL, 0), 0);
	f.leaf[1][0] ^= 1;
	make_checkpoint(&f.old, ORIGIN, LEAVES, f.key);
	ck_assert_int_eq(since(NULL, 0), STELE_EVERIFY);
}
END_TEST

START_TEST(a_smaller_log_was_rolled_back)
{
	make_checkpoint(&f.old, ORIGIN, LEAVES, f.key);
	make_checkpoint(&f.note, ORIGIN, LEAVES - 1, f.key);
	ck_assert_int_eq(since(NULL, 0), STELE_EVERIFY);
	ck_assert_ptr_nonnull(strstr(f.v.why, "rolled back"));
	make_checkpoint(&f.note, ORIGIN, LEAVES, f.key);
	make_checkpoint(&f.old, ORIGIN, OLD, f.stranger);
	ck_assert_int_eq(since(NULL, 0), STELE_EVERIFY); /* the older one is not trusted either */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("receipt");
	TCase *t = tcase_create("receipt");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_true_receipt_holds);
	tcase_add_test(t, every_record_of_the_log_has_one);
	tcase_add_test(t, no_bit_of_entry_salt_or_proof_may_change);
	tcase_add_test(t, no_bit_of_the_checkpoint_may_change);
	tcase_add_test(t, no_bit_of_the_payload_may_change_nor_its_length);
	tcase_add_test(t, a_payload_without_salt_is_not_passed_over);
	tcase_add_test(t, claims_beside_the_entry_must_agree_with_it);
	tcase_add_test(t, another_record_does_not_fit_the_proof);
	tcase_add_test(t, what_is_no_entry_is_refused_though_the_tree_holds_it);
	tcase_add_test(t, an_entry_that_lies_about_the_size_is_caught);
	tcase_add_test(t, a_proof_has_exactly_its_length);
	tcase_add_test(t, an_entry_beyond_the_signed_size_is_refused);
	tcase_add_test(t, unsigned_is_never_valid);
	tcase_add_test(t, a_key_of_the_same_name_is_not_the_key);
	tcase_add_test(t, a_signed_note_that_is_no_checkpoint_is_refused);
	tcase_add_test(t, a_checkpoint_of_another_log_is_refused);
	tcase_add_test(t, the_identity_speaks_through_key_statements);
	tcase_add_test(t, a_statement_by_another_identity_counts_for_nothing);
	tcase_add_test(t, a_statement_about_another_log_does_not_speak_for_this_one);
	tcase_add_test(t, a_statement_for_a_later_size_does_not_reach_back);
	tcase_add_test(t, the_latest_epoch_signs);
	tcase_add_test(t, an_identity_does_not_speak_for_names_that_only_begin_alike);
	tcase_add_test(t, trust_follows_successions_both_ways);
	tcase_add_test(t, a_succession_that_does_not_hold_is_not_passed_over);
	tcase_add_test(t, a_replaced_identity_states_nothing_new);
	tcase_add_test(t, a_logs_own_key_needs_no_identity);
	tcase_add_test(t, a_mistyped_key_is_refused);
	tcase_add_test(t, a_witness_key_signs_no_checkpoints);
	tcase_add_test(t, a_log_that_grew_is_told_from_one_that_forked);
	tcase_add_test(t, the_older_checkpoint_must_be_of_the_same_log);
	tcase_add_test(t, equal_sizes_need_equal_roots_and_no_proof);
	tcase_add_test(t, a_smaller_log_was_rolled_back);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
