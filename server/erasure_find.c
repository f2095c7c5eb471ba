/* Record by record, in steps: what is asked of each is cheap but for the filter. */
#include "server/erasure_find.h"

#include <string.h>

#include "proto/err.h"
#include "server/hold_match.h"
#include "storage/log.h"
#include "storage/read.h"

int
erasure_find_filter(struct erasure_find *f, const struct mapping *mapping, const char *filter,
		    struct buf *why)
{
	struct hold as = {.kind = HOLD_FILTER, .filter = filter};
	int err = hold_filter_check(slice_str(filter), NULL, NULL, why);

	return err ? err : hold_matcher_new(&f->matcher, mapping, &as);
}

/* What comes of a record that was read. */
static int
judge(struct erasure_find *f, const struct record *r, bool *wanted)
{
	enum hold_verdict verdict = HOLD_MATCHED;
	int err = 0;

	if (r->entry.kind != ENTRY_RECORD)
		return 0;
	f->looked++;
	if (f->matcher)
		err = hold_matcher_run(f->matcher, r, &verdict);
	f->unread += err == 0 && verdict == HOLD_UNPARSED;
	*wanted = err == 0 && verdict == HOLD_MATCHED;
	return err;
}

static int
look_at(struct erasure_find *f, struct store *st, struct log *log, struct toolbox *t,
	struct arena *arena)
{
	bool wanted = false;
	struct record r;
	int err;

	err = read_record(st, log, f->at, t, arena, &r);
	if (err == STELE_EGONE) {
		f->gone++;
		return 0;
	}
	if (err == STELE_EDAMAGED && f->matcher) {
		f->looked++;
		f->unread++;
		return 0;
	}
	if (err == 0)
		err = judge(f, &r, &wanted);
	if (err == 0 && wanted)
		err = ranges_add(&f->found, f->at, f->at);
	return err == 0 && f->found.n > LIMIT_ERASURE_RANGES ? STELE_ELIMIT : err;
}

/* A range to the end of the log ends where that is now. */
static int
fit(struct erasure_find *f, struct log *log)
{
	struct head *head = log_head(log);
	uint64_t size = head->size;
	struct control_range *end = &f->named.r[f->named.n - 1];

	head_unref(head);
	if (end->last == LIMIT_INTEGER && end->first < size)
		end->last = size - 1;
	return end->last < size ? 0 : STELE_ENOTFOUND;
}

int
erasure_find_step(struct erasure_find *f, struct store *st, struct log *log, struct toolbox *t)
{
	struct arena arena;
	int err = fit(f, log);

	arena_init(&arena);
	for (unsigned n = 0; err == 0 && f->range < f->named.n; n++) {
		const struct control_range *in = &f->named.r[f->range];
		if (n == LIMIT_HOLD_STEP_RECORDS) {
			err = 1;
			break;
		}
		f->at = f->at < in->first ? in->first : f->at;
		arena_reset(&arena);
		err = look_at(f, st, log, t, &arena);
		f->range += f->at++ == in->last;
	}
	arena_fini(&arena);
	return err;
}

void
erasure_find_fini(struct erasure_find *f)
{
	hold_matcher_free(f->matcher);
	ranges_fini(&f->named);
	ranges_fini(&f->found);
	*f = (struct erasure_find){0};
}
