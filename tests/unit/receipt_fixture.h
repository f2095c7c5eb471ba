/*
 * A small log made from keys with fixed seeds, and a true receipt of one of its
 * records: what test_receipt.c breaks.
 */
#ifndef STELE_TESTS_UNIT_RECEIPT_FIXTURE_H
#define STELE_TESTS_UNIT_RECEIPT_FIXTURE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/identities.h"
#include "crypto/init.h"
#include "crypto/merkle.h"
#include "crypto/receipt.h"
#include "crypto/sign.h"

enum { LEAVES = 11, AT = 6, OLD = 4 };

#define ORIGIN "ledger.example.com/payments"
static const char payload[] = "{\"actor\":\"alice\",\"action\":\"login\"}";

struct fixture {
	struct sha256 *h;
	struct signer *identity, *key, *stranger;
	char entry[LEAVES][LIMIT_ENTRY_BYTES];
	size_t entry_n[LEAVES];
	uint8_t leaf[LEAVES][SHA256_BYTES];
	struct buf note, old, statement, vkey, identity_vkey;
	struct receipt receipt;
	struct receipt_trust trust; /* the log's key */
	struct receipt_verdict v;
};

static struct fixture f;

static int
node(void *ctx, unsigned height, uint64_t index, uint8_t out[SHA256_BYTES])
{
	uint8_t right[SHA256_BYTES];

	(void)ctx;
	if (height == 0) {
		memcpy(out, f.leaf[index], SHA256_BYTES);
		return 0;
	}
	node(NULL, height - 1, 2 * index, out);
	node(NULL, height - 1, 2 * index + 1, right);
	sha256_node(f.h, out, out, right);
	return 0;
}

static struct signer *
make_signer(const char *name, uint8_t fill)
{
	uint8_t seed[SIGN_SEED_BYTES];
	struct signer *s;

	memset(seed, fill, sizeof seed);
	ck_assert_int_eq(signer_new(&s, f.h, slice_str(name), seed), 0);
	return s;
}

static void
make_checkpoint(struct buf *out, const char *origin, uint64_t size, const struct signer *s)
{
	uint8_t root[SHA256_BYTES];
	struct buf text;

	buf_init(&text);
	ck_assert_int_eq(merkle_root_at(f.h, node, NULL, size, root), 0);
	ck_assert_int_eq(checkpoint_put(&text, slice_str(origin), size, root), 0);
	buf_reset(out);
	sign_note(out, buf_slice(&text), &s, 1);
	ck_assert_int_eq(out->err, 0);
	buf_fini(&text);
}

static void
make_entries(void)
{
	struct entry e = {.origin = slice_str(ORIGIN),
			  .kind = ENTRY_POLICY,
			  .size = strlen(payload),
			  .media_type = slice_str("application/json"),
			  .writer = slice_str("s-1")};
	uint8_t salt[16];

	memset(salt, 5, sizeof salt);
	sha256_hash(f.h, e.prev, slice_of("", 0));
	for (size_t i = 0; i < LEAVES; i++) {
		int n;

		e.index = i;
		e.kind = i ? ENTRY_RECORD : ENTRY_POLICY;
		e.mode = i ? ENTRY_MODE_GOVERNANCE : ENTRY_MODE_NONE;
		e.time_ns = 1795448880123456789 + (int64_t)i;
		e.retain_until_ns = e.time_ns + 1000;
		sha256_commitment(f.h, e.commitment, salt, slice_str(payload));
		n = entry_write(f.entry[i], sizeof f.entry[i], &e);
		ck_assert_int_gt(n, 0);
		f.entry_n[i] = (size_t)n;
		sha256_leaf(f.h, f.leaf[i], slice_of(f.entry[i], f.entry_n[i]));
		memcpy(e.prev, f.leaf[i], sizeof e.prev);
	}
}

static void
make_receipt(void)
{
	struct proof_text *p = &f.receipt.proof;

	memset(&f.receipt, 0, sizeof f.receipt);
	memcpy(p->entry, f.entry[AT], f.entry_n[AT]);
	p->entry_n = f.entry_n[AT];
	memset(p->salt, 5, sizeof p->salt);
	p->index = AT;
	ck_assert_int_eq(merkle_inclusion(f.h, node, NULL, AT, LEAVES, p->hashes, &p->n_hashes), 0);
	p->checkpoint = buf_slice(&f.note);
	f.receipt.has_salt = f.receipt.has_payload = f.receipt.has_index = true;
	f.receipt.payload = slice_str(payload);
	f.receipt.log = slice_str("payments");
	f.receipt.origin = slice_str(ORIGIN);
	f.receipt.time = slice_str("2026-11-23T15:48:00.123456795Z");
}

static void
setup(void)
{
	memset(&f, 0, sizeof f);
	ck_assert_int_eq(crypto_init(), 0);
	f.h = sha256_new();
	f.identity = make_signer("ledger.example.com", 1);
	f.key = make_signer(ORIGIN, 2);
	f.stranger = make_signer(ORIGIN, 3);
	make_entries();
	make_checkpoint(&f.note, ORIGIN, LEAVES, f.key);
	make_checkpoint(&f.old, ORIGIN, OLD, f.key);
	ck_assert_int_eq(note_put_vkey(&f.vkey, signer_vkey(f.key)), 0);
	ck_assert_int_eq(note_put_vkey(&f.identity_vkey, signer_vkey(f.identity)), 0);
	ck_assert_int_eq(sign_key_statement(&f.statement, f.identity, signer_vkey(f.key), 1, 1), 0);
	ck_assert_int_eq(receipt_trust_init(&f.trust, f.h, buf_slice(&f.vkey)), 0);
	make_receipt();
}

static void
teardown(void)
{
	signer_free(f.identity);
	signer_free(f.key);
	signer_free(f.stranger);
	buf_fini(&f.note);
	buf_fini(&f.old);
	buf_fini(&f.statement);
	buf_fini(&f.vkey);
	buf_fini(&f.identity_vkey);
	sha256_free(f.h);
}

/* --- identities that follow each other -------------------------------------------- */

static struct signer *row[3];
static struct buf passage[2];

/* The identity and two that follow it, one hour and two after the last record. */
static void
make_row(void)
{
	row[0] = f.identity;
	for (uint8_t i = 1; i < 3; i++) {
		struct succession s = {.number = i,
				       .time_ns = INT64_C(1795448880123456789) + LEAVES +
						  i * INT64_C(3600000000000)};
		row[i] = make_signer("ledger.example.com", (uint8_t)(20 + i));
		buf_init(&passage[i - 1]);
		ck_assert_int_eq(identities_sign(&passage[i - 1], &s, row[i - 1], row[i]), 0);
	}
}

static void
free_row(void)
{
	for (size_t i = 1; i < 3; i++) {
		signer_free(row[i]);
		buf_fini(&passage[i - 1]);
	}
}

/* Trusts one of the row, with the first n successions. */
static void
pin(const struct signer *s, size_t n)
{
	static struct buf vkey;
	struct slice statement = f.trust.statements[0];

	buf_fini(&vkey);
	buf_init(&vkey);
	ck_assert_int_eq(note_put_vkey(&vkey, signer_vkey(s)), 0);
	ck_assert_int_eq(receipt_trust_init(&f.trust, f.h, buf_slice(&vkey)), 0);
	f.trust.statements[f.trust.n_statements++] = statement;
	for (size_t i = 0; i < n; i++)
		f.trust.successions[f.trust.n_successions++] = buf_slice(&passage[i]);
}

#endif
