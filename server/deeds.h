/*
 * Acts that also change a log: what each writes into it lies in the same commit as its record in
 * `_system`. A deed is looked at when it is asked for, waits for a second principal where it must,
 * is looked at again, and is then done: one at a time, in the turn of server/audit.h.
 */
#ifndef STELE_SERVER_DEEDS_H
#define STELE_SERVER_DEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "proto/control.h"
#include "proto/entry.h"
#include "proto/slice.h"
#include "server/problem.h"
#include "storage/clock.h"

struct append_job;
struct kit;
struct log;
struct server;

/* What comes of a deed, beside an error: for the answer to who asked. */
struct deed_outcome {
	enum problem problem; /* of a refusal; PROBLEM_NONE: the error's own */
	struct buf why;       /* one sentence of it */
	json_t *told;         /* an object: members of the answer, or of the problem */
};

/* Empty, without memory taken; and frees it. */
void deed_outcome_init(struct deed_outcome *o);
void deed_outcome_fini(struct deed_outcome *o);

/* One that is looked at or done. */
struct deed_turn {
	struct server *s;
	struct kit *kit;       /* the thread's */
	struct slice by;       /* who asked: a principal's id */
	struct slice approver; /* who approved; empty: nobody had to */
	struct clock_reading clock;
	int64_t now_ns; /* evidence time */
	struct deed_outcome *outcome;
};

struct deed {
	const char *type; /* of its act */
	/*
	 * Whether the log's policy, or the deed itself, asks for a second principal. NULL: no
	 */
	bool (*second)(const struct deed_turn *turn, const json_t *act);
	/* 0 when it can be done now; else an error, with the outcome's problem and why. */
	int (*look)(const struct deed_turn *turn, const json_t *act);
	/*
	 * Does it, with the record in the same commit: 0, or the error of the commit; nothing is
	 * done then. NULL: the record alone is written.
	 */
	int (*perform)(const struct deed_turn *turn, const json_t *act, struct append_job *record);
	/*
	 * What comes after the record, which stays whatever comes of this. NULL: nothing.
	 */
	int (*follow)(const struct deed_turn *turn, const json_t *act);
};

/* The deed of an act's type, or NULL: it changes no log. */
const struct deed *deed_of(const json_t *act);

/* --- for those that define deeds ---------------------------------------------------------- */

/* Sets problem and the sentence, printed; returns err. */
int deed_refuse(const struct deed_turn *turn, int err, enum problem p, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A member of the answer or of the problem; takes the value's count. */
void deed_tell(const struct deed_turn *turn, const char *name, json_t *value);

/* The log that the act names as "log"; an error is refused already. */
int deed_log(const struct deed_turn *turn, const json_t *act, struct log **out);

/* Who does it, as control entries have it. */
struct control_actors deed_actors(const struct deed_turn *turn);

/* Appends ,"by":"…" and, when there is one, ,"approved_by":"…". */
void deed_put_actors(const struct deed_turn *turn, struct buf *b);

/* An index, and a range [first, last] with first <= last, as acts and requests name them: false
 * when it is none. */
bool deed_index(const json_t *v, uint64_t *out);
bool deed_range(const json_t *v, struct control_range *out);

/* Ranges as JSON: [[F,L],…]; the caller's. */
struct ranges;
json_t *deed_ranges(const struct ranges *set);

/* A control entry to be written. */
struct deed_entry {
	struct log *log;
	enum entry_kind kind;
	struct buf json; /* its payload; with place, the longest that it may be */
	/* Makes json anew for the index that the entry will have: the writer's thread. NULL: it
	 * is ready. */
	int (*place)(const struct deed_entry *e, uint64_t index, struct buf *json);
	const void *ctx; /* place's */
	uint64_t index;  /* result: where it lies */
};

/* Jobs with control entries, each tied to the next. */
struct deed_jobs;

/*
 * Prepares n >= 1 entries, by a principal's id, the last one tied to record unless that is NULL.
 * *first is the list's first. STELE_ENOMEM, STELE_EINVAL; NULL may be freed. Entries, record and
 * kit stay the caller's, and are needed until the jobs are answered.
 */
int deed_jobs_new(struct deed_jobs **out, struct deed_entry *entries, size_t n, struct slice by,
		  struct append_job *record, struct kit *kit, struct append_job **first);

/* After their commit: the entries get their indexes. */
void deed_jobs_free(struct deed_jobs *jobs);

/*
 * Writes n control entries and the record in one commit, all or nothing: 0 and their indexes, or
 * the commit's error. n is bounded by what one commit takes: STELE_ELIMIT.
 */
int deed_write(const struct deed_turn *turn, struct deed_entry *entries, size_t n,
	       struct append_job *record);

/* deed_clock.c, deed_policy.c, deed_purge.c */
extern const struct deed deed_clock_credit, deed_clock_confirm;

/* An instant as a member of an act; and what the clocks say, for whoever approves it. */
struct clock_info;
void deed_take_instant(json_t *act, const char *name, int64_t ns);
void deed_take_clocks(json_t *act, const struct clock_info *c);

extern const struct deed deed_policy_change;
extern const struct deed deed_purge;

/* deed_keys.c */
extern const struct deed deed_key_rotate, deed_identity_rotate;

/* The key that signs now, {"epoch","vkey"} of a log, {"number","vkey"} of the server: the caller's.
 */
json_t *deed_key_now(struct log *log);
json_t *deed_identity_now(const struct server *s);

/* deed_hold.c */
extern const struct deed deed_hold_place, deed_hold_release;
extern const char deed_policy_lock_only[]; /* sentences of refusals */
extern const char deed_policy_demo[];

/* deed_retain.c */
extern const struct deed deed_retain_extend, deed_retain_shorten;

/* deed_event.c */
extern const struct deed deed_retain_event;

/* deed_trail.c */
extern const struct deed deed_trail_keep;

/*
 * Until when all of `_access` is locked that is older than its last trail.keep, and by the policy
 * all that is younger, if it comes now: 0 without one. Errors of reading a record.
 */
int deed_trail_kept(const struct server *s, struct log *log, struct kit *kit, int64_t *until_ns);

#endif
