/* Written by us alone, read strictly all the same. */
#include "server/tokens_file.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/timestamp.h"

struct token *
token_new(const struct slice *patterns, size_t n_patterns)
{
	struct token *t;
	size_t i, n = 0;

	if (n_patterns == 0 || n_patterns > TOKEN_PATTERNS)
		return NULL;
	t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	for (i = 0; i < n_patterns; i++) {
		if (patterns[i].n > sizeof t->text - n) {
			free(t);
			return NULL;
		}
		memcpy(t->text + n, patterns[i].p, patterns[i].n);
		t->patterns[i] = slice_of(t->text + n, patterns[i].n);
		n += patterns[i].n;
	}
	t->n_patterns = n_patterns;
	atomic_init(&t->refs, 1);
	return t;
}

void
tokens_file_free_set(struct token_set *set)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		token_unref(set->tokens[i]);
	free(set->tokens);
	explicit_bzero(set, sizeof *set);
}

static void
put_time(struct buf *out, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	if (ns == 0) {
		buf_printf(out, ",\"%s\":null", name);
		return;
	}
	timestamp_format(text, ns);
	buf_printf(out, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

static void
put_token(struct buf *out, const struct token *t)
{
	const char *comma = "";
	unsigned s;
	size_t i;

	buf_printf(out, "{\"id\":\"%s\",\"principal\":", t->id);
	buf_put_json_str(out, slice_str(t->principal));
	buf_put_str(out, ",\"hash\":\"");
	buf_put_base64(out, t->hash, sizeof t->hash);
	buf_put_str(out, "\",\"scopes\":[");
	for (s = 1; s < SCOPE_ALL; s <<= 1) {
		if (!(t->scopes & s))
			continue;
		buf_printf(out, "%s\"%s\"", comma, scope_name(s));
		comma = ",";
	}
	buf_put_str(out, "],\"logs\":[");
	for (i = 0; i < t->n_patterns; i++) {
		buf_put_str(out, i ? "," : "");
		buf_put_json_str(out, t->patterns[i]);
	}
	buf_put_u8(out, ']');
	put_time(out, "created", t->created_ns);
	put_time(out, "expires", t->expires_ns);
	buf_put_u8(out, '}');
}

void
tokens_file_encode(struct buf *out, const struct token_set *set)
{
	size_t i;

	buf_put_str(out, "{\"v\":1,\"key\":\"");
	buf_put_base64(out, set->key, sizeof set->key);
	buf_put_str(out, "\",\"tokens\":[");
	for (i = 0; i < set->n; i++) {
		buf_put_str(out, i ? "," : "");
		put_token(out, set->tokens[i]);
	}
	buf_put_str(out, "]}");
}

static bool
get_bytes(json_t *o, const char *name, uint8_t *out, size_t n)
{
	json_t *v = json_object_get(o, name);

	return json_is_string(v) &&
	       base64_decode_exact(out, n, slice_of(json_string_value(v), json_string_length(v))) ==
		       0;
}

static bool
get_text(json_t *o, const char *name, char *out, size_t cap)
{
	json_t *v = json_object_get(o, name);

	if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) >= cap)
		return false;
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return true;
}

static bool
get_time(json_t *o, const char *name, int64_t *ns)
{
	json_t *v = json_object_get(o, name);

	if (json_is_null(v)) {
		*ns = 0;
		return true;
	}
	return json_is_string(v) &&
	       timestamp_parse(ns, slice_of(json_string_value(v), json_string_length(v))) == 0;
}

static bool
get_scopes(json_t *o, unsigned *scopes)
{
	json_t *list = json_object_get(o, "scopes"), *v;
	size_t i;

	if (!json_is_array(list))
		return false;
	json_array_foreach(list, i, v)
	{
		unsigned s = json_is_string(v) ? scope_parse(slice_str(json_string_value(v))) : 0;

		if (!s)
			return false;
		*scopes |= s;
	}
	return true;
}

static struct token *
get_token(json_t *o)
{
	json_t *list = json_object_get(o, "logs"), *v;
	struct slice patterns[TOKEN_PATTERNS];
	struct token *t;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > TOKEN_PATTERNS)
		return NULL;
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v))
			return NULL;
		patterns[i] = slice_of(json_string_value(v), json_string_length(v));
		if (!scope_pattern_valid(patterns[i]))
			return NULL;
	}
	t = token_new(patterns, json_array_size(list));
	if (!t)
		return NULL;
	if (get_text(o, "id", t->id, sizeof t->id) && strlen(t->id) == TOKEN_ID_CHARS &&
	    get_text(o, "principal", t->principal, sizeof t->principal) &&
	    get_bytes(o, "hash", t->hash, sizeof t->hash) && get_scopes(o, &t->scopes) &&
	    get_time(o, "created", &t->created_ns) && get_time(o, "expires", &t->expires_ns))
		return t;
	token_unref(t);
	return NULL;
}

static int
decode(struct token_set *set, json_t *root)
{
	json_t *list = json_object_get(root, "tokens"), *v;
	size_t i;

	if (!json_is_integer(json_object_get(root, "v")))
		return STELE_EDAMAGED;
	if (json_integer_value(json_object_get(root, "v")) != 1)
		return STELE_EVERSION;
	if (!get_bytes(root, "key", set->key, sizeof set->key) || !json_is_array(list) ||
	    json_array_size(list) > LIMIT_TOKENS)
		return STELE_EDAMAGED;
	set->tokens = calloc(json_array_size(list) + 1, sizeof *set->tokens);
	if (!set->tokens)
		return STELE_ENOMEM;
	json_array_foreach(list, i, v)
	{
		struct token *t = get_token(v);

		if (!t)
			return STELE_EDAMAGED;
		set->tokens[set->n++] = t;
		if (i && strcmp(set->tokens[i - 1]->id, t->id) >= 0)
			return STELE_EDAMAGED;
	}
	return 0;
}

int
tokens_file_decode(struct token_set *set, struct slice body)
{
	struct token_set fresh = {.n = 0};
	json_t *root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	int err = decode(&fresh, root);

	json_decref(root);
	if (err) {
		tokens_file_free_set(&fresh);
		return err;
	}
	*set = fresh;
	return 0;
}
