/*
 * The acts, one function each: first everything that may fail, then, unless it is dry, the
 * change under the lock, which cannot.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/access_state.h"
#include "server/timestamp_record.h"

int
fold_refuse(const struct fold *f, int err, const char *why)
{
	buf_reset(f->why);
	buf_put_str(f->why, why);
	return err;
}

struct slice
fold_text(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

/* --- what is asked of the state ----------------------------------------------------------- */

bool
principal_has(const struct principal *p, unsigned scopes)
{
	for (size_t i = 0; i < p->n_grants; i++)
		if (p->grants[i].scopes & scopes)
			return true;
	return false;
}

static bool
grants_access(const struct principal *p)
{
	return principal_has(p, SCOPE_ACCESS);
}

/* Whether somebody else is left who may let people in: for ever, and not disabled. */
static bool
another_gives_access(const struct access *a, const char *id)
{
	for (size_t i = 0; i < a->n_principals; i++) {
		const struct principal *p = a->principals[i];
		if (strcmp(p->id, id) != 0 && !p->disabled_ns && !p->ends_ns && grants_access(p))
			return true;
	}
	return false;
}

static const char taken[] = "Another principal has that name: a certificate stands for one.";

static const char two[] =
	"While dual control is on, two principals that can approve stay: give another one "
	"the scope approve first.";

/* Whether two are left who can approve when this one cannot any more. */
static bool
two_approve(const struct access *a, const struct principal *old, bool still)
{
	return !a->dual || still || !principal_has(old, SCOPE_APPROVE) ||
	       access_approvers(a, old->id) >= 2;
}

static const char last[] =
	"It is the last principal with the scope access and no end: nobody could "
	"let anybody in again. Give another one that scope first.";

static bool
grant_within(const struct grant *g, const struct principal *p)
{
	for (size_t i = 0; i < p->n_grants; i++) {
		const char *at = g->logs, *space;
		bool within = (g->scopes & ~p->grants[i].scopes) == 0;
		for (; within && *at; at = *space ? space + 1 : space) {
			space = strchrnul(at, ' ');
			within = scope_list_within(p->grants[i].logs,
						   slice_of(at, (size_t)(space - at)));
		}
		if (within)
			return true;
	}
	return false;
}

static bool
has_name(const struct principal *p, const char *name)
{
	for (size_t i = 0; i < p->n_names; i++)
		if (strcasecmp(p->names[i], name) == 0)
			return true;
	return false;
}

/* Whether another one that is not disabled has one of its names. */
static bool
names_are_taken(const struct access *a, const struct principal *p)
{
	for (size_t i = 0; i < a->n_principals; i++) {
		const struct principal *other = a->principals[i];
		for (size_t k = 0; k < p->n_names && !other->disabled_ns; k++)
			if (strcmp(other->id, p->id) != 0 && has_name(other, p->names[k]))
				return true;
	}
	return false;
}

bool
principal_is_wider(const struct principal *new, const struct principal *old)
{
	for (size_t i = 0; i < new->n_grants; i++)
		if (!grant_within(&new->grants[i], old))
			return true;
	for (size_t i = 0; i < new->n_names; i++)
		if (!has_name(old, new->names[i]))
			return true;
	return (old->ends_ns && (!new->ends_ns || new->ends_ns > old->ends_ns));
}

/* --- new principals and tokens -------------------------------------------------------------- */

/* The principal of an act that makes one. */
static int
read_new_principal(const struct fold *f, const json_t *act, struct principal **out)
{
	const char *why;
	bool found;
	struct principal *p = principal_from_json(json_object_get(act, "principal"), &why);

	if (!p)
		return fold_refuse(f, STELE_ESYNTAX, why);
	(void)access_place_principal(f->a, slice_str(p->id), &found);
	if (found || f->a->n_principals >= LIMIT_PRINCIPALS) {
		principal_unref(p);
		return found ? fold_refuse(
				       f, STELE_EEXIST,
				       "There is a principal of that id; an id is never used again.")
			     : fold_refuse(f, STELE_ELIMIT,
					   "There are as many principals as there may be.");
	}
	if (names_are_taken(f->a, p)) {
		principal_unref(p);
		return fold_refuse(f, STELE_ECONFLICT, taken);
	}
	p->created_ns = p->widened_ns = f->time_ns;
	p->disabled_ns = 0;
	*out = p;
	return 0;
}

