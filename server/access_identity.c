/*
 * How many identities `_system` says the server has had: a key file of before the last one would
 * sign as somebody who was replaced.
 */
#include <jansson.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/access_state.h"

int
fold_identity(const struct fold *f, const json_t *act)
{
	const json_t *number = json_object_get(act, "number");

	if (!number && json_is_object(json_object_get(act, "was")))
		return 0; /* it is asked for: the record that does it has the number */
	if (!json_is_integer(number) || json_integer_value(number) < 1)
		return fold_refuse(f, STELE_ESYNTAX, "A succession has a number.");
	if (!f->dry && (uint64_t)json_integer_value(number) > f->a->successions)
		f->a->successions = (uint64_t)json_integer_value(number);
	return 0;
}

uint64_t
access_successions(const struct access *a)
{
	return a->successions;
}

void
access_encode_identity(const struct access *a, struct buf *out)
{
	buf_printf(out, ",\"successions\":%llu", (unsigned long long)a->successions);
}

/* A snapshot of before there were any has no such member. */
int
access_decode_identity(struct access *a, const json_t *root)
{
	const json_t *n = json_object_get(root, "successions");

	if (n && (!json_is_integer(n) || json_integer_value(n) < 0))
		return STELE_EDAMAGED;
	a->successions = (uint64_t)json_integer_value(n);
	return 0;
}
