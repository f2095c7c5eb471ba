/* The digest is that of holds (docs/formats.md section 1). */
#include "storage/mapping.h"

#include "crypto/sha256.h"
#include "proto/arena.h"
#include "proto/buf.h"

int
mapping_digest(uint8_t out[32], const struct schema_set *set, struct sha256 *h)
{
	struct buf text;
	int err;

	buf_init(&text);
	for (size_t i = 0; i < set->n; i++) {
		schema_write(&text, &set->items[i]);
		buf_put_u8(&text, '\n');
	}
	err = text.err;
	if (err == 0)
		sha256_hash(h, out, buf_slice(&text));
	buf_fini(&text);
	return err;
}

const struct mapping *
mapping_builtin(struct arena *a, struct sha256 *h)
{
	struct mapping *m = arena_alloc(a, sizeof *m);
	struct schema_set *set = arena_alloc(a, sizeof *set);

	if (!m || !set || schema_builtin(set, a) != 0)
		return NULL;
	m->set = set;
	m->chosen = -1;
	return mapping_digest(m->digest, set, h) == 0 ? m : NULL;
}
