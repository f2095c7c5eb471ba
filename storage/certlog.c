/* A part is believed step by step: manifest, tree, head, pages, postings; then the filter is asked.
 */
#include "storage/certlog.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "proto/err.h"
#include "storage/manifest.h"
#include "storage/segterms.h"
#include "storage/termask.h"

static int __attribute__((format(printf, 2, 3))) refuse(struct certlog *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->why, sizeof l->why, fmt, ap);
	va_end(ap);
	return STELE_EVERIFY;
}

/* A segment whose index is shown. */
struct shown {
	struct certlog *l;
	const struct certificate_part *p;
	struct segment_facts facts;
	struct segterms *terms;
	struct ordset may;
	bool page_used[LIMIT_INDEX_LOOKUPS], posting_used[LIMIT_INDEX_LOOKUPS];
};

/* --- the manifest ------------------------------------------------------------------------ */

/*
 * Signed by the key that spoke for that size, or a later one: segments are made anew. A key of
 * before is never good for a size that came after it.
 */
static int
check_signature(struct shown *s, uint64_t size)
{
	struct certlog *l = s->l;
	struct note_vkey keys[LIMIT_STATEMENTS];
	const struct certlog_key *since = NULL;
	struct note note;
	size_t n = 0;

	for (size_t i = 0; i < l->n_keys; i++)
		if (l->keys[i].first_size <= size && (!since || l->keys[i].epoch > since->epoch))
			since = &l->keys[i];
	for (size_t i = 0; since && i < l->n_keys; i++)
		if (l->keys[i].epoch >= since->epoch)
			keys[n++] = l->keys[i].key;
	if (n && sign_verify_note(keys, n, s->p->manifest, &note, NULL) == 0)
		return 0;
	return refuse(l,
		      "the manifest of the segment at %" PRIu64
		      " is not signed by a key that may speak for it",
		      s->facts.first);
}

static int
check_manifest(struct shown *s)
{
	struct certlog *l = s->l;
	struct note note;
	uint64_t size;

	if (note_parse(&note, s->p->manifest) != 0 ||
	    manifest_parse(&s->facts, NULL, note.text) != 0)
		return refuse(l, "what stands for a segment at %" PRIu64 " is no manifest",
			      l->next);
	if (!slice_eq_str(l->log->origin, s->facts.origin))
		return refuse(l, "a segment is of %s, another log", s->facts.origin);
	if (s->facts.first != l->next || s->facts.first >= l->log->size)
		return refuse(l, "a segment begins at %" PRIu64 ", and the next entry is %" PRIu64,
			      s->facts.first, l->next);
	size = s->facts.first + s->facts.count;
	if (check_signature(s, size) != 0)
		return STELE_EVERIFY;
	if (merkle_verify_consistency(l->h, size, s->facts.root, l->tree.size, l->tree.root,
				      s->p->grown.hash, s->p->grown.n) != 0)
		return refuse(l, "the segment at %" PRIu64 " is not of the signed tree",
			      s->facts.first);
	return 0;
}

/* --- the index ----------------------------------------------------------------------------- */

static bool
is_leaf(struct shown *s, struct slice bytes, uint64_t number, const struct certificate_hashes *p)
{
	uint8_t leaf[32];

	sha256_leaf(s->l->h, leaf, bytes);
	return merkle_verify_inclusion(s->l->h, s->facts.terms_root, number, s->terms->n_pages + 1,
				       leaf, p->hash, p->n) == 0;
}

static int
check_head(struct shown *s)
{
	int err = segterms_parse(&s->terms, s->p->head, (uint32_t)s->facts.count);

	if (err == STELE_ENOMEM)
		return err;
	if (err == STELE_EVERSION)
		return refuse(s->l,
			      "the index at %" PRIu64 " is of a version that is not read here",
			      s->facts.first);
	if (err != 0 || !is_leaf(s, s->p->head, s->terms->n_pages, &s->p->proof))
		return refuse(s->l,
			      "the head of the index at %" PRIu64
			      " is not the one that the manifest has",
			      s->facts.first);
	if (memcmp(s->terms->mapping, s->l->said->mapping, 32) != 0)
		return refuse(s->l, "the index at %" PRIu64 " was made by another mapping",
			      s->facts.first);
	return 0;
}

