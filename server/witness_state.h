/* What the files of server/witnesses.h share. The thread's own but for what is marked. */
#ifndef STELE_SERVER_WITNESS_STATE_H
#define STELE_SERVER_WITNESS_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "crypto/sha256.h"
#include "crypto/tlogpolicy.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "server/witnesses.h"

struct kit;
struct outbound;

enum {
	WITNESS_TICK_MS = 200,   /* how late a new head may be noticed */
	WITNESS_ROUND_MS = 5000, /* then the next head's turn has come */
	WITNESS_AGAIN_MS = 1000, /* after a first failure; doubled by each one more */
	WITNESS_AGAIN_MAX_MS = 300000,
	WITNESS_HINTS = 4, /* that a witness may say another size, one after the other */
	WITNESS_WHY_BYTES = 200,
};

#define WITNESS_NOBODY UINT32_MAX

/* One log at one witness. */
struct witness_seat {
	uint64_t known;       /* the size it has cosigned, as far as we know */
	uint64_t retry_at_ms; /* not before */
	uint32_t next;        /* log id, in the witness's line */
	uint8_t failures, hints;
	bool queued, flying;
	bool met;  /* it has cosigned since the start */
	bool told; /* of a conflict */
};

/* One witness. */
struct witness {
	struct note_vkey key; /* its name points into the policy's text */
	struct slice name;    /* in the policy */
	char *url;            /* .../add-checkpoint */
	uint32_t first, last; /* log ids, in line */
	size_t flying;
	uint64_t retry_at_ms; /* it could not be reached */
	unsigned failures;
	/* under mu */
	uint64_t asked, cosigned, failed, conflicts;
	char why[WITNESS_WHY_BYTES]; /* the last failure; empty: none since it last cosigned */
};

/* One log. */
struct witness_log {
	struct log *log;
	bool wanted;                /* a pattern names it */
	bool stale;                 /* a witness has seen a newer head of ours than the target */
	struct head *target;        /* what witnesses are asked about; counted; NULL: not yet */
	uint64_t since_ms;          /* that it is */
	struct buf lines;           /* cosignatures of it */
	uint32_t has, answered;     /* bits of witnesses: that are in lines; that failed */
	bool quorum;                /* lines are enough */
	struct witness_seat *seats; /* of each witness */
	/* under mu */
	struct witness_log *next_urgent;
	bool urgent;
	bool good; /* a quorum since the start, or born after it */
	bool disputed;
	uint64_t quorum_size; /* of kept, when that has a quorum; else 0 */
	struct buf kept;      /* the note in the file; empty: none */
};

struct witnesses {
	struct server *s;
	struct tlogpolicy *policy;
	struct buf policy_text, patterns;
	enum witness_require require;
	uint64_t timeout_ms;
	struct sha256 *sha;
	struct kit *kit;
	struct outbound *out;
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t tick;
	pthread_t thread;
	bool started;
	atomic_bool stop;

	size_t n;
	struct witness w[LIMIT_WITNESSES];
	size_t at_once;    /* requests of one witness */
	uint64_t heard;    /* the bell's count when all logs were last looked at */
	bool pending;      /* a seat waits for its retry, or a round for its end */
	uint64_t old_logs; /* ids below were there at the start */

	pthread_mutex_t mu;
	struct witness_log **logs; /* by id; the thread alone changes it, under mu */
	size_t n_logs;
	uint64_t behind, disputed;
	struct witness_wait *waits;
	struct witness_log *urgent; /* somebody waits for them: not to be looked at by the tick */
};

/* A request under way. */
struct witness_flight {
	struct witnesses *ws;
	struct witness_log *l;
	size_t i;     /* the witness */
	unsigned row; /* its failures when it was asked: what is under way together fails as one */
	uint64_t old;
	struct head *head; /* counted */
};

/* witness_config.c: the policy, addresses and patterns. Errors as witnesses_new. */
int witness_configure(struct witnesses *ws, const struct config *c, struct buf *why);

/* witness_keep.c: takes what is kept of a log, which then has its first target. */
int witness_load(struct witnesses *ws, struct witness_log *l, struct buf *why);
/* The witness has cosigned the target: line. Not 0: it could not be kept, and is not there. */
int witness_took(struct witnesses *ws, struct witness_log *l, size_t i, struct slice line);

/* witness_send.c: asks as many as may be asked now. */
void witness_pump(struct witnesses *ws);
/* Puts a seat into its witness's line, unless it is there. */
void witness_queue(struct witnesses *ws, struct witness_log *l, size_t i);

/* witnesses.c: gives a log its next target when it is time. */
void witness_consider(struct witnesses *ws, struct witness_log *l, uint64_t now_ms);
/* witness_tell.c: lets go who waits for what has a quorum now, or has waited long enough. */
void witness_let_go(struct witnesses *ws);
/* Takes one log that somebody waits for; NULL: there is none. */
struct witness_log *witness_take_urgent(struct witnesses *ws);

/* Milliseconds of the loop's clock. */
uint64_t witness_now_ms(const struct witnesses *ws);

#endif
