/* The steps of storage/backup.h, and what the world may know of them. Copying: backupcopy.c. */
#include "storage/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/backupcopy.h"
#include "storage/backuplist.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/read.h"
#include "storage/seal.h"

struct backup {
	atomic_bool stop;
	struct backup_files files; /* the running thread's; bytes is anybody's to read */

	pthread_mutex_t mu; /* all below */
	bool wanted;
	char *keyring, *passphrase;
	struct backup_state state;
};

struct backup *
backup_new(void)
{
	struct backup *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	pthread_mutex_init(&b->mu, NULL);
	b->files.sha = sha256_new();
	b->files.tools = toolbox_new();
	b->files.window = malloc(BACKUP_WINDOW_BYTES);
	b->files.stop = &b->stop;
	buf_init(&b->files.list);
	buf_init(&b->files.why);
	if (!b->files.sha || !b->files.tools || !b->files.window) {
		backup_free(b);
		return NULL;
	}
	return b;
}

static void
forget_request(struct backup *b)
{
	if (b->passphrase)
		explicit_bzero(b->passphrase, strlen(b->passphrase));
	free(b->passphrase);
	free(b->keyring);
	b->passphrase = b->keyring = NULL;
}

void
backup_free(struct backup *b)
{
	if (!b)
		return;
	forget_request(b);
	sha256_free(b->files.sha);
	toolbox_free(b->files.tools);
	free(b->files.window);
	buf_fini(&b->files.list);
	buf_fini(&b->files.why);
	pthread_mutex_destroy(&b->mu);
	free(b);
}

/* --- step 1 ------------------------------------------------------------------------- */

/* Whether the folder is empty or one of ours: nothing of anybody else's is touched. */
static int
look_at(struct backup_files *f)
{
	bool ours = false, other = false;
	struct dirent *e;
	DIR *d = opendir(f->dir);

	if (!d)
		return stele_err_from_errno(errno);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, "BACKUP") == 0 || strcmp(e->d_name, "BACKUP.partial") == 0)
			ours = true;
		else if (e->d_name[0] != '.' && strcmp(e->d_name, "lost+found") != 0)
			other = true;
	}
	closedir(d);
	if (ours || !other)
		return 0;
	buf_printf(&f->why, "%s holds files and is no backup: give an empty folder", f->dir);
	return STELE_EINVAL;
}

/* The folder must be this server's: what says so is signed, by whoever it was, or was begun by it.
 */
static int
check_owner(struct store *st, struct backup_files *f)
{
	struct identity *id = store_identity(st);
	char path[PATH_MAX + 32];
	struct buf bytes;
	struct note note;
	size_t by;
	int err;

	snprintf(path, sizeof path, "%s/BACKUP", f->dir);
	buf_init(&bytes);
	err = file_read_all(path, &bytes, LIMIT_NOTE_BYTES);
	if (err == 0 && identities_note(identity_row(id), buf_slice(&bytes), &note, &by) != 0) {
		buf_printf(&f->why, "%s is not this server's: give another folder", path);
		err = STELE_EINVAL;
	}
	buf_fini(&bytes);
	identity_unref(id);
	return err == STELE_ENOTFOUND ? 0 : err;
}

static int
open_folder(struct store *st, struct backup_files *f)
{
	char path[PATH_MAX + 32];
	int err = 0;

	if (mkdir(f->dir, 0700) == 0)
		err = file_sync_parent(f->dir);
	else if (errno != EEXIST)
		err = stele_err_from_errno(errno);
	if (err == 0)
		err = look_at(f);
	if (err == 0)
		err = check_owner(st, f);
	snprintf(path, sizeof path, "%s/BACKUP.partial", f->dir);
	if (err == 0)
		err = file_replace(path, "not a backup yet\n", 17, 0600);
	snprintf(path, sizeof path, "%s/BACKUP", f->dir);
	if (err == 0 && unlink(path) != 0 && errno != ENOENT)
		err = STELE_EIO;
	return err == 0 ? file_sync_dir(f->dir) : err;
}

