/*
 * Filters: a subset of AIP-160 (https://google.aip.dev/160) over JSON paths and
 * fields. docs/queries.md is the language for people; in short:
 *
 *   filter     = [and]
 *   and        = or {"AND" or}             OR binds tighter than AND, as AIP-160 says:
 *   or         = not {"OR" not}            a AND b OR c is a AND (b OR c)
 *   not        = ["NOT" | "-"] ("(" and ")" | term)
 *   term       = (field | path) ("=" | "!=" | "<" | "<=" | ">" | ">=" | ":") literal
 *   literal    = number | "true" | "false" | "null" | word | string | prefix"*" | ":" "*"
 *
 * What AIP-160 has and this refuses: terms without an operator, terms next to
 * each other without AND, functions, durations, * but at the end, parentheses
 * behind an operator. What means nothing is refused, never ignored.
 */
#ifndef STELE_PROTO_FILTER_H
#define STELE_PROTO_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/decimal.h"
#include "proto/field.h"
#include "proto/ipaddr.h"
#include "proto/jsonpath.h"
#include "proto/slice.h"

enum filter_op {
	FILTER_EQ,
	FILTER_NE, /* true unless EQ is: also when nothing is there */
	FILTER_LT,
	FILTER_LE,
	FILTER_GT,
	FILTER_GE,
	FILTER_HAS, /* ":": as EQ, or an object with a member of that name; ":*": is there */
};

enum filter_word { FILTER_NO_WORD, FILTER_TRUE, FILTER_FALSE, FILTER_NULL };

/* The right side of an operator: its text, and all that it can be read as. */
struct filter_literal {
	struct slice text;     /* unescaped; without the * of a prefix */
	bool quoted;           /* stood in quotes, or was no number or word */
	bool prefix;           /* ended with *; with FILTER_HAS and no text: "is there" */
	enum filter_word word; /* unquoted true, false, null */
	bool is_number;        /* a JSON number, quoted or not */
	bool is_instant;       /* a date or a time */
	bool is_ip;            /* source_ip only: an address or a prefix */
	struct decimal number; /* when is_number */
	int64_t instant_ns;    /* when is_instant */
	struct ipaddr ip;      /* when is_ip */

	/* Of terms that filter_ready makes out of many: the texts of all, sorted. */
	const struct slice *texts;
	size_t n_texts; /* 0: text alone */
};

struct filter_term {
	int field;            /* enum field, FIELD_ANY included; -1: path */
	struct jsonpath path; /* when field is -1 */
	enum filter_op op;
	struct filter_literal literal;
};

enum filter_kind { FILTER_ALL, FILTER_AND, FILTER_OR, FILTER_NOT, FILTER_TERM };

/* AND and OR have two children at least, none of their own kind; NOT has one. */
struct filter_node {
	enum filter_kind kind; /* FILTER_ALL, true of every record, is a root only */
	struct filter_node **children;
	size_t n;
	struct filter_term term; /* of FILTER_TERM */
};

struct filter {
	struct filter_node *root;
	size_t n_terms;
};

/*
 * Reads a filter; an empty or blank one is FILTER_ALL. Everything is the
 * arena's, text included. STELE_ESYNTAX when it is none, STELE_ELIMIT beyond
 * LIMIT_FILTER_BYTES, LIMIT_FILTER_TERMS, LIMIT_FILTER_DEPTH: *err says where and
 * what was expected. STELE_ENOMEM.
 */
int filter_parse(struct filter *f, struct arena *a, struct slice text, struct text_error *err);

/*
 * Named sets of values that a question may use: `actor = @alice` is one of hers. Only an unquoted
 * literal that begins with @ is such a name, so that no value can be taken for one: quotes make a
 * value of it. Where there are no aliases (filters that are kept: schemas, holds) it is a text.
 */
struct filter_aliases {
	/*
	 * The values of a name (without @), at least one, in memory that outlives the parse: 0;
	 * STELE_ENOTFOUND; STELE_EPERM when a question like this one has no aliases; STELE_ENOMEM.
	 */
	int (*find)(void *ctx, struct slice name, const struct slice **values, size_t *n);
	void *ctx;
};

/*
 * filter_parse with aliases: a term with one becomes an OR of a term for each of its values (for !=
 * an AND), exactly as if they were written out in quotes. NULL: there are none.
 */
int filter_parse_with(struct filter *f, struct arena *a, struct slice text,
		      const struct filter_aliases *aliases, struct text_error *err);

/*
 * Appends the one canonical text of a filter, for digests, echo and holds: OR and
 * AND inside another in parentheses, NOT for -, strings in double quotes, one
 * space between words; FILTER_ALL is "". Reading it gives the same filter again,
 * and that one's text is the same.
 */
void filter_print(struct buf *out, const struct filter *f);

/* True when both are the same tree of the same terms. */
bool filter_equal(const struct filter *a, const struct filter *b);

/* --- the simple terms of a query (design.md section 8) ------------------- */

struct filter_simple_term {
	enum field field;   /* FIELD_ACTOR to FIELD_ANY, or FIELD_WRITER */
	struct slice value; /* as it came; a trailing * makes it a prefix, no escapes */
};

struct filter_simple {
	bool has_from, has_to;
	int64_t from_ns; /* time >= from */
	int64_t to_ns;   /* time < to */
	const struct filter_simple_term *terms;
	size_t n_terms;
	struct slice filter; /* text of filter=, empty when there is none */
	/* Of both; NULL: none. With it a value @name is an alias, @@name the text "@name". */
	const struct filter_aliases *aliases;
};

/*
 * One filter out of simple terms and filter=: all of them must hold; of terms
 * for the same field, one. Values are as an unquoted literal is, but any
 * character may be in them and words (true, null) are text. Errors as for
 * filter_parse; for a simple term the error's offset and column are in its value.
 */
int filter_build(struct filter *f, struct arena *a, const struct filter_simple *simple,
		 struct text_error *err);

#endif
