/* What was purged after a backup must not come back with it. */
#include <string.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/purge.h"
#include "storage/restorelogs.h"

/*
 * Whether the key that speaks for the purge can have been the log's after what the backup has of
 * it: the newest that the backup knows, or of a later epoch that began behind it. What lives before
 * a restore, or beside it, had other keys: they speak for records that are not these.
 */
static bool
follows(const struct logkeys *k, const struct restore_purge *p, uint64_t size)
{
	size_t newest = k->n - 2; /* behind it is this restore's own */

	return memcmp(p->key, k->vkeys[newest].public_key, sizeof p->key) == 0 ||
	       (p->epoch > k->epochs[newest] && p->first_size > size);
}

static int
again(struct store *st, const struct restore_options *o, const struct restore_purge *p,
      struct buf *why)
{
	struct purge_request rq = {.writer = slice_str("restore")};
	struct purge_result out = {.entry = 0};
	struct buf members;
	struct log *log;
	uint64_t size;
	int err = store_log_find(st, slice_str(p->log), &log);

	if (err != 0) {
		buf_printf(why, "a purge is of log %s, which is not in the backup", p->log);
		return err;
	}
	buf_init(&members);
	buf_printf(&members, "{\"restored\":{\"entry\":%llu}}", (unsigned long long)p->entry);
	rq.members = buf_slice(&members);
	/* of the backup: the newest key speaks from one entry behind it on */
	size = logkeys_first_size(log->keys) - 1;
	err = members.err ? members.err
			  : purge_reapply(st, NULL, log, size, follows(log->keys, p, size),
					  p->payload, &rq, &out, why);
	buf_fini(&members);
	if (err == STELE_ENOTFOUND)
		err = 0; /* the backup is later, or has none of these records */
	if (err != 0)
		return err;
	if (out.records && !out.destroyed)
		store_say(st, STORE_WARN,
			  "log %s: what entry %llu purges is not read any more, but not all of it "
			  "is destroyed: that goes on with the next start",
			  p->log, (unsigned long long)out.entry);
	o->purged(o->ctx, p, out.entry, out.records);
	return 0;
}

int
restore_purges(struct store *st, const struct restore_options *o, struct buf *why)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < o->n_purges; i++)
		err = again(st, o, &o->purges[i], why);
	return err;
}
