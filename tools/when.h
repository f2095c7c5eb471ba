/* Times as people type them: what the server does not read itself. */
#ifndef STELE_TOOLS_WHEN_H
#define STELE_TOOLS_WHEN_H

#include <stdint.h>

#include "proto/buf.h"

/*
 * Appends the time that text says: "now", or "2h ago", "30 minutes ago", "3 days ago" before
 * now_ns, as an instant in UTC; anything else as it is, for the server to read. STELE_ESYNTAX when
 * it ends with "ago" and is no such time.
 */
int when_put(struct buf *out, const char *text, int64_t now_ns);

#endif
