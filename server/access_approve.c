/*
 * Dual control: an act that needs a second principal becomes an approval, which says exactly what
 * will happen and waits. Who asked for it never grants it, by whatever token, nor does anybody who
 * came to be allowed more within the last 72 hours. What is granted happens in the same record.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/timestamp.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/access_state.h"

#define SETTLED_NS (LIMIT_SETTLED_HOURS * (TIMESTAMP_DAY_NS / 24))
#define REMEMBERED_NS (LIMIT_DECIDED_DAYS * TIMESTAMP_DAY_NS)

/* The principal that an act is by. */
static const struct principal *
actor(const struct fold *f, const json_t *act)
{
	return access_find_principal(f->a, fold_text(json_object_get(act, "by"), "principal"));
}

/* --- approvals ------------------------------------------------------------------------------- */

static void
approval_free(struct approval *p)
{
	if (p)
		json_decref(p->act);
	free(p);
}

static struct approval *
find(const struct access *a, struct slice id)
{
	for (size_t i = 0; i < a->n_approvals; i++)
		if (slice_eq_str(id, a->approvals[i]->id))
			return a->approvals[i];
	return NULL;
}

static int
digest(char out[65], const json_t *act)
{
	char *text = json_dumps(act, JSON_COMPACT);
	struct sha256 *h = sha256_new();
	uint8_t hash[32];

	if (text && h) {
		sha256_hash(h, hash, slice_str(text));
		hex_format(out, hash, sizeof hash);
	}
	sha256_free(h);
	free(text);
	return text && h ? 0 : STELE_ENOMEM;
}

/* What is over for long is forgotten; the records stay. */
static void
forget_old(struct access *a, int64_t now_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_approvals; i++) {
		struct approval *p = a->approvals[i];
		int64_t over_ns = p->state == APPROVAL_PENDING ? p->expires_ns : p->decided_ns;
		if (now_ns - over_ns >= REMEMBERED_NS)
			approval_free(p);
		else
			a->approvals[n++] = p;
	}
	a->n_approvals = n;
}

static size_t
waiting(const struct access *a, int64_t now_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_approvals; i++)
		n += a->approvals[i]->state == APPROVAL_PENDING &&
		     now_ns < a->approvals[i]->expires_ns;
	return n;
}

/* Takes it in; its memory becomes the state's. */
static int
take(const struct fold *f, struct approval *p)
{
	struct approval **room;

	pthread_rwlock_wrlock(&f->a->lock);
	forget_old(f->a, f->time_ns);
	room = realloc(f->a->approvals, (f->a->n_approvals + 1) * sizeof(struct approval *));
	if (room) {
		f->a->approvals = room;
		room[f->a->n_approvals++] = p;
	}
	pthread_rwlock_unlock(&f->a->lock);
	return room ? 0 : STELE_ENOMEM;
}

int
fold_approval_request(const struct fold *f, const json_t *act)
{
	json_t *inner = json_object_get(act, "act");
	struct slice id = fold_text(act, "id"),
		     by = fold_text(json_object_get(act, "by"), "principal");
	struct approval *p;
	int64_t expires_ns;
	int err;

	if (id.n != APPROVAL_ID_CHARS || by.n > LIMIT_WRITER_BYTES || !json_is_object(inner) ||
	    timestamp_parse(&expires_ns, fold_text(act, "expires")) != 0)
		return fold_refuse(f, STELE_ESYNTAX, "An approval has id, act and expires.");
	if (find(f->a, id))
		return fold_refuse(f, STELE_EEXIST, "There is an approval of that id.");
	if (waiting(f->a, f->time_ns) >= LIMIT_APPROVALS)
		return fold_refuse(f, STELE_ELIMIT,
				   "Too many approvals wait: grant or refuse some first.");
	p = calloc(1, sizeof *p);
	if (!p)
		return STELE_ENOMEM;
	memcpy(p->id, id.p, id.n);
	memcpy(p->by, by.p, by.n);
	p->requested_ns = f->time_ns;
	p->expires_ns = expires_ns;
	p->act = json_deep_copy(inner);
	err = p->act ? digest(p->digest, p->act) : STELE_ENOMEM;
	if (err == 0 && !f->dry)
		err = take(f, p);
	if (err != 0 || f->dry)
		approval_free(p);
	return err;
}

