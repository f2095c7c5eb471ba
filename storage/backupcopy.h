/*
 * What a backup copies, step by step. For storage/backup.c, which pins the store first.
 */
#ifndef STELE_STORAGE_BACKUPCOPY_H
#define STELE_STORAGE_BACKUPCOPY_H

#include <stdint.h>

#include "storage/backupfile.h"

struct store;

/*
 * Steps 3 to 5 into f->dir, which exists; *sequence is of the last commit that is in it.
 * Errors as backup_file, and f->why says what of.
 */
int backup_copy(struct store *st, struct backup_files *f, uint64_t *sequence);

/*
 * Step 6: the files keyring and keyring.identity under the passphrase. Errors as
 * keyfile_read and keyfile_write, and f->why says of which.
 */
int backup_keys(struct store *st, struct backup_files *f, const char *keyring,
		const char *passphrase);

/* Step 8: removes from the logs' folders of segments what is not listed. STELE_EIO. */
int backup_prune_logs(struct store *st, struct backup_files *f);

#endif
