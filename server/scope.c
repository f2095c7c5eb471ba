/* Names of scopes, and patterns matched without recursion. */
#include "server/scope.h"

#include <stddef.h>
#include <string.h>

#include "proto/limits.h"

static const char *const names[] = {"append", "read",    "verify", "export", "hold",   "retain",
				    "purge",  "approve", "policy", "access", "operate"};

enum { SCOPES = sizeof names / sizeof *names };

const char *
scope_name(unsigned scope)
{
	unsigned i;

	for (i = 0; i < SCOPES; i++) {
		if (scope == 1u << i)
			return names[i];
	}
	return NULL;
}

unsigned
scope_parse(struct slice name)
{
	unsigned i;

	for (i = 0; i < SCOPES; i++) {
		if (slice_eq_str(name, names[i]))
			return 1u << i;
	}
	return 0;
}

bool
scope_pattern_valid(struct slice pattern)
{
	size_t i;

	if (pattern.n == 0 || pattern.n > LIMIT_LOG_NAME_BYTES)
		return false;
	for (i = 0; i < pattern.n; i++) {
		uint8_t c = pattern.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' &&
		    c != '-' && c != '*')
			return false;
	}
	return true;
}

/* On a mismatch the latest star takes one more character: linear in practice, bounded always. */
bool
scope_pattern_match(struct slice pattern, struct slice name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, star_n = 0;

	while (n < name.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			star_n = n;
		} else if (p < pattern.n && pattern.p[p] == name.p[n]) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++star_n;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

/* --- lists --------------------------------------------------------------------------- */

/* The pattern at *p, which moves on to the next; false at the end. */
static bool
next_pattern(const char **p, struct slice *out)
{
	const char *space = strchrnul(*p, ' ');

	*out = slice_of(*p, (size_t)(space - *p));
	*p = *space ? space + 1 : space;
	return out->n > 0;
}

bool
scope_list_match(const char *list, struct slice name)
{
	struct slice p;

	while (next_pattern(&list, &p))
		if ((name.p[0] != '_' || p.p[0] == '_') && scope_pattern_match(p, name))
			return true;
	return false;
}

bool
scope_list_within(const char *list, struct slice pattern)
{
	bool literal = !memchr(pattern.p, '*', pattern.n);
	struct slice have;

	while (next_pattern(&list, &have))
		if (slice_eq(have, pattern) ||
		    ((have.p[0] == '_') == (pattern.p[0] == '_') &&
		     (slice_eq_str(have, "*") || (literal && scope_pattern_match(have, pattern)))))
			return true;
	return false;
}

/* Row i of a table: whether what is left of a from i on, and of b from k on, have a name. */
static bool
meet(struct slice a, struct slice b)
{
	bool rows[2][LIMIT_LOG_NAME_BYTES + 1] = {{false}}, *now = rows[0], *below = rows[1];

	if ((a.p[0] == '_') != (b.p[0] == '_'))
		return false;
	for (size_t i = a.n + 1; i-- > 0;) {
		bool *swap = now;
		for (size_t k = b.n + 1; k-- > 0;) {
			if (i == a.n && k == b.n)
				now[k] = true;
			else if (i < a.n && a.p[i] == '*')
				now[k] = below[k] || (k < b.n && now[k + 1]);
			else if (k < b.n && b.p[k] == '*')
				now[k] = now[k + 1] || (i < a.n && below[k]);
			else
				now[k] = i < a.n && k < b.n && a.p[i] == b.p[k] && below[k + 1];
		}
		now = below;
		below = swap;
	}
	return below[0];
}

bool
scope_lists_meet(const char *a, const char *b)
{
	struct slice p, q;

	while (next_pattern(&a, &p))
		for (const char *rest = b; next_pattern(&rest, &q);)
			if (meet(p, q))
				return true;
	return false;
}
