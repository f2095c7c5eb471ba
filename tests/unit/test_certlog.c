/* Whoever has the log's own key cannot sign anything else about a sealed segment. */
#include "certificate_case.h"

/* --- what a server could sign ------------------------------------------------------------------
 */

/* The same search of the other log. */
static void
make_other(struct made *other, const struct made *m)
{
	make(other, second, (const char *)m->said.filter.p, SIZE, is_kind_7);
}

static struct certificate_page *
pages_of(struct made *m)
{
	struct certificate_page *p =
		arena_dup(&m->arena, m->part[0].pages, m->part[0].n_pages * sizeof *p);

	m->part[0].pages = p;
	return p;
}

static void
alter_page(struct made *m)
{
	struct certificate_page *p = pages_of(m);

	p->bytes = altered(m, p->bytes, p->bytes.n / 2);
}

static void
alter_blind(struct made *m)
{
	struct certificate_page *p = pages_of(m);

	p->bytes = altered(m, p->bytes, 0);
}

static void
alter_page_proof(struct made *m)
{
	struct certificate_page *p = pages_of(m);
	uint8_t(*hash)[32] = arena_dup(&m->arena, p->proof.hash, p->proof.n * 32);

	ck_assert_uint_ge(p->proof.n, 1);
	hash[0][3] ^= 1;
	p->proof.hash = (const uint8_t(*)[32])hash;
}

/* A page that has not the term, of another filter: numbered as it is, or as the one asked for. */
static void
put_another_page(struct made *m, bool renumber)
{
	struct made *found = calloc(1, sizeof *found);
	struct certificate_page *p = pages_of(m);
	char filter[64];

	for (int i = 0; i < 200; i++) {
		snprintf(filter, sizeof filter, "event_id = \"id-%d\"", i * 7 + 1);
		make(found, m->log, filter, SIZE, is_nothing);
		if (found->part[0].pages[0].number != p->number)
			break;
		unmake(found);
	}
	ck_assert_uint_ne(found->part[0].pages[0].number, p->number);
	*p = (struct certificate_page){
		renumber ? p->number : found->part[0].pages[0].number,
		slice_of(arena_dup(&m->arena, found->part[0].pages[0].bytes.p,
				   found->part[0].pages[0].bytes.n),
			 found->part[0].pages[0].bytes.n),
		{(const uint8_t(*)[32])arena_dup(&m->arena, found->part[0].pages[0].proof.hash,
						 found->part[0].pages[0].proof.n * 32),
		 found->part[0].pages[0].proof.n}};
	unmake(found);
	free(found);
}

static void
show_another_page(struct made *m)
{
	put_another_page(m, false);
}

static void
show_another_page_as_this(struct made *m)
{
	put_another_page(m, true);
}

static void
leave_out_pages(struct made *m)
{
	m->part[0].n_pages = 0;
}

static void
add_a_page(struct made *m)
{
	struct certificate_page *p = arena_alloc(&m->arena, 2 * sizeof *p), had = *pages_of(m),
				more;

	put_another_page(m, false);
	more = m->part[0].pages[0];
	p[had.number < more.number ? 0 : 1] = had;
	p[had.number < more.number ? 1 : 0] = more;
	m->part[0].pages = p;
	m->part[0].n_pages = 2;
}

static void
alter_head(struct made *m)
{
	m->part[0].head = altered(m, m->part[0].head, m->part[0].head.n / 3);
}

static void
alter_salt(struct made *m)
{
	m->part[0].head = altered(m, m->part[0].head, 1);
}

static void
take_another_head(struct made *m)
{
	struct made *o = calloc(1, sizeof *o);

	make_other(o, m);
	m->part[0].head = slice_of(arena_dup(&m->arena, o->part[0].head.p, o->part[0].head.n),
				   o->part[0].head.n);
	unmake(o);
	free(o);
}

/* All of the other log's segment, as if it were this one's. */
static void
take_another_segment(struct made *m)
{
	struct made *o = calloc(1, sizeof *o);

	make_other(o, m);
	m->part[0] = o->part[0];
	m->lender = o;
}

static struct slice
manifest_text(struct slice signed_note)
{
	struct note note;

	ck_assert_int_eq(note_parse(&note, signed_note), 0);
	return note.text;
}

static void
sign_manifest_by_another(struct made *m)
{
	struct logkeys *keys = log_keys(second);
	struct buf b;

	buf_init(&b);
	logkeys_sign(keys, manifest_text(m->part[0].manifest), &b);
	m->part[0].manifest = keep(m, &b);
	buf_fini(&b);
	logkeys_unref(keys);
}

static void
alter_manifest(struct made *m)
{
	m->part[0].manifest = altered(m, m->part[0].manifest, 150);
}

static void
alter_growth(struct made *m)
{
	uint8_t(*hash)[32] = arena_dup(&m->arena, m->part[0].grown.hash, m->part[0].grown.n * 32);

	hash[0][0] ^= 1;
	m->part[0].grown.hash = (const uint8_t(*)[32])hash;
}

