/* The index of a segment against its records' terms, one by one; wrong ones; heads bit by bit. */
#include "storage/segterms.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/le.h"
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
	uint64_t others = 0, wider = 0, there = 0, unsure = 0;

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
			others += ordset_count(&set, 0, set.count) > 64;
			wider += ordset_count(&set, 0, set.count) > 1;
			find(FIELD_TRACE_ID, terms.items[k].text, &set); /* ids are one kind */
			ck_assert(ordset_has(&set, ordinal));
		}
	}
	ck_assert_uint_gt(unsure, 50);
	ck_assert_uint_gt(there, 2000);
	ck_assert_uint_le(others,
			  there / 16); /* an id is in one record, and leads to a run of them */
	ck_assert_uint_gt(wider, there / 2);
	term_lister_free(l);
	ordset_fini(&set);
	arena_fini(&a);
	end();
}
END_TEST

START_TEST(what_is_not_there_is_hardly_found)
{
	struct ordset set;
	unsigned found = 0, records = 0;
	char text[32];

	begin();
	ck_assert(ordset_init(&set, (uint32_t)facts.count));
	for (int i = 0; i < 4000; i++) {
		snprintf(text, sizeof text, "absent-%d", i);
		find(i % 2 ? FIELD_ACTOR : FIELD_EVENT_ID, slice_str(text), &set);
		found += !ordset_empty(&set);
		records += ordset_count(&set, 0, set.count);
	}
	ck_assert_uint_le(found, 4000 / 4);
	ck_assert_uint_gt(found, 4000 / 16); /* else digests have more bits than they need */
	ck_assert_uint_le(records, 64 * found + 8 * 4000); /* some are under frequent ones */
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
		found +=
			ordset_has(&set, (uint32_t)(i - 256)); /* in a run, or under another term */
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
		ck_assert(err == 0 || err == (bit < 8 ? STELE_EVERSION : STELE_ESYNTAX));
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

/* Where the long postings of all pages are. */
static size_t
boxes_of(const struct segterms *terms, uint64_t *at, size_t most)
{
	struct segterms_place place;
	struct segterms_walk w;
	struct bitreader bits;
	struct buf page;
	uint64_t digest;
	size_t n = 0;

	buf_init(&page);
	for (size_t i = 0; i < terms->n_pages; i++) {
		ck_assert_int_eq(segterms_page(terms, s, i, f.t, &page, &w, &bits), 0);
		while (w.left) {
			ck_assert_int_eq(segterms_walk_next(&w, &digest), 0);
			ck_assert_int_eq(segterms_walk_take(&w, NULL, &place), 0);
			ck_assert_uint_lt(n, most);
			at[n] = place.at;
			n += place.elsewhere;
		}
	}
	buf_fini(&page);
	return n;
}

/* A second resource and an error are in the same records: one posting, named twice. */
START_TEST(terms_of_the_same_records_share_a_box)
{
	struct ordset one, two;
	uint64_t at[16];
	size_t n;

	begin();
	ck_assert(ordset_init(&one, (uint32_t)facts.count));
	ck_assert(ordset_init(&two, (uint32_t)facts.count));
	find(FIELD_RESOURCE, slice_str("arn:second"), &one);
	find(FIELD_OUTCOME, slice_str("failure"), &two);
	ck_assert_uint_gt(ordset_count(&one, 0, one.count), 3000);
	n = boxes_of(segment_terms(s), at, sizeof at / sizeof *at);
	ck_assert_uint_ge(n, 2);
	/* but when one of them shares its digest with another term, now and then */
	if (ordset_count(&one, 0, one.count) == ordset_count(&two, 0, two.count))
		ck_assert(at[0] == at[1] || (n > 2 && (at[1] == at[2] || at[0] == at[2])));
	for (uint32_t i = 0; i < one.count; i++)
		if (ordset_has(&one, i) && !ordset_has(&two, i))
			ck_assert_uint_ne(ordset_count(&one, 0, one.count),
					  ordset_count(&two, 0, two.count));
	ordset_fini(&one);
	ordset_fini(&two);
	end();
}
END_TEST

/* One byte of what is in a box: of the head, or of page 0. */
struct change {
	bool head;
	size_t at;
	uint8_t mask;
};

/* The terms stream with that byte another, in a box of its own making. */
static void
put_terms(struct segfile_writer *w, const struct change *c)
{
	enum segment_box kind = c->head ? SEGMENT_BOX_TERMS_HEAD : SEGMENT_BOX_TERMS;
	uint64_t n = segfile_bytes(segment_file(s), SEGMENT_TERMS), at, bytes;
	struct buf plain, stream;
	uint8_t ad[SEGMENT_AD_BYTES];

	buf_init(&plain);
	buf_init(&stream);
	ck_assert_int_eq(segfile_read(segment_file(s), SEGMENT_TERMS, 0, n, &stream), 0);
	bytes = c->head ? le_get32(stream.p + n - 4) : segment_terms(s)->pages[0].bytes;
	at = c->head ? n - 4 - bytes : segment_terms(s)->pages[0].at;
	ck_assert_int_eq(segterms_box(s, kind, at, bytes, f.t, &plain), 0);
	ck_assert_uint_lt(c->at, plain.n);
	plain.p[c->at] ^= c->mask;
	segment_box_ad(ad, facts.log_id, facts.first, facts.count, kind);
	aead_seal(stream.p + at, f.data_key, buf_slice(&plain), slice_of(ad, sizeof ad),
		  &f.t->random);
	segfile_put(w, SEGMENT_TERMS, buf_slice(&stream));
	buf_fini(&plain);
	buf_fini(&stream);
}

/* The terms of other records than the segment has: all events have the second resource. */
static void
put_wider(struct segfile_writer *w)
{
	const struct segterms *terms = segment_terms(s);
	struct merkle_frontier before;
	struct segment_record r;
	struct segment_plan plan;
	struct termbuild *b;
	uint8_t root[32];

	fixture_plan(&f, facts.first, RECORDS, &before, &plan);
	ck_assert_int_eq(
		termbuild_new(&b, f.mapping, terms->salt, terms->count, f.folder.dir, f.t->sha), 0);
	f.all_second = true;
	for (uint64_t i = facts.first; i < RECORDS; i++) {
		fixture_record(&f, i, &r);
		ck_assert_int_eq(termbuild_add(b, &r), 0);
	}
	f.all_second = false;
	ck_assert_int_eq(segterms_write(b, &plan, w, f.t, root), 0);
	termbuild_free(b);
}

/* The segment with that change, or with wider terms, as its next generation. */
static void
write_changed(const struct change *c, struct segment_facts *out)
{
	struct segfile_writer *w;
	struct buf stream;
	char path[PATH_MAX];
	struct stat sb;

	*out = facts;
	out->generation++;
	ck_assert_int_eq(segment_path(path, f.folder.dir, out, ".seg"), 0);
	unlink(path);
	ck_assert_int_eq(segfile_create(&w, path), 0);
	buf_init(&stream);
	for (int i = 0; i < SEGMENT_PARTS; i++) {
		uint64_t n = segfile_bytes(segment_file(s), i);

		if (i == SEGMENT_TERMS && c)
			put_terms(w, c);
		else if (i == SEGMENT_TERMS)
			put_wider(w);
		if (i == SEGMENT_TERMS)
			continue;
		ck_assert_int_eq(segfile_read(segment_file(s), i, 0, n, &stream), 0);
		segfile_put(w, i, buf_slice(&stream));
	}
	ck_assert_int_eq(segfile_end(w, out), 0);
	segfile_free(w);
	buf_fini(&stream);
	ck_assert_int_eq(stat(path, &sb), 0);
	out->file_bytes = (uint64_t)sb.st_size;
	ck_assert_int_eq(segment_hash_file(path, out->file_bytes, f.t, out->file_hash), 0);
}

START_TEST(an_index_of_another_version_is_as_good_as_none)
{
	static const uint8_t masks[] = {2 ^ 0, 2 ^ 1, 2 ^ 3, 2 ^ 255};
	struct segment_facts other;
	struct merkle_frontier before;
	struct segment *old;

	begin();
	for (size_t i = 0; i < sizeof masks; i++) {
		write_changed(&(struct change){true, 0, masks[i]}, &other);
		ck_assert_int_eq(fixture_open(&f, &other, &old), 0);
		ck_assert(!segment_terms(old) && !segment_terms_wrong(old));
		fixture_tree(&f, 256, &before);
		ck_assert_int_eq(segment_verify(old, &before, f.t, &f.why), 0);
		ck_assert_int_eq(segterms_compare(old, f.mapping, f.folder.dir, f.t, &f.why),
				 STELE_ENOTFOUND);
		segment_unref(old);
	}
	/* one of this version that does not follow it is damaged */
	write_changed(&(struct change){true, 65, 0xff}, &other); /* count */
	ck_assert_int_eq(fixture_open(&f, &other, &old), 0);
	ck_assert(!segment_terms(old) && segment_terms_wrong(old));
	fixture_tree(&f, 256, &before);
	ck_assert_int_eq(segment_verify(old, &before, f.t, &f.why), STELE_EDAMAGED);
	segment_unref(old);
	end();
}
END_TEST

/* Every bit of an entry says something of the records, and they are asked. */
START_TEST(an_entry_of_other_records_is_found_wrong)
{
	struct segment_facts other;
	struct segment *bad;

	begin();
	for (size_t i = 0; i < 24; i++) {
		write_changed(&(struct change){false, 34 + i * 97, (uint8_t)(1u << i % 8)}, &other);
		ck_assert_int_eq(fixture_open(&f, &other, &bad), 0);
		ck_assert_int_eq(segterms_compare(bad, f.mapping, f.folder.dir, f.t, &f.why),
				 STELE_EDAMAGED);
		ck_assert_int_eq(segterms_verify(bad, f.t, &f.why), STELE_EDAMAGED);
		segment_unref(bad);
	}
	write_changed(NULL, &other);
	ck_assert_int_eq(fixture_open(&f, &other, &bad), 0);
	ck_assert_int_eq(segterms_compare(bad, f.mapping, f.folder.dir, f.t, &f.why),
			 STELE_EDAMAGED);
	segment_unref(bad);
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
		terms_of_the_same_records_share_a_box,
		an_index_of_another_version_is_as_good_as_none,
		an_entry_of_other_records_is_found_wrong,
	};

	return suite_run("segterms", tests, sizeof tests / sizeof *tests, 120);
}
