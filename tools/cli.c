/* Options, help and messages; nothing here knows a particular command. */
#include "tools/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/limits.h"
#include "verify/os.h"

enum { NAME_BYTES = 64 };

/* What a server or a file said may be in it, and does not get at the terminal. */
void
cli_say(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	CHECK(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	for (uint8_t *p = (uint8_t *)text; *p; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0; /* U+0080 to U+009F */
		if (c1)
			*p++ = '?';
		if (c1 || (*p < ' ' && *p != '\n') || *p == 0x7f)
			*p = '?';
	}
	fprintf(stderr, "stele: %s\n", text);
	free(text);
}

/* How the command is called. */
static void
name_of(char out[NAME_BYTES], const struct cli_command *self)
{
	snprintf(out, NAME_BYTES, "%s%s", self->program ? self->program : "stele ",
		 self->program ? "" : self->name);
}

int
cli_usage(const struct cli_command *self, const char *fmt, ...)
{
	char name[NAME_BYTES];
	va_list ap;

	name_of(name, self);
	fprintf(stderr, "%s: ", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: %s%s%s\n'%s --help' explains it.\n", name,
		*self->operands ? " " : "", self->operands, name);
	return CLI_USAGE;
}

/* A text in which "stele NAME" is how the command is called. */
static void
print_about(const struct cli_command *self, const char *name)
{
	char full[NAME_BYTES];
	const char *at = self->about, *next;

	snprintf(full, sizeof full, "stele %s", self->name);
	for (; (next = strstr(at, full)); at = next + strlen(full))
		printf("%.*s%s", (int)(next - at), at, name);
	printf("%s\n", at);
}

static void
print_option(const struct cli_option *o)
{
	char left[64];

	snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "",
		 o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
		 o->value ? " " : "", o->value ? o->value : "");
	if (strlen(left) > 26)
		printf("  %s\n  %-27s %s\n", left, "", o->help);
	else
		printf("  %-27s %s\n", left, o->help);
}

static void
print_help(const struct cli_command *self, const struct cli_option *options)
{
	char name[NAME_BYTES];

	name_of(name, self);
	printf("usage: %s%s%s\n\n", name, *self->operands ? " " : "", self->operands);
	print_about(self, name);
	if (options->name)
		printf("\noptions:\n");
	for (const struct cli_option *o = options; o->name; o++)
		print_option(o);
	if (!self->program)
		printf("\nOptions for every command (--server, --token, --cacert, --json ...): 'stele --help'.\n");
}

bool
cli_number(const char *text, uint64_t *out)
{
	unsigned shift = 0;
	char *end;
	unsigned long long v;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M')
		shift = 20;
	else if (*end == 'G')
		shift = 30;
	if (shift)
		end++;
	if (errno || *end || v > LIMIT_INTEGER >> shift)
		return false;
	*out = (uint64_t)v << shift;
	return true;
}

/* Stores an option's value; false when it does not fit its kind. */
static bool
store(const struct cli_option *o, const char *value)
{
	struct cli_texts *texts = o->dst;

	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)o->dst = true;
		return true;
	case CLI_TEXT:
		*(const char **)o->dst = value;
		return true;
	case CLI_TEXTS:
		if (texts->n == CLI_TEXTS_MAX)
			return false;
		texts->text[texts->n++] = value;
		return true;
	default:
		return cli_number(value, o->dst);
	}
}

/* The row that arg ("--name", "--name=value", "-x") names, and its inline value. */
static const struct cli_option *
find_option(const struct cli_option *table, const char *arg, const char **value)
{
	const char *equals = strchr(arg, '=');
	size_t n = equals ? (size_t)(equals - arg) : strlen(arg);

	*value = NULL;
	for (const struct cli_option *o = table; o->name; o++) {
		if (arg[1] != '-') {
			if (o->letter && arg[1] == o->letter && !arg[2])
				return o;
			continue;
		}
		if (strlen(o->name) != n - 2 || memcmp(o->name, arg + 2, n - 2) != 0)
			continue;
		*value = equals ? equals + 1 : NULL;
		return o;
	}
	return NULL;
}

enum { GLOBALS = 7 };

