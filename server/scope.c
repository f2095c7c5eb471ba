/* Names of scopes, and patterns matched without recursion. */
#include "server/scope.h"

#include <stddef.h>

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
