/* Opening: the last four bytes, the head. Finding: one page, at most one posting. */
#include "storage/segterms.h"

#include <string.h>

#include "proto/err.h"
#include "proto/le.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "storage/toolbox.h"

int
segterms_box(struct segment *s, enum segment_box kind, uint64_t at, uint64_t bytes,
	     struct toolbox *t, struct buf *plain)
{
	const struct segment_facts *f = segment_facts(s);
	const struct segfile *file = segment_file(s);
	uint8_t ad[SEGMENT_AD_BYTES];
	int err;

	if (bytes < AEAD_OVERHEAD || bytes > segfile_bytes(file, SEGMENT_TERMS))
		return STELE_EDAMAGED;
	err = segfile_read(file, SEGMENT_TERMS, at, bytes, &t->packed);
	if (err != 0)
		return err;
	buf_reset(plain);
	if (buf_reserve(plain, bytes) != 0)
		return STELE_ENOMEM;
	segment_box_ad(ad, f->log_id, f->first, f->count, kind);
	if (aead_open(plain->p, segment_data_key(s), buf_slice(&t->packed),
		      slice_of(ad, sizeof ad)) != 0)
		return STELE_EDAMAGED;
	plain->n = bytes - AEAD_OVERHEAD;
	return 0;
}

int
segterms_head(struct segment *s, struct toolbox *t, struct buf *head)
{
	const struct segfile *file = segment_file(s);
	uint64_t n = segfile_bytes(file, SEGMENT_TERMS), bytes;
	uint8_t last[4];
	int err;

	if (n == 0)
		return STELE_ENOTFOUND;
	if (n < sizeof last)
		return STELE_EDAMAGED;
	err = segfile_copy(file, SEGMENT_TERMS, n - sizeof last, sizeof last, last);
	bytes = le_get32(last);
	if (err == 0 && bytes > n - sizeof last)
		err = STELE_EDAMAGED;
	return err ? err
		   : segterms_box(s, SEGMENT_BOX_TERMS_HEAD, n - sizeof last - bytes, bytes, t,
				  head);
}

int
segterms_open(struct segterms **out, struct segment *s, struct toolbox *t)
{
	struct segterms *terms = NULL;
	struct buf head;
	int err;

	buf_init(&head);
	err = segterms_head(s, t, &head);
	if (err == 0)
		err = segterms_parse(&terms, buf_slice(&head), (uint32_t)segment_facts(s)->count);
	if (head.p)
		explicit_bzero(head.p, head.n);
	buf_fini(&head);
	if (err == STELE_ESYNTAX)
		return STELE_EDAMAGED;
	if (err != 0 && err != STELE_ENOTFOUND && err != STELE_EVERSION)
		return err;
	*out = terms;
	return 0;
}

int
segterms_posting(struct segment *s, const struct segterms_place *place, struct ordset *set,
		 struct toolbox *t)
{
	uint32_t count = (uint32_t)segment_facts(s)->count;
	uint8_t hash[32];
	int err = segterms_box(s, SEGMENT_BOX_POSTING, place->at, place->bytes, t, &t->plain);

	if (err != 0)
		return err;
	sha256_hash(t->sha, hash, buf_slice(&t->plain));
	if (memcmp(hash, place->hash, 32) != 0)
		return STELE_EDAMAGED;
	return segterms_posting_take(buf_slice(&t->plain), count, set) != 0 ? STELE_EDAMAGED : 0;
}

int
segterms_page(const struct segterms *terms, struct segment *s, size_t i, struct toolbox *t,
	      struct buf *plain, struct segterms_walk *w, struct bitreader *bits)
{
	const struct segterms_page *p = &terms->pages[i];
	uint64_t next = i + 1 < terms->n_pages ? p[1].lowest : 1ull << terms->digest_bits;
	int err = segterms_box(s, SEGMENT_BOX_TERMS, p->at, p->bytes, t, plain);

	if (err != 0)
		return err;
	return segterms_walk_begin(w, terms, buf_slice(plain), bits) != 0 ||
			       w->lowest != p->lowest || w->next_lowest != next
		       ? STELE_EDAMAGED
		       : 0;
}

int
segterms_find(const struct segterms *terms, struct segment *s, enum field field, struct slice text,
	      struct ordset *set, struct toolbox *t)
{
	uint64_t digest = segterms_digest(terms, t->sha, field, text);
	struct segterms_place place = {.elsewhere = false};
	struct segterms_walk w;
	struct bitreader bits;
	int err;

	if (terms->n_pages == 0)
		return 0;
	err = segterms_page(terms, s, segterms_page_of(terms, digest), t, &t->plain, &w, &bits);
	if (err == 0)
		err = segterms_walk_find(&w, digest, set, &place);
	if (err == 0 && place.elsewhere)
		err = segterms_posting(s, &place, set, t);
	return err == 1 ? 0 : err == STELE_ESYNTAX ? STELE_EDAMAGED : err;
}
