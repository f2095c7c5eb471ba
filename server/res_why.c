/*
 * Why a record is locked, or is not: what its entry says, what was said since, what would lift it
 * (worm.md section 2). The predicate itself is storage/locks.h's.
 */
#include <string.h>

#include "proto/control.h"
#include "proto/dec.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/audit.h"
#include "server/holds.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/retention.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"

struct why {
	uint64_t index;
	int err;
	struct buf text; /* the answer */
};

/* --- what control entries said of it ---------------------------------------------------------- */

/* The entries that its end is from, if not from its own. */
struct said {
	const struct entry *e;
	uint64_t extension, event, shortened_by; /* indexes, or 0 */
	int64_t extended_ns, event_ns, at_ns;
};

static bool
covers(const struct control *c, uint64_t index)
{
	for (size_t i = 0; i < c->n_ranges; i++)
		if (index >= c->ranges[i].first && index <= c->ranges[i].last)
			return true;
	return false;
}

static void
hear_extension(struct said *s, const struct control *c)
{
	if (!covers(c, s->e->index) || (!c->shorten && c->until_ns <= s->extended_ns))
		return;
	s->extension = c->index;
	s->extended_ns = c->until_ns;
	if (c->shorten)
		s->shortened_by = c->index;
}

static void
hear(void *ctx, const struct control *c)
{
	struct said *s = ctx;

	if (c->kind == ENTRY_EXTEND)
		hear_extension(s, c);
	if (c->kind != ENTRY_EVENT || c->index <= s->e->index || c->until_ns <= s->event_ns ||
	    !slice_eq_str(s->e->event, c->event))
		return;
	s->event = c->index;
	s->event_ns = c->until_ns;
	s->at_ns = c->at_ns;
}

/* --- the answer ---------------------------------------------------------------------------------
 */

static const char *const by_names[] = {
	[LOCK_BY_NOTHING] = "nothing", [LOCK_BY_RETENTION] = "retention", [LOCK_BY_HOLD] = "hold",
	[LOCK_BY_EVENT] = "event",     [LOCK_BY_KIND] = "kind",           [LOCK_BY_DOUBT] = "doubt",
};

/* Which rule its end is by. */
static const char *
rule_of(const struct said *s, const struct lock_state *state)
{
	if (!state->until_ns)
		return "none";
	if (s->extension && s->extended_ns == state->until_ns)
		return s->shortened_by == s->extension ? "shortened" : "extension";
	return s->e->event.n ? "event" : "entry";
}

static void
put_end(struct buf *b, const struct said *s, const struct lock_state *state)
{
	const char *rule = rule_of(s, state);

	buf_printf(b, ",\"rule\":\"%s\"", rule);
	access_put_time(b, "until", state->until_ns);
	if (s->e->mode != ENTRY_MODE_NONE)
		buf_printf(b, ",\"mode\":\"%s\"", entry_mode_name(s->e->mode));
	access_put_time(b, "retain_until", s->e->retain_until_ns);
	if (strcmp(rule, "extension") == 0 || strcmp(rule, "shortened") == 0)
		buf_printf(b, ",\"extension\":%llu", (unsigned long long)s->extension);
}

static void
put_event(struct buf *b, const struct said *s)
{
	if (!s->e->event.n)
		return;
	buf_put_str(b, ",\"event\":{\"name\":");
	buf_put_json_str(b, s->e->event);
	if (s->event) {
		buf_printf(b, ",\"index\":%llu", (unsigned long long)s->event);
		access_put_time(b, "at", s->at_ns);
		access_put_time(b, "until", s->event_ns);
	}
	buf_put_u8(b, '}');
}

static int
add_hold(void *ctx, const struct lock_hold *h)
{
	buf_put(ctx, h, sizeof *h);
	return 0;
}

/* For who may see the hold itself, by the rule of /api/v1/holds: a matter is confidential. */
static int
put_names(void *ctx, const struct hold *h)
{
	struct request *r = ctx;
	struct buf *b = &((struct why *)r->state)->text;

	if (!token_may_some(r->token, SCOPE_HOLD, h->logs))
		return 0;
	buf_put_str(b, ",\"matter\":");
	buf_put_json_str(b, slice_str(h->matter));
	buf_put_str(b, ",\"name\":");
	buf_put_json_str(b, slice_str(h->name));
	return 0;
}

