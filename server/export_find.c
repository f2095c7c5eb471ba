/* By index, by time, by name, by hold, by filter; what several say together is in all of them. */
#include "server/export_find.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/export_search.h"
#include "server/holds.h"
#include "server/kit.h"
#include "server/mapping.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/read.h"
#include "storage/store.h"

static const json_t *
member(const struct export_find *f, const char *name)
{
	return json_object_get(f->request, name);
}

static struct slice
text_of(const json_t *v)
{
	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static bool
has(const struct export_find *f, const char *name)
{
	return member(f, name) != NULL;
}

/* --- pinned ---------------------------------------------------------------------------------- */

static int
read_since(struct export_find *f, struct export_part *p)
{
	const json_t *list = json_object_get(member(f, "since"), p->said->name), *v;
	size_t i;

	if (!list)
		return 0;
	p->since = calloc(json_array_size(list) + 1, sizeof *p->since);
	if (!p->since)
		return STELE_ENOMEM;
	json_array_foreach(list, i, v)
	{
		p->since[p->n_since++] = (uint64_t)json_integer_value(v);
	}
	return 0;
}

static int
pin(struct export_find *f)
{
	int err = 0;

	f->request = json_loads(f->e->request, 0, NULL);
	f->parts = calloc(f->e->n_logs, sizeof *f->parts);
	if (!f->request || !f->parts)
		return STELE_ENOMEM;
	for (size_t i = 0; err == 0 && i < f->e->n_logs; i++) {
		struct export_part *p = &f->parts[i];
		struct slice name = slice_str(f->e->logs[i].name);
		p->said = &f->e->logs[i];
		err = store_log_find(f->s->store, name, &p->log);
		if (err != 0)
			break;
		p->head = log_head(p->log);
		p->mapping = mapping_of_log(audit_access(f->s->audit), name);
		f->n++;
		err = read_since(f, p);
	}
	return err;
}

/* --- a run -------------------------------------------------------------------------------------
 */

static int
time_of(struct export_find *f, const struct export_part *p, uint64_t index, int64_t *ns)
{
	struct arena arena;
	struct record r;
	int err;

	arena_init(&arena);
	err = read_entry(f->s->store, p->log, index, f->kit->tools, &arena, &r);
	if (err == 0)
		*ns = r.entry.time_ns;
	arena_fini(&arena);
	return err;
}

/* The first entry whose time is not before the instant; the log's size when there is none. Times
 * never decrease. */
static int
first_from(struct export_find *f, const struct export_part *p, const char *name, uint64_t *out)
{
	uint64_t low = 0, high = p->head->size;
	int64_t at, ns;
	int err = 0;

	if (timestamp_parse(&at, text_of(member(f, name))) != 0)
		return STELE_EDAMAGED;
	while (err == 0 && low < high) {
		uint64_t mid = low + (high - low) / 2;
		err = time_of(f, p, mid, &ns);
		if (err == 0 && ns < at)
			low = mid + 1;
		else if (err == 0)
			high = mid;
	}
	*out = low;
	return err;
}

/* The run of a time, which shows its neighbours; what is wanted of it does not. */
static int
run_of_time(struct export_find *f, struct export_part *p, struct control_range *wanted)
{
	uint64_t from = 0, to = p->head->size;
	int err = has(f, "received_from") ? first_from(f, p, "received_from", &from) : 0;

	if (err == 0 && has(f, "received_to"))
		err = first_from(f, p, "received_to", &to);
	if (err != 0)
		return err;
	to = to < from ? from : to;
	p->first = from ? from - 1 : 0;
	p->last = to < p->head->size ? to : p->head->size - 1;
	*wanted = (struct control_range){from, to - 1}; /* empty when from is to */
	return 0;
}

static void
run_of_indexes(const struct export_find *f, struct export_part *p, struct control_range *wanted)
{
	p->first = (uint64_t)json_integer_value(member(f, "first"));
	p->last = has(f, "last") ? (uint64_t)json_integer_value(member(f, "last"))
				 : p->head->size - 1;
	*wanted = (struct control_range){p->first, p->last};
}

/* All that a part could be about. */
static int
find_bounds(struct export_find *f, struct export_part *p)
{
	struct control_range wanted = {0, p->head->size - 1};
	int err = 0;

	p->is_run = slice_eq_str(text_of(member(f, "kind")), "range");
	if (p->is_run && (has(f, "received_from") || has(f, "received_to")))
		err = run_of_time(f, p, &wanted);
	else if (p->is_run)
		run_of_indexes(f, p, &wanted);
	if (err == 0 && wanted.first <= wanted.last && wanted.last != UINT64_MAX)
		err = ranges_add(&p->wanted, wanted.first, wanted.last);
	return err;
}

/* --- what is wanted of it
 * -------------------------------------------------------------------------- */

/* Of set stays what is in `only`, too. */
static int
narrow(struct ranges *set, const struct ranges *only)
{
	struct ranges rest = {0}, out = {0};
	int err = ranges_less(&rest, set, only);

	if (err == 0)
		err = ranges_less(&out, set, &rest);
	ranges_fini(&rest);
	if (err != 0) {
		ranges_fini(&out);
		return err;
	}
	ranges_fini(set);
	*set = out;
	return 0;
}

static int
narrow_to_records(struct export_find *f, struct export_part *p)
{
	const json_t *v;
	struct ranges only = {0};
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(member(f, "records"), p->said->name), i, v)
	{
		err = err ? err
			  : ranges_add(&only, (uint64_t)json_integer_value(json_array_get(v, 0)),
				       (uint64_t)json_integer_value(json_array_get(v, 1)));
	}
	if (err == 0)
		err = narrow(&p->wanted, &only);
	ranges_fini(&only);
	return err;
}

