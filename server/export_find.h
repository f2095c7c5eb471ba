/*
 * Which entries an export is of: its request, looked up in each of its logs at one pinned head.
 * A range is a run with what is wanted of it, a selection what is wanted alone (docs/formats.md
 * section 10).
 */
#ifndef STELE_SERVER_EXPORT_FIND_H
#define STELE_SERVER_EXPORT_FIND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "server/export.h"
#include "storage/ranges.h"

struct kit;
struct log;
struct mapping;
struct server;
struct token;

/* One log, pinned. */
struct export_part {
	struct log *log;
	struct head *head; /* counted */
	const struct export_log *said;
	const struct mapping *mapping;
	bool is_run;
	uint64_t first, last; /* of the run */
	struct ranges wanted; /* with payloads */
	uint64_t *since;      /* sizes from which growth is proven */
	size_t n_since;
};

struct export_find {
	struct server *s;
	struct kit *kit;
	struct token *token; /* of who asked */
	const struct export *e;
	const atomic_bool *stop;   /* ends it early, with STELE_ECLOSED */
	struct export_part *parts; /* one for each of e's logs, in their order */
	size_t n;
	json_t *request;
	struct buf certificate; /* of the selection; empty: none was asked for */
	struct buf why;         /* of an error: what to do about it, when that is the asker's */
};

/*
 * Looks it up. s, kit, token, e and stop are the caller's; the rest is zeros. export_find_fini in
 * any case. STELE_ECLOSED; STELE_EINVAL and STELE_ENOTFOUND with why; STELE_ECONFLICT: what was
 * found changed meanwhile; STELE_EDAMAGED, STELE_EIO, STELE_ENOMEM. A thread that may take long.
 */
int export_find(struct export_find *f);
void export_find_fini(struct export_find *f);

/*
 * The next entries of a part at or after `from`, as one run: false when there are none. *asked:
 * whether their payloads are wanted.
 */
bool export_find_next(const struct export_part *p, uint64_t from, struct control_range *run,
		      bool *asked);

/*
 * *out, which is empty, becomes at most max ranges that cover all of set, with as little between as
 * can be. STELE_ENOMEM.
 */
int export_find_cover(struct ranges *out, const struct ranges *set, size_t max);

#endif
