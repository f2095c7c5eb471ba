/*
 * One bundle: what the export is of is found (server/export_find.h), custody gathered, the bundle
 * written, read back and hashed, and that it is finished recorded. When a purge takes something of
 * it meanwhile, all of that again.
 */
#ifndef STELE_SERVER_EXPORT_MAKE_H
#define STELE_SERVER_EXPORT_MAKE_H

#include <stdatomic.h>
#include <stdint.h>

#include "proto/buf.h"
#include "server/export.h"

struct kit;
struct server;

struct export_make {
	struct server *s;
	struct kit *kit;                          /* of the one thread that makes */
	uint8_t program[32];                      /* SHA-256 of the running one */
	atomic_bool stop;                         /* ends it early: any thread sets it */
	atomic_ullong entries, of_entries, bytes; /* how far it is: any thread reads them */
};

/* Makes it ready: reads the program's file. STELE_EIO, STELE_ENOMEM. */
int export_make_init(struct export_make *m, struct server *s, struct kit *kit);
void export_make_fini(struct export_make *m);

/*
 * Makes the bundle of an export that was begun. 0: it is finished, and recorded, or removed
 * meanwhile. STELE_ECLOSED: m->stop. Others, with why, or without when the error says it all:
 * nothing of it is left.
 */
int export_make(struct export_make *m, const struct export *e, struct buf *why);

#endif