/* Gathered first: who reads the holds' names may wait for the log's locks, never the other way. */
static void
put_holds(struct request *r, struct buf *b, uint64_t index)
{
	struct lock_hold h;
	struct buf found;

	buf_init(&found);
	(void)locks_each_hold(log_locks(r->log), index, add_hold, &found);
	buf_put_str(b, ",\"holds\":[");
	for (size_t at = 0; at < found.n; at += sizeof h) {
		memcpy(&h, found.p + at, sizeof h);
		buf_printf(b, "%s{\"id\":\"%s\",\"placed\":%llu", at ? "," : "", h.id,
			   (unsigned long long)h.placed);
		/* One that was released meanwhile, and is forgotten, has no names any more. */
		(void)access_hold(audit_access(r->server->audit), slice_str(h.id), put_names, r);
		buf_put_u8(b, '}');
	}
	buf_put_u8(b, ']');
	if (found.err)
		b->err = found.err;
	buf_fini(&found);
}

/* One element of what would lift it. */
static void
put_lift(struct buf *b, const char *text)
{
	buf_put_str(b, b->p[b->n - 1] == '[' ? "" : ",");
	buf_put_json_str(b, slice_str(text));
}

/* What must come before it is free, all of it; an empty list: it is, or never will be. */
static void
put_lifts(struct buf *b, const struct said *s, const struct lock_state *state, int64_t now_ns,
	  enum entry_mode mode)
{
	buf_put_str(b, ",\"lifted_by\":[");
	if (state->by == LOCK_BY_DOUBT)
		put_lift(b, "a restart of the server: there was no memory for all that is said of "
			    "this log's locks");
	else if (state->by != LOCK_BY_KIND) {
		if (state->by == LOCK_BY_EVENT)
			put_lift(b, "its event, and then the policy's default period");
		if (state->holds)
			put_lift(b, "the release of every hold that covers it");
		if (now_ns < state->until_ns)
			put_lift(b, "time: when both clocks have passed until");
		if (now_ns < state->until_ns && s->e->mode != ENTRY_MODE_COMPLIANCE &&
		    mode == ENTRY_MODE_GOVERNANCE && !s->e->event.n)
			put_lift(b, "or, in governance mode, a shorter lock, with a second "
				    "principal");
	}
	buf_put_u8(b, ']');
}

static void
put(struct request *r, struct buf *b, const struct said *s, const struct lock_state *state,
    int64_t now_ns)
{
	bool locked = state->by != LOCK_BY_NOTHING;

	buf_printf(b, "{\"log\":\"%s\",\"index\":%llu,\"kind\":\"%s\",\"locked\":%s,\"by\":\"%s\"",
		   log_name(r->log), (unsigned long long)s->e->index, entry_kind_name(s->e->kind),
		   locked ? "true" : "false", by_names[state->by]);
	put_end(b, s, state);
	put_event(b, s);
	put_holds(r, b, s->e->index);
	put_lifts(b, s, state, now_ns,
		  policy_mode(log_policy(r->log), retention_later_ns(r->server, r->log)));
	if (state->purged)
		buf_printf(b, ",\"purged\":%llu", (unsigned long long)state->purged);
	access_put_time(b, "now", now_ns);
	buf_put_u8(b, '}');
}

static int
explain(void *ctx, const struct entry *e)
{
	struct request *r = ctx;
	struct why *w = r->state;
	int64_t now_ns = retention_earlier_ns(r->server, r->log);
	struct said said = {.e = e};
	struct lock_state state;

	locks_each_control(log_locks(r->log), 0, hear, &said);
	locks_look(log_locks(r->log), e->index, e, now_ns, &state);
	put(r, &w->text, &said, &state, now_ns);
	return w->text.err;
}

/* --- the request
 * ---------------------------------------------------------------------------------- */

static void
work(struct request *r, struct kit *kit)
{
	struct why *w = r->state;

	w->err = retention_each_entry(r->server, r->log, w->index, w->index, kit, explain, r);
}

static void
then(struct request *r)
{
	struct why w = *(struct why *)r->state;

	if (w.err == STELE_ENOTFOUND)
		reply_problem(r, PROBLEM_UNKNOWN_RECORD, "The log has no record of that index.");
	else if (w.err)
		reply_err(r, w.err);
	else
		reply_bytes(r, 200, "application/json", buf_slice(&w.text));
	buf_fini(&w.text);
}

void
res_why_get(struct request *r)
{
	struct why *w = arena_alloc(&r->arena, sizeof *w);

	if (!w) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	memset(w, 0, sizeof *w);
	if (dec_parse(&w->index, r->param[1], LIMIT_INTEGER) != 0) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "A record's index is a decimal number without leading zeros.");
		return;
	}
	buf_init(&w->text);
	r->state = w;
	r->work = work;
	r->then = then;
	loop_work(r);
}
