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
#include "storage/purge.h"
#include "storage/read.h"
#include "storage/sealfeed.h"
#include "storage/sealleave.h"
#include "storage/sealplan.h"
#include "storage/segcache.h"
#include "storage/segterms.h"

struct sealer {
	pthread_mutex_t mu; /* one seal at a time */
	atomic_bool stop;
	struct toolbox *build, *feed;
	struct sealleave leaving;
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
	sealleave_fini(&s->leaving);
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

/* How the log's records are indexed now. */
static const struct mapping *
mapping_of(const struct log *log)
{
	const struct store_options *o = &log->store->opts;
	const struct mapping *m =
		o->mapping ? o->mapping(o->mapping_ctx, slice_str(log->name)) : NULL;

	return m ? m : log->store->mapping;
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
		.mapping = mapping_of(log),
		.signer = keys->signer,
		.before = &before,
	};
	int err = seal_dir(log, dir, sizeof dir);

	memcpy(p.facts.origin, log->origin, sizeof p.facts.origin);
	if (err == 0)
		err = state_facts(s, log, &p.facts, &before, why);
	if (err == 0) {
		sealfeed_init(&feed, log, plan->first, plan->end, plan->thin, s->feed, &s->stop);
		source = sealfeed_source(&feed);
		err = segment_build(&p, &source, s->build, out, why);
		sealfeed_fini(&feed);
	}
	logkeys_unref(keys);
	return err;
}

/* --- step 3 ------------------------------------------------------------------------ */

/* Notes what the new segment replaces; room was reserved, lock held. */
static void
note_leaving(struct sealer *s, struct log *log, const struct sealplan *plan)
{
	for (size_t i = 0; i < log->sealed.n; i++) {
		const struct sealed *old = &log->sealed.s[i];
		if (old->first < plan->first || old->first >= plan->end)
			continue;
		sealleave_note(&s->leaving, log, old, plan->thin != NULL);
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
	int err = sealleave_reserve(&s->leaving, plan->n_replaced);

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
		if (!plan->thin)
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
	if (!log_stays(log))
		store_record(log->store,
			     "{\"type\":\"segment.seal\",\"log\":\"%s\",\"first\":%llu,"
			     "\"count\":%llu,\"generation\":%u,\"bytes\":%llu}",
			     log->name, (unsigned long long)f->first, (unsigned long long)f->count,
			     f->generation, (unsigned long long)f->file_bytes);
}

/* Steps 1 to 3 for one planned segment. */
static int
seal(struct sealer *s, struct log *log, const struct sealplan *plan, struct segment_facts *out,
     struct buf *why)
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
	atomic_fetch_add(&st->sealed_file_bytes, facts.file_bytes);
	atomic_fetch_add(&st->sealed_index_bytes, facts.terms_bytes);
	record_seal(log, &facts);
	if (out)
		*out = facts;
	return 0;
}

int
seal_let_leave(struct log *log, const uint64_t *ids, size_t n, bool *pinned, struct seal_left *left)
{
	struct sealer *s = log->store->sealer;
	int err;

	pthread_mutex_lock(&s->mu);
	*pinned = atomic_load(&log->store->pinned);
	err = sealleave_go(&s->leaving, log->store);
	if (err == 0 &&
	    !*pinned) /* also when there is none: an earlier try may not have reached the disk */
		err = seal_drop_keys(log->store, ids, n);
	sealleave_count(&s->leaving, log, left);
	pthread_mutex_unlock(&s->mu);
	return err;
}

/* --- again ---------------------------------------------------------------------------- */

/* Steps 1 to 3 for a segment of the list, as its own next generation. */
static int
seal_anew(struct log *log, const struct sealed *old, const struct purging *thin,
	  struct segment_facts *out, struct buf *why)
{
	struct sealer *s = log->store->sealer;
	const struct segment_name name = {old->first, old->count, old->generation};
	char replaces[SEGMENT_NAME_BYTES + 1];
	struct sealplan plan = {.first = old->first,
				.end = old->first + old->count,
				.generation = old->generation + 1,
				.n_replaced = 1,
				.replaces = replaces,
				.thin = thin};
	const struct sealed *now;
	int err = STELE_EBUSY;

	segment_name_format(replaces, &name);
	strcat(replaces, "\n");
	pthread_mutex_lock(&s->mu);
	pthread_rwlock_rdlock(&log->store->lock);
	now = sealed_find(&log->sealed, old->first);
	if (now && now->first == old->first && now->generation == old->generation &&
	    (thin || !log->purging))
		err = 0;
	pthread_rwlock_unlock(&log->store->lock);
	if (err == 0)
		err = seal(s, log, &plan, out, why);
	pthread_mutex_unlock(&s->mu);
	return err;
}

int
seal_thin(struct log *log, const struct sealed *old, const struct purging *thin,
	  struct segment_facts *out, struct buf *why)
{
	return seal_anew(log, old, thin, out, why);
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
	err = seal(s, log, &plan, NULL, why);
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
	did = purge_resume(st);
	if (did != 0)
		return judge(st, did);
	pthread_mutex_lock(&s->mu);
	err = sealleave_go(&s->leaving, st);
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
		if (atomic_load(&st->low_space) && !store_has_reserve(st))
			return STELE_ENOSPACE; /* what is to be purged is sealed first */
		pthread_mutex_lock(&s->mu);
		err = seal_one(s, log, true, why);
		pthread_mutex_unlock(&s->mu);
	}
	return err == 1 ? 0 : judge(st, err);
}

/* --- the index ----------------------------------------------------------------------- */

/* Whether the segment of a location has an index of the log's mapping. */
static int
has_index(struct log *log, const struct location *l, struct toolbox *t, bool *has)
{
	const struct segterms *terms;
	struct segment *segment;
	int err = location_open(log, l, t, &segment);

	if (err != 0)
		return err;
	terms = segment_terms(segment);
	*has = terms && memcmp(terms->mapping, mapping_of(log)->digest, 32) == 0;
	segment_unref(segment);
	return 0;
}

int
store_reindex(struct store *st, struct log *log, uint64_t at, bool all, struct toolbox *t,
	      uint64_t *next, struct buf *why)
{
	struct location l;
	bool has = false;
	int err;

	do {
		locate(log, at, &l);
		if (!l.sealed)
			return STELE_ENOTFOUND;
		if (atomic_load(&st->read_only))
			return STELE_EREADONLY;
		if (atomic_load(&st->low_space))
			return STELE_ENOSPACE;
		err = has_index(log, &l, t, &has);
		if (err == 0 && (all || !has))
			err = seal_anew(log, &l.segment, NULL, NULL, why);
	} while (err != 0 && location_moved(log, at, &l));
	if (err != 0)
		return judge(st, err);
	*next = l.segment.first + l.segment.count;
	return all || !has;
}
