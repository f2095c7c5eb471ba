/* What is under dual control: which acts wait for a second principal, and who could be one. */
#include <string.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/access_state.h"

/* What can be put under dual control, and the scope that whoever asks for it must have. */
static const struct type {
	const char *type;
	enum scope scope;
} types[] = {
	{"principal.create", SCOPE_ACCESS},
	{"principal.change", SCOPE_ACCESS},
	{"principal.disable", SCOPE_ACCESS},
	{"token.create", SCOPE_ACCESS},
	{"token.rotate", SCOPE_ACCESS},
	{"token.revoke", SCOPE_ACCESS},
	{"policy.change", SCOPE_POLICY},
	{"hold.place", SCOPE_HOLD},
	{"hold.release", SCOPE_HOLD},
	{"retain.extend", SCOPE_RETAIN},
	{"retain.event", SCOPE_RETAIN},
	{"retain.shorten", SCOPE_RETAIN},
	{"purge", SCOPE_PURGE},
	{"clock.credit", SCOPE_OPERATE},
	{"clock.confirm", SCOPE_OPERATE},
	{"log.key.rotate", SCOPE_OPERATE},
	{"identity.rotate", SCOPE_OPERATE},
	{"erasure.request", SCOPE_PURGE},
	{"schema.add", SCOPE_POLICY},
	{"schema.retire", SCOPE_POLICY},
	{"log.schema", SCOPE_POLICY},
	{"alias.set", SCOPE_HOLD},
	{"alias.remove", SCOPE_HOLD},
};
enum { TYPES = sizeof types / sizeof types[0] };

/* Whoever has one of these can let go of what others rely on. */
enum { POWERFUL = SCOPE_HOLD | SCOPE_RETAIN | SCOPE_PURGE | SCOPE_APPROVE };

/* The row of an act's type, NULL: it cannot be listed. */
static const struct type *
type_of(const char *type)
{
	for (size_t i = 0; type && i < TYPES; i++)
		if (strcmp(types[i].type, type) == 0)
			return &types[i];
	return NULL;
}

/* --- what is under it -------------------------------------------------------------------- */

static bool
listed(const json_t *list, const char *type)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) if (strcmp(json_string_value(v), type) == 0) return true;
	return false;
}

/* Whether the act makes or widens a principal that is powerful then. */
static bool
makes_powerful(const struct access *a, const json_t *act)
{
	const char *why;
	struct principal *next = principal_from_json(json_object_get(act, "principal"), &why);
	const struct principal *old;
	bool powerful;

	if (!next)
		return false;
	old = access_find_principal(a, slice_str(next->id));
	powerful = principal_has(next, POWERFUL) && (!old || principal_is_wider(next, old));
	principal_unref(next);
	return powerful;
}

/* Whether the act hands out a token of a powerful principal. */
static bool
hands_out_power(const struct access *a, const json_t *act)
{
	const struct principal *p =
		access_find_principal(a, fold_text(json_object_get(act, "token"), "principal"));

	return p && principal_has(p, POWERFUL);
}

static bool
weakens(const struct access *a, const json_t *act)
{
	const json_t *acts = json_object_get(act, "acts"), *v;
	size_t i;

	json_array_foreach(a->dual, i, v) if (!listed(acts, json_string_value(v))) return true;
	return false;
}

/* Whether it is one by which alone somebody could come to be two. */
static bool
gives_power(const struct access *a, const json_t *act, const char *type)
{
	if (strcmp(type, "clock.confirm") == 0)
		return true; /* evidence time jumps: new principals would have stood for 72 hours */
	if (strcmp(type, "principal.create") == 0 || strcmp(type, "principal.change") == 0)
		return makes_powerful(a, act);
	return (strcmp(type, "token.create") == 0 || strcmp(type, "token.rotate") == 0) &&
	       hands_out_power(a, act);
}

enum access_second
access_needs_second(struct access *a, const json_t *act)
{
	const char *type = json_string_value(json_object_get(act, "type"));

	if (listed(a->dual, type) || (strcmp(type, "dual_control.set") == 0 && weakens(a, act)))
		return ACCESS_SECOND;
	if (!gives_power(a, act, type))
		return ACCESS_ALONE;
	if (a->dual)
		return ACCESS_SECOND;
	/* by policies alone it begins when there is somebody to approve */
	return access_approvers(a, "") >= 2 ? ACCESS_SECOND_BY_POLICY : ACCESS_ALONE;
}

bool
access_lists_dual(struct access *a, const char *type)
{
	bool is;

	pthread_rwlock_rdlock(&a->lock);
	is = listed(a->dual, type);
	pthread_rwlock_unlock(&a->lock);
	return is;
}

/* --- who could approve, and what is listed ---------------------------------------------------- */

size_t
access_approvers(const struct access *a, const char *but)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_principals; i++) {
		const struct principal *p = a->principals[i];
		n += strcmp(p->id, but) != 0 && !p->disabled_ns && !p->ends_ns &&
		     principal_has(p, SCOPE_APPROVE);
	}
	return n;
}

static int
refuse_types(const struct fold *f)
{
	buf_reset(f->why);
	buf_put_str(f->why, "acts may name ");
	for (size_t i = 0; i < TYPES; i++)
		buf_printf(f->why, "%s%s",
			   i == 0          ? ""
			   : i + 1 < TYPES ? ", "
					   : " and ",
			   types[i].type);
	buf_put_u8(f->why, '.');
	return STELE_ESYNTAX;
}

int
fold_dual_control(const struct fold *f, const json_t *act)
{
	json_t *acts = json_object_get(act, "acts"), *copy, *v;
	size_t i;

	if (!json_is_array(acts))
		return fold_refuse(f, STELE_ESYNTAX, "acts must be a list.");
	json_array_foreach(acts, i, v) if (!json_is_string(v) ||
					   !type_of(json_string_value(v))) return refuse_types(f);
	if (json_array_size(acts) && access_approvers(f->a, "") < 2)
		return fold_refuse(
			f, STELE_ECONFLICT,
			"Two principals with the scope approve and without an end must be "
			"there first: else nobody could approve anything.");
	copy = json_array_size(acts) ? json_deep_copy(acts) : NULL;
	if (json_array_size(acts) && !copy)
		return STELE_ENOMEM;
	if (f->dry) {
		json_decref(copy);
		return 0;
	}
	pthread_rwlock_wrlock(&f->a->lock);
	json_decref(f->a->dual);
	f->a->dual = copy;
	pthread_rwlock_unlock(&f->a->lock);
	return 0;
}

unsigned
access_asker_scope(const json_t *act)
{
	const struct type *t = type_of(json_string_value(json_object_get(act, "type")));

	return t ? t->scope : SCOPE_ACCESS;
}

void
access_put_dual_control(struct access *a, struct buf *out)
{
	const char *comma = "";
	const json_t *v;
	size_t i;

	pthread_rwlock_rdlock(&a->lock);
	buf_put_u8(out, '[');
	json_array_foreach(a->dual, i, v)
	{
		buf_printf(out, "%s\"%s\"", comma, json_string_value(v));
		comma = ",";
	}
	buf_put_u8(out, ']');
	pthread_rwlock_unlock(&a->lock);
}
