/* Segment by segment of the list, as it is at that moment: a seal may change it meanwhile. */
#include "storage/purgework.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/locate.h"
#include "storage/object.h"
#include "storage/read.h"
#include "storage/save.h"
#include "storage/seal.h"

enum { KEYS_AT_ONCE = 64, WAIT_MS = 2, WAITS = 15000, ROUNDS = 8 };

struct work {
	struct log *log;
	struct purging *p;
	struct toolbox *t;
	struct purge_result *out;
	struct buf *why;
	bool removed; /* an object's file: its folder is to be flushed */
};

/* --- step 1 ------------------------------------------------------------------------ */

static bool
is_sealed(struct log *log, uint64_t last)
{
	bool yes;

	pthread_rwlock_rdlock(&log->store->lock);
	yes = sealed_end(&log->sealed) > last;
	pthread_rwlock_unlock(&log->store->lock);
	return yes;
}

int
purgework_seal(struct log *log, uint64_t last, bool *sealed, struct buf *why)
{
	int err = is_sealed(log, last) ? 0 : store_seal_log(log->store, log, why);

	*sealed = err == 0 && is_sealed(log, last);
	return err;
}

/* --- step 5 ------------------------------------------------------------------------ */

static int
rekey(struct work *w)
{
	int err = w->p->rekeyed ? 0 : tailkey_begin(w->log);

	if (err == 0)
		w->p->rekeyed = true;
	else
		buf_put_str(w->why, "a next data key for the log's tail could not be stored");
	return err;
}

/* --- step 6 ------------------------------------------------------------------------ */

/* Removes an object's file; one that is gone already is fine. */
static int
remove_object(struct work *w, struct slice descriptor)
{
	struct object_descriptor d;
	char path[OBJECT_PATH_BYTES];
	struct stat sb;
	int err = object_descriptor_read(&d, descriptor);

	if (err != 0)
		return STELE_EDAMAGED;
	err = object_path(path, sizeof path, w->log->store, w->log, d.id);
	explicit_bzero(d.key, sizeof d.key);
	if (err != 0 || lstat(path, &sb) != 0)
		return err ? err : errno == ENOENT ? 0 : STELE_EIO;
	if (unlink(path) != 0) {
		buf_printf(w->why, "%s cannot be removed", path);
		return STELE_EIO;
	}
	w->removed = true;
	w->out->objects++;
	w->out->linked += sb.st_nlink > 1;
	w->out->returned_bytes += (uint64_t)sb.st_size;
	return 0;
}

static int
flush_objects(struct work *w)
{
	char path[OBJECT_PATH_BYTES], *slash;
	static const uint8_t any_id[OBJECT_ID_BYTES];
	int err;

	if (!w->removed)
		return 0;
	err = object_path(path, sizeof path, w->log->store, w->log, any_id);
	slash = strrchr(path, '/');
	if (err != 0 || !slash)
		return STELE_ELIMIT;
	*slash = '\0';
	err = file_sync_dir(path);
	w->removed = err != 0;
	return err;
}

static int
remove_objects(struct work *w, struct segment *s)
{
	const struct segment_facts *f = segment_facts(s);
	uint64_t index = f->first;
	struct arena a;
	int err = 0;

	sealer_lock(w->log->store->sealer); /* a backup that begins now waits */
	if (atomic_load(&w->log->store->pinned))
		err = STELE_ECONFLICT;
	arena_init(&a);
	while (err == 0 && index < f->first + f->count) {
		struct segment_record r;
		err = segment_next_object(s, &index, w->t);
		if (err == 0 && purge_set_find(&w->p->set, index)) {
			err = segment_read(s, index, w->t, &a, &r);
			if (err == 0)
				err = remove_object(w, r.payload);
			arena_reset(&a);
		}
		index++;
	}
	arena_fini(&a);
	if (err == 1)
		err = 0;
	if (err == 0)
		err = flush_objects(w);
	sealer_unlock(w->log->store->sealer);
	return err;
}

/* --- step 7 ------------------------------------------------------------------------ */

/* The first segment at or after *from that holds something of the set; false when there is none. */
static bool
next_segment(struct work *w, uint64_t *from, struct sealed *out)
{
	const struct purge_set *set = &w->p->set;
	const struct sealed *s = NULL;

	pthread_rwlock_rdlock(&w->log->store->lock);
	for (size_t i = 0; i < set->n && !s; i++) {
		if (set->ranges[i].last < *from)
			continue;
		if (set->ranges[i].first > *from)
			*from = set->ranges[i].first;
		s = sealed_find(&w->log->sealed, *from);
		if (!s)
			break;
	}
	if (s)
		*out = *s;
	pthread_rwlock_unlock(&w->log->store->lock);
	return s != NULL;
}

/* 0 when all of the set that the segment holds is gone, 1 when something is there, or an error. */
static int
is_thick(struct work *w, struct segment *s)
{
	const struct segment_facts *f = segment_facts(s);

	for (size_t i = 0; i < w->p->set.n; i++) {
		const struct control_range *range = &w->p->set.ranges[i];
		uint64_t index = range->first > f->first ? range->first : f->first;
		for (; index <= range->last && index < f->first + f->count; index++) {
			struct segment_record r;
			int err = segment_columns(s, index, w->t, &r);
			if (err != 0)
				return err;
			if (!r.gone)
				return 1;
		}
	}
	return 0;
}

