/* The plain bytes of an index; segtermsfile.c has where they lie. */
#include "storage/segterms.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/posting.h"
#include "storage/runs.h"
#include "storage/segseal.h"
#include "storage/termbuild.h"
#include "storage/varint.h"

/* --- the head ------------------------------------------------------------------------------ */

void
segterms_free(struct segterms *s)
{
	if (!s)
		return;
	ordset_fini(&s->unsure);
	ordset_fini(&s->controls);
	free(s->tiles);
	free(s->pages);
	explicit_bzero(s->salt, sizeof s->salt);
	free(s);
}

size_t
segterms_bytes(const struct segterms *s)
{
	return sizeof *s + s->n_tiles * sizeof *s->tiles + s->n_pages * sizeof *s->pages +
	       2 * ordset_words(s->count) * sizeof(uint64_t);
}

/* A time that others are added to: none of them leads beyond what a clock shows. */
static int64_t
take_time(struct bytes *b, int64_t from, bool is_signed)
{
	int64_t d = is_signed ? varint_take_signed(b) : (int64_t)varint_take(b, INT64_MAX), sum;

	if (!__builtin_add_overflow(from, d, &sum))
		return sum;
	bytes_fail(b);
	return 0;
}

static void
take_tiles(struct segterms *s, struct bytes *b)
{
	int64_t before_ns = 0;

	for (uint32_t i = 0; i < s->n_tiles && bytes_err(b) == 0; i++) {
		struct segterms_tile *t = &s->tiles[i];

		t->first_ns = take_time(b, before_ns, true);
		t->last_ns = take_time(b, t->first_ns, false);
		t->earliest_ns = take_time(b, t->first_ns, true);
		t->latest_ns = take_time(b, t->earliest_ns, false);
		before_ns = t->last_ns;
	}
}

static void
take_set(struct segterms *s, struct bytes *b, struct ordset *set)
{
	struct bitreader r;

	bitreader_init(&r, slice_of(b->p, b->left));
	if (bytes_err(b) != 0 || posting_take(&r, s->count, set) != 0)
		bytes_fail(b);
	else
		(void)bytes_take(b, (r.at + 7) / 8);
}

static int
take_pages(struct segterms *s, struct bytes *b)
{
	uint64_t at = 0, lowest = 0;

	/* a page takes three bytes here at least */
	s->n_pages = varint_take(b, bytes_left(b) / 3);
	s->pages = calloc(s->n_pages + 1, sizeof *s->pages);
	if (!s->pages)
		return STELE_ENOMEM;
	for (size_t i = 0; i < s->n_pages && bytes_err(b) == 0; i++) {
		struct segterms_page *p = &s->pages[i];

		p->at = at + varint_take(b, 1ull << 48);
		p->bytes = (uint32_t)varint_take(b, 1u << 20);
		lowest += varint_take(b, 1ull << s->digest_bits);
		p->lowest = lowest;
		at = p->at + p->bytes;
		if (at >= 1ull << 48 || lowest >= 1ull << s->digest_bits ||
		    (i ? lowest <= p[-1].lowest : lowest != 0) || p->bytes < AEAD_OVERHEAD)
			bytes_fail(b);
	}
	return 0;
}

static int
parse(struct segterms *s, struct slice head, uint32_t count)
{
	struct bytes b;
	int err;

	bytes_init(&b, head);
	if (bytes_u8(&b) != SEGTERMS_VERSION)
		return bytes_err(&b) ? STELE_ESYNTAX : STELE_EVERSION;
	bytes_copy(&b, s->salt, sizeof s->salt);
	bytes_copy(&b, s->mapping, sizeof s->mapping);
	if (varint_take(&b, LIMIT_SEGMENT_RECORDS) != count)
		bytes_fail(&b);
	s->n_terms = varint_take(&b, 1ull << 39);
	s->digest_bits = bytes_u8(&b);
	if (s->digest_bits != bitcode_digits(s->n_terms) + TERM_SPARE_BITS)
		bytes_fail(&b);
	if (bytes_err(&b) != 0)
		return STELE_ESYNTAX;
	s->n_tiles = (count + SEGMENT_TILE - 1) / SEGMENT_TILE;
	s->tiles = calloc(s->n_tiles + 1, sizeof *s->tiles);
	if (!s->tiles || !ordset_init(&s->unsure, count) || !ordset_init(&s->controls, count))
		return STELE_ENOMEM;
	s->count = count;
	take_tiles(s, &b);
	take_set(s, &b, &s->unsure);
	take_set(s, &b, &s->controls);
	s->body_bytes = head.n - bytes_left(&b);
	err = take_pages(s, &b);
	if (err == 0)
		err = bytes_end(&b);
	return err == 0 && (s->n_pages != 0) != (s->n_terms != 0) ? STELE_ESYNTAX : err;
}

int
segterms_parse(struct segterms **out, struct slice head, uint32_t count)
{
	struct segterms *s = calloc(1, sizeof *s);
	int err = s ? parse(s, head, count) : STELE_ENOMEM;

	if (err == 0)
		*out = s;
	else
		segterms_free(s);
	return err;
}

