/*
 * All rows of a query in one answer, in chunks, as its reader takes them (docs/queries.md,
 * "Streams"). Memory is that of one piece. How it ended is never left open: lines end with a
 * summary, and whatever cannot go on is cut before its last chunk.
 */
#ifndef STELE_SERVER_QUERY_STREAM_H
#define STELE_SERVER_QUERY_STREAM_H

struct buf;
struct query;
struct request;

/* Answers with all that q finds; its first step is done, and it lies in the request's arena. */
void query_stream(struct request *r, struct query *q);

/* Appends what is said of all that was looked at, members of an object without a comma before
 * them. In server/res_query.c. */
void query_put_totals(struct buf *b, const struct query *q);

#endif
