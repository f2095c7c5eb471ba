/*
 * The entry: the page's example, the rules on both sides, and that whatever is
 * not byte for byte an entry is refused: a mutation is either refused or
 * means something else and writes back as itself.
 */
#include "proto/entry.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"

#define HASH "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define TIME "2026-11-23T15:48:00.123456789Z"
#define HEAD "{\"v\":1,\"origin\":\"ledger.example.com/payments\",\"index\":70211,"
#define TAIL                                                                                       \
	"\"kind\":\"record\",\"ctl\":69001,\"time\":\"" TIME "\",\"prev\":\"" HASH                 \
	"\",\"commitment\":\"" HASH "\",\"size\":512,\"media_type\":\"application/json\","         \
	"\"writer\":\"s-7k2m9q\""
#define RETAIN ",\"retain_until\":\"2033-11-23T15:48:00.123456789Z\",\"mode\":\"compliance\"}"
#define EVENT ",\"event\":\"contract-end\",\"mode\":\"governance\"}"

static struct entry
sample(void)
{
	struct entry e = {
		.origin = slice_str("ledger.example.com/payments"),
		.index = 70211,
		.kind = ENTRY_RECORD,
		.ctl = 69001,
		.size = 512,
		.media_type = slice_str("application/json"),
		.writer = slice_str("s-7k2m9q"),
		.mode = ENTRY_MODE_COMPLIANCE,
	};

	ck_assert_int_eq(timestamp_parse(&e.time_ns, slice_str(TIME)), 0);
	ck_assert_int_eq(
		timestamp_parse(&e.retain_until_ns, slice_str("2033-11-23T15:48:00.123456789Z")),
		0);
	for (int i = 0; i < 32; i++)
		e.prev[i] = e.commitment[i] = (uint8_t)i;
	return e;
}

static void
assert_writes(const struct entry *e, const char *want)
{
	char out[LIMIT_ENTRY_BYTES + 1] = {0};
	int n = entry_write(out, LIMIT_ENTRY_BYTES, e);

	ck_assert_str_eq(out, want);
	ck_assert_int_eq(n, (int)strlen(want));
}

static int
reads(const char *text)
{
	char scratch[LIMIT_ENTRY_BYTES];
	struct entry e;

	return entry_read(&e, slice_str(text), scratch);
}

START_TEST(the_writer_writes_the_pages_example)
{
	struct entry e = sample();

	assert_writes(&e, HEAD TAIL RETAIN);
	e.event = slice_str("contract-end");
	e.mode = ENTRY_MODE_GOVERNANCE;
	assert_writes(&e, HEAD TAIL EVENT);
	e.event = slice_of(NULL, 0);
	e.mode = ENTRY_MODE_NONE;
	assert_writes(&e, HEAD TAIL "}");
}
END_TEST

START_TEST(the_reader_reads_what_was_written)
{
	char scratch[LIMIT_ENTRY_BYTES], out[LIMIT_ENTRY_BYTES];
	struct entry e = sample(), got;
	int n;

	e.writer = slice_str("a\"b\\c");
	e.media_type = slice_str("\\\"x~ /");
	e.event = slice_str("\"");
	n = entry_write(out, sizeof out, &e);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(entry_read(&got, slice_of(out, (size_t)n), scratch), 0);
	ck_assert(slice_eq(got.origin, e.origin) && slice_eq(got.writer, e.writer));
	ck_assert(slice_eq(got.media_type, e.media_type) && slice_eq(got.event, e.event));
	ck_assert(got.index == e.index && got.ctl == e.ctl && got.size == e.size);
	ck_assert(got.kind == e.kind && got.mode == e.mode && got.time_ns == e.time_ns);
	ck_assert_mem_eq(got.prev, e.prev, 32);
	ck_assert_mem_eq(got.commitment, e.commitment, 32);
	ck_assert(got.retain_until_ns == 0);
}
END_TEST

