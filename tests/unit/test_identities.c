/* A row of identities: what a pinned one makes known of the others, and what is refused. */
#include "crypto/identities.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/init.h"
#include "proto/check.h"
#include "proto/err.h"
#include "tests/unit/suite.h"

enum { SIGNERS = 6, NOTES = 8 };

#define BORN_NS INT64_C(1795448880000000000)

static struct sha256 *h;
static struct signer *is[SIGNERS], *stranger;
static struct buf note[NOTES];
static struct slice notes[NOTES];
static size_t n_notes;
static struct identities ids;
static char why[512];

static struct signer *
make(const char *name, uint8_t fill)
{
	uint8_t seed[SIGN_SEED_BYTES];
	struct signer *s;

	memset(seed, fill, sizeof seed);
	CHECK(signer_new(&s, h, slice_str(name), seed) == 0);
	return s;
}

static void
begin(void)
{
	for (size_t i = 0; i < NOTES; i++)
		buf_reset(&note[i]);
	n_notes = 0;
	why[0] = '\0';
}

static void
add(const struct signer *old, const struct signer *new, uint64_t number, int64_t time_s)
{
	struct succession s = {.number = number, .time_ns = BORN_NS + time_s * 1000000000};

	ck_assert_int_eq(identities_sign(&note[n_notes], &s, old, new), 0);
	notes[n_notes] = buf_slice(&note[n_notes]);
	n_notes++;
}

static int
look(const struct signer *pinned)
{
	return identities_read(&ids, h, signer_vkey(pinned), notes, n_notes, why, sizeof why);
}

static void
refused(const char *with)
{
	for (size_t i = 0; i < SIGNERS; i++) {
		ck_assert_int_eq(look(is[i]), STELE_EVERIFY);
		ck_assert_msg(strstr(why, with) != NULL, "%s", why);
	}
}

