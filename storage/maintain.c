/* What runs behind the commits. Each part is cheap when nothing is due. */
#include <string.h>

#include "proto/err.h"
#include "storage/clocks.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/save.h"

/* Free space against the soft limit; says so when it changes. */
static int
look_at_space(struct store *st)
{
	uint64_t bytes;
	bool low, was;
	int err = file_free_bytes(st->dir, &bytes);

	if (err != 0)
		return err;
	atomic_store(&st->free_disk_bytes, bytes);
	low = bytes < st->opts.free_bytes;
	was = atomic_exchange(&st->low_space, low);
	if (low != was)
		store_say(st, low ? STORE_ERROR : STORE_INFO,
			  low ? "%llu bytes free, below the limit of %llu: appends are refused "
				"(507), reads go on. Free or add space"
			      : "%llu bytes free, above the limit of %llu again: appends go on",
			  (unsigned long long)bytes, (unsigned long long)st->opts.free_bytes);
	return 0;
}

/* Turns a full table of keys into a run. */
static int
spill_keys(struct store *st)
{
	struct position at;
	int err = 0;

	pthread_rwlock_wrlock(&st->lock); /* the keys of every commit before position are in */
	at = st->position;
	if (keyindex_due(&st->keys, at.end))
		err = keyindex_freeze(&st->keys, at.end, at.sequence + 1, at.hash);
	pthread_rwlock_unlock(&st->lock);
	if (err == 0)
		err = keyindex_write_run(&st->keys, store_now_ns(st), st->upkeep->sha);
	if (err != 0)
		return err;
	pthread_rwlock_wrlock(&st->lock);
	st->keys_from.sequence = st->keys.fresh_from_sequence - 1;
	memcpy(st->keys_from.hash, st->keys.fresh_from_prev, 32);
	st->keys_from.end = st->keys.fresh_from;
	pthread_rwlock_unlock(&st->lock);
	return 0;
}

/* Trains a dictionary for logs that have changed and have none that fits. */
static int
train_dicts(struct store *st)
{
	struct log *changed[64];
	size_t n = 0;
	int err = 0;

	pthread_rwlock_rdlock(&st->lock);
	for (struct log *l = st->dirty; l && n < sizeof changed / sizeof(*changed);
	     l = l->next_dirty)
		changed[n++] = l;
	pthread_rwlock_unlock(&st->lock);
	for (size_t i = 0; err == 0 && i < n; i++)
		err = dict_train(changed[i], st->upkeep);
	return err;
}

static int
save(struct store *st)
{
	uint64_t sequence;
	bool dirty;
	int err;

	pthread_rwlock_rdlock(&st->lock);
	sequence = st->position.sequence;
	dirty = st->dirty != NULL; /* a seal makes no commit */
	pthread_rwlock_unlock(&st->lock);
	if (pthread_mutex_trylock(&st->saving) != 0)
		return 0; /* a backup copies it: the next round saves */
	if (sequence == atomic_load(&st->saved_sequence) && !dirty && !st->unsaved) {
		pthread_mutex_unlock(&st->saving);
		return 0;
	}
	err = catalog_save(st);
	if (err == STELE_EDAMAGED)
		err = catalog_renew(st);
	pthread_mutex_unlock(&st->saving);
	if (err == 0 && sequence != st->marked_sequence)
		err = wal_sync_released(st->wal);
	if (err == 0)
		st->marked_sequence = sequence;
	return err;
}

/* After the first error of a round: what it means for the store. */
static int
judge(struct store *st, int err)
{
	if (err == STELE_EIO && !atomic_exchange(&st->read_only, true))
		store_say(st, STORE_ERROR,
			  "a write or flush behind the commits failed: the store is read-only "
			  "until restart; check the disk");
	else if (err != 0 && err != STELE_ENOSPACE)
		store_say(st, STORE_WARN, "work behind the commits is late: %s",
			  stele_strerror(err));
	return err;
}

/* What must not wait a second: the writer fills disks and tables faster than that. */
static int
prepare(struct store *st)
{
	int err = look_at_space(st);

	return err == 0 && !atomic_load(&st->read_only) ? spill_keys(st) : err;
}

int
store_prewrite(struct store *st)
{
	if (atomic_load(&st->read_only) || atomic_load(&st->low_space))
		return 0;
	return judge(st, wal_prepare_next(st->wal));
}

int
store_prepare(struct store *st)
{
	return judge(st, prepare(st));
}

int
store_maintain(struct store *st)
{
	int err, first = clocks_tend(st);

	err = prepare(st);
	first = first ? first : err;

	if (atomic_load(&st->read_only))
		return first;
	err = train_dicts(st);
	first = first ? first : err;
	err = digest_tend(st);
	first = first ? first : err;
	err = save(st);
	first = first ? first : err;
	return judge(st, first);
}
