/*
 * The paths that somebody wants out of documents, as one tree: a scan then walks
 * over a document once and finds them all. Filled first, used by many scans.
 */
#ifndef STELE_PROTO_PATHTRIE_H
#define STELE_PROTO_PATHTRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/jsonpath.h"
#include "proto/slice.h"

struct pathnode {
	struct slice name; /* the path's, which must outlive the tree */
	uint32_t parent;
	bool wanted; /* a path ends here */
	bool inner;  /* paths go on from here */
};

/* Node 0 is the root, the document itself: no path ends there. */
struct pathtrie {
	struct pathnode *nodes;
	uint32_t *table; /* open addressing over (parent, name); 0 is empty */
	size_t n, mask;  /* nodes; table size - 1 */
};

/* An empty tree: 0 or STELE_ENOMEM. */
int pathtrie_init(struct pathtrie *t);

/* Frees everything; a tree that is all zeros is fine. */
void pathtrie_fini(struct pathtrie *t);

/* Adds a path, or finds it: *node is where it ends. STELE_ENOMEM. */
int pathtrie_add(struct pathtrie *t, uint32_t *node, const struct jsonpath *path);

/*
 * The child of a node by its name, 0 when nobody wants it. readable is where
 * memory that may be read ends, at name.p + name.n or behind: it saves time.
 */
uint32_t pathtrie_find(const struct pathtrie *t, uint32_t parent, struct slice name,
		       const uint8_t *readable);

#endif