static void
expect(const struct signer *pinned, size_t first, size_t n)
{
	ck_assert_msg(look(pinned) == 0, "%s", why);
	ck_assert_uint_eq(ids.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_mem_eq(ids.of[i].key.public_key, signer_vkey(is[first + i])->public_key,
				 32);
	ck_assert_mem_eq(ids.of[ids.pinned].key.public_key, signer_vkey(pinned)->public_key, 32);
	ck_assert(ids.of[n - 1].until_ns == INT64_MAX);
}

START_TEST(a_row_is_known_from_each_of_its_identities)
{
	begin();
	expect(is[0], 0, 1);
	add(is[0], is[1], 1, 10);
	add(is[1], is[2], 2, 20);
	add(is[2], is[3], 3, 30);
	for (size_t i = 0; i < 4; i++) {
		expect(is[i], 0, 4);
		ck_assert_uint_eq(ids.pinned, i);
		ck_assert_int_eq(ids.of[1].until_ns, BORN_NS + INT64_C(20000000000));
	}
	expect(is[4], 4, 1); /* which it says nothing about */
}
END_TEST

START_TEST(order_and_repetition_of_notes_mean_nothing)
{
	begin();
	add(is[2], is[3], 3, 30);
	add(is[0], is[1], 1, 10);
	add(is[1], is[2], 2, 20);
	add(is[0], is[1], 1, 10);
	expect(is[1], 0, 4);
}
END_TEST

START_TEST(what_a_gap_keeps_apart_is_not_tied)
{
	begin();
	add(is[0], is[1], 1, 10);
	add(is[2], is[3], 3, 30);
	expect(is[0], 0, 2);
	expect(is[1], 0, 2);
	expect(is[2], 2, 2);
}
END_TEST

START_TEST(notes_of_another_server_mean_nothing)
{
	struct signer *a = make("example.org", 1), *b = make("example.org", 2);

	begin();
	add(a, b, 1, 10);
	add(is[0], is[1], 1, 10);
	expect(is[0], 0, 2);
	signer_free(a);
	signer_free(b);
}
END_TEST

/* A note whose signature lines are those of these signers. */
static void
sign_by(const struct signer *old, const struct signer *new, const struct signer *const *by,
	size_t n)
{
	struct succession s = {*signer_vkey(old), *signer_vkey(new), 1, BORN_NS};
	struct buf text;

	begin();
	buf_init(&text);
	ck_assert_int_eq(succession_put(&text, &s), 0);
	sign_note(&note[0], buf_slice(&text), by, n);
	notes[0] = buf_slice(&note[0]);
	n_notes = 1;
	buf_fini(&text);
}

START_TEST(both_must_have_signed)
{
	sign_by(is[0], is[1], (const struct signer *const[]){is[0]}, 1);
	refused("not signed by the identity that it says took over");
	sign_by(is[0], is[1], (const struct signer *const[]){is[1]}, 1);
	refused("not signed by the identity that it says was replaced");
	sign_by(is[0], is[1], (const struct signer *const[]){stranger}, 1);
	refused("not signed by the identity");
	sign_by(is[0], is[1], (const struct signer *const[]){is[1], is[0]}, 2);
	expect(is[0], 0, 2);
}
END_TEST

START_TEST(no_bit_of_a_note_may_change)
{
	begin();
	add(is[0], is[1], 1, 10);
	for (size_t i = 0; i < 8 * note[0].n; i++) {
		note[0].p[i / 8] ^= (uint8_t)(1u << i % 8);
		/* a name that becomes another server's makes the note another server's */
		ck_assert_msg(look(is[0]) != 0 || ids.n == 1, "bit %zu", i);
		note[0].p[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	expect(is[0], 0, 2);
}
END_TEST

START_TEST(a_key_with_the_id_of_another_is_refused)
{
	struct note_vkey key = *signer_vkey(is[1]);
	struct succession s = {*signer_vkey(is[0]), key, 1, BORN_NS};
	struct buf text;

	begin();
	buf_init(&text);
	s.to.key_id[0] ^= 1;
	ck_assert_int_eq(succession_put(&text, &s), 0);
	sign_note(&note[0], buf_slice(&text), (const struct signer *const[]){is[0], is[1]}, 2);
	notes[0] = buf_slice(&note[0]);
	n_notes = 1;
	refused("not its own");
	buf_fini(&text);
}
END_TEST

/* Up to three notes, and what each of their identities, pinned, makes known to be wrong. */
struct refusal {
	struct {
		unsigned old, new, number, time_s; /* a number of 0: no such note */
	} note[3];
	const char *with;
};

static void
refusals(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		begin();
		for (size_t k = 0; k < 3 && rows[i].note[k].number; k++)
			add(is[rows[i].note[k].old], is[rows[i].note[k].new],
			    rows[i].note[k].number, rows[i].note[k].time_s);
		refused(rows[i].with);
	}
}

START_TEST(no_two_follow_one)
{
	static const struct refusal rows[] = {
		{{{0, 1, 1, 10}, {0, 2, 1, 10}}, "two different successions numbered 1"},
		/* its number used again */
		{{{0, 1, 1, 10}, {0, 1, 1, 11}}, "two different successions numbered 1"},
		{{{0, 1, 1, 10}, {0, 2, 2, 20}}, "replace the same identity"},
	};

	refusals(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(a_row_has_one_order)
{
	static const struct refusal rows[] = {
		{{{0, 1, 2, 10}, {1, 2, 1, 20}}, "does not end with the identity"},
		{{{0, 1, 1, 10}, {1, 2, 3, 20}}, "their numbers do not"},
		{{{0, 1, 1, 20}, {1, 2, 2, 20}}, "not later than"},
		{{{0, 1, 1, 20}, {2, 3, 3, 10}}, "not later than"},
		{{{0, 1, 1, 10}, {2, 3, 2, 20}}, "does not end with the identity"},
	};

	refusals(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(nobody_returns)
{
	static const struct refusal rows[] = {
		{{{0, 1, 1, 10}, {1, 0, 2, 20}}, "never returns"},
		{{{0, 1, 1, 10}, {1, 2, 2, 20}, {2, 1, 3, 30}}, "never returns"},
		/* with a gap between */
		{{{0, 1, 1, 10}, {3, 1, 5, 30}}, "never returns"},
	};

	refusals(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(what_is_no_note_is_refused)
{
	begin();
	notes[n_notes++] = slice_str("stele identity v1\n");
	refused("is none");
	begin();
	sign_note(&note[0], slice_str("stele identity v2\nx\n"),
		  (const struct signer *const[]){is[0]}, 1);
	notes[n_notes++] = buf_slice(&note[0]);
	ck_assert_int_eq(look(is[0]), STELE_EVERSION);
}
END_TEST

START_TEST(a_statement_names_who_made_it)
{
	struct signer *key = make("example.com/l", 99);
	struct keystatement k;
	struct buf b;
	size_t by;

	begin();
	add(is[0], is[1], 1, 10);
	buf_init(&b);
	for (size_t i = 0; i < 3; i++) {
		buf_reset(&b);
		ck_assert_int_eq(sign_key_statement(&b, is[i], signer_vkey(key), 4, 7), 0);
		expect(is[0], 0, 2);
		ck_assert_int_eq(identities_statement(h, &ids, buf_slice(&b), &k, &by),
				 i < 2 ? 0 : STELE_EVERIFY);
		if (i < 2)
			ck_assert_uint_eq(by, i);
	}
	ck_assert_uint_eq(k.epoch, 4);
	buf_fini(&b);
	signer_free(key);
}
END_TEST

START_TEST(a_life_of_rotations_is_a_limit)
{
	static struct buf many[LIMIT_SUCCESSIONS + 1];
	static struct slice all[LIMIT_SUCCESSIONS + 1];
	struct signer *last = make("example.com", 100), *next, *first = make("example.com", 100);

	for (unsigned i = 0; i <= LIMIT_SUCCESSIONS; i++) {
		struct succession s = {.number = i + 1, .time_ns = BORN_NS + i};
		next = make("example.com", (uint8_t)(101 + i));
		ck_assert_int_eq(identities_sign(&many[i], &s, last, next), 0);
		all[i] = buf_slice(&many[i]);
		signer_free(last);
		last = next;
	}
	ck_assert_int_eq(identities_read(&ids, h, signer_vkey(first), all, LIMIT_SUCCESSIONS, why,
					 sizeof why),
			 0);
	ck_assert_uint_eq(ids.n, LIMIT_SUCCESSIONS + 1);
	ck_assert_int_eq(identities_read(&ids, h, signer_vkey(first), all, LIMIT_SUCCESSIONS + 1,
					 why, sizeof why),
			 STELE_ELIMIT);
	for (unsigned i = 0; i <= LIMIT_SUCCESSIONS; i++)
		buf_fini(&many[i]);
	signer_free(first);
	signer_free(last);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_row_is_known_from_each_of_its_identities,
		order_and_repetition_of_notes_mean_nothing,
		what_a_gap_keeps_apart_is_not_tied,
		notes_of_another_server_mean_nothing,
		both_must_have_signed,
		no_bit_of_a_note_may_change,
		a_key_with_the_id_of_another_is_refused,
		no_two_follow_one,
		a_row_has_one_order,
		nobody_returns,
		what_is_no_note_is_refused,
		a_statement_names_who_made_it,
		a_life_of_rotations_is_a_limit,
	};
	int status;

	h = sha256_new();
	if (crypto_init() != 0 || !h)
		return 1;
	for (uint8_t i = 0; i < SIGNERS; i++)
		is[i] = make("example.com", (uint8_t)(i + 1));
	stranger = make("example.com", 50);
	status = suite_run("identities", tests, sizeof tests / sizeof *tests, 60);
	for (size_t i = 0; i < SIGNERS; i++)
		signer_free(is[i]);
	signer_free(stranger);
	for (size_t i = 0; i < NOTES; i++)
		buf_fini(&note[i]);
	sha256_free(h);
	return status;
}
