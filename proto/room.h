/* Lists that grow: room in front of an act, so that the act itself cannot fail. */
#ifndef STELE_PROTO_ROOM_H
#define STELE_PROTO_ROOM_H

#include <stddef.h>

/*
 * Sees to room for one more in *list, the address of a pointer to *cap elements (from malloc, or
 * NULL and 0) of which n are used; it doubles. STELE_ENOMEM, and all is as it was.
 */
int room_for_one(void *list, size_t n, size_t *cap, size_t element_bytes);

#endif
