/*
 * Which witnesses must have cosigned a checkpoint (C2SP tlog-policy): lines of words, of which
 * those that begin with # are comments.
 *
 *   log VKEY [URL]                         a log that is known
 *   witness NAME VKEY [URL]                a witness: its key signs cosignatures
 *   group NAME all|any|K MEMBER...         K of these witnesses and groups, named before
 *   quorum NAME|none                       what must be reached; once
 */
#ifndef STELE_CRYPTO_TLOGPOLICY_H
#define STELE_CRYPTO_TLOGPOLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/note.h"
#include "proto/slice.h"

enum { TLOGPOLICY_BYTES = 65536, TLOGPOLICY_NODES = 256, TLOGPOLICY_LOGS = 64 };

struct tlogpolicy_node {
	struct slice name;
	struct note_vkey key;   /* of a witness */
	struct slice url;       /* of a witness: where it is asked; empty: not said */
	size_t need, n_members; /* of a group; need is 0 for a witness */
	uint8_t members[TLOGPOLICY_NODES];
};

struct tlogpolicy {
	size_t n;
	struct tlogpolicy_node nodes[TLOGPOLICY_NODES];
	size_t n_logs;
	struct note_vkey logs[TLOGPOLICY_LOGS];
	bool none;     /* no cosignature is asked for */
	size_t quorum; /* a node */
};

/*
 * Reads one; it points into text. STELE_ESYNTAX, with the line and a phrase in *what, when it is
 * not as above, a name is there twice or not yet, or a key is none; STELE_ELIMIT, likewise.
 */
int tlogpolicy_read(struct tlogpolicy *p, struct sha256 *h, struct slice text, size_t *line,
		    const char **what);

/*
 * Whether the witnesses whose cosignatures the note has are enough; *n is how many of its witnesses
 * did. STELE_ENOTFOUND: they are not; STELE_EVERIFY: one of theirs is bad.
 */
int tlogpolicy_check(const struct tlogpolicy *p, const struct note *note, size_t *n);

/* Whether the key speaks for the log that it names, as far as log lines name it. */
bool tlogpolicy_knows(const struct tlogpolicy *p, const struct note_vkey *key);

#endif
