/*
 * The store's own audit trail. `_system` holds what was done to the store and by whom: every
 * administrative act, what the store does by itself, refusals, and once a second the
 * heads of all logs that changed. Its records are the only source of who may do what: an act is
 * recorded first, durably, and takes effect by being folded into server/access.h; one that cannot
 * be recorded does not happen. docs/formats.md has the records.
 *
 * `_access` holds who read which payloads.
 *
 * What comes from threads that must not wait (reads, seals, refusals) is queued and recorded
 * within a second. DIR/keys/access keeps the state of `_system` up to some record, so that a start
 * reads only what came after, and the key of the tokens' hashes.
 */
#ifndef STELE_SERVER_AUDIT_H
#define STELE_SERVER_AUDIT_H

#include <stdbool.h>

#include "proto/buf.h"
#include "proto/policy.h"
#include "proto/slice.h"
#include "server/access.h"
#include "server/problem.h"

#define AUDIT_WRITER "steled" /* of what the server does by itself */

struct append_job;
struct deed_outcome;
struct kit;
struct log;
struct request;
struct server;
struct audit;
struct json_t;
struct writer;

/*
 * Takes what waits to be recorded before there is an audit: the store's events come from its
 * opening on. NULL without memory.
 */
struct audit *audit_new(void);

/*
 * Reads who may do what, and how records are mapped, from the state and `_system`, where there is
 * one. s has its store, and no writer yet, whose sealer asks for mappings.
 * STELE_EKEY, also when `_system` says that the store's identity was replaced; STELE_EDAMAGED,
 * STELE_EIO, STELE_ENOMEM; why says what to do.
 */
int audit_load(struct audit *a, struct server *s, struct buf *why);

/*
 * Makes `_system` where there is none, records the start, begins recording. After audit_load, and s
 * has its writer. At a first start, and when keys/access is lost, there is one principal with
 * every scope everywhere and one token, which goes to DIR/admin.token (0600).
 * STELE_EIO, STELE_ENOSPACE, STELE_ENOMEM; why says what to do.
 */
int audit_open(struct audit *a, struct buf *why);

/* Records the stop and what waits. No request may be under way. Before writer_free. */
void audit_close(struct audit *a);

/* NULL is fine. */
void audit_free(struct audit *a);

/* Who may do what, from audit_load on. */
struct access *audit_access(struct audit *a);

/*
 * Records an act, {"type":…, …}, by the principal of a token (NULL: the server's own), which is
 * added to it, and puts it in force. One act at a time; fill, unless NULL, comes first in that turn
 * and puts into the act what only the server chooses, so that it is still free when it is recorded.
 * Blocks for a commit: a worker thread, with its kit. Errors of access_apply, with why, before
 * anything is recorded; STELE_ENOSPACE, STELE_EREADONLY, STELE_EBUSY, STELE_ECLOSED, STELE_EIO when
 * it cannot be recorded. STELE_EAPPROVAL when it needs a second principal: that it was asked for is
 * recorded, and it has "approval", an id. An act that is a deed (server/deeds.h), or grants
 * one, is done in the commit of its record, and may have other errors, whose problem the outcome
 * has.
 */
int audit_act(struct audit *a, struct json_t *act, int (*fill)(struct access *access, void *ctx),
	      void *ctx, const struct token *by, struct kit *kit, struct deed_outcome *outcome);

/* Something done to the store whose record lies in the same commit. */
struct audit_deed {
	int (*fill)(struct json_t *act, void *ctx); /* its type and members */
	int (*perform)(struct writer *w, const struct token *by, struct kit *kit,
		       struct append_job *record, void *ctx);
	void *ctx;
};

/* Does it, one act at a time: the error of fill or perform. Blocks: a worker thread. */
int audit_together(struct audit *a, const struct audit_deed *d, const struct token *by,
		   struct kit *kit);

/*
 * audit_deeds.c: creates a log as writer_create_log does, and records it; with a schema, unless
 * that is empty, that is chosen for it. Also STELE_ENOTFOUND: there is no such schema.
 */
int audit_create_log(struct audit *a, struct slice name, const struct policy *policy,
		     struct slice schema, const struct token *by, struct kit *kit, struct log **out,
		     bool *created);

/*
 * audit_pace.c. Whether `_access` keeps what comes for as long as an append wishes for its records;
 * NULL: as long as the policy says, which it does. Any thread.
 */
bool audit_keeps(const struct audit *a, const struct policy_wish *wish);

/* Makes it so, before the append is done. A worker thread. Errors as audit_act. */
int audit_keep(struct audit *a, const struct policy_wish *wish, struct kit *kit);

/* Queues an event, one JSON object with a type. Any thread, at any time. */
void audit_event(struct audit *a, struct slice json);

/* A payload of a log was read with a token. */
void audit_read(struct audit *a, struct token *token, const struct log *log, uint64_t index);
/* A record for `_access`, {"type":TYPE,"by":…} and these members, ,"name":value and so on: who
 * asked what, or took which bundle. members without memory count as lost. */
void audit_access_event(struct audit *a, const char *type, const struct token *token,
			struct slice members);

/* Counts a refusal: of a request without a token that opens anything; or with this problem, on this
 * log or none. */
void audit_refused(struct audit *a, enum access_answer answer, bool presented);
void audit_denied(struct audit *a, const struct request *r, struct slice log, enum problem problem);

#endif
