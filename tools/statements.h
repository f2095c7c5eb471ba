/*
 * A log's key statements, of all its epochs: what ties its checkpoints, old and new, to the
 * server's identity.
 */
#ifndef STELE_TOOLS_STATEMENTS_H
#define STELE_TOOLS_STATEMENTS_H

#include <jansson.h>

#include "tools/cli.h"

/*
 * Asks the server: *list is an array of signed notes, in order of epoch, the caller's.
 * CLI_GO, or an exit code after saying why.
 */
int statements_get(struct cli *cli, const char *log, json_t **list);

/* The same as doc's member "keys", as 'stele verify' takes them. */
int statements_add(struct cli *cli, const char *log, json_t *doc);

#endif
