/*
 * A purge is judged by the entries before it. That no entry on locks lies between the last one it
 * was judged by and itself makes the state at its own place the one that counts.
 */
#include "verify/rules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "crypto/merkle.h"
#include "proto/control.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "storage/lockmap.h"
#include "storage/locks.h"
#include "storage/purgeentry.h"

/* A purge entry. */
struct purge {
	uint64_t index, count, seen; /* seen: of its records, in order, in the bundle so far */
	int64_t clock_ns;            /* the earlier of both */
	uint8_t root[SHA256_BYTES];
	struct merkle_frontier *tree; /* over what was seen; NULL before the first */
	bool restored, gap;           /* gap: a record of it is not in the bundle */
};

/* Records of one purge, of which the locks said the same when it was judged. */
struct taken {
	uint64_t first, last;
	uint64_t before; /* how many records of the purge lie before these */
	int64_t until_ns;
	uint32_t purge, holds;
	bool fixed;
};

struct happened {
	uint64_t index;
	int64_t until_ns;
	char name[LIMIT_EVENT_BYTES + 1];
};

struct rules {
	struct sha256 *h;
	struct locks *locks;
	struct policy policy;
	uint64_t policy_index, lock_index; /* last entries with a policy, on locks */
	bool has_policy, restored;
	struct ranges shortened;
	struct purge *purges;
	struct taken *taken;
	struct happened *events;
	uint64_t *controls;       /* indexes */
	struct control **pending; /* not yet folded into locks: that is for purges */
	size_t n_purges, n_taken, n_events, n_controls, n_pending;
	size_t at; /* in taken */
	struct rules_counts counts;
};

struct rules *
rules_new(struct sha256 *h)
{
	struct rules *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->h = h;
	r->locks = locks_new();
	if (r->locks)
		return r;
	free(r);
	return NULL;
}

void
rules_free(struct rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_purges; i++)
		free(r->purges[i].tree);
	for (size_t i = 0; i < r->n_pending; i++)
		control_free(r->pending[i]);
	free(r->pending);
	locks_free(r->locks);
	ranges_fini(&r->shortened);
	free(r->purges);
	free(r->taken);
	free(r->events);
	free(r->controls);
	free(r);
}

/* Room for one more in a list that doubles whenever its length is a power of two. */
static void *
room(void *list, size_t n, size_t element)
{
	return n & (n - 1) ? list : realloc(list, (n ? 2 * n : 1) * element);
}

#define ADD(list, n, ...)                                                                          \
	__extension__({                                                                            \
		void *more_ = room((list), (n), sizeof *(list));                                   \
		if (more_) {                                                                       \
			(list) = more_;                                                            \
			(list)[(n)++] = (__VA_ARGS__);                                             \
		}                                                                                  \
		more_ ? 0 : STELE_ENOMEM;                                                          \
	})

/* --- control entries ----------------------------------------------------------------------- */

static const char *
text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* A second principal approved it, and is another than the one who asked. */
static bool
two_principals(const json_t *o)
{
	const char *by = text_of(o, "by"), *approved = text_of(o, "approved_by");

	return by[0] && approved[0] && strcmp(by, approved) != 0;
}

static int
refuse(struct buf *why, const char *sentence)
{
	buf_put_str(why, sentence);
	return STELE_EVERIFY;
}

static int
check_policy(struct rules *r, const struct entry *e, const struct control *c, struct buf *why)
{
	int err = 0;

	if (r->has_policy && policy_mode(&r->policy, e->time_ns) == ENTRY_MODE_COMPLIANCE) {
		struct policy was = policy_at(&r->policy, e->time_ns),
			      next = policy_at(&c->policy, e->time_ns);
		struct buf what;

		buf_init(&what);
		if (policy_weakens(&was, &next, &what)) {
			buf_printf(why,
				   "a policy is weaker than the one before, in compliance: %.*s",
				   (int)what.n - 1, (const char *)what.p);
			err = STELE_EVERIFY;
		}
		buf_fini(&what);
	}
	r->policy = c->policy;
	r->policy_index = e->index;
	r->has_policy = true;
	return err;
}

static int
check_extend(struct rules *r, const struct entry *e, const struct control *c, const json_t *o,
	     struct buf *why)
{
	const struct ranges more = {c->ranges, c->n_ranges, c->n_ranges};
	struct ranges all = {0};
	int err;

	if (!c->shorten)
		return 0;
	err = ranges_union(&all, &r->shortened, &more);
	if (err)
		return err;
	ranges_fini(&r->shortened);
	r->shortened = all;
	if (r->has_policy && policy_mode(&r->policy, e->time_ns) == ENTRY_MODE_COMPLIANCE)
		return refuse(why, "locks are shortened after compliance began");
	if (!two_principals(o))
		return refuse(why, "locks are shortened without a second principal's approval");
	return 0;
}

struct taking {
	struct rules *r;
	uint64_t before;
	bool twice;
};

