/*
 * Search certificates over a real store, part by part as the server makes them, so that a test can
 * alter any of it and sign it again.
 */
#ifndef STELE_TESTS_UNIT_CERTIFICATE_CASE_H
#define STELE_TESTS_UNIT_CERTIFICATE_CASE_H

#include "storage/certcheck.h"

#include "crypto/identity.h"
#include "crypto/init.h"
#include "proto/note.h"
#include "sealed_log.h"
#include "storage/mapping.h"
#include "storage/seek.h"
#include "storage/segterms.h"
#include "storage/termproof.h"
#include "suite.h"

enum { SEALED = 6001, SIZE = 6040, PARTS = 4, KINDS = 50 };

/* Of record i: a kind of 50, one of three subjects in no order, an id of its own. */
static inline unsigned
subject_of(uint64_t i)
{
	return (unsigned)((i * 2654435761u >> 7) % 3);
}

static inline struct slice
payload(uint64_t i)
{
	static char text[200];

	if (i % 1000 == 999)
		return slice_str("{\"no\":\"schema\"}");
	snprintf(text, sizeof text,
		 "{\"specversion\":\"1.0\",\"id\":\"id-%llu\",\"source\":\"/s\",\"type\":\"t%llu\","
		 "\"subject\":\"u%u\"}",
		 (unsigned long long)i, (unsigned long long)(i % KINDS), subject_of(i));
	return slice_str(text);
}

static inline bool
is_kind_7(uint64_t i)
{
	return i % KINDS == 7 && i % 1000 != 999;
}

static inline bool
is_subject_1(uint64_t i)
{
	return i && i % 1000 != 999 && subject_of(i) == 1;
}

static inline bool
is_nothing(uint64_t i)
{
	(void)i;
	return false;
}

/* --- a certificate, as the server makes it -----------------------------------------------------
 */

struct made {
	struct scratch *s;
	struct log *log;
	struct arena arena;
	struct certificate said;
	struct certificate_source source;
	struct certificate_part part[PARTS];
	size_t n_parts;
	struct buf file;
	struct made *lender;      /* whose parts it has; freed with it */
	bool by_identity;         /* signed by it */
	struct log *other;        /* or by that log's key */
	char vkey[256];           /* what is trusted */
	char check[32], why[512]; /* said last */
	bool complete;
};

static struct scratch scratch;
static struct log *first, *second;

static inline void
setup(void)
{
	scratch_begin(&scratch);
	first = scratch_log(&scratch, "a", "{}");
	second = scratch_log(&scratch, "b", "{}");
	scratch_fill(&scratch, first, SEALED, 64, payload);
	scratch_fill(&scratch, second, SEALED, 64, payload);
	sealed_log_seal(&scratch, first);
	sealed_log_seal(&scratch, second);
	scratch_fill(&scratch, first, SIZE, 64, payload);
	scratch_fill(&scratch, second, SIZE, 64, payload);
}

static inline struct certificate_hashes
grown(struct made *m, uint64_t from, uint64_t to)
{
	struct proof *p = arena_alloc(&m->arena, sizeof *p);

	ck_assert_int_eq(read_consistency(m->s->st, m->log, from, to, m->s->tools, p), 0);
	return (struct certificate_hashes){(const uint8_t(*)[32])p->hash, p->n};
}

static inline struct slice
keep(struct made *m, const struct buf *b)
{
	return slice_of(arena_dup(&m->arena, b->p, b->n), b->n);
}

static inline void
take_source(struct made *m)
{
	struct logkeys *keys = log_keys(m->log);
	struct head *head = log_head(m->log);
	struct slice *list = arena_alloc(&m->arena, sizeof *list);
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(logkeys_put_statement(keys, 0, &b), 0);
	*list = keep(m, &b);
	buf_fini(&b);
	m->source = (struct certificate_source){
		.origin = slice_str(log_origin(m->log)),
		.keys = list,
		.n_keys = 1,
		.checkpoint =
			slice_of(arena_dup(&m->arena, head->note, head->note_len), head->note_len),
		.grown = grown(m, m->said.logs[0].size, head->size)};
	head_unref(head);
	logkeys_unref(keys);
}

static inline void
put_matches(struct made *m, struct certificate_part *p, uint64_t from, uint64_t to,
	    bool (*matches)(uint64_t))
{
	struct certificate_range *list = arena_alloc(&m->arena, (to - from + 1) * sizeof *list);

	p->matched = list;
	for (uint64_t i = from; i < to; i++) {
		if (!matches(i))
			continue;
		m->said.logs[0].matched++;
		if (p->n_matched && list[p->n_matched - 1].last + 1 == i)
			list[p->n_matched - 1].last = i;
		else
			list[p->n_matched++] = (struct certificate_range){i, i};
	}
}

/* The segment at index 0, shown. */
static inline void
show(struct made *m, const struct filter *f, struct certificate_part *p, uint64_t *end)
{
	struct segment *segment;
	struct seek_range range;
	struct buf b;

	ck_assert_int_eq(seek_open(m->log, 0, m->s->tools, &range, &segment), 0);
	ck_assert_int_eq(termproof_make(segment, f, m->said.mapping, m->s->tools, &m->arena, p), 0);
	buf_init(&b);
	ck_assert_int_eq(termproof_manifest(m->log, segment, &b), 0);
	p->manifest = keep(m, &b);
	buf_fini(&b);
	p->shown = true;
	*end = range.count;
	segment_unref(segment);
}

