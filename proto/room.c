#include "proto/room.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

enum { FIRST = 16 };

int
room_for_one(void *list, size_t n, size_t *cap, size_t element_bytes)
{
	size_t more = *cap ? 2 * *cap : FIRST;
	void *p;

	if (n < *cap)
		return 0;
	if (more > SIZE_MAX / element_bytes)
		return STELE_ENOMEM;
	memcpy(&p, list, sizeof p);
	p = realloc(p, more * element_bytes);
	if (!p)
		return STELE_ENOMEM;
	memcpy(list, &p, sizeof p);
	*cap = more;
	return 0;
}
