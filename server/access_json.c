/* Read strictly, whoever wrote it: requests come in here as well as our own records. */
#include "server/access_json.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/entry.h"
#include "proto/timestamp.h"
#include "server/vendor.h"

enum { FIRST_CHAR = 0x21, LAST_CHAR = 0x7e };

static const char memory[] = "There is no memory for it.";

static struct slice
text_of(const json_t *v)
{
	return slice_of(json_string_value(v), json_string_length(v));
}

/* --- small things ------------------------------------------------------------------- */

static const char *const kinds[] = {"person", "service", "job"};

const char *
principal_kind_name(char kind)
{
	for (size_t i = 0; i < 3; i++)
		if (kinds[i][0] == kind)
			return kinds[i];
	return NULL;
}

char
principal_kind(const char *name)
{
	for (size_t i = 0; name && i < 3; i++)
		if (strcmp(kinds[i], name) == 0)
			return name[0];
	return 0;
}

bool
principal_id_valid(const char *id)
{
	size_t n = id ? strlen(id) : 0;

	for (size_t i = 0; i < n; i++)
		if (id[i] < FIRST_CHAR || id[i] > LAST_CHAR || id[i] == '"' || id[i] == '\\')
			return false;
	return n >= 1 && n <= LIMIT_WRITER_BYTES;
}

void
access_put_time(struct buf *b, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	if (ns == 0)
		return;
	timestamp_format(text, ns);
	buf_printf(b, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

/* A member that may be absent or null: then *ns is 0. */
static bool
get_time(const json_t *o, const char *name, int64_t *ns)
{
	const json_t *v = json_object_get(o, name);

	*ns = 0;
	return !v || json_is_null(v) || (json_is_string(v) && timestamp_parse(ns, text_of(v)) == 0);
}

/* A member that may be absent: then out is "". */
static bool
get_text(const json_t *o, const char *name, char *out, size_t cap)
{
	const json_t *v = json_object_get(o, name);

	out[0] = '\0';
	if (!v)
		return true;
	if (!json_is_string(v) || json_string_length(v) >= cap ||
	    strlen(json_string_value(v)) != json_string_length(v))
		return false;
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return true;
}

/* --- grants -------------------------------------------------------------------------- */

static const char *
get_scopes(const json_t *list, unsigned *scopes)
{
	const json_t *v;
	size_t i;

	*scopes = 0;
	if (!json_is_array(list) || json_array_size(list) == 0)
		return "scopes must be a list of some of " SCOPE_NAMES ".";
	json_array_foreach(list, i, v)
	{
		unsigned s = json_is_string(v) ? scope_parse(text_of(v)) : 0;

		if (!s)
			return "The scopes are " SCOPE_NAMES ".";
		*scopes |= s;
	}
	return NULL;
}

/* Appends the patterns, a space between two and a NUL behind. */
static const char *
get_logs(const json_t *list, struct buf *text)
{
	size_t start = text->n, i;
	const json_t *v;

	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > ACCESS_PATTERNS)
		return "logs must be a list of 1 to 32 names or patterns such as \"k8s-*\".";
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v) || !scope_pattern_valid(text_of(v)))
			return "A log pattern has 1 to 63 characters of a-z, 0-9, '.', '_', '-' "
			       "and '*'.";
		if (i)
			buf_put_u8(text, ' ');
		buf_put_slice(text, text_of(v));
	}
	if (text->n - start > LIMIT_TOKEN_PATTERNS_BYTES)
		return "The patterns of one list may have 1024 characters together.";
	buf_put_u8(text, 0);
	return NULL;
}

void
grant_put(struct buf *b, const struct grant *g)
{
	const char *comma = "", *p = g->logs;

	buf_put_str(b, "\"scopes\":[");
	for (unsigned s = 1; s < SCOPE_ALL; s <<= 1) {
		if (!(g->scopes & s))
			continue;
		buf_printf(b, "%s\"%s\"", comma, scope_name(s));
		comma = ",";
	}
	buf_put_str(b, "],\"logs\":[\"");
	for (; *p; p++) {
		if (*p == ' ')
			buf_put_str(b, "\",\"");
		else
			buf_put_u8(b, (uint8_t)*p);
	}
	buf_put_str(b, "\"]");
}

