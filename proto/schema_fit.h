/*
 * A record under a set of schemas: which one fits, and what its fields' values
 * are.
 */
#ifndef STELE_PROTO_SCHEMA_FIT_H
#define STELE_PROTO_SCHEMA_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/filter_eval.h"
#include "proto/jsonvalue.h"
#include "proto/pathscan.h"
#include "proto/pathtrie.h"
#include "proto/schema.h"

struct schema_nodes; /* a schema's places in the path tree */

struct schema_fit {
	const struct schema_set *set;
	int chosen;
	struct arena arena;
	struct pathtrie trie;
	struct pathscan scan;
	struct schema_nodes *nodes; /* of each schema */
	struct buf unescaped;

	/* Of the record read last. */
	bool json;
	int schema; /* -1 when none fits */
};

/*
 * Prepares to read the fields of a mask (bits 1 << field). More paths may be
 * wanted: they are added to fit->trie, and then schema_fit_start is called once.
 * set must outlive it; chosen as for matcher_new. STELE_ENOMEM, and then
 * schema_fit_fini is to be called, too.
 */
int schema_fit_init(struct schema_fit *fit, const struct schema_set *set, int chosen,
		    unsigned fields);
int schema_fit_start(struct schema_fit *fit);

/* Frees everything. */
void schema_fit_fini(struct schema_fit *fit);

/*
 * Reads a record: sets json and schema. What is not JSON, or longer than
 * LIMIT_MATCH_BYTES, is no error. 0 or STELE_ENOMEM.
 */
int schema_fit_read(struct schema_fit *fit, struct slice payload);

/* Gives back working memory, if the record read last was large; nothing of it can be asked any
 * more. */
void schema_fit_shrink(struct schema_fit *fit, struct slice payload);

/* A field's value. */
struct schema_value {
	struct jsonvalue v; /* bool, number or text; valid until the next value is read */
	int64_t ns;         /* of FIELD_TIME */
};

/*
 * Calls take for each value that the fitting schema gives a field, until it
 * returns false. The number of calls; STELE_ENOMEM is negative. Receive time and
 * writer are not a schema's: 0.
 */
int schema_fit_values(struct schema_fit *fit, enum field field,
		      bool (*take)(void *, const struct schema_value *), void *arg);

#endif
