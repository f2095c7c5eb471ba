/* Notes, and what is read from a note's text: all of it writes back as the same bytes. */
#include <stdint.h>

#include "proto/check.h"
#include "proto/checkpoint.h"
#include "proto/keystatement.h"
#include "proto/note.h"
#include "proto/succession.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_signatures(struct buf *b, const struct note *note, struct slice whole)
{
	buf_put_slice(b, note->text);
	buf_put_u8(b, '\n');
	for (size_t i = 0; i < note->n_signatures; i++) {
		const struct note_signature *s = &note->signatures[i];
		uint8_t blob[LIMIT_NOTE_BLOB_BYTES];
		size_t n;

		if (note_signature_blob(blob, sizeof blob, &n, s) != 0)
			return; /* longer than any we write */
		CHECK(note_put_signature(b, s->name, s->key_id, slice_of(blob, n)) == 0);
	}
	CHECK(slice_eq(buf_slice(b), whole));
}

static void
check_text(struct buf *b, struct slice text)
{
	struct checkpoint c;
	struct keystatement k;
	struct succession n;

	buf_reset(b);
	if (checkpoint_parse(&c, text) == 0) {
		CHECK(checkpoint_put(b, c.origin, c.size, c.root) == 0);
		buf_put_slice(b, c.extensions);
		CHECK(slice_eq(buf_slice(b), text));
	}
	buf_reset(b);
	if (keystatement_parse(&k, text) == 0) {
		CHECK(keystatement_put(b, &k) == 0);
		CHECK(slice_eq(buf_slice(b), text));
	}
	buf_reset(b);
	if (succession_parse(&n, text) == 0) {
		CHECK(succession_put(b, &n) == 0);
		CHECK(slice_eq(buf_slice(b), text));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice whole = slice_of(data, n);
	struct note_vkey key;
	struct note note;
	struct buf b;

	buf_init(&b);
	if (note_parse(&note, whole) == 0) {
		check_signatures(&b, &note, whole);
		check_text(&b, note.text);
	}
	check_text(&b, whole);
	buf_reset(&b);
	if (note_vkey_parse(&key, whole) == 0) {
		CHECK(note_put_vkey(&b, &key) == 0);
		CHECK(slice_eq(buf_slice(&b), whole));
	}
	buf_fini(&b);
	return 0;
}