START_TEST(every_kind_and_mode_has_its_word)
{
	static const char *const kinds[] = {"record", "policy", "hold", "release", "extend",
					    "event",  "purge",  "key",  "restore"};
	enum entry_kind kind;
	enum entry_mode mode;

	for (int i = 0; i < 9; i++) {
		ck_assert_str_eq(entry_kind_name((enum entry_kind)i), kinds[i]);
		ck_assert_int_eq(entry_kind_parse(&kind, slice_str(kinds[i])), 0);
		ck_assert_int_eq((int)kind, i);
	}
	ck_assert_int_eq(entry_kind_parse(&kind, slice_str("Record")), STELE_ESYNTAX);
	ck_assert_int_eq(entry_kind_parse(&kind, slice_str("")), STELE_ESYNTAX);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(entry_mode_parse(&mode, slice_str(entry_mode_name(i))), 0);
		ck_assert_int_eq((int)mode, i);
	}
	ck_assert_int_eq(entry_mode_parse(&mode, slice_str("forever")), STELE_ESYNTAX);
}
END_TEST

START_TEST(names_have_their_shapes)
{
	static const char *const logs[] = {"a", "0", "payments", "k8s-prod", "a.b_c-d", "_system"};
	static const char *const not_logs[] = {"",    "-a",  ".a", "A",   "aB",
					       "a/b", "a b", "a+", "\xc3"};
	static const char *const not_servers[] = {"",     "a b",  "a+b",     "a/b",
						  "\x7f", "\x1f", "\xc3\xa9"};
	char name[200];

	for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
		ck_assert(entry_log_name_valid(slice_str(logs[i])));
	for (size_t i = 0; i < sizeof not_logs / sizeof *not_logs; i++)
		ck_assert(!entry_log_name_valid(slice_str(not_logs[i])));
	ck_assert(entry_log_name_reserved(slice_str("_system")));
	ck_assert(!entry_log_name_reserved(slice_str("system")));
	for (size_t i = 0; i < sizeof not_servers / sizeof *not_servers; i++)
		ck_assert(!entry_server_name_valid(slice_str(not_servers[i])));
	ck_assert(entry_server_name_valid(slice_str("Ledger.example.com:8443~!\"\\")));
	memset(name, 'a', sizeof name);
	ck_assert(entry_log_name_valid(slice_of(name, LIMIT_LOG_NAME_BYTES)));
	ck_assert(!entry_log_name_valid(slice_of(name, LIMIT_LOG_NAME_BYTES + 1)));
	ck_assert(entry_server_name_valid(slice_of(name, LIMIT_SERVER_NAME_BYTES)));
	ck_assert(!entry_server_name_valid(slice_of(name, LIMIT_SERVER_NAME_BYTES + 1)));
	ck_assert(entry_origin_valid(slice_str("a/b")));
	ck_assert(!entry_origin_valid(slice_str("a/b/c")));
	ck_assert(!entry_origin_valid(slice_str("/b")) && !entry_origin_valid(slice_str("a/")));
	ck_assert(!entry_origin_valid(slice_str("a")) && !entry_origin_valid(slice_str("")));
}
END_TEST

/* One rule broken at a time; the writer refuses with the code, and leaves out alone. */
static void
refuses(struct entry e, int code, int line)
{
	char out[LIMIT_ENTRY_BYTES] = "kept";

	ck_assert_msg(entry_write(out, sizeof out, &e) == code, "line %d", line);
	ck_assert_str_eq(out, "kept");
}

#define REFUSES(code, ...)                                                                         \
	do {                                                                                       \
		struct entry e = sample();                                                         \
		__VA_ARGS__;                                                                       \
		refuses(e, code, __LINE__);                                                        \
	} while (0)

