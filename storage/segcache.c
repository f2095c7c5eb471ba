/* A fixed table with chains; files are opened outside the lock, twice at worst. */
#include "storage/segcache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/manifest.h"
#include "storage/segterms.h"

struct slot {
	uint64_t log_id, first;
	uint32_t generation;
	uint16_t next;           /* of its chain */
	struct segment *segment; /* NULL: empty, and in no chain */
	uint64_t used;           /* tick of the last use */
};

struct segcache {
	pthread_mutex_t mu;
	uint64_t tick;
	unsigned open_most;
	uint16_t chain[SEGCACHE_CHAINS];
	struct slot slot[SEGCACHE_OPEN];
};

/* So many that sockets and other files keep three quarters of the descriptors. */
static unsigned
most_open(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur / 4 >= SEGCACHE_OPEN)
		return SEGCACHE_OPEN;
	return l.rlim_cur / 4 ? (unsigned)(l.rlim_cur / 4) : 1;
}

struct segcache *
segcache_new(void)
{
	struct segcache *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	pthread_mutex_init(&c->mu, NULL);
	c->open_most = most_open();
	for (unsigned i = 0; i < SEGCACHE_CHAINS; i++)
		c->chain[i] = SEGCACHE_NONE;
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

static uint16_t *
chain_of(struct segcache *c, uint64_t log_id, uint64_t first)
{
	uint64_t h = (log_id * 0x9e3779b97f4a7c15u + first / SEGMENT_TILE) * 0x9e3779b97f4a7c15u;

	return &c->chain[h >> 32 & (SEGCACHE_CHAINS - 1)];
}

/* Empties the slot; its segment, with the reference that it had. */
static struct segment *
take_out(struct segcache *c, struct slot *slot)
{
	uint16_t *at = chain_of(c, slot->log_id, slot->first);
	struct segment *segment = slot->segment;

	while (*at != slot - c->slot)
		at = &c->slot[*at].next;
	*at = slot->next;
	*slot = (struct slot){0};
	return segment;
}

int
segcache_dir(char *out, size_t cap, const struct log *log)
{
	int n = snprintf(out, cap, "%s/segments/%s", log->store->dir, log->name);

	return n < (int)cap ? 0 : STELE_ELIMIT;
}

/* Now and then: those that were not used lately rest. */
static void
rest(struct segcache *c)
{
	if (++c->tick % SEGCACHE_LATELY != 0)
		return;
	for (unsigned i = 0; i < SEGCACHE_OPEN; i++)
		if (c->slot[i].segment && c->slot[i].used + SEGCACHE_LATELY < c->tick)
			segment_rest(c->slot[i].segment);
}

/* The segment when it is open, referenced. */
static struct segment *
find(struct segcache *c, uint64_t log_id, const struct sealed *s)
{
	struct segment *found = NULL;

	pthread_mutex_lock(&c->mu);
	for (uint16_t i = *chain_of(c, log_id, s->first); i != SEGCACHE_NONE && !found;
	     i = c->slot[i].next) {
		struct slot *slot = &c->slot[i];
		if (slot->log_id != log_id || slot->first != s->first ||
		    slot->generation != s->generation)
			continue;
		rest(c);
		slot->used = c->tick;
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
	struct segment *closed = NULL;
	uint16_t *chain = chain_of(c, log_id, s->first);

	pthread_mutex_lock(&c->mu);
	rest(c);
	for (unsigned i = 0; i < c->open_most; i++) {
		if (!c->slot[i].segment) {
			oldest = &c->slot[i];
			break;
		}
		if (c->slot[i].used < oldest->used)
			oldest = &c->slot[i];
	}
	if (oldest->segment)
		closed = take_out(c, oldest);
	*oldest = (struct slot){.log_id = log_id,
				.first = s->first,
				.generation = s->generation,
				.next = *chain,
				.segment = segment_ref(segment),
				.used = c->tick};
	*chain = (uint16_t)(oldest - c->slot);
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
			closed = take_out(c, slot);
		}
		pthread_mutex_unlock(&c->mu);
		segment_unref(closed);
	}
}

void
segcache_memory(struct segcache *c, uint64_t *indexes, uint64_t *dictionaries)
{
	*indexes = *dictionaries = 0;
	pthread_mutex_lock(&c->mu);
	for (unsigned i = 0; i < SEGCACHE_OPEN; i++) {
		struct segment *s = c->slot[i].segment;

		if (!s)
			continue;
		*dictionaries += segment_dict_bytes(s);
		if (segment_terms(s))
			*indexes += segterms_bytes(segment_terms(s));
	}
	pthread_mutex_unlock(&c->mu);
}
