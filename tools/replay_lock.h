/*
 * The lock that a lost record had, asked for again when it is sent again: the default of now may be
 * shorter than what was promised then.
 */
#ifndef STELE_TOOLS_REPLAY_LOCK_H
#define STELE_TOOLS_REPLAY_LOCK_H

#include "proto/duration.h"
#include "proto/entry.h"
#include "tools/cli.h"

struct replay_lock {
	bool locks; /* the log's policy has a default period */
	struct duration period;
};

enum { REPLAY_LOCK_BYTES = 128 };

/* Asks for the log's policy: CLI_GO, or an exit code after saying why. */
int replay_lock_init(struct replay_lock *l, struct cli *cli, const char *log);

/*
 * The header field that asks for the entry's lock, in text. False when none is needed: it had none,
 * it is over at now_ns, or the default of now ends no sooner.
 */
bool replay_lock_field(const struct replay_lock *l, const struct entry *e, int64_t now_ns,
		       char text[REPLAY_LOCK_BYTES]);

#endif