/* What a hold covers in the log, as its entries say, in their order. */
struct covering {
	const char *id;
	uint64_t size;
	struct ranges set;
	uint64_t open_from;
	int err;
};

static void
see_control(void *ctx, const struct control *c)
{
	struct covering *to = ctx;
	struct ranges more = {c->ranges, c->n_ranges, c->n_ranges}, sum = {0};

	if (to->err != 0 || c->index >= to->size || strcmp(c->hold, to->id) != 0)
		return;
	if (c->kind == ENTRY_RELEASE) {
		ranges_fini(&to->set);
		to->open_from = CONTROL_OPEN;
	} else if (c->kind == ENTRY_HOLD) {
		to->err = ranges_union(&sum, &to->set, &more);
		ranges_fini(&to->set);
		to->set = sum;
		to->open_from = c->open_from;
	}
}

/* *held grows by what that hold covers. */
static int
add_hold(struct ranges *held, const struct export_part *p, const char *id)
{
	struct covering c = {.id = id, .size = p->head->size, .open_from = CONTROL_OPEN};
	struct ranges open = {0}, sum = {0}, both = {0};

	(void)locks_each_control(log_locks(p->log), 0, see_control, &c);
	if (c.err == 0 && c.open_from < c.size)
		c.err = ranges_add(&open, c.open_from, c.size - 1);
	if (c.err == 0)
		c.err = ranges_union(&both, &c.set, &open);
	if (c.err == 0)
		c.err = ranges_union(&sum, held, &both);
	if (c.err == 0) {
		ranges_fini(held);
		*held = sum;
	}
	ranges_fini(&c.set);
	ranges_fini(&open);
	ranges_fini(&both);
	return c.err;
}

/* The holds that are asked for, by id. */
struct holds_wanted {
	const struct export_find *f;
	json_t *ids;
};

static int
see_hold(void *ctx, const struct hold *h)
{
	const struct holds_wanted *w = ctx;

	if (!h->released_ns &&
	    (!has(w->f, "hold") || slice_eq_str(text_of(member(w->f, "hold")), h->id)) &&
	    (!has(w->f, "matter") || slice_eq_str(text_of(member(w->f, "matter")), h->matter)) &&
	    json_array_append_new(w->ids, json_string(h->id)) != 0)
		return STELE_ENOMEM;
	return 0;
}

static int
narrow_to_holds(struct export_find *f, struct export_part *p)
{
	struct holds_wanted w = {f, json_array()};
	struct ranges held = {0};
	const json_t *id;
	size_t i;
	int err = w.ids ? access_each_hold(audit_access(f->s->audit), slice_of("", 0), see_hold, &w)
			: STELE_ENOMEM;

	json_array_foreach(w.ids, i, id)
	{
		err = err ? err : add_hold(&held, p, json_string_value(id));
	}
	if (err == 0)
		err = narrow(&p->wanted, &held);
	ranges_fini(&held);
	json_decref(w.ids);
	return err;
}

