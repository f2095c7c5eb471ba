/* What the audit*.c share. */
#ifndef STELE_SERVER_AUDIT_STATE_H
#define STELE_SERVER_AUDIT_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/audit.h"
#include "server/audit_heads.h"
#include "server/audit_queue.h"
#include "server/audit_reads.h"

struct deed_outcome;
struct json_t;
struct keyfile_seal;
struct kit;

struct audit {
	struct audit_queue queue;      /* for _system */
	struct audit_queue read_queue; /* for _access */
	struct audit_reads reads;
	struct server *s;
	struct access *access;
	struct log *log; /* _system */
	struct log *access_log;
	struct keyfile_seal *seal;
	char path[LIMIT_PATH_BYTES]; /* of the snapshot */
	bool save_failed;            /* the last time; it was said */
	bool fresh;                  /* there was none */
	const char *after;           /* how it ended before this start */
	uint64_t saved;              /* records of `_system` that the snapshot has folded in */

	pthread_mutex_t acting; /* an act at a time, snapshots between them; also: */
	atomic_bool changed;    /* acts since the last snapshot */

	struct kit *kit; /* the recording thread's */
	struct audit_heads heads;
	pthread_mutex_t mu;
	pthread_cond_t wake;
	bool closing;
	pthread_t thread;
	bool runs;
};

/* audit_act.c: records an act and puts it in force, without asking whether it may be. `acting` is
 * held. */
int audit_record_act(struct audit *a, struct json_t *act, const struct token *by, struct kit *kit,
		     struct deed_outcome *outcome);

/*
 * audit_pace.c: `_system` and `_access` are locked for as long as other logs are by now. `acting`
 * is held, or there is no other thread yet. What cannot be recorded is said, and tried again with
 * the next act and within a minute.
 */
void audit_keep_pace(struct audit *a, struct kit *kit);

#endif
