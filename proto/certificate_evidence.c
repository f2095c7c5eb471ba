/* Evidence: a word, then bytes in base64, hashes or numbers. */
#include <string.h>

#include "proto/base64.h"
#include "proto/certificate.h"
#include "proto/check.h"
#include "proto/dec.h"
#include "proto/entry.h"
#include "proto/err.h"

#define HEAD "stele search evidence v"

enum { HASH_CHARS = 44 };

/* --- writing ----------------------------------------------------------------------------- */

static void
put_bytes(struct buf *out, const char *word, struct slice bytes)
{
	buf_put_str(out, word);
	buf_put_base64(out, bytes.p, bytes.n);
	buf_put_u8(out, '\n');
}

static void
put_hashes(struct buf *out, const char *word, const struct certificate_hashes *h)
{
	CHECK(h->n <= LIMIT_PROOF_HASHES);
	buf_put_str(out, word);
	for (size_t i = 0; i < h->n; i++) {
		buf_put_u8(out, ' ');
		buf_put_base64(out, h->hash[i], 32);
	}
	buf_put_u8(out, '\n');
}

void
certificate_put_begin(struct buf *out)
{
	buf_put_str(out, HEAD "1\n");
}

void
certificate_put_identity(struct buf *out, struct slice note)
{
	put_bytes(out, "identity ", note);
}

void
certificate_put_source(struct buf *out, const struct certificate_source *s)
{
	buf_put_str(out, "log ");
	buf_put_slice(out, s->origin);
	buf_put_u8(out, '\n');
	for (size_t i = 0; i < s->n_keys; i++)
		put_bytes(out, "key ", s->keys[i]);
	put_bytes(out, "checkpoint ", s->checkpoint);
	put_hashes(out, "grown", &s->grown);
}

static void
put_matched(struct buf *out, const struct certificate_part *p)
{
	buf_put_str(out, "matched");
	for (size_t i = 0; i < p->n_matched; i++) {
		buf_put_u8(out, ' ');
		buf_put_dec(out, p->matched[i].first);
		if (p->matched[i].last == p->matched[i].first)
			continue;
		buf_put_u8(out, '-');
		buf_put_dec(out, p->matched[i].last);
	}
	buf_put_u8(out, '\n');
}

static void
put_shown(struct buf *out, const struct certificate_part *p)
{
	put_bytes(out, "segment ", p->manifest);
	put_hashes(out, "grown", &p->grown);
	put_bytes(out, "head ", p->head);
	put_hashes(out, "proof", &p->proof);
	for (size_t i = 0; i < p->n_pages; i++) {
		buf_put_str(out, "page ");
		buf_put_dec(out, p->pages[i].number);
		put_bytes(out, " ", p->pages[i].bytes);
		put_hashes(out, "proof", &p->pages[i].proof);
	}
	for (size_t i = 0; i < p->n_postings; i++)
		put_bytes(out, "posting ", p->postings[i]);
}

void
certificate_put_part(struct buf *out, const struct certificate_part *p)
{
	if (p->shown)
		put_shown(out, p);
	else
		buf_printf(out, "scanned %llu %llu\n", (unsigned long long)p->first,
			   (unsigned long long)p->last);
	put_matched(out, p);
}

/* --- reading: one line ----------------------------------------------------------------------- */

static bool
next_is(const struct certificate_reader *r, const char *words)
{
	size_t n = strlen(words);

	return lines_err(&r->l) == 0 && r->l.rest.n >= n && memcmp(r->l.rest.p, words, n) == 0;
}

static int
decode(struct certificate_reader *r, struct slice base64, struct slice *out)
{
	uint8_t *p = arena_alloc(r->arena, base64.n / 4 * 3 + 1);
	size_t n = 0;

	if (!p)
		return STELE_ENOMEM;
	if (base64.n == 0 || base64_decode(p, base64.n / 4 * 3 + 1, &n, base64) != 0)
		lines_fail(&r->l);
	*out = slice_of(p, n);
	return lines_err(&r->l);
}

