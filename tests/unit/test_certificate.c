/* The text of search certificates: round trips, strictness, bounds. */
#include "proto/certificate.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "proto/err.h"
#include "suite.h"

static const uint8_t hashes[3][32] = {{1}, {2}, {3}};

static void
state(struct certificate *c)
{
	*c = (struct certificate){.issuer = slice_str("led"),
				  .time_ns = 1795448880000000000,
				  .filter = slice_str("actor = \"alice\""),
				  .n_logs = 2,
				  .evidence_bytes = 77};
	memset(c->mapping, 7, 32);
	c->logs[0] = (struct certificate_log){
		.origin = slice_str("led/a"), .size = 10, .scanned = 9, .matched = 2};
	c->logs[1] =
		(struct certificate_log){.origin = slice_str("led/b"), .size = 1, .unreadable = 1};
}

static int
writes(const struct certificate *c)
{
	struct buf b;
	int err;

	buf_init(&b);
	err = certificate_put(&b, c);
	ck_assert(err == 0 || b.n == 0);
	buf_fini(&b);
	return err;
}

START_TEST(a_statement_round_trips)
{
	struct certificate c, got;
	struct buf b, again;

	buf_init(&b);
	buf_init(&again);
	for (int every = 0; every < 2; every++) {
		state(&c);
		if (every)
			c.filter = slice_str("");
		buf_reset(&b);
		buf_reset(&again);
		ck_assert_int_eq(certificate_put(&b, &c), 0);
		ck_assert_int_eq(certificate_parse(&got, buf_slice(&b)), 0);
		ck_assert(slice_eq(got.filter, c.filter));
		ck_assert_uint_eq(got.n_logs, 2);
		ck_assert(slice_eq_str(got.logs[1].origin, "led/b"));
		ck_assert_uint_eq(got.logs[0].scanned, 9);
		ck_assert_int_eq(certificate_put(&again, &got), 0);
		ck_assert(slice_eq(buf_slice(&b), buf_slice(&again)));
	}
	buf_fini(&b);
	buf_fini(&again);
}
END_TEST

START_TEST(no_other_spelling_of_a_statement_is_read)
{
	struct certificate c, got;
	struct buf b;

	state(&c);
	buf_init(&b);
	ck_assert_int_eq(certificate_put(&b, &c), 0);
	for (size_t n = 0; n < b.n; n++)
		ck_assert_int_ne(certificate_parse(&got, slice_of(b.p, n)), 0);
	buf_put_u8(&b, '\n');
	ck_assert_int_eq(certificate_parse(&got, buf_slice(&b)), STELE_ESYNTAX);
	b.n--;
	for (size_t i = 0; i < b.n; i++) { /* a digit may be another one, and no other change is */
		uint8_t was = b.p[i];

		b.p[i] = '\n';
		if (was != '\n')
			ck_assert_int_ne(certificate_parse(&got, buf_slice(&b)), 0);
		b.p[i] = was == '0' ? 'o' : '\\';
		if (was == '\n')
			ck_assert_int_ne(certificate_parse(&got, buf_slice(&b)), 0);
		b.p[i] = was;
	}
	memcpy(b.p, "stele search v2", 15);
	ck_assert_int_eq(certificate_parse(&got, buf_slice(&b)), STELE_EVERSION);
	buf_fini(&b);
}
END_TEST

START_TEST(what_cannot_be_is_not_stated)
{
	struct certificate c;

	state(&c);
	ck_assert_int_eq(writes(&c), 0);
	c.filter = slice_str("a\nb");
	ck_assert_int_eq(writes(&c), STELE_EINVAL);
	state(&c);
	c.n_logs = 0;
	ck_assert_int_eq(writes(&c), STELE_EINVAL);
	state(&c);
	c.logs[1].origin = c.logs[0].origin;
	ck_assert_int_eq(writes(&c), STELE_EINVAL);
	state(&c);
	c.logs[1].size = 0;
	ck_assert_int_eq(writes(&c), STELE_EINVAL);
	state(&c);
	c.logs[0].scanned = 11;
	ck_assert_int_eq(writes(&c), STELE_EINVAL);
	state(&c);
	c.logs[0].matched = 10;
	ck_assert_int_eq(writes(&c), STELE_EINVAL);
	state(&c);
	c.issuer = slice_str("two words");
	ck_assert_int_eq(writes(&c), STELE_EINVAL);
	state(&c);
	c.evidence_bytes = LIMIT_CERTIFICATE_BYTES + 1;
	ck_assert_int_eq(writes(&c), STELE_EINVAL);
}
END_TEST

/* --- evidence ----------------------------------------------------------------------------------
 */

static void
put_evidence(struct buf *b)
{
	static const struct certificate_range ranges[] = {{5, 5}, {7, 9}};
	const struct slice notes[] = {slice_str("one"), slice_str("two")};
	const struct certificate_hashes none = {NULL, 0}, three = {hashes, 3};
	const struct certificate_page pages[] = {{0, slice_str("p0"), three},
						 {12, slice_str("p12"), none}};
	const struct certificate_source source = {.origin = slice_str("led/a"),
						  .keys = notes,
						  .n_keys = 2,
						  .checkpoint = slice_str("c"),
						  .grown = none};
	const struct certificate_part shown = {.shown = true,
					       .manifest = slice_str("m"),
					       .grown = three,
					       .head = slice_str("h"),
					       .proof = three,
					       .pages = pages,
					       .n_pages = 2,
					       .postings = notes,
					       .n_postings = 2,
					       .matched = ranges,
					       .n_matched = 2},
				      scanned = {.first = 10, .last = 12};

	certificate_put_begin(b);
	certificate_put_identity(b, notes[0]);
	certificate_put_source(b, &source);
	certificate_put_part(b, &shown);
	certificate_put_part(b, &scanned);
}

