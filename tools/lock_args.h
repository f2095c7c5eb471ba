/*
 * The lock that 'stele append' and 'stele put' ask for their records: their options, and the
 * header field that says so.
 */
#ifndef STELE_TOOLS_LOCK_ARGS_H
#define STELE_TOOLS_LOCK_ARGS_H

#include "tools/cli.h"

struct lock_args {
	const char *until, *period, *event; /* NULL: not asked for */
	char field[512];                    /* by lock_args_field */
};

/* What a command that takes them has among its options. */
/* clang-format off */
#define LOCK_OPTIONS(args) \
	{"retain-until", 0, CLI_TEXT, &(args).until, "TIME", \
	 "lock it until then: 2033-01-31T00:00:00Z"}, \
	{"retain-for", 0, CLI_TEXT, &(args).period, "D", \
	 "lock it for that long: 7y, 18mo, 90d"}, \
	{"retain-event", 0, CLI_TEXT, &(args).event, "NAME", \
	 "lock it until that event, and then for the policy's default"}
/* clang-format on */

/* CLI_GO when there is one of them at most, and it fits; else CLI_USAGE, said. */
int lock_args_check(const struct cli_command *self, struct lock_args *a);

/* "Stele-Retain-…: …", in a; NULL when none is asked for. After lock_args_check. */
const char *lock_args_field(const struct lock_args *a);

#endif