static int
take_bytes(struct certificate_reader *r, const char *word, struct slice *out)
{
	return decode(r, lines_take_after(&r->l, word), out);
}

/* Each behind one blank. */
static int
take_hashes(struct certificate_reader *r, const char *word, struct certificate_hashes *out)
{
	struct slice rest = lines_take_after(&r->l, word);
	size_t n = rest.n / (HASH_CHARS + 1);
	uint8_t(*hash)[32] = arena_alloc(r->arena, n * 32);

	if (!hash)
		return STELE_ENOMEM;
	if (n > LIMIT_PROOF_HASHES)
		return STELE_ELIMIT;
	if (rest.n != n * (HASH_CHARS + 1))
		lines_fail(&r->l);
	for (size_t i = 0; i < n && lines_err(&r->l) == 0; i++) {
		const uint8_t *at = rest.p + i * (HASH_CHARS + 1);

		if (*at != ' ' ||
		    base64_decode_exact(hash[i], 32, slice_of(at + 1, HASH_CHARS)) != 0)
			lines_fail(&r->l);
	}
	*out = (struct certificate_hashes){(const uint8_t(*)[32])hash, n};
	return lines_err(&r->l);
}

/* What stands before the next of a kind of character; rest is what is behind it. */
static struct slice
cut(struct slice *rest, char at)
{
	const uint8_t *end = rest->n ? memchr(rest->p, at, rest->n) : NULL;
	struct slice word = slice_of(rest->p, end ? (size_t)(end - rest->p) : rest->n);
	size_t used = word.n + (end ? 1 : 0);

	*rest = slice_of(rest->p + used, rest->n - used);
	return word;
}

/* 5 or 5-9; apart from what comes before by one at least. */
static void
take_range(struct certificate_reader *r, struct slice word, struct certificate_range *list,
	   size_t i)
{
	struct certificate_range *range = &list[i];
	struct slice last = word, first = cut(&last, '-');
	bool two = first.n < word.n;

	if (dec_parse(&range->first, first, LIMIT_TREE_SIZE) != 0)
		lines_fail(&r->l);
	range->last = range->first;
	if (two && dec_parse(&range->last, last, LIMIT_TREE_SIZE) != 0)
		lines_fail(&r->l);
	if ((two && range->last <= range->first) || (i && range->first <= list[i - 1].last + 1))
		lines_fail(&r->l);
}

static int
take_matched(struct certificate_reader *r, struct certificate_part *p)
{
	struct slice rest = lines_take_after(&r->l, "matched");
	struct certificate_range *list;
	size_t n = 0;

	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == ' ';
	list = arena_alloc(r->arena, n * sizeof *list);
	if (!list)
		return STELE_ENOMEM;
	if (rest.n && *rest.p != ' ')
		lines_fail(&r->l);
	if (rest.n)
		(void)cut(&rest, ' ');
	for (size_t i = 0; i < n && lines_err(&r->l) == 0; i++)
		take_range(r, cut(&rest, ' '), list, i);
	p->matched = list;
	p->n_matched = n;
	return lines_err(&r->l);
}

/* --- reading: what lines come to ------------------------------------------------------------- */

/* As many lines of one kind as there are. */
static int
take_list(struct certificate_reader *r, const char *word, size_t max, const struct slice **list,
	  size_t *n)
{
	struct slice *items = NULL;
	int err = 0;

	*n = 0;
	if (next_is(r, word)) {
		items = arena_alloc(r->arena, max * sizeof *items);
		err = items ? 0 : STELE_ENOMEM;
	}
	while (err == 0 && next_is(r, word)) {
		if (*n == max)
			return STELE_ELIMIT;
		err = take_bytes(r, word, &items[(*n)++]);
	}
	*list = items;
	return err;
}

