/* The proof that a log grew out of a checkpoint someone kept. */
#ifndef STELE_TOOLS_CONSISTENCY_H
#define STELE_TOOLS_CONSISTENCY_H

#include <jansson.h>
#include <stdint.h>

#include "tools/cli.h"

/*
 * Reads the signed checkpoint in file, asks the server for the consistency
 * proof from its size to size `to`, and sets it as doc's member "consistency".
 * CLI_GO, or an exit code after saying why: among others, that the log is now
 * smaller than it was.
 */
int consistency_add(struct cli *cli, const char *log, const char *file, uint64_t to, json_t *doc);

#endif
