/*
 * A query over more logs than a cursor has room for: its cursor has one place for all of them.
 *
 * Every record has a receive time, which never goes back in a log; every commit has a later one
 * than those before it (storage/store.h). So the instant of the newest commit that was released
 * names the sizes of all trees: those of their records that were received by then. And a time, a
 * log and an index are a place in the order of all records, before which each log has so many,
 * found again by halving (storage/seek.h). Logs with nothing behind a place cost a comparison.
 *
 * The query goes on in windows, from the place where it is to one before which it hopes to find as
 * many matches as a page has rows. A window is first looked through log by log, then its matches,
 * in order, become rows. One with too many is begun anew and ends earlier; after one with few the
 * next is wider. What has been looked at of a window when a page ends is in the cursor with what
 * was found, so that no look is lost. What is only counted has no order: one window is all of it.
 */
#ifndef STELE_SERVER_QUERY_MANY_H
#define STELE_SERVER_QUERY_MANY_H

#include "proto/buf.h"
#include "proto/bytes.h"
#include "server/query.h"

enum {
	MANY_SET_BYTES = 16,
	MANY_HITS = 4096,      /* of a window, at most */
	MANY_CURSOR_HITS = 32, /* that a cursor has room for */
	MANY_SHORT_HITS = 16,  /* that a window shall have which had too many for a cursor */
};

/* Before the record at index of the log of that number in the order of names, received then; as an
 * order of all records: by time, log, index. */
struct many_place {
	int64_t time_ns;
	uint64_t log, index;
};

struct many_log {
	struct log *log;
	const struct mapping *mapping;
	uint64_t begin, end;      /* where the window is in it; MANY_UNKNOWN */
	int64_t begin_ns, end_ns; /* the time of what comes next there, at the earliest (backward:
				     at the latest); beyond all times: nothing does */
};

#define MANY_UNKNOWN UINT64_MAX

struct many_hit {
	struct many_place at;
	bool twice;
};

struct query_many {
	/* Pinned. */
	int64_t pinned_ns;           /* later records are not seen */
	uint64_t horizon;            /* nor logs of higher ids */
	uint8_t set[MANY_SET_BYTES]; /* digest of the logs' ids, in order */
	struct many_log *logs;       /* in the order of their names; its own */
	size_t n;
	uint64_t held_bytes; /* counted among the server's answers */

	/* Where it is. Backward a window ends at the lower place. */
	struct many_place start;   /* of the window: all before it is done */
	struct many_place end;     /* of the window, when there is one */
	struct many_place counted; /* all before it is in the totals */
	int64_t width_ns;          /* of the next window */
	enum { MANY_BETWEEN, MANY_LOOKING, MANY_SHOWING } state;
	struct query_totals before; /* at the window's start */
	size_t at;                  /* the log that is looked at: those before it are done */
	size_t carried;             /* of them, those that an earlier page has looked at */
	uint64_t at_index;          /* where an earlier page has left it; MANY_UNKNOWN */
	bool open;                  /* source is that log's */
	struct query_source source;
	struct many_hit *hits; /* of the window, in order when they are shown; the query's */
	size_t n_hits, at_hit;
};

/*
 * Chooses the logs and pins them as they are now. Errors as query_choose, and STELE_ELIMIT: their
 * mappings change more than LIMIT_QUERY_RUNS times in the order of names. A worker thread.
 */
int query_many_begin(struct query *q);

/* As query_step. */
int query_many_step(struct query *q, struct kit *kit);

/* Frees what it has; fine when there is none. */
void query_many_fini(struct query *q);

/*
 * query_many_cursor.c: the part of a cursor that is about it, behind the version and the totals; a
 * query at rest. read makes it anew: STELE_ESYNTAX; STELE_EPERM: the token may read other logs now;
 * STELE_ENOMEM. A worker thread.
 */
void query_many_put(struct query *q, struct buf *out);
int query_many_read(struct query *q, struct bytes *b);

/* query_many_list.c: q->many, with the logs of ids up to horizon and their digest. STELE_ENOMEM. */
int many_list(struct query *q, uint64_t horizon);
/* What of each log is before the start, as far as that is known without a look. */
void many_locate(struct query *q);

/* Whether what the window has was counted already. */
bool many_is_counted(const struct query *q);

/* The window begins anew and ends before its match number keep, from 1 on. */
void many_narrow(struct query *q, size_t keep);

#endif