static int
take(void *ctx, uint64_t first, uint64_t last, const struct lockmap_span *says)
{
	struct taking *t = ctx;
	struct rules *r = t->r;
	struct taken piece = {.first = first,
			      .last = last,
			      .before = t->before,
			      .until_ns = says->until_ns,
			      .purge = (uint32_t)(r->n_purges - 1),
			      .holds = says->holds,
			      .fixed = says->fixed};

	t->twice = t->twice || says->purged;
	t->before += last - first + 1;
	return ADD(r->taken, r->n_taken, piece);
}

static bool
index_member(const json_t *o, const char *name, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);

	*out = (uint64_t)json_integer_value(v);
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

/* What a purge says of why it was allowed; *p gets the earlier clock. */
static int
check_why(struct rules *r, struct purge *p, const json_t *o, struct buf *why)
{
	const json_t *clock = json_object_get(o, "clock");
	uint64_t policy, allowed_by;
	int64_t evidence_ns, lock_ns;

	if (json_object_get(o, "restored")) {
		p->restored = true;
		return r->restored ? 0
				   : refuse(why, "a purge says that a restore does it again, and "
						 "there was none");
	}
	if (!index_member(o, "policy", &policy) || !index_member(o, "allowed_by", &allowed_by) ||
	    timestamp_parse(&evidence_ns, slice_str(text_of(clock, "evidence"))) != 0 ||
	    timestamp_parse(&lock_ns, slice_str(text_of(clock, "lock"))) != 0)
		return refuse(why, "a purge does not say by what it was allowed");
	p->clock_ns = evidence_ns < lock_ns ? evidence_ns : lock_ns;
	if (policy != r->policy_index)
		return refuse(why, "a purge names another policy than the one in force");
	if (allowed_by != r->lock_index)
		return refuse(why, "a purge was not judged by all entries on locks before it");
	if ((r->policy.dual_control & POLICY_PURGE) && !two_principals(o))
		return refuse(why, "the policy asks for a second principal to approve a purge, and "
				   "none did");
	return 0;
}

/* Where nothing was purged, what locks say is nobody's concern. */
static int
fold_pending(struct rules *r)
{
	for (size_t i = 0; i < r->n_pending; i++)
		locks_fold(r->locks, r->pending[i]);
	r->n_pending = 0;
	free(r->pending);
	r->pending = NULL;
	return locks_doubt(r->locks) ? STELE_ENOMEM : 0;
}

static int
check_purge(struct rules *r, const struct entry *e, const json_t *o, struct slice payload,
	    struct buf *why)
{
	struct purge p = {.index = e->index};
	struct purge_set set;
	struct taking t = {.r = r};
	struct ranges where;
	int err = purge_entry_read(&set, payload);

	if (err == STELE_ENOMEM)
		return err;
	if (err)
		return refuse(why, "a purge entry does not say what went");
	p.count = set.records;
	memcpy(p.root, set.root, sizeof p.root);
	where = (struct ranges){set.ranges, set.n, set.n};
	if (set.ranges[set.n - 1].last >= e->index)
		err = refuse(why, "a purge entry names records that come after it");
	if (!err)
		err = check_why(r, &p, o, why);
	if (!err)
		err = fold_pending(r);
	if (!err)
		err = ADD(r->purges, r->n_purges, p);
	if (!err)
		err = locks_each_span(r->locks, &where, take, &t);
	if (!err && t.twice)
		err = refuse(why, "a record was purged twice");
	purge_set_fini(&set);
	r->counts.purges++;
	return err;
}

static int
check_control(struct rules *r, const struct entry *e, const struct control *c, const json_t *o,
	      struct slice payload, struct buf *why)
{
	struct happened event = {.index = e->index, .until_ns = c->until_ns};

	switch (e->kind) {
	case ENTRY_POLICY:
		return check_policy(r, e, c, why);
	case ENTRY_EXTEND:
		return check_extend(r, e, c, o, why);
	case ENTRY_PURGE:
		return check_purge(r, e, o, payload, why);
	case ENTRY_EVENT:
		memcpy(event.name, c->event, sizeof event.name);
		return ADD(r->events, r->n_events, event);
	default:
		return 0;
	}
}

/* What the fold keeps of an entry: not its text. */
static struct control *
without_text(struct control *c)
{
	struct control *less;

	c->n_text = 0;
	less = realloc(c, sizeof *c);
	return less ? less : c;
}

int
rules_control(struct rules *r, const struct entry *e, struct slice payload, struct buf *why)
{
	struct control *c;
	json_t *o;
	int err = ADD(r->controls, r->n_controls, e->index);

	r->restored = r->restored || e->kind == ENTRY_RESTORE;
	if (err || !control_kind(e->kind))
		return err;
	err = control_read(&c, e->kind, e->index, payload, why);
	if (err)
		return err == STELE_ENOMEM ? err : STELE_EVERIFY;
	o = json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL);
	err = check_control(r, e, c, o, payload, why);
	json_decref(o);
	r->lock_index = e->index;
	c = without_text(c);
	if (ADD(r->pending, r->n_pending, c) != 0) {
		control_free(c);
		err = STELE_ENOMEM;
	}
	return err;
}

/* --- records ------------------------------------------------------------------------------- */

