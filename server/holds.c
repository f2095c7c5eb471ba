/* A sorted array, the acts on it, and the snapshot of it. */
#include "server/holds.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "proto/err.h"
#include "proto/room.h"
#include "server/access_state.h"

/* Where the one with this id is, or would be. */
static size_t
place_of(const struct holds *all, struct slice id, bool *found)
{
	size_t low = 0, high = all->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2, n = id.n;
		int d;
		n = n < CONTROL_HOLD_ID_CHARS ? n : CONTROL_HOLD_ID_CHARS;
		d = n ? memcmp(all->h[mid]->id, id.p, n) : 0;
		if (d < 0 || (d == 0 && n < id.n))
			low = mid + 1;
		else
			high = mid;
	}
	*found = low < all->n && slice_eq_str(id, all->h[low]->id);
	return low;
}

const struct hold *
access_find_hold(const struct access *a, struct slice id)
{
	bool found;
	size_t at = place_of(&a->holds, id, &found);

	return found ? a->holds.h[at] : NULL;
}

int
access_each_hold(struct access *a, struct slice after, int (*fn)(void *ctx, const struct hold *h),
		 void *ctx)
{
	bool found;
	int done = 0;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = place_of(&a->holds, after, &found); done == 0 && i < a->holds.n; i++)
		if (!found || !slice_eq_str(after, a->holds.h[i]->id))
			done = fn(ctx, a->holds.h[i]);
	pthread_rwlock_unlock(&a->lock);
	return done;
}

int
access_hold(struct access *a, struct slice id, int (*fn)(void *ctx, const struct hold *h),
	    void *ctx)
{
	const struct hold *h;
	int done = STELE_ENOTFOUND;

	pthread_rwlock_rdlock(&a->lock);
	h = access_find_hold(a, id);
	if (h)
		done = fn(ctx, h);
	pthread_rwlock_unlock(&a->lock);
	return done;
}

void
access_count_holds(struct access *a, uint64_t *placed, uint64_t *released)
{
	pthread_rwlock_rdlock(&a->lock);
	*placed = a->holds.placed;
	*released = a->holds.n - a->holds.placed;
	pthread_rwlock_unlock(&a->lock);
}

void
access_filter_digest(struct access *a, struct slice filter, uint8_t out[KDIGEST_BYTES])
{
	const struct slice parts[] = {slice_str("hold-filter"), filter};

	kdigest(out, a->key, parts, 2);
}

void
access_new_hold_id(struct access *a, char id[CONTROL_HOLD_ID_CHARS + 1])
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t bytes[CONTROL_HOLD_ID_CHARS];

	do {
		random_bytes(bytes, sizeof bytes);
		for (size_t i = 0; i < sizeof bytes; i++)
			id[i] = alphabet[bytes[i] % 32];
		id[0] = 'h';
		id[1] = '-';
		id[CONTROL_HOLD_ID_CHARS] = '\0';
	} while (access_find_hold(a, slice_str(id)));
}

/* --- the array ------------------------------------------------------------------------------- */

static void
insert(struct holds *all, struct hold *h)
{
	bool found;
	size_t at = place_of(all, slice_str(h->id), &found);

	memmove(all->h + at + 1, all->h + at, (all->n - at) * sizeof(*all->h));
	all->h[at] = h;
	all->n++;
	all->placed += h->released_ns == 0;
}

/* The one that was released first is shown no longer, when there are too many. */
static void
forget_oldest(struct holds *all)
{
	size_t oldest = SIZE_MAX;

	if (all->n - all->placed <= LIMIT_HOLDS_KEPT)
		return;
	for (size_t i = 0; i < all->n; i++)
		if (all->h[i]->released_ns &&
		    (oldest == SIZE_MAX || all->h[i]->released_ns < all->h[oldest]->released_ns))
			oldest = i;
	hold_free(all->h[oldest]);
	all->n--;
	memmove(all->h + oldest, all->h + oldest + 1, (all->n - oldest) * sizeof(*all->h));
}