/* Begins a walk, and whether the page is the one of that number. */
static bool
begin_page(const struct shown *s, const struct certificate_page *page, struct segterms_walk *w,
	   struct bitreader *bits)
{
	const struct segterms *t = s->terms;
	uint64_t i = page->number;

	return i < t->n_pages && segterms_walk_begin(w, t, page->bytes, bits) == 0 &&
	       w->lowest == t->pages[i].lowest &&
	       w->next_lowest ==
		       (i + 1 < t->n_pages ? t->pages[i + 1].lowest : 1ull << t->digest_bits);
}

static bool
page_holds(struct shown *s, const struct certificate_page *page)
{
	struct segterms_place place;
	struct segterms_walk w;
	struct bitreader bits;
	uint64_t digest;
	int err = begin_page(s, page, &w, &bits) ? 0 : STELE_ESYNTAX;

	while (err == 0 && w.left) {
		err = segterms_walk_next(&w, &digest);
		if (err == 0)
			err = segterms_walk_take(&w, NULL, &place);
	}
	return err == 0 && segterms_walk_next(&w, &digest) == 1 &&
	       is_leaf(s, page->bytes, page->number, &page->proof);
}

static int
check_pages(struct shown *s)
{
	for (size_t i = 0; i < s->p->n_pages; i++)
		if (!page_holds(s, &s->p->pages[i]))
			return refuse(s->l,
				      "page %" PRIu64 " of the index at %" PRIu64
				      " is not the one that the manifest has",
				      s->p->pages[i].number, s->facts.first);
	return 0;
}

/* --- what it says of the filter -------------------------------------------------------------- */

static int
find_posting(struct shown *s, const struct segterms_place *place, struct ordset *set)
{
	uint8_t hash[32];

	for (size_t i = 0; i < s->p->n_postings; i++) {
		sha256_hash(s->l->h, hash, s->p->postings[i]);
		if (memcmp(hash, place->hash, 32) != 0)
			continue;
		s->posting_used[i] = true;
		if (segterms_posting_take(s->p->postings[i], s->terms->count, set) == 0)
			return 0;
		break;
	}
	return refuse(s->l, "the index at %" PRIu64 " has a posting that is not shown",
		      s->facts.first);
}

static int
find(void *ctx, enum field field, struct slice text, struct ordset *set)
{
	struct shown *s = ctx;
	uint64_t digest = segterms_digest(s->terms, s->l->h, field, text), number;
	struct segterms_place place = {.elsewhere = false};
	struct segterms_walk w;
	struct bitreader bits;
	size_t i = 0;
	int err;

	if (s->terms->n_pages == 0)
		return 0;
	number = segterms_page_of(s->terms, digest);
	while (i < s->p->n_pages && s->p->pages[i].number < number)
		i++;
	if (i == s->p->n_pages || s->p->pages[i].number != number ||
	    !begin_page(s, &s->p->pages[i], &w, &bits))
		return refuse(s->l,
			      "page %" PRIu64 " of the index at %" PRIu64
			      ", on which a term is or would be, is not shown",
			      number, s->facts.first);
	s->page_used[i] = true;
	err = segterms_walk_find(&w, digest, set, &place);
	if (err == 0 && place.elsewhere)
		err = find_posting(s, &place, set);
	return err == 1 ? 0 : err;
}

static int
ask(struct shown *s)
{
	struct termask what = {s->terms, find, s};
	bool all = true;
	int err = 0;

	if (termask_helps(s->l->filter))
		err = termask_run(&what, s->l->filter, &all, &s->may);
	if (err != 0)
		return err;
	if (all)
		return refuse(s->l,
			      "an index cannot answer this filter, but one is shown at %" PRIu64,
			      s->facts.first);
	for (size_t i = 0; i < s->p->n_pages; i++)
		if (!s->page_used[i])
			return refuse(s->l,
				      "page %" PRIu64 " of the index at %" PRIu64
				      " is shown without need",
				      s->p->pages[i].number, s->facts.first);
	for (size_t i = 0; i < s->p->n_postings; i++)
		if (!s->posting_used[i])
			return refuse(s->l, "a posting is shown at %" PRIu64 " without need",
				      s->facts.first);
	ordset_or(&s->may, &s->terms->unsure);
	return 0;
}