/* The approval that is to be decided now, or why it cannot be. */
static int
find_pending(const struct fold *f, const json_t *act, struct approval **out)
{
	*out = find(f->a, fold_text(act, "id"));
	if (!*out)
		return fold_refuse(f, STELE_ENOTFOUND, "There is no approval of that id.");
	if ((*out)->state != APPROVAL_PENDING)
		return fold_refuse(f, STELE_ECONFLICT, "It was decided already.");
	if (f->time_ns >= (*out)->expires_ns)
		return fold_refuse(f, STELE_ECONFLICT,
				   "It has expired: the act must be asked for again.");
	return 0;
}

/* Whether who has the scope on every log that the act names; on any, when it names none. */
static bool
all_logs(bool (*may)(const void *who, unsigned scope, struct slice log), const void *who,
	 unsigned scope, const json_t *act)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(act, "covers"), i, c)
	{
		if (!may(who, scope, fold_text(c, "log")))
			return false;
	}
	return may(who, scope, fold_text(act, "log"));
}

static bool
by_principal(const void *p, unsigned scope, struct slice log)
{
	return log.n ? principal_may(p, scope, log) : principal_has(p, scope);
}

static bool
may_all(const struct principal *p, unsigned scope, const json_t *act)
{
	return all_logs(by_principal, p, scope, act);
}

static bool
by_token(const void *t, unsigned scope, struct slice log)
{
	return token_may(t, scope, log);
}

/* Who says who may do what sees them all; others those that they might approve. */
static bool
sees(const struct token *t, const struct approval *p)
{
	return !t || token_may(t, SCOPE_ACCESS, slice_of("", 0)) ||
	       all_logs(by_token, t, SCOPE_APPROVE, p->act);
}

/* Whether evidence time is where a step that a timestamp confirmed has brought it, and 72 hours
 * have not passed since. The wall clock may have been followed a little earlier than it was shown.
 */
static bool
is_after_step(const struct fold *f)
{
	return f->time_ns > f->a->stepped_to_ns - LIMIT_CLOCK_STEP_NS &&
	       f->time_ns - f->a->stepped_to_ns < SETTLED_NS;
}

/* Whether what has been there since then was not there for 72 hours that everybody could see. */
static bool
is_new(const struct fold *f, int64_t since_ns)
{
	return f->time_ns - since_ns < SETTLED_NS ||
	       (is_after_step(f) && since_ns > f->a->settled_by_ns);
}

int
fold_clock_confirm(const struct fold *f, const json_t *act)
{
	int64_t wall_ns, by_ns = f->time_ns - SETTLED_NS;

	if (f->dry || !json_object_get(act, "timestamp") ||
	    timestamp_parse(&wall_ns, fold_text(act, "wall")) != 0 || wall_ns <= f->time_ns)
		return 0;
	if (is_after_step(f) && f->a->settled_by_ns < by_ns)
		by_ns = f->a->settled_by_ns;
	pthread_rwlock_wrlock(&f->a->lock);
	f->a->stepped_to_ns = wall_ns;
	f->a->settled_by_ns = by_ns;
	pthread_rwlock_unlock(&f->a->lock);
	return 0;
}

/* Certificates are no tokens: their names came to a principal as grants do. */
static bool
is_new_token(const struct fold *f, const json_t *act)
{
	struct slice id = fold_text(json_object_get(act, "by"), "token");
	bool found;
	size_t at = access_place_token(f->a, id, &found);

	return found && is_new(f, f->a->tokens[at]->created_ns);
}

static int
refuse_approver(const struct fold *f)
{
	return fold_refuse(f, STELE_EPERM,
			   "Only a principal with the scope approve may, on every log that it "
			   "touches.");
}

