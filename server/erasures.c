/* A sorted array, the acts on it, and the snapshot of it. */
#include "server/erasures.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "proto/err.h"
#include "proto/room.h"
#include "server/access_state.h"

/* Byte order; a prefix comes first. */
static int
compare(const char *have, struct slice text)
{
	size_t n = strlen(have);
	int c = n && text.n ? memcmp(have, text.p, n < text.n ? n : text.n) : 0;

	return c ? c : (n > text.n) - (n < text.n);
}

/* Where the one of this log and id is, or would be. */
static size_t
place_of(const struct erasures *all, struct slice log, struct slice id, bool *found)
{
	size_t low = 0, high = all->n;

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = compare(all->e[mid]->log, log);
		c = c ? c : compare(all->e[mid]->id, id);
		if (c == 0)
			*found = true;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
access_restricts(struct access *a, const char *log, uint64_t index,
		 char id[CONTROL_HOLD_ID_CHARS + 1])
{
	const struct erasures *all = &a->erasures;
	bool found, restricted = false;

	if (atomic_load(&all->open) == 0)
		return false;
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = place_of(all, slice_str(log), slice_of("", 0), &found);
	     !restricted && i < all->n && strcmp(all->e[i]->log, log) == 0; i++) {
		restricted = ranges_has(&all->e[i]->set, index);
		if (restricted)
			memcpy(id, all->e[i]->id, sizeof all->e[i]->id);
	}
	pthread_rwlock_unlock(&a->lock);
	return restricted;
}

bool
access_restricts_some(struct access *a, const char *log, const struct ranges *records,
		      int64_t after_ns)
{
	const struct erasures *all = &a->erasures;
	bool found, some = false;

	if (atomic_load(&all->open) == 0)
		return false;
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = place_of(all, slice_str(log), slice_of("", 0), &found);
	     !some && i < all->n && strcmp(all->e[i]->log, log) == 0; i++)
		some = all->e[i]->requested_ns > after_ns && ranges_meet(&all->e[i]->set, records);
	pthread_rwlock_unlock(&a->lock);
	return some;
}

size_t
access_open_erasures(struct access *a)
{
	return atomic_load(&a->erasures.open);
}

int
access_erasure(struct access *a, struct slice log, struct slice id, struct erasure **out)
{
	int err = STELE_ENOTFOUND;
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = place_of(&a->erasures, log, id, &found);
	if (found)
		err = erasure_copy(out, a->erasures.e[at]);
	pthread_rwlock_unlock(&a->lock);
	return err;
}

int
access_next_erasure(struct access *a, struct slice log, struct slice id, struct erasure **out)
{
	int err = STELE_ENOTFOUND;
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = place_of(&a->erasures, log, id, &found);
	at += found;
	if (at < a->erasures.n)
		err = erasure_copy(out, a->erasures.e[at]);
	pthread_rwlock_unlock(&a->lock);
	return err;
}

void
access_new_erasure_id(struct access *a, char id[CONTROL_HOLD_ID_CHARS + 1])
{
	bool taken;

	memcpy(id, "e-", 2);
	id[CONTROL_HOLD_ID_CHARS] = '\0';
	do {
		random_base32(id + 2, CONTROL_HOLD_ID_CHARS - 2);
		taken = false;
		for (size_t i = 0; i < a->erasures.n; i++)
			taken |= strcmp(a->erasures.e[i]->id, id) == 0;
	} while (taken);
}

/* --- the array ------------------------------------------------------------------------------- */

static void
insert(struct erasures *all, struct erasure *e)
{
	bool found;
	size_t at = place_of(all, slice_str(e->log), slice_str(e->id), &found);

	memmove(all->e + at + 1, all->e + at, (all->n - at) * sizeof(*all->e));
	all->e[at] = e;
	all->n++;
	all->ranges += e->set.n;
	if (!e->ended_ns)
		atomic_fetch_add(&all->open, 1);
}

