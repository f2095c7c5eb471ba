/*
 * The acts. Each makes the names as they are to be, and puts them in force in one step: nothing
 * that exists is changed, so whatever reads records goes on by the mapping that it has.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/hex.h"
#include "server/access_state.h"

/* --- names --------------------------------------------------------------------------------- */

/* A copy with room for `more`; NULL without memory. */
static struct schema_name *
copy_names(const struct schema_names *names, size_t more)
{
	struct schema_name *of = calloc(names->n + more + 1, sizeof *of);

	if (of && names->n)
		memcpy(of, names->of, names->n * sizeof *of);
	return of;
}

static void
remove_name(struct schema_names *names, size_t at)
{
	memmove(names->of + at, names->of + at + 1, (--names->n - at) * sizeof *names->of);
}

/* That version is what its name stands for from now on; there is room. */
static void
set_added(struct schema_names *names, const struct schema_version *v, int64_t retired_ns)
{
	const struct schema_name is = {v->schema.name, v, true, retired_ns};
	size_t at = schemas_place(names, v->schema.name);

	if (at < names->n && names->of[at].added) {
		names->of[at] = is;
		return;
	}
	if (at < names->n)
		remove_name(names, at);
	for (at = 0; at < names->n && names->of[at].added;)
		at++;
	memmove(names->of + at + 1, names->of + at, (names->n++ - at) * sizeof *names->of);
	names->of[at] = is;
}

/* Puts them in the place of those that were; they become the state's, or are freed. */
static int
put_in_force(struct schemas *s, struct schema_names *next)
{
	const struct mapping *now;
	int err = schemas_map(s, next, &now);

	if (err != 0) {
		free(next->of);
		return err;
	}
	free(s->names.of);
	s->names = *next;
	s->now = now;
	return 0;
}

/* --- versions ------------------------------------------------------------------------------ */

/* The version that this one is, when it is known already, and else itself, taken in. */
static int
take(const struct fold *f, const json_t *act, struct schema_version *v,
     const struct schema_version **out)
{
	struct slice by = fold_text(json_object_get(act, "by"), "principal");
	const struct schema_version *known = schemas_version(&f->a->schemas, v->digest);
	int err = 0;

	if (by.n == 0 || by.n > LIMIT_WRITER_BYTES)
		by = slice_str("steled");
	if (known) {
		schema_version_free(v);
	} else {
		v->added_ns = f->time_ns;
		memcpy(v->by, by.p, by.n);
		err = schemas_take(&f->a->schemas, v);
		if (err != 0)
			schema_version_free(v);
		known = v;
	}
	if (err == 0)
		*out = known;
	return err;
}

/* --- those that come with stele -------------------------------------------------------------- */

/* Names as they are, but for those that come with stele: these are the ones that the act has. */
static int
read_builtin(const struct fold *f, const json_t *act, struct schema_names *next)
{
	const json_t *list = json_object_get(act, "schemas"), *v;
	size_t i;

	next->n = f->a->schemas.names.n;
	next->of = copy_names(&f->a->schemas.names, json_array_size(list));
	if (!next->of)
		return STELE_ENOMEM;
	for (i = next->n; i > 0; i--)
		if (!next->of[i - 1].added)
			remove_name(next, i - 1);
	json_array_foreach(list, i, v)
	{
		struct slice text = slice_of(json_string_value(v), json_string_length(v));
		const struct schema_version *is;
		struct schema_version *made;
		int err = schema_version_new(&made, text, f->why);

		err = err ? err : take(f, act, made, &is);
		if (err != 0)
			return err;
		if (schemas_place(next, is->schema.name) == next->n)
			next->of[next->n++] = (struct schema_name){is->schema.name, is, false, 0};
	}
	return 0;
}

int
fold_schema_builtin(const struct fold *f, const json_t *act)
{
	struct schema_names next = {0};
	int err;

	if (json_object_get(json_object_get(act, "by"), "principal") ||
	    !json_is_array(json_object_get(act, "schemas")))
		return fold_refuse(f, STELE_ESYNTAX, "It is the server's own to say.");
	if (f->dry)
		return 0;
	pthread_rwlock_wrlock(&f->a->lock);
	err = read_builtin(f, act, &next);
	if (err == 0)
		err = put_in_force(&f->a->schemas, &next);
	else
		free(next.of);
	pthread_rwlock_unlock(&f->a->lock);
	return err;
}

