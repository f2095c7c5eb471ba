/* Lines of bundles: whatever they are, what is read of them is within its bounds. */
#include <stdint.h>

#include "proto/check.h"
#include "proto/err.h"
#include "verify/bundledoc.h"
#include "verify/recordline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
judge(int err, const char *what)
{
	CHECK(err == 0 || (err == STELE_ESYNTAX && what));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice line = slice_of(data, n);
	struct growth_line growth;
	struct record_line r;
	struct head_line head;
	struct bundledoc doc;
	struct run_line run;
	const char *what = NULL;
	int err;

	record_line_init(&r);
	err = record_line_read(&r, line, &what);
	judge(err, what);
	if (err == 0 && r.has == RECORD_PAYLOAD)
		CHECK(r.payload.n <= BUNDLE_INLINE_BYTES);
	err = record_line_control(&r, line, &what);
	judge(err, what);
	CHECK(r.n_proof <= 64);
	err = record_line_tip(&r, line, &what);
	judge(err, what);
	err = run_line_read(&run, line, &what);
	judge(err, what);
	err = growth_line_read(&growth, line, &what);
	judge(err, what);
	buf_init(&head.room);
	err = head_line_read(&head, line, &what);
	judge(err, what);
	CHECK(head.n <= 64);
	buf_fini(&head.room);
	err = bundledoc_read(&doc, line, &what);
	judge(err, what);
	if (err == 0)
		CHECK(doc.n_logs >= 1);
	bundledoc_fini(&doc);
	record_line_fini(&r);
	return 0;
}