static void
match_what_is_ruled_out(struct made *m)
{
	struct ordset set;
	uint32_t at = 1230;

	find_ordinals(m, FIELD_EVENT_TYPE, "t7", &set);
	while (ordset_has(&set, at)) /* another term of the same digest may have it */
		at++;
	add_match(m, at);
	ordset_fini(&set);
}

static void
match_a_control_entry(struct made *m)
{
	add_match(m, 0);
}

static void
match_beyond_the_segment(struct made *m)
{
	add_match(m, SEALED + 3);
}

static void
say_more_matched(struct made *m)
{
	m->said.logs[0].matched++;
}

static void
say_fewer_matched(struct made *m)
{
	m->said.logs[0].matched--;
}

static void
say_less_scanned(struct made *m)
{
	m->said.logs[0].scanned = SEALED - 2;
}

static void
say_more_scanned(struct made *m)
{
	m->said.logs[0].scanned = SIZE;
}

static void
say_more_unparsed(struct made *m)
{
	m->said.logs[0].unparsed = 1000;
}

static void
leave_out_the_tail(struct made *m)
{
	m->n_parts = 1;
	m->said.logs[0].matched -= m->part[1].n_matched;
}

static void
leave_out_the_segment(struct made *m)
{
	m->said.logs[0].matched -= m->part[0].n_matched;
	m->part[0] = m->part[1];
	m->n_parts = 1;
}

static void
tell_it_twice(struct made *m)
{
	m->part[2] = m->part[1];
	m->part[1] = m->part[0];
	m->n_parts = 3;
	m->said.logs[0].matched += m->part[0].n_matched;
}

static void
scan_too_far(struct made *m)
{
	m->part[1].last++;
}

static void
alter_root(struct made *m)
{
	m->said.logs[0].root[0] ^= 1;
}

static void
alter_size(struct made *m)
{
	m->said.logs[0].size--;
	m->said.logs[0].scanned--;
	m->part[1].last--;
}

static void
take_another_checkpoint(struct made *m)
{
	struct made *o = calloc(1, sizeof *o);

	make_other(o, m);
	m->source.checkpoint =
		slice_of(arena_dup(&m->arena, o->source.checkpoint.p, o->source.checkpoint.n),
			 o->source.checkpoint.n);
	unmake(o);
	free(o);
}

static void
leave_out_keys(struct made *m)
{
	m->source.n_keys = 0;
}

static void
alter_mapping(struct made *m)
{
	m->said.mapping[0] ^= 1;
}

static void
ask_for_something_else(struct made *m)
{
	m->said.filter = slice_str("event_type = \"t8\"");
}

static void
ask_what_no_index_answers(struct made *m)
{
	m->said.filter = slice_str("user.name = \"t7\"");
}

static void
sign_by_another(struct made *m)
{
	m->other = second;
}

static void
sign_by_the_identity(struct made *m)
{
	m->by_identity = true;
}

static void
state_another_issuer(struct made *m)
{
	m->said.issuer = slice_str(log_origin(second));
	m->other = second;
}

struct lie {
	void (*tell)(struct made *m);
	const char *check, *why; /* what refuses it */
};

static const struct lie lies[] = {
	{alter_page, "index", "is not the one that the manifest has"},
	{alter_blind, "index", "is not the one that the manifest has"},
	{alter_page_proof, "index", "is not the one that the manifest has"},
	{show_another_page, "index", "is or would be, is not shown"},
	{show_another_page_as_this, "index", "is not the one that the manifest has"},
	{leave_out_pages, "index", "is or would be, is not shown"},
	{add_a_page, "index", "is shown without need"},
	{alter_head, "index", "head of the index"},
	{alter_salt, "index", "head of the index"},
	{take_another_head, "index", "head of the index"},
	{take_another_segment, "index", "another log"},
	{sign_manifest_by_another, "index", "not signed by a key that may speak for it"},
	{alter_manifest, "index", "manifest"},
	{alter_growth, "index", "not of the signed tree"},
	{match_what_is_ruled_out, "index", "its segment's index says that it does not"},
	{match_a_control_entry, "index", "record 0 is said to match"},
	{match_beyond_the_segment, "index", "does not lie where it is said to match"},
	{say_more_matched, "index", "lists others"},
	{say_fewer_matched, "index", "lists others"},
	{say_less_scanned, "index", "there are others"},
	{say_more_scanned, "index", "there are others"},
	{say_more_unparsed, "index", "more records than there can be"},
	{leave_out_the_tail, "index", "nothing is said of entries"},
	{leave_out_the_segment, "index", "the next one is 0"},
	{tell_it_twice, "index", "a segment begins at 0"},
	{scan_too_far, "index", "are said to be scanned"},
	{alter_root, "checkpoint", "no beginning of the signed one"},
	{alter_size, "checkpoint", "no beginning of the signed one"},
	{take_another_checkpoint, "checkpoint", ""},
	{leave_out_keys, "checkpoint", ""},
	{alter_mapping, "index", "made by another mapping"},
	{ask_for_something_else, "index", ""},
	{ask_what_no_index_answers, "index", "cannot answer this filter"},
	{sign_by_another, "signature", "is not signed by"},
	{sign_by_the_identity, "signature", "is not signed by"},
	{state_another_issuer, "signature", "is not signed by"},
};

