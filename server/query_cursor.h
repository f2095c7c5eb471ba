/*
 * Where a query goes on: the pinned size and mapping of each tree and how far it was looked
 * through (of many logs, one place for all: server/query_many_cursor.c), with what was counted so
 * far. Only this server makes one, for one principal and one
 * query: it carries a keyed digest of all that.
 *
 *   u8 version  varints: scanned matched unparsed purged restricted unreadable; then n logs and
 *   of each, in the order of their names: id, size, number of its mapping, next, behind,
 *   frontier_ns;  digest (16 bytes)
 *
 * as base64url without padding (RFC 4648 section 5).
 */
#ifndef STELE_SERVER_QUERY_CURSOR_H
#define STELE_SERVER_QUERY_CURSOR_H

#include "proto/buf.h"

struct bytes;
struct query;
struct query_totals;

/* Appends the cursor of a query whose page is made, at rest, and which does nothing more if it is
 * over many logs. Errors stick to out. */
void query_cursor_put(struct query *q, struct buf *out);

/*
 * Sets sources and totals from q->cursor. STELE_ESYNTAX when it is not one of this query by this
 * principal; STELE_ENOMEM.
 */
int query_cursor_read(struct query *q);

/* The totals, as varints in the order of the struct: errors stick to b. */
void query_cursor_put_totals(struct buf *b, const struct query_totals *t);
void query_cursor_read_totals(struct bytes *b, struct query_totals *t);

#endif
