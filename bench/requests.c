/* All requests of a set lie one after the other in one buffer. */
#include "bench/requests.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/err.h"

enum { KEY_DIGITS = 16 };

static bool
add_item(struct request_set *set, size_t *cap, const struct request *r)
{
	if (set->n == *cap) {
		size_t more = *cap ? *cap * 2 : 1024;
		struct request *items = realloc(set->items, more * sizeof *items);
		if (!items)
			return false;
		set->items = items;
		*cap = more;
	}
	set->items[set->n++] = *r;
	return true;
}

static void
put_fields(struct buf *b, const struct request_form *form)
{
	buf_printf(b, " HTTP/1.1\r\nHost: %s\r\n", form->host);
	if (form->token)
		buf_printf(b, "Authorization: Bearer %s\r\n", form->token);
	if (form->minimal)
		buf_put_str(b, "Prefer: return=minimal\r\n");
}

/* The path with its "{}" replaced. */
static void
put_path(struct buf *b, const char *path, uint64_t index)
{
	const char *hole = strstr(path, "{}");

	if (!hole) {
		buf_put_str(b, path);
		return;
	}
	buf_put(b, path, (size_t)(hole - path));
	buf_put_dec(b, index);
	buf_put_str(b, hole + 2);
}

static void
put_post(struct buf *b, struct request *r, const struct request_form *form, size_t number,
	 struct slice body)
{
	r->offset = b->n;
	buf_put_str(b, "POST ");
	put_path(b, form->path,
		 form->first_index + (form->n_indexes ? number % form->n_indexes : 0));
	put_fields(b, form);
	buf_printf(b, "Content-Type: %s\r\nContent-Length: %zu\r\n", form->media_type, body.n);
	if (form->key_prefix) {
		buf_printf(b, "Idempotency-Key: %s-", form->key_prefix);
		r->key_offset = b->n - r->offset;
		buf_printf(b, "%0*d\r\n", KEY_DIGITS, 0);
	}
	buf_put_str(b, "\r\n");
	r->head_bytes = b->n - r->offset;
	buf_put_slice(b, body);
	r->n = b->n - r->offset;
}

static int
take(struct request_set *set, struct request_set *built, struct buf *b, bool complete)
{
	if (b->err || !complete) {
		buf_fini(b);
		free(built->items);
		return STELE_ENOMEM;
	}
	built->bytes = b->p;
	*set = *built;
	return 0;
}

int
requests_posts(struct request_set *set, const struct request_form *form,
	       const struct events *events)
{
	struct request_set built = {0};
	size_t cap = 0, next;
	bool ok = true;
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; ok && i < events->n; i = next) {
		struct request r = {0};
		struct slice body = events->items[i];
		next = i + 1;
		if (form->batch_bytes)
			next = events_run(events, i, form->batch_bytes, &body);
		r.events = (uint32_t)(next - i);
		put_post(&b, &r, form, built.n, body);
		ok = add_item(&built, &cap, &r);
	}
	return take(set, &built, &b, ok);
}

int
requests_gets(struct request_set *set, const struct request_form *form, size_t n)
{
	struct request_set built = {0};
	uint64_t draw = 88172645463325252u; /* xorshift64 (Marsaglia 2003) */
	size_t cap = 0;
	bool ok = true;
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; ok && i < n; i++) {
		struct request r = {.offset = b.n, .events = 1};
		draw ^= draw << 13;
		draw ^= draw >> 7;
		draw ^= draw << 17;
		buf_put_str(&b, "GET ");
		put_path(&b, form->path,
			 form->first_index + (form->n_indexes ? draw % form->n_indexes : 0));
		put_fields(&b, form);
		buf_put_str(&b, "\r\n");
		r.n = r.head_bytes = b.n - r.offset;
		ok = add_item(&built, &cap, &r);
	}
	return take(set, &built, &b, ok);
}

const uint8_t *
requests_take(struct request_set *set, size_t i)
{
	const struct request *r = &set->items[i];
	uint8_t *p = set->bytes + r->offset;

	if (r->key_offset) {
		uint64_t key = set->next_key++;
		for (unsigned d = KEY_DIGITS; d-- > 0; key >>= 4)
			p[r->key_offset + d] = (uint8_t) "0123456789abcdef"[key & 15];
	}
	return p;
}

void
requests_fini(struct request_set *set)
{
	free(set->bytes);
	free(set->items);
	memset(set, 0, sizeof *set);
}
