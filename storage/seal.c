/* What is due, and the steps of storage/seal.h for it. Planning: storage/sealplan.c. */
#include "storage/seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/locate.h"
#include "storage/manifest.h"
#include "storage/protect.h"
#include "storage/read.h"
#include "storage/sealfeed.h"
#include "storage/sealplan.h"
#include "storage/segcache.h"

/* A segment on its way out: its files and key go once the catalogue knows the new list. */
struct leaving {
	struct log *log;
	struct segment_name name;
	uint64_t data_key_id;
	uint64_t after_save; /* number of the save that must be done */
};

struct sealer {
	pthread_mutex_t mu; /* one seal at a time */
	atomic_bool stop;
	struct toolbox *build, *feed;
	struct leaving *leaving;
	size_t n_leaving, cap_leaving;
	bool stuck; /* a file that should have left could not: said once */
};

struct sealer *
sealer_new(void)
{
	struct sealer *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	pthread_mutex_init(&s->mu, NULL);
	s->build = toolbox_new();
	s->feed = toolbox_new();
	if (!s->build || !s->feed) {
		sealer_free(s);
		return NULL;
	}
	return s;
}

void
sealer_free(struct sealer *s)
{
	if (!s)
		return;
	toolbox_free(s->build);
	toolbox_free(s->feed);
	free(s->leaving);
	pthread_mutex_destroy(&s->mu);
	free(s);
}

void
sealer_lock(struct sealer *s)
{
	pthread_mutex_lock(&s->mu);
}

void
sealer_unlock(struct sealer *s)
{
	pthread_mutex_unlock(&s->mu);
}

/* --- step 1 ------------------------------------------------------------------------ */

static int
make_key(struct log *log, uint32_t generation, uint64_t *id, uint8_t key[32])
{
	struct keyring *ring = log->store->keyring;
	int err;

	pthread_mutex_lock(&log->store->creating);
	err = keyring_add_data(ring, log->id, KEYRING_SEGMENT, generation, id);
	if (err == 0) {
		memcpy(key, keyring_find_data(ring, *id)->key, 32);
		err = keyring_commit(ring);
		if (err != 0)
			keyring_drop_data(ring, *id);
	}
	pthread_mutex_unlock(&log->store->creating);
	return err;
}

int
seal_drop_keys(struct store *st, const uint64_t *ids, size_t n)
{
	int err;

	pthread_mutex_lock(&st->creating);
	for (size_t i = 0; i < n; i++)
		keyring_drop_data(st->keyring, ids[i]);
	err = keyring_commit(st->keyring);
	pthread_mutex_unlock(&st->creating);
	return err;
}

/* --- step 2 ------------------------------------------------------------------------ */

int
seal_dir(struct log *log, char *dir, size_t cap)
{
	char parent[4096];
	int err = segcache_dir(dir, cap, log);

	if (err != 0 || access(dir, F_OK) == 0)
		return err;
	snprintf(parent, sizeof parent, "%s/segments", log->store->dir);
	if ((mkdir(parent, 0700) != 0 && errno != EEXIST) ||
	    (mkdir(dir, 0700) != 0 && errno != EEXIST))
		return stele_err_from_errno(errno);
	err = file_sync_dir(log->store->dir);
	return err == 0 ? file_sync_dir(parent) : err;
}

/*
 * The entry hash before the segment: out of the tree, or, when what holds it is
 * damaged, as the signed manifest of the segment before says. The builder holds the first
 * record's entry against it either way.
 */
static int
hash_before(struct node_source *nodes, uint64_t first, uint8_t out[32], struct buf *why)
{
	struct log *log = nodes->log;
	struct segment_facts facts;
	struct segment_name name;
	struct location l;
	int err;

	sha256_hash(nodes->tools->sha, out, slice_of(NULL, 0)); /* root of the empty tree */
	err = first ? node_get(nodes, 0, first - 1, out) : 0;
	if (err != STELE_EDAMAGED)
		return err;
	locate(log, first - 1, &l);
	if (!l.sealed)
		return err;
	name = (struct segment_name){l.segment.first, l.segment.count, l.segment.generation};
	err = segcache_manifest(log, &name, &facts, why);
	if (err == 0)
		memcpy(out, facts.last, 32);
	return err;
}

