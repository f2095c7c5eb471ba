/* The index of a segment against its records' terms, one by one; wrong ones; heads bit by bit. */
#include "storage/segterms.h"

#include "proto/terms.h"
#include "segment_fixture.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "storage/termbuild.h"
#include "suite.h"

enum { RECORDS = 7000 }; /* postings of half of them do not fit a page */

static struct fixture f;
static struct segment_facts facts;
static struct segment *s;

static void
begin(void)
{
	fixture_init(&f, RECORDS);
	f.events = true;
	fixture_hash(&f);
	fixture_build(&f, 256, RECORDS, &facts);
	ck_assert_int_eq(fixture_open(&f, &facts, &s), 0);
}

static void
end(void)
{
	segment_unref(s);
	fixture_fini(&f);
}

/* What the index is to say of a record; its terms are the arena's. */
static bool
terms_of(struct term_lister *l, uint64_t i, struct arena *a, struct terms *out)
{
	struct segment_record r;

	fixture_record(&f, i, &r);
	const struct match_record record = {
		.payload = r.payload, .received_ns = r.time_ns, .writer = r.writer};
	if (r.kind != ENTRY_RECORD || r.object)
		return false;
	ck_assert_int_eq(term_lister_run(l, &record, a, out), 0);
	return !(out->flags & (MATCH_NOT_JSON | MATCH_NO_SCHEMA));
}

static void
find(enum field field, struct slice text, struct ordset *set)
{
	ordset_clear(set);
	ck_assert_int_eq(segterms_find(segment_terms(s), s, field, text, set, f.t), 0);
}

START_TEST(every_term_leads_to_its_record_and_hardly_to_others)
{
	struct term_lister *l;
	struct ordset set;
	struct arena a;
	uint64_t others = 0, there = 0, unsure = 0;

	begin();
	arena_init(&a);
	ck_assert(ordset_init(&set, (uint32_t)facts.count));
	ck_assert_ptr_nonnull(segment_terms(s));
	l = term_lister_new(&f.mapping->set, -1);
	for (uint64_t i = facts.first; i < RECORDS; i += 3) {
		struct terms terms = {.n = 0};
		uint32_t ordinal = (uint32_t)(i - facts.first);
		struct segment_record r;
		bool sure;

		arena_reset(&a);
		sure = terms_of(l, i, &a, &terms);
		fixture_record(&f, i, &r);
		ck_assert(ordset_has(&segment_terms(s)->controls, ordinal) ==
			  (r.kind != ENTRY_RECORD));
		ck_assert(ordset_has(&segment_terms(s)->unsure, ordinal) ==
			  (!sure && r.kind == ENTRY_RECORD));
		unsure += !sure;
		for (size_t k = 0; sure && k < terms.n; k++) {
			find(terms.items[k].field, terms.items[k].text, &set);
			ck_assert_msg(ordset_has(&set, ordinal), "record %llu, term %zu",
				      (unsigned long long)i, k);
			if (terms.items[k].field != FIELD_EVENT_ID)
				continue;
			there++;
			others += ordset_count(&set, 0, set.count) > 1;
			find(FIELD_TRACE_ID, terms.items[k].text, &set); /* ids are one kind */
			ck_assert(ordset_has(&set, ordinal));
		}
	}
	ck_assert_uint_gt(unsure, 50);
	ck_assert_uint_gt(there, 2000);
	ck_assert_uint_le(others, there / 16); /* an id is in one record */
	term_lister_free(l);
	ordset_fini(&set);
	arena_fini(&a);
	end();
}
END_TEST

START_TEST(what_is_not_there_is_hardly_found)
{
	struct ordset set;
	unsigned found = 0;
	char text[32];

	begin();
	ck_assert(ordset_init(&set, (uint32_t)facts.count));
	for (int i = 0; i < 4000; i++) {
		snprintf(text, sizeof text, "absent-%d", i);
		find(i % 2 ? FIELD_ACTOR : FIELD_EVENT_ID, slice_str(text), &set);
		found += !ordset_empty(&set);
	}
	ck_assert_uint_le(found, 4000 / 16); /* once in 64 times at most */
	/* the same text in another field is another term */
	ck_assert_uint_ne(
		term_digest(f.t->sha, segment_terms(s)->salt, FIELD_ACTOR, slice_str("a")),
		term_digest(f.t->sha, segment_terms(s)->salt, FIELD_RESOURCE, slice_str("a")));
	ordset_fini(&set);
	end();
}
END_TEST

