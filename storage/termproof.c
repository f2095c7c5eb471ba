/* A filter's lookups are run, and what they touched is kept. */
#include "storage/termproof.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "proto/err.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/manifest.h"
#include "storage/segcache.h"
#include "storage/segseal.h"
#include "storage/segterms.h"
#include "storage/termask.h"
#include "storage/toolbox.h"

struct making {
	struct segment *s;
	const struct segterms *terms;
	struct toolbox *t;
	struct arena *a;
	struct slice *page; /* by number; empty: not asked for */
	size_t n_pages;     /* that were asked for */
	struct slice *postings;
	uint8_t (*posting_hash)[32];
	size_t n_postings;
	uint8_t (*node[64])[32]; /* of the tree over pages and head, by height */
};

/* --- the lookups ------------------------------------------------------------------------- */

static int
keep(struct making *m, struct slice bytes, struct slice *out)
{
	void *copy = arena_dup(m->a, bytes.p, bytes.n);

	*out = slice_of(copy, bytes.n);
	return copy ? 0 : STELE_ENOMEM;
}

static int
keep_posting(struct making *m, const struct segterms_place *place, struct ordset *set)
{
	int err = segterms_posting(m->s, place, set, m->t);

	if (err != 0)
		return err;
	for (size_t i = 0; i < m->n_postings; i++)
		if (memcmp(m->posting_hash[i], place->hash, 32) == 0)
			return 0;
	if (m->n_postings == LIMIT_INDEX_LOOKUPS)
		return STELE_ELIMIT;
	memcpy(m->posting_hash[m->n_postings], place->hash, 32);
	return keep(m, buf_slice(&m->t->plain), &m->postings[m->n_postings++]);
}

static int
find(void *ctx, enum field field, struct slice text, struct ordset *set)
{
	struct making *m = ctx;
	uint64_t digest = segterms_digest(m->terms, m->t->sha, field, text);
	size_t number = segterms_page_of(m->terms, digest);
	struct segterms_place place = {.elsewhere = false};
	struct segterms_walk w;
	struct bitreader bits;
	int err;

	if (m->terms->n_pages == 0)
		return 0;
	err = segterms_page(m->terms, m->s, number, m->t, &m->t->plain, &w, &bits);
	if (err == 0 && m->page[number].n == 0) {
		m->n_pages++;
		err = keep(m, buf_slice(&m->t->plain), &m->page[number]);
	}
	if (err == 0)
		err = segterms_walk_find(&w, digest, set, &place);
	if (err == 0 && place.elsewhere)
		err = keep_posting(m, &place, set);
	return err == 1 ? 0 : err == STELE_ESYNTAX ? STELE_EDAMAGED : err;
}

/* --- the tree ------------------------------------------------------------------------------ */

static int
get_node(void *ctx, unsigned height, uint64_t index, uint8_t out[32])
{
	const struct making *m = ctx;

	memcpy(out, m->node[height][index], 32);
	return 0;
}

/* Every perfect subtree of n leaves, of which those of height 0 are there. */
static int
grow(struct making *m, size_t n)
{
	for (unsigned h = 1; n >> h; h++) {
		m->node[h] = arena_alloc(m->a, (n >> h) * 32);
		if (!m->node[h])
			return STELE_ENOMEM;
		for (size_t i = 0; i < n >> h; i++)
			sha256_node(m->t->sha, m->node[h][i], m->node[h - 1][2 * i],
				    m->node[h - 1][2 * i + 1]);
	}
	return 0;
}

static int
hash_leaves(struct making *m, struct slice head)
{
	struct segterms_walk w;
	struct bitreader bits;
	size_t n = m->terms->n_pages;
	int err = 0;

	m->node[0] = arena_alloc(m->a, (n + 1) * 32);
	if (!m->node[0])
		return STELE_ENOMEM;
	for (size_t i = 0; err == 0 && i < n; i++) {
		err = segterms_page(m->terms, m->s, i, m->t, &m->t->plain, &w, &bits);
		if (err == 0)
			sha256_leaf(m->t->sha, m->node[0][i], buf_slice(&m->t->plain));
	}
	sha256_leaf(m->t->sha, m->node[0][n], head);
	return err ? err : grow(m, n + 1);
}