/* What the plan says beside its range: chain and tree before and after. */
static int
state_facts(struct sealer *s, struct log *log, struct segment_facts *f,
	    struct merkle_frontier *before, struct buf *why)
{
	struct node_source nodes = {log->store, log, s->feed, false};
	int err = node_frontier(&nodes, f->first, before);

	if (err == 0)
		err = hash_before(&nodes, f->first, f->prev, why);
	if (err == 0)
		err = merkle_root_at(s->feed->sha, node_get, &nodes, f->first + f->count, f->root);
	return err;
}

static int
build(struct sealer *s, struct log *log, const struct sealplan *plan, const uint8_t key[32],
      uint64_t key_id, struct segment_facts *out, struct buf *why)
{
	struct merkle_frontier before;
	struct logkeys *keys = log_keys(log);
	struct segment_source source;
	struct sealfeed feed;
	char dir[4096];
	struct segment_plan p = {
		.dir = dir,
		.facts = {.log_id = log->id,
			  .first = plan->first,
			  .count = plan->end - plan->first,
			  .generation = plan->generation,
			  .data_key_id = key_id},
		.replaces = plan->replaces,
		.data_key = key,
		.signer = keys->signer,
		.before = &before,
	};
	int err = seal_dir(log, dir, sizeof dir);

	memcpy(p.facts.origin, log->origin, sizeof p.facts.origin);
	if (err == 0)
		err = state_facts(s, log, &p.facts, &before, why);
	if (err == 0) {
		sealfeed_init(&feed, log, plan->first, plan->end, s->feed, &s->stop);
		source = sealfeed_source(&feed);
		err = segment_build(&p, &source, s->build, out, why);
		sealfeed_fini(&feed);
	}
	logkeys_unref(keys);
	return err;
}

/* --- step 3 ------------------------------------------------------------------------ */

static int
leaving_reserve(struct sealer *s, size_t n)
{
	size_t cap = s->cap_leaving ? s->cap_leaving : 16;
	struct leaving *p;

	while (cap < s->n_leaving + n)
		cap *= 2;
	if (cap == s->cap_leaving)
		return 0;
	p = realloc(s->leaving, cap * sizeof *p);
	if (!p)
		return STELE_ENOMEM;
	s->leaving = p;
	s->cap_leaving = cap;
	return 0;
}

/* Notes what the new segment replaces; room was reserved, lock held. */
static void
note_leaving(struct sealer *s, struct log *log, const struct sealplan *plan)
{
	for (size_t i = 0; i < log->sealed.n; i++) {
		const struct sealed *old = &log->sealed.s[i];
		if (old->first < plan->first || old->first >= plan->end)
			continue;
		s->leaving[s->n_leaving++] =
			(struct leaving){log,
					 {old->first, old->count, old->generation},
					 old->data_key_id,
					 log->store->saves_begun + 1};
	}
}

static int
switch_list(struct sealer *s, struct log *log, const struct sealplan *plan,
	    const struct segment_facts *facts)
{
	struct store *st = log->store;
	struct sealed new = {.first = facts->first,
			     .count = facts->count,
			     .generation = facts->generation,
			     .data_key_id = facts->data_key_id,
			     .payload_bytes = facts->payload_bytes,
			     .file_bytes = facts->file_bytes};
	const struct segment_name name = {new.first, new.count, new.generation};
	char dir[4096];
	int err = leaving_reserve(s, plan->n_replaced);

	memcpy(new.file_hash, facts->file_hash, 32);
	if (err == 0)
		err = segcache_dir(dir, sizeof dir, log);
	if (err == 0)
		new.protection = (uint8_t)protect_segment(dir, &name, st->opts.protect);
	pthread_rwlock_wrlock(&st->lock);
	if (err == 0)
		err = sealed_reserve(&log->sealed);
	if (err == 0) {
		note_leaving(s, log, plan);
		log_take_segment(log, &new);
		log->tail_since_ns = store_now_ns(st);
	}
	pthread_rwlock_unlock(&st->lock);
	if (err == 0)
		segcache_forget(st->segments, log->id, plan->first, plan->end);
	return err;
}

