/*
 * Content-Type down to what an entry keeps. Every parameter is read by the
 * grammar of RFC 9110 section 5.6, so that a quoted ';' or '=' misleads nobody;
 * all but charset are then left out.
 */
#include "proto/entry.h"

#include <strings.h>

#include "proto/err.h"

/* RFC 9110 section 5.6.2: token characters. */
static bool
is_tchar(uint8_t c)
{
	if ((uint8_t)((c | 0x20) - 'a') < 26 || (uint8_t)(c - '0') < 10)
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static struct slice
skip(struct slice s, size_t n)
{
	return slice_of(s.p + n, s.n - n);
}

static struct slice
skip_space(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = skip(s, 1);
	return s;
}

/* The token at the start of *s, which moves behind it; may be empty. */
static struct slice
take_token(struct slice *s)
{
	struct slice token = slice_of(s->p, 0);

	while (token.n < s->n && is_tchar(s->p[token.n]))
		token.n++;
	*s = skip(*s, token.n);
	return token;
}

static bool
take_char(struct slice *s, char c)
{
	if (s->n == 0 || s->p[0] != (uint8_t)c)
		return false;
	*s = skip(*s, 1);
	return true;
}

/*
 * The quoted-string at the start of *s. *inner is what stands between the
 * quotes, as written: a value that needed a backslash is no token anyhow.
 */
static int
take_quoted(struct slice *s, struct slice *inner)
{
	size_t i = 1;

	while (i < s->n && s->p[i] != '"') {
		if (s->p[i] == '\\')
			i++;
		if (i >= s->n || (s->p[i] < 0x20 && s->p[i] != '\t') || s->p[i] == 0x7f)
			return STELE_ESYNTAX;
		i++;
	}
	if (i >= s->n)
		return STELE_ESYNTAX;
	*inner = slice_of(s->p + 1, i - 1);
	*s = skip(*s, i + 1);
	return 0;
}

/* name=value at the start of *s; charset's value goes to *charset, once. */
static int
take_parameter(struct slice *s, struct slice *charset)
{
	struct slice name = take_token(s), value, rest;

	if (name.n == 0 || !take_char(s, '='))
		return STELE_ESYNTAX;
	if (s->n && s->p[0] == '"') {
		if (take_quoted(s, &value) != 0)
			return STELE_ESYNTAX;
	} else {
		value = take_token(s);
		if (value.n == 0)
			return STELE_ESYNTAX;
	}
	if (name.n != 7 || strncasecmp((const char *)name.p, "charset", 7) != 0)
		return 0;
	rest = value;
	if (charset->n || take_token(&rest).n == 0 || rest.n)
		return STELE_ESYNTAX;
	*charset = value;
	return 0;
}

/* type/subtype at the start of *s. */
static int
take_essence(struct slice *s, struct slice *essence)
{
	const uint8_t *start = s->p;

	if (take_token(s).n == 0 || !take_char(s, '/') || take_token(s).n == 0)
		return STELE_ESYNTAX;
	*essence = slice_of(start, (size_t)(s->p - start));
	return 0;
}

int
entry_media_type_normalise(char *out, size_t cap, size_t *n_out, struct slice header_value)
{
	static const char charset_is[] = "; charset=";
	struct slice s = skip_space(header_value), essence, charset = {NULL, 0};
	size_t n;

	if (s.n == 0 || take_essence(&s, &essence) != 0)
		return STELE_ESYNTAX;
	for (s = skip_space(s); s.n; s = skip_space(s)) {
		if (!take_char(&s, ';'))
			return STELE_ESYNTAX;
		s = skip_space(s);
		if (s.n && s.p[0] != ';' && take_parameter(&s, &charset) != 0)
			return STELE_ESYNTAX;
	}
	n = essence.n + (charset.n ? sizeof charset_is - 1 + charset.n : 0);
	if (n > LIMIT_MEDIA_TYPE_BYTES || n > cap)
		return STELE_ELIMIT;
	for (size_t i = 0; i < essence.n; i++) {
		uint8_t c = essence.p[i];
		out[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	if (charset.n) {
		memcpy(out + essence.n, charset_is, sizeof charset_is - 1);
		memcpy(out + n - charset.n, charset.p, charset.n);
	}
	*n_out = n;
	return 0;
}
