/* Opening and closing a data directory, and the small questions about it. */
#include "storage/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "crypto/identity.h"
#include "crypto/init.h"
#include "proto/check.h"
#include "proto/err.h"
#include "storage/backup.h"
#include "storage/catalog.h"
#include "storage/clocks.h"
#include "storage/commit.h"
#include "storage/deposit.h"
#include "storage/file.h"
#include "storage/protect.h"
#include "storage/read.h"
#include "storage/save.h"
#include "storage/scrub.h"
#include "storage/seal.h"
#include "storage/segcache.h"
#include "storage/spool.h"

void
store_say(struct store *st, enum store_level level, const char *fmt, ...)
{
	static const char *const names[] = {"info", "warning", "error"};
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (st->opts.say)
		st->opts.say(st->opts.say_ctx, level, line);
	else
		fprintf(stderr, "%s: %s\n", names[level], line);
}

void
store_record(struct store *st, const char *fmt, ...)
{
	char json[768];
	va_list ap;
	int n;

	if (!st->opts.record)
		return;
	va_start(ap, fmt);
	n = vsnprintf(json, sizeof json, fmt, ap);
	va_end(ap);
	CHECK(n > 0 && n < (int)sizeof json); /* names of logs and numbers */
	st->opts.record(st->opts.record_ctx, slice_of(json, (size_t)n));
}

int64_t
store_now_ns(struct store *st)
{
	struct clock_reading r;

	if (!st->clocks)
		return store_wall_ns(st);
	store_clock_get(st, &r);
	return r.evidence_ns;
}

