/* What the API shows of schemas. */
#include "server/schemas.h"

#include <string.h>

#include "proto/err.h"
#include "proto/hex.h"
#include "server/access_json.h"
#include "server/access_state.h"

static void
put_origin(struct buf *out, const struct schema_version *v)
{
	buf_put_str(out, "\"digest\":\"");
	buf_put_hex(out, v->digest, 32);
	buf_put_u8(out, '"');
	access_put_time(out, "added", v->added_ns);
	buf_put_str(out, ",\"by\":");
	buf_put_json_str(out, slice_str(v->by));
}

static void
put_name(struct buf *out, const struct schema_name *name)
{
	buf_put_str(out, "{\"name\":");
	buf_put_json_str(out, name->name);
	buf_printf(out, ",\"state\":\"%s\",",
		   name->retired_ns ? "retired"
		   : name->added    ? "added"
				    : "builtin");
	put_origin(out, name->now);
	access_put_time(out, "retired", name->retired_ns);
}

void
access_put_schemas(struct access *a, struct buf *out)
{
	const struct schemas *s = &a->schemas;

	pthread_rwlock_rdlock(&a->lock);
	buf_put_u8(out, '[');
	for (size_t i = 0; i < s->names.n; i++) {
		buf_put_str(out, i ? "," : "");
		put_name(out, &s->names.of[i]);
		buf_put_u8(out, '}');
	}
	buf_put_u8(out, ']');
	pthread_rwlock_unlock(&a->lock);
}

static bool
hex_is(const uint8_t digest[32], struct slice hex)
{
	struct buf text;
	bool is;

	buf_init(&text);
	buf_put_hex(&text, digest, 32);
	is = !text.err && slice_eq(buf_slice(&text), hex);
	buf_fini(&text);
	return is;
}

/* The version that is asked for, of that name. */
static const struct schema_version *
find(const struct schemas *s, const struct schema_name *name, struct slice version)
{
	if (version.n == 0)
		return name->now;
	for (size_t i = 0; i < s->n; i++)
		if (slice_eq(s->v[i]->schema.name, name->name) && hex_is(s->v[i]->digest, version))
			return s->v[i];
	return NULL;
}

static void
put_versions(struct buf *out, const struct schemas *s, struct slice name)
{
	const char *comma = "";

	buf_put_str(out, ",\"versions\":[");
	for (size_t i = 0; i < s->n; i++) {
		if (!slice_eq(s->v[i]->schema.name, name))
			continue;
		buf_put_str(out, comma);
		buf_put_u8(out, '{');
		put_origin(out, s->v[i]);
		buf_put_u8(out, '}');
		comma = ",";
	}
	buf_put_u8(out, ']');
}

int
access_put_schema(struct access *a, struct slice name, struct slice version, struct buf *out)
{
	const struct schemas *s = &a->schemas;
	const struct schema_version *v;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = schemas_place(&s->names, name);
	v = at < s->names.n ? find(s, &s->names.of[at], version) : NULL;
	if (v) {
		put_name(out, &s->names.of[at]);
		buf_put_str(out, ",\"shown\":\"");
		buf_put_hex(out, v->digest, 32);
		buf_put_str(out, "\",\"schema\":");
		buf_put_slice(out, v->text);
		put_versions(out, s, name);
		buf_put_u8(out, '}');
	}
	pthread_rwlock_unlock(&a->lock);
	return v ? 0 : STELE_ENOTFOUND;
}

bool
access_schema_version(struct access *a, struct slice name, char hex[65])
{
	const struct schemas *s = &a->schemas;
	bool is;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = schemas_place(&s->names, name);
	is = at < s->names.n && !s->names.of[at].retired_ns;
	if (is)
		hex_format(hex, s->names.of[at].now->digest, 32);
	pthread_rwlock_unlock(&a->lock);
	return is;
}

bool
access_log_schema(struct access *a, struct slice log, char name[LIMIT_LOG_NAME_BYTES + 1])
{
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&a->lock);
	at = schemas_log(&a->schemas, log, &found);
	if (found)
		memcpy(name, a->schemas.logs[at].schema, LIMIT_LOG_NAME_BYTES + 1);
	pthread_rwlock_unlock(&a->lock);
	return found;
}
