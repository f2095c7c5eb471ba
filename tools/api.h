/*
 * Calls to steled's API as the subcommands make them: an answer that says no
 * becomes a sentence that says what to do, and an exit code.
 */
#ifndef STELE_TOOLS_API_H
#define STELE_TOOLS_API_H

#include <jansson.h>

#include "tools/cli.h"
#include "tools/transport.h"

/*
 * Sends c and waits. CLI_GO when the server did it; otherwise what could not
 * be done ("append to payments") and why is on stderr, and the exit code is
 * returned: CLI_USAGE (no server given), CLI_UNREACHABLE, CLI_REFUSED.
 */
int api_call(struct cli *cli, struct http_call *c, const char *what);

/* GET target; c is initialised here and the caller's to fini, whatever happens. */
int api_get(struct cli *cli, struct http_call *c, const char *target, const char *accept,
	    const char *what);

/* Says why a finished call failed, and returns its exit code. */
int api_refused(struct cli *cli, const struct http_call *c, const char *what);

/*
 * Appends why a finished call failed, as one sentence without a newline, and
 * sets *line to the "line" member of its problem document when there is one.
 * With line NULL the sentence names the place itself.
 */
void api_explain(struct buf *out, const struct cli *cli, const struct http_call *c, uint64_t *line);

/*
 * The answer as JSON, the caller's to decref; NULL after saying that the
 * server spoke something else.
 */
json_t *api_json(const struct http_call *c, const char *what);

/*
 * GETs a listing page by page: with --json each page is a line on stdout; else header, a line
 * of text, then row() for each element of the array `member`. Exit codes as api_call.
 */
int api_list(struct cli *cli, const char *path, const char *member, const char *header,
	     void (*row)(const json_t *element), const char *what);

/* Any method, with JSON: doc, or NULL for no body, is dumped and dropped. c is initialised here
 * and the caller's to fini, whatever happens. Exit codes as api_call. */
int api_send(struct cli *cli, struct http_call *c, const char *method, const char *target,
	     json_t *doc, const char *what);

/* api_send, then api_json: CLI_GO and *answer, the caller's to decref, or an exit code. */
int api_ask(struct cli *cli, const char *method, const char *target, json_t *doc, json_t **answer,
	    const char *what);

/* An answer to stdout, with --json as one line, else as print does: CLI_DONE, or CLI_USAGE after
 * saying why it cannot be written. */
int api_print(struct cli *cli, const json_t *answer, void (*print)(const json_t *answer));

/* api_ask, then api_print: what most commands are. */
int api_show(struct cli *cli, const char *method, const char *target, json_t *doc,
	     void (*print)(const json_t *answer), const char *what);

/* A member that is a string, or "-". */
const char *api_text(const json_t *doc, const char *name);

/* A member that is an integer, or 0. */
long long api_number(const json_t *doc, const char *name);

/* Puts a member in; with text NULL nothing. */
void api_set_text(json_t *doc, const char *name, const char *text);

/* Adds the words of "a,b" and "c" as strings of a new array. */
json_t *api_words(const struct cli_texts *texts);

/* Appends an array's strings, joined by commas. */
void api_put_joined(struct buf *out, const json_t *list);

/* "/api/v1/logs/LOG" and then the printf-formatted rest. */
void api_log_target(struct buf *out, const char *log, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "PATH/ID" and then the rest. */
void api_put_target(struct buf *out, const char *path, const char *id, const char *rest);

/* The buffer's text as a C string; adds the NUL without counting it. Never NULL. */
const char *api_cstr(struct buf *b);

#endif
