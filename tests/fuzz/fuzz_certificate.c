/* Search certificates: what is read of statement and evidence writes back as the same bytes. */
#include <stdint.h>

#include "proto/certificate.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
write_again(struct slice evidence, struct arena *a, struct buf *b)
{
	struct certificate_source source;
	struct certificate_reader r;
	struct certificate_part part;
	const struct slice *identities;
	size_t n;
	int err = certificate_read(&r, evidence, a, &identities, &n);

	if (err != 0)
		return;
	certificate_put_begin(b);
	for (size_t i = 0; i < n; i++)
		certificate_put_identity(b, identities[i]);
	while ((err = certificate_next_source(&r, &source)) == 0) {
		certificate_put_source(b, &source);
		while ((err = certificate_next_part(&r, &part)) == 0)
			certificate_put_part(b, &part);
		if (err != 1)
			return;
	}
	if (err == 1)
		CHECK(slice_eq(buf_slice(b), evidence));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice evidence, text;
	struct certificate c;
	struct note note;
	struct arena a;
	struct buf b;

	if (certificate_split(slice_of(data, n), &evidence, &text) != 0)
		return 0;
	buf_init(&b);
	arena_init(&a);
	write_again(evidence, &a, &b);
	buf_reset(&b);
	if (note_parse(&note, text) == 0 && certificate_parse(&c, note.text) == 0) {
		CHECK(certificate_put(&b, &c) == 0);
		CHECK(slice_eq(buf_slice(&b), note.text));
	}
	arena_fini(&a);
	buf_fini(&b);
	return 0;
}