/* Whether `by` may grant it, and who asked could still ask. */
static int
check_grant(const struct fold *f, const json_t *act, const struct approval *p)
{
	const struct principal *by = actor(f, act),
			       *asker = access_find_principal(f->a, slice_str(p->by));

	if (!slice_eq_str(fold_text(act, "digest"), p->digest))
		return fold_refuse(
			f, STELE_ECONFLICT,
			"The digest is not that of the act: look at what will happen, and "
			"approve that.");
	if (!by || by->disabled_ns || !may_all(by, SCOPE_APPROVE, p->act))
		return refuse_approver(f);
	if (strcmp(by->id, p->by) == 0)
		return fold_refuse(f, STELE_EPERM,
				   "Who asked for it cannot approve it, by no token: another "
				   "principal must.");
	if (is_new(f, by->widened_ns))
		return fold_refuse(f, STELE_EPERM,
				   "A principal that is new, or came to be allowed more, approves "
				   "nothing for 72 hours.");
	if (is_new_token(f, act))
		return fold_refuse(f, STELE_EPERM,
				   "A token that is new approves nothing for 72 hours: whoever "
				   "makes tokens could have made it for that.");
	if (!asker || asker->disabled_ns || !may_all(asker, access_asker_scope(p->act), p->act) ||
	    (asker->ends_ns && f->time_ns >= asker->ends_ns))
		return fold_refuse(f, STELE_ECONFLICT,
				   "Who asked for it may not ask for it any more.");
	return 0;
}

static void
decide(const struct fold *f, const json_t *act, struct approval *p, int state)
{
	struct slice by = fold_text(json_object_get(act, "by"), "principal");

	pthread_rwlock_wrlock(&f->a->lock);
	p->state = state;
	p->decided_ns = f->time_ns;
	memcpy(p->decider, by.p, by.n);
	pthread_rwlock_unlock(&f->a->lock);
}

int
fold_approval_grant(const struct fold *f, const json_t *act)
{
	struct approval *p;
	int err = find_pending(f, act, &p);

	if (err == 0)
		err = check_grant(f, act, p);
	if (err == 0) /* as if it were done now: what changed meanwhile may forbid it */
		err = access_apply(f->a, p->act, f->time_ns, f->dry, f->why);
	if (err == 0 && !f->dry)
		decide(f, act, p, APPROVAL_GRANTED);
	return err;
}

json_t *
access_pending_act(struct access *a, const json_t *grant)
{
	const struct approval *p;
	json_t *act;

	pthread_rwlock_rdlock(&a->lock);
	p = find(a, fold_text(grant, "id"));
	act = p && p->state == APPROVAL_PENDING ? json_incref(p->act) : NULL;
	pthread_rwlock_unlock(&a->lock);
	return act;
}

int
fold_approval_refuse(const struct fold *f, const json_t *act)
{
	const struct principal *by = actor(f, act);
	struct approval *p;
	int err = find_pending(f, act, &p);

	if (err == 0 && (!by || !may_all(by, SCOPE_APPROVE, p->act)))
		return refuse_approver(f);
	if (err == 0 && !f->dry)
		decide(f, act, p, APPROVAL_REFUSED);
	return err;
}

/* --- as JSON ------------------------------------------------------------------------------------
 */

static const char *
state_name(const struct approval *p, int64_t now_ns)
{
	if (p->state == APPROVAL_PENDING)
		return now_ns < p->expires_ns ? "pending" : "expired";
	return p->state == APPROVAL_GRANTED ? "granted" : "refused";
}

static void
put(struct buf *b, const struct approval *p, const char *state)
{
	char *act = json_dumps(p->act, JSON_COMPACT);

	buf_printf(b, "{\"id\":\"%s\",\"state\":\"%s\",\"by\":", p->id, state);
	buf_put_json_str(b, slice_str(p->by));
	access_put_time(b, "requested", p->requested_ns);
	access_put_time(b, "expires", p->expires_ns);
	access_put_time(b, "decided", p->decided_ns);
	if (p->decider[0]) {
		buf_put_str(b, ",\"decider\":");
		buf_put_json_str(b, slice_str(p->decider));
	}
	buf_printf(b, ",\"digest\":\"%s\",\"act\":%s}", p->digest, act ? act : "null");
	if (!act)
		b->err = STELE_ENOMEM;
	free(act);
}

void
access_put_approvals(struct access *a, const struct token *by, bool pending, int64_t now_ns,
		     struct buf *out)
{
	const char *comma = "";

	pthread_rwlock_rdlock(&a->lock);
	buf_put_u8(out, '[');
	for (size_t i = 0; i < a->n_approvals; i++) {
		const char *state = state_name(a->approvals[i], now_ns);
		if ((pending && strcmp(state, "pending") != 0) || !sees(by, a->approvals[i]))
			continue;
		buf_put_str(out, comma);
		put(out, a->approvals[i], state);
		comma = ",";
	}
	buf_put_u8(out, ']');
	pthread_rwlock_unlock(&a->lock);
}

