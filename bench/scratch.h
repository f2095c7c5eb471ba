/*
 * A file to measure a disk with: prewritten, so that writing into it changes
 * no metadata but times and a flush costs what it costs a recycled log file.
 */
#ifndef STELE_BENCH_SCRATCH_H
#define STELE_BENCH_SCRATCH_H

#include <stddef.h>

/*
 * Opens a new file in dir, without a name there, writes n bytes of zeros and
 * flushes them. Returns its descriptor, which the caller closes; the file is
 * then gone. STELE_EIO, STELE_ENOSPACE, STELE_ENOTFOUND, STELE_ENOMEM.
 */
int scratch_open(const char *dir, size_t n);

#endif