/* The list of those that come with this program, as texts. */
static int
list_builtin(json_t *list, struct arena *arena)
{
	struct schema_set set;
	struct buf text;
	int err = schema_builtin(&set, arena);

	buf_init(&text);
	for (size_t i = 0; err == 0 && i < set.n; i++) {
		buf_reset(&text);
		schema_write(&text, &set.items[i]);
		if (text.err ||
		    json_array_append_new(list, json_stringn((const char *)text.p, text.n)) != 0)
			err = STELE_ENOMEM;
	}
	buf_fini(&text);
	return err;
}

/* Whether the names that nobody touched are these, in this order. */
static bool
is_said(const struct schemas *s, const json_t *list)
{
	const json_t *v;
	size_t i, at = 0;

	if (!s->now)
		return false;
	while (at < s->names.n && s->names.of[at].added)
		at++;
	json_array_foreach(list, i, v)
	{
		struct slice text = slice_of(json_string_value(v), json_string_length(v));
		const struct schema_name *name = at < s->names.n ? &s->names.of[at] : NULL;
		bool stood_in = false;

		if (name && slice_eq(name->now->text, text)) {
			at++;
			continue;
		}
		/* one that was added or retired is in its stead */
		for (size_t k = 0; k < s->names.n && s->names.of[k].added; k++) {
			struct buf head;

			buf_init(&head);
			buf_put_str(&head, "{\"name\":");
			buf_put_json_str(&head, s->names.of[k].name);
			buf_put_u8(&head, ',');
			stood_in |=
				!head.err && text.n > head.n && memcmp(text.p, head.p, head.n) == 0;
			buf_fini(&head);
		}
		if (!stood_in)
			return false;
	}
	return at == s->names.n;
}

int
schemas_builtin_act(struct access *a, json_t **out)
{
	json_t *list = json_array();
	struct arena arena;
	int err;

	arena_init(&arena);
	err = list ? list_builtin(list, &arena) : STELE_ENOMEM;
	arena_fini(&arena);
	if (err == 0 && is_said(&a->schemas, list)) {
		*out = NULL;
	} else if (err == 0) {
		*out = json_pack("{s:s, s:O}", "type", "schema.builtin", "schemas", list);
		err = *out ? 0 : STELE_ENOMEM;
	}
	json_decref(list);
	return err;
}

/* --- add ----------------------------------------------------------------------------------- */

/* Whether the version in force is the one that whoever asked has seen; "": none is. */
static int
check_was(const struct fold *f, const json_t *act, const struct schema_name *name)
{
	char hex[65] = "";

	if (name && !name->retired_ns)
		hex_format(hex, name->now->digest, 32);
	return slice_eq_str(fold_text(act, "was"), hex)
		       ? 0
		       : fold_refuse(f, STELE_ECONFLICT,
				     "Another version has come in force since: look at it, and "
				     "ask again.");
}

static size_t
in_force(const struct schema_names *names)
{
	size_t n = 0;

	for (size_t i = 0; i < names->n; i++)
		n += names->of[i].retired_ns == 0;
	return n;
}

static int
check_room(const struct fold *f, const struct schema_version *v, const struct schema_name *name)
{
	const struct schemas *s = &f->a->schemas;
	bool known = schemas_version(s, v->digest) != NULL;

	if ((!name || name->retired_ns) && in_force(&s->names) >= LIMIT_SCHEMAS)
		return fold_refuse(f, STELE_ELIMIT,
				   "There are as many schemas as are tried for a record: retire "
				   "one first.");
	if ((!known && (s->n >= LIMIT_SCHEMA_VERSIONS ||
			s->text_bytes + v->text.n > LIMIT_SCHEMA_VERSIONS_BYTES)) ||
	    s->n_m + 2 > LIMIT_MAPPINGS)
		return fold_refuse(f, STELE_ELIMIT,
				   "There are as many versions of schemas as may be: each stays, "
				   "since holds go on by it.");
	return 0;
}

static const struct schema_name *
find(const struct schema_names *names, struct slice name)
{
	size_t at = schemas_place(names, name);

	return at < names->n ? &names->of[at] : NULL;
}

static int
check_added(const struct fold *f, const json_t *act, const struct schema_version *v)
{
	const struct schema_name *name = find(&f->a->schemas.names, v->schema.name);
	char hex[65];
	int err;

	hex_format(hex, v->digest, 32);
	if (!slice_eq(fold_text(act, "schema"), v->text) ||
	    !slice_eq(fold_text(act, "name"), v->schema.name) ||
	    !slice_eq_str(fold_text(act, "digest"), hex))
		return fold_refuse(f, STELE_ESYNTAX,
				   "schema is canonical JSON, name and digest are those of it.");
	err = check_was(f, act, name);
	return err ? err : check_room(f, v, name);
}

