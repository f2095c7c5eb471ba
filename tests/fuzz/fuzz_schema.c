/* Schema documents: what is read has one canonical JSON, and records can be read with it. */
#include <stdint.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/schema.h"
#include "proto/terms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_round(struct arena *a, const struct schema *s)
{
	struct schema again;
	struct buf text, second, why;

	buf_init(&text);
	buf_init(&second);
	buf_init(&why);
	schema_write(&text, s);
	CHECK(schema_read(&again, a, buf_slice(&text), &why) == 0);
	schema_write(&second, &again);
	CHECK(slice_eq(buf_slice(&text), buf_slice(&second)));
	buf_fini(&text);
	buf_fini(&second);
	buf_fini(&why);
}

/* The document is a record, too. */
static void
check_use(struct arena *a, const struct schema *s, struct slice document)
{
	struct schema_set set = {s, 1};
	struct term_lister *l = term_lister_new(&set, 0);
	struct match_record r = {.payload = document, .writer = slice_str("w")};
	struct terms terms;

	CHECK(l);
	CHECK(term_lister_run(l, &r, a, &terms) == 0);
	CHECK(terms.earliest_ns <= terms.time_ns && terms.time_ns <= terms.latest_ns);
	for (size_t i = 0; i < terms.n; i++)
		CHECK(terms.items[i].text.n);
	term_lister_free(l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct schema s;
	struct arena a;
	struct buf why;
	int code;

	arena_init(&a);
	buf_init(&why);
	code = schema_read(&s, &a, slice_of(data, n), &why);
	CHECK(code == 0 || code == STELE_ESYNTAX || code == STELE_ELIMIT);
	CHECK((code == 0) == (why.n == 0));
	if (code == 0) {
		check_round(&a, &s);
		check_use(&a, &s, slice_of(data, n));
	}
	buf_fini(&why);
	arena_fini(&a);
	return 0;
}
