/* A policy on the command line: the options of 'stele log create' and 'stele policy set'. */
#ifndef STELE_TOOLS_POLICY_ARGS_H
#define STELE_TOOLS_POLICY_ARGS_H

#include <jansson.h>

#include "tools/cli.h"

struct policy_args {
	const char *mode, *retain, *min, *max; /* NULL: not said */
	const char *quota_bytes, *quota_records;
	struct cli_texts dual_control;
	bool event_based, public;
};

/* What a command that takes them has among its options. */
/* clang-format off */
#define POLICY_OPTIONS(args) \
	{"mode", 0, CLI_TEXT, &(args).mode, "MODE", "none, governance (the default) or compliance"}, \
	{"retain", 0, CLI_TEXT, &(args).retain, "D", \
	 "lock each record for D: 7y, 18mo, 90d, 36h\n" \
	 "                              (default: records are not locked)"}, \
	{"min", 0, CLI_TEXT, &(args).min, "D", "shortest lock a producer may ask for"}, \
	{"max", 0, CLI_TEXT, &(args).max, "D", "longest lock a producer may ask for"}, \
	{"event-based", 0, CLI_FLAG, &(args).event_based, NULL, \
	 "a record may wait for an event; --retain counts from that"}, \
	{"quota-bytes", 0, CLI_TEXT, &(args).quota_bytes, "N", \
	 "keep no more bytes of payload at once: 500G"}, \
	{"quota-records", 0, CLI_TEXT, &(args).quota_records, "N", \
	 "keep no more records at once"}, \
	{"dual-control", 0, CLI_TEXTS, &(args).dual_control, "ACT[,ACT]", \
	 "acts that need a second principal: policy.change,\n" \
	 "                              hold.release, purge, retain.shorten"}, \
	{"public", 0, CLI_FLAG, &(args).public, NULL, \
	 "checkpoint, tiles and entries need no token"}
/* clang-format on */

/*
 * Puts what was said into a policy, in the place of what it has; a period or quota of "none" takes
 * it out. CLI_GO, or CLI_USAGE after saying what is wrong.
 */
int policy_args_put(const struct cli_command *self, const struct policy_args *a, json_t *policy);

/* Asks for a log's policy as it is: CLI_GO and *policy, the caller's, or an exit code. */
int policy_args_get(struct cli *cli, const char *log, json_t **policy);

#endif
