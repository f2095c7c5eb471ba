/* Records in order in, digests in order out: in between they are sorted (storage/keysort.h). */
#include "storage/termbuild.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/terms.h"
#include "storage/keysort.h"
#include "storage/ordset.h"
#include "storage/posting.h"
#include "storage/segterms.h"
#include "storage/varint.h"

struct termbuild {
	const struct mapping *mapping;
	struct sha256 *h;
	uint8_t salt[TERM_SALT_BYTES];
	struct term_lister *lister;
	struct arena arena; /* of the record's terms */
	struct keysort *sorted;
	uint32_t count, n;
	struct ordset unsure, controls;
	struct segterms_tile *tiles;
	uint64_t n_terms, last_digest;
	unsigned digest_bits;
	uint32_t *ordinals; /* of the digest that is gathered; count of them fit */
	size_t n_ordinals;
	uint64_t digest;
	termbuild_fn *fn;
	void *ctx;
};

int
termbuild_new(struct termbuild **out, const struct mapping *mapping,
	      const uint8_t salt[TERM_SALT_BYTES], uint32_t count, const char *dir,
	      struct sha256 *h)
{
	struct termbuild *b = calloc(1, sizeof *b);

	if (!b)
		return STELE_ENOMEM;
	b->mapping = mapping;
	b->h = h;
	b->count = count;
	memcpy(b->salt, salt, sizeof b->salt);
	arena_init(&b->arena);
	b->lister = term_lister_new(&mapping->set, mapping->chosen);
	b->tiles = calloc(count / SEGMENT_TILE + 1, sizeof *b->tiles);
	b->ordinals = malloc(((size_t)count + 1) * sizeof *b->ordinals);
	if (!b->lister || !b->tiles || !b->ordinals || !ordset_init(&b->unsure, count) ||
	    !ordset_init(&b->controls, count) || keysort_new(&b->sorted, dir, 8) != 0) {
		termbuild_free(b);
		return STELE_ENOMEM;
	}
	*out = b;
	return 0;
}

void
termbuild_free(struct termbuild *b)
{
	if (!b)
		return;
	term_lister_free(b->lister);
	arena_fini(&b->arena);
	keysort_free(b->sorted);
	ordset_fini(&b->unsure);
	ordset_fini(&b->controls);
	free(b->tiles);
	free(b->ordinals);
	explicit_bzero(b->salt, sizeof b->salt);
	free(b);
}

/* --- a record ------------------------------------------------------------------------------ */

static int
add_terms(struct termbuild *b, const struct terms *terms)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < terms->n; i++) {
		uint8_t digest[8];

		be_put64(digest,
			 term_digest(b->h, b->salt, terms->items[i].field, terms->items[i].text));
		err = keysort_add(b->sorted, digest, b->n);
	}
	return err;
}

/* Event times of records that are sure; of a tile that has none, nothing is asked. */
static void
widen(struct segterms_tile *tile, const struct terms *terms)
{
	if (terms->earliest_ns < tile->earliest_ns)
		tile->earliest_ns = terms->earliest_ns;
	if (terms->latest_ns > tile->latest_ns)
		tile->latest_ns = terms->latest_ns;
}

static int
list(struct termbuild *b, const struct segment_record *r, struct segterms_tile *tile)
{
	const struct match_record record = {
		.payload = r->payload, .received_ns = r->time_ns, .writer = r->writer};
	struct terms terms = {.flags = MATCH_NOT_JSON};
	int err = 0;

	if (r->kind != ENTRY_RECORD) {
		ordset_add(&b->controls, b->n);
		return 0;
	}
	arena_reset(&b->arena);
	if (!r->gone && !r->object)
		err = term_lister_run(b->lister, &record, &b->arena, &terms);
	if (err != 0)
		return err;
	if (terms.flags & (MATCH_NOT_JSON | MATCH_NO_SCHEMA) ||
	    terms.n > LIMIT_INDEX_RECORD_TERMS) {
		ordset_add(&b->unsure, b->n);
		return 0;
	}
	widen(tile, &terms);
	return add_terms(b, &terms);
}

int
termbuild_add(struct termbuild *b, const struct segment_record *r)
{
	struct segterms_tile *tile = &b->tiles[b->n / SEGMENT_TILE];
	int err;

	CHECK(b->n < b->count);
	if (b->n % SEGMENT_TILE == 0)
		*tile = (struct segterms_tile){
			.first_ns = r->time_ns, .earliest_ns = INT64_MAX, .latest_ns = INT64_MIN};
	tile->last_ns = r->time_ns;
	err = list(b, r, tile);
	b->n += err == 0;
	return err;
}

