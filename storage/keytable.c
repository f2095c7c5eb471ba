/* Linear probing. Nothing is ever removed but everything at once. */
#include "storage/keytable.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"

enum { KEYTABLE_MIN = 1024 };

void
keytable_init(struct keytable *t)
{
	*t = (struct keytable){0};
}

void
keytable_fini(struct keytable *t)
{
	free(t->slots);
	keytable_init(t);
}

static void
place(struct key_entry *slots, size_t cap, const struct key_entry *e)
{
	size_t i = le_get64(e->digest) & (cap - 1);

	while (slots[i].log_id)
		i = (i + 1) & (cap - 1);
	slots[i] = *e;
}

int
keytable_reserve(struct keytable *t, size_t n)
{
	size_t cap = t->cap ? t->cap : KEYTABLE_MIN;
	struct key_entry *slots;

	while ((t->n + n) * 4 > cap * 3)
		cap *= 2;
	if (cap == t->cap)
		return 0;
	slots = calloc(cap, sizeof *slots);
	if (!slots)
		return STELE_ENOMEM;
	for (size_t i = 0; i < t->cap; i++) {
		if (t->slots[i].log_id)
			place(slots, cap, &t->slots[i]);
	}
	free(t->slots);
	t->slots = slots;
	t->cap = cap;
	return 0;
}

void
keytable_add(struct keytable *t, const struct key_entry *e)
{
	CHECK((t->n + 1) * 4 <= t->cap * 3 && e->log_id);
	place(t->slots, t->cap, e);
	t->n++;
}

const struct key_entry *
keytable_find(const struct keytable *t, uint64_t log_id, const uint8_t digest[16])
{
	size_t i;

	if (t->n == 0)
		return NULL;
	for (i = le_get64(digest) & (t->cap - 1); t->slots[i].log_id; i = (i + 1) & (t->cap - 1)) {
		if (t->slots[i].log_id == log_id && memcmp(t->slots[i].digest, digest, 16) == 0)
			return &t->slots[i];
	}
	return NULL;
}

void
keytable_clear(struct keytable *t, bool keep)
{
	if (!keep) {
		keytable_fini(t);
		return;
	}
	if (t->cap)
		memset(t->slots, 0, t->cap * sizeof *t->slots);
	t->n = 0;
}
