/*
 * The data keys of a log's tail: what its sections of the WAL are sealed under. One at a time
 * seals; when a purge begins the next one, those before it stay until all that they sealed is in
 * segments and no start can need it, and are then destroyed: what is left in WAL files and their
 * copies opens no more. Inside storage/ only.
 */
#ifndef STELE_STORAGE_TAILKEY_H
#define STELE_STORAGE_TAILKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log;

/* Until when something retired may still be in use: by commits under way, then by what they wrote.
 */
struct last_use {
	bool retired, bounded;
	uint64_t retired_at; /* sequence of the last commit released when it was retired */
	uint64_t used_until; /* when bounded: records from this index on do not need it */
};

struct tail_key {
	uint64_t id; /* in the keyring */
	uint8_t key[32];
	struct last_use use;   /* of all but the newest: retired */
	struct tail_key *next; /* the one before it */
};

/* Takes the log's keys from the keyring, in the place of those it has: STELE_EKEY when there is
   none, STELE_ENOMEM. Nobody else may be in the log. */
int tailkey_take(struct log *log);
/* Wipes and frees all of them. */
void tailkey_free(struct log *log);

/* The key of that id, copied: STELE_EKEY when the log has it no more. Any thread. */
int tailkey_find(struct log *log, uint64_t id, uint8_t key[32]);

/*
 * Begins the next key, durably, and retires the log's dictionaries, which are text that the one
 * before it sealed: no commit that begins later uses either. Errors of keyring_commit,
 * STELE_ENOMEM, STELE_ELIMIT.
 */
int tailkey_begin(struct log *log);

/* Up to which index records must be in segments so that keys before the newest, and dictionaries
   that they sealed, are needed no more;
   UINT64_MAX as long as commits under way may use one; 0 when there is none. */
uint64_t tailkey_needed_until(struct log *log);

/*
 * Ids of keys before the newest that nothing unsealed needs, at most cap of them. A start needs
 * them no more either once a catalogue is saved that was begun after this.
 */
size_t tailkey_unneeded(struct log *log, uint64_t *ids, size_t cap);
/* Whether the newest is the only one. */
bool tailkey_only(struct log *log);
/* Forgets a key that has left the keyring. */
void tailkey_forget(struct log *log, uint64_t id);

/* From now on no commit begins to use it. The store's lock is held for writing. */
void last_use_begin(const struct log *log, struct last_use *u);
/* Whether nothing unsealed needs it any more; finds its bound when that is possible. As above. */
bool last_use_over(const struct log *log, struct last_use *u);

#endif