static int
prove(struct making *m, uint64_t leaf, struct certificate_hashes *out)
{
	uint8_t hash[LIMIT_PROOF_HASHES][32], (*copy)[32];
	size_t n;
	int err = merkle_inclusion(m->t->sha, get_node, m, leaf, m->terms->n_pages + 1, hash, &n);

	if (err != 0)
		return err;
	copy = arena_dup(m->a, hash, n * 32);
	*out = (struct certificate_hashes){(const uint8_t(*)[32])copy, n};
	return copy ? 0 : STELE_ENOMEM;
}

/* --- all together ---------------------------------------------------------------------------- */

static int
take_head(struct making *m, struct slice *head)
{
	struct buf b;
	int err;

	buf_init(&b);
	err = segterms_head(m->s, m->t, &b);
	if (err == 0)
		err = keep(m, buf_slice(&b), head);
	if (b.p)
		explicit_bzero(b.p, b.n);
	buf_fini(&b);
	return err == STELE_ENOTFOUND ? STELE_EDAMAGED : err;
}

static int
fill_part(struct making *m, struct certificate_part *part)
{
	struct certificate_page *pages = arena_alloc(m->a, m->n_pages * sizeof *pages);
	struct slice head;
	size_t n = 0;
	int err = pages ? take_head(m, &head) : STELE_ENOMEM;
	struct certificate_hashes proof;

	if (err == 0)
		err = hash_leaves(m, head);
	if (err == 0)
		err = prove(m, m->terms->n_pages, &proof);
	for (size_t i = 0; err == 0 && i < m->terms->n_pages; i++) {
		if (m->page[i].n == 0)
			continue;
		pages[n] = (struct certificate_page){.number = i, .bytes = m->page[i]};
		err = prove(m, i, &pages[n++].proof);
	}
	if (err != 0)
		return err;
	part->head = head;
	part->proof = proof;
	part->pages = pages;
	part->n_pages = n;
	part->postings = m->postings;
	part->n_postings = m->n_postings;
	return 0;
}

int
termproof_make(struct segment *s, const struct filter *f, const uint8_t mapping[32],
	       struct toolbox *t, struct arena *a, struct certificate_part *part)
{
	struct making m = {.s = s, .terms = segment_terms(s), .t = t, .a = a};
	struct termask what = {m.terms, find, &m};
	struct ordset set = {.word = NULL};
	bool all;
	int err;

	if (!m.terms || memcmp(m.terms->mapping, mapping, 32) != 0 || !termask_helps(f))
		return 1;
	m.page = arena_alloc(a, (m.terms->n_pages + 1) * sizeof *m.page);
	m.postings = arena_alloc(a, LIMIT_INDEX_LOOKUPS * sizeof *m.postings);
	m.posting_hash = arena_alloc(a, LIMIT_INDEX_LOOKUPS * 32);
	if (!m.page || !m.postings || !m.posting_hash)
		return STELE_ENOMEM;
	memset(m.page, 0, (m.terms->n_pages + 1) * sizeof *m.page);
	err = termask_run(&what, f, &all, &set);
	if (err != 0)
		return err;
	ordset_fini(&set);
	return all ? 1 : fill_part(&m, part);
}

/* --- the manifest ---------------------------------------------------------------------------- */

static int
check_manifest(struct log *log, const struct segment_facts *facts, struct slice bytes)
{
	struct logkeys *keys = log_keys(log);
	const struct note_vkey *vkeys;
	struct segment_facts said;
	struct note note;
	size_t n;
	int err;

	vkeys = logkeys_for(keys, facts->first + facts->count, &n);
	err = sign_verify_note(vkeys, n, bytes, &note, NULL);
	if (err == 0)
		err = manifest_parse(&said, NULL, note.text);
	if (err == 0 && (memcmp(said.file_hash, facts->file_hash, 32) != 0 ||
			 memcmp(said.terms_root, facts->terms_root, 32) != 0))
		err = STELE_EVERIFY;
	logkeys_unref(keys);
	return err == 0 || err == STELE_ENOMEM ? err : STELE_EDAMAGED;
}

int
termproof_manifest(struct log *log, struct segment *s, struct buf *out)
{
	const struct segment_facts *facts = segment_facts(s);
	char dir[PATH_MAX], path[PATH_MAX];
	size_t at = out->n;
	int err = segcache_dir(dir, sizeof dir, log);

	if (err == 0)
		err = segment_path(path, dir, facts, ".manifest");
	if (err == 0)
		err = file_read_all(path, out, LIMIT_NOTE_BYTES);
	if (err == 0)
		err = check_manifest(log, facts, slice_of(out->p + at, out->n - at));
	return err == STELE_ELIMIT ? STELE_EDAMAGED : err;
}
