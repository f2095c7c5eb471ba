/* A backup's two texts: what is read writes back as the same bytes. */
#include <stdint.h>
#include <string.h>

#include "proto/check.h"
#include "storage/backuplist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
read_list(struct slice text, struct buf *out)
{
	struct lines l;

	lines_init(&l, text);
	while (lines_err(&l) == 0 && l.rest.n) {
		uint8_t hash[32];
		char path[512];
		struct slice s;
		backup_line_take(&l, hash, &s);
		if (lines_err(&l) || s.n >= sizeof path)
			return;
		memcpy(path, s.p, s.n);
		path[s.n] = '\0';
		CHECK(path[0] != '/' && !strstr(path, "/."));
		backup_line_put(out, hash, path);
	}
	if (lines_err(&l) == 0)
		CHECK(slice_eq(buf_slice(out), text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_of(data, n);
	struct backup_note note;
	struct buf b;

	buf_init(&b);
	if (backup_note_parse(&note, text) == 0) {
		backup_note_put(&b, &note);
		CHECK(slice_eq(buf_slice(&b), text));
	}
	buf_reset(&b);
	read_list(text, &b);
	buf_fini(&b);
	return 0;
}
