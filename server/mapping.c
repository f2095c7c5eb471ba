/* The digest, and what is looked up under the lock of access. */
#include "server/mapping.h"

#include <string.h>

#include "server/access_state.h"

/* What a set of none is before anything was said: nothing is found by it. */
static const struct mapping none = {
	.chosen = -1,
	/* SHA-256 of nothing */
	.digest = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
		   0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
		   0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55},
	.number = UINT64_MAX,
};

static const struct mapping *
of_all(const struct schemas *s)
{
	return s->now ? s->now : &none;
}

static const struct mapping *
of_name(const struct schemas *s, struct slice name)
{
	size_t at = schemas_place(&s->names, name);

	return at < s->names.n && !s->names.of[at].retired_ns ? s->names.of[at].now->chosen : NULL;
}

const struct mapping *
mapping_now(struct access *a)
{
	const struct mapping *m;

	pthread_rwlock_rdlock(&a->lock);
	m = of_all(&a->schemas);
	pthread_rwlock_unlock(&a->lock);
	return m;
}

const struct mapping *
mapping_of_log(struct access *a, struct slice log)
{
	const struct mapping *m = NULL;
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = schemas_log(&a->schemas, log, &found);
	if (found)
		m = of_name(&a->schemas, slice_str(a->schemas.logs[at].schema));
	if (!m)
		m = of_all(&a->schemas);
	pthread_rwlock_unlock(&a->lock);
	return m;
}

const struct mapping *
mapping_of_schema(struct access *a, struct slice name)
{
	const struct mapping *m;

	pthread_rwlock_rdlock(&a->lock);
	m = of_name(&a->schemas, name);
	pthread_rwlock_unlock(&a->lock);
	return m;
}

const struct mapping *
mapping_of_digest(struct access *a, const uint8_t digest[MAPPING_DIGEST_BYTES])
{
	const struct mapping *m = NULL;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; !m && i < a->schemas.n_m; i++)
		if (memcmp(a->schemas.m[i]->digest, digest, MAPPING_DIGEST_BYTES) == 0)
			m = a->schemas.m[i];
	pthread_rwlock_unlock(&a->lock);
	return m;
}

const struct mapping *
mapping_of_number(struct access *a, uint64_t number)
{
	const struct mapping *m;

	pthread_rwlock_rdlock(&a->lock);
	m = number < a->schemas.n_m ? a->schemas.m[number] : NULL;
	pthread_rwlock_unlock(&a->lock);
	return m;
}
