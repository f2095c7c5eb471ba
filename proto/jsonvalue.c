/* The document is known to be valid: the first byte says what it is. */
#include "proto/jsonvalue.h"

#include "proto/err.h"
#include "proto/json_string.h"

/* Bytes of the number at p. */
static size_t
number_length(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *start = p;

	while (p < end && ((uint8_t)(*p - '0') < 10 || *p == '.' || *p == '-' || *p == '+' ||
			   (*p | 0x20) == 'e'))
		p++;
	return (size_t)(p - start);
}

static int
read_text(struct jsonvalue *v, const struct json_index *x, const uint32_t *at,
	  struct buf *unescaped)
{
	struct slice raw = json_string_raw(x, at);

	v->kind = JSONVALUE_TEXT;
	v->text = raw;
	if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
		return 0;
	buf_reset(unescaped);
	if (buf_reserve(unescaped, raw.n) != 0)
		return STELE_ENOMEM;
	unescaped->n = json_string_unescape(unescaped->p, raw);
	v->text = buf_slice(unescaped);
	return 0;
}

int
jsonvalue_read(struct jsonvalue *v, const struct json_index *x, const uint32_t *at,
	       struct buf *unescaped)
{
	const uint8_t *p = x->p + *at;

	switch (*p) {
	case '"':
		return read_text(v, x, at, unescaped);
	case '{':
		*v = (struct jsonvalue){JSONVALUE_OBJECT, slice_of(NULL, 0)};
		break;
	case '[':
		*v = (struct jsonvalue){JSONVALUE_ARRAY, slice_of(NULL, 0)};
		break;
	case 'n':
		*v = (struct jsonvalue){JSONVALUE_NULL, slice_of(NULL, 0)};
		break;
	case 't':
		*v = (struct jsonvalue){JSONVALUE_BOOL, slice_of(p, 4)};
		break;
	case 'f':
		*v = (struct jsonvalue){JSONVALUE_BOOL, slice_of(p, 5)};
		break;
	default:
		*v = (struct jsonvalue){JSONVALUE_NUMBER,
					slice_of(p, number_length(p, x->p + x->n))};
	}
	return 0;
}
