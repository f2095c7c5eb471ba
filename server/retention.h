/*
 * What everything that is asked about locks shares: the instants they go by, the entries they are
 * of, how they are written.
 */
#ifndef STELE_SERVER_RETENTION_H
#define STELE_SERVER_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "proto/entry.h"
#include "proto/policy.h"

struct kit;
struct log;
struct server;

/*
 * Now, by the later clock: what periods are counted from, and when compliance begins; a clock that
 * was set back takes nothing away.
 */
int64_t retention_later_ns(const struct server *s, struct log *log);

/* Now, by the earlier clock: a lock is over only when both clocks say so. */
int64_t retention_earlier_ns(const struct server *s, struct log *log);

/*
 * Calls fn with each entry from first to last, in order, until it is not 0, which is returned. A
 * worker thread, with its kit. Errors of read_record.
 */
int retention_each_entry(const struct server *s, struct log *log, uint64_t first, uint64_t last,
			 struct kit *kit, int (*fn)(void *ctx, const struct entry *e), void *ctx);

/*
 * The end that a request's body asks for, {"until":INSTANT} or {"for":PERIOD from now_ns on}.
 * NULL, or what is wrong with it; static storage.
 */
const char *retention_read_end(const json_t *body, int64_t now_ns, int64_t *until_ns);

/*
 * When the locks end that wait for an event which came at at_ns: after the longest default period
 * that a policy of the log ever had, so that no later policy shortens what a record was promised.
 * STELE_ENOTFOUND: none had one. STELE_ELIMIT: beyond the year 2262.
 */
int retention_event_end(struct log *log, int64_t at_ns, int64_t *until_ns);

/* An instant, as JSON has it; the caller's. */
json_t *retention_time(int64_t ns);

/* {"bytes":N,"records":N} without what has no bound, or null; and what the log keeps. */
void retention_put_quota(struct buf *b, const struct policy *p);
void retention_put_used(struct buf *b, struct log *log);

/*
 * Appends ,"policy":{…}, as it is in force now, and, while compliance is to begin,
 * ,"compliance":{"from","seconds"}: when, and how long it can still be called off.
 */
void retention_put_policy(const struct server *s, struct buf *b, struct log *log);

#endif