/* The one that ended first is shown no longer, when there are too many. */
static void
forget_oldest(struct erasures *all)
{
	size_t oldest = SIZE_MAX;

	if (all->n - atomic_load(&all->open) <= LIMIT_ERASURES_KEPT)
		return;
	for (size_t i = 0; i < all->n; i++)
		if (all->e[i]->ended_ns &&
		    (oldest == SIZE_MAX || all->e[i]->ended_ns < all->e[oldest]->ended_ns))
			oldest = i;
	erasure_free(all->e[oldest]);
	all->n--;
	memmove(all->e + oldest, all->e + oldest + 1, (all->n - oldest) * sizeof(*all->e));
}

/* --- acts --------------------------------------------------------------------------------------
 */

static int
check_room(const struct fold *f, const struct erasure *e)
{
	const struct erasures *all = &f->a->erasures;
	bool found;

	(void)place_of(all, slice_str(e->log), slice_str(e->id), &found);
	if (found)
		return fold_refuse(f, STELE_EEXIST, "There is an erasure of that id.");
	if (e->records == 0)
		return fold_refuse(f, STELE_ESYNTAX, "An erasure is about one record or more.");
	if (atomic_load(&all->open) >= LIMIT_ERASURES ||
	    all->ranges + e->set.n > LIMIT_ERASURE_ALL_RANGES)
		return fold_refuse(
			f, STELE_ELIMIT,
			"As many records wait to be erased as may at once: see what locks "
			"them (stele erasure list).");
	return 0;
}

int
fold_erasure_request(const struct fold *f, const json_t *act)
{
	struct erasures *all = &f->a->erasures;
	struct erasure *e;
	int err = erasure_read(&e, act, fold_text(json_object_get(act, "by"), "principal"), f->why);

	if (err != 0)
		return err;
	e->requested_ns = f->time_ns;
	err = check_room(f, e);
	if (err == 0 && !f->dry) {
		pthread_rwlock_wrlock(&f->a->lock);
		err = room_for_one(&all->e, all->n, &all->cap, sizeof(*all->e));
		if (err == 0)
			insert(all, e);
		pthread_rwlock_unlock(&f->a->lock);
	}
	if (err != 0 || f->dry)
		erasure_free(e);
	return err;
}

int
fold_erasure_end(const struct fold *f, const json_t *act)
{
	struct erasures *all = &f->a->erasures;
	bool found;
	size_t at = place_of(all, fold_text(act, "log"), fold_text(act, "id"), &found);
	struct erasure *e = found ? all->e[at] : NULL;

	if (!e)
		return fold_refuse(f, STELE_ENOTFOUND, "There is no erasure of that id.");
	if (e->ended_ns)
		return fold_refuse(f, STELE_ECONFLICT, "It has ended already.");
	if (f->dry)
		return 0;
	pthread_rwlock_wrlock(&f->a->lock);
	e->ended_ns = f->time_ns;
	all->ranges -= e->set.n;
	ranges_fini(&e->set);
	atomic_fetch_sub(&all->open, 1);
	forget_oldest(all);
	pthread_rwlock_unlock(&f->a->lock);
	return 0;
}

/* --- the snapshot ------------------------------------------------------------------------------
 */

void
access_forget_erasures(struct access *a)
{
	while (a->erasures.n)
		erasure_free(a->erasures.e[--a->erasures.n]);
	free(a->erasures.e);
	a->erasures = (struct erasures){0};
}

void
access_encode_erasures(const struct access *a, struct buf *out)
{
	buf_put_str(out, ",\"erasures\":[");
	for (size_t i = 0; i < a->erasures.n; i++) {
		buf_put_str(out, i ? "," : "");
		erasure_encode(out, a->erasures.e[i]);
	}
	buf_put_u8(out, ']');
}

int
access_decode_erasures(struct access *a, const json_t *root)
{
	const json_t *list = json_object_get(root, "erasures"), *v;
	bool found;
	size_t i;

	json_array_foreach(list, i, v)
	{
		struct erasure *e;
		int err = erasure_decode(&e, v);
		if (err != 0)
			return err;
		(void)place_of(&a->erasures, slice_str(e->log), slice_str(e->id), &found);
		if (found || room_for_one(&a->erasures.e, a->erasures.n, &a->erasures.cap,
					  sizeof(*a->erasures.e)) != 0) {
			erasure_free(e);
			return found ? STELE_EDAMAGED : STELE_ENOMEM;
		}
		insert(&a->erasures, e);
	}
	return 0;
}