/* Of `_system` the manifest tells: a record of its own seal would ask for the next one. */
static void
record_seal(const struct log *log, const struct segment_facts *f)
{
	if (strcmp(log->name, "_system") != 0)
		store_record(log->store,
			     "{\"type\":\"segment.seal\",\"log\":\"%s\",\"first\":%llu,"
			     "\"count\":%llu,\"generation\":%u,\"bytes\":%llu}",
			     log->name, (unsigned long long)f->first, (unsigned long long)f->count,
			     f->generation, (unsigned long long)f->file_bytes);
}

/* Steps 1 to 3 for one planned segment. */
static int
seal(struct sealer *s, struct log *log, const struct sealplan *plan, struct buf *why)
{
	struct store *st = log->store;
	struct segment_facts facts;
	uint64_t key_id = 0;
	uint8_t key[32];
	int err = make_key(log, plan->generation, &key_id, key);

	if (err == 0)
		err = build(s, log, plan, key, key_id, &facts, why);
	explicit_bzero(key, sizeof key);
	if (err == 0)
		err = switch_list(s, log, plan, &facts);
	if (err != 0) {
		int e = key_id ? seal_drop_keys(st, &key_id, 1) : 0; /* else the next start does */
		return e == STELE_EIO ? e : err;
	}
	atomic_fetch_add(&st->segments_sealed, 1);
	atomic_fetch_add(&st->sealed_payload_bytes, facts.payload_bytes);
	record_seal(log, &facts);
	return 0;
}

/* --- step 5 ------------------------------------------------------------------------ */

static int
remove_file(const char *dir, const struct segment_name *name, const char *suffix)
{
	char id[SEGMENT_NAME_BYTES], path[4096 + SEGMENT_NAME_BYTES + 16];

	segment_name_format(id, name);
	snprintf(path, sizeof path, "%s/%s%s", dir, id, suffix);
	return protect_unlink(path);
}

/* The manifest first: a segment without one is a leftover, whatever else is known. */
static int
remove_segment(struct log *log, const struct segment_name *name)
{
	char dir[4096];
	int err = segcache_dir(dir, sizeof dir, log);

	if (err == 0)
		err = remove_file(dir, name, ".manifest");
	if (err == 0)
		err = remove_file(dir, name, ".seg");
	return err == 0 ? file_sync_dir(dir) : err;
}

/* What is immutable and may not be made otherwise stays, and sealing goes on. */
static int
say_stuck(struct sealer *s, const struct leaving *l)
{
	if (!s->stuck)
		store_say(
			l->log->store, STORE_ERROR,
			"segments/%s/%llu-%llu.%u: replaced, but it is immutable, and taking that "
			"off needs CAP_LINUX_IMMUTABLE: it stays, with its key, until steled has "
			"that",
			l->log->name, (unsigned long long)l->name.first,
			(unsigned long long)l->name.count, l->name.generation);
	s->stuck = true;
	return 0;
}

/* Destroys what a saved catalogue does not name any more. */
static int
let_leave(struct sealer *s, struct store *st)
{
	uint64_t done = atomic_load(&st->saves_done), ids[64];
	size_t n = 0, kept = 0;
	int err = 0;

	if (atomic_load(&st->pinned))
		return 0;
	for (size_t i = 0; i < s->n_leaving; i++) {
		struct leaving *l = &s->leaving[i];
		if (err == 0 && l->after_save <= done && n < sizeof ids / sizeof *ids) {
			err = remove_segment(l->log, &l->name);
			if (err == 0) {
				ids[n++] = l->data_key_id;
				continue;
			}
			if (err == STELE_EPERM)
				err = say_stuck(s, l);
		}
		s->leaving[kept++] = *l;
	}
	s->n_leaving = kept;
	if (n) {
		int e = seal_drop_keys(st, ids, n);
		err = err ? err : e;
	}
	return err;
}

/* --- what is due --------------------------------------------------------------------- */

static void
say_failed(struct log *log, int err, struct slice why)
{
	if (err == STELE_ENOSPACE || err == STELE_ECLOSED)
		return; /* said by the space watch; closing */
	store_say(log->store, STORE_ERROR,
		  "log %s: sealing failed (%s%s%.*s): its records stay in the WAL, which grows. "
		  "Run stele fsck, and restore what is damaged from a copy",
		  log->name, stele_strerror(err), why.n ? ": " : "", (int)why.n,
		  why.n ? (const char *)why.p : "");
}

