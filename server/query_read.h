/*
 * What a request asks for: its query parameters, as docs/queries.md has them.
 */
#ifndef STELE_SERVER_QUERY_READ_H
#define STELE_SERVER_QUERY_READ_H

#include <stdbool.h>

struct query;
struct request;

/* The parameters, each followed by a space, that routes of queries and of tails take
 * (server/router.h). */
#define QUERY_TERMS                                                                                      \
	"from to tz matter writer actor action resource outcome source_ip trace_id event_id event_type " \
	"severity any filter view "
#define QUERY_PARAMETERS                                                                           \
	QUERY_TERMS "order limit cursor as_of count by histogram format stream index "             \
		    "certify "
#define TAIL_PARAMETERS QUERY_TERMS "start after "

/*
 * Reads them into q, which is all zeros but for r and logs; texts are the request's. False:
 * answered, 400.
 */
bool query_read(struct query *q, struct request *r);

/* Answers what query_choose came to. */
void query_refuse(struct request *r, int err);

#endif
