/*
 * Who had these records before: the custody.ndjson of an export (docs/formats.md section 10),
 * receipts of what `_system` says of it and of earlier ones.
 */
#ifndef STELE_SERVER_EXPORT_CUSTODY_H
#define STELE_SERVER_EXPORT_CUSTODY_H

#include <stdatomic.h>
#include <stddef.h>

#include "proto/buf.h"
#include "server/export.h"

struct kit;
struct server;

/*
 * Appends the file's lines: the export.begin of e; then, newest first, at most
 * LIMIT_EXPORT_CUSTODY of the export.finish of others that were about some of what these n logs'
 * sets have. STELE_EDAMAGED: a record is not where it was; STELE_ECLOSED: *stop; STELE_EIO,
 * STELE_ENOMEM.
 */
int export_custody(struct buf *out, struct server *s, const struct export *e,
		   const struct export_log *logs, size_t n, struct kit *kit,
		   const atomic_bool *stop);

#endif
