/* The mapping of the schemas that come with stele, for tests of what reads by one. */
#ifndef STELE_TESTS_MAPPING_CASE_H
#define STELE_TESTS_MAPPING_CASE_H

#include "crypto/sha256.h"
#include "proto/arena.h"
#include "proto/check.h"
#include "storage/mapping.h"

struct mapping_case {
	struct arena arena;
	struct mapping mapping;
};

static inline void
mapping_case_init(struct mapping_case *c)
{
	struct sha256 *h = sha256_new();
	const struct mapping *m;

	arena_init(&c->arena);
	CHECK(h);
	m = mapping_builtin(&c->arena, h);
	CHECK(m);
	c->mapping = *m;
	sha256_free(h);
}

static inline void
mapping_case_fini(struct mapping_case *c)
{
	arena_fini(&c->arena);
}

#endif