/* --- step 2 ------------------------------------------------------------------------ */

/* What was about to leave has left, or stays. */
static void
pin(struct store *st, bool pinned)
{
	sealer_lock(st->sealer);
	pthread_mutex_lock(&st->creating); /* no key is being replaced */
	pthread_mutex_lock(&st->saving);
	atomic_store(&st->pinned, pinned);
	pthread_mutex_unlock(&st->saving);
	pthread_mutex_unlock(&st->creating);
	sealer_unlock(st->sealer);
}

/* --- steps 7 and 8 ------------------------------------------------------------------ */

/* The signed note: what it is, and the digest of LIST. */
static int
publish(struct store *st, struct backup *b, uint64_t sequence)
{
	struct identity *id = store_identity(st);
	const struct signer *signer = identity_signer(id);
	struct backup_files *f = &b->files;
	struct backup_note n = {.server = slice_str(st->place.server_name),
				.begun_ns = b->state.begun_ns,
				.ended_ns = store_now_ns(st),
				.commit = sequence,
				.files = f->files};
	char path[PATH_MAX + 32];
	struct buf text, note;
	int err;

	buf_init(&text);
	buf_init(&note);
	snprintf(path, sizeof path, "%s/LIST", f->dir);
	err = f->list.err ? f->list.err : file_replace(path, f->list.p, f->list.n, 0600);
	sha256_hash(f->sha, n.list_hash, buf_slice(&f->list));
	backup_note_put(&text, &n);
	sign_note(&note, buf_slice(&text), &signer, 1);
	snprintf(path, sizeof path, "%s/BACKUP", f->dir);
	if (err == 0)
		err = note.err ? STELE_ENOMEM : file_replace(path, note.p, note.n, 0600);
	buf_fini(&text);
	buf_fini(&note);
	identity_unref(id);
	return err;
}

static int
prune(struct store *st, struct backup_files *f)
{
	char path[PATH_MAX + 32];
	int err = backup_prune(f, "wal");

	if (err == 0)
		err = backup_prune_logs(st, f);
	snprintf(path, sizeof path, "%s/BACKUP.partial", f->dir);
	if (err == 0 && unlink(path) != 0)
		err = STELE_EIO;
	return err;
}

/* --- all of it ---------------------------------------------------------------------- */

static int
run(struct store *st, struct backup *b, uint64_t *sequence)
{
	struct backup_files *f = &b->files;
	int err = open_folder(st, f);

	if (err == 0) {
		pin(st, true);
		err = backup_copy(st, f, sequence);
		if (err == 0 && b->keyring)
			err = backup_keys(st, f, b->keyring, b->passphrase);
		pin(st, false);
	}
	if (err == 0)
		err = publish(st, b, *sequence);
	if (err == 0)
		err = prune(st, f);
	if (err != 0 && f->why.n == 0)
		buf_printf(&f->why, "%s: %s", f->dir, stele_strerror(err));
	return err;
}

static void
finish(struct store *st, struct backup *b, uint64_t sequence, int err)
{
	struct backup_state *s = &b->state;

	pthread_mutex_lock(&b->mu);
	s->running = b->wanted = false;
	s->err = err;
	s->sequence = sequence;
	s->files = b->files.files;
	s->kept = b->files.kept;
	s->bytes = atomic_load(&b->files.bytes);
	s->ended_ns = store_now_ns(st);
	snprintf(s->why, sizeof s->why, "%.*s", (int)b->files.why.n,
		 b->files.why.n ? (const char *)b->files.why.p : "");
	forget_request(b);
	pthread_mutex_unlock(&b->mu);
	store_record(st,
		     "{\"type\":\"backup.end\",\"complete\":%s,\"files\":%llu,\"bytes\":%llu,"
		     "\"commit\":%llu}",
		     err == 0 ? "true" : "false", (unsigned long long)s->files,
		     (unsigned long long)s->bytes, (unsigned long long)sequence);
	if (err == 0)
		store_say(st, STORE_INFO, "backup in %s: %llu files, up to commit %llu", s->dir,
			  (unsigned long long)s->files, (unsigned long long)sequence);
	else
		store_say(st, STORE_ERROR, "the backup failed: %s", s->why);
}

