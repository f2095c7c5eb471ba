/*
 * The index of a segment: its stream SEGMENT_TERMS, which may be empty. Boxes under the segment's
 * data key (segseal.h), one behind the other: pages of the table of terms in order, among them
 * postings that are too long for a page, then the head, then u32 bytes of the head's box.
 *
 * Head:
 *   u8 version (2)  salt[32]  mapping[32] (mapping.h)  varint count  varint terms
 *   u8 bits of a digest
 *   for each tile of 256 records: signed varint time of its first entry, less that of the last one
 *     before it (at first 0), varint time of its last entry less that, signed varint earliest event
 *     time of its sure records less that of its first entry, varint latest less earliest
 *   postings (posting.h) of whole bytes: records that are not sure (termbuild.h), control entries
 *   varint pages, each: varint bytes between the box before it and its box, varint bytes of its
 *     box, varint its lowest digest less that of the page before
 * Page: blind[16]  u64 lowest digest, u64 the next page's lowest, or 1 << bits behind the last
 *   u16 entries, as bits (bitcode.h), each:
 *   code of order 2: its digest less what is the lowest it can be
 *   0, one run (runs.h); or
 *   1 0, several runs; or
 *   1 1 0, posting; or
 *   1 1 1, 48 bits where its box begins, 32 bits the box's bytes, SHA-256 of what is in the box
 * Box of a posting: blind[16], posting of whole bytes. Entries of the same records may share one.
 *
 * Most terms are in one record alone, so it is they that make an index large. An entry of few
 * records has runs, which lead to at most 64 records, and a digest has two bits to spare: who looks
 * for what is nowhere looks at 64 records in vain for one index in four at most. They say that they
 * do not match.
 *
 * Digests are a record's terms under the salt (termbuild.h). A page says which digests it would
 * have: what is not on it is not there. The root of the RFC 6962 tree whose leaves are the pages in
 * order and then the head is in the manifest, so that one page can be shown; blinds are random, so
 * that the root says nothing of the others. An empty stream has the root of the empty tree.
 */
#ifndef STELE_STORAGE_SEGTERMS_H
#define STELE_STORAGE_SEGTERMS_H

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/field.h"
#include "storage/bitcode.h"
#include "storage/ordset.h"
#include "storage/segment.h"
#include "storage/segseal.h"

struct mapping;
struct segment_plan;
struct segfile_writer;
struct termbuild;
struct toolbox;

enum {
	TERM_SALT_BYTES = 32,
	SEGTERMS_VERSION = 2,
	SEGTERMS_BLIND_BYTES = 16,
	SEGTERMS_PAGE_BYTES = 4096,  /* at which a page is ended */
	SEGTERMS_INLINE_BYTES = 512, /* of a posting; longer ones have boxes of their own */
	SEGTERMS_GAP_ORDER = 2,
};

/* Of 256 records. */
struct segterms_tile {
	int64_t first_ns, last_ns;      /* of its first and last entry */
	int64_t earliest_ns, latest_ns; /* of its sure records' event times */
};

struct segterms_page {
	uint64_t lowest; /* digest */
	uint64_t at;     /* of its box, in the stream */
	uint32_t bytes;  /* of its box */
};

/* A head that was read: immutable. */
struct segterms {
	uint8_t salt[32], mapping[32];
	uint32_t count, n_tiles;
	uint64_t n_terms;
	unsigned digest_bits;
	struct segterms_tile *tiles;
	struct ordset unsure, controls;
	struct segterms_page *pages;
	size_t n_pages;
	size_t body_bytes; /* of the head, without the list of pages */
};

/* --- writing (termwrite.c) ------------------------------------------------------------------- */

/*
 * Writes the stream of what was gathered, and its root. Boxes are sealed for plan's segment. Errors
 * as termbuild_add; those of the file stick to it.
 */
int segterms_write(struct termbuild *b, const struct segment_plan *plan,
		   struct segfile_writer *file, struct toolbox *t, uint8_t root[32]);

/* --- reading --------------------------------------------------------------------------------- */

/*
 * Takes a head apart, all of it: STELE_EVERSION of another version; STELE_ESYNTAX when it is none
 * of count records; STELE_ENOMEM.
 */
int segterms_parse(struct segterms **out, struct slice head, uint32_t count);
/* NULL is fine. */
void segterms_free(struct segterms *s);
/* Memory that it takes. */
size_t segterms_bytes(const struct segterms *s);