/* --- the matches ----------------------------------------------------------------------------- */

static int
take_match(struct certlog *l, const struct shown *s, uint64_t index)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%" PRIu64 "\n", index);
	uint32_t ordinal = s ? (uint32_t)(index - s->facts.first) : 0;

	if (s && (!ordset_has(&s->may, ordinal) || ordset_has(&s->terms->controls, ordinal)))
		return refuse(l,
			      "record %" PRIu64 " is said to match, and its segment's index says "
			      "that it does not",
			      index);
	sha256_update(l->matches, slice_of(text, (size_t)n));
	l->matched++;
	return 0;
}

/* All of the part's, which is [from, to); s is NULL of what was scanned. */
static int
take_matches(struct certlog *l, const struct certificate_part *p, const struct shown *s,
	     uint64_t from, uint64_t to)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < p->n_matched; i++) {
		const struct certificate_range *r = &p->matched[i];

		if (r->first < from || r->last >= to)
			return refuse(l,
				      "record %" PRIu64 " does not lie where it is said to match",
				      r->first < from ? r->first : r->last);
		for (uint64_t at = r->first; err == 0 && at <= r->last; at++)
			err = take_match(l, s, at);
		if (err == 0 && l->sink->match)
			err = l->sink->match(l->sink->ctx, l->log->origin, r->first, r->last);
	}
	return err;
}

static void
count(struct certlog *l, const struct shown *s, uint64_t to)
{
	uint32_t n = (uint32_t)(to - s->facts.first);

	l->segments++;
	l->shown += n;
	l->records += n - ordset_count(&s->terms->controls, 0, n);
	l->may += ordset_count(&s->may, 0, n);
	l->unsure += ordset_count(&s->terms->unsure, 0, n);
	l->pages += s->p->n_pages;
}

static int
check_shown(struct certlog *l, struct shown *s)
{
	uint64_t to;
	int err = check_manifest(s);

	if (err == 0)
		err = check_head(s);
	if (err == 0)
		err = check_pages(s);
	if (err == 0)
		err = ask(s);
	if (err != 0)
		return err == STELE_ESYNTAX
			       ? refuse(l, "the index at %" PRIu64 " is not one", s->facts.first)
			       : err;
	to = s->facts.first + s->facts.count;
	to = to < l->log->size ? to : l->log->size;
	err = take_matches(l, s->p, s, s->facts.first, to);
	if (err == 0)
		count(l, s, to);
	l->next = to;
	return err;
}

int
certlog_part(struct certlog *l, const struct certificate_part *p)
{
	struct shown *s;
	int err;

	if (!p->shown) {
		if (p->first != l->next || p->last >= l->log->size)
			return refuse(l,
				      "entries %" PRIu64 " to %" PRIu64
				      " are said to be scanned, and the next one is %" PRIu64,
				      p->first, p->last, l->next);
		l->looked += p->last - p->first + 1;
		l->next = p->last + 1;
		return take_matches(l, p, NULL, p->first, p->last + 1);
	}
	s = calloc(1, sizeof *s);
	if (!s)
		return STELE_ENOMEM;
	s->l = l;
	s->p = p;
	err = check_shown(l, s);
	segterms_free(s->terms);
	ordset_fini(&s->may);
	free(s);
	return err;
}

/* --- the end ------------------------------------------------------------------------------- */

int
certlog_end(struct certlog *l)
{
	const struct certificate_log *c = l->log;
	uint8_t hash[32];

	if (l->next != c->size)
		return refuse(l, "nothing is said of entries from %" PRIu64 " on", l->next);
	sha256_end(l->matches, hash);
	if (l->matched != c->matched || memcmp(hash, c->matches, 32) != 0)
		return refuse(l, "it says that %" PRIu64 " records match, and lists others",
			      c->matched);
	if (c->scanned + c->unreadable < l->records || c->scanned > l->records + l->looked)
		return refuse(
			l, "it says that %" PRIu64 " records were looked at, and there are others",
			c->scanned);
	if (c->matched + c->unparsed + c->purged + c->restricted > c->scanned ||
	    c->matched + c->unparsed + c->purged > l->may + l->looked)
		return refuse(l, "it counts more records than there can be");
	return 0;
}
