/* What cosigner.c and cosigner_load.c share. */
#ifndef STELE_SERVER_COSIGNER_STATE_H
#define STELE_SERVER_COSIGNER_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "crypto/sign.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/note.h"
#include "server/cosigner.h"

enum { COSIGNER_SLOTS = 1024 };

/* One log. Its lock is held from the look at its state to the flush of the next one. */
struct cosigner_log {
	struct slice origin; /* into the list's text */
	size_t n_keys;
	struct note_vkey keys[LIMIT_WITNESS_KEYS];
	pthread_mutex_t mu;
	uint64_t size; /* cosigned last; 0: none */
	uint8_t root[32];
	uint64_t time_s;
	bool forked; /* another tree of that size was shown, and recorded */
};

struct cosigner {
	struct server *s;
	struct signer *key;
	struct buf vkey, list;     /* as text; the list that names the logs */
	struct cosigner_log *logs; /* in order of their origins */
	size_t n;
	atomic_bool failed; /* a write failed */
	atomic_ullong cosigned, refused, forks;
	uint32_t slots_key;                       /* random: nobody chooses whose slot he shares */
	_Atomic int64_t until_ns[COSIGNER_SLOTS]; /* what addresses have used up */
};

/* The log of that origin; NULL: none. */
struct cosigner_log *cosigner_find(struct cosigner *c, struct slice origin);

/* The path of a log's state; STELE_ELIMIT. */
int cosigner_path(const struct cosigner *c, struct sha256 *h, const struct cosigner_log *l,
		  char out[LIMIT_PATH_BYTES]);

#endif
