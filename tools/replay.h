/*
 * Sends again what a server lost. After a restore from a backup, a producer holds receipts of
 * records that the server does not have any more; what it still has of their payloads is
 * appended anew.
 *
 * Every receipt is held against what the server has at its index: the same entry is kept and
 * nothing is done. What is not there is held against its payload (size and commitment) and
 * sent as a record of its own, with an idempotency key made from the lost entry's hash, so
 * that a second replay, or one after a crash, stores nothing twice for as long as the server
 * remembers keys. CloudEvents keep their own identity instead.
 */
#ifndef STELE_TOOLS_REPLAY_H
#define STELE_TOOLS_REPLAY_H

#include <stdint.h>

#include "tools/cli.h"

struct replay_options {
	const char *log;
	const char *replay;   /* the file of receipts, one JSON object a line; "-": stdin */
	const char *payloads; /* what the receipts' "line" or size is of; NULL: they bring them */
	const char *receipts; /* of what is sent now, added to; NULL: not kept */
	uint64_t connections; /* 1..SENDER_MAX_CONNECTIONS; 1 keeps the order */
	uint64_t retry_s;     /* how long a record is tried after its first failure */
};

/* Does it and says how it went. An exit code: CLI_DONE when every receipt's record is there. */
int replay_run(struct cli *cli, const struct replay_options *o);

#endif