/* --- acts --------------------------------------------------------------------------------------
 */

int
fold_hold_place(const struct fold *f, const json_t *act)
{
	struct holds *all = &f->a->holds;
	struct hold *h;
	bool found;
	int err = hold_read(&h, json_object_get(act, "hold"),
			    fold_text(json_object_get(act, "by"), "principal"), f->why);

	if (err != 0)
		return err;
	h->placed_ns = f->time_ns;
	(void)place_of(all, slice_str(h->id), &found);
	if (found)
		err = fold_refuse(f, STELE_EEXIST, "There is a hold of that id.");
	else if (all->placed >= LIMIT_HOLDS)
		err = fold_refuse(f, STELE_ELIMIT,
				  "There are as many holds as there may be: release some.");
	if (err == 0 && !f->dry) {
		pthread_rwlock_wrlock(&f->a->lock);
		err = room_for_one(&all->h, all->n, &all->cap, sizeof(*all->h));
		if (err == 0)
			insert(all, h);
		pthread_rwlock_unlock(&f->a->lock);
	}
	if (err != 0 || f->dry)
		hold_free(h);
	return err;
}

static void
release(const struct fold *f, struct hold *h, struct slice by, char *reason)
{
	pthread_rwlock_wrlock(&f->a->lock);
	h->released_ns = f->time_ns;
	memcpy(h->released_by, by.p, by.n);
	h->release_reason = reason;
	f->a->holds.placed--;
	forget_oldest(&f->a->holds);
	pthread_rwlock_unlock(&f->a->lock);
}

int
fold_hold_release(const struct fold *f, const json_t *act)
{
	struct slice by = fold_text(json_object_get(act, "by"), "principal"),
		     why = fold_text(act, "reason");
	bool found;
	size_t at = place_of(&f->a->holds, fold_text(act, "id"), &found);
	char *reason;

	if (!found)
		return fold_refuse(f, STELE_ENOTFOUND, "There is no hold of that id.");
	if (f->a->holds.h[at]->released_ns)
		return fold_refuse(f, STELE_ECONFLICT, "It was released already.");
	if (why.n == 0 || why.n > LIMIT_HOLD_REASON_BYTES || by.n > LIMIT_WRITER_BYTES)
		return fold_refuse(f, STELE_ESYNTAX,
				   "reason, why it is released, is a text of 1 to 2000 bytes.");
	if (f->dry)
		return 0;
	reason = strndup((const char *)why.p, why.n);
	if (!reason)
		return STELE_ENOMEM;
	release(f, f->a->holds.h[at], by, reason);
	return 0;
}

/* --- the snapshot ------------------------------------------------------------------------------
 */

void
access_forget_holds(struct access *a)
{
	while (a->holds.n)
		hold_free(a->holds.h[--a->holds.n]);
	free(a->holds.h);
	a->holds = (struct holds){0};
}

void
access_encode_holds(const struct access *a, struct buf *out)
{
	buf_put_str(out, ",\"holds\":[");
	for (size_t i = 0; i < a->holds.n; i++) {
		buf_put_str(out, i ? "," : "");
		hold_encode(out, a->holds.h[i]);
	}
	buf_put_u8(out, ']');
}

int
access_decode_holds(struct access *a, const json_t *root)
{
	const json_t *list = json_object_get(root, "holds"), *v;
	bool found;
	size_t i;

	json_array_foreach(list, i, v)
	{
		struct hold *h;
		int err = hold_decode(&h, v);
		if (err == 0)
			(void)place_of(&a->holds, slice_str(h->id), &found);
		if (err == 0 && (found || room_for_one(&a->holds.h, a->holds.n, &a->holds.cap,
						       sizeof(*a->holds.h)) != 0)) {
			hold_free(h);
			err = found ? STELE_EDAMAGED : STELE_ENOMEM;
		}
		if (err != 0)
			return err;
		insert(&a->holds, h);
	}
	return 0;
}
