/*
 * A log's key statements, of all its epochs: what ties its checkpoints, old and new, to the
 * server's identity; and the succession notes, which tie its identities to each other.
 */
#ifndef STELE_TOOLS_STATEMENTS_H
#define STELE_TOOLS_STATEMENTS_H

#include <jansson.h>

#include "tools/cli.h"

/*
 * Asks the server: *keys is an array of signed notes, in order of epoch, *successions another in
 * theirs; both are the caller's. CLI_GO, or an exit code after saying why.
 */
int statements_get(struct cli *cli, const char *log, json_t **keys, json_t **successions);

/* The same as doc's members "keys" and, if there are any, "identities", as 'stele verify' takes
 * them. */
int statements_add(struct cli *cli, const char *log, json_t *doc);

#endif
