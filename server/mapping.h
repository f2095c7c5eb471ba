/*
 * How the payloads of a log are read: which schemas, in which order, or the one that was chosen for
 * it. A mapping is known by its digest for as long as the store: what was decided by one (a hold,
 * an index, a query whose cursor somebody has) goes on by it, whatever schemas come later.
 *
 * A mapping is valid as long as the access that it is asked of, and never changes. Any thread.
 */
#ifndef STELE_SERVER_MAPPING_H
#define STELE_SERVER_MAPPING_H

#include <stdint.h>

#include "proto/slice.h"
#include "storage/mapping.h"

struct access;

/* Of logs for which no schema was chosen, now. Never NULL: before anything is known, of no schema.
 */
const struct mapping *mapping_now(struct access *a);

/* Of that log, now; one that there is not yet has none chosen. */
const struct mapping *mapping_of_log(struct access *a, struct slice log);

/* Of that schema alone, as it is now: for a log that chose it. NULL: there is none of that name. */
const struct mapping *mapping_of_schema(struct access *a, struct slice name);

/* The one of that digest, or of that number: NULL when there never was. */
const struct mapping *mapping_of_digest(struct access *a,
					const uint8_t digest[MAPPING_DIGEST_BYTES]);
const struct mapping *mapping_of_number(struct access *a, uint64_t number);

#endif