static int
seal_one(struct sealer *s, struct log *log, bool whole, struct buf *why)
{
	struct sealplan plan;
	int err;

	if (!sealplan_make(log, whole, &plan))
		return 0;
	err = seal(s, log, &plan, why);
	sealplan_fini(&plan);
	return err == 0 ? 1 : err;
}

/* Looks at every log once; the first that is due gets a segment. */
static int
seal_next(struct sealer *s, struct store *st)
{
	struct sealdue due;
	struct buf why;
	int err;

	buf_init(&why);
	if (!sealplan_due(st, &due)) {
		buf_fini(&why);
		return 0;
	}
	err = due.retire_before ? dict_retire_before(due.log, due.retire_before) : 0;
	if (err == 0 && due.seal)
		err = seal_one(s, due.log, due.whole, &why);
	if (err < 0) {
		due.log->seal_again_ns = store_now_ns(st) + LIMIT_SEAL_RETRY_NS;
		say_failed(due.log, err, buf_slice(&why));
	}
	buf_fini(&why);
	return err < 0 ? err : 1;
}

/* Behind segments: fewer runs of keys, none that is older than it must be. */
static int
tend_keys(struct sealer *s, struct store *st)
{
	int err = keyindex_verify(&st->keys, s->build->sha);

	if (err == STELE_EDAMAGED) {
		atomic_fetch_add(&st->damaged_reads, 1);
		store_say(st, STORE_ERROR,
			  "a file wal/keys-*.run is damaged: records that are sent again with an "
			  "idempotency key from it are stored again. Restore it from a copy");
		return 1;
	}
	if (err == 0)
		err = keyindex_merge(&st->keys, s->build->sha);
	if (err == 0)
		err = keyindex_expire(&st->keys, store_now_ns(st) - LIMIT_KEY_LIFE_NS);
	return err;
}

/* What an error of writing means for the store. */
static int
judge(struct store *st, int err)
{
	if (err == STELE_EIO && !atomic_exchange(&st->read_only, true))
		store_say(st, STORE_ERROR,
			  "a write or flush while sealing failed: the store is read-only until "
			  "restart; check the disk");
	return err;
}

int
store_seal_due(struct store *st)
{
	struct sealer *s = st->sealer;
	int err, did;

	if (atomic_load(&st->read_only) || atomic_load(&st->low_space))
		return 0;
	pthread_mutex_lock(&s->mu);
	err = let_leave(s, st);
	dict_sweep(st);
	did = err;
	if (did == 0 && !atomic_load(&st->pinned) && keyindex_crowded(&st->keys))
		did = tend_keys(s, st); /* sealing may have work for hours */
	if (did == 0)
		did = seal_next(s, st);
	if (did == 0 && !atomic_load(&st->pinned))
		did = tend_keys(s, st);
	pthread_mutex_unlock(&s->mu);
	return judge(st, did);
}

void
store_seal_stop(struct store *st)
{
	atomic_store(&st->sealer->stop, true);
}

/* Whether the log's first `size` entries are in segments. */
static bool
is_sealed(struct log *log, uint64_t size)
{
	bool yes;

	pthread_rwlock_rdlock(&log->store->lock);
	yes = sealed_end(&log->sealed) >= size;
	pthread_rwlock_unlock(&log->store->lock);
	return yes;
}

int
store_seal_log(struct store *st, struct log *log, struct buf *why)
{
	struct sealer *s = st->sealer;
	struct head *head = log_head(log);
	uint64_t size = head->size; /* what comes later is not waited for: it may never stop */
	int err = 1;

	head_unref(head);
	while (err == 1 && !is_sealed(log, size)) {
		if (atomic_load(&st->read_only))
			return STELE_EREADONLY;
		if (atomic_load(&st->low_space))
			return STELE_ENOSPACE;
		pthread_mutex_lock(&s->mu);
		err = seal_one(s, log, true, why);
		pthread_mutex_unlock(&s->mu);
	}
	return err == 1 ? 0 : judge(st, err);
}