static inline void
make(struct made *m, struct log *log, const char *filter, uint64_t size, bool (*matches)(uint64_t))
{
	struct certificate_log *l;
	struct identity *id = store_identity(scratch.st);
	struct text_error e;
	struct filter f;
	uint64_t end = 0;

	memset(m, 0, sizeof *m);
	m->s = &scratch;
	m->log = log;
	arena_init(&m->arena);
	snprintf(m->vkey, sizeof m->vkey, "%s", identity_vkey(id));
	identity_unref(id);
	ck_assert_int_eq(filter_parse(&f, &m->arena, slice_str(filter), &e), 0);
	m->said = (struct certificate){.issuer = slice_str(log_origin(log)),
				       .time_ns = scratch.now_ns,
				       .filter = slice_str(filter),
				       .n_logs = 1};
	memcpy(m->said.mapping, mapping_builtin(&m->arena, m->s->tools->sha)->digest, 32);
	l = &m->said.logs[0];
	*l = (struct certificate_log){.origin = slice_str(log_origin(log)), .size = size};
	l->scanned = size - 1;
	ck_assert_int_eq(read_root(m->s->st, log, size, m->s->tools, l->root), 0);
	take_source(m);
	show(m, &f, &m->part[0], &end);
	m->part[0].grown = grown(m, end, SIZE);
	m->n_parts = 1;
	put_matches(m, &m->part[0], 0, end < size ? end : size, matches);
	if (end < size) {
		m->part[m->n_parts] = (struct certificate_part){.first = end, .last = size - 1};
		put_matches(m, &m->part[m->n_parts++], end, size, matches);
	}
}

/* Some more matches in the first part, counted and hashed as is due. */
static inline void
add_match(struct made *m, uint64_t index)
{
	struct certificate_part *p = &m->part[0];
	struct certificate_range *list = arena_alloc(&m->arena, (p->n_matched + 1) * sizeof *list);
	size_t n = 0, i = 0;

	for (; i < p->n_matched && p->matched[i].first < index; i++)
		list[n++] = p->matched[i];
	list[n++] = (struct certificate_range){index, index};
	for (; i < p->n_matched; i++)
		list[n++] = p->matched[i];
	p->matched = list;
	p->n_matched = n;
	m->said.logs[0].matched++;
}

/* What the segment's index has under a term, and all that it is not sure of. */
static inline void
find_ordinals(struct made *m, enum field field, const char *text, struct ordset *set)
{
	struct segment *segment;
	struct seek_range range;

	ck_assert_int_eq(seek_open(m->log, 0, m->s->tools, &range, &segment), 0);
	ck_assert(ordset_init(set, (uint32_t)range.count));
	ck_assert_int_eq(segterms_find(segment_terms(segment), segment, field, slice_str(text), set,
				       m->s->tools),
			 0);
	ordset_or(set, &segment_terms(segment)->unsure);
	segment_unref(segment);
}

/* Digest of what the parts list. */
static inline void
hash_matches(struct made *m)
{
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < m->n_parts; i++)
		for (size_t k = 0; k < m->part[i].n_matched; k++)
			for (uint64_t at = m->part[i].matched[k].first;
			     at <= m->part[i].matched[k].last; at++)
				buf_printf(&b, "%llu\n", (unsigned long long)at);
	sha256_hash(m->s->tools->sha, m->said.logs[0].matches, buf_slice(&b));
	buf_fini(&b);
}

static inline void
sign(struct made *m, struct slice text)
{
	struct identity *id = store_identity(m->s->st);
	const struct signer *signer = identity_signer(id);
	struct logkeys *keys = log_keys(m->other ? m->other : m->log);

	if (m->by_identity)
		sign_note(&m->file, text, &signer, 1);
	else
		logkeys_sign(keys, text, &m->file);
	logkeys_unref(keys);
	identity_unref(id);
}

static inline void
write_file(struct made *m)
{
	struct buf text;

	buf_init(&text);
	buf_reset(&m->file);
	certificate_put_begin(&m->file);
	certificate_put_source(&m->file, &m->source);
	for (size_t i = 0; i < m->n_parts; i++)
		certificate_put_part(&m->file, &m->part[i]);
	m->said.evidence_bytes = m->file.n;
	sha256_hash(m->s->tools->sha, m->said.evidence, buf_slice(&m->file));
	ck_assert_int_eq(certificate_put(&text, &m->said), 0);
	buf_put_u8(&m->file, '\n');
	sign(m, buf_slice(&text));
	buf_fini(&text);
	ck_assert_int_eq(m->file.err, 0);
}

static inline void
hear(void *ctx, const char *check, enum certcheck_result result, struct slice text)
{
	struct made *m = ctx;

	(void)result;
	snprintf(m->check, sizeof m->check, "%s", check);
	snprintf(m->why, sizeof m->why, "%.*s", (int)text.n, (const char *)text.p);
}

static inline int
check(struct made *m)
{
	const struct certcheck_sink sink = {hear, NULL, m};
	struct receipt_trust trust;

	ck_assert_int_eq(receipt_trust_init(&trust, m->s->tools->sha, slice_str(m->vkey)), 0);
	return certcheck(buf_slice(&m->file), &trust, true, &sink, &m->complete);
}

static inline void
unmake(struct made *m)
{
	if (m->lender)
		unmake(m->lender);
	free(m->lender);
	arena_fini(&m->arena);
	buf_fini(&m->file);
}

/* Bytes that are the arena's, one of them another. */
static inline struct slice
altered(struct made *m, struct slice s, size_t at)
{
	uint8_t *p = arena_dup(&m->arena, s.p, s.n);

	p[at] ^= 1;
	return slice_of(p, s.n);
}

#endif
