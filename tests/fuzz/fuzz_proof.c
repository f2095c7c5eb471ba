/* Proof texts, down to the entry and the checkpoint that they carry. */
#include <stdint.h>

#include "proto/check.h"
#include "proto/checkpoint.h"
#include "proto/entry.h"
#include "proto/note.h"
#include "proto/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char scratch[LIMIT_ENTRY_BYTES];
	struct proof_text proof;
	struct checkpoint c;
	struct entry e;
	struct note note;
	struct buf b;

	if (proof_text_parse(&proof, slice_of(data, n)) != 0)
		return 0;
	buf_init(&b);
	CHECK(proof_text_put(&b, &proof) == 0);
	CHECK(slice_eq(buf_slice(&b), slice_of(data, n)));
	buf_fini(&b);
	entry_read(&e, slice_of(proof.entry, proof.entry_n), scratch);
	if (note_parse(&note, proof.checkpoint) == 0)
		checkpoint_parse(&c, note.text);
	return 0;
}
