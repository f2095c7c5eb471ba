/*
 * Reading a mapped file that may end, or fail, under the reader. A page that is no longer
 * in the file, because somebody cut it off, or that the disk cannot read, is answered
 * with SIGBUS (mmap(2)), which would end the process with every log that is sound. Under
 * this guard it is an error of the one who reads.
 *
 * The first call installs a handler of SIGBUS for the process. A SIGBUS outside of a guard
 * goes to the handler that was there before, or to the default action.
 */
#ifndef STELE_STORAGE_MAPGUARD_H
#define STELE_STORAGE_MAPGUARD_H

#include <stddef.h>

/*
 * Runs fn(arg) and returns what it returns, or STELE_EDAMAGED when it met a page that
 * cannot be read: then it was left where it was, so it must hold no lock and own nothing
 * that only it could free. Not within itself. Any thread.
 */
int map_guarded(int (*fn)(void *arg), void *arg);

/* Copies n bytes out of a map: 0 or STELE_EDAMAGED. Any thread. */
int map_copy(void *out, const void *from, size_t n);

#endif