static int
thin_segment(struct work *w, const struct sealed *s, struct segment *open)
{
	struct segment_facts now;
	int err = rekey(w);

	if (err == 0)
		err = remove_objects(w, open);
	if (err == 0)
		err = seal_thin(w->log, s, w->p, &now, w->why);
	if (err != 0)
		return err;
	w->out->segments++;
	if (now.file_bytes < s->file_bytes)
		w->out->returned_bytes += s->file_bytes - now.file_bytes;
	return 0;
}

/* One segment: thinned if it is not. STELE_EBUSY when it was replaced meanwhile. */
static int
look_at(struct work *w, const struct sealed *s)
{
	struct location l = {.released = true, .found = true, .sealed = true, .segment = *s};
	struct segment *open;
	int err = location_open(w->log, &l, w->t, &open);

	if (err != 0)
		return location_moved(w->log, s->first, &l) ? STELE_EBUSY : err;
	err = is_thick(w, open);
	if (err == 1)
		err = thin_segment(w, s, open);
	segment_unref(open);
	return err;
}

static int
thin_all(struct work *w)
{
	struct sealed s;
	uint64_t from = 0;
	int err = 0;

	while (err == 0 && next_segment(w, &from, &s)) {
		err = look_at(w, &s);
		if (err == STELE_EBUSY) {
			err = 0;
			continue;
		}
		if (err ==
		    STELE_EDAMAGED) { /* and is quarantined: it goes on when it is whole again */
			w->out->quarantined++;
			err = 0;
		}
		from = s.first + s.count;
	}
	return err;
}

/* --- step 8 ------------------------------------------------------------------------ */

/* Waits for commits under way, milliseconds; then seals what old tail keys sealed. */
static int
seal_tail(struct work *w)
{
	const struct timespec pause = {.tv_nsec = WAIT_MS * 1000000};
	uint64_t until = tailkey_needed_until(w->log);
	bool sealed;

	for (int i = 0; until == UINT64_MAX && i < WAITS; i++) {
		nanosleep(&pause, NULL);
		until = tailkey_needed_until(w->log);
	}
	if (until == UINT64_MAX)
		return STELE_EBUSY;
	return until ? purgework_seal(w->log, until - 1, &sealed, w->why) : 0;
}

/* --- step 9 ------------------------------------------------------------------------ */

/* One round; *left is what it left. */
static int
destroy_some(struct work *w, struct seal_left *left)
{
	uint64_t ids[KEYS_AT_ONCE];
	bool pinned;
	size_t n;
	int err;

	dict_sweep(w->log->store);
	n = tailkey_unneeded(w->log, ids, KEYS_AT_ONCE);
	err = catalog_save_now(w->log->store);
	if (err == 0)
		err = seal_let_leave(w->log, ids, n, &pinned, left);
	if (err != 0)
		return err;
	w->out->backup = pinned;
	for (size_t i = 0; i < n && !pinned; i++)
		tailkey_forget(w->log, ids[i]);
	return 0;
}

static int
destroy(struct work *w)
{
	struct seal_left left;
	uint64_t linked;
	int err = seal_let_leave(w->log, NULL, 0, &w->out->backup, &left);

	linked = left.linked;
	/* again: seals beside this, too, leave what they replaced, and a round has its bounds */
	for (int i = 0; err == 0 && i < ROUNDS; i++) {
		err = destroy_some(w, &left);
		if (w->out->backup || (left.keys == 0 && tailkey_only(w->log)))
			break;
	}
	if (err != 0) {
		if (w->why->n == 0)
			buf_put_str(w->why, "data keys could not be destroyed");
		return err;
	}
	w->out->linked += left.linked - linked;
	w->out->immutable = left.files;
	w->out->destroyed = !w->out->backup && w->out->quarantined == 0 && left.keys == 0 &&
			    tailkey_only(w->log);
	return 0;
}

/* Exports that may have some of it. */
static int
destroy_exports(struct work *w)
{
	size_t n;
	int err = spools_purge(w->log->store, w->log->id, &w->p->set, &n);

	w->out->exports += n;
	if (err != 0)
		buf_put_str(w->why, "exports of records that were purged could not be destroyed");
	return err;
}

int
purgework_do(struct log *log, struct purging *p, struct toolbox *t, struct purge_result *out,
	     struct buf *why)
{
	struct work w = {log, p, t, out, why, false};
	bool sealed;
	int err;

	out->destroyed = out->backup = false;
	out->quarantined = out->immutable = 0;
	err = purgework_seal(log, p->set.ranges[p->set.n - 1].last, &sealed, why);
	if (err == 0 && !sealed)
		out->quarantined++; /* the segment that the next one would take in */
	if (err == 0)
		err = destroy_exports(&w);
	if (err == 0)
		err = thin_all(&w);
	if (err == 0)
		err = seal_tail(&w);
	if (err == 0)
		err = destroy(&w);
	if (err == STELE_ECONFLICT) { /* a backup has begun: it ends, and then this goes on */
		out->backup = true;
		err = 0;
	}
	return err;
}
