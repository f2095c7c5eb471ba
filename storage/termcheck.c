/* Every page and posting is opened; to compare, both sides are walked digest by digest. */
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "proto/err.h"
#include "storage/mapping.h"
#include "storage/runs.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "storage/segterms.h"
#include "storage/termbuild.h"
#include "storage/toolbox.h"

/* What is stored, entry by entry. */
struct stored {
	struct segment *s;
	const struct segterms *terms;
	struct toolbox *t;
	size_t next_page;
	struct buf page;
	struct segterms_walk w;
	struct bitreader bits;
	struct ordset set; /* of the entry read last */
	uint64_t entries;
	struct merkle_frontier tree; /* of the pages so far */
};

static int
stored_init(struct stored *d, struct segment *s, struct toolbox *t)
{
	*d = (struct stored){.s = s, .terms = segment_terms(s), .t = t};
	merkle_frontier_init(&d->tree);
	return d->terms && !ordset_init(&d->set, d->terms->count) ? STELE_ENOMEM : 0;
}

static void
stored_fini(struct stored *d)
{
	buf_fini(&d->page);
	ordset_fini(&d->set);
}

static int
next_page(struct stored *d)
{
	uint8_t leaf[32];
	int err = segterms_page(d->terms, d->s, d->next_page++, d->t, &d->page, &d->w, &d->bits);

	if (err != 0)
		return err;
	sha256_leaf(d->t->sha, leaf, buf_slice(&d->page));
	merkle_frontier_append(d->t->sha, &d->tree, leaf);
	return 0;
}

/* The next entry of all pages, its records in d->set: 1 at the end, STELE_EDAMAGED. */
static int
next_entry(struct stored *d, uint64_t *digest)
{
	struct segterms_place place;
	int err = 0;

	while (err == 0 && d->w.left == 0) {
		if (d->next_page && segterms_walk_next(&d->w, digest) != 1)
			return STELE_EDAMAGED; /* something is left behind the page's last one */
		if (d->next_page == d->terms->n_pages)
			return 1;
		err = next_page(d);
	}
	ordset_clear(&d->set);
	if (err == 0)
		err = segterms_walk_next(&d->w, digest);
	if (err == 0)
		err = segterms_walk_take(&d->w, &d->set, &place);
	if (err == 0 && place.elsewhere)
		err = segterms_posting(d->s, &place, &d->set, d->t);
	d->entries++;
	return err == STELE_ESYNTAX ? STELE_EDAMAGED : err;
}

/* The root once all pages were walked. */
static int
check_root(struct stored *d)
{
	uint8_t leaf[32], root[32];
	struct buf head;
	int err;

	buf_init(&head);
	err = segterms_head(d->s, d->t, &head);
	if (err == 0) {
		sha256_leaf(d->t->sha, leaf, buf_slice(&head));
		merkle_frontier_append(d->t->sha, &d->tree, leaf);
	}
	if (err == STELE_ENOTFOUND)
		err = 0;
	merkle_frontier_root(d->t->sha, &d->tree, root);
	if (err == 0 && memcmp(root, segment_facts(d->s)->terms_root, 32) != 0)
		err = STELE_EDAMAGED;
	buf_fini(&head);
	return err;
}

/* Of a segment without an index that could be asked: 1 when it is because of its version. */
static int
check_version(struct segment *s, struct toolbox *t)
{
	struct buf head;
	int err;

	buf_init(&head);
	err = segterms_head(s, t, &head);
	if (err == 0)
		err = head.n && head.p[0] != SEGTERMS_VERSION ? 1 : STELE_EDAMAGED;
	buf_fini(&head);
	return err == STELE_ENOTFOUND ? 0 : err;
}

