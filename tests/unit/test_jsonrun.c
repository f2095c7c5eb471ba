/* Each way to read runs of a string does what a walk byte by byte does. */
#include "proto/jsonrun.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "suite.h"

typedef bool unescape_fn(struct jsonrun *r);

static unescape_fn *const ways[] = {jsonrun_unescape_sse2, jsonrun_unescape_avx512};

/* Some bytes by chance, most of them of what unescaping is about. */
static void
by_chance(uint32_t *dice, size_t n, struct buf *text)
{
	static const char *const pieces[] = {
		"\\\"",     "\\\\", "\\\\\\\\\\\"", "x",  "some plain text",
		"\xc3\xa9", "\\n",  "\"",           "\n", "\\u0041"};
	size_t kinds = (*dice >> 8) % 6 + 1;

	if (*dice >> 28 == 0)
		kinds = 10;
	buf_reset(text);
	for (size_t i = 0; i < n; i++) {
		*dice = *dice * 1664525 + 1013904223;
		buf_put_str(text, pieces[(*dice >> 16) % kinds]);
	}
}

/* What goes byte by byte, to at most n bytes or what is none of a run: how far; *high of it. */
static size_t
walk(struct slice text, size_t n, struct buf *as, bool *high)
{
	size_t i = 0;

	buf_reset(as);
	*high = false;
	while (i < n && text.p[i] >= 0x20 && text.p[i] != '"') {
		if (text.p[i] == '\\' &&
		    (i + 1 == text.n || (text.p[i + 1] != '"' && text.p[i + 1] != '\\')))
			break;
		i += text.p[i] == '\\';
		*high = *high || text.p[i] >= 0x80;
		buf_put_u8(as, text.p[i++]);
	}
	return i;
}

/* In memory of just the sizes that there have to be, so that ASan sees what goes beyond. */
static void
unescapes(unescape_fn *way, struct slice text, struct buf *as)
{
	uint8_t *from = malloc(text.n), *to = malloc(text.n + JSONRUN_MORE);
	struct jsonrun r = {.p = from, .end = from + text.n, .out = to};
	bool high, did = from && to;
	size_t n;

	ck_assert(did);
	memcpy(from, text.p, text.n);
	did = way(&r);
	n = (size_t)(r.p - from);
	/* it goes on as long as there is more than it may look at at once */
	ck_assert(did ? n == walk(text, text.n, as, &high) || text.n - n < 96 : n == 0);
	ck_assert_uint_eq(walk(text, n, as, &high), n);
	ck_assert(r.high || !high);
	ck_assert_ptr_eq(r.out, to + as->n);
	ck_assert(as->n == 0 || memcmp(to, as->p, as->n) == 0);
	free(from);
	free(to);
}

START_TEST(escapes_of_quotes_and_backslashes_are_taken_away_wherever_they_lie)
{
	struct buf text, as;
	uint32_t dice = 1;

	buf_init(&text);
	buf_init(&as);
	for (size_t i = 0; i < 4000; i++) {
		by_chance(&dice, i % 130 + 1, &text);
		for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
			unescapes(ways[k], buf_slice(&text), &as);
	}
	buf_fini(&text);
	buf_fini(&as);
}
END_TEST

START_TEST(plain_characters_are_copied_up_to_what_is_none)
{
	static const char all[] = "no byte of this is any but a plain one, and of \xc3\xa9 it has";

	for (size_t n = 0; n < sizeof all; n++) {
		for (size_t stop = 0; stop < 3; stop++) {
			uint8_t from[sizeof all + 20], to[sizeof from + JSONRUN_MORE];
			struct jsonrun r = {.p = from, .end = from + sizeof from, .out = to};

			memset(from, 'x', sizeof from);
			memcpy(from, all, n);
			from[n] = (uint8_t) "\"\\\x1f"[stop];
			jsonrun_plain(&r);
			ck_assert_ptr_eq(r.p, from + n);
			ck_assert_ptr_eq(r.out, to + n);
			ck_assert_mem_eq(to, all, n);
			ck_assert(r.high == (n > (size_t)(strchr(all, '\xc3') - all)));
		}
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		escapes_of_quotes_and_backslashes_are_taken_away_wherever_they_lie,
		plain_characters_are_copied_up_to_what_is_none,
	};

	return suite_run("jsonrun", tests, sizeof tests / sizeof *tests, 60);
}
