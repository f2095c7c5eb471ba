/*
 * IP addresses as texts, read and written exactly as glibc does. Windows has functions of its own
 * for that, which take and give other spellings; and an address must mean the same wherever
 * evidence is checked (docs/formats.md: terms are digests of texts).
 */
#ifndef STELE_TOOLS_WINDOWS_INET_H
#define STELE_TOOLS_WINDOWS_INET_H

#include <stddef.h>

enum { INET_FOUR = 2, INET_SIX = 10, INET_TEXT_BYTES = 46 };

/*
 * inet_pton (RFC 4291 section 2.2; of IPv4 four decimal numbers without leading zeros): 1 and 4 or
 * 16 bytes at dst, or 0.
 */
int inet_read(int family, const char *text, void *dst);

/* inet_ntop, for 4 or 16 bytes at src: text, of at least INET_TEXT_BYTES. */
const char *inet_write(int family, const void *src, char *text, size_t n);

#endif
