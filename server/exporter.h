/*
 * The thread that makes the bundles of exports (storage/bundle.h), one after the other and at low
 * priority, and removes them when their time is over. What is to be made says the state that
 * `_system` makes (server/exports.h): an export that a restart cut off is made anew.
 */
#ifndef STELE_SERVER_EXPORTER_H
#define STELE_SERVER_EXPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/slice.h"

struct exporter;
struct server;

/* Starts it; s has all but its loops. STELE_ENOMEM. */
int exporter_new(struct exporter **out, struct server *s);

/* Ends it, with the bundle under way: before the audit is closed. NULL is fine. */
void exporter_free(struct exporter *ex);

/* There is a new export, or one less. Any thread. NULL is fine. */
void exporter_wake(struct exporter *ex);

/* That export is not to be made any more: it is in the state no longer. Any thread. */
void exporter_cancel(struct exporter *ex, struct slice id);

/*
 * Destroys all bundles on disk that are no live export's: after a removal, and after a purge, in
 * its turn. 0, or the first error, which the next start mends. Any thread that may wait.
 */
int exporter_sweep(struct server *s);

/* How far the one under way is. */
struct exporter_progress {
	uint64_t entries, of_entries;
	uint64_t bytes; /* of payloads */
};

/* False: it is not under way. Any thread. */
bool exporter_progress_of(struct exporter *ex, struct slice id, struct exporter_progress *out);

/* Bundles made since the start, and failed ones. Any thread. */
void exporter_figures(struct exporter *ex, uint64_t *made, uint64_t *failed);

#endif
