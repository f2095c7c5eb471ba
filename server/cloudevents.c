/* Structured: pick and check. Binary: gather, sort, write. */
#include "server/cloudevents.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/err.h"
#include "proto/utf8.h"

static const char prefix[] = "ce-";

enum { PREFIX_BYTES = sizeof prefix - 1 };

int
cloudevents_check(struct json_scanner *js, struct slice event, struct arena *a,
		  struct cloudevents_identity *id, const char **why)
{
	static const char *const names[] = {"specversion", "id", "source", "type"};
	struct slice values[4];
	bool present[4];
	int err = json_pick(js, event, names, 4, a, values, present);

	if (err == STELE_ESYNTAX) {
		*why = "A CloudEvent is a JSON object whose specversion, id, source and type are "
		       "strings.";
		return err;
	}
	if (err)
		return err;
	if (!present[0] || !slice_eq_str(values[0], "1.0")) {
		*why = "The event's specversion is not \"1.0\".";
		return STELE_ESYNTAX;
	}
	if (!present[1] || !present[2] || !present[3] || !values[1].n || !values[2].n ||
	    !values[3].n) {
		*why = "The event lacks one of id, source and type, or it is empty.";
		return STELE_ESYNTAX;
	}
	id->id = values[1];
	id->source = values[2];
	return 0;
}

static bool
has_prefix(struct slice name)
{
	return name.n > PREFIX_BYTES &&
	       strncasecmp((const char *)name.p, prefix, PREFIX_BYTES) == 0;
}

bool
cloudevents_is_binary(const struct http *h)
{
	struct slice value;

	return http_field_find(h, "ce-specversion", &value);
}

/* --- binary to structured ------------------------------------------------------------ */

struct attribute {
	struct slice name, value;
};

static int
by_name(const void *a, const void *b)
{
	const struct attribute *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int c = memcmp(x->name.p, y->name.p, n);

	if (c)
		return c;
	return x->name.n < y->name.n ? -1 : x->name.n > y->name.n;
}

/* Lower-case letters and digits (section "Naming conventions"); fields come in any case. */
static bool
read_name(struct slice field, struct arena *a, struct slice *name)
{
	size_t n = field.n - PREFIX_BYTES, i;
	uint8_t *p = arena_alloc(a, n);

	for (i = 0; p && i < n; i++) {
		uint8_t c = field.p[PREFIX_BYTES + i];

		p[i] = c >= 'A' && c <= 'Z' ? c | 32 : c;
		if (!(p[i] >= 'a' && p[i] <= 'z') && !(p[i] >= '0' && p[i] <= '9'))
			return false;
	}
	*name = slice_of(p, n);
	return p != NULL;
}

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Strict, and without the one character that C strings cannot hold. */
static bool
is_text(struct slice s)
{
	return utf8_valid(s) && !(s.n && memchr(s.p, 0, s.n));
}

/* HTTP binding section 3.1.3.2: percent-decoded once; quotes around the whole are dropped. */
static bool
read_value(struct slice field, struct arena *a, struct slice *value)
{
	uint8_t *p;
	size_t i, n = 0;

	if (field.n >= 2 && field.p[0] == '"' && field.p[field.n - 1] == '"')
		field = slice_of(field.p + 1, field.n - 2);
	p = arena_alloc(a, field.n);
	if (!p)
		return false;
	for (i = 0; i < field.n; i++) {
		uint8_t c = field.p[i];

		if (c == '%') {
			if (field.n - i < 3 || hex(field.p[i + 1]) < 0 || hex(field.p[i + 2]) < 0)
				return false;
			c = (uint8_t)(hex(field.p[i + 1]) << 4 | hex(field.p[i + 2]));
			i += 2;
		}
		p[n++] = c;
	}
	*value = slice_of(p, n);
	return is_text(*value);
}

static int
gather(const struct http *h, struct arena *a, struct attribute *attributes, size_t *n_out,
       const char **why)
{
	size_t i, n = 0;

	for (i = 0; i < h->n_fields; i++) {
		if (!has_prefix(h->fields[i].name))
			continue;
		if (!read_name(h->fields[i].name, a, &attributes[n].name)) {
			*why = "A ce- header's name may have letters and digits only.";
			return STELE_ESYNTAX;
		}
		if (!read_value(h->fields[i].value, a, &attributes[n].value)) {
			*why = "A ce- header's value is not percent-encoded UTF-8.";
			return STELE_ESYNTAX;
		}
		n++;
	}
	qsort(attributes, n, sizeof *attributes, by_name);
	for (i = 0; i < n; i++) {
		if ((i && by_name(&attributes[i - 1], &attributes[i]) == 0) ||
		    slice_eq_str(attributes[i].name, "data") ||
		    slice_eq_str(attributes[i].name, "datacontenttype")) {
			*why = "A ce- header comes twice, or is named data or datacontenttype.";
			return STELE_ESYNTAX;
		}
	}
	*n_out = n;
	return 0;
}

static struct slice
attribute(const struct attribute *attributes, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (slice_eq_str(attributes[i].name, name))
			return attributes[i].value;
	}
	return slice_of("", 0);
}

static void
put_data(struct buf *out, struct slice type, bool json, struct slice data)
{
	if (type.n) {
		buf_put_str(out, ",\"datacontenttype\":");
		buf_put_json_str(out, type);
	}
	if (data.n == 0)
		return;
	if (json) {
		buf_put_str(out, ",\"data\":");
		buf_put_slice(out, data);
	} else if (type.n > 5 && memcmp(type.p, "text/", 5) == 0 && is_text(data)) {
		buf_put_str(out, ",\"data\":");
		buf_put_json_str(out, data);
	} else {
		buf_put_str(out, ",\"data_base64\":\"");
		buf_put_base64(out, data.p, data.n);
		buf_put_u8(out, '"');
	}
}

int
cloudevents_from_binary(const struct http *h, struct slice type, bool json, struct slice data,
			struct arena *a, struct buf *out, struct cloudevents_identity *id,
			const char **why)
{
	struct attribute attributes[LIMIT_HTTP_HEADERS];
	size_t i, n = 0;
	int err = gather(h, a, attributes, &n, why);

	if (err)
		return err;
	if (!slice_eq_str(attribute(attributes, n, "specversion"), "1.0")) {
		*why = "The header ce-specversion is not 1.0.";
		return STELE_ESYNTAX;
	}
	id->id = attribute(attributes, n, "id");
	id->source = attribute(attributes, n, "source");
	if (!id->id.n || !id->source.n || !attribute(attributes, n, "type").n) {
		*why = "A binary CloudEvent needs the headers ce-id, ce-source and ce-type.";
		return STELE_ESYNTAX;
	}
	for (i = 0; i < n; i++) {
		buf_put_str(out, i ? ",\"" : "{\"");
		buf_put_slice(out, attributes[i].name);
		buf_put_str(out, "\":");
		buf_put_json_str(out, attributes[i].value);
	}
	put_data(out, type, json, data);
	buf_put_u8(out, '}');
	return out->err;
}
