/* IPv6 is eight groups, of which "::" stands for at least one that is zero. */
#include "tools/windows/inet.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { GROUPS = 8 };

static bool
read_four(const char *s, uint8_t out[4])
{
	for (int i = 0; i < 4; i++) {
		unsigned v = 0, digits = 0;

		for (; *s >= '0' && *s <= '9'; s++, digits++) {
			if (digits && v == 0)
				return false; /* a leading zero */
			v = v * 10 + (unsigned)(*s - '0');
			if (v > 255)
				return false;
		}
		if (digits == 0 || *s != (i < 3 ? '.' : '\0'))
			return false;
		s += i < 3;
		out[i] = (uint8_t)v;
	}
	return true;
}

/* Up to four hexadecimal digits: how many. */
static int
read_group(const char *s, uint16_t *out)
{
	unsigned v = 0;
	int n = 0;

	for (; n < 4; n++) {
		char c = s[n];

		if (c >= '0' && c <= '9')
			v = v << 4 | (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | (unsigned)((c | 32) - 'a' + 10);
		else
			break;
	}
	*out = (uint16_t)v;
	return n;
}

/* The last two groups as four decimal numbers. */
static bool
read_tail(const char *s, uint16_t out[2])
{
	uint8_t four[4];

	if (!read_four(s, four))
		return false;
	out[0] = (uint16_t)(four[0] << 8 | four[1]);
	out[1] = (uint16_t)(four[2] << 8 | four[3]);
	return true;
}

static bool
read_six(const char *s, uint16_t group[GROUPS])
{
	int n = 0, gap = -1, digits;

	memset(group, 0, GROUPS * sizeof *group);
	if (s[0] == ':' && s[1] == ':') {
		gap = 0;
		s += 2;
	}
	while (*s) {
		if (n <= GROUPS - 2 && read_tail(s, group + n)) {
			n += 2;
			break;
		}
		if (n == GROUPS || (digits = read_group(s, group + n)) == 0)
			return false;
		n++;
		s += digits;
		if (s[0] == ':' && s[1] == ':' && gap < 0) {
			gap = n;
			s += 2;
		} else if (s[0] == ':' && s[1]) {
			s++;
		} else if (*s) {
			return false;
		}
	}
	if (gap < 0)
		return n == GROUPS;
	if (n == GROUPS)
		return false;
	memmove(group + GROUPS - (n - gap), group + gap, (size_t)(n - gap) * sizeof *group);
	memset(group + gap, 0, (size_t)(GROUPS - n) * sizeof *group);
	return true;
}

int
inet_read(int family, const char *text, void *dst)
{
	uint16_t group[GROUPS];
	uint8_t *out = dst, four[4];

	if (family == INET_FOUR) {
		if (!read_four(text, four))
			return 0;
		memcpy(out, four, sizeof four);
		return 1;
	}
	if (!read_six(text, group))
		return 0;
	for (int i = 0; i < GROUPS; i++) {
		out[2 * i] = (uint8_t)(group[i] >> 8);
		out[2 * i + 1] = (uint8_t)group[i];
	}
	return 1;
}

/* The first of the longest runs of two and more zero groups: where it begins; *n of them, or 0. */
static int
longest_gap(const uint16_t group[GROUPS], int *n)
{
	int best = -1;

	*n = 0;
	for (int i = 0, run; i < GROUPS; i += run + 1) {
		for (run = 0; i + run < GROUPS && group[i + run] == 0;)
			run++;
		if (run >= 2 && run > *n) {
			best = i;
			*n = run;
		}
	}
	return best;
}

static void
write_six(const uint8_t *b, char *text, size_t size)
{
	uint16_t group[GROUPS];
	int gap, n, at = 0;

	for (int i = 0; i < GROUPS; i++)
		group[i] = (uint16_t)(b[2 * i] << 8 | b[2 * i + 1]);
	gap = longest_gap(group, &n);
	for (int i = 0; i < GROUPS; i++) {
		if (i == gap) {
			at += snprintf(text + at, size - (size_t)at, "::");
			i += n - 1;
			continue;
		}
		if (i == 6 && gap == 0 && (n == 6 || (n == 5 && group[5] == 0xffff))) {
			snprintf(text + at, size - (size_t)at, "%s%u.%u.%u.%u", n == 5 ? ":" : "",
				 b[12], b[13], b[14], b[15]);
			return;
		}
		at += snprintf(text + at, size - (size_t)at, "%s%x",
			       i == 0 || i == gap + n ? "" : ":", group[i]);
	}
}

const char *
inet_write(int family, const void *src, char *text, size_t n)
{
	const uint8_t *b = src;

	if (n < INET_TEXT_BYTES)
		return NULL;
	if (family == INET_FOUR)
		snprintf(text, n, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	else
		write_six(b, text, n);
	return text;
}