static int
add(const struct fold *f, const json_t *act, struct schema_version *v)
{
	struct schemas *s = &f->a->schemas;
	struct schema_names next = {.n = s->names.n};
	const struct schema_version *is;
	int err = take(f, act, v, &is);

	if (err != 0)
		return err;
	next.of = copy_names(&s->names, 1);
	if (!next.of)
		return STELE_ENOMEM;
	set_added(&next, is, 0);
	return put_in_force(s, &next);
}

int
fold_schema_add(const struct fold *f, const json_t *act)
{
	struct schema_version *v;
	int err;

	buf_reset(f->why);
	err = schema_version_new(&v, fold_text(act, "schema"), f->why);
	if (err != 0)
		return err == STELE_ELIMIT ? STELE_ESYNTAX : err; /* of the document, not of us */
	err = check_added(f, act, v);
	if (err != 0 || f->dry) {
		schema_version_free(v);
		return err;
	}
	pthread_rwlock_wrlock(&f->a->lock);
	err = add(f, act, v);
	pthread_rwlock_unlock(&f->a->lock);
	return err;
}

/* --- retire -------------------------------------------------------------------------------- */

/* Logs that chose it would be read in another way from one record to the next. */
static int
check_unchosen(const struct fold *f, struct slice name)
{
	const struct schemas *s = &f->a->schemas;

	for (size_t i = 0; i < s->n_logs; i++) {
		if (!slice_eq_str(name, s->logs[i].schema))
			continue;
		buf_reset(f->why);
		buf_printf(f->why,
			   "It was chosen for the log %s: choose another one there first, or none.",
			   s->logs[i].log);
		return STELE_ECONFLICT;
	}
	return 0;
}

static int
retire(const struct fold *f, const struct schema_version *v)
{
	struct schemas *s = &f->a->schemas;
	struct schema_names next = {.of = copy_names(&s->names, 1), .n = s->names.n};

	if (!next.of)
		return STELE_ENOMEM;
	set_added(&next, v, f->time_ns);
	return put_in_force(s, &next);
}

int
fold_schema_retire(const struct fold *f, const json_t *act)
{
	const struct schema_name *name = find(&f->a->schemas.names, fold_text(act, "name"));
	int err;

	if (!name || name->retired_ns)
		return fold_refuse(f, STELE_ENOTFOUND, "There is no schema of that name.");
	err = check_was(f, act, name);
	if (err == 0)
		err = check_unchosen(f, name->name);
	if (err == 0 && f->a->schemas.n_m + 1 > LIMIT_MAPPINGS)
		err = fold_refuse(f, STELE_ELIMIT, "Schemas have changed as often as they may.");
	if (err != 0 || f->dry)
		return err;
	pthread_rwlock_wrlock(&f->a->lock);
	err = retire(f, name->now);
	pthread_rwlock_unlock(&f->a->lock);
	return err;
}

/* --- logs ---------------------------------------------------------------------------------- */

static int
choose(const struct fold *f, const json_t *act)
{
	struct slice log = fold_text(act, "log"), schema = fold_text(act, "schema");
	const struct schema_name *name = find(&f->a->schemas.names, schema);
	int err;

	if (log.n == 0 || log.n > LIMIT_LOG_NAME_BYTES)
		return fold_refuse(f, STELE_ESYNTAX, "log is the name of one.");
	if (schema.n && (!name || name->retired_ns))
		return fold_refuse(f, STELE_ENOTFOUND, "There is no schema of that name.");
	if (f->dry)
		return 0;
	pthread_rwlock_wrlock(&f->a->lock);
	err = schemas_choose(&f->a->schemas, log, schema);
	pthread_rwlock_unlock(&f->a->lock);
	return err;
}

int
fold_log_schema(const struct fold *f, const json_t *act)
{
	char now[LIMIT_LOG_NAME_BYTES + 1] = "";
	struct slice log = fold_text(act, "log");
	bool found;
	size_t at = schemas_log(&f->a->schemas, log, &found);

	if (found)
		memcpy(now, f->a->schemas.logs[at].schema, sizeof now);
	if (!slice_eq_str(fold_text(act, "was"), now))
		return fold_refuse(f, STELE_ECONFLICT,
				   "Another schema was chosen since: look at it, and ask again.");
	return choose(f, act);
}

int
fold_log_create(const struct fold *f, const json_t *act)
{
	return json_object_get(act, "schema") ? choose(f, act) : 0;
}
