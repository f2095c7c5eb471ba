/*
 * The two texts of a backup (docs/formats.md section 9): BACKUP, a note by the identity,
 * and LIST, a line for each file. Written by storage/backup.c, read by storage/restore.c.
 */
#ifndef STELE_STORAGE_BACKUPLIST_H
#define STELE_STORAGE_BACKUPLIST_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/lines.h"
#include "proto/slice.h"

struct backup_note {
	struct slice server;        /* its name; into the text it was read from */
	int64_t begun_ns, ended_ns; /* since 1970 */
	uint64_t commit;            /* sequence of the last one in it */
	uint64_t files;             /* lines of LIST */
	uint8_t list_hash[32];      /* SHA-256 of LIST */
};

/* Appends the note's text, unsigned. Errors stick to out. */
void backup_note_put(struct buf *out, const struct backup_note *n);

/* Reads a note's text: 0; STELE_EVERSION for another version; STELE_ESYNTAX. */
int backup_note_parse(struct backup_note *n, struct slice text);

/* Appends LIST's line of a file. */
void backup_line_put(struct buf *out, const uint8_t hash[32], const char *path);

/*
 * The next line: hash and *path, into the text. Fails the lines when it is none, or when
 * the path is none that a backup has: nothing else is ever written to by its name.
 */
void backup_line_take(struct lines *l, uint8_t hash[32], struct slice *path);

#endif
