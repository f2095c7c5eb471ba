/*
 * What `stele query` and `stele tail` have in common: options that are simple terms, and the table
 * of records.
 */
#ifndef STELE_TOOLS_QUERY_ARGS_H
#define STELE_TOOLS_QUERY_ARGS_H

#include <jansson.h>

#include "tools/cli.h"

enum { QUERY_ARGS_TERMS = 11 };

/* Values of --actor and so on, in the order of the server's parameters. */
struct query_args {
	struct cli_texts value[QUERY_ARGS_TERMS];
	const char *matter; /* whose aliases they may use; NULL: not said */
};

/* QUERY_ARGS_TERMS options, into a. */
void query_args_options(struct query_args *a, struct cli_option *out);

/* Appends the terms, "&actor=alice" and so on. */
void query_args_put(const struct query_args *a, struct buf *b);

/* Appends "&NAME=VALUE", encoded; value NULL: nothing. */
void query_args_put_one(struct buf *b, const char *name, const char *value);

/* Appends the instant that people wrote, such as '2h ago', as the API takes it; CLI_USAGE, said. */
int query_args_time(const struct cli_command *self, struct buf *when, const char *option,
		    const char *text);

/* The same with a time as people type them; CLI_GO, or CLI_USAGE after saying what is wrong. */
int query_args_put_time(const struct cli_command *self, struct buf *b, const char *option,
			const char *name, const char *text);

/* Appends the logs of "logs=", separated by commas: all when there is none. */
void query_args_put_logs(struct buf *b, int n, char **logs);

/* The table's head, and a record as the server gives it. */
void query_args_print_head(void);
void query_args_print_row(const json_t *row);

/* Text out of payloads: what a terminal would obey is a dot, and what is longer than width is cut.
 * How many characters it was. */
int query_args_print_text(const char *text, int width);

#endif
