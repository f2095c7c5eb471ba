/* Pages are ended when they are long enough; what does not fit one gets a box of its own. */
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/posting.h"
#include "storage/runs.h"
#include "storage/segbuild.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "storage/segterms.h"
#include "storage/termbuild.h"
#include "storage/toolbox.h"
#include "storage/varint.h"

enum { SHARED = 8192 }; /* postings that are remembered: 700 KB */

/* A posting that has a box, by its hash; and what an entry says of it. */
struct shared {
	uint8_t posting[32];
	uint64_t at; /* 0 bytes: none */
	uint32_t bytes;
	uint8_t plain[32]; /* hash of the box's plain bytes */
};

struct termwrite {
	const struct segment_plan *plan;
	struct segfile_writer *file;
	struct toolbox *t;
	uint32_t count;
	struct shared *shared; /* by the first bits of the hash: a later one takes the place */
	struct merkle_frontier tree;
	struct buf page;    /* the page's bits */
	struct bitwriter w; /* into page */
	uint64_t lowest;    /* of the page */
	uint64_t low;       /* the lowest that the next digest can be */
	uint32_t entries;   /* on the page */
	struct buf posting, plain, box;
	struct buf list; /* of pages, for the head */
	uint64_t n_pages, listed_at, listed_lowest;
};

/* Seals plain into the stream; *at is where. */
static int
put_box(struct termwrite *w, enum segment_box kind, uint64_t *at)
{
	const struct segment_facts *f = &w->plan->facts;
	uint8_t ad[SEGMENT_AD_BYTES];

	buf_reset(&w->box);
	if (w->plain.err || buf_reserve(&w->box, w->plain.n + AEAD_OVERHEAD) != 0)
		return STELE_ENOMEM;
	segment_box_ad(ad, f->log_id, f->first, f->count, kind);
	aead_seal(w->box.p, w->plan->data_key, buf_slice(&w->plain), slice_of(ad, sizeof ad),
		  &w->t->random);
	w->box.n = w->plain.n + AEAD_OVERHEAD;
	*at = segfile_put_bytes(w->file, SEGMENT_TERMS);
	segfile_put(w->file, SEGMENT_TERMS, buf_slice(&w->box));
	return 0;
}

static void
put_blind(struct termwrite *w)
{
	uint8_t blind[SEGTERMS_BLIND_BYTES];

	random_stream_take(&w->t->random, blind, sizeof blind);
	buf_reset(&w->plain);
	buf_put(&w->plain, blind, sizeof blind);
}

static void
add_leaf(struct termwrite *w)
{
	uint8_t leaf[32];

	sha256_leaf(w->t->sha, leaf, buf_slice(&w->plain));
	merkle_frontier_append(w->t->sha, &w->tree, leaf);
}

/* The page is whole; the next one begins with next_lowest. */
static int
end_page(struct termwrite *w, uint64_t next_lowest)
{
	uint8_t head[18];
	uint64_t at;
	int err;

	if (w->entries == 0)
		return 0;
	bitwriter_end(&w->w);
	put_blind(w);
	le_put64(head, w->lowest);
	le_put64(head + 8, next_lowest);
	le_put16(head + 16, (uint16_t)w->entries);
	buf_put(&w->plain, head, sizeof head);
	buf_put_slice(&w->plain, buf_slice(&w->page));
	err = w->page.err ? STELE_ENOMEM : put_box(w, SEGMENT_BOX_TERMS, &at);
	if (err != 0)
		return err;
	add_leaf(w);
	varint_put(&w->list, at - w->listed_at);
	varint_put(&w->list, w->box.n);
	varint_put(&w->list, w->lowest - w->listed_lowest);
	w->listed_at = at + w->box.n;
	w->listed_lowest = w->lowest;
	w->n_pages++;
	w->lowest = w->low = next_lowest;
	w->entries = 0;
	buf_reset(&w->page);
	bitwriter_init(&w->w, &w->page);
	return 0;
}

