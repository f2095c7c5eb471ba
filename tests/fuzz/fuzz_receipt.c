/*
 * Evidence from strangers: JSON receipts, tlog-proofs and checkpoints, as stele
 * verify takes them. The corpus is made of the vectors of docs/formats.md, whose
 * log's key signed two trees and no third: whatever verifies is about one of those.
 */
#include <stdint.h>
#include <string.h>

#include "crypto/init.h"
#include "crypto/receipt.h"
#include "proto/check.h"
#include "verify/receipt_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char log_vkey[] = "ledger.example.com/payments+3c030a25+"
			       "AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
static const char identity_vkey[] = "ledger.example.com+2085b846+"
				    "AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

static void
judge(const struct receipt_verdict *v, bool is_record)
{
	CHECK((v->err == 0) == (v->failed == RECEIPT_STEPS));
	CHECK((v->err == 0) == (v->why[0] == '\0'));
	if (v->err)
		return;
	CHECK(v->checkpoint.size == 6 || v->checkpoint.size == 2);
	CHECK(!is_record || v->entry.index < v->checkpoint.size);
	CHECK(!is_record || slice_eq_str(v->entry.origin, "ledger.example.com/payments"));
}

static void
try_json(struct sha256 *h, struct slice text, const struct receipt_trust *pinned)
{
	struct receipt_trust trust = *pinned;
	struct receipt_verdict v;
	struct receipt_json d;
	struct buf why;

	buf_init(&why);
	if (receipt_json_read(&d, text, &why) == 0) {
		for (size_t i = 0; i < d.n_keys; i++)
			trust.statements[trust.n_statements++] = d.keys[i];
		for (size_t i = 0; i < d.n_identities; i++)
			trust.successions[trust.n_successions++] = d.identities[i];
		if (d.is_record)
			receipt_check(h, &d.receipt, &trust, &v);
		else
			receipt_check_checkpoint(h, d.receipt.proof.checkpoint, &trust, &v);
		judge(&v, d.is_record);
		receipt_json_fini(&d);
	} else {
		CHECK(why.n > 0);
	}
	buf_fini(&why);
}

static void
try_texts(struct sha256 *h, struct slice text, const struct receipt_trust *trust)
{
	struct receipt r = {.has_index = true, .has_salt = true};
	struct receipt_verdict v;

	if (proof_text_parse(&r.proof, text) == 0) {
		receipt_check(h, &r, trust, &v);
		judge(&v, true);
	}
	receipt_check_checkpoint(h, text, trust, &v);
	judge(&v, false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const vkeys[] = {log_vkey, identity_vkey};
	struct sha256 *h = sha256_new();
	struct receipt_trust trust;

	CHECK(h && crypto_init() == 0);
	for (size_t i = 0; i < 2; i++) {
		CHECK(receipt_trust_init(&trust, h, slice_str(vkeys[i])) == 0);
		try_json(h, slice_of(data, n), &trust);
		try_texts(h, slice_of(data, n), &trust);
	}
	sha256_free(h);
	return 0;
}
