/*
 * A query: which records of some logs match a filter, page by page (docs/queries.md). Trees are
 * pinned when it begins; its order is that of receive time, then of the logs' names, then of
 * indexes, forward or backward. A page is made in steps, so that no worker is kept for long, and
 * ends with a cursor (server/query_cursor.h) when there is more.
 *
 * Every log is looked through in tiles of 256 records, or in parts of one where looking takes long;
 * those that the index of a segment rules out (server/query_index.h) are counted and not read. Of
 * the logs, the one whose next tile or next match comes first is always taken next: so nothing is
 * looked at that the page does not need.
 */
#ifndef STELE_SERVER_QUERY_H
#define STELE_SERVER_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/filter.h"
#include "proto/limits.h"
#include "proto/match.h"
#include "proto/schema_fit.h"
#include "server/query_index.h"
#include "server/tally.h"

struct kit;
struct log;
struct mapping;
struct query_many;
struct request;
struct scan_record;
struct server;
struct token;

/* What is said of all that was looked at so far, also on earlier pages. */
struct query_totals {
	uint64_t scanned;    /* records; control entries are none */
	uint64_t matched;    /* of them */
	uint64_t unparsed;   /* of them: they cannot be judged (proto/match.h) */
	uint64_t purged;     /* not judged for want of a payload that was purged */
	uint64_t restricted; /* not looked at: they wait for their erasure */
	uint64_t unreadable; /* damaged on disk, and said where */
};

struct query_hit {
	uint64_t index;
	int64_t time_ns; /* of receiving */
	bool twice;      /* it has two members of one name in one object */
};

/* What reads the payloads of logs that have one mapping. */
struct query_reader {
	struct query_reader *next;
	const struct mapping *mapping;
	struct matcher *matcher;
	struct schema_fit fit;
	bool has_fit;
};

/* One log of a query. */
struct query_source {
	struct log *log;
	uint64_t size;                 /* of the pinned tree */
	const struct mapping *mapping; /* that it is read by, also pinned */
	struct query_reader *reader;
	uint64_t from;          /* backward: nothing below it is looked at */
	uint64_t next;          /* looked at next; backward: the one below it */
	uint64_t behind;        /* so many of the next ones are in the totals already */
	int64_t frontier_ns;    /* receive time of what was looked at last */
	struct query_hit *hits; /* of the tile looked at last, in order; the query's */
	size_t n_hits, at_hit;
	struct query_view view; /* of the segment that it is in */
};

enum query_form { QUERY_JSON, QUERY_NDJSON, QUERY_CSV, QUERY_EVENTS /* of a tail */ };

struct query {
	/* What is asked, from query_read. */
	struct filter filter;
	struct slice text; /* canonical; the request's arena */
	struct slice logs; /* names and patterns, a comma between two */
	struct slice cursor;
	bool has_from, has_to;
	int64_t from_ns, to_ns;
	bool backward, summary, count, stream;
	bool no_index;    /* every record is looked at, whatever an index says */
	bool certify;     /* a certificate instead of rows (server/query_certify.h) */
	bool may_be_many; /* of more logs than LIMIT_QUERY_LOGS: server/query_many.h */
	enum query_form form;
	uint64_t limit, page_bytes, as_of;
	bool has_as_of;
	int by;               /* enum field whose values are counted, or -1 */
	int64_t histogram_ns; /* width of what is counted by time, or 0 */

	/* What it works with: the caller's, as long as it is there. */
	struct server *server;
	struct token *token;  /* of who asks */
	struct arena *memory; /* the texts above, the sources and readers below */

	struct query_reader *readers; /* one for each mapping that a log has */
	struct schema_fit *fit;       /* of the log that is looked at */
	struct arena arena;           /* of a record that is read */
	struct buf rows;
	uint64_t held_bytes; /* of them, counted among the server's answers */
	struct tally values, times;

	/* Where it is. */
	struct query_source *sources;
	size_t n;
	struct query_many *many; /* in their place, when there are more than LIMIT_QUERY_LOGS */
	struct query_totals totals;
	uint64_t rows_n;
	uint64_t horizon; /* of a tail: logs of lower ids were there when it chose its logs */
	int64_t until_ns; /* monotonic: the page ends then */
	uint64_t span;    /* records that are looked at at once: a tile at most */
	uint64_t step;    /* number of the one under way */
	bool narrows;     /* an index can say which records may match */
	bool full, done;
	int err;
};

/*
 * Sets the sources: the logs that are asked for, in the order of their names, pinned as they are
 * now, to be looked through from the begin (backward: the end). Any thread that may wait for a
 * lock. STELE_ELIMIT: more than LIMIT_QUERY_LOGS logs; STELE_EPERM: the token may not read one that
 * is named; STELE_ENOTFOUND: there is none such; STELE_ENOMEM.
 */
int query_choose(struct query *q);

/* Whether the query is about a log of that name, and may be. */
bool query_has_log(const struct query *q, const char *log);

/* The names among the logs are there, and the reader's: errors as query_choose. */
int query_check_names(struct query *q);

/* What reads the source's log, by its mapping. STELE_ENOMEM. */
int query_find_reader(struct query *q, struct query_source *s);

/* Room for the hits of sources that have none yet, and what reads them. STELE_ENOMEM. */
int query_make_room(struct query *q);

/* Makes what has its sources ready for its steps. STELE_ENOMEM. */
int query_prepare(struct query *q);

/*
 * All of it: the logs, or the cursor that it goes on from; then query_prepare. A worker thread.
 * Errors as query_choose, and STELE_ESYNTAX: the cursor is not of this query; STELE_EINVAL: as_of
 * is beyond the log, or there are several. With may_be_many any number of logs.
 */
int query_begin(struct query *q);

/* Where a source goes on: at the first match that is in no row yet, else at what comes next. */
uint64_t query_position(const struct query *q, const struct query_source *s);

/*
 * Goes on for LIMIT_QUERY_STEP_NS or LIMIT_QUERY_STEP_BYTES, or one record longer: 1 when the page
 * needs more, 0 when it is made (q->done: it is the last one). Errors as query_put_row. A worker
 * thread.
 */
int query_step(struct query *q, struct kit *kit);

/*
 * query_tile.c: looks at the next tile of a log, or at what the pinned size and the last page left
 * of it; *bytes grows by the payloads'. STELE_ENOMEM, STELE_EIO.
 */
int query_look(struct query *q, struct query_source *s, struct kit *kit, uint64_t *bytes);
/* Whether somebody asked that it be erased, and this reader may not see it till then. */
bool query_is_restricted(const struct query *q, const struct query_source *s, uint64_t index);

/* Before something is said of a page that is made: leaves what its cursor has room for. */
void query_rest(struct query *q);

/* Frees what begin and step made. */
void query_fini(struct query *q);

/* A match onto the page, which it may fill. Errors as query_put_row. */
int query_put_hit(struct query *q, const struct query_source *s, const struct query_hit *hit,
		  struct kit *kit);

/*
 * query_rows.c: one more row for a match, read and verified; none when it is damaged, or restricted
 * by now. STELE_ESYNTAX: it is another record (a backup was restored); STELE_ENOMEM, STELE_EIO.
 */
int query_put_row(struct query *q, const struct query_source *s, const struct query_hit *hit,
		  struct kit *kit);
/* The first line of a table. */
void query_put_header(struct query *q);
/* Counts a match by the values of a field and by time. STELE_ENOMEM. */
int query_count(struct query *q, const struct scan_record *r);

#endif
