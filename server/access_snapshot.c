/* All of the state as one document, and back: each part is written and read by whose it is. */
#include "proto/base64.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/access_state.h"
#include "server/timestamp_record.h"

void
access_encode(struct access *a, uint64_t applied, struct buf *out)
{
	buf_reserve(out, 4096 + (a->n_principals + a->n_tokens) * 512);
	buf_put_str(out, "{\"v\":1,\"key\":\"");
	buf_put_base64(out, a->key, sizeof a->key);
	buf_printf(out, "\",\"applied\":%llu,\"principals\":[", (unsigned long long)applied);
	for (size_t i = 0; i < a->n_principals; i++) {
		buf_put_str(out, i ? ",{" : "{");
		principal_put(out, a->principals[i]);
		buf_put_u8(out, '}');
	}
	buf_put_str(out, "],\"tokens\":[");
	for (size_t i = 0; i < a->n_tokens; i++) {
		buf_put_str(out, i ? ",{" : "{");
		token_put(out, a->tokens[i], true);
		buf_put_u8(out, '}');
	}
	buf_put_u8(out, ']');
	access_encode_approvals(a, out);
	access_encode_holds(a, out);
	access_encode_identity(a, out);
	access_encode_erasures(a, out);
	access_encode_exports(a, out);
	access_encode_schemas(a, out);
	access_encode_aliases(a, out);
	access_encode_timestamps(a, out);
	buf_put_u8(out, '}');
}

static int
decode_principals(struct access *a, const json_t *list)
{
	const char *why;
	const json_t *v;
	bool found;
	size_t i;

	json_array_foreach(list, i, v)
	{
		struct principal *p = principal_from_json(v, &why);
		if (!p)
			return STELE_EDAMAGED;
		(void)access_place_principal(a, slice_str(p->id), &found);
		if (found) {
			principal_unref(p);
			return STELE_EDAMAGED;
		}
		access_insert_principal(a, p);
	}
	return 0;
}

static int
decode_tokens(struct access *a, const json_t *list)
{
	char principal[LIMIT_WRITER_BYTES + 1];
	bool known, found;
	const char *why;
	const json_t *v;
	size_t i, at;

	json_array_foreach(list, i, v)
	{
		struct token *t = token_from_json(v, principal, &why);
		if (!t)
			return STELE_EDAMAGED;
		at = access_place_principal(a, slice_str(principal), &known);
		(void)access_place_token(a, slice_str(t->id), &found);
		if (!known || found) {
			token_unref(t);
			return STELE_EDAMAGED;
		}
		t->principal = a->principals[at];
		atomic_fetch_add(&t->principal->refs, 1);
		access_insert_token(a, t);
	}
	return 0;
}

static int
decode(struct access *a, const json_t *root, uint64_t *applied)
{
	const json_t *principals = json_object_get(root, "principals"),
		     *tokens = json_object_get(root, "tokens"), *key = json_object_get(root, "key"),
		     *at = json_object_get(root, "applied"), *version = json_object_get(root, "v");
	int err;

	if (!json_is_integer(version))
		return STELE_EDAMAGED;
	if (json_integer_value(version) != 1)
		return STELE_EVERSION;
	if (!json_is_string(key) ||
	    base64_decode_exact(a->key, sizeof a->key,
				slice_of(json_string_value(key), json_string_length(key))) != 0 ||
	    !json_is_integer(at) || json_integer_value(at) < 0 || !json_is_array(principals) ||
	    !json_is_array(tokens))
		return STELE_EDAMAGED;
	err = access_reserve(a, json_array_size(principals), json_array_size(tokens));
	err = err ? err : decode_principals(a, principals);
	err = err ? err : decode_tokens(a, tokens);
	err = err ? err : access_decode_approvals(a, root);
	err = err ? err : access_decode_holds(a, root);
	err = err ? err : access_decode_identity(a, root);
	err = err ? err : access_decode_erasures(a, root);
	err = err ? err : access_decode_exports(a, root);
	err = err ? err : access_decode_schemas(a, root);
	err = err ? err : access_decode_aliases(a, root);
	err = err ? err : access_decode_timestamps(a, root);
	*applied = (uint64_t)json_integer_value(at);
	return err;
}

int
access_decode(struct access *a, struct slice body, uint64_t *applied)
{
	json_t *root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	int err = root ? decode(a, root, applied) : STELE_EDAMAGED;

	json_decref(root);
	return err;
}
