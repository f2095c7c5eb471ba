/* Entries' columns without their payloads: a look at every record of a log costs some ns each. */
#include "proto/err.h"
#include "storage/segseal.h"
#include "storage/toolbox.h"

int
segment_next_object(struct segment *s, uint64_t *index, struct toolbox *t)
{
	const struct segment_facts *f = segment_facts(s);
	const struct segtile *c = &t->segment.columns;
	uint64_t end = f->first + f->count;

	if (*index < f->first || *index >= end)
		return STELE_EINVAL;
	while (*index < end) {
		uint64_t at = *index - f->first;
		int err = segment_load_tile(s, at / SEGMENT_TILE, t);
		if (err != 0)
			return err;
		for (uint32_t i = at % SEGMENT_TILE; i < c->count; i++, ++*index) {
			if (c->groups[c->group_of[i]].object)
				return 0;
		}
	}
	return 1;
}

int
segment_each_entry(struct segment *s, uint64_t from, uint64_t to, struct toolbox *t,
		   segment_record_fn *fn, void *ctx)
{
	const struct segment_facts *f = segment_facts(s);
	const struct segtile *columns = &t->segment.columns;
	int err = from < f->first || to > f->first + f->count || from > to ? STELE_EINVAL : 0;

	while (err == 0 && from < to) {
		uint64_t at = from - f->first;
		err = segment_load_tile(s, at / SEGMENT_TILE, t);
		for (uint32_t i = at % SEGMENT_TILE; err == 0 && i < columns->count && from < to;
		     i++) {
			struct segment_record r;
			segtile_get(columns, i, &r);
			err = fn(ctx, from++, &r);
		}
	}
	return err;
}
