/*
 * Receipts as JSON: the server's answers (an append's, a record's, a proof's)
 * and the files that stele makes of them. Reading only: what they say is
 * checked in crypto/receipt.c.
 *
 *   {"log","index","time","origin","entry","salt","proof":["…"],"checkpoint",
 *    "payload" or "payload_b64", "line", "keys":["…"],
 *    "identities":["…"], "consistency":{"from","to","proof":["…"]}}
 *
 * With none of entry, salt, payload, index and proof it is a checkpoint, perhaps
 * with what led to it; a record's receipt that lost its entry never passes as
 * one. All members but these are left unread.
 */
#ifndef STELE_VERIFY_RECEIPT_JSON_H
#define STELE_VERIFY_RECEIPT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/receipt.h"
#include "proto/buf.h"

struct receipt_json {
	json_t *doc;        /* owns the strings below */
	struct buf payload; /* when it came as base64 */
	bool is_record;     /* it has a member that only records have */
	struct receipt receipt;
	bool has_line; /* the payload is that line of an input kept elsewhere */
	uint64_t line;
	size_t n_keys; /* key statements that came along */
	struct slice keys[LIMIT_STATEMENTS];
	size_t n_identities; /* succession notes that came along */
	struct slice identities[LIMIT_SUCCESSIONS];
	bool has_consistency;
	uint64_t from, to;
	size_t n_consistency;
	uint8_t consistency[LIMIT_PROOF_HASHES][SHA256_BYTES];
};

/*
 * Reads one JSON document; slices of d point into it. STELE_ESYNTAX and a
 * sentence in why when it is not JSON (duplicate members count as such) or a
 * member has a form that no receipt has. On success receipt_json_fini is due.
 */
int receipt_json_read(struct receipt_json *d, struct slice text, struct buf *why);
void receipt_json_fini(struct receipt_json *d);

/*
 * Adds the notes that came along to what is trusted, which d must outlive: its key statements, and
 * its succession notes unless they are not to count. STELE_ELIMIT, and a sentence in why, when
 * they are too many together with those that are there.
 */
int receipt_json_trust(const struct receipt_json *d, bool successions, struct receipt_trust *trust,
		       struct buf *why);

#endif