/* --- a page -------------------------------------------------------------------------------- */

int
segterms_walk_begin(struct segterms_walk *w, const struct segterms *terms, struct slice page,
		    struct bitreader *bits)
{
	struct bytes b;

	bytes_init(&b, page);
	(void)bytes_take(&b, SEGTERMS_BLIND_BYTES);
	w->terms = terms;
	w->bits = bits;
	w->lowest = w->low = bytes_u64(&b);
	w->next_lowest = bytes_u64(&b);
	w->left = bytes_u16(&b);
	bitreader_init(bits, slice_of(b.p, b.left));
	return bytes_err(&b) != 0 || w->left == 0 || w->lowest >= w->next_lowest ||
			       w->next_lowest > 1ull << terms->digest_bits
		       ? STELE_ESYNTAX
		       : 0;
}

int
segterms_walk_next(struct segterms_walk *w, uint64_t *digest)
{
	if (w->left == 0)
		return bitreader_end(w->bits) == 0 ? 1 : STELE_ESYNTAX;
	w->left--;
	*digest = w->low + bitreader_take_code(w->bits, SEGTERMS_GAP_ORDER);
	w->low = *digest + 1;
	return w->bits->bad || *digest >= w->next_lowest ? STELE_ESYNTAX : 0;
}

static int
take_runs(struct segterms_walk *w, bool several, struct ordset *set)
{
	struct runs runs;
	uint32_t from, end;
	int err = runs_take(w->bits, several, w->terms->count, &runs);

	for (size_t i = 0; err == 0 && set && i < runs.n; i++) {
		runs_range(&runs, i, &from, &end);
		ordset_add_range(set, from, end);
	}
	return err;
}

int
segterms_walk_take(struct segterms_walk *w, struct ordset *set, struct segterms_place *place)
{
	place->elsewhere = false;
	if (bitreader_take(w->bits, 1) == 0)
		return take_runs(w, false, set);
	if (bitreader_take(w->bits, 1) == 0)
		return take_runs(w, true, set);
	if (bitreader_take(w->bits, 1) == 0)
		return posting_take(w->bits, w->terms->count, set);
	place->elsewhere = true;
	place->at = bitreader_take(w->bits, 48);
	place->bytes = (uint32_t)bitreader_take(w->bits, 32);
	for (size_t i = 0; i < sizeof place->hash; i++)
		place->hash[i] = (uint8_t)bitreader_take(w->bits, 8);
	return w->bits->bad ? STELE_ESYNTAX : 0;
}

int
segterms_walk_find(struct segterms_walk *w, uint64_t digest, struct ordset *set,
		   struct segterms_place *place)
{
	uint64_t found;
	int err = 0;

	while (err == 0 && w->left) {
		err = segterms_walk_next(w, &found);
		if (err == 0 && found > digest)
			return 1;
		if (err == 0)
			err = segterms_walk_take(w, found == digest ? set : NULL, place);
		if (err == 0 && found == digest)
			return 0;
	}
	return err ? err : 1;
}

int
segterms_posting_take(struct slice plain, uint32_t count, struct ordset *set)
{
	struct bitreader r;

	if (plain.n < SEGTERMS_BLIND_BYTES)
		return STELE_ESYNTAX;
	bitreader_init(&r,
		       slice_of(plain.p + SEGTERMS_BLIND_BYTES, plain.n - SEGTERMS_BLIND_BYTES));
	return posting_take(&r, count, set) != 0 || bitreader_end(&r) != 0 ? STELE_ESYNTAX : 0;
}

/* --- finding ------------------------------------------------------------------------------- */

uint64_t
term_digest(struct sha256 *h, const uint8_t salt[TERM_SALT_BYTES], enum field field,
	    struct slice text)
{
	static const char tag[] = "stele-term-1\n";
	bool is_id = field == FIELD_TRACE_ID || field == FIELD_EVENT_ID;
	const char *name = is_id ? "id" : field_name(field);
	uint8_t in[sizeof tag + TERM_SALT_BYTES + 32 + LIMIT_TERM_BYTES], out[SHA256_BYTES];
	size_t n = sizeof tag - 1, name_bytes = strlen(name);

	CHECK(text.n <= LIMIT_TERM_BYTES && name_bytes < 32);
	memcpy(in, tag, n);
	memcpy(in + n, salt, TERM_SALT_BYTES);
	n += TERM_SALT_BYTES;
	memcpy(in + n, name, name_bytes);
	n += name_bytes;
	in[n++] = '\n';
	if (text.n)
		memcpy(in + n, text.p, text.n);
	sha256_hash(h, out, slice_of(in, n + text.n));
	return be_get64(out);
}

uint64_t
segterms_digest(const struct segterms *terms, struct sha256 *h, enum field field, struct slice text)
{
	return term_digest(h, terms->salt, field, text) >> (64 - terms->digest_bits);
}

/* There is one for each. */
size_t
segterms_page_of(const struct segterms *terms, uint64_t digest)
{
	size_t lo = 0, hi = terms->n_pages;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (terms->pages[mid].lowest <= digest)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}