/* The options that every command has; main.c's help explains them. */
static void
fill_globals(struct cli *cli, struct cli_option rows[GLOBALS])
{
	const struct cli_option globals[GLOBALS] = {
		{"server", 0, CLI_TEXT, &cli->server, "URL", ""},
		{"token", 0, CLI_TEXT, &cli->token, "TOKEN", ""},
		{"cacert", 0, CLI_TEXT, &cli->tls.cacert, "FILE", ""},
		{"cert", 0, CLI_TEXT, &cli->tls.cert, "FILE", ""},
		{"key-file", 0, CLI_TEXT, &cli->tls.key, "FILE", ""},
		{"json", 0, CLI_FLAG, &cli->json, NULL, ""},
		{NULL},
	};

	memcpy(rows, globals, sizeof globals);
}

int
cli_take_global(struct cli *cli, int argc, char **argv, int *i)
{
	struct cli_option globals[GLOBALS];
	const struct cli_option *o;
	const char *value;

	fill_globals(cli, globals);
	o = find_option(globals, argv[*i], &value);
	if (!o || (o->kind == CLI_FLAG && value))
		return CLI_USAGE;
	if (o->kind != CLI_FLAG && !value) {
		if (*i + 1 >= argc)
			return CLI_USAGE;
		value = argv[++*i];
	}
	return store(o, value) ? CLI_GO : CLI_USAGE;
}

static int
take_option(struct cli *cli, const struct cli_command *self, const struct cli_option *options,
	    int argc, char **argv, int *i)
{
	struct cli_option globals[GLOBALS];
	const char *arg = argv[*i], *value;
	const struct cli_option *o = find_option(options, arg, &value);

	fill_globals(cli, globals);
	if (!o)
		o = find_option(globals, arg, &value);
	if (!o)
		return cli_usage(self, "there is no option %s", arg);
	if (o->kind == CLI_FLAG && value)
		return cli_usage(self, "--%s takes no value", o->name);
	if (o->kind != CLI_FLAG && !value) {
		if (*i + 1 >= argc)
			return cli_usage(self, "--%s needs a value: %s", o->name, o->value);
		value = argv[++*i];
	}
	if (!store(o, value))
		return cli_usage(self, "--%s cannot be '%s': it takes %s", o->name, value,
				 o->kind == CLI_NUMBER ? "a number such as 1000 or 8M"
						       : "at most 64 values");
	return CLI_GO;
}

int
cli_parse(struct cli *cli, const struct cli_command *self, const struct cli_option *options,
	  int argc, char **argv, int min_operands, int max_operands, int *n)
{
	bool only_operands = false;
	int found = 0;

	for (int i = 0; i < argc; i++) {
		char *arg = argv[i];
		int rc;

		if (only_operands || arg[0] != '-' || !arg[1]) {
			argv[found++] = arg;
			continue;
		}
		if (strcmp(arg, "--") == 0) {
			only_operands = true;
			continue;
		}
		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
			print_help(self, options);
			return CLI_DONE;
		}
		rc = take_option(cli, self, options, argc, argv, &i);
		if (rc != CLI_GO)
			return rc;
	}
	if (found < min_operands)
		return cli_usage(self, "something is missing");
	if (found > max_operands)
		return cli_usage(self, "'%s' is too much", argv[max_operands]);
	*n = found;
	return CLI_GO;
}

int
cli_read_file(struct buf *out, const char *path, size_t max)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct os_file file;
	size_t total = 0;
	ptrdiff_t got = 0;

	if (is_stdin)
		os_open_stdin(&file);
	else if (os_open(&file, path) != 0) {
		cli_say("cannot open %s: %s", path, strerror(errno));
		return CLI_USAGE;
	}
	while (total <= max && buf_reserve(out, 65536) == 0) {
		got = os_read(&file, out->p + out->n, 65536);
		if (got <= 0)
			break;
		out->n += (size_t)got;
		total += (size_t)got;
	}
	if (got < 0 || out->err)
		cli_say("cannot read %s: %s", path, strerror(got < 0 ? errno : ENOMEM));
	else if (total > max)
		cli_say("%s is too large: at most %zu bytes fit here", path, max);
	os_close(&file);
	return got < 0 || out->err || total > max ? CLI_USAGE : CLI_GO;
}

int
cli_index(const struct cli_command *self, const char *text, uint64_t *index)
{
	if (text[0] && strspn(text, "0123456789") == strlen(text) && cli_number(text, index))
		return CLI_GO;
	return cli_usage(self, "'%s' is not an index: a record's index is a number from 0", text);
}
