/*
 * Witnesses of this server's logs (C2SP tlog-witness): a thread that sends each changed head to
 * every witness of a policy (crypto/tlogpolicy.h), believes what verifies under their keys, and
 * keeps it.
 *
 * Cosignatures of the newest head are in its note (log_head) wherever that goes: checkpoints,
 * proofs, receipts that are asked for, bundles. DIR/cosigned/LOG.note has the newest checkpoint
 * with a quorum, or, while there was none, the newest with any cosignature.
 *
 * All witnesses are asked about one head of a log at a time, so that their cosignatures are of one
 * text; the next one is the newest when a quorum has signed, all have answered, or five seconds are
 * over. A witness that says it has seen more than there is here, or another tree, means that this
 * store is an old copy, or has a twin: a conflict. When it says so before it has cosigned anything
 * since the start, the log is disputed: its checkpoint is served no more, until a restart.
 */
#ifndef STELE_SERVER_WITNESSES_H
#define STELE_SERVER_WITNESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "storage/log.h"

struct config;
struct request;
struct server;
struct witnesses;

enum witness_require {
	WITNESS_NONE,   /* checkpoints have what cosignatures there are */
	WITNESS_PUBLIC, /* a checkpoint is served with a quorum alone */
	WITNESS_APPEND, /* and an append is acknowledged when one covers it */
};

/*
 * Reads the policy and what is kept, and starts. s has its store and audit, and no loops yet. *out
 * is NULL when the configuration names no policy. STELE_EINVAL: the policy, an address or a
 * setting; STELE_EDAMAGED: what is kept; STELE_EIO, STELE_ENOMEM; why says what to do.
 */
int witnesses_new(struct witnesses **out, struct server *s, struct buf *why);

/* Ends it, with all that is under way: after the loops, before the audit. NULL is fine. */
void witnesses_free(struct witnesses *ws);

enum witness_answer {
	WITNESS_NEWEST,   /* serve the newest head's note */
	WITNESS_KEPT,     /* serve what was appended to out */
	WITNESS_NOT_YET,  /* no checkpoint has a quorum yet */
	WITNESS_DISPUTED, /* a witness has seen more, or another tree */
};

/* Which checkpoint of a log may be served. ws may be NULL. Any thread; does not block. */
enum witness_answer witnesses_checkpoint(struct witnesses *ws, const struct log *log,
					 struct buf *out);

/*
 * Whether clients may append to a log: WITNESS_NEWEST, or one of the two that say why not. With
 * WITNESS_NONE always; else a log that was there at the start waits for a first quorum. ws may be
 * NULL. Any thread; does not block.
 */
enum witness_answer witnesses_may_append(struct witnesses *ws, const struct log *log);

/* res_witness.c: answers r with the problem that it is. */
void witness_refuse(struct request *r, enum witness_answer answer);

/* A request that waits for a quorum; in its arena. */
struct witness_wait {
	struct request *r;
	const struct log *log;
	uint64_t size; /* that a checkpoint with a quorum must have */
	uint64_t until_ms;
	bool cosigned; /* there is one: false when r->then is called because time is over */
	struct witness_wait *next;
};

/*
 * Whether an acknowledgement must wait: with WITNESS_APPEND, until a checkpoint of at least `size`
 * records of r's log has its quorum, or witness-timeout is over. True: r->then(r) follows on r's
 * loop, and w lives until then. False: it need not. ws may be NULL. The loop's thread.
 */
bool witnesses_wait(struct witnesses *ws, struct request *r, uint64_t size, struct witness_wait *w);

/* For /metrics, health and GET /api/v1/witness. */
struct witnesses_figures {
	uint64_t witnesses;    /* of the policy */
	uint64_t asked;        /* requests since the start */
	uint64_t cosignatures; /* that verified */
	uint64_t failures;     /* requests without one, conflicts too */
	uint64_t conflicts;    /* pairs of a log and a witness: since the start */
	uint64_t disputed;     /* logs, now */
	uint64_t behind;       /* logs whose newest head has no quorum, when last looked */
};

/* ws may be NULL: zeros. Any thread. */
void witnesses_figures(struct witnesses *ws, struct witnesses_figures *out);

/* Appends the members of GET /api/v1/witness that are about this side. ws may be NULL. Any thread.
 */
void witnesses_put_json(struct witnesses *ws, struct buf *out);

#endif