/* The box of the posting: the one that another term of the same records has, or a new one. */
static int
find_box(struct termwrite *w, const struct shared **out)
{
	uint8_t hash[32];
	struct shared *s;
	int err;

	sha256_hash(w->t->sha, hash, buf_slice(&w->posting));
	s = &w->shared[le_get32(hash) % SHARED];
	*out = s;
	if (s->bytes && memcmp(s->posting, hash, sizeof hash) == 0)
		return 0;
	put_blind(w);
	buf_put_slice(&w->plain, buf_slice(&w->posting));
	err = put_box(w, SEGMENT_BOX_POSTING, &s->at);
	if (err != 0)
		return err;
	memcpy(s->posting, hash, sizeof hash);
	s->bytes = (uint32_t)w->box.n;
	sha256_hash(w->t->sha, s->plain, buf_slice(&w->plain));
	return 0;
}

/* A posting that has a box: what the entry says of it. */
static int
put_elsewhere(struct termwrite *w)
{
	const struct shared *s;
	int err = find_box(w, &s);

	if (err != 0)
		return err;
	bitwriter_put(&w->w, 7, 3);
	bitwriter_put(&w->w, s->at, 48);
	bitwriter_put(&w->w, s->bytes, 32);
	for (size_t i = 0; i < sizeof s->plain; i++)
		bitwriter_put(&w->w, s->plain[i], 8);
	return 0;
}

static int
put_records(struct termwrite *w, const uint32_t *ordinals, size_t n)
{
	struct bitwriter posting;
	struct runs runs;

	if (runs_of(&runs, ordinals, n, w->count)) {
		bitwriter_put(&w->w, runs.n > 1, runs.n > 1 ? 2 : 1);
		runs_put(&w->w, &runs);
		return 0;
	}
	buf_reset(&w->posting);
	bitwriter_init(&posting, &w->posting);
	posting_put(&posting, ordinals, n, w->count);
	bitwriter_end(&posting);
	if (w->posting.err)
		return STELE_ENOMEM;
	if (w->posting.n > SEGTERMS_INLINE_BYTES)
		return put_elsewhere(w);
	bitwriter_put(&w->w, 3, 3);
	posting_put(&w->w, ordinals, n, w->count);
	return 0;
}

static int
put_entry(void *ctx, uint64_t digest, const uint32_t *ordinals, size_t n)
{
	struct termwrite *w = ctx;
	int err = 0;

	if (w->page.n >= SEGTERMS_PAGE_BYTES || w->entries == UINT16_MAX)
		err = end_page(w, digest);
	if (err != 0)
		return err;
	bitwriter_put_code(&w->w, digest - w->low, SEGTERMS_GAP_ORDER);
	w->low = digest + 1;
	w->entries++;
	return put_records(w, ordinals, n);
}

static int
put_head(struct termwrite *w, struct slice body)
{
	uint8_t bytes[4];
	uint64_t at;
	int err;

	buf_reset(&w->plain);
	buf_put_slice(&w->plain, body);
	varint_put(&w->plain, w->n_pages);
	buf_put_slice(&w->plain, buf_slice(&w->list));
	err = w->list.err ? STELE_ENOMEM : put_box(w, SEGMENT_BOX_TERMS_HEAD, &at);
	if (err != 0)
		return err;
	add_leaf(w);
	le_put32(bytes, (uint32_t)w->box.n);
	segfile_put(w->file, SEGMENT_TERMS, slice_of(bytes, sizeof bytes));
	return 0;
}

int
segterms_write(struct termbuild *b, const struct segment_plan *plan, struct segfile_writer *file,
	       struct toolbox *t, uint8_t root[32])
{
	struct termwrite w = {
		.plan = plan,
		.file = file,
		.t = t,
		.count = (uint32_t)plan->facts.count,
		.shared = calloc(SHARED, sizeof *w.shared),
	};
	struct buf body;
	int err;

	if (!w.shared)
		return STELE_ENOMEM;
	buf_init(&body);
	merkle_frontier_init(&w.tree);
	bitwriter_init(&w.w, &w.page);
	err = termbuild_head(b, &body);
	if (err == 0)
		err = termbuild_each(b, put_entry, &w);
	if (err == 0)
		err = end_page(&w, 1ull << termbuild_digest_bits(b));
	if (err == 0)
		err = put_head(&w, buf_slice(&body));
	if (err == 0)
		merkle_frontier_root(t->sha, &w.tree, root);
	buf_fini(&body);
	buf_fini(&w.page);
	buf_fini(&w.posting);
	buf_fini(&w.plain);
	buf_fini(&w.box);
	buf_fini(&w.list);
	explicit_bzero(w.shared, SHARED * sizeof *w.shared);
	free(w.shared);
	return err;
}
