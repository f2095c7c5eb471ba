/* Search certificates: what holds, and that whoever alters one is found out. */
#include "certificate_case.h"

/* --- what holds --------------------------------------------------------------------------------
 */

START_TEST(what_was_found_and_what_was_not_is_certified)
{
	static const struct {
		const char *filter;
		bool (*matches)(uint64_t);
	} asked[] = {{"event_type = \"t7\"", is_kind_7},
		     {"any = \"t7\"", is_kind_7},
		     {"resource = \"u1\"", is_subject_1},
		     {"event_type = \"nobody\"", is_nothing},
		     {"event_type = \"nobody\" OR event_type = \"t7\"", is_kind_7},
		     {"event_type = \"t7\" AND user.name != \"x\"", is_kind_7},
		     {"time < \"1990-01-01\"", is_nothing}};
	static const uint64_t sizes[] = {SIZE, SEALED, SEALED - 1, 300, 1};
	struct made m;

	setup();
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
		for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
			make(&m, first, asked[i].filter, sizes[k], asked[i].matches);
			hash_matches(&m);
			write_file(&m);
			ck_assert_msg(check(&m) == 0, "%s of %llu: %s: %s", asked[i].filter,
				      (unsigned long long)sizes[k], m.check, m.why);
			ck_assert(m.complete);
			unmake(&m);
		}
	scratch_end(&scratch);
}
END_TEST

START_TEST(the_logs_own_key_is_enough_and_another_ones_is_not)
{
	struct logkeys *own, *other;
	struct made m;

	setup();
	own = log_keys(first);
	other = log_keys(second);
	make(&m, first, "event_type = \"t7\"", SIZE, is_kind_7);
	hash_matches(&m);
	write_file(&m);
	snprintf(m.vkey, sizeof m.vkey, "%s", logkeys_vkey(own));
	ck_assert_int_eq(check(&m), 0);
	snprintf(m.vkey, sizeof m.vkey, "%s", logkeys_vkey(other));
	ck_assert_int_eq(check(&m), STELE_EVERIFY);
	ck_assert_str_eq(m.check, "checkpoint");
	unmake(&m);
	logkeys_unref(own);
	logkeys_unref(other);
	scratch_end(&scratch);
}
END_TEST

START_TEST(a_search_that_could_not_read_all_is_not_complete)
{
	struct made m;

	setup();
	make(&m, first, "event_type = \"t7\"", SIZE, is_kind_7);
	m.said.logs[0].scanned--;
	m.said.logs[0].unreadable = 1;
	hash_matches(&m);
	write_file(&m);
	ck_assert_int_eq(check(&m), 0);
	ck_assert(!m.complete);
	unmake(&m);
	scratch_end(&scratch);
}
END_TEST

START_TEST(a_filter_has_one_spelling)
{
	static const char *const others[] = {"event_type = t7", "event_type = \"t7\" ",
					     "event_type  = \"t7\"", "(event_type = \"t7\")",
					     "event_type = \"t\\u0037\""};
	struct made m;

	setup();
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		make(&m, first, others[i], SIZE, is_kind_7);
		hash_matches(&m);
		write_file(&m);
		ck_assert_int_eq(check(&m), STELE_EVERIFY);
		ck_assert_str_eq(m.check, "filter");
		unmake(&m);
	}
	scratch_end(&scratch);
}
END_TEST

/* --- what an outsider alters -------------------------------------------------------------------
 */

START_TEST(no_byte_of_it_may_be_another)
{
	struct made m;

	setup();
	make(&m, first, "event_type = \"t7\"", SIZE, is_kind_7);
	hash_matches(&m);
	write_file(&m);
	for (size_t i = 0; i < m.file.n; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		m.file.p[i] ^= bit;
		ck_assert_msg(check(&m) == STELE_EVERIFY, "byte %zu", i);
		m.file.p[i] ^= bit;
	}
	ck_assert_int_eq(check(&m), 0);
	unmake(&m);
	scratch_end(&scratch);
}
END_TEST

static size_t
lines_of(const struct buf *b, struct slice *out, size_t cap)
{
	size_t n = 0, at = 0;

	while (at < b->n) {
		const uint8_t *lf = memchr(b->p + at, '\n', b->n - at);
		size_t len = (size_t)(lf - (b->p + at)) + 1;

		ck_assert(n < cap);
		out[n++] = slice_of(b->p + at, len);
		at += len;
	}
	return n;
}

START_TEST(no_line_of_it_may_be_missing_twice_or_elsewhere)
{
	struct slice line[256];
	struct buf whole;
	struct made m;
	size_t n;

	setup();
	make(&m, first, "event_type = \"t7\"", SIZE, is_kind_7);
	hash_matches(&m);
	write_file(&m);
	whole = m.file;
	n = lines_of(&whole, line, 256);
	ck_assert_uint_ge(n, 20);
	for (size_t i = 0; i < n; i++)
		for (int how = 0; how < 3; how++) {
			if (how == 2 && (i + 1 == n || slice_eq(line[i], line[i + 1])))
				continue;
			buf_init(&m.file);
			for (size_t k = 0; k < n; k++) {
				size_t from = how == 2 && k == i       ? i + 1
					      : how == 2 && k == i + 1 ? i
								       : k;
				if (how != 0 || k != i)
					buf_put_slice(&m.file, line[from]);
				if (how == 1 && k == i)
					buf_put_slice(&m.file, line[i]);
			}
			ck_assert_msg(check(&m) == STELE_EVERIFY, "line %zu, %d", i, how);
			buf_fini(&m.file);
		}
	m.file = whole;
	unmake(&m);
	scratch_end(&scratch);
}
END_TEST

static bool
is_record_3000(uint64_t i)
{
	return i == 3000;
}

/* What a run holds besides may be said to match, and nothing else; that is for the rows to show. */
START_TEST(a_value_of_one_record_leads_to_its_run_and_not_beyond)
{
	unsigned held = 0, refused = 0;
	struct ordset may;
	struct made m;

	setup();
	for (uint64_t also = 2900; also < 3100; also++) {
		if (also == 2999 || also == 3001) /* ranges do not touch */
			continue;
		make(&m, first, "event_id = \"id-3000\"", SIZE, is_record_3000);
		if (also != 3000)
			add_match(&m, also);
		hash_matches(&m);
		write_file(&m);
		find_ordinals(&m, FIELD_EVENT_ID, "id-3000", &may);
		ck_assert(ordset_has(&may, 3000));
		ck_assert_int_eq(check(&m), ordset_has(&may, (uint32_t)also) ? 0 : STELE_EVERIFY);
		held += ordset_has(&may, (uint32_t)also);
		refused += !ordset_has(&may, (uint32_t)also);
		ordset_fini(&may);
		unmake(&m);
	}
	ck_assert_uint_ge(held, 7); /* shorter runs where other values share the digest */
	ck_assert_uint_ge(refused, 198 - 64);
	scratch_end(&scratch);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_was_found_and_what_was_not_is_certified,
		the_logs_own_key_is_enough_and_another_ones_is_not,
		a_search_that_could_not_read_all_is_not_complete,
		a_filter_has_one_spelling,
		a_value_of_one_record_leads_to_its_run_and_not_beyond,
		no_byte_of_it_may_be_another,
		no_line_of_it_may_be_missing_twice_or_elsewhere,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("certcheck", tests, sizeof tests / sizeof *tests, 120);
}
