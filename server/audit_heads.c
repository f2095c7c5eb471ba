/* All logs in turn, a page at a time. */
#include "server/audit_heads.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/log.h"
#include "storage/store.h"

enum { PAGE = 256 };

void
audit_heads_fini(struct audit_heads *h)
{
	free(h->sizes);
	h->sizes = NULL;
	h->n = 0;
}

void
audit_heads_forget(struct audit_heads *h)
{
	if (h->n)
		memset(h->sizes, 0, h->n * sizeof *h->sizes);
}

static int
make_room(struct audit_heads *h, uint64_t id)
{
	size_t want = (size_t)id + 64;
	uint64_t *p;

	if (id < h->n)
		return 0;
	p = realloc(h->sizes, want * sizeof *p);
	if (!p)
		return STELE_ENOMEM;
	memset(p + h->n, 0, (want - h->n) * sizeof *p);
	h->sizes = p;
	h->n = want;
	return 0;
}

/* Appends the log's head when it is new: *n counts it. */
static int
take(struct audit_heads *h, struct log *log, struct buf *out, size_t *n)
{
	struct head *head = log_head(log);
	int err = make_room(h, log_id(log));

	if (err == 0 && head->size != h->sizes[log_id(log)]) {
		buf_put_str(out, *n ? "," : "{\"type\":\"heads\",\"heads\":[");
		buf_printf(out, "{\"log\":\"%s\",\"size\":%llu,\"root\":\"", log_name(log),
			   (unsigned long long)head->size);
		buf_put_base64(out, head->root, sizeof head->root);
		buf_put_str(out, "\"}");
		h->sizes[log_id(log)] = head->size;
		(*n)++;
	}
	head_unref(head);
	return err ? err : out->err;
}

int
audit_heads_next(struct audit_heads *h, struct store *st, const struct log *except, struct buf *out)
{
	struct slice after = slice_of("", 0);
	struct log *page[PAGE];
	size_t rows, n = 0;
	int err = 0;

	do {
		rows = store_log_list(st, after, page, PAGE);
		for (size_t i = 0; err == 0 && i < rows && n < AUDIT_HEADS; i++)
			if (page[i] != except)
				err = take(h, page[i], out, &n);
		if (rows)
			after = slice_str(log_name(page[rows - 1]));
	} while (err == 0 && rows == PAGE && n < AUDIT_HEADS);
	if (err == 0 && n)
		buf_put_str(out, "]}");
	return err ? err : out->err;
}