int
segterms_verify(struct segment *s, struct toolbox *t, struct buf *why)
{
	struct stored d;
	uint64_t digest;
	int err = stored_init(&d, s, t);

	if (err == 0 && !d.terms) {
		err = check_version(s, t);
		if (err == 1)
			return 0;
	}
	while (err == 0 && d.terms)
		err = next_entry(&d, &digest);
	if (err == 0 || err == 1)
		err = check_root(&d);
	/* terms that share a digest have one entry */
	if (err == 0 && d.terms && (d.entries > d.terms->n_terms))
		err = STELE_EDAMAGED;
	if (err == STELE_EDAMAGED && why->n == 0)
		buf_put_str(why, "its index is not what its manifest says");
	stored_fini(&d);
	return err;
}

/* --- against the records --------------------------------------------------------------------- */

struct compare {
	struct stored stored;
	struct termbuild *made;
	struct buf *why;
};

static int
differs(struct compare *c, const char *what)
{
	buf_printf(c->why, "its index does not say of its records what they say: %s", what);
	return STELE_EDAMAGED;
}

static int
add_record(void *ctx, uint64_t index, const struct segment_record *r)
{
	(void)index;
	return termbuild_add(ctx, r);
}

/* Whether all records of the runs are in it; how many these are. */
static bool
has_runs(const struct ordset *set, const struct runs *runs, uint64_t *n)
{
	uint32_t from, end;

	*n = 0;
	for (size_t i = 0; i < runs->n; i++) {
		runs_range(runs, i, &from, &end);
		if (ordset_count(set, from, end) != end - from)
			return false;
		*n += end - from;
	}
	return true;
}

static int
compare_entry(void *ctx, uint64_t digest, const uint32_t *ordinals, size_t n)
{
	struct compare *c = ctx;
	const struct ordset *set = &c->stored.set;
	uint64_t found, all = n;
	struct runs runs;
	int err = next_entry(&c->stored, &found);

	if (err == 1 || (err == 0 && found > digest))
		return differs(c, "a term is missing");
	if (err == 0 && found < digest)
		return differs(c, "a term is in it that no record has");
	if (err != 0)
		return err;
	for (size_t i = 0; i < n; i++)
		if (!ordset_has(set, ordinals[i]))
			return differs(c, "a term is missing for a record");
	if (runs_of(&runs, ordinals, n, set->count) && !has_runs(set, &runs, &all))
		return differs(c, "a term is missing for a run of records");
	if (ordset_count(set, 0, set->count) != all)
		return differs(c, "a term is in it for a record that has it not");
	return 0;
}

/* What the head says of tiles, of records that are not sure, of control entries. */
static int
compare_heads(struct compare *c)
{
	struct buf stored, made;
	int err;

	buf_init(&stored);
	buf_init(&made);
	err = termbuild_head(c->made, &made);
	if (err == 0)
		err = segterms_head(c->stored.s, c->stored.t, &stored);
	if (err == 0 &&
	    !slice_eq(slice_of(stored.p, c->stored.terms->body_bytes), buf_slice(&made)))
		err = differs(c, "times, or which records it is not sure of");
	buf_fini(&stored);
	buf_fini(&made);
	return err;
}

static int
compare(struct compare *c)
{
	const struct segment_facts *f = segment_facts(c->stored.s);
	uint64_t digest;
	int err = segment_each(c->stored.s, f->first, f->first + f->count, false, c->stored.t,
			       add_record, c->made);

	if (err == 0)
		err = compare_heads(c);
	if (err == 0)
		err = termbuild_each(c->made, compare_entry, c);
	if (err == 0)
		err = next_entry(&c->stored, &digest);
	if (err == 0)
		err = differs(c, "a term is in it that no record has");
	return err == 1 ? 0 : err;
}

int
segterms_compare(struct segment *s, const struct mapping *mapping, const char *dir,
		 struct toolbox *t, struct buf *why)
{
	const struct segterms *terms = segment_terms(s);
	struct compare c = {.why = why};
	int err;

	if (!terms || memcmp(terms->mapping, mapping->digest, 32) != 0)
		return STELE_ENOTFOUND;
	err = stored_init(&c.stored, s, t);
	if (err == 0)
		err = termbuild_new(&c.made, mapping, terms->salt, terms->count, dir, t->sha);
	if (err == 0)
		err = compare(&c);
	termbuild_free(c.made);
	stored_fini(&c.stored);
	return err;
}