/* 0 when all of it is read, else why not. */
static int
reads(struct slice evidence, struct certificate_part *first)
{
	struct certificate_reader r;
	struct certificate_source source;
	struct certificate_part part;
	const struct slice *identities;
	struct arena a;
	size_t n, parts = 0;
	int err;

	arena_init(&a);
	err = certificate_read(&r, evidence, &a, &identities, &n);
	while (err == 0 && (err = certificate_next_source(&r, &source)) == 0) {
		while ((err = certificate_next_part(&r, &part)) == 0)
			if (parts++ == 0)
				*first = part;
		err = err == 1 ? 0 : err;
	}
	arena_fini(&a);
	return err == 1 ? 0 : err;
}

START_TEST(evidence_is_read_as_it_was_written)
{
	struct certificate_part part;
	struct buf b;

	buf_init(&b);
	put_evidence(&b);
	ck_assert_int_eq(reads(buf_slice(&b), &part), 0);
	ck_assert(part.shown);
	ck_assert_uint_eq(part.n_pages, 2);
	ck_assert_uint_eq(part.n_postings, 2);
	ck_assert_uint_eq(part.n_matched, 2);
	ck_assert_uint_eq(part.grown.n, 3);
	for (size_t n = 1; n < b.n; n++) {
		int err = reads(slice_of(b.p, n), &part);

		/* what ends behind a whole part is shorter evidence */
		ck_assert(err != 0 || (b.p[n - 1] == '\n'));
	}
	buf_fini(&b);
}
END_TEST

/* Evidence of one part that was scanned, with that line of matches. */
static int
matches_read(const char *line)
{
	struct certificate_part part;
	struct buf b;
	int err;

	buf_init(&b);
	buf_printf(
		&b,
		"stele search evidence v1\nlog led/a\ncheckpoint Yw==\ngrown\nscanned 0 99\n%s\n",
		line);
	err = reads(buf_slice(&b), &part);
	buf_fini(&b);
	return err;
}

START_TEST(matches_ascend_apart_in_one_spelling)
{
	static const char *const bad[] = {
		"matched ",    "matched  1",    "matched 1 ",  "matched 2 1",   "matched 1 1",
		"matched 1 2", "matched 1-1",   "matched 2-1", "matched 1-",    "matched -1",
		"matched 01",  "matched 1-3 4", "matched1",    "matched 1-2-3", "matched x",
		"Matched 1",   "matched 1-3 3", "matched 1,3",
	};

	ck_assert_int_eq(matches_read("matched"), 0);
	ck_assert_int_eq(matches_read("matched 1"), 0);
	ck_assert_int_eq(matches_read("matched 1-2 4 6-9"), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(matches_read(bad[i]) == STELE_ESYNTAX, "%s", bad[i]);
}
END_TEST

START_TEST(pages_ascend_and_lists_are_bounded)
{
	struct certificate_part part;
	struct buf b;

	buf_init(&b);
	put_evidence(&b);
	for (size_t i = 0; i + 8 < b.n; i++)
		if (memcmp(b.p + i, "page 12 ", 8) == 0)
			memcpy(b.p + i, "page 00 ", 8);
	ck_assert_int_eq(reads(buf_slice(&b), &part), STELE_ESYNTAX);
	buf_reset(&b);
	buf_put_str(&b, "stele search evidence v1\n");
	for (unsigned i = 0; i <= LIMIT_SUCCESSIONS; i++) {
		ck_assert_int_eq(reads(buf_slice(&b), &part), 0);
		certificate_put_identity(&b, slice_str("x"));
	}
	ck_assert_int_eq(reads(buf_slice(&b), &part), STELE_ELIMIT);
	ck_assert_int_eq(reads(slice_str("stele search evidence v2\n"), &part), STELE_EVERSION);
	buf_fini(&b);
}
END_TEST

START_TEST(a_file_is_cut_at_its_first_blank_line)
{
	struct slice evidence, note, file = slice_str("stele search evidence v1\n\nnote\n\nx\n");

	ck_assert(certificate_is(file));
	ck_assert(!certificate_is(slice_str("stele search v1\n")));
	ck_assert_int_eq(certificate_split(file, &evidence, &note), 0);
	ck_assert(slice_eq_str(evidence, "stele search evidence v1\n"));
	ck_assert(slice_eq_str(note, "note\n\nx\n"));
	ck_assert_int_eq(certificate_split(slice_str("a\nb\n"), &evidence, &note), STELE_ESYNTAX);
	ck_assert_int_eq(certificate_split(slice_str(""), &evidence, &note), STELE_ESYNTAX);
	ck_assert_int_eq(
		certificate_split(slice_of(file.p, LIMIT_CERTIFICATE_BYTES + LIMIT_NOTE_BYTES + 1),
				  &evidence, &note),
		STELE_ELIMIT);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_statement_round_trips,
		no_other_spelling_of_a_statement_is_read,
		what_cannot_be_is_not_stated,
		evidence_is_read_as_it_was_written,
		matches_ascend_apart_in_one_spelling,
		pages_ascend_and_lists_are_bounded,
		a_file_is_cut_at_its_first_blank_line,
	};

	return suite_run("certificate", tests, sizeof tests / sizeof *tests, 60);
}
