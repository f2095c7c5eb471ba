/* In the turn of an act, so that no hold is released between a look at it and the commit. */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/append_hold.h"
#include "server/audit.h"
#include "server/deeds.h"
#include "server/holds.h"
#include "server/kit.h"
#include "server/request.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/ranges.h"
#include "storage/writer.h"

/* --- what its entries say --------------------------------------------------------------------- */

struct hold_append {
	struct request *r;
	struct append_hold *h;
	struct slice actors;
	bool fresh; /* there are records to be written */
};

static int
by_index(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The indexes of a job's records, those that were there before too. */
static int
ranges_of(const struct append_job *job, struct ranges *out)
{
	uint64_t *at = malloc(job->n_items * sizeof *at);
	size_t n = 0;
	int err = at ? 0 : STELE_ENOMEM;

	for (size_t i = 0; err == 0 && i < job->n_items; i++)
		if (job->items[i].state != APPEND_TWIN)
			at[n++] = job->items[i].index;
	if (err == 0)
		qsort(at, n, sizeof *at, by_index);
	for (size_t i = 0; err == 0 && i < n; i++)
		if (i == 0 || at[i] != at[i - 1])
			err = ranges_add(out, at[i], at[i]);
	free(at);
	return err;
}

/* One hold's entry: the id is its context's. */
struct said {
	const struct hold_append *h;
	const char *id;
	uint64_t open_from; /* stays what it is: an entry that said nothing would end it */
};

static void
put_entry(struct buf *json, const struct said *s, const struct control_range *r, size_t n)
{
	const struct control_hold hold = {
		.id = s->id, .r = r, .n = n, .open_from = s->open_from, .more = s->h->actors};

	control_put_hold(json, &hold);
}

/* The records' indexes are known by then: they were taken before. */
static int
place(const struct deed_entry *e, uint64_t index, struct buf *json)
{
	const struct said *s = e->ctx;
	struct ranges r = {0};
	int err = ranges_of(&s->h->r->job, &r);

	(void)index;
	if (err == 0)
		put_entry(json, s, r.r, r.n);
	ranges_fini(&r);
	return err;
}

/* --- in the turn of an act
 * ------------------------------------------------------------------------ */

static int
refuse(struct append_hold *h, int err, enum problem p, const char *detail)
{
	h->problem = p;
	h->detail = detail;
	return err;
}

static int
fill(json_t *act, void *ctx)
{
	const struct hold_append *a = ctx;
	struct access *access = audit_access(a->r->server->audit);
	json_t *ids = json_array();

	for (size_t i = 0; i < a->h->n; i++) {
		const struct hold *h = access_find_hold(access, slice_str(a->h->ids[i]));
		int err = 0;
		if (!h || !token_may_some(a->r->token, SCOPE_HOLD, h->logs))
			err = refuse(a->h, STELE_ENOTFOUND, PROBLEM_UNKNOWN_HOLD,
				     "Stele-Legal-Hold names a hold that there is not; nothing was "
				     "stored.");
		else if (h->released_ns)
			err = refuse(a->h, STELE_ECONFLICT, PROBLEM_HOLD_CONFLICT,
				     "Stele-Legal-Hold names a hold that was released; nothing was "
				     "stored.");
		if (err != 0) {
			json_decref(ids);
			return err;
		}
		json_array_append_new(ids, json_string(h->id));
	}
	json_object_set_new(act, "type", json_string("hold.append"));
	json_object_set_new(act, "holds", ids);
	json_object_set_new(act, "log", json_string(log_name(a->r->log)));
	return json_object_set_new(act, "records", json_integer((json_int_t)a->r->job.n_items))
		       ? STELE_ENOMEM
		       : 0;
}

static int
submit(struct writer *w, const struct hold_append *a, struct append_job *entries)
{
	struct append_job *job = &a->r->job;
	int err;

	if (a->fresh) {
		job->next = entries;
		job->tied = true;
	}
	if (writer_fits(w, a->fresh ? job : entries))
		err = writer_append(w, a->fresh ? job : entries);
	else
		err = refuse(a->h, STELE_ELIMIT, PROBLEM_BATCH_TOO_LARGE,
			     "With Stele-Legal-Hold, batch and holds must fit one commit: send "
			     "fewer records at once. Nothing was stored.");
	job->next = NULL;
	job->tied = false;
	return err;
}

/* From where on the hold has everything in the log; nothing else changes that in this turn. */
static uint64_t
open_from(const struct log *log, const char *id)
{
	struct lock_hold held;

	if (!locks_hold(log_locks(log), slice_str(id), &held))
		return CONTROL_OPEN;
	return held.open_from;
}

static int
perform(struct writer *w, const struct token *by, struct kit *kit, struct append_job *record,
	void *ctx)
{
	const struct hold_append *a = ctx;
	static const struct control_range longest = {LIMIT_INTEGER, LIMIT_INTEGER};
	struct said said[LIMIT_HOLD_HEADER_IDS];
	struct deed_entry entries[LIMIT_HOLD_HEADER_IDS];
	struct append_job *first;
	struct deed_jobs *jobs = NULL;
	int err;

	for (size_t i = 0; i < a->h->n; i++) {
		said[i] = (struct said){a, a->h->ids[i], open_from(a->r->log, a->h->ids[i])};
		entries[i] = (struct deed_entry){
			.log = a->r->log, .kind = ENTRY_HOLD, .place = place, .ctx = &said[i]};
		buf_init(&entries[i].json);
		put_entry(&entries[i].json, &said[i], &longest, 1);
	}
	err = deed_jobs_new(&jobs, entries, a->h->n, slice_str(by->principal->id), record, kit,
			    &first);
	if (err == 0)
		err = submit(w, a, first);
	deed_jobs_free(jobs);
	for (size_t i = 0; i < a->h->n; i++)
		buf_fini(&entries[i].json);
	return err;
}

/* --- all of it
 * ---------------------------------------------------------------------------------------- */

struct looking {
	const char *id;
	bool found;
};

static int
is_it(void *ctx, const struct lock_hold *h)
{
	struct looking *l = ctx;

	l->found |= strcmp(h->id, l->id) == 0;
	return l->found;
}

/* Whether each of the records, which are all there, is under each of the holds. */
static bool
all_held(const struct request *r, const struct append_hold *h)
{
	for (size_t i = 0; i < r->job.n_items; i++)
		for (size_t k = 0; k < h->n; k++) {
			struct looking l = {h->ids[k], false};
			(void)locks_each_hold(log_locks(r->log), r->job.items[i].index, is_it, &l);
			if (!l.found)
				return false;
		}
	return true;
}

static bool
any_fresh(const struct append_job *job)
{
	for (size_t i = 0; i < job->n_items; i++)
		if (job->items[i].state == APPEND_NEW)
			return true;
	return false;
}

void
append_hold_write(struct request *r, struct append_hold *h, struct kit *kit)
{
	struct hold_append a = {.r = r, .h = h, .fresh = any_fresh(&r->job)};
	const struct audit_deed deed = {fill, perform, &a};
	struct buf actors;

	r->job.err = 0;
	if (!a.fresh && all_held(r, h))
		return;
	buf_init(&actors);
	buf_put_str(&actors, ",\"by\":");
	buf_put_json_str(&actors, slice_str(r->token->principal->id));
	a.actors = buf_slice(&actors);
	r->job.err =
		actors.err ? actors.err : audit_together(r->server->audit, &deed, r->token, kit);
	buf_fini(&actors);
}
