/*
 * The files of data/timestamps/ of an export's bundle (docs/formats.md section 10): the timestamps
 * that say most about its entries, and how its logs hang on them.
 */
#ifndef STELE_SERVER_EXPORT_TIMESTAMPS_H
#define STELE_SERVER_EXPORT_TIMESTAMPS_H

#include <stdatomic.h>
#include <stddef.h>

#include "proto/buf.h"
#include "server/export_find.h"
#include "storage/bundle.h"

struct kit;
struct server;

struct export_timestamps {
	struct bundle_timestamp_file files[BUNDLE_TIMESTAMP_FILES];
	struct buf bytes[BUNDLE_TIMESTAMP_FILES]; /* what the files' slices are of */
	size_t n;
};

/*
 * Finds them for the parts of an export, which are pinned. out->n is 0 before, and after when the
 * server has no timestamp that covers one of its logs. export_timestamps_fini in any case.
 * STELE_EDAMAGED: a record is not where it was; STELE_ECLOSED: *stop; STELE_EIO, STELE_ENOMEM.
 */
int export_timestamps(struct export_timestamps *out, struct server *s,
		      const struct export_part *parts, size_t n, struct kit *kit,
		      const atomic_bool *stop);

/* Frees what the files are of; n is 0 again. */
void export_timestamps_fini(struct export_timestamps *t);

#endif