START_TEST(the_writer_refuses_what_the_grammar_lacks)
{
	static char x[256];

	memset(x, 'x', sizeof x);
	REFUSES(STELE_EINVAL, e.ctl = e.index);
	REFUSES(STELE_EINVAL, e.index = 0, e.ctl = 0);
	REFUSES(STELE_EINVAL, e.index = 0, e.ctl = 1, e.kind = ENTRY_POLICY);
	REFUSES(STELE_EINVAL, e.kind = (enum entry_kind)9);
	REFUSES(STELE_EINVAL, e.mode = (enum entry_mode)3);
	REFUSES(STELE_EINVAL, e.mode = ENTRY_MODE_NONE, e.event = slice_str("x"));
	REFUSES(STELE_EINVAL, e.kind = ENTRY_RELEASE);
	REFUSES(STELE_EINVAL, e.time_ns = -1);
	REFUSES(STELE_EINVAL, e.time_ns = TIMESTAMP_MAX_NS + 1);
	REFUSES(STELE_EINVAL, e.retain_until_ns = -1);
	REFUSES(STELE_EINVAL, e.retain_until_ns = INT64_MAX);
	REFUSES(STELE_EINVAL, e.origin = slice_str("payments"));
	REFUSES(STELE_EINVAL, e.origin = slice_of(NULL, 0));
	REFUSES(STELE_EINVAL, e.writer = slice_of(NULL, 0));
	REFUSES(STELE_EINVAL, e.media_type = slice_of(NULL, 0));
	REFUSES(STELE_EINVAL, e.writer = slice_str("a\nb"));
	REFUSES(STELE_EINVAL, e.media_type = slice_str("text/\xc3\xa9"));
	REFUSES(STELE_EINVAL, e.event = slice_str("\x7f"));
	REFUSES(STELE_ELIMIT, e.index = LIMIT_INTEGER + 1);
	REFUSES(STELE_ELIMIT, e.size = LIMIT_INTEGER + 1);
	REFUSES(STELE_ELIMIT, e.origin = slice_of(x, LIMIT_ORIGIN_BYTES + 1));
	REFUSES(STELE_ELIMIT, e.media_type = slice_of(x, LIMIT_MEDIA_TYPE_BYTES + 1));
	REFUSES(STELE_ELIMIT, e.writer = slice_of(x, LIMIT_WRITER_BYTES + 1));
	REFUSES(STELE_ELIMIT, e.event = slice_of(x, LIMIT_EVENT_BYTES + 1));
}
END_TEST

/* The longest of everything, every string but the media type escaped throughout. */
static struct entry
longest(char of_media_type)
{
	static char media_type[LIMIT_MEDIA_TYPE_BYTES], quotes[256], origin[LIMIT_ORIGIN_BYTES];
	struct entry e = sample();

	memset(quotes, '"', sizeof quotes);
	memset(media_type, of_media_type, sizeof media_type);
	memset(origin, '\\', LIMIT_SERVER_NAME_BYTES);
	memset(origin + LIMIT_SERVER_NAME_BYTES, 'x', LIMIT_LOG_NAME_BYTES + 1);
	origin[LIMIT_SERVER_NAME_BYTES] = '/';
	e.origin = slice_of(origin, sizeof origin);
	e.media_type = slice_of(media_type, sizeof media_type);
	e.writer = slice_of(quotes, LIMIT_WRITER_BYTES);
	e.event = slice_of(quotes, LIMIT_EVENT_BYTES);
	e.index = LIMIT_INTEGER;
	e.ctl = LIMIT_INTEGER - 1;
	e.size = LIMIT_INTEGER;
	e.kind = ENTRY_RECORD;
	return e;
}

START_TEST(the_longest_entry_fits_unless_its_type_needs_escapes)
{
	char out[LIMIT_ENTRY_BYTES], scratch[LIMIT_ENTRY_BYTES], larger[2 * LIMIT_ENTRY_BYTES];
	struct entry e = longest('x'), got;
	int n = entry_write(out, sizeof out, &e);

	ck_assert_int_gt(n, 1000);
	ck_assert_int_eq(entry_read(&got, slice_of(out, (size_t)n), scratch), 0);
	ck_assert(slice_eq(got.origin, e.origin) && slice_eq(got.writer, e.writer));
	ck_assert(slice_eq(got.event, e.event));
	ck_assert_int_eq(entry_write(out, (size_t)n - 1, &e), STELE_ELIMIT);
	ck_assert_int_eq(entry_write(out, (size_t)n, &e), n);
	e = longest('"');
	ck_assert_int_eq(entry_write(larger, sizeof larger, &e), STELE_ELIMIT);
}
END_TEST