static const char *
read_grants(const json_t *list, struct grant *grants, size_t *at, struct buf *text)
{
	const char *why = NULL;
	const json_t *g;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > PRINCIPAL_GRANTS)
		return "grants must be a list of up to 16, each with scopes and logs.";
	json_array_foreach(list, i, g)
	{
		if (!json_is_object(g) || json_object_size(g) != 2)
			return "A grant has scopes and logs, and nothing else.";
		at[i] = text->n;
		why = get_scopes(json_object_get(g, "scopes"), &grants[i].scopes);
		if (!why)
			why = get_logs(json_object_get(g, "logs"), text);
		if (why)
			return why;
	}
	return text->err ? memory : NULL;
}

/* Appends the names, a NUL behind each. */
static const char *
read_names(const json_t *list, size_t *at, struct buf *text)
{
	static const char *const kinds_of[] = {"dns:", "uri:", "email:"};
	const json_t *v;
	size_t i;

	if (list && (!json_is_array(list) || json_array_size(list) > PRINCIPAL_NAMES))
		return "names must be a list of up to 8.";
	json_array_foreach(list, i, v)
	{
		struct slice name = text_of(v);
		bool valid = json_is_string(v) && name.n < PRINCIPAL_NAME_BYTES, known = false;

		for (size_t k = 0; valid && k < 3; k++) {
			size_t n = strlen(kinds_of[k]);
			known |= name.n > n && memcmp(name.p, kinds_of[k], n) == 0;
		}
		for (size_t k = 0; valid && k < name.n; k++)
			valid = name.p[k] >= FIRST_CHAR && name.p[k] <= LAST_CHAR;
		if (!valid || !known)
			return "A name is one of a certificate's, such as \"dns:agent.example.com\" or "
			       "\"uri:spiffe://prod/agent\", also \"email:…\".";
		at[i] = text->n;
		buf_put_slice(text, name);
		buf_put_u8(text, 0);
	}
	return text->err ? memory : NULL;
}

/* What is of no fixed size: grants and names. Counted once. */
static struct principal *
read_lists(const json_t *o, const char **why)
{
	const json_t *list = json_object_get(o, "grants"), *names = json_object_get(o, "names");
	size_t at[PRINCIPAL_GRANTS] = {0}, name_at[PRINCIPAL_NAMES] = {0};
	struct grant grants[PRINCIPAL_GRANTS] = {0};
	struct principal *p = NULL;
	struct buf text;

	buf_init(&text);
	*why = read_grants(list, grants, at, &text);
	if (!*why)
		*why = read_names(names, name_at, &text);
	if (!*why) {
		p = calloc(1, sizeof *p + text.n);
		*why = p ? NULL : memory;
	}
	if (p) {
		atomic_init(&p->refs, 1);
		p->n_grants = json_array_size(list);
		p->n_names = json_array_size(names);
		p->text_n = text.n;
		if (text.n)
			memcpy(p->text, text.p, text.n);
		for (size_t i = 0; i < p->n_grants; i++)
			p->grants[i] = (struct grant){grants[i].scopes, p->text + at[i]};
		for (size_t i = 0; i < p->n_names; i++)
			p->names[i] = p->text + name_at[i];
	}
	buf_fini(&text);
	return p;
}

/* --- principals ----------------------------------------------------------------------- */

static const char *
read_principal(const json_t *o, struct principal *p)
{
	p->kind = principal_kind(json_string_value(json_object_get(o, "kind")));
	if (!p->kind)
		return "kind must be person, service or job.";
	if (!get_text(o, "id", p->id, sizeof p->id) || !principal_id_valid(p->id))
		return "id must be an opaque id of 1 to 63 printable ASCII characters without "
		       "spaces, quotes and backslashes: entries keep it for ever.";
	if (!get_text(o, "successor", p->successor, sizeof p->successor) ||
	    (p->successor[0] && !principal_id_valid(p->successor)))
		return "successor must be a principal's id.";
	if (!get_text(o, "matter", p->matter, sizeof p->matter))
		return "matter may have 127 characters.";
	if (!get_time(o, "created", &p->created_ns) || !get_time(o, "widened", &p->widened_ns) ||
	    !get_time(o, "ends", &p->ends_ns) || !get_time(o, "disabled", &p->disabled_ns))
		return "Times are spelled like 2027-01-31T00:00:00.000000000Z.";
	return NULL;
}

