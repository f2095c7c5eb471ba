/*
 * Is a receipt true? Everything an auditor's machine checks about one record
 * or one checkpoint, from bytes and one pinned key alone: no network, no
 * server, no trust in what came along. The one place that decides it.
 *
 * Steps run in the order of enum receipt_step and stop at the first that does
 * not hold. A step that had nothing to look at is not passed over in silence:
 * the verdict says that the payload was not checked.
 */
#ifndef STELE_CRYPTO_RECEIPT_H
#define STELE_CRYPTO_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "crypto/tlogpolicy.h"
#include "proto/checkpoint.h"
#include "proto/entry.h"
#include "proto/note.h"
#include "proto/proof.h"
#include "proto/slice.h"

enum { RECEIPT_WHY_BYTES = 512 };

enum receipt_step {
	RECEIPT_ENTRY,       /* the entry follows its grammar, byte for byte */
	RECEIPT_CLAIMS,      /* what stands beside the entry says the same as the entry */
	RECEIPT_CHECKPOINT,  /* the checkpoint is a signed note with a checkpoint's text */
	RECEIPT_KEY,         /* the pinned key, directly or by a key statement, its own or that of
				an identity it leads to, speaks for the log */
	RECEIPT_SIGNATURE,   /* that key signed the checkpoint */
	RECEIPT_ORIGIN,      /* entry and checkpoint are of one log */
	RECEIPT_INCLUSION,   /* the proof leads from the entry to the signed root */
	RECEIPT_PAYLOAD,     /* salt and payload match the entry's commitment and size */
	RECEIPT_CONSISTENCY, /* the signed tree begins with an older signed tree */
	RECEIPT_WITNESSES,   /* a quorum of witnesses cosigned the checkpoint */
	RECEIPT_STEPS,
};

/* What is trusted: one key, and what it says about others. */
struct receipt_trust {
	struct note_vkey pinned; /* a log's key, or an identity of the server; its name tells */
	size_t n_successions;
	struct slice successions[LIMIT_SUCCESSIONS]; /* signed notes, of whatever servers: all of
							the pinned one's must hold */
	size_t n_statements;
	struct slice statements[LIMIT_STATEMENTS]; /* signed notes; each proves itself or
							    counts for nothing */
};

/* What is to be checked. All slices are the caller's. */
struct receipt {
	struct proof_text proof; /* entry, salt, index, hashes, checkpoint */
	bool has_salt;           /* false: withheld or purged, proof.salt means nothing */
	bool has_payload;
	struct slice payload;
	/*
	 * Instead of payload, when it is not NULL: a payload too large to hold. Gives the next
	 * piece, of no bytes at the end; STELE_EIO when it cannot be read.
	 */
	int (*payload_next)(void *ctx, struct slice *piece);
	void *payload_ctx;
	/* claims that came beside the entry; empty when there are none */
	bool has_index; /* proof.index is one */
	struct slice log, origin, time, media_type;
};

/* What was found. */
struct receipt_verdict {
	int err;                     /* 0, or why the step `failed` does not hold */
	enum receipt_step failed;    /* RECEIPT_STEPS when none */
	char why[RECEIPT_WHY_BYTES]; /* one sentence when err */
	bool payload_checked;
	bool by_statement; /* the key was found through a key statement */
	int identity;      /* by the pinned identity: 0; by one before it: -1; after it: 1 */
	struct entry
		entry; /* meaningful after RECEIPT_ENTRY; points into scratch and the receipt */
	struct checkpoint checkpoint; /* meaningful after RECEIPT_CHECKPOINT */
	struct note_vkey key;         /* the log's; meaningful after RECEIPT_KEY */
	uint64_t epoch, first_size;   /* what its statement says of it, when by_statement */
	int64_t until_ns;    /* when who stated it was replaced; INT64_MAX: that is not known */
	size_t cosignatures; /* by the policy's witnesses; meaningful after RECEIPT_WITNESSES */
	uint8_t leaf[SHA256_BYTES]; /* entry hash; meaningful after RECEIPT_ENTRY */
	char scratch[LIMIT_ENTRY_BYTES];
};

/*
 * Pins a verifier key ("name+hash+base64"), which must outlive the trust.
 * STELE_ESYNTAX when it is none; STELE_EVERIFY when its key ID is not its
 * own; STELE_EUNSUPPORTED when it is not an Ed25519 signing key.
 */
int receipt_trust_init(struct receipt_trust *trust, struct sha256 *h, struct slice vkey);

/*
 * Adds a signed note, which must outlive the trust; one that is there already is there once.
 * STELE_ELIMIT above LIMIT_STATEMENTS, LIMIT_SUCCESSIONS.
 */
int receipt_trust_statement(struct receipt_trust *trust, struct slice note);
int receipt_trust_succession(struct receipt_trust *trust, struct slice note);

/* Checks a record's receipt. 0 and v->err 0 when every step held, else v->err. */
int receipt_check(struct sha256 *h, const struct receipt *r, const struct receipt_trust *trust,
		  struct receipt_verdict *v);

/* Checks a signed checkpoint alone: the steps RECEIPT_CHECKPOINT to RECEIPT_SIGNATURE. */
int receipt_check_checkpoint(struct sha256 *h, struct slice note, const struct receipt_trust *trust,
			     struct receipt_verdict *v);

/* A proof that one tree grew out of another: n hashes of RFC 9162 section 2.1.4. */
struct receipt_growth {
	uint64_t from, to; /* the sizes that it claims to be between */
	const uint8_t (*proof)[SHA256_BYTES];
	size_t n;
};

/*
 * The step RECEIPT_CONSISTENCY: does the tree of v (checked before, without
 * error) begin with the tree of the signed checkpoint `old`? growth is NULL when
 * none came, which is enough between equal sizes. Adds its finding to v and
 * returns v->err.
 */
int receipt_check_since(struct sha256 *h, struct slice old, const struct receipt_growth *growth,
			const struct receipt_trust *trust, struct receipt_verdict *v);

/*
 * The step RECEIPT_WITNESSES: is the checkpoint of v (checked before, without error), whose signed
 * note this is, cosigned as the policy asks, and its log's key one that the policy knows (C2SP
 * tlog-policy)? Adds its finding to v and returns v->err.
 */
int receipt_check_witnesses(const struct tlogpolicy *policy, struct slice note,
			    struct receipt_verdict *v);

#endif
