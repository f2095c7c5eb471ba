/*
 * The id of an event of a tail: how far each log was looked through when it was made, so that
 * whoever comes back with it misses nothing and gets nothing twice. Only this server makes one, for
 * one principal and one question, as with cursors (server/query_cursor.h):
 *
 *   u8 version  varints: horizon, n logs; of each: id, next;  digest (16 bytes)
 *
 * as base64url without padding. The horizon tells logs that were born since, which are looked
 * through from their begin, from those that the principal may read since, which are not.
 */
#ifndef STELE_SERVER_TAIL_ID_H
#define STELE_SERVER_TAIL_ID_H

#include "proto/buf.h"
#include "proto/slice.h"

struct query;
struct query_hit;
struct query_source;

/* Appends the id behind the match hit of s; hit NULL: behind all that was looked at. Errors stick
 * to out. */
void tail_id_put(const struct query *q, const struct query_source *s, const struct query_hit *hit,
		 struct buf *out);

/*
 * Sets where the sources of q, which were chosen now, go on: as id says; a log born since then, at
 * its begin; any other, where it ends. STELE_ESYNTAX when it is not an id of this question by this
 * principal.
 */
int tail_id_read(struct query *q, struct slice id);

#endif
