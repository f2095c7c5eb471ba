/* A sorted array, the acts on it, and the snapshot of it. */
#include "server/exports.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "proto/err.h"
#include "proto/room.h"
#include "proto/timestamp.h"
#include "server/access_state.h"

static bool
is_live(const struct export *e)
{
	return e->state == EXPORT_BEGUN || e->state == EXPORT_FINISHED;
}

/* Where the one of this id is, or would be. */
static size_t
place_of(const struct exports *all, struct slice id, bool *found)
{
	size_t low = 0, high = all->n;

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct slice have = slice_str(all->e[mid]->id);
		size_t n = have.n < id.n ? have.n : id.n;
		int c = n ? memcmp(have.p, id.p, n) : 0;
		c = c ? c : (have.n > id.n) - (have.n < id.n);
		if (c == 0)
			*found = true;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int
access_export(struct access *a, struct slice id, struct export **out)
{
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = place_of(&a->exports, id, &found);
	if (found)
		*out = export_ref(a->exports.e[at]);
	pthread_rwlock_unlock(&a->lock);
	return found ? 0 : STELE_ENOTFOUND;
}

int
access_next_export(struct access *a, struct slice after, struct export **out)
{
	int err = STELE_ENOTFOUND;
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = place_of(&a->exports, after, &found);
	at += found;
	if (at < a->exports.n) {
		*out = export_ref(a->exports.e[at]);
		err = 0;
	}
	pthread_rwlock_unlock(&a->lock);
	return err;
}

size_t
access_live_exports(struct access *a, uint64_t *bytes)
{
	size_t live;

	*bytes = 0;
	pthread_rwlock_rdlock(&a->lock);
	live = a->exports.live;
	for (size_t i = 0; i < a->exports.n; i++)
		if (a->exports.e[i]->state == EXPORT_FINISHED)
			*bytes += a->exports.e[i]->bytes;
	pthread_rwlock_unlock(&a->lock);
	return live;
}

void
access_new_export_id(struct access *a, char id[EXPORT_ID_CHARS + 1])
{
	bool taken;

	memcpy(id, "x-", 2);
	id[EXPORT_ID_CHARS] = '\0';
	do {
		random_base32(id + 2, EXPORT_ID_CHARS - 2);
		(void)place_of(&a->exports, slice_str(id), &taken);
	} while (taken);
}

/* --- the array ------------------------------------------------------------------------------- */

static void
insert(struct exports *all, struct export *e)
{
	bool found;
	size_t at = place_of(all, slice_str(e->id), &found);

	memmove(all->e + at + 1, all->e + at, (all->n - at) * sizeof(*all->e));
	all->e[at] = e;
	all->n++;
	all->live += is_live(e);
}

static int64_t
end_of(const struct export *e)
{
	return e->removed_ns ? e->removed_ns : e->ended_ns;
}

/* The one that ended first is shown no longer, when there are too many. */
static void
forget_oldest(struct exports *all)
{
	size_t oldest = SIZE_MAX;

	if (all->n - all->live <= LIMIT_EXPORTS_KEPT)
		return;
	for (size_t i = 0; i < all->n; i++)
		if (!is_live(all->e[i]) &&
		    (oldest == SIZE_MAX || end_of(all->e[i]) < end_of(all->e[oldest])))
			oldest = i;
	export_unref(all->e[oldest]);
	all->n--;
	memmove(all->e + oldest, all->e + oldest + 1, (all->n - oldest) * sizeof(*all->e));
}

/* Puts `next` in the place of the one at `at`. */
static void
replace(const struct fold *f, size_t at, struct export *next)
{
	struct exports *all = &f->a->exports;
	struct export *old = all->e[at];

	pthread_rwlock_wrlock(&f->a->lock);
	all->live -= is_live(old);
	all->e[at] = next;
	all->live += is_live(next);
	forget_oldest(all);
	pthread_rwlock_unlock(&f->a->lock);
	export_unref(old);
}

/* --- acts --------------------------------------------------------------------------------------
 */

/* Nobody takes all the places, nor the whole queue. */
static int
check_share(const struct fold *f, const struct export *e)
{
	const struct exports *all = &f->a->exports;
	size_t live = 0, waiting = 0;

	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->e[i]->by, e->by) == 0) {
			waiting += all->e[i]->state == EXPORT_BEGUN;
			live += all->e[i]->state <= EXPORT_FINISHED;
		}
	if (waiting >= LIMIT_EXPORTS_WAITING)
		return fold_refuse(
			f, STELE_ELIMIT,
			"As many of your exports wait to be made as may: wait for some.");
	if (live >= LIMIT_EXPORTS_OF_ONE)
		return fold_refuse(f, STELE_ELIMIT,
				   "You have as many exports as one may: remove some (stele export "
				   "remove), or wait until they expire.");
	return 0;
}

static int
check_room(const struct fold *f, const struct export *e)
{
	bool found;
	int err;

	(void)place_of(&f->a->exports, slice_str(e->id), &found);
	if (found)
		return fold_refuse(f, STELE_EEXIST, "There is an export of that id.");
	if (f->a->exports.live >= LIMIT_EXPORTS)
		return fold_refuse(f, STELE_ELIMIT,
				   "There are as many exports as there may be: remove some (stele "
				   "export remove), or wait until they expire.");
	err = check_share(f, e);
	return err ? err
		   : room_for_one(&f->a->exports.e, f->a->exports.n, &f->a->exports.cap,
				  sizeof(*f->a->exports.e));
}

