/*
 * Included before everything else on Windows: what the verifier's files use of glibc and the C
 * library there does not have.
 */
#ifndef STELE_TOOLS_WINDOWS_LIBC_H
#define STELE_TOOLS_WINDOWS_LIBC_H

#include <errno.h>
#include <stddef.h>

#ifndef EDQUOT
#define EDQUOT 10069 /* no call of the C library gives it */
#endif

/* As in glibc: the first place of needle in hay, and the last one of c; NULL where there is none.
 */
void *memmem(const void *hay, size_t n, const void *needle, size_t needle_n);
void *memrchr(const void *hay, int c, size_t n);
/* Wipes n bytes, whatever the compiler thinks of it. */
void explicit_bzero(void *p, size_t n);

#endif