static int
by_first(const void *a, const void *b)
{
	const struct taken *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static int
by_name(const void *a, const void *b)
{
	const struct happened *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

int
rules_settle(struct rules *r, struct buf *why)
{
	size_t k = 0;

	if (r->n_taken)
		qsort(r->taken, r->n_taken, sizeof *r->taken, by_first);
	if (r->n_events)
		qsort(r->events, r->n_events, sizeof *r->events, by_name);
	for (size_t i = 0; i < r->n_taken; i++) {
		while (k < r->n_controls && r->controls[k] < r->taken[i].first)
			k++;
		if (k < r->n_controls && r->controls[k] <= r->taken[i].last)
			return refuse(why, "a control entry was purged");
	}
	return 0;
}

/* The latest end that event entries of that name say of a record, up to an index; 0: none. */
static int64_t
event_end(const struct rules *r, struct slice name, uint64_t record, uint64_t up_to)
{
	struct happened key = {.index = 0};
	size_t lo = 0, hi = r->n_events;
	int64_t until_ns = 0;

	memcpy(key.name, name.p, name.n < LIMIT_EVENT_BYTES ? name.n : LIMIT_EVENT_BYTES);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (by_name(&r->events[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < r->n_events && strcmp(r->events[lo].name, key.name) == 0; lo++)
		if (r->events[lo].index > record && r->events[lo].index <= up_to &&
		    r->events[lo].until_ns > until_ns)
			until_ns = r->events[lo].until_ns;
	return until_ns;
}

/* No lock and no hold kept the record when it was purged. */
static int
check_locks(struct rules *r, const struct taken *t, const struct entry *e, struct buf *why)
{
	const struct purge *p = &r->purges[t->purge];
	const struct lockmap_span span = {.until_ns = t->until_ns, .fixed = t->fixed};
	int64_t until_ns = e->retain_until_ns;
	char until[TIMESTAMP_BYTES], clock[TIMESTAMP_BYTES];

	if (p->restored)
		return 0;
	r->counts.judged++;
	if (t->holds)
		return refuse(why, "the record was under a legal hold when it was purged");
	if (e->event.n) {
		until_ns = event_end(r, e->event, e->index, p->index);
		if (until_ns == 0)
			return refuse(why, "the record was purged while it waited for its event");
	}
	until_ns = lockmap_end(&span, until_ns);
	if (p->clock_ns >= until_ns)
		return 0;
	timestamp_format(until, until_ns);
	timestamp_format(clock, p->clock_ns);
	buf_printf(why,
		   "the record was locked until %.*s, and purged at %.*s, by the earlier clock",
		   TIMESTAMP_BYTES, until, TIMESTAMP_BYTES, clock);
	return STELE_EVERIFY;
}

/* One more record of a purge; with the last one of all, the root is known. */
static int
grow(struct rules *r, struct purge *p, uint64_t number, const uint8_t leaf[SHA256_BYTES],
     struct buf *why)
{
	uint8_t root[SHA256_BYTES];

	p->gap = p->gap || p->seen != number;
	if (p->gap) {
		free(p->tree);
		p->tree = NULL;
		return 0;
	}
	if (!p->tree) {
		p->tree = malloc(sizeof *p->tree);
		if (!p->tree)
			return STELE_ENOMEM;
		merkle_frontier_init(p->tree);
	}
	merkle_frontier_append(r->h, p->tree, leaf);
	if (++p->seen < p->count)
		return 0;
	merkle_frontier_root(r->h, p->tree, root);
	free(p->tree);
	p->tree = NULL;
	return memcmp(root, p->root, sizeof root) == 0
		       ? 0
		       : refuse(why,
				"the root in the purge entry is not that of the records it names");
}

/* The piece that has the index, or NULL. */
static const struct taken *
taken_at(struct rules *r, uint64_t index)
{
	while (r->at < r->n_taken && r->taken[r->at].last < index)
		r->at++;
	return r->at < r->n_taken && r->taken[r->at].first <= index ? &r->taken[r->at] : NULL;
}

int
rules_record(struct rules *r, const struct record_line *line, const uint8_t leaf[SHA256_BYTES],
	     struct buf *why)
{
	const struct entry *e = &line->e;
	const struct taken *t = taken_at(r, e->index);
	struct purge *p = t ? &r->purges[t->purge] : NULL;
	int err;

	if ((e->mode == ENTRY_MODE_COMPLIANCE || e->event.n) && ranges_has(&r->shortened, e->index))
		return refuse(why,
			      "the record's lock was shortened, which may not be in compliance "
			      "mode, or where an event ends it");
	if (!p)
		return line->has == RECORD_PURGED
			       ? refuse(why, "no purge entry covers the record that is said to be "
					     "purged")
			       : 0;
	if (line->has != RECORD_PURGED || line->purged != p->index) {
		buf_printf(why,
			   "the purge entry %" PRIu64 " took the payload, and the bundle says "
			   "otherwise",
			   p->index);
		return STELE_EVERIFY;
	}
	err = grow(r, p, t->before + (e->index - t->first), leaf, why);
	return err ? err : check_locks(r, t, e, why);
}

struct rules_counts
rules_counts(const struct rules *r)
{
	return r->counts;
}