int
fold_export_begin(const struct fold *f, const json_t *act)
{
	char time[TIMESTAMP_BYTES];
	struct export *e = NULL;
	json_t *doc;
	int err;

	timestamp_format(time, f->time_ns);
	doc = json_pack("{s:O, s:s%}", "begin", act, "begun", time, sizeof time);
	err = doc ? export_new(&e, doc, f->why) : STELE_ENOMEM;
	json_decref(doc);
	err = err ? err : check_room(f, e);
	if (err == 0 && !f->dry) {
		pthread_rwlock_wrlock(&f->a->lock);
		insert(&f->a->exports, e);
		pthread_rwlock_unlock(&f->a->lock);
	} else {
		export_unref(e);
	}
	return err;
}

/* The act happens to the export that it names, if that is in one of these states. */
static int
happen(const struct fold *f, const json_t *act, unsigned states, const char *what, const char *when)
{
	struct export *next = NULL;
	bool found;
	size_t at = place_of(&f->a->exports, fold_text(act, "export"), &found);
	int err;

	if (!found)
		return fold_refuse(f, STELE_ENOTFOUND, "No export has that id.");
	if (!(states & 1u << f->a->exports.e[at]->state))
		return fold_refuse(f, STELE_ECONFLICT,
				   "The export is not in that state any more: look at it.");
	err = export_with(&next, f->a->exports.e[at], what, when, act, f->time_ns, f->why);
	if (err == 0 && !f->dry)
		replace(f, at, next);
	else
		export_unref(next);
	return err;
}

int
fold_export_finish(const struct fold *f, const json_t *act)
{
	return happen(f, act, 1u << EXPORT_BEGUN, "finish", "finished");
}

int
fold_export_fail(const struct fold *f, const json_t *act)
{
	return happen(f, act, 1u << EXPORT_BEGUN, "fail", "failed");
}

int
fold_export_remove(const struct fold *f, const json_t *act)
{
	return happen(f, act, 1u << EXPORT_BEGUN | 1u << EXPORT_FINISHED | 1u << EXPORT_FAILED,
		      "remove", "removed");
}

/* --- a purge ------------------------------------------------------------------------------- */

static int
purged_ranges(struct ranges *set, const json_t *act)
{
	const json_t *v;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(act, "ranges"), i, v)
	{
		json_int_t first = json_integer_value(json_array_get(v, 0)),
			   last = json_integer_value(json_array_get(v, 1));
		if (err == 0 && first >= 0 && last >= first &&
		    (!set->n || set->r[set->n - 1].last < (uint64_t)first))
			err = ranges_add(set, (uint64_t)first, (uint64_t)last);
	}
	return err;
}

int
fold_purge(const struct fold *f, const json_t *act)
{
	struct exports *all = &f->a->exports;
	struct slice log = fold_text(act, "log");
	struct ranges set = {0};
	json_t *remove = json_pack("{s:s}", "why", "purged");
	int err = f->dry || remove ? 0 : STELE_ENOMEM;

	if (f->dry || err != 0) {
		json_decref(remove);
		return err;
	}
	err = purged_ranges(&set, act);
	/* from the end: forgetting one that ended earlier moves only what was looked at */
	for (size_t i = all->n; err == 0 && i > 0; i--) {
		struct export *next = NULL;
		if (i > all->n || all->e[i - 1]->state != EXPORT_FINISHED ||
		    !export_has(all->e[i - 1], log, &set))
			continue;
		err = export_with(&next, all->e[i - 1], "remove", "removed", remove, f->time_ns,
				  f->why);
		if (err == 0)
			replace(f, i - 1, next);
	}
	ranges_fini(&set);
	json_decref(remove);
	return err;
}

/* --- the snapshot ------------------------------------------------------------------------------
 */

void
access_forget_exports(struct access *a)
{
	while (a->exports.n)
		export_unref(a->exports.e[--a->exports.n]);
	free(a->exports.e);
	a->exports = (struct exports){0};
}

void
access_encode_exports(const struct access *a, struct buf *out)
{
	buf_put_str(out, ",\"exports\":[");
	for (size_t i = 0; i < a->exports.n; i++) {
		buf_put_str(out, i ? "," : "");
		buf_put_str(out, a->exports.e[i]->doc);
	}
	buf_put_u8(out, ']');
}

int
access_decode_exports(struct access *a, const json_t *root)
{
	const json_t *v;
	struct buf why;
	bool found;
	size_t i;
	int err = 0;

	buf_init(&why);
	json_array_foreach(json_object_get(root, "exports"), i, v)
	{
		struct export *e = NULL;
		if (err != 0)
			break;
		err = export_new(&e, v, &why);
		if (err != 0)
			break;
		(void)place_of(&a->exports, slice_str(e->id), &found);
		err = found ? STELE_EDAMAGED
			    : room_for_one(&a->exports.e, a->exports.n, &a->exports.cap,
					   sizeof(*a->exports.e));
		if (err == 0)
			insert(&a->exports, e);
		else
			export_unref(e);
	}
	buf_fini(&why);
	return err == STELE_ESYNTAX ? STELE_EDAMAGED : err;
}
