/*
 * What checking evidence asks of an operating system: os_posix.c and os_windows.c, so that all
 * else is the same program on each. Names of files are UTF-8.
 */
#ifndef STELE_VERIFY_OS_H
#define STELE_VERIFY_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum os_kind {
	OS_FILE,
	OS_FOLDER,
	OS_STREAM, /* a pipe, a terminal, a device */
};

/* Something open to be read. */
struct os_file {
	intptr_t handle; /* a descriptor; on Windows a HANDLE */
	enum os_kind kind;
	uint64_t bytes; /* that a file had when it was opened; 0 of all else */
};

/*
 * Before anything else in main: where arguments and standard streams are not what POSIX has, they
 * are made so: UTF-8, and bytes as they are. STELE_ENOMEM.
 */
int os_begin(int *argc, char ***argv);

/* Opens what has that name. STELE_ENOTFOUND or STELE_EIO, with errno set. */
int os_open(struct os_file *f, const char *path);
/* The same of a file and nothing else, without waiting; errno EISDIR or ESPIPE when it is none. */
int os_open_file(struct os_file *f, const char *path);
/* Standard input, which os_close leaves open. */
void os_open_stdin(struct os_file *f);
void os_close(struct os_file *f); /* ends what one of these began */

/*
 * Up to n bytes from where the last call ended, or from at on, which any number of threads may ask
 * for: how many there were, 0 at the end, -1 with errno set.
 */
ptrdiff_t os_read(const struct os_file *f, void *dst, size_t n);
ptrdiff_t os_read_at(const struct os_file *f, uint64_t at, void *dst, size_t n);

/* All f->bytes, at least one, in memory; until os_unmap. NULL with errno set. */
const uint8_t *os_map(const struct os_file *f);
void os_unmap(const uint8_t *map, size_t n); /* n: its f->bytes */

/* How many threads can work at once, at least one. */
unsigned os_processors(void);

/* Whether standard error is a terminal, which takes CR and ESC [ K. */
bool os_terminal(void);

#endif