/* The token of an act that makes one, for `made` when that is the principal it names. */
static int
read_new_token(const struct fold *f, const json_t *act, struct principal *made, struct token **out)
{
	char id[LIMIT_WRITER_BYTES + 1];
	const char *why;
	bool known, found;
	struct principal *p = made;
	size_t at;
	struct token *t = token_from_json(json_object_get(act, "token"), id, &why);

	if (!t)
		return fold_refuse(f, STELE_ESYNTAX, why);
	at = access_place_principal(f->a, slice_str(id), &known);
	if (!made || strcmp(made->id, id) != 0)
		p = known ? f->a->principals[at] : NULL;
	(void)access_place_token(f->a, slice_str(t->id), &found);
	if (!p || p->disabled_ns || found || f->a->n_tokens >= LIMIT_TOKENS) {
		token_unref(t);
		if (!p)
			return fold_refuse(f, STELE_ENOTFOUND, "There is no principal of that id.");
		if (p->disabled_ns)
			return fold_refuse(f, STELE_ECONFLICT, "The principal is disabled.");
		return found ? fold_refuse(f, STELE_EEXIST, "There is a token of that id.")
			     : fold_refuse(
				       f, STELE_ELIMIT,
				       "There are as many tokens as there may be: revoke some.");
	}
	atomic_fetch_add(&p->refs, 1);
	t->principal = p;
	t->created_ns = f->time_ns;
	*out = t;
	return 0;
}

/* Whether it could ever do what its log and paths are for: else somebody made a mistake. Grants may
 * change later, so a token is rotated whatever they are by then. */
static int
check_vendor(const struct fold *f, const struct token *t)
{
	if (t && (t->log[0] || t->vendors) && !token_may(t, SCOPE_APPEND, slice_str(t->log)))
		return fold_refuse(
			f, STELE_ESYNTAX,
			"A token with a log, or paths, must be allowed to append there: "
			"its scopes and logs, or those of its principal, do not say so.");
	return 0;
}

/* Puts in what was made; the counts become the state's. */
static void
put_in(const struct fold *f, struct principal *p, struct token *t)
{
	pthread_rwlock_wrlock(&f->a->lock);
	if (p)
		access_insert_principal(f->a, p);
	if (t)
		access_insert_token(f->a, t);
	pthread_rwlock_unlock(&f->a->lock);
}

static int
principal_create(const struct fold *f, const json_t *act)
{
	struct principal *p = NULL;
	struct token *t = NULL;
	int err = read_new_principal(f, act, &p);

	if (err == 0 && json_object_get(act, "token"))
		err = read_new_token(f, act, p, &t);
	err = err ? err : check_vendor(f, t);
	if (err == 0)
		err = access_reserve(f->a, 1, 1);
	if (err == 0 && !f->dry) {
		put_in(f, p, t);
		return 0;
	}
	token_unref(t);
	principal_unref(p);
	return err;
}

static int
token_create(const struct fold *f, const json_t *act)
{
	struct token *t = NULL;
	int err = read_new_token(f, act, NULL, &t);

	err = err ? err : check_vendor(f, t);
	if (err == 0)
		err = access_reserve(f->a, 0, 1);
	if (err == 0 && !f->dry)
		put_in(f, NULL, t);
	else
		token_unref(t);
	return err;
}

/* Those before are lost: their secrets' key is. One principal with one token begins anew. */
static int
access_reset(const struct fold *f, const json_t *act)
{
	struct slice id = fold_text(json_object_get(act, "token"), "id");
	int err = principal_create(f, act);

	if (err != 0 || f->dry)
		return err;
	pthread_rwlock_wrlock(&f->a->lock);
	for (size_t i = f->a->n_tokens; i > 0; i--)
		if (!slice_eq_str(id, f->a->tokens[i - 1]->id))
			access_remove_token(f->a, i - 1);
	pthread_rwlock_unlock(&f->a->lock);
	return 0;
}

/* --- changes of a principal ------------------------------------------------------------------ */

/*
 * Puts `next` in the place of the principal at `at`, and copies of its tokens that stand for it in
 * theirs; or, when it is disabled, takes them away.
 */