/* --- all
 * ------------------------------------------------------------------------------------------- */

static int
find_part(struct export_find *f, struct export_part *p)
{
	int err = find_bounds(f, p);

	if (err == 0 && has(f, "records"))
		err = narrow_to_records(f, p);
	if (err == 0 && (has(f, "hold") || has(f, "matter")))
		err = narrow_to_holds(f, p);
	return err;
}

/* What the filter finds, of each log. */
static int
narrow_to_matches(struct export_find *f)
{
	struct ranges *found = calloc(f->n, sizeof *found);
	int err = found ? export_search(f, text_of(member(f, "filter")), found) : STELE_ENOMEM;

	for (size_t i = 0; found && i < f->n; i++) {
		err = err ? err : narrow(&f->parts[i].wanted, &found[i]);
		ranges_fini(&found[i]);
	}
	free(found);
	return err;
}

int
export_find(struct export_find *f)
{
	int err;

	buf_init(&f->certificate);
	buf_init(&f->why);
	err = pin(f);
	for (size_t i = 0; err == 0 && i < f->n; i++)
		err = find_part(f, &f->parts[i]);
	if (err == 0 && has(f, "filter"))
		err = narrow_to_matches(f);
	if (err == 0 && f->e->certify)
		err = export_search_certify(f, text_of(member(f, "filter")));
	return err;
}

void
export_find_fini(struct export_find *f)
{
	for (size_t i = 0; i < f->n; i++) {
		head_unref(f->parts[i].head);
		ranges_fini(&f->parts[i].wanted);
		free(f->parts[i].since);
	}
	free(f->parts);
	json_decref(f->request);
	buf_fini(&f->certificate);
	buf_fini(&f->why);
}

/* --- asking ------------------------------------------------------------------------------------
 */

/* The first of its ranges that ends at or behind `from`; its number of ranges when none does. */
static size_t
place_of(const struct ranges *set, uint64_t from)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (set->r[mid].last < from)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
export_find_next(const struct export_part *p, uint64_t from, struct control_range *run, bool *asked)
{
	size_t at = place_of(&p->wanted, from);
	const struct control_range *wanted = at < p->wanted.n ? &p->wanted.r[at] : NULL;

	*asked = true;
	if (p->is_run && from > p->last)
		return false;
	if (p->is_run && from < p->first)
		from = p->first;
	if (wanted && (!p->is_run || wanted->first <= from)) {
		*run = (struct control_range){wanted->first < from ? from : wanted->first,
					      wanted->last};
		return true;
	}
	*asked = false;
	*run = (struct control_range){from, wanted ? wanted->first - 1 : p->last};
	return p->is_run;
}

static int
larger_first(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a < b) - (a > b);
}

static uint64_t
gap_before(const struct ranges *set, size_t i)
{
	return set->r[i].first - set->r[i - 1].last;
}

/* Only the widest gaps stay. */
int
export_find_cover(struct ranges *out, const struct ranges *set, size_t max)
{
	uint64_t *gaps = calloc(set->n + 1, sizeof *gaps), least = 0;
	size_t ties = SIZE_MAX; /* gaps as wide as the least that may stay */
	int err = gaps ? 0 : STELE_ENOMEM;

	if (err == 0 && set->n > max) {
		for (size_t i = 1; i < set->n; i++)
			gaps[i - 1] = gap_before(set, i);
		qsort(gaps, set->n - 1, sizeof *gaps, larger_first);
		least = gaps[max - 2];
		ties = 0;
		for (size_t i = 0; i < max - 1; i++)
			ties += gaps[i] == least;
	}
	free(gaps);
	for (size_t i = 0; err == 0 && i < set->n; i++) {
		uint64_t gap = i ? gap_before(set, i) : 0;
		bool apart = gap > least || (gap == least && ties > 0);
		ties -= i && gap == least && ties > 0;
		if (i && !apart)
			out->r[out->n - 1].last = set->r[i].last;
		else
			err = ranges_add(out, set->r[i].first, set->r[i].last);
	}
	return err;
}