START_TEST(tiles_have_the_times_of_their_entries_and_sure_records)
{
	struct term_lister *l;
	struct arena a;

	begin();
	arena_init(&a);
	l = term_lister_new(&f.mapping->set, -1);
	for (uint32_t t = 0; t < segment_terms(s)->n_tiles; t++) {
		struct segterms_tile want = {.earliest_ns = INT64_MAX, .latest_ns = INT64_MIN};
		const struct segterms_tile *got = &segment_terms(s)->tiles[t];

		for (uint64_t i = facts.first + t * 256ull;
		     i < RECORDS && i < facts.first + (t + 1) * 256ull; i++) {
			struct segment_record r;
			struct terms terms;

			fixture_record(&f, i, &r);
			want.first_ns = i % 256 ? want.first_ns : r.time_ns;
			want.last_ns = r.time_ns;
			arena_reset(&a);
			if (!terms_of(l, i, &a, &terms))
				continue;
			if (terms.earliest_ns < want.earliest_ns)
				want.earliest_ns = terms.earliest_ns;
			if (terms.latest_ns > want.latest_ns)
				want.latest_ns = terms.latest_ns;
		}
		ck_assert_mem_eq(&want, got, sizeof want);
	}
	term_lister_free(l);
	arena_fini(&a);
	end();
}
END_TEST

START_TEST(an_index_of_fewer_schemas_or_other_records_is_found_wrong)
{
	struct mapping wrong;
	struct segment_facts other;
	struct segment *bad;

	begin();
	ck_assert_int_eq(segterms_compare(s, f.mapping, f.folder.dir, f.t, &f.why), 0);
	/* made with the schemas but the one that fits, and said to be made with all */
	wrong = *f.mapping;
	wrong.set.n = 1;
	f.mapping = &wrong;
	fixture_build(&f, 0, RECORDS, &other);
	ck_assert_int_eq(fixture_open(&f, &other, &bad), 0);
	f.mapping = mapping_builtin(&f.arena, f.t->sha);
	ck_assert_int_eq(segterms_compare(bad, f.mapping, f.folder.dir, f.t, &f.why),
			 STELE_EDAMAGED);
	ck_assert_uint_gt(f.why.n, 0);
	segment_unref(bad);
	/* one that says that it is of other schemas is none to compare */
	wrong.digest[0] ^= 1;
	ck_assert_int_eq(segterms_compare(s, &wrong, f.folder.dir, f.t, &f.why), STELE_ENOTFOUND);
	end();
}
END_TEST

START_TEST(a_segment_without_mapping_has_no_index_and_verifies)
{
	struct segment_facts other;
	struct segment *none;
	struct merkle_frontier before;
	uint8_t empty[32];

	begin();
	f.mapping = NULL;
	fixture_build(&f, 0, RECORDS, &other);
	ck_assert_int_eq(fixture_open(&f, &other, &none), 0);
	ck_assert(!segment_terms(none) && !segment_terms_wrong(none));
	fixture_tree(&f, 0, &before);
	ck_assert_int_eq(segment_verify(none, &before, f.t, &f.why), 0);
	sha256_hash(f.t->sha, empty, slice_of("", 0));
	ck_assert_mem_eq(other.terms_root, empty, 32);
	segment_unref(none);
	end();
}
END_TEST

/* The fixture's records, but that every 5th event was purged. */
static int
next_thinned(void *ctx, struct segment_record *r)
{
	uint64_t at = f.at;
	int err = fixture_next(ctx, r);

	if (err != 0 || at % 5 || r->kind != ENTRY_RECORD)
		return err;
	fixture_record(&f, at, r); /* with its commitment, which is kept */
	r->gone = true;
	r->purge = RECORDS;
	r->object = false;
	r->has_key = false;
	r->payload = slice_of(NULL, 0);
	r->seed = NULL;
	memset(r->salt, 0, sizeof r->salt);
	return 0;
}

