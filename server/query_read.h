/*
 * What a request asks for: its query parameters, as docs/queries.md has them.
 */
#ifndef STELE_SERVER_QUERY_READ_H
#define STELE_SERVER_QUERY_READ_H

#include <stdbool.h>

struct query;
struct request;

/* The parameters, each followed by a space, that routes of queries take (server/router.h). */
#define QUERY_PARAMETERS                                                                           \
	"from to tz writer actor action resource outcome source_ip trace_id event_id event_type "  \
	"severity any filter order limit cursor as_of view count by histogram format index "

/*
 * Reads them into q, which is all zeros but for r and logs; texts are the request's. False:
 * answered, 400.
 */
bool query_read(struct query *q, struct request *r);

#endif
