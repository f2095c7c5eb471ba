/* Lines up to an empty one, then a note as it is. */
#include "proto/addcheckpoint.h"

#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/lines.h"

/* The next line is the empty one. */
static bool
at_end(const struct lines *l)
{
	return l->err != 0 || l->rest.n == 0 || l->rest.p[0] == '\n';
}

int
addcheckpoint_parse(struct addcheckpoint *a, struct slice text)
{
	struct lines l;

	lines_init(&l, text);
	a->n_hashes = 0;
	a->old = lines_take_integer_after(&l, "old ");
	while (!at_end(&l)) {
		if (a->n_hashes == ADDCHECKPOINT_HASHES)
			return STELE_ELIMIT;
		lines_take_hash(&l, a->hashes[a->n_hashes++]);
	}
	lines_expect(&l, "");
	if (lines_err(&l) != 0 || l.rest.n == 0)
		return STELE_ESYNTAX;
	a->checkpoint = l.rest;
	return l.rest.n > LIMIT_NOTE_BYTES ? STELE_ELIMIT : 0;
}

void
addcheckpoint_put(struct buf *out, uint64_t old, const uint8_t (*hashes)[ADDCHECKPOINT_HASH_BYTES],
		  size_t n, struct slice checkpoint)
{
	CHECK(n <= ADDCHECKPOINT_HASHES);
	lines_put_integer(out, "old ", old);
	for (size_t i = 0; i < n; i++)
		lines_put_hash(out, "", hashes[i]);
	buf_put_u8(out, '\n');
	buf_put_slice(out, checkpoint);
}

int
addcheckpoint_size(uint64_t *size, struct slice body)
{
	struct lines l;
	uint64_t got;

	lines_init(&l, body);
	got = lines_take_integer(&l);
	if (lines_end(&l) != 0)
		return STELE_ESYNTAX;
	*size = got;
	return 0;
}
