/*
 * One walk over a document, which finds what a path tree wants. What it finds
 * stays where it is: a hit is a token of the document.
 */
#ifndef STELE_PROTO_PATHSCAN_H
#define STELE_PROTO_PATHSCAN_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/json_index.h"
#include "proto/pathtrie.h"
#include "proto/slice.h"

#define PATHSCAN_NONE UINT32_MAX

/*
 * A place where a path leads: a scalar, an object, or an array (which is a hit
 * of its own beside those of its elements, and theirs, if they are arrays).
 */
struct pathhit {
	const uint32_t *at; /* its token */
	uint32_t next;      /* the next hit of the same node in the document, or PATHSCAN_NONE */
};

struct pathscan {
	const struct pathtrie *trie;
	struct json_scanner *js; /* NULL until it is used */
	struct json_index x;     /* of the document scanned last, which must outlive its use */
	struct pathhit *hits;
	size_t n, cap;
	uint32_t *first, *last; /* hits of each node, or PATHSCAN_NONE */
	struct buf name;        /* a member's, unescaped */
};

/*
 * A scan for what the tree wants, which is complete and outlives it: 0 or
 * STELE_ENOMEM.
 */
int pathscan_init(struct pathscan *s, const struct pathtrie *trie);

/* Gives back working memory that a large document took; the hits are gone. */
void pathscan_shrink(struct pathscan *s);

/* Frees everything; a scan that is all zeros is fine. */
void pathscan_fini(struct pathscan *s);

/*
 * Scans a document: 0, and the hits of node i are s->hits[s->first[i]] and so
 * on. STELE_ESYNTAX when it is not JSON as proto/json.h says (or nests too deep),
 * STELE_ENOMEM; then nothing has hits.
 */
int pathscan_run(struct pathscan *s, struct slice doc);

/*
 * *found: the object whose token is at has a member whose name the function likes. 0 or
 * STELE_ENOMEM.
 */
int pathscan_member(struct pathscan *s, const uint32_t *at, bool (*likes)(void *, struct slice),
		    void *arg, bool *found);

#endif
