/*
 * The entries that a server has in a log, as it had them when this was opened: fetched by
 * bundles (C2SP tlog-tiles), the last few kept, so that looking up neighbours is cheap.
 */
#ifndef STELE_TOOLS_ENTRIES_H
#define STELE_TOOLS_ENTRIES_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "tools/cli.h"

enum { ENTRIES_BUNDLES = 16 };

struct entries {
	struct cli *cli;
	const char *log;
	char origin[LIMIT_ORIGIN_BYTES + 1];
	uint64_t size; /* of the newest checkpoint then */
	struct entries_bundle {
		bool filled;
		uint64_t n;
		struct buf bytes;
	} bundle[ENTRIES_BUNDLES];
	unsigned next; /* the bundle to be replaced */
};

/*
 * Asks for the log's checkpoint. CLI_GO, or an exit code after saying why. The caller
 * calls entries_fini in any case; log must outlive it.
 */
int entries_init(struct entries *e, struct cli *cli, const char *log);
void entries_fini(struct entries *e);

/*
 * The exact text of the entry at index, until the next call; of no bytes when the log
 * does not reach so far. CLI_GO, or an exit code after saying why.
 */
int entries_get(struct entries *e, uint64_t index, struct slice *text);

#endif
