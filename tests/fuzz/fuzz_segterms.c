/*
 * What an index's boxes hold: a head, and a page of its table. The first byte says of how many
 * records. Whatever is accepted is within them.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/check.h"
#include "storage/posting.h"
#include "storage/segterms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
head(struct slice in, uint32_t count)
{
	struct segterms *s;

	if (segterms_parse(&s, in, count) != 0)
		return;
	CHECK(s->count == count && s->n_tiles == (count + 255) / 256);
	for (size_t i = 1; i < s->n_pages; i++)
		CHECK(s->pages[i - 1].lowest < s->pages[i].lowest &&
		      s->pages[i - 1].at + s->pages[i - 1].bytes <= s->pages[i].at);
	CHECK(ordset_count(&s->unsure, 0, count) <= count);
	CHECK(segterms_bytes(s) > 0);
	segterms_free(s);
}

static void
page(struct slice in, uint32_t count, struct ordset *set)
{
	const struct segterms terms = {.count = count, .digest_bits = 20};
	struct segterms_place place;
	struct segterms_walk w;
	struct bitreader bits;
	uint64_t digest, before = 0;
	int err = segterms_walk_begin(&w, &terms, in, &bits);

	for (bool first = true; err == 0; first = false) {
		err = segterms_walk_next(&w, &digest);
		if (err != 0)
			return;
		CHECK(digest >= w.lowest && digest < w.next_lowest && (first || digest > before));
		before = digest;
		err = segterms_walk_take(&w, set, &place);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint32_t count = n ? 1 + data[0] * 5u : 1;
	struct ordset set;

	if (n < 1)
		return 0;
	CHECK(ordset_init(&set, count));
	head(slice_of(data + 1, n - 1), count);
	page(slice_of(data + 1, n - 1), count, &set);
	for (size_t i = 0; i < ordset_words(count); i++) /* nothing beyond */
		CHECK(i + 1 < ordset_words(count) || count % 64 == 0 ||
		      set.word[i] >> count % 64 == 0);
	ordset_fini(&set);
	return 0;
}