START_TEST(nothing_of_what_was_purged_is_in_the_next_generation)
{
	const struct segment_source source = {&f, fixture_rewind, next_thinned};
	struct merkle_frontier before;
	struct segment_facts thinned;
	struct segment_plan plan;
	struct ordset set;
	unsigned found = 0, looked = 0;
	char text[32];

	begin();
	fixture_plan(&f, 256, RECORDS, &before, &plan);
	plan.facts.generation = 2;
	ck_assert_int_eq(segment_build(&plan, &source, f.t, &thinned, &f.why), 0);
	segment_unref(s);
	ck_assert_int_eq(fixture_open(&f, &thinned, &s), 0);
	ck_assert_uint_gt(thinned.purged, 400);
	ck_assert_int_eq(segterms_compare(s, f.mapping, f.folder.dir, f.t, &f.why), 0);
	ck_assert(ordset_init(&set, (uint32_t)thinned.count));
	for (uint64_t i = 260; i < RECORDS; i += 5) {
		if (i % 500 == 499 || i % 31 == 0 || i % 401 == 200)
			continue;
		ck_assert(ordset_has(&segment_terms(s)->unsure, (uint32_t)(i - 256)));
		snprintf(text, sizeof text, "id-%llu", (unsigned long long)i);
		find(FIELD_EVENT_ID, slice_str(text), &set);
		ck_assert(!ordset_has(&set, (uint32_t)(i - 256)));
		found += !ordset_empty(&set);
		looked++;
	}
	ck_assert_uint_gt(looked, 400);
	ck_assert_uint_le(found, looked / 16);
	/* and digests of one generation are not those of another */
	ck_assert_mem_ne(thinned.terms_root, facts.terms_root, 32);
	ordset_fini(&set);
	end();
}
END_TEST

/* The root covers every page and the head: with another one in the manifest nothing verifies. */
START_TEST(a_root_that_is_not_the_pages_is_refused)
{
	struct segment_facts other;
	struct segment *again;

	begin();
	ck_assert_int_eq(segterms_verify(s, f.t, &f.why), 0);
	other = facts;
	other.terms_root[7] ^= 1;
	ck_assert_int_eq(fixture_open(&f, &other, &again), 0);
	ck_assert_int_eq(segterms_verify(again, f.t, &f.why), STELE_EDAMAGED);
	segment_unref(again);
	end();
}
END_TEST

START_TEST(heads_that_are_cut_or_altered_are_refused_or_read_safely)
{
	struct segterms *terms;
	struct buf head;
	unsigned refused = 0;

	begin();
	buf_init(&head);
	ck_assert_int_eq(segterms_head(s, f.t, &head), 0);
	ck_assert_int_eq(segterms_parse(&terms, buf_slice(&head), (uint32_t)facts.count), 0);
	ck_assert_mem_eq(terms->mapping, f.mapping->digest, 32);
	segterms_free(terms);
	ck_assert_int_eq(segterms_parse(&terms, buf_slice(&head), (uint32_t)facts.count + 1),
			 STELE_ESYNTAX);
	for (size_t n = 0; n < head.n; n++)
		ck_assert_int_eq(segterms_parse(&terms, slice_of(head.p, n), (uint32_t)facts.count),
				 STELE_ESYNTAX);
	for (size_t bit = 0; bit < head.n * 8; bit++) {
		int err;

		head.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		err = segterms_parse(&terms, buf_slice(&head), (uint32_t)facts.count);
		ck_assert(err == 0 || err == STELE_ESYNTAX);
		if (err == 0)
			segterms_free(terms);
		refused += err != 0;
		head.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_uint_gt(refused, 100);
	buf_fini(&head);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_term_leads_to_its_record_and_hardly_to_others,
		what_is_not_there_is_hardly_found,
		tiles_have_the_times_of_their_entries_and_sure_records,
		an_index_of_fewer_schemas_or_other_records_is_found_wrong,
		a_segment_without_mapping_has_no_index_and_verifies,
		nothing_of_what_was_purged_is_in_the_next_generation,
		a_root_that_is_not_the_pages_is_refused,
		heads_that_are_cut_or_altered_are_refused_or_read_safely,
	};

	return suite_run("segterms", tests, sizeof tests / sizeof *tests, 120);
}
