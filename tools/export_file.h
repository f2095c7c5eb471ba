/*
 * A bundle on its way to a file: downloaded with what an earlier run left, checked against its
 * digest, then perhaps encrypted (crypto/age.h), then perhaps cut into pieces that cat joins. Files
 * that are there already are never written over.
 */
#ifndef STELE_TOOLS_EXPORT_FILE_H
#define STELE_TOOLS_EXPORT_FILE_H

#include <jansson.h>

#include "tools/cli.h"

enum { EXPORT_FILE_PIECES = 999 };

struct export_file {
	struct cli *cli;
	const char *output;          /* where it goes; NULL: stele-ID.zip, or .zip.age */
	struct cli_texts recipients; /* "age1…"; none: it is not encrypted */
	uint64_t split_bytes;        /* of a piece: OUTPUT.001, .002, …; 0: one file */
};

/* Looks at what the person said: CLI_GO, or CLI_USAGE after saying what is wrong. */
int export_file_check(const struct export_file *f, const struct cli_command *self);

/*
 * Gets the bundle of an export that is finished, as the server shows it; *names are the files, an
 * array of the caller's. CLI_GO, or an exit code after saying why.
 */
int export_file_get(struct export_file *f, const json_t *shown, json_t **names);

#endif