/*
 * The head of an open segment's index: *out is NULL when it has none, or one of another version,
 * which is not asked and can only be replaced. STELE_EDAMAGED when it is not as above;
 * STELE_ENOMEM.
 */
int segterms_open(struct segterms **out, struct segment *s, struct toolbox *t);

/* The first 8 bytes of a term's digest, big-endian. text is at most LIMIT_TERM_BYTES. */
uint64_t term_digest(struct sha256 *h, const uint8_t salt[TERM_SALT_BYTES], enum field field,
		     struct slice text);

/* The digest that a term has in the index, of its bits; and the page that would have it. */
uint64_t segterms_digest(const struct segterms *terms, struct sha256 *h, enum field field,
			 struct slice text);
size_t segterms_page_of(const struct segterms *terms, uint64_t digest);

/*
 * Adds to *set, of the segment's count, the records that may have the term. STELE_EDAMAGED when
 * the index is not as above; STELE_ENOMEM. Any thread.
 */
int segterms_find(const struct segterms *terms, struct segment *s, enum field field,
		  struct slice text, struct ordset *set, struct toolbox *t);

/*
 * A page, taken apart entry by entry. Each entry's records are added to a set, or passed over.
 */
struct segterms_walk {
	const struct segterms *terms;
	struct bitreader *bits;
	uint64_t lowest, next_lowest; /* the page's */
	uint64_t low;                 /* the lowest that the next entry's digest can be */
	uint32_t left;                /* entries */
};

/* Where an entry's records are. */
struct segterms_place {
	bool elsewhere;
	uint64_t at;
	uint32_t bytes;
	uint8_t hash[32];
};

/* Begins with a page's plain bytes, which must outlive it: STELE_ESYNTAX. */
int segterms_walk_begin(struct segterms_walk *w, const struct segterms *terms, struct slice page,
			struct bitreader *bits);

/* The next entry's digest: 1 at the page's end, which is checked; STELE_ESYNTAX. */
int segterms_walk_next(struct segterms_walk *w, uint64_t *digest);

/*
 * After each segterms_walk_next: the entry's records, added to *set unless it is NULL; or, if
 * place->elsewhere, where they are. STELE_ESYNTAX.
 */
int segterms_walk_take(struct segterms_walk *w, struct ordset *set, struct segterms_place *place);

/*
 * Walks on to the entry of a digest: 0, and its records are in *set, or *place says where; 1 when
 * the page has none. Else as segterms_walk_next.
 */
int segterms_walk_find(struct segterms_walk *w, uint64_t digest, struct ordset *set,
		       struct segterms_place *place);

/* Adds what a posting that has a box of its own says, from its plain bytes: STELE_ESYNTAX. */
int segterms_posting_take(struct slice plain, uint32_t count, struct ordset *set);

/* The plain bytes of a box of the stream: STELE_EDAMAGED, STELE_ENOMEM. */
int segterms_box(struct segment *s, enum segment_box kind, uint64_t at, uint64_t bytes,
		 struct toolbox *t, struct buf *plain);
/* Those of the head: STELE_ENOTFOUND when the stream is empty. */
int segterms_head(struct segment *s, struct toolbox *t, struct buf *head);
/* Those of page i, and a walk through it, which they must outlive. */
int segterms_page(const struct segterms *terms, struct segment *s, size_t i, struct toolbox *t,
		  struct buf *plain, struct segterms_walk *w, struct bitreader *bits);
/* Adds what a posting with a box of its own has to *set. */
int segterms_posting(struct segment *s, const struct segterms_place *place, struct ordset *set,
		     struct toolbox *t);

/* --- verifying (termcheck.c) ------------------------------------------------------------------ */

/*
 * Reads all of an open segment's index: every page and posting is as above, and they lead to the
 * root in the manifest. Of one of another version, which nothing asks, it reads the head's
 * first byte alone. STELE_EDAMAGED, with why; STELE_ENOMEM.
 */
int segterms_verify(struct segment *s, struct toolbox *t, struct buf *why);

/*
 * Makes the index once more from the records, and compares: STELE_EDAMAGED when it says something
 * else, with why; STELE_ENOTFOUND when there is none, or it was made by another mapping. dir is for
 * a scratch file. Errors as segment_each and termbuild_add.
 */
int segterms_compare(struct segment *s, const struct mapping *mapping, const char *dir,
		     struct toolbox *t, struct buf *why);

#endif