/* --- the head ------------------------------------------------------------------------------ */

static int
count_term(void *ctx, const uint8_t *key)
{
	struct termbuild *b = ctx;
	uint64_t digest = be_get64(key);

	b->n_terms += b->n_terms == 0 || digest != b->last_digest;
	b->last_digest = digest;
	return 0;
}

static void
put_tiles(const struct termbuild *b, struct buf *out)
{
	int64_t before_ns = 0;

	for (uint32_t i = 0; i < (b->n + SEGMENT_TILE - 1) / SEGMENT_TILE; i++) {
		struct segterms_tile t = b->tiles[i];

		if (t.earliest_ns > t.latest_ns)
			t.earliest_ns = t.latest_ns = t.first_ns;
		varint_put_signed(out, t.first_ns - before_ns);
		varint_put(out, (uint64_t)(t.last_ns - t.first_ns));
		varint_put_signed(out, t.earliest_ns - t.first_ns);
		varint_put(out, (uint64_t)(t.latest_ns - t.earliest_ns));
		before_ns = t.last_ns;
	}
}

/* A set as a posting of whole bytes. */
static void
put_set(struct termbuild *b, const struct ordset *set, struct buf *out)
{
	struct bitwriter w;
	size_t n = 0;

	for (uint32_t i = ordset_next(set, 0, b->n, true); i < b->n;
	     i = ordset_next(set, i + 1, b->n, true))
		b->ordinals[n++] = i;
	bitwriter_init(&w, out);
	posting_put(&w, b->ordinals, n, b->n);
	bitwriter_end(&w);
}

int
termbuild_head(struct termbuild *b, struct buf *out)
{
	int err = keysort_each(b->sorted, count_term, b);

	if (err != 0)
		return err;
	b->digest_bits = bitcode_digits(b->n_terms) + TERM_SPARE_BITS;
	buf_put_u8(out, SEGTERMS_VERSION);
	buf_put(out, b->salt, sizeof b->salt);
	buf_put(out, b->mapping->digest, sizeof b->mapping->digest);
	varint_put(out, b->n);
	varint_put(out, b->n_terms);
	buf_put_u8(out, (uint8_t)b->digest_bits);
	put_tiles(b, out);
	put_set(b, &b->unsure, out);
	put_set(b, &b->controls, out);
	return out->err;
}

unsigned
termbuild_digest_bits(const struct termbuild *b)
{
	return b->digest_bits;
}

/* --- the terms ----------------------------------------------------------------------------- */

static int
by_ordinal(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* In order, each once: terms that share a digest come one behind the other. */
static void
tidy(struct termbuild *b)
{
	size_t kept = 0;
	bool ascending = true;

	for (size_t i = 1; ascending && i < b->n_ordinals; i++)
		ascending = b->ordinals[i - 1] < b->ordinals[i];
	if (ascending)
		return;
	qsort(b->ordinals, b->n_ordinals, sizeof *b->ordinals, by_ordinal);
	for (size_t i = 0; i < b->n_ordinals; i++)
		if (kept == 0 || b->ordinals[kept - 1] != b->ordinals[i])
			b->ordinals[kept++] = b->ordinals[i];
	b->n_ordinals = kept;
}

/* Gives what was gathered. */
static int
give(struct termbuild *b)
{
	size_t n;

	tidy(b);
	n = b->n_ordinals;
	b->n_ordinals = 0;
	return n ? b->fn(b->ctx, b->digest, b->ordinals, n) : 0;
}

static int
gather(void *ctx, const uint8_t *key)
{
	struct termbuild *b = ctx;
	uint64_t digest = be_get64(key) >> (64 - b->digest_bits);
	int err = 0;

	if (digest != b->digest)
		err = give(b);
	b->digest = digest;
	if (b->n_ordinals == b->count)
		tidy(b);
	if (b->n_ordinals < b->count) /* else every record is in it */
		b->ordinals[b->n_ordinals++] = be_get32(key + 8);
	return err;
}

int
termbuild_each(struct termbuild *b, termbuild_fn *fn, void *ctx)
{
	int err;

	b->fn = fn;
	b->ctx = ctx;
	b->n_ordinals = 0;
	b->digest = 0;
	err = keysort_each(b->sorted, gather, b);
	return err ? err : give(b);
}