START_TEST(the_logs_own_key_cannot_sign_anything_else)
{
	setup();
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct made m;

		make(&m, first, "event_type = \"t7\"", SIZE, is_kind_7);
		lies[i].tell(&m);
		hash_matches(&m);
		write_file(&m);
		ck_assert_msg(check(&m) == STELE_EVERIFY, "lie %zu holds", i);
		ck_assert_msg(strcmp(m.check, lies[i].check) == 0 && strstr(m.why, lies[i].why),
			      "lie %zu: %s: %s", i, m.check, m.why);
		unmake(&m);
	}
	scratch_end(&scratch);
}
END_TEST

/* A digest of matches that are not those listed. */
START_TEST(the_digest_of_matches_is_held_against_their_list)
{
	struct made m;

	setup();
	make(&m, first, "event_type = \"t7\"", SIZE, is_kind_7);
	hash_matches(&m);
	m.said.logs[0].matches[5] ^= 1;
	write_file(&m);
	ck_assert_int_eq(check(&m), STELE_EVERIFY);
	ck_assert_ptr_nonnull(strstr(m.why, "lists others"));
	unmake(&m);
	scratch_end(&scratch);
}
END_TEST

/* --- postings with boxes of their own ----------------------------------------------------------
 */

static void
leave_out_posting(struct made *m)
{
	m->part[0].n_postings = 0;
}

static void
shorten_posting(struct made *m)
{
	struct slice *p = arena_dup(&m->arena, m->part[0].postings, sizeof *p);

	p->n--;
	m->part[0].postings = p;
}

static void
alter_posting(struct made *m)
{
	struct slice *p = arena_dup(&m->arena, m->part[0].postings, sizeof *p);

	*p = altered(m, *p, p->n / 2);
	m->part[0].postings = p;
}

static void
add_posting(struct made *m)
{
	struct slice *p = arena_alloc(&m->arena, 2 * sizeof *p);

	p[0] = m->part[0].postings[0];
	p[1] = altered(m, p[0], 0);
	m->part[0].postings = p;
	m->part[0].n_postings = 2;
}

START_TEST(a_long_posting_is_the_one_that_its_page_names)
{
	static void (*const tell[])(struct made *) = {leave_out_posting, shorten_posting,
						      alter_posting, add_posting};
	struct made m;

	setup();
	for (size_t i = 0; i <= sizeof tell / sizeof *tell; i++) {
		make(&m, first, "resource = \"u1\"", SIZE, is_subject_1);
		ck_assert_uint_eq(m.part[0].n_postings, 1);
		if (i)
			tell[i - 1](&m);
		hash_matches(&m);
		write_file(&m);
		ck_assert_int_eq(check(&m), i ? STELE_EVERIFY : 0);
		if (i)
			ck_assert_ptr_nonnull(strstr(m.why, "posting"));
		unmake(&m);
	}
	scratch_end(&scratch);
}
END_TEST

/* Of a filter by time alone an index says what its tiles may have, control entries included. */
START_TEST(a_control_entry_never_matches)
{
	struct made m;

	setup();
	make(&m, first, "time > \"1990-01-01\"", SEALED, is_nothing);
	hash_matches(&m);
	write_file(&m);
	ck_assert_int_eq(check(&m), 0);
	match_a_control_entry(&m);
	hash_matches(&m);
	write_file(&m);
	ck_assert_int_eq(check(&m), STELE_EVERIFY);
	ck_assert_ptr_nonnull(strstr(m.why, "record 0 is said to match"));
	unmake(&m);
	scratch_end(&scratch);
}
END_TEST

/* The same runs of entries, cut elsewhere: evidence that would hold, and was not signed for. */
START_TEST(other_evidence_that_would_hold_is_refused)
{
	static const uint8_t was[] = "6012\nmatched\nscanned 6013",
			     is[] = "6014\nmatched\nscanned 6015";
	struct made m;
	uint8_t *at;

	setup();
	make(&m, first, "event_type = \"nobody\"", SIZE, is_nothing);
	m.part[2] = m.part[1];
	m.part[1].last = 6012;
	m.part[2].first = 6013;
	m.n_parts = 3;
	hash_matches(&m);
	write_file(&m);
	ck_assert_int_eq(check(&m), 0);
	at = memmem(m.file.p, m.file.n, was, sizeof was - 1);
	ck_assert_ptr_nonnull(at);
	memcpy(at, is, sizeof is - 1);
	ck_assert_int_eq(check(&m), STELE_EVERIFY);
	ck_assert_str_eq(m.check, "evidence");
	unmake(&m);
	scratch_end(&scratch);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_logs_own_key_cannot_sign_anything_else,
		the_digest_of_matches_is_held_against_their_list,
		a_long_posting_is_the_one_that_its_page_names,
		a_control_entry_never_matches,
		other_evidence_that_would_hold_is_refused,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("certlog", tests, sizeof tests / sizeof *tests, 120);
}
