/*
 * The frame every subcommand of stele stands in: its description, its options,
 * its exit code, and how it speaks to a person.
 */
#ifndef STELE_TOOLS_CLI_H
#define STELE_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/passphrase.h"
#include "proto/buf.h"
#include "tools/transport.h"

/* What a subcommand answers to the shell (stele.1, EXIT STATUS). */
enum cli_exit {
	CLI_GO = -1,         /* not an exit code: parsing went well, carry on */
	CLI_DONE = 0,        /* done, or valid */
	CLI_REFUSED = 1,     /* the server refused it, or what was checked is invalid */
	CLI_INCOMPLETE = 2,  /* a claimed completeness fails */
	CLI_USAGE = 3,       /* wrong usage, or input that cannot be read */
	CLI_UNREACHABLE = 4, /* no server answered */
};

/* Options given before or after the command, and what they opened. */
struct cli {
	const char *server;
	const char *token;    /* NULL: none; "@FILE" already replaced by the file's line */
	const char *token_at; /* the "@FILE" that token came from; NULL: it was given as it is */
	char token_line[512];
	struct transport_tls tls;
	bool json;
	struct transport *transport; /* NULL until cli_transport */
};

enum cli_kind {
	CLI_FLAG,   /* dst is bool * */
	CLI_TEXT,   /* dst is const char ** */
	CLI_TEXTS,  /* dst is struct cli_texts *: may be given several times */
	CLI_NUMBER, /* dst is uint64_t *: decimal, with an optional suffix K, M or G, as steled
		     * takes them
		     */
};

enum { CLI_TEXTS_MAX = 64 };

struct cli_texts {
	const char *text[CLI_TEXTS_MAX];
	size_t n;
};

/* One option; a row with name NULL ends the table. */
struct cli_option {
	const char *name; /* without dashes */
	char letter;      /* short form, or 0 */
	enum cli_kind kind;
	void *dst;
	const char *value; /* placeholder in the help, NULL for flags */
	const char *help;
};

/* One subcommand; texts are what --help prints. */
struct cli_command {
	const char *name;     /* "append", "log create" */
	const char *operands; /* "LOG [FILE|-]" */
	const char *summary;  /* one line */
	const char *about;    /* paragraphs and examples */
	int (*run)(struct cli *cli, const struct cli_command *self, int argc, char **argv);
	const char *program; /* that is this command alone; NULL: "stele NAME" */
};

/*
 * Takes the option for every command at argv[*i], and the value behind it: CLI_GO. Or CLI_USAGE,
 * without a word, when there is none.
 */
int cli_take_global(struct cli *cli, int argc, char **argv, int *i);

/*
 * Parses options wherever they stand and moves the operands to argv[0..*n).
 * CLI_GO; CLI_DONE after --help; CLI_USAGE after saying what is wrong.
 */
int cli_parse(struct cli *cli, const struct cli_command *self, const struct cli_option *options,
	      int argc, char **argv, int min_operands, int max_operands, int *n);

/*
 * The connection to the server, made at the first call: CLI_GO and
 * cli->transport, or CLI_USAGE after saying what is wrong with URL or token.
 */
int cli_transport(struct cli *cli);

/* Prints "stele: " and the message to stderr. */
void cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* cli_say, then how to get help for the command; returns CLI_USAGE. */
int cli_usage(const struct cli_command *self, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Reads a whole file ("-": standard input) of at most max bytes, appended to
 * out. CLI_GO, or CLI_USAGE after saying why.
 */
int cli_read_file(struct buf *out, const char *path, size_t max);

/* What a command that takes a passphrase has among its options. */
/* clang-format off */
#define CLI_PASSPHRASE(source) \
	{"passphrase-file", 0, CLI_TEXT, &(source).file, "FILE", \
	 "what seals the key files: FILE's first line"}, \
	{"passphrase-fd", 0, CLI_NUMBER, &(source).fd, "N", \
	 "the same, a line from the open file descriptor N"}, \
	{"passphrase-prompt", 0, CLI_FLAG, &(source).prompt, NULL, \
	 "the same, asked for on the terminal"}
/* clang-format on */

/*
 * passphrase_read: CLI_GO, with nothing read when there is no source, or CLI_USAGE after saying
 * why. passphrase_wipe in any case.
 */
int cli_read_passphrase(struct buf *out, const struct passphrase_source *source);

/*
 * Writes bytes to a new or existing file, or to stdout when path is NULL or
 * "-". CLI_GO, or CLI_USAGE after saying why.
 */
int cli_write_file(const char *path, struct slice bytes);

/* Writes a document of JSON to stdout, as one line. CLI_GO or CLI_USAGE, as above. */
int cli_write_json(struct slice doc);

/* Appends s as one word of a POSIX shell: as it is when that is safe, else in single quotes. */
void cli_put_word(struct buf *out, const char *s);

/* Appends s to a URL path, percent-encoding all but RFC 3986's unreserved characters. */
void cli_put_path(struct buf *out, const char *s);

/* A number as CLI_NUMBER takes it, below 2^53. False: it is none. */
bool cli_number(const char *text, uint64_t *out);

/*
 * A record index in decimal: CLI_GO and *index, or CLI_USAGE after saying what is wrong.
 */
int cli_index(const struct cli_command *self, const char *text, uint64_t *index);

#endif
