/*
 * What 'stele put' remembers of an upload, so that it goes on after the command
 * was killed: a small file below the user's state folder
 * ($XDG_STATE_HOME/stele or ~/.local/state/stele), one for each server, log and file.
 */
#ifndef STELE_TOOLS_PUT_STATE_H
#define STELE_TOOLS_PUT_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct put_state {
	char path[4096]; /* of the state's own file; "": there is nowhere to keep it */
	/* what is sent: when one of these has changed, it is another file */
	uint64_t size, inode;
	int64_t mtime_ns;
	/* what it was given by the server, and its key */
	char url[512], key[256];
};

/*
 * Names the state's file for what goes where, and with what lock: one of another lock is another
 * upload. file is a path that exists; lock may be NULL.
 */
void put_state_init(struct put_state *s, const char *server, const char *log, const char *file,
		    const char *lock);

/* Reads url and key when the state is there and of this very file; else false, both empty. */
bool put_state_load(struct put_state *s);

/* Writes it, durably enough for a killed command. False, with errno set. */
bool put_state_save(const struct put_state *s);

/* Forgets it. */
void put_state_remove(const struct put_state *s);

#endif
