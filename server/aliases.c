/* A sorted array, the acts on it, and the snapshot of it. */
#include "server/aliases.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/room.h"
#include "proto/timestamp.h"
#include "proto/utf8.h"
#include "server/access_json.h"
#include "server/access_state.h"

struct alias {
	struct slice matter, name, by;
	int64_t set_ns;
	size_t bytes; /* of all that it says */
	size_t n;
	struct slice values[]; /* and behind them their text */
};

/* --- reading an act -------------------------------------------------------------------------- */

/* A line of 1 to max bytes. */
static bool
is_line(struct slice s, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n >= 1 && s.n <= max && utf8_valid(s);
}

static bool
is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (i == 0 || !memchr("._-", c, 3)))
			return false;
	}
	return s.n >= 1 && s.n <= LIMIT_LOG_NAME_BYTES;
}

static struct slice
text_of(const json_t *v)
{
	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

/* NULL, or what is wrong. */
static const char *
check(const json_t *act)
{
	const json_t *values = json_object_get(act, "values"), *v;
	size_t i;

	if (!is_line(fold_text(act, "matter"), LIMIT_HOLD_WORDS_BYTES))
		return "matter, the case that it belongs to, is a line of 1 to 127 bytes.";
	if (!is_name(fold_text(act, "name")))
		return "An alias has a name of a-z, 0-9, '.', '_' and '-', such as \"alice\".";
	if (!json_is_array(values) || json_array_size(values) < 1 ||
	    json_array_size(values) > LIMIT_ALIAS_VALUES)
		return "values is a list of 1 to 64 texts.";
	json_array_foreach(values, i, v)
	{
		if (!json_is_string(v) || !is_line(text_of(v), LIMIT_ALIAS_VALUE_BYTES))
			return "A value is a line of 1 to 255 bytes.";
	}
	return NULL;
}

static char *
keep(char *to, struct slice from, struct slice *as)
{
	memcpy(to, from.p, from.n);
	*as = slice_of(to, from.n);
	return to + from.n;
}

/* One of what was checked; NULL without memory. */
static struct alias *
alias_new(const json_t *act, struct slice by, int64_t set_ns)
{
	const json_t *values = json_object_get(act, "values"), *v;
	size_t n = json_array_size(values), i,
	       bytes = fold_text(act, "matter").n + fold_text(act, "name").n + by.n;
	struct alias *a;
	char *text;

	json_array_foreach(values, i, v)
	{
		bytes += text_of(v).n;
	}
	a = malloc(sizeof *a + n * sizeof a->values[0] + bytes);
	if (!a)
		return NULL;
	a->set_ns = set_ns;
	a->bytes = sizeof *a + n * sizeof a->values[0] + bytes;
	a->n = n;
	text = keep((char *)&a->values[n], fold_text(act, "matter"), &a->matter);
	text = keep(text, fold_text(act, "name"), &a->name);
	text = keep(text, by, &a->by);
	json_array_foreach(values, i, v)
	{
		text = keep(text, text_of(v), &a->values[i]);
	}
	return a;
}

/* --- the array ------------------------------------------------------------------------------- */

static int
compare(struct slice a, struct slice b)
{
	int c = a.n && b.n ? memcmp(a.p, b.p, a.n < b.n ? a.n : b.n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Where the one of this matter and name is, or would be. */
static size_t
place_of(const struct aliases *all, struct slice matter, struct slice name, bool *found)
{
	size_t low = 0, high = all->n;

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = compare(all->a[mid]->matter, matter);

		c = c ? c : compare(all->a[mid]->name, name);
		if (c == 0)
			*found = true;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* How many the matter has. */
static size_t
count(const struct aliases *all, struct slice matter)
{
	bool found;
	size_t first = place_of(all, matter, slice_of("", 0), &found), n = 0;

	while (first + n < all->n && slice_eq(all->a[first + n]->matter, matter))
		n++;
	return n;
}

static void
take_out(struct aliases *all, size_t at)
{
	all->bytes -= all->a[at]->bytes;
	free(all->a[at]);
	memmove(all->a + at, all->a + at + 1, (--all->n - at) * sizeof(*all->a));
}

/* In the place of the one of that name, if there is one. */
static void
put_in(struct aliases *all, struct alias *a)
{
	bool found;
	size_t at = place_of(all, a->matter, a->name, &found);

	if (found)
		take_out(all, at);
	memmove(all->a + at + 1, all->a + at, (all->n++ - at) * sizeof(*all->a));
	all->a[at] = a;
	all->bytes += a->bytes;
}

/* --- acts ------------------------------------------------------------------------------------ */

static int
check_room(const struct fold *f, const struct alias *a)
{
	const struct aliases *all = &f->a->aliases;
	bool found;
	size_t at = place_of(all, a->matter, a->name, &found);
	size_t less = found ? all->a[at]->bytes : 0;

	if ((!found &&
	     (all->n >= LIMIT_ALIASES || count(all, a->matter) >= LIMIT_ALIASES_OF_MATTER)) ||
	    all->bytes - less + a->bytes > LIMIT_ALIASES_BYTES)
		return fold_refuse(f, STELE_ELIMIT,
				   "There are as many aliases as there may be: remove some.");
	return 0;
}

int
fold_alias_set(const struct fold *f, const json_t *act)
{
	struct slice by = fold_text(json_object_get(act, "by"), "principal");
	const char *wrong = check(act);
	struct alias *a;
	int err;

	if (wrong)
		return fold_refuse(f, STELE_ESYNTAX, wrong);
	a = alias_new(act, by, f->time_ns);
	if (!a)
		return STELE_ENOMEM;
	err = check_room(f, a);
	if (err != 0 || f->dry) {
		free(a);
		return err;
	}
	pthread_rwlock_wrlock(&f->a->lock);
	err = room_for_one(&f->a->aliases.a, f->a->aliases.n, &f->a->aliases.cap,
			   sizeof(*f->a->aliases.a));
	if (err == 0)
		put_in(&f->a->aliases, a);
	pthread_rwlock_unlock(&f->a->lock);
	if (err != 0)
		free(a);
	return err;
}

int
fold_alias_remove(const struct fold *f, const json_t *act)
{
	bool found;
	size_t at =
		place_of(&f->a->aliases, fold_text(act, "matter"), fold_text(act, "name"), &found);

	if (!found)
		return fold_refuse(f, STELE_ENOTFOUND, "The matter has no alias of that name.");
	if (f->dry)
		return 0;
	pthread_rwlock_wrlock(&f->a->lock);
	take_out(&f->a->aliases, at);
	pthread_rwlock_unlock(&f->a->lock);
	return 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

bool
alias_matter(const struct token *token, struct slice *matter)
{
	const char *own = token->principal->matter;

	if (!own[0])
		return matter->n && token_may(token, SCOPE_HOLD, slice_of("", 0));
	if (matter->n == 0)
		*matter = slice_str(own);
	return slice_eq_str(*matter, own);
}

static void
put(struct buf *out, const struct alias *a)
{
	buf_put_str(out, "{\"matter\":");
	buf_put_json_str(out, a->matter);
	buf_put_str(out, ",\"name\":");
	buf_put_json_str(out, a->name);
	buf_put_str(out, ",\"values\":[");
	for (size_t i = 0; i < a->n; i++) {
		buf_put_str(out, i ? "," : "");
		buf_put_json_str(out, a->values[i]);
	}
	buf_put_u8(out, ']');
	access_put_time(out, "set", a->set_ns);
	buf_put_str(out, ",\"by\":");
	buf_put_json_str(out, a->by);
	buf_put_u8(out, '}');
}

void
access_put_aliases(struct access *access, struct slice matter, struct buf *out)
{
	const struct aliases *all = &access->aliases;
	bool found;
	size_t first, n;

	pthread_rwlock_rdlock(&access->lock);
	first = place_of(all, matter, slice_of("", 0), &found);
	n = count(all, matter);
	buf_put_u8(out, '[');
	for (size_t i = 0; i < n; i++) {
		buf_put_str(out, i ? "," : "");
		put(out, all->a[first + i]);
	}
	buf_put_u8(out, ']');
	pthread_rwlock_unlock(&access->lock);
}

int
access_put_alias(struct access *access, struct slice matter, struct slice name, struct buf *out)
{
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&access->lock);
	at = place_of(&access->aliases, matter, name, &found);
	if (found)
		put(out, access->aliases.a[at]);
	pthread_rwlock_unlock(&access->lock);
	return found ? 0 : STELE_ENOTFOUND;
}

/* Copies of the values: the alias may be another one right afterwards. */
static int
copy_values(struct arena *arena, const struct alias *a, const struct slice **values, size_t *n)
{
	struct slice *copy = arena_alloc(arena, a->n * sizeof *copy);

	if (!copy)
		return STELE_ENOMEM;
	for (size_t i = 0; i < a->n; i++) {
		const void *text = arena_dup(arena, a->values[i].p, a->values[i].n);

		if (!text)
			return STELE_ENOMEM;
		copy[i] = slice_of(text, a->values[i].n);
	}
	*values = copy;
	*n = a->n;
	return 0;
}

static int
find(void *ctx, struct slice name, const struct slice **values, size_t *n)
{
	struct alias_use *u = ctx;
	int err = STELE_ENOTFOUND;
	bool found;
	size_t at;

	if (u->none)
		return STELE_EPERM;
	pthread_rwlock_rdlock(&u->access->lock);
	at = place_of(&u->access->aliases, u->matter, name, &found);
	if (found)
		err = copy_values(u->arena, u->access->aliases.a[at], values, n);
	pthread_rwlock_unlock(&u->access->lock);
	u->used |= err == 0;
	return err;
}

void
alias_use_init(struct alias_use *u, struct access *access, struct arena *arena, struct slice matter,
	       bool none)
{
	*u = (struct alias_use){access, arena, matter, none, false, {find, u}};
}

/* --- the snapshot ------------------------------------------------------------------------------
 */

void
access_forget_aliases(struct access *access)
{
	while (access->aliases.n)
		free(access->aliases.a[--access->aliases.n]);
	free(access->aliases.a);
	access->aliases = (struct aliases){0};
}

void
access_encode_aliases(const struct access *access, struct buf *out)
{
	buf_put_str(out, ",\"aliases\":[");
	for (size_t i = 0; i < access->aliases.n; i++) {
		buf_put_str(out, i ? "," : "");
		put(out, access->aliases.a[i]);
	}
	buf_put_u8(out, ']');
}

int
access_decode_aliases(struct access *access, const json_t *root)
{
	const json_t *list = json_object_get(root, "aliases"), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		int64_t set_ns;
		struct alias *a;
		bool found;

		if (check(v) || timestamp_parse(&set_ns, fold_text(v, "set")) != 0 ||
		    fold_text(v, "by").n > LIMIT_WRITER_BYTES)
			return STELE_EDAMAGED;
		a = alias_new(v, fold_text(v, "by"), set_ns);
		if (!a || room_for_one(&access->aliases.a, access->aliases.n, &access->aliases.cap,
				       sizeof(*access->aliases.a)) != 0) {
			free(a);
			return STELE_ENOMEM;
		}
		(void)place_of(&access->aliases, a->matter, a->name, &found);
		if (found) {
			free(a);
			return STELE_EDAMAGED;
		}
		put_in(&access->aliases, a);
	}
	return 0;
}
