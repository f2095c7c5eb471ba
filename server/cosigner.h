/*
 * Being a witness of others' logs (C2SP tlog-witness, add-checkpoint): a checkpoint is cosigned
 * when it is of a log that is named, signed by its key, and shown to have grown out of what was
 * cosigned before. Two that are not consistent are never cosigned, whatever crashes when: the new
 * head is in DIR/witness/<SHA-256 of the origin>.note, flushed, before anybody gets its
 * cosignature.
 *
 * That file is the checkpoint with the log's signature and ours: a C2SP note. DIR/keys/witness is a
 * key file (crypto/keyfile.h): u8 length, the key's name, seed[32].
 */
#ifndef STELE_SERVER_COSIGNER_H
#define STELE_SERVER_COSIGNER_H

#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/slice.h"

struct cosigner;
struct server;

/*
 * Reads the list of logs, the key and what was cosigned, and makes the key at the first start. *out
 * is NULL when the configuration names no list. s has its store, and the configuration still its
 * passphrase. STELE_EINVAL: the list, the name; STELE_EKEY: the key is gone, and what it has signed
 * is not; STELE_EDAMAGED; STELE_EIO, STELE_ENOMEM, and errors of keyfile_read; why says what to do.
 */
int cosigner_new(struct cosigner **out, struct server *s, struct buf *why);

/* After the loops. NULL is fine. */
void cosigner_free(struct cosigner *c);

enum cosigner_answer {
	COSIGNER_SIGNED,     /* 200: its line was appended */
	COSIGNER_SYNTAX,     /* 400: no request, or its old size is above the checkpoint's */
	COSIGNER_UNTRUSTED,  /* 403: no known key has signed it */
	COSIGNER_UNKNOWN,    /* 404: no such log here */
	COSIGNER_OTHER_SIZE, /* 409: *size was cosigned last; also when that is another tree */
	COSIGNER_NO_PROOF,   /* 422: the proof does not hold */
	COSIGNER_FAILED, /* 500: its state cannot be written: nothing is cosigned until a restart */
	COSIGNER_NO_MEMORY,
};

/*
 * Answers one request, whose body is text. Waits for a flush, and for others of the same log: a
 * worker thread, with its hasher. On COSIGNER_SIGNED the cosignature line is appended to out.
 */
enum cosigner_answer cosigner_add(struct cosigner *c, struct sha256 *h, struct slice text,
				  struct buf *out, uint64_t *size);

/* Whether another request of this address may come now; a second's worth at once. Any thread. */
bool cosigner_admit(struct cosigner *c, struct slice address);

struct cosigner_figures {
	uint64_t logs;     /* that are named */
	uint64_t cosigned; /* checkpoints since the start */
	uint64_t refused;  /* requests since the start that were not */
	uint64_t forks;    /* logs that signed two trees of one size, since the start */
};

/* c may be NULL: zeros. Any thread. */
void cosigner_figures(struct cosigner *c, struct cosigner_figures *out);

/* Appends the members of GET /api/v1/witness that are about this side. c may be NULL. Any thread.
 */
void cosigner_put_json(struct cosigner *c, struct buf *out);

#endif