static int
replace(const struct fold *f, size_t at, struct principal *next)
{
	struct access *a = f->a;
	struct principal *old = a->principals[at];
	struct token **copies = calloc(a->n_tokens + 1, sizeof(struct token *));
	int err = copies ? 0 : STELE_ENOMEM;

	for (size_t i = 0; err == 0 && !next->disabled_ns && i < a->n_tokens; i++) {
		if (a->tokens[i]->principal != old)
			continue;
		copies[i] = token_with(a->tokens[i], next);
		err = copies[i] ? 0 : STELE_ENOMEM;
	}
	if (err == 0 && !f->dry) {
		pthread_rwlock_wrlock(&a->lock);
		for (size_t i = 0; i < a->n_tokens; i++) {
			if (copies[i]) {
				token_unref(a->tokens[i]);
				a->tokens[i] = copies[i];
				copies[i] = NULL;
			}
		}
		for (size_t i = a->n_tokens; next->disabled_ns && i > 0; i--)
			if (a->tokens[i - 1]->principal == old)
				access_remove_token(a, i - 1);
		atomic_fetch_add(&next->refs, 1);
		a->principals[at] = next;
		pthread_rwlock_unlock(&a->lock);
		principal_unref(old);
	}
	for (size_t i = 0; copies && i < a->n_tokens; i++)
		token_unref(copies[i]);
	free(copies);
	return err;
}

/* Whether the principal is still what the act says that it was: what was seen is what is changed.
 */
static bool
is_still(const struct principal *p, const json_t *was)
{
	json_t *now = NULL;
	bool same;
	struct buf b;

	buf_init(&b);
	buf_put_u8(&b, '{');
	principal_put(&b, p);
	buf_put_u8(&b, '}');
	if (!b.err)
		now = json_loadb((const char *)b.p, b.n, 0, NULL);
	same = now && json_equal(now, was);
	json_decref(now);
	buf_fini(&b);
	return same;
}

/* The act has the principal as it is to be, and as it was. */
static int
principal_change(const struct fold *f, const json_t *act)
{
	const char *why;
	struct principal *next = principal_from_json(json_object_get(act, "principal"), &why);
	const struct principal *old;
	bool found;
	size_t at;
	int err = 0;

	if (!next)
		return fold_refuse(f, STELE_ESYNTAX, why);
	at = access_place_principal(f->a, slice_str(next->id), &found);
	old = found ? f->a->principals[at] : NULL;
	if (!found)
		err = fold_refuse(f, STELE_ENOTFOUND, "There is no principal of that id.");
	else if (old->disabled_ns)
		err = fold_refuse(f, STELE_ECONFLICT, "The principal is disabled, for good.");
	else if (json_object_get(act, "was") && !is_still(old, json_object_get(act, "was")))
		err = fold_refuse(f, STELE_ECONFLICT,
				  "It has changed since: look at it, and ask again.");
	else if (next->kind != old->kind)
		err = fold_refuse(f, STELE_ESYNTAX, "A principal's kind stays what it is.");
	else if ((!grants_access(next) || next->ends_ns) && !another_gives_access(f->a, next->id))
		err = fold_refuse(f, STELE_ECONFLICT, last);
	else if (!two_approve(f->a, old, principal_has(next, SCOPE_APPROVE) && !next->ends_ns))
		err = fold_refuse(f, STELE_ECONFLICT, two);
	else if (names_are_taken(f->a, next))
		err = fold_refuse(f, STELE_ECONFLICT, taken);
	if (err == 0) {
		next->created_ns = old->created_ns;
		next->widened_ns = principal_is_wider(next, old) ? f->time_ns : old->widened_ns;
		next->disabled_ns = 0;
		err = replace(f, at, next);
	}
	principal_unref(next);
	return err;
}

static int
principal_disable(const struct fold *f, const json_t *act)
{
	struct slice id = fold_text(act, "id"), successor = fold_text(act, "successor");
	struct principal *old, *next;
	bool found, heir = true;
	size_t at;
	int err;

	at = access_place_principal(f->a, id, &found);
	if (!found)
		return fold_refuse(f, STELE_ENOTFOUND, "There is no principal of that id.");
	old = f->a->principals[at];
	if (old->disabled_ns)
		return fold_refuse(f, STELE_ECONFLICT, "It is disabled already.");
	if (successor.n) {
		size_t by = access_place_principal(f->a, successor, &heir);
		heir = heir && by != at && !f->a->principals[by]->disabled_ns;
	}
	if (!heir)
		return fold_refuse(
			f, STELE_ENOTFOUND,
			"The successor must be another principal, which is not disabled.");
	if (!another_gives_access(f->a, old->id))
		return fold_refuse(f, STELE_ECONFLICT, last);
	if (!two_approve(f->a, old, false))
		return fold_refuse(f, STELE_ECONFLICT, two);
	next = principal_copy(old);
	if (!next)
		return STELE_ENOMEM;
	next->disabled_ns = f->time_ns;
	memcpy(next->successor, successor.p, successor.n);
	next->successor[successor.n] = '\0';
	err = replace(f, at, next);
	principal_unref(next);
	return err;
}

