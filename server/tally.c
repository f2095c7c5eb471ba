/* Open addressing with a table that is never more than half full. */
#include "server/tally.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"

enum { SLOTS = 2 * LIMIT_TALLY_VALUES };

/* FNV-1a, 64 bits: values are what producers send, and the table is small and bounded. */
static size_t
slot_of(struct slice text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < text.n; i++)
		h = (h ^ text.p[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32) % SLOTS;
}

int
tally_add(struct tally *t, struct slice text)
{
	struct tally_row *row;
	void *copy;
	size_t at = slot_of(text);

	if (!t->rows && !(t->rows = calloc(SLOTS, sizeof *t->rows)))
		return STELE_ENOMEM;
	for (row = &t->rows[at]; row->count; row = &t->rows[at]) {
		if (slice_eq(row->text, text)) {
			row->count++;
			return 0;
		}
		at = (at + 1) % SLOTS;
	}
	if (t->n == LIMIT_TALLY_VALUES) {
		t->others++;
		return 0;
	}
	copy = arena_dup(&t->arena, text.p, text.n);
	if (!copy)
		return STELE_ENOMEM;
	*row = (struct tally_row){slice_of(copy, text.n), 1};
	t->n++;
	return 0;
}

static int
compare_text(const void *left, const void *right)
{
	const struct tally_row *a = left, *b = right;
	size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
	int order = n ? memcmp(a->text.p, b->text.p, n) : 0;

	return order ? order : (a->text.n > b->text.n) - (a->text.n < b->text.n);
}

static int
compare_count(const void *left, const void *right)
{
	const struct tally_row *a = left, *b = right;

	return a->count != b->count ? (a->count < b->count) - (a->count > b->count)
				    : compare_text(left, right);
}

void
tally_put(struct tally *t, const char *name, bool by_text, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; t->rows && i < SLOTS; i++)
		if (t->rows[i].count)
			t->rows[n++] = t->rows[i];
	if (n)
		qsort(t->rows, n, sizeof *t->rows, by_text ? compare_text : compare_count);
	buf_put_u8(out, '[');
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s{\"%s\":", i ? "," : "", name);
		buf_put_json_str(out, t->rows[i].text);
		buf_printf(out, ",\"count\":%llu}", (unsigned long long)t->rows[i].count);
	}
	buf_put_u8(out, ']');
}

void
tally_fini(struct tally *t)
{
	arena_fini(&t->arena);
	free(t->rows);
	*t = (struct tally){.rows = NULL};
}