int
store_backup_run(struct store *st)
{
	struct backup *b = st->backup;
	struct backup_files *f = &b->files;
	uint64_t sequence = 0;
	bool wanted;

	pthread_mutex_lock(&b->mu);
	wanted = b->wanted;
	pthread_mutex_unlock(&b->mu);
	if (!wanted)
		return 0;
	f->dir = b->state.dir; /* not changed while running */
	f->files = f->kept = 0;
	atomic_store(&f->bytes, 0);
	buf_reset(&f->list);
	buf_reset(&f->why);
	finish(st, b, sequence, run(st, b, &sequence));
	return 1;
}

void
store_backup_stop(struct store *st)
{
	atomic_store(&st->backup->stop, true);
}

/* --- asking ------------------------------------------------------------------------- */

/* Whether path is folder or lies in it, by their names. */
static bool
is_within(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	while (n > 1 && folder[n - 1] == '/')
		n--;
	return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static int
check_request(struct store *st, const struct backup_request *r, struct buf *why)
{
	char data[PATH_MAX];

	if (r->dir[0] != '/' || strlen(r->dir) >= PATH_MAX - 512 || strstr(r->dir, "/..")) {
		buf_printf(why, "the folder must be an absolute path without \"..\"");
		return STELE_EINVAL;
	}
	if (realpath(st->dir, data) && (is_within(r->dir, data) || is_within(data, r->dir))) {
		buf_printf(why, "a backup does not go into the data directory, nor around it");
		return STELE_EINVAL;
	}
	if (!r->keyring)
		return 0;
	if (r->keyring[0] != '/' || strlen(r->keyring) >= PATH_MAX - 512 ||
	    is_within(r->keyring, r->dir)) {
		buf_printf(why, "the keyring's file must be an absolute path outside the backup: "
				"whoever has both can read everything");
		return STELE_EINVAL;
	}
	if (!r->passphrase || !r->passphrase[0] || strlen(r->passphrase) > LIMIT_PASSPHRASE_BYTES) {
		buf_printf(why, "the keyring's copy needs a passphrase of at most %d bytes",
			   (int)LIMIT_PASSPHRASE_BYTES);
		return STELE_EINVAL;
	}
	return 0;
}

static uint64_t
total_bytes(struct store *st)
{
	struct store_stats stats;

	store_stats_get(st, &stats);
	return stats.segment_bytes + stats.wal_disk_bytes;
}

int
store_backup_start(struct store *st, const struct backup_request *r, struct buf *why)
{
	struct backup *b = st->backup;
	uint64_t total = total_bytes(st);
	int err = check_request(st, r, why);

	if (err != 0)
		return err;
	pthread_mutex_lock(&b->mu);
	if (b->wanted) {
		err = STELE_EBUSY;
	} else if (r->keyring) {
		b->keyring = strdup(r->keyring);
		b->passphrase = strdup(r->passphrase);
		err = b->keyring && b->passphrase ? 0 : STELE_ENOMEM;
	}
	if (err == 0) {
		b->wanted = true;
		b->state = (struct backup_state){
			.running = true, .begun_ns = store_now_ns(st), .total_bytes = total};
		snprintf(b->state.dir, sizeof b->state.dir, "%s", r->dir);
	} else if (err == STELE_ENOMEM) {
		forget_request(b);
	}
	pthread_mutex_unlock(&b->mu);
	return err;
}

void
store_backup_get(struct store *st, struct backup_state *out)
{
	struct backup *b = st->backup;

	pthread_mutex_lock(&b->mu);
	*out = b->state;
	if (out->running)
		out->bytes = atomic_load(&b->files.bytes);
	pthread_mutex_unlock(&b->mu);
}
