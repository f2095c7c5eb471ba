/*
 * Purges that a restore is to do again: receipts of their entries, as `stele prove LOG INDEX` wrote
 * them, checked against the identity of the server that is restored.
 */
#ifndef STELE_TOOLS_PURGES_H
#define STELE_TOOLS_PURGES_H

#include "storage/restore.h"
#include "tools/cli.h"
#include "verify/receipt_json.h"

struct purges {
	size_t n;
	struct receipt_json receipts[CLI_TEXTS_MAX];
	struct restore_purge purge[CLI_TEXTS_MAX];
	const char *file[CLI_TEXTS_MAX];
};

/* Reads the files' JSON. CLI_GO, or CLI_USAGE after saying why; purges_fini is due in any case. */
int purges_read(struct purges *p, const struct cli_texts *files);
void purges_fini(struct purges *p);

/*
 * Whether each is the receipt of a purge entry, with its payload, that holds under this identity,
 * which fills in p->purge: 0; STELE_EVERIFY or another error, with why; STELE_ENOMEM.
 */
int purges_check(struct purges *p, const char *identity_vkey, struct buf *why);

#endif
