#include "tools/windows/libc.h"

#include <stdint.h>
#include <string.h>

void *
memmem(const void *hay, size_t n, const void *needle, size_t needle_n)
{
	const uint8_t *p = hay, *found;

	if (needle_n == 0)
		return (void *)(uintptr_t)hay;
	while (n >= needle_n) {
		found = memchr(p, *(const uint8_t *)needle, n - needle_n + 1);
		if (!found)
			return NULL;
		if (memcmp(found, needle, needle_n) == 0)
			return (void *)(uintptr_t)found;
		n -= (size_t)(found - p) + 1;
		p = found + 1;
	}
	return NULL;
}

void *
memrchr(const void *hay, int c, size_t n)
{
	const uint8_t *p = hay;

	while (n--)
		if (p[n] == (uint8_t)c)
			return (void *)(uintptr_t)(p + n);
	return NULL;
}

void
explicit_bzero(void *p, size_t n)
{
	volatile uint8_t *at = p;

	while (n--)
		*at++ = 0;
}