/* --- changes of a token ------------------------------------------------------------------------
 */

static int
token_revoke(const struct fold *f, const json_t *act)
{
	bool found;
	size_t at = access_place_token(f->a, fold_text(act, "id"), &found);

	if (!found)
		return fold_refuse(f, STELE_ENOTFOUND, "There is no token of that id.");
	if (!f->dry) {
		pthread_rwlock_wrlock(&f->a->lock);
		access_remove_token(f->a, at);
		pthread_rwlock_unlock(&f->a->lock);
	}
	return 0;
}

/* A new token for the same, and an end for the old one. */
static int
token_rotate(const struct fold *f, const json_t *act)
{
	struct token *t = NULL, *old = NULL;
	int64_t ends_ns;
	bool found;
	size_t at;
	int err;

	if (timestamp_parse(&ends_ns, fold_text(act, "expires")) != 0)
		return fold_refuse(f, STELE_ESYNTAX, "expires must be an instant.");
	at = access_place_token(f->a, fold_text(act, "id"), &found);
	if (!found)
		return fold_refuse(f, STELE_ENOTFOUND, "There is no token of that id.");
	err = read_new_token(f, act, NULL, &t);
	if (err == 0 && t->principal != f->a->tokens[at]->principal)
		err = fold_refuse(f, STELE_ESYNTAX, "The new token must be the same principal's.");
	if (err == 0)
		err = access_reserve(f->a, 0, 1);
	if (err == 0) {
		old = token_with(f->a->tokens[at], t->principal);
		err = old ? 0 : STELE_ENOMEM;
	}
	if (err == 0 && !f->dry) {
		if (!old->expires_ns || ends_ns < old->expires_ns)
			old->expires_ns = ends_ns;
		pthread_rwlock_wrlock(&f->a->lock);
		token_unref(f->a->tokens[at]);
		f->a->tokens[at] = old;
		pthread_rwlock_unlock(&f->a->lock);
		put_in(f, NULL, t);
		return 0;
	}
	token_unref(t);
	token_unref(old);
	return err;
}

/* --- all ----------------------------------------------------------------------------------- */

int
access_apply(struct access *a, const json_t *act, int64_t time_ns, bool dry, struct buf *why)
{
	static const struct {
		const char *type;
		int (*apply)(const struct fold *f, const json_t *act);
	} acts[] = {
		{"principal.create", principal_create},
		{"principal.change", principal_change},
		{"principal.disable", principal_disable},
		{"token.create", token_create},
		{"token.revoke", token_revoke},
		{"token.rotate", token_rotate},
		{"access.reset", access_reset},
		{"dual_control.set", fold_dual_control},
		{"identity.rotate", fold_identity},
		{"approval.request", fold_approval_request},
		{"approval.grant", fold_approval_grant},
		{"approval.refuse", fold_approval_refuse},
		{"clock.confirm", fold_clock_confirm},
		{"hold.place", fold_hold_place},
		{"hold.release", fold_hold_release},
		{"erasure.request", fold_erasure_request},
		{"erasure.end", fold_erasure_end},
		{"export.begin", fold_export_begin},
		{"export.finish", fold_export_finish},
		{"export.fail", fold_export_fail},
		{"export.remove", fold_export_remove},
		{"purge", fold_purge},
		{"schema.builtin", fold_schema_builtin},
		{"schema.add", fold_schema_add},
		{"schema.retire", fold_schema_retire},
		{"log.schema", fold_log_schema},
		{"log.create", fold_log_create},
		{"alias.set", fold_alias_set},
		{"alias.remove", fold_alias_remove},
		{"timestamp", fold_timestamp},
	};
	struct slice type = fold_text(act, "type");
	struct fold f = {a, time_ns, dry, why};

	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
		if (slice_eq_str(type, acts[i].type)) {
			int err = acts[i].apply(&f, act);
			if (!dry)
				atomic_fetch_add(&a->generation, 1);
			return err;
		}
	return 0;
}