struct principal *
principal_from_json(const json_t *o, const char **why)
{
	struct principal *p = read_lists(o, why);

	if (!p)
		return NULL;
	*why = read_principal(o, p);
	if (!*why)
		return p;
	principal_unref(p);
	return NULL;
}

static void
put_text(struct buf *b, const char *name, const char *text)
{
	if (!text[0])
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_put_json_str(b, slice_str(text));
}

void
principal_put(struct buf *b, const struct principal *p)
{
	buf_put_str(b, "\"id\":");
	buf_put_json_str(b, slice_str(p->id));
	buf_printf(b, ",\"kind\":\"%s\",\"grants\":[", principal_kind_name(p->kind));
	for (size_t i = 0; i < p->n_grants; i++) {
		buf_put_str(b, i ? ",{" : "{");
		grant_put(b, &p->grants[i]);
		buf_put_u8(b, '}');
	}
	buf_put_u8(b, ']');
	if (p->n_names)
		buf_put_str(b, ",\"names\":[");
	for (size_t i = 0; i < p->n_names; i++) {
		buf_put_str(b, i ? "," : "");
		buf_put_json_str(b, slice_str(p->names[i]));
	}
	if (p->n_names)
		buf_put_u8(b, ']');
	access_put_time(b, "created", p->created_ns);
	access_put_time(b, "widened", p->widened_ns);
	access_put_time(b, "ends", p->ends_ns);
	access_put_time(b, "disabled", p->disabled_ns);
	put_text(b, "successor", p->successor);
	put_text(b, "matter", p->matter);
}

/* --- tokens --------------------------------------------------------------------------- */

static struct token *
token_new(unsigned scopes, const char *logs)
{
	size_t n = strlen(logs) + 1;
	struct token *t = calloc(1, sizeof *t + n);

	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	memcpy(t->text, logs, n);
	t->narrowed = (struct grant){scopes, t->text};
	return t;
}

struct token *
token_with(const struct token *t, struct principal *principal)
{
	struct token *n = token_new(t->narrowed.scopes, t->narrowed.logs);

	if (!n)
		return NULL;
	memcpy(n->id, t->id, sizeof n->id);
	memcpy(n->hash, t->hash, sizeof n->hash);
	n->created_ns = t->created_ns;
	n->expires_ns = t->expires_ns;
	n->vendors = t->vendors;
	memcpy(n->log, t->log, sizeof n->log);
	n->requests_per_s = t->requests_per_s;
	n->bytes_per_s = t->bytes_per_s;
	atomic_init(&n->requests_until_ns, atomic_load(&t->requests_until_ns));
	atomic_init(&n->bytes_until_ns, atomic_load(&t->bytes_until_ns));
	atomic_init(&n->used_ns, atomic_load(&t->used_ns));
	atomic_fetch_add(&principal->refs, 1);
	n->principal = principal;
	return n;
}

static bool
get_hash(const json_t *o, uint8_t hash[TOKEN_HASH_BYTES])
{
	const json_t *v = json_object_get(o, "hash");

	return json_is_string(v) && base64_decode_exact(hash, TOKEN_HASH_BYTES, text_of(v)) == 0;
}

/* A member that may be absent: then 0. */
static bool
get_rate(const json_t *o, const char *name, uint64_t *rate)
{
	const json_t *v = json_object_get(o, name);

	*rate = v ? (uint64_t)json_integer_value(v) : 0;
	return !v || (json_is_integer(v) && json_integer_value(v) >= 1);
}

/* A list that may be absent: then 0. */
static const char *
get_vendors(const json_t *list, unsigned *vendors)
{
	const json_t *v;
	size_t i;

	*vendors = 0;
	if (list && (!json_is_array(list) || json_array_size(list) == 0))
		return "paths must be a list of some of " VENDOR_NAMES ", or absent.";
	json_array_foreach(list, i, v)
	{
		unsigned bit = json_is_string(v) ? vendor_parse(text_of(v)) : 0;

		if (!bit)
			return "The vendor paths are " VENDOR_NAMES ".";
		*vendors |= bit;
	}
	return NULL;
}

void
token_put_vendor(struct buf *b, const struct token *t)
{
	const char *comma = "";

	put_text(b, "log", t->log);
	if (!t->vendors)
		return;
	buf_put_str(b, ",\"paths\":[");
	for (unsigned i = 0; i < VENDORS; i++) {
		if (!(t->vendors & 1u << i))
			continue;
		buf_printf(b, "%s\"%s\"", comma, vendor_name(i));
		comma = ",";
	}
	buf_put_u8(b, ']');
}