int64_t
store_wall_ns(struct store *st)
{
	struct timespec ts;

	if (st->opts.now_ns)
		return st->opts.now_ns(st->opts.clock);
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void
store_key_failed(struct store *st, const char *file)
{
	if (!atomic_exchange(&st->read_only, true))
		store_say(st, STORE_ERROR,
			  "writing %s/keys/%s failed: the store is read-only until restart; "
			  "check the disk, then restart",
			  st->dir, file);
}

static int
path_in(char *out, size_t cap, const struct store *st, const char *name)
{
	return snprintf(out, cap, "%s/%s", st->dir, name) < (int)cap ? 0 : STELE_ELIMIT;
}

/* Why a key file cannot be used, and what to do. Returns err. */
static int
key_trouble(const struct store *st, const char *path, int err, struct buf *why)
{
	if (err == STELE_EKEY && st->opts.passphrase)
		buf_printf(why,
			   "%s: the passphrase is wrong, or the file was never sealed with one",
			   path);
	else if (err == STELE_EKEY)
		buf_printf(why, "%s is sealed: give its passphrase with --passphrase-file", path);
	else if (err == STELE_EPERM)
		buf_printf(why,
			   "%s: others may read it, or this user may not: it must be its "
			   "owner's alone (chmod 600)",
			   path);
	else
		buf_printf(why, "%s: %s; restore it from a copy of this directory", path,
			   stele_strerror(err));
	return err;
}

static int
open_keys(struct store *st, bool fresh, struct buf *why)
{
	char identity[4096], ring[4096], keys[4096];
	struct sha256 *h = st->upkeep->sha;
	int err;

	path_in(keys, sizeof keys, st, "keys");
	path_in(identity, sizeof identity, st, "keys/identity");
	path_in(ring, sizeof ring, st, "keys/keyring");
	err = keyfile_seal_new(&st->seal, st->opts.passphrase);
	if (err == 0 && fresh && mkdir(keys, 0700) != 0 && errno != EEXIST)
		err = stele_err_from_errno(errno);
	if (err == 0 && fresh)
		err = file_sync_dir(st->dir);
	if (err == 0)
		err = fresh ? identity_create(&st->identity, identity,
					      slice_str(st->place.server_name), st->seal, h)
			    : identity_open(&st->identity, &st->next_identity, identity, st->seal,
					    h);
	if (err != 0)
		return key_trouble(st, identity, err, why);
	if (!slice_eq_str(signer_vkey(identity_signer(st->identity))->name,
			  st->place.server_name)) {
		buf_printf(why, "%s belongs to another server", identity);
		return STELE_EKEY;
	}
	err = keyring_open(&st->keyring, ring, st->seal, fresh);
	return err ? key_trouble(st, ring, err, why) : 0;
}

/* Identity of the place, keys and WAL: made by a first start, read by every other. */
static int
open_place(struct store *st, struct buf *why)
{
	const struct store_options *o = &st->opts;
	struct sha256 *h = st->upkeep->sha;
	int err = place_read(&st->place, st->dir, o->moved, h, why);
	bool fresh = err == STELE_ENOTFOUND;

	if (fresh && !o->create) {
		buf_printf(why, "%s holds no stele data (stele.id is missing)", st->dir);
		return err;
	}
	if (fresh) {
		err = place_clear_unborn(st->dir, why);
		if (err == 0 && o->server_name &&
		    !entry_server_name_valid(slice_str(o->server_name))) {
			buf_printf(why, "--origin: %s is not a server name", o->server_name);
			err = STELE_EINVAL;
		}
		place_make(&st->place, o->server_name);
	} else if (err == 0 && o->server_name && strcmp(o->server_name, st->place.server_name)) {
		buf_printf(why, "%s belongs to %s, which is fixed for life; --origin says %s",
			   st->dir, st->place.server_name, o->server_name);
		err = STELE_EINVAL;
	}
	if (err == 0)
		err = open_keys(st, fresh, why);
	if (err == 0)
		err = wal_open(&st->wal, st->dir, st->place.incarnation, o->wal_file_bytes,
			       fresh ? WAL_CREATE : WAL_USE, why);
	if (err == 0 && fresh)
		err = place_write(&st->place, st->dir, h);
	return err;
}

static int
init_lock(struct store *st)
{
	pthread_rwlockattr_t attr;
	int rc;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	rc = pthread_rwlock_init(&st->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&st->creating, NULL);
	pthread_mutex_init(&st->saving, NULL);
	pthread_mutex_init(&st->purging, NULL);
	pthread_mutex_init(&st->spools.mu, NULL);
	return rc == 0 ? 0 : STELE_ENOMEM;
}

static int
store_new(struct store **out, const struct store_options *opts)
{
	struct store *st = calloc(1, sizeof *st);
	int err;

	*out = st; /* also when something below fails: store_close frees it */
	if (!st)
		return STELE_ENOMEM;
	st->opts = *opts;
	if (st->opts.wal_file_bytes == 0)
		st->opts.wal_file_bytes = LIMIT_WAL_FILE_BYTES;
	if (st->opts.wal_files == 0)
		st->opts.wal_files = LIMIT_WAL_FILES;
	if (st->opts.seal_after_ns == 0)
		st->opts.seal_after_ns = LIMIT_SEAL_AFTER_S * 1000000000ll;
	if (st->opts.scrub_rate == UINT64_MAX)
		st->opts.scrub_rate = LIMIT_SCRUB_RATE;
	if (st->opts.scrub_every_ns == 0)
		st->opts.scrub_every_ns = LIMIT_SCRUB_EVERY_S * 1000000000ll;
	if (st->opts.free_bytes == UINT64_MAX)
		st->opts.free_bytes = LIMIT_FREE_BYTES;
	st->place.lock_fd = -1;
	st->next_log_id = 1;
	arena_init(&st->arena);
	err = init_lock(st);
	if (err == 0)
		err = crypto_init();
	if (err == 0) {
		st->upkeep = toolbox_new();
		st->tiles = tilecache_new();
		st->segments = segcache_new();
		st->sealer = sealer_new();
		st->scrub = scrub_new();
		st->backup = backup_new();
		if (st->upkeep)
			st->mapping = mapping_builtin(&st->arena, st->upkeep->sha);
		err = st->upkeep && st->mapping && st->tiles && st->segments && st->sealer &&
				      st->scrub && st->backup
			      ? commit_new(&st->commit, st)
			      : STELE_ENOMEM;
	}
	if (err == 0 && snprintf(st->dir, sizeof st->dir, "%s", opts->dir) >= (int)sizeof st->dir)
		err = STELE_ELIMIT;
	return err;
}

static int
open_with(struct store **out, const struct store_options *opts, bool rebuild, struct buf *why)
{
	struct store *st;
	int err;

	if (opts->wal_file_bytes && opts->wal_file_bytes < LIMIT_WAL_FILE_MIN_BYTES) {
		buf_printf(why, "WAL files are %u bytes at least", LIMIT_WAL_FILE_MIN_BYTES);
		return STELE_EINVAL;
	}
	err = store_new(&st, opts);
	if (!st)
		return STELE_ENOMEM;
	if (err == 0)
		err = place_lock(&st->place, st->dir, opts->create, why);
	if (err == 0 && !opts->restoring)
		err = place_complete(st->dir, why);
	if (err == 0)
		err = open_place(st, why);
	if (err == 0) {
		keyindex_init(&st->keys, wal_dir(st->wal), st->place.incarnation);
		err = store_recover(st, rebuild, why);
		if (err == 0)
			err = digest_open(st);
		if (err == 0)
			err = purging_load(st, st->walk_purges, st->upkeep);
		if (err == 0)
			err = clocks_open(st, opts->restoring, why);
		if (err == 0)
			err = seal_clean(st, why);
		if (err == 0)
			protect_all(st);
		if (err == 0)
			err = deposit_sweep(st);
		if (err == 0)
			err = spool_sweep(st);
	}
	if (err != 0) {
		if (why->n == 0)
			buf_printf(why, "%s: %s", opts->dir, stele_strerror(err));
		atomic_store(&st->read_only, true); /* closing must not write */
		store_close(st);
		return err;
	}
	st->opts.passphrase = NULL; /* the caller's */
	*out = st;
	return 0;
}

int
store_open_bare(struct store **out, const struct store_options *opts, struct buf *why)
{
	struct store *st;
	int err = store_new(&st, opts);

	if (!st)
		return STELE_ENOMEM;
	if (err == 0)
		err = place_lock(&st->place, st->dir, false, why);
	if (err == 0)
		err = place_complete(st->dir, why);
	if (err == 0)
		err = place_read(&st->place, st->dir, false, st->upkeep->sha, why);
	if (err == STELE_EMOVED) { /* a copy may be checked, only not served */
		buf_reset(why);
		err = 0;
	}
	if (err == 0)
		err = open_keys(st, false, why);
	if (err == 0)
		err = wal_open(&st->wal, st->dir, st->place.incarnation, opts->wal_file_bytes,
			       WAL_CHECK, why);
	atomic_store(&st->read_only, true);
	if (err != 0) {
		if (why->n == 0)
			buf_printf(why, "%s: %s", opts->dir, stele_strerror(err));
		store_close(st);
		return err;
	}
	keyindex_init(&st->keys, wal_dir(st->wal), st->place.incarnation);
	st->opts.passphrase = NULL; /* the caller's */
	*out = st;
	return 0;
}

int
store_open(struct store **out, const struct store_options *opts, struct buf *why)
{
	return open_with(out, opts, false, why);
}

int
store_rebuild(const struct store_options *opts, struct buf *why)
{
	struct store *st;
	int err = open_with(&st, opts, true, why);

	if (err == 0)
		store_close(st);
	return err;
}

void
store_close(struct store *st)
{
	if (!st)
		return;
	if (st->catalog && !atomic_load(&st->read_only)) {
		int err = catalog_save(st);
		if (err == 0)
			err = wal_sync_released(st->wal);
		if (err != 0)
			store_say(st, STORE_WARN,
				  "closing: the catalogue was not saved (%s); the next start "
				  "reads the WAL instead",
				  stele_strerror(err));
	}
	clocks_close(st);
	unsaved_free(st->unsaved);
	for (size_t i = 0; i < st->n_logs; i++)
		log_free(st->by_name[i]);
	free(st->by_name);
	free(st->by_id);
	catalog_close(st->catalog);
	if (st->wal)
		keyindex_fini(&st->keys);
	wal_close(st->wal);
	keyring_free(st->keyring);
	identity_unref(st->identity);
	identity_unref(st->next_identity.identity);
	keyfile_seal_free(st->seal);
	tilecache_free(st->tiles);
	segcache_free(st->segments);
	sealer_free(st->sealer);
	scrub_free(st->scrub);
	backup_free(st->backup);
	commit_free(st->commit);
	toolbox_free(st->upkeep);
	arena_fini(&st->arena);
	place_unlock(&st->place);
	pthread_rwlock_destroy(&st->lock);
	pthread_mutex_destroy(&st->creating);
	pthread_mutex_destroy(&st->saving);
	pthread_mutex_destroy(&st->purging);
	pthread_mutex_destroy(&st->spools.mu);
	free(st);
}

const char *
store_server_name(const struct store *st)
{
	return st->place.server_name;
}

struct identity *
store_identity(struct store *st)
{
	struct identity *id;

	pthread_rwlock_rdlock(&st->lock);
	id = identity_ref(st->identity);
	pthread_rwlock_unlock(&st->lock);
	return id;
}

bool
store_is_demo(const struct store *st)
{
	return st->place.demo;
}

const char *
store_dir(const struct store *st)
{
	return st->dir;
}

static void
count_segments(const struct sealed_list *l, struct store_stats *out)
{
	out->segments += l->n;
	for (size_t i = 0; i < l->n; i++) {
		out->segment_bytes += l->s[i].file_bytes;
		out->segments_quarantined += l->s[i].quarantined;
		out->segments_immutable += (l->s[i].protection & PROTECT_IMMUTABLE) != 0;
		out->segments_verity += (l->s[i].protection & PROTECT_VERITY) != 0;
	}
}

void
store_stats_get(struct store *st, struct store_stats *out)
{
	struct wal_row row = wal_row(st->wal);
	uint64_t sequence;

	*out = (struct store_stats){
		.wal_files = row.last - row.first + 1,
		.wal_disk_bytes = row.disk_bytes,
		.commits = atomic_load(&st->commits),
		.records = atomic_load(&st->records),
		.duplicates = atomic_load(&st->duplicates),
		.payload_bytes = atomic_load(&st->payload_bytes),
		.wal_bytes = atomic_load(&st->wal_bytes),
		.flush_ns_total = atomic_load(&st->flush_ns_total),
		.flush_ns_max = atomic_load(&st->flush_ns_max),
		.sign_ns_total = atomic_load(&st->sign_ns_total),
		.damaged_reads = atomic_load(&st->damaged_reads),
		.free_disk_bytes = atomic_load(&st->free_disk_bytes),
		.catalog_commits = atomic_load(&st->catalog_commits),
		.key_digests = keyindex_count(&st->keys),
		.segments_sealed = atomic_load(&st->segments_sealed),
		.sealed_payload_bytes = atomic_load(&st->sealed_payload_bytes),
		.sealed_file_bytes = atomic_load(&st->sealed_file_bytes),
		.sealed_index_bytes = atomic_load(&st->sealed_index_bytes),
		.deposits_open = atomic_load(&st->deposits_open),
		.deposited_bytes = atomic_load(&st->deposited_bytes),
		.objects_stored = atomic_load(&st->objects_stored),
		.deposits_dropped = atomic_load(&st->deposits_dropped),
		.read_only = atomic_load(&st->read_only),
		.low_space = atomic_load(&st->low_space),
	};
	pthread_rwlock_rdlock(&st->lock);
	out->logs = st->n_logs;
	for (size_t i = 0; i < st->n_logs; i++)
		count_segments(&st->by_name[i]->sealed, out);
	sequence = st->position.sequence;
	pthread_rwlock_unlock(&st->lock);
	out->catalog_lag_commits = sequence - atomic_load(&st->saved_sequence);
	segcache_memory(st->segments, &out->index_memory_bytes, &out->dictionary_memory_bytes);
}