START_TEST(another_version_is_told_apart)
{
	ck_assert_int_eq(reads("{\"v\":2,\"anything\":true}"), STELE_EVERSION);
	ck_assert_int_eq(reads("{\"v\":0,"), STELE_EVERSION);
	ck_assert_int_eq(reads("{\"v\":10,\"origin\":\"a/b\"}"), STELE_EVERSION);
	ck_assert_int_eq(reads("{\"v\":01,\"origin\":\"a/b\"}"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("{\"v\":\"1\",\"origin\":\"a/b\"}"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("{\"v\":2"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("{\"origin\":\"a/b\"}"), STELE_ESYNTAX);
	ck_assert_int_eq(reads(""), STELE_ESYNTAX);
}
END_TEST

/* HEAD TAIL RETAIN with the first occurrence of one piece replaced. */
static void
refused_with(const char *whole, const char *from, const char *to)
{
	const char *at = strstr(whole, from);
	char text[2048];

	ck_assert_msg(at != NULL, "no %s", from);
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
	ck_assert_msg(reads(text) == STELE_ESYNTAX, "%s", text);
}

static const char *const mutations[][2] = {
	{"70211", "070211"},
	{"70211", "+70211"},
	{"70211", "-1"},
	{"70211", "70211.0"},
	{"70211", "7e4"},
	{"70211", "\"70211\""},
	{"70211", "9007199254740992"},
	{"70211", "18446744073709551617"},
	{"70211", "0"},
	{"70211", "69001"},
	{"69001", "70211"},
	{"512", "9007199254740992"},
	{"512", "00"},
	{"512", ""},
	{"{\"v\"", " {\"v\""},
	{"{\"v\"", "{ \"v\""},
	{"\":1,", "\": 1,"},
	{"\"compliance\"}", "\"compliance\"}\n"},
	{"\"compliance\"}", "\"compliance\"} "},
	{"\"compliance\"}", "\"compliance\",\"x\":1}"},
	{"\"compliance\"}", "\"compliance\",\"mode\":\"compliance\"}"},
	{"\"compliance\"}", "\"compliance\"}}"},
	{"\"compliance\"", "\"Compliance\""},
	{"\"compliance\"", "\"none\""},
	{"\"compliance\"", "\"\""},
	{",\"mode\":\"compliance\"", ""},
	{"\"retain_until\":\"2033-11-23T15:48:00.123456789Z\",", ""},
	{",\"retain_until\"", ",\"event\":\"x\",\"retain_until\""},
	{"\"retain_until\":\"2033-11-23T15:48:00.123456789Z\"", "\"event\":\"\""},
	{"\"retain_until\":\"2033-11-23T15:48:00.123456789Z\"", "\"event\":\"\xc3\xa9\""},
	{"2033-11-23", "2033-02-29"},
	{"2026-11-23", "1969-11-23"},
	{"00.123456789Z", "00.12345678Z"},
	{"00.123456789Z", "60.123456789Z"},
	{"\"record\"", "\"policies\""},
	{"\"record\"", "\"\\u0072ecord\""},
	{"\"kind\":\"record\",\"ctl\":69001", "\"ctl\":69001,\"kind\":\"record\""},
	{"\"kind\":\"record\"", "\"kind\":\"record\",\"kind\":\"record\""},
	{"\"kind\"", "\"Kind\""},
	{"com/payments", "com\\/payments"},
	{"com/payments", "com\\u002fpayments"},
	{"com/payments", "com"},
	{"com/payments", "com/Payments"},
	{"com/payments", "com/pay/ments"},
	{"ledger.", "ledger "},
	{"ledger.", "led+ger."},
	{"ledger.", "led\tger."},
	{"Hh8=\",\"commitment", "Hh8\",\"commitment"},
	{"Hh8=\",\"commitment", "Hh9=\",\"commitment"},
	{"Hh8=\",\"commitment", "Hh8==\",\"commitment"},
	{"\"prev\":\"AAEC", "\"prev\":\"AA_C"},
	{"\"prev\":\"AAEC", "\"prev\":\""},
	{"s-7k2m9q", "s-7k2\\n9q"},
	{"s-7k2m9q", "s-7k2m9q\\"},
	{"s-7k2m9q", ""},
	{"s-7k2m9q", "a\"b"},
	{"s-7k2m9q", "\x7f"},
	{"application/json", "text/\xc3\xa9"},
};

START_TEST(structured_mutations_are_refused)
{
	for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++)
		refused_with(HEAD TAIL RETAIN, mutations[i][0], mutations[i][1]);
	refused_with(HEAD TAIL EVENT, "contract-end", "");
	refused_with(HEAD TAIL EVENT, ",\"mode\":\"governance\"", "");
	refused_with(HEAD TAIL "}", "\"}", "\"");
	refused_with(HEAD TAIL "}", "\"}", "\",}");
}
END_TEST

START_TEST(a_nul_or_an_overlong_text_is_refused)
{
	static const char nul[] = HEAD TAIL "}\0";
	char scratch[LIMIT_ENTRY_BYTES], text[LIMIT_ENTRY_BYTES + 1];
	struct entry e;

	ck_assert_int_eq(reads(nul), 0);
	ck_assert_int_eq(entry_read(&e, slice_of(nul, sizeof nul - 1), scratch), STELE_ESYNTAX);
	memset(text, '"', sizeof text);
	ck_assert_int_eq(entry_read(&e, slice_of(text, sizeof text), scratch), STELE_ESYNTAX);
}
END_TEST

START_TEST(a_failed_read_leaves_the_entry_alone)
{
	char scratch[LIMIT_ENTRY_BYTES];
	struct entry e = {.index = 77};

	ck_assert_int_ne(entry_read(&e, slice_str(HEAD TAIL ",}"), scratch), 0);
	ck_assert_uint_eq(e.index, 77);
}
END_TEST

static uint64_t seed = 88172645463325252;

static size_t
random_below(size_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed % n);
}

/* One edit: overwrite, insert, delete, repeat a run, or move a run. */
static size_t
mutate(uint8_t *t, size_t n)
{
	static const uint8_t likely[] = "\"\\,:{}0123456789 eE+-./=AZaz\0\n\xc3";
	uint8_t c =
		random_below(2) ? likely[random_below(sizeof likely)] : (uint8_t)random_below(256);
	size_t at = random_below(n), run = 1 + random_below(12);

	switch (random_below(4)) {
	case 0:
		t[at] = c;
		return n;
	case 1:
		memmove(t + at + 1, t + at, n - at);
		t[at] = c;
		return n + 1;
	case 2:
		run = run < n - at ? run : n - at;
		memmove(t + at, t + at + run, n - at - run);
		return n - run;
	default:
		run = run < n - at ? run : n - at;
		memmove(t + at + run, t + at, n - at);
		return n + run;
	}
}

START_TEST(an_accepted_mutation_writes_back_as_itself)
{
	static const char *const seeds[] = {HEAD TAIL RETAIN, HEAD TAIL EVENT, HEAD TAIL "}"};
	unsigned accepted = 0;

	for (int i = 0; i < 400000; i++) {
		const char *from = seeds[random_below(3)];
		uint8_t text[LIMIT_ENTRY_BYTES + 64];
		char scratch[LIMIT_ENTRY_BYTES], again[LIMIT_ENTRY_BYTES];
		size_t n = strlen(from);
		struct entry e;

		memcpy(text, from, n);
		for (size_t edits = 1 + random_below(2); edits; edits--)
			n = mutate(text, n);
		if (entry_read(&e, slice_of(text, n), scratch) != 0)
			continue;
		accepted++;
		if (entry_write(again, sizeof again, &e) != (int)n || memcmp(again, text, n) != 0)
			ck_abort_msg("%.*s", (int)n, (const char *)text);
	}
	ck_assert_uint_gt(accepted,
			  1000); /* a changed digit is another entry, not another spelling */
}
END_TEST

START_TEST(every_single_byte_change_is_refused_or_another_entry)
{
	static const char whole[] = HEAD TAIL RETAIN;
	uint8_t text[sizeof whole];
	char scratch[LIMIT_ENTRY_BYTES], again[LIMIT_ENTRY_BYTES];
	size_t n = sizeof whole - 1;
	struct entry e;

	for (size_t at = 0; at < n; at++) {
		for (unsigned c = 0; c < 256; c++) {
			memcpy(text, whole, n);
			text[at] = (uint8_t)c;
			if (entry_read(&e, slice_of(text, n), scratch) != 0)
				continue;
			if (entry_write(again, sizeof again, &e) != (int)n ||
			    memcmp(again, text, n) != 0)
				ck_abort_msg("%.*s", (int)n, (const char *)text);
		}
		if (entry_read(&e, slice_of(whole, at), scratch) == 0)
			ck_abort_msg("accepted when cut after %zu bytes", at);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("entry");
	TCase *t = tcase_create("entry");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, the_writer_writes_the_pages_example);
	tcase_add_test(t, the_reader_reads_what_was_written);
	tcase_add_test(t, every_kind_and_mode_has_its_word);
	tcase_add_test(t, names_have_their_shapes);
	tcase_add_test(t, the_writer_refuses_what_the_grammar_lacks);
	tcase_add_test(t, the_longest_entry_fits_unless_its_type_needs_escapes);
	tcase_add_test(t, another_version_is_told_apart);
	tcase_add_test(t, structured_mutations_are_refused);
	tcase_add_test(t, a_nul_or_an_overlong_text_is_refused);
	tcase_add_test(t, a_failed_read_leaves_the_entry_alone);
	tcase_add_test(t, an_accepted_mutation_writes_back_as_itself);
	tcase_add_test(t, every_single_byte_change_is_refused_or_another_entry);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
