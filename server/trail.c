/* Times never decrease in a log: so a record is found by halving. */
#include "server/trail.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/identity.h"
#include "proto/err.h"
#include "server/kit.h"
#include "server/receipt.h"
#include "server/server.h"
#include "storage/store.h"

int
trail_open(struct trail *t, struct server *s, struct kit *kit)
{
	struct log *log;
	int err = store_log_find(s->store, slice_str("_system"), &log);

	if (err != 0)
		return err;
	*t = (struct trail){.s = s, .kit = kit, .log = log, .head = log_head(log)};
	buf_init(&t->keys);
	return 0;
}

void
trail_close(struct trail *t)
{
	head_unref(t->head);
	buf_fini(&t->keys);
}

int
trail_read(struct trail *t, uint64_t index, struct arena *a, struct record *r)
{
	return read_record(t->s->store, t->log, index, t->kit->tools, a, r);
}

int
trail_first_at(struct trail *t, int64_t time_ns, uint64_t *out)
{
	uint64_t low = 0, high = t->head->size;
	int err = 0;

	while (err == 0 && low < high) {
		uint64_t mid = low + (high - low) / 2;
		struct arena arena;
		struct record r;
		arena_init(&arena);
		err = trail_read(t, mid, &arena, &r);
		if (err == 0 && r.entry.time_ns < time_ns)
			low = mid + 1;
		else if (err == 0)
			high = mid;
		arena_fini(&arena);
	}
	if (err == 0)
		*out = low;
	return err;
}

/* Key statements and succession notes, and the end of the line. */
static int
put_keys(struct trail *t)
{
	struct logkeys *keys = log_keys(t->log);
	struct identity *id = store_identity(t->s->store);
	size_t n = logkeys_count(keys), first = n > LIMIT_STATEMENTS ? n - LIMIT_STATEMENTS : 0;
	struct buf note;
	int err = 0;

	buf_init(&note);
	buf_put_str(&t->keys, ",\"keys\":[");
	for (size_t i = first; err == 0 && i < n; i++) {
		buf_reset(&note);
		err = logkeys_put_statement(keys, i, &note);
		buf_put_str(&t->keys, i > first ? "," : "");
		buf_put_json_str(&t->keys, buf_slice(&note));
	}
	buf_put_u8(&t->keys, ']');
	for (size_t i = 0; i + 1 < identity_row(id)->n; i++) {
		buf_put_str(&t->keys, i ? "," : ",\"identities\":[");
		buf_put_json_str(&t->keys, identity_succession(id, i));
	}
	buf_put_str(&t->keys, identity_row(id)->n > 1 ? "]}\n" : "}\n");
	buf_fini(&note);
	identity_unref(id);
	logkeys_unref(keys);
	return err ? err : t->keys.err;
}

/* A head as receipt_put takes it, of a checkpoint of any time. */
static struct head *
head_of(const struct trail_checkpoint *at)
{
	struct head *h = calloc(1, sizeof *h + at->note.n + 1);

	if (!h)
		return NULL;
	h->size = at->size;
	h->note_len = at->note.n;
	memcpy(h->note, at->note.p, at->note.n);
	return h;
}

int
trail_receipt(struct trail *t, uint64_t index, const struct record *r,
	      const struct trail_checkpoint *at, struct buf *out)
{
	struct head *head = head_of(at);
	struct proof proof;
	struct receipt receipt = {
		.log = t->log,
		.index = index,
		.time_ns = r->entry.time_ns,
		.entry = r->text,
		.salt = r->salt,
		.head = head,
	};
	int err = head ? 0 : STELE_ENOMEM;

	if (err == 0 && t->keys.n == 0)
		err = put_keys(t);
	if (err == 0)
		err = read_inclusion(t->s->store, t->log, index, at->size, t->kit->tools, &proof);
	if (err == 0) {
		receipt.proof = (const uint8_t(*)[32])proof.hash;
		receipt.n_proof = proof.n;
		receipt_put(out, &receipt);
		receipt_put_payload(out, r->payload);
		buf_put_slice(out, buf_slice(&t->keys));
		err = out->err;
	}
	free(head);
	return err;
}
