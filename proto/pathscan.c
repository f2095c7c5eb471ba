/*
 * The document is indexed and checked first; then the walk trusts it. Subtrees
 * that nobody wants are passed by counting their brackets.
 */
#include "proto/pathscan.h"

#include <stdlib.h>

#include "proto/err.h"
#include "proto/json.h"
#include "proto/json_string.h"
#include "proto/json_walk.h"
#include "proto/limits.h"

static const uint32_t *scan_value(struct pathscan *s, const uint32_t *at, uint32_t node, int *err);

int
pathscan_init(struct pathscan *s, const struct pathtrie *trie)
{
	*s = (struct pathscan){.trie = trie};
	s->first = calloc(trie->n, sizeof *s->first);
	s->last = calloc(trie->n, sizeof *s->last);
	buf_init(&s->name);
	if (!s->first || !s->last) {
		pathscan_fini(s);
		return STELE_ENOMEM;
	}
	return 0;
}

void
pathscan_fini(struct pathscan *s)
{
	json_scanner_free(s->js);
	free(s->hits);
	free(s->first);
	free(s->last);
	buf_fini(&s->name);
	*s = (struct pathscan){0};
}

void
pathscan_shrink(struct pathscan *s)
{
	json_scanner_free(s->js);
	free(s->hits);
	buf_fini(&s->name);
	s->js = NULL;
	s->hits = NULL;
	s->n = s->cap = 0;
}

static void
forget(struct pathscan *s)
{
	s->n = 0;
	memset(s->first, 0xff, s->trie->n * sizeof *s->first);
}

static int
add_hit(struct pathscan *s, uint32_t node, const uint32_t *at)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 256;
		struct pathhit *hits = realloc(s->hits, cap * sizeof *hits);
		if (!hits)
			return STELE_ENOMEM;
		s->hits = hits;
		s->cap = cap;
	}
	s->hits[s->n] = (struct pathhit){at, PATHSCAN_NONE};
	if (s->first[node] == PATHSCAN_NONE)
		s->first[node] = (uint32_t)s->n;
	else
		s->hits[s->last[node]].next = (uint32_t)s->n;
	s->last[node] = (uint32_t)s->n++;
	return 0;
}

/* The token behind the value whose first one is at. */
static const uint32_t *
skip_value(const struct pathscan *s, const uint32_t *at)
{
	const uint8_t *p = s->x.p;
	unsigned depth = 0;

	do {
		uint8_t c = p[*at++];
		depth += (c == '{') | (c == '[');
		depth -= (c == '}') | (c == ']');
	} while (depth);
	return at;
}

/* A member's name, as it is said; *err when there is no memory. */
static struct slice
member_name(struct pathscan *s, const uint32_t *at, const uint8_t **readable, int *err)
{
	struct slice raw = json_string_raw(&s->x, at);

	*readable = s->x.p + s->x.n;
	if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
		return raw;
	buf_reset(&s->name);
	if (buf_reserve(&s->name, raw.n) != 0) {
		*err = STELE_ENOMEM;
		return raw;
	}
	s->name.n = json_string_unescape(s->name.p, raw);
	*readable = s->name.p + s->name.n;
	return buf_slice(&s->name);
}

static const uint32_t *
scan_object(struct pathscan *s, const uint32_t *at, uint32_t node, int *err)
{
	const uint8_t *p = s->x.p, *readable;

	for (at++; p[*at] == '"'; at += p[*at] == ',') {
		struct slice name = member_name(s, at, &readable, err);
		uint32_t child = pathtrie_find(s->trie, node, name, readable);
		at = child ? scan_value(s, at + 2, child, err) : skip_value(s, at + 2);
	}
	return at + 1;
}

/* Elements are where the array is. */
static const uint32_t *
scan_array(struct pathscan *s, const uint32_t *at, uint32_t node, int *err)
{
	const uint8_t *p = s->x.p;

	for (at++; p[*at] != ']'; at += p[*at] == ',')
		at = scan_value(s, at, node, err);
	return at + 1;
}

/* The token behind the value at a node; no deeper than LIMIT_JSON_DEPTH. */
static const uint32_t *
scan_value(struct pathscan *s, const uint32_t *at, uint32_t node, int *err)
{
	if (s->trie->nodes[node].wanted && add_hit(s, node, at) != 0)
		*err = STELE_ENOMEM;
	switch (s->x.p[*at]) {
	case '{':
		if (s->trie->nodes[node].inner)
			return scan_object(s, at, node, err);
		return skip_value(s, at);
	case '[':
		return scan_array(s, at, node, err);
	default:
		return at + 1;
	}
}

int
pathscan_run(struct pathscan *s, struct slice doc)
{
	int code;

	forget(s);
	if (!s->js)
		s->js = json_scanner_new();
	if (!s->js)
		return STELE_ENOMEM;
	code = json_index_make(&s->x, s->js, doc.p, doc.n);
	if (code == 0 &&
	    (json_walk_value(&s->x, s->x.at, 0) != s->x.end || !json_walk_escapes(doc)))
		code = STELE_ESYNTAX;
	if (code == 0)
		scan_value(s, s->x.at, 0, &code);
	if (code == STELE_ENOMEM)
		forget(s);
	return code == STELE_EINVAL ? STELE_ESYNTAX : code;
}

int
pathscan_member(struct pathscan *s, const uint32_t *at, bool (*likes)(void *, struct slice),
		void *arg, bool *found)
{
	const uint8_t *p = s->x.p, *readable;
	int err = 0;

	*found = false;
	for (at++; p[*at] == '"' && !*found; at += p[*at] == ',') {
		struct slice name = member_name(s, at, &readable, &err);
		if (err)
			return err;
		*found = likes(arg, name);
		at = skip_value(s, at + 2);
	}
	return 0;
}