int
access_put_approval(struct access *a, const struct token *by, struct slice id, int64_t now_ns,
		    struct buf *out)
{
	const struct approval *p;
	bool found;

	pthread_rwlock_rdlock(&a->lock);
	p = find(a, id);
	found = p && sees(by, p);
	if (found)
		put(out, p, state_name(p, now_ns));
	pthread_rwlock_unlock(&a->lock);
	return found ? 0 : STELE_ENOTFOUND;
}

/* --- the snapshot
 * --------------------------------------------------------------------------------- */

void
access_forget_approvals(struct access *a)
{
	while (a->n_approvals)
		approval_free(a->approvals[--a->n_approvals]);
	free(a->approvals);
	a->approvals = NULL;
	json_decref(a->dual);
	a->dual = NULL;
	a->stepped_to_ns = a->settled_by_ns = 0;
}

void
access_encode_approvals(const struct access *a, struct buf *out)
{
	static const char *const states[] = {"pending", "granted", "refused"};
	char *dual = a->dual ? json_dumps(a->dual, JSON_COMPACT) : NULL;

	if (a->dual && !dual)
		out->err = STELE_ENOMEM;
	buf_printf(out, ",\"dual_control\":%s,\"stepped_to_ns\":%lld,\"settled_by_ns\":%lld",
		   dual ? dual : "null", (long long)a->stepped_to_ns, (long long)a->settled_by_ns);
	buf_put_str(out, ",\"approvals\":[");
	for (size_t i = 0; i < a->n_approvals; i++) {
		buf_put_str(out, i ? "," : "");
		put(out, a->approvals[i], states[a->approvals[i]->state]);
	}
	buf_put_u8(out, ']');
	free(dual);
}

static bool
get_time(const json_t *o, const char *name, int64_t *ns)
{
	return !json_object_get(o, name) || timestamp_parse(ns, fold_text(o, name)) == 0;
}

static struct approval *
decode(const json_t *o)
{
	struct slice id = fold_text(o, "id"), by = fold_text(o, "by"),
		     decider = fold_text(o, "decider"), state = fold_text(o, "state");
	struct approval *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->act = json_incref(json_object_get(o, "act"));
	p->state = slice_eq_str(state, "pending")   ? APPROVAL_PENDING
		   : slice_eq_str(state, "granted") ? APPROVAL_GRANTED
						    : APPROVAL_REFUSED;
	if (id.n == APPROVAL_ID_CHARS && by.n <= LIMIT_WRITER_BYTES &&
	    decider.n <= LIMIT_WRITER_BYTES && json_is_object(p->act) &&
	    get_time(o, "requested", &p->requested_ns) && get_time(o, "expires", &p->expires_ns) &&
	    get_time(o, "decided", &p->decided_ns) && digest(p->digest, p->act) == 0) {
		memcpy(p->id, id.p, id.n);
		memcpy(p->by, by.p, by.n);
		memcpy(p->decider, decider.p, decider.n);
		return p;
	}
	approval_free(p);
	return NULL;
}

/* A snapshot of before there were any has no such member. */
static bool
take_ns(const json_t *root, const char *name, int64_t *ns)
{
	const json_t *v = json_object_get(root, name);

	*ns = json_integer_value(v);
	return !v || json_is_integer(v);
}

int
access_decode_approvals(struct access *a, const json_t *root)
{
	json_t *dual = json_object_get(root, "dual_control"),
	       *list = json_object_get(root, "approvals"), *v;
	size_t i;

	if (!json_is_array(list) || !(json_is_null(dual) || json_is_array(dual)) ||
	    !take_ns(root, "stepped_to_ns", &a->stepped_to_ns) ||
	    !take_ns(root, "settled_by_ns", &a->settled_by_ns))
		return STELE_EDAMAGED;
	a->dual = json_is_array(dual) ? json_incref(dual) : NULL;
	a->approvals = calloc(json_array_size(list) + 1, sizeof(struct approval *));
	if (!a->approvals)
		return STELE_ENOMEM;
	json_array_foreach(list, i, v)
	{
		struct approval *p = decode(v);
		if (!p)
			return STELE_EDAMAGED;
		a->approvals[a->n_approvals++] = p;
	}
	return 0;
}
