/* Lines are counted as the server counts records: blank ones hold none. */
#include "tools/receipts_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Steps over one line; whether it holds a record: anything but white space. */
static bool
step(struct slice *rest)
{
	const uint8_t *lf = memchr(rest->p, '\n', rest->n);
	size_t line = lf ? (size_t)(lf - rest->p) : rest->n, used = line + (lf ? 1 : 0), blank = 0;

	while (blank < line && memchr(" \t\r", rest->p[blank], 3))
		blank++;
	*rest = slice_of(rest->p + used, rest->n - used);
	return blank < line;
}

static void
put_receipt(struct buf *out, const json_t *receipt, uint64_t line)
{
	char *text = json_dumps(receipt, JSON_COMPACT);

	buf_printf(out, "{\"line\":%llu,%s\n", (unsigned long long)line, text ? text + 1 : "}");
	free(text);
}

static void
write_all(int fd, const struct buf *out, struct buf *why)
{
	for (size_t at = 0; at < out->n && why->n == 0;) {
		ssize_t done = write(fd, out->p + at, out->n - at);

		if (done < 0 && errno != EINTR)
			buf_printf(why,
				   "the records are stored, but their receipts cannot be "
				   "written: %s.",
				   strerror(errno));
		else if (done > 0)
			at += (size_t)done;
	}
}

void
receipts_out_one(int fd, const json_t *receipt, struct buf *why)
{
	char *text = json_dumps(receipt, JSON_COMPACT);
	struct buf out;

	buf_init(&out);
	buf_printf(&out, "%s\n", text ? text : "{}");
	write_all(fd, &out, why);
	buf_fini(&out);
	free(text);
}

void
receipts_out_write(int fd, const json_t *answer, struct slice body, uint64_t first_line,
		   struct buf *why)
{
	const json_t *receipts = json_object_get(answer, "receipts");
	size_t n = json_array_size(receipts);
	uint64_t line = first_line;
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < n && body.n; line++)
		if (step(&body))
			put_receipt(&out, json_array_get(receipts, i++), line);
	write_all(fd, &out, why);
	if (n == 0)
		buf_put_str(why, "the records are stored, but the server sent no receipts.");
	buf_fini(&out);
}
