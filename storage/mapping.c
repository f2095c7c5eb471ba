/* The digest is that of holds (docs/formats.md section 1). */
#include "storage/mapping.h"

#include "crypto/sha256.h"
#include "proto/arena.h"
#include "proto/buf.h"

int
mapping_digest(uint8_t out[32], const struct schema_set *set, int chosen, struct sha256 *h)
{
	struct buf text;
	int err;

	buf_init(&text);
	if (chosen >= 0)
		buf_put_str(&text, "chosen\n");
	for (size_t i = 0; i < set->n; i++) {
		if (chosen >= 0 && (size_t)chosen != i)
			continue;
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

	if (!m || schema_builtin(&m->set, a) != 0)
		return NULL;
	m->chosen = -1;
	m->number = UINT64_MAX;
	return mapping_digest(m->digest, &m->set, m->chosen, h) == 0 ? m : NULL;
}
