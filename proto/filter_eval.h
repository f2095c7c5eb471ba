/*
 * A filter made ready for scans, and its three-valued logic (proto/match.h).
 */
#ifndef STELE_PROTO_FILTER_EVAL_H
#define STELE_PROTO_FILTER_EVAL_H

#include "proto/arena.h"
#include "proto/filter.h"
#include "proto/pathscan.h"
#include "proto/pathtrie.h"

/* In this order: AND is the least of its children, OR the greatest, NOT turns around. */
enum truth { TRUTH_NO, TRUTH_UNKNOWN, TRUTH_YES };

struct filter_step;

/*
 * Makes a filter ready: its paths go into the tree. *out is the arena's, and the
 * filter must outlive it. STELE_ENOMEM.
 */
int filter_ready(struct filter_step **out, struct arena *a, struct pathtrie *trie,
		 const struct filter *f);

/* What terms are asked about. */
struct filter_subject {
	struct pathscan *scan; /* has run */
	bool json;             /* false: terms over paths are unknown */
	struct buf *unescaped; /* working memory */
	int err;               /* STELE_ENOMEM sticks here, and then no answer counts */

	/* Decides about a term over a field, its FILTER_NE taken as FILTER_EQ; NULL when the
	 * filter has none. */
	enum truth (*field)(void *arg, const struct filter_term *term);
	void *arg;
};

/* What the filter says of the subject. */
enum truth filter_eval(const struct filter_step *step, struct filter_subject *subject);

#endif
