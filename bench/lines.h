/* A text file in memory, decompressed when its name ends in .zst. */
#ifndef STELE_BENCH_LINES_H
#define STELE_BENCH_LINES_H

#include "proto/buf.h"

/*
 * Appends the whole file to b and an LF when the last line lacks one.
 * STELE_ENOTFOUND, STELE_EIO, STELE_ESYNTAX (not zstd, or cut short),
 * STELE_ENOMEM.
 */
int lines_read(struct buf *b, const char *path);

#endif