int
certificate_read(struct certificate_reader *r, struct slice evidence, struct arena *arena,
		 const struct slice **identities, size_t *n)
{
	struct slice version;

	r->arena = arena;
	lines_init(&r->l, evidence);
	version = lines_take_after(&r->l, HEAD);
	if (!lines_err(&r->l) && !slice_eq_str(version, "1"))
		return STELE_EVERSION;
	return lines_err(&r->l) ? STELE_ESYNTAX
				: take_list(r, "identity ", LIMIT_SUCCESSIONS, identities, n);
}

int
certificate_next_source(struct certificate_reader *r, struct certificate_source *s)
{
	int err;

	if (lines_err(&r->l) == 0 && r->l.rest.n == 0)
		return 1;
	s->origin = lines_take_after(&r->l, "log ");
	if (lines_err(&r->l) || !entry_origin_valid(s->origin))
		return STELE_ESYNTAX;
	err = take_list(r, "key ", LIMIT_STATEMENTS, &s->keys, &s->n_keys);
	if (err == 0)
		err = take_bytes(r, "checkpoint ", &s->checkpoint);
	return err ? err : take_hashes(r, "grown", &s->grown);
}

static int
take_page(struct certificate_reader *r, struct certificate_page *page)
{
	struct slice rest = lines_take_after(&r->l, "page ");
	int err;

	if (dec_parse(&page->number, cut(&rest, ' '), LIMIT_INTEGER) != 0)
		return STELE_ESYNTAX;
	err = decode(r, rest, &page->bytes);
	return err ? err : take_hashes(r, "proof", &page->proof);
}

static int
take_pages(struct certificate_reader *r, struct certificate_part *p)
{
	struct certificate_page *pages = NULL;
	int err = 0;

	if (next_is(r, "page ")) {
		pages = arena_alloc(r->arena, LIMIT_INDEX_LOOKUPS * sizeof *pages);
		err = pages ? 0 : STELE_ENOMEM;
	}
	for (p->pages = pages; err == 0 && next_is(r, "page "); p->n_pages++) {
		if (p->n_pages == LIMIT_INDEX_LOOKUPS)
			return STELE_ELIMIT;
		err = take_page(r, &pages[p->n_pages]);
		if (err == 0 && p->n_pages &&
		    pages[p->n_pages].number <= pages[p->n_pages - 1].number)
			return STELE_ESYNTAX;
	}
	return err;
}

static int
take_shown(struct certificate_reader *r, struct certificate_part *p)
{
	int err = take_bytes(r, "segment ", &p->manifest);

	if (err == 0)
		err = take_hashes(r, "grown", &p->grown);
	if (err == 0)
		err = take_bytes(r, "head ", &p->head);
	if (err == 0)
		err = take_hashes(r, "proof", &p->proof);
	if (err == 0)
		err = take_pages(r, p);
	if (err == 0)
		err = take_list(r, "posting ", LIMIT_INDEX_LOOKUPS, &p->postings, &p->n_postings);
	return err;
}

static int
take_scanned(struct certificate_reader *r, struct certificate_part *p)
{
	struct slice rest = lines_take_after(&r->l, "scanned ");

	if (dec_parse(&p->first, cut(&rest, ' '), LIMIT_TREE_SIZE) != 0 ||
	    dec_parse(&p->last, rest, LIMIT_TREE_SIZE) != 0 || p->last < p->first)
		return STELE_ESYNTAX;
	return 0;
}

int
certificate_next_part(struct certificate_reader *r, struct certificate_part *p)
{
	int err;

	*p = (struct certificate_part){.shown = next_is(r, "segment ")};
	if (!p->shown && !next_is(r, "scanned "))
		return lines_err(&r->l) ? STELE_ESYNTAX : 1;
	err = p->shown ? take_shown(r, p) : take_scanned(r, p);
	return err ? err : take_matched(r, p);
}