static const char *
read_token(const json_t *o, struct token *t, char principal[LIMIT_WRITER_BYTES + 1])
{
	int64_t used_ns;

	if (!get_text(o, "id", t->id, sizeof t->id) || strlen(t->id) != TOKEN_ID_CHARS ||
	    !get_hash(o, t->hash))
		return "A token has an id and a hash.";
	if (!get_text(o, "principal", principal, LIMIT_WRITER_BYTES + 1) ||
	    !principal_id_valid(principal))
		return "principal must be a principal's id.";
	if (!get_time(o, "created", &t->created_ns) || !get_time(o, "expires", &t->expires_ns) ||
	    !get_time(o, "used", &used_ns))
		return "Times are spelled like 2027-01-31T00:00:00.000000000Z.";
	if (!get_rate(o, "requests_per_s", &t->requests_per_s) ||
	    !get_rate(o, "bytes_per_s", &t->bytes_per_s))
		return "requests_per_s and bytes_per_s are numbers from 1 on.";
	if (!get_text(o, "log", t->log, sizeof t->log) ||
	    (json_object_get(o, "log") && (!entry_log_name_valid(slice_str(t->log)) ||
					   entry_log_name_reserved(slice_str(t->log)))))
		return "log must be the name of a log, and not one of the server's own.";
	atomic_init(&t->used_ns, used_ns);
	return get_vendors(json_object_get(o, "paths"), &t->vendors);
}

struct token *
token_from_json(const json_t *o, char principal[LIMIT_WRITER_BYTES + 1], const char **why)
{
	const json_t *scopes = json_object_get(o, "scopes"), *logs = json_object_get(o, "logs");
	struct token *t = NULL;
	unsigned bits = 0;
	struct buf text;

	buf_init(&text);
	*why = NULL;
	if (scopes || logs) { /* all that its principal may, or both of them */
		*why = get_scopes(scopes, &bits);
		if (!*why)
			*why = get_logs(logs, &text);
	}
	if (!*why && text.err)
		*why = memory;
	if (!*why) {
		t = token_new(bits, text.n ? (const char *)text.p : "");
		*why = t ? read_token(o, t, principal) : memory;
	}
	buf_fini(&text);
	if (!*why)
		return t;
	token_unref(t);
	return NULL;
}

void
token_put(struct buf *b, const struct token *t, bool hash)
{
	buf_printf(b, "\"id\":\"%s\",\"principal\":", t->id);
	buf_put_json_str(b, slice_str(t->principal->id));
	if (hash) {
		buf_put_str(b, ",\"hash\":\"");
		buf_put_base64(b, t->hash, sizeof t->hash);
		buf_put_u8(b, '"');
	}
	if (t->narrowed.scopes) {
		buf_put_u8(b, ',');
		grant_put(b, &t->narrowed);
	}
	token_put_vendor(b, t);
	if (t->requests_per_s)
		buf_printf(b, ",\"requests_per_s\":%llu", (unsigned long long)t->requests_per_s);
	if (t->bytes_per_s)
		buf_printf(b, ",\"bytes_per_s\":%llu", (unsigned long long)t->bytes_per_s);
	access_put_time(b, "created", t->created_ns);
	access_put_time(b, "expires", t->expires_ns);
	access_put_time(b, "used", atomic_load_explicit(&t->used_ns, memory_order_relaxed));
}

/* --- copies ----------------------------------------------------------------------------- */

struct principal *
principal_copy(const struct principal *p)
{
	struct principal *n = malloc(sizeof *n + p->text_n);

	if (!n)
		return NULL;
	memcpy(n, p, sizeof *n + p->text_n);
	atomic_init(&n->refs, 1);
	for (size_t i = 0; i < n->n_grants; i++)
		n->grants[i].logs = n->text + (p->grants[i].logs - p->text);
	for (size_t i = 0; i < n->n_names; i++)
		n->names[i] = n->text + (p->names[i] - p->text);
	return n;
}

struct token *
token_of_certificate(struct principal *principal)
{
	struct token *t = token_new(0, "");

	if (!t)
		return NULL;
	strcpy(t->id, "x509");
	atomic_fetch_add(&principal->refs, 1);
	t->principal = principal;
	return t;
}
