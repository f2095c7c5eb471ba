/* What is listed is walked three times: to choose the order, to write, to read. */
#include "storage/posting.h"

#include "proto/err.h"

enum { ORDER_BITS = 5, ORDERS = 28 };

/* The ordinals that are listed: those given, or those between them. */
struct listing {
	const uint32_t *given;
	size_t n, i;
	uint32_t count, next; /* the lowest that may come */
	bool others;
};

/* The next one; false at the end. */
static bool
list(struct listing *l, uint32_t *out)
{
	if (!l->others) {
		if (l->i == l->n)
			return false;
		*out = l->given[l->i++];
		return true;
	}
	while (l->i < l->n && l->given[l->i] == l->next) {
		l->i++;
		l->next++;
	}
	if (l->next == l->count)
		return false;
	*out = l->next++;
	return true;
}

/* *all is what the gaps take in it. */
static unsigned
choose_order(struct listing l, uint64_t *all)
{
	uint64_t bits[ORDERS] = {0};
	uint32_t low = 0, ordinal;
	unsigned best = 0;

	while (list(&l, &ordinal)) {
		for (unsigned k = 0; k < ORDERS; k++)
			bits[k] += bitcode_bits(ordinal - low, k);
		low = ordinal + 1;
	}
	for (unsigned k = 1; k < ORDERS; k++)
		best = bits[k] < bits[best] ? k : best;
	*all = bits[best];
	return best;
}

static struct listing
listing_of(const uint32_t *ordinals, size_t n, uint32_t count)
{
	return (struct listing){.given = ordinals, .n = n, .count = count, .others = n > count / 2};
}

static uint64_t
how_many(const struct listing *l)
{
	return l->others ? l->count - l->n : l->n;
}

uint64_t
posting_bits(const uint32_t *ordinals, size_t n, uint32_t count)
{
	struct listing l = listing_of(ordinals, n, count);
	uint64_t gaps;

	(void)choose_order(l, &gaps);
	return 1 + bitcode_bits(how_many(&l), 0) + ORDER_BITS + gaps;
}

void
posting_put(struct bitwriter *w, const uint32_t *ordinals, size_t n, uint32_t count)
{
	struct listing l = listing_of(ordinals, n, count);
	uint64_t gaps;
	unsigned k = choose_order(l, &gaps);
	uint32_t low = 0, ordinal;

	bitwriter_put(w, l.others, 1);
	bitwriter_put_code(w, how_many(&l), 0);
	bitwriter_put(w, k, ORDER_BITS);
	while (list(&l, &ordinal)) {
		bitwriter_put_code(w, ordinal - low, k);
		low = ordinal + 1;
	}
}

int
posting_take(struct bitreader *r, uint32_t count, struct ordset *set)
{
	bool others = bitreader_take(r, 1);
	uint64_t n = bitreader_take_code(r, 0), low = 0;
	unsigned k = (unsigned)bitreader_take(r, ORDER_BITS);

	if (r->bad || k >= ORDERS || n > count)
		return STELE_ESYNTAX;
	for (; n; n--) {
		uint64_t ordinal = low + bitreader_take_code(r, k);

		if (r->bad || ordinal >= count)
			return STELE_ESYNTAX;
		if (set && others)
			ordset_add_range(set, (uint32_t)low, (uint32_t)ordinal);
		else if (set)
			ordset_add(set, (uint32_t)ordinal);
		low = ordinal + 1;
	}
	if (set && others)
		ordset_add_range(set, (uint32_t)low, count);
	return 0;
}
