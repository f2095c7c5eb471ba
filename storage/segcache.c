/* A fixed table; files are opened outside the lock, twice at worst. */
#include "storage/segcache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/manifest.h"
#include "storage/segterms.h"

struct slot {
	uint64_t log_id, first;
	uint32_t generation;
	struct segment *segment; /* NULL: empty */
	uint64_t used;           /* tick of the last use */
};

struct segcache {
	pthread_mutex_t mu;
	uint64_t tick;
	struct slot slot[SEGCACHE_OPEN];
};

struct segcache *
segcache_new(void)
{
	struct segcache *c = calloc(1, sizeof *c);

	if (c)
		pthread_mutex_init(&c->mu, NULL);
	return c;
}

void
segcache_free(struct segcache *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < SEGCACHE_OPEN; i++)
		segment_unref(c->slot[i].segment);
	pthread_mutex_destroy(&c->mu);
	free(c);
}

int
segcache_dir(char *out, size_t cap, const struct log *log)
{
	int n = snprintf(out, cap, "%s/segments/%s", log->store->dir, log->name);

	return n < (int)cap ? 0 : STELE_ELIMIT;
}

/* The segment when it is open, referenced. */
static struct segment *
find(struct segcache *c, uint64_t log_id, const struct sealed *s)
{
	struct segment *found = NULL;

	pthread_mutex_lock(&c->mu);
	for (unsigned i = 0; i < SEGCACHE_OPEN && !found; i++) {
		struct slot *slot = &c->slot[i];
		if (!slot->segment || slot->log_id != log_id || slot->first != s->first ||
		    slot->generation != s->generation)
			continue;
		slot->used = ++c->tick;
		found = segment_ref(slot->segment);
	}
	pthread_mutex_unlock(&c->mu);
	return found;
}

/* Keeps an open segment, with a reference of its own, in place of the least used. */
static void
keep(struct segcache *c, uint64_t log_id, const struct sealed *s, struct segment *segment)
{
	struct slot *oldest = &c->slot[0];
	struct segment *closed;

	pthread_mutex_lock(&c->mu);
	for (unsigned i = 0; i < SEGCACHE_OPEN; i++) {
		if (!c->slot[i].segment) {
			oldest = &c->slot[i];
			break;
		}
		if (c->slot[i].used < oldest->used)
			oldest = &c->slot[i];
	}
	closed = oldest->segment;
	*oldest = (struct slot){log_id, s->first, s->generation, segment_ref(segment), ++c->tick};
	pthread_mutex_unlock(&c->mu);
	segment_unref(closed);
}

/* The data key, copied: the keyring may change while a segment is opened. */
static int
copy_key(struct log *log, uint64_t key_id, uint8_t out[32])
{
	const struct keyring_data *data;
	int err = STELE_EKEY;

	pthread_mutex_lock(&log->store->creating);
	data = keyring_find_data(log->store->keyring, key_id);
	if (data && data->log_id == log->id) {
		memcpy(out, data->key, 32);
		err = 0;
	}
	pthread_mutex_unlock(&log->store->creating);
	return err;
}

int
segcache_manifest(struct log *log, const struct segment_name *name, struct segment_facts *facts,
		  struct buf *why)
{
	struct logkeys *keys;
	const struct note_vkey *vkeys;
	char dir[4096];
	size_t n;
	int err = segcache_dir(dir, sizeof dir, log);

	if (err != 0)
		return err;
	keys = log_keys(log);
	vkeys = logkeys_for(keys, name->first + name->count, &n);
	err = manifest_read(facts, NULL, dir, name, slice_str(log->origin), log->id, vkeys, n, why);
	logkeys_unref(keys);
	return err;
}

int
segcache_open(struct log *log, const struct sealed *s, struct toolbox *t, struct segment **out,
	      struct buf *why)
{
	const struct segment_name name = {s->first, s->count, s->generation};
	struct segment_facts facts;
	char dir[4096];
	uint8_t key[32];
	int err = segcache_dir(dir, sizeof dir, log);

	if (err == 0)
		err = segcache_manifest(log, &name, &facts, why);
	if (err == 0 &&
	    (memcmp(facts.file_hash, s->file_hash, 32) != 0 || facts.file_bytes != s->file_bytes ||
	     facts.data_key_id != s->data_key_id)) {
		buf_printf(why, "its manifest is not the one that the catalogue knows");
		err = STELE_EDAMAGED;
	}
	if (err == 0)
		err = copy_key(log, s->data_key_id, key);
	if (err == 0)
		err = segment_open(out, dir, &facts, key, t, why);
	explicit_bzero(key, sizeof key);
	return err;
}

int
segcache_get(struct segcache *c, struct log *log, const struct sealed *s, struct toolbox *t,
	     struct segment **out, struct buf *why)
{
	struct segment *segment = find(c, log->id, s);
	int err;

	if (!segment) {
		err = segcache_open(log, s, t, &segment, why);
		if (err != 0)
			return err;
		keep(c, log->id, s, segment);
	}
	*out = segment;
	return 0;
}

void
segcache_forget(struct segcache *c, uint64_t log_id, uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < SEGCACHE_OPEN; i++) {
		struct segment *closed = NULL;
		struct slot *slot = &c->slot[i];
		pthread_mutex_lock(&c->mu);
		if (slot->segment && slot->log_id == log_id && slot->first >= from &&
		    slot->first < to) {
			closed = slot->segment;
			*slot = (struct slot){0};
		}
		pthread_mutex_unlock(&c->mu);
		segment_unref(closed);
	}
}

uint64_t
segcache_index_bytes(struct segcache *c)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&c->mu);
	for (unsigned i = 0; i < SEGCACHE_OPEN; i++) {
		const struct segment *s = c->slot[i].segment;

		if (s && segment_terms(s))
			sum += segterms_bytes(segment_terms(s));
	}
	pthread_mutex_unlock(&c->mu);
	return sum;
}
