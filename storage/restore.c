/* The steps of storage/restore.h, all but what is done in the opened store: restorelogs.c. */
#include "storage/restore.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/identity.h"
#include "crypto/init.h"
#include "proto/err.h"
#include "storage/backupfile.h"
#include "storage/backuplist.h"
#include "storage/file.h"
#include "storage/place.h"
#include "storage/read.h"
#include "storage/restorelogs.h"

enum { LIST_BYTES_MAX = 1 << 30 };

struct restoring {
	const struct restore_options *opts;
	struct buf *why;
	struct buf signed_note, list; /* BACKUP and LIST */
	struct backup_note note;
	struct keyfile_seal *seal;
	struct backup_files files;
	atomic_bool stop; /* never: a restore that is killed goes on later */
	bool again;       /* DATA holds one that was not finished */
	uint64_t total_bytes;
};

/* DIR/NAME: 0 or STELE_ELIMIT. */
static int
join(char out[PATH_MAX], const char *dir, const char *name)
{
	return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ? 0 : STELE_ELIMIT;
}

/* err, and where, unless why says it already. */
static int
fail(struct restoring *r, const char *path, int err)
{
	if (err != 0 && r->why->n == 0)
		buf_printf(r->why, "%s: %s", path, stele_strerror(err));
	return err;
}

/* --- step 1 ------------------------------------------------------------------------- */

static int
verify_note(struct restoring *r, const char *path, const char *identity_path)
{
	struct identity *identity = NULL, *last;
	struct identity_next next = {.identity = NULL};
	struct note note;
	size_t by;
	int err = identity_open(&identity, &next, identity_path, r->seal, r->files.sha);

	if (err == STELE_EKEY)
		buf_printf(r->why,
			   "%s: its passphrase is wrong, or missing, or it was sealed with none",
			   identity_path);
	if (err != 0)
		return fail(r, identity_path, err);
	/* a prepared one may be in force, when its file could not be written again */
	last = next.identity ? next.identity : identity;
	err = identities_note(identity_row(last), buf_slice(&r->signed_note), &note, &by);
	if (err == 0)
		err = backup_note_parse(&r->note, note.text);
	if (err == 0 && !slice_eq(r->note.server, signer_vkey(identity_signer(identity))->name))
		err = STELE_EVERIFY;
	if (err != 0 && err != STELE_EVERSION)
		buf_printf(r->why,
			   "%s is not signed by the identity in %s, nor by one before it: if the "
			   "server's identity was replaced, give the keyring of then or later",
			   path, identity_path);
	identity_unref(identity);
	identity_unref(next.identity);
	return fail(r, path, err);
}

static int
read_backup(struct restoring *r)
{
	char path[PATH_MAX], list[PATH_MAX], identity[PATH_MAX];
	uint8_t hash[32];
	int err = join(path, r->opts->backup, "BACKUP");

	if (err == 0)
		err = join(list, r->opts->backup, "LIST");
	if (err == 0 && snprintf(identity, sizeof identity, "%s.identity", r->opts->keyring) >=
				(int)sizeof identity)
		err = STELE_ELIMIT;
	if (err != 0)
		return fail(r, r->opts->backup, err);
	err = file_read_all(path, &r->signed_note, LIMIT_NOTE_BYTES);
	if (err == STELE_ENOTFOUND)
		buf_printf(r->why,
			   "%s is no backup: BACKUP, which is written last, is missing. The one "
			   "that was begun there did not end, or is being made now",
			   r->opts->backup);
	if (err != 0)
		return fail(r, path, err);
	err = verify_note(r, path, identity);
	if (err != 0)
		return err;
	err = file_read_all(list, &r->list, LIST_BYTES_MAX);
	if (err != 0)
		return fail(r, list, err);
	sha256_hash(r->files.sha, hash, buf_slice(&r->list));
	if (memcmp(hash, r->note.list_hash, 32) == 0)
		return 0;
	buf_printf(r->why, "%s is not the list that BACKUP was signed for", list);
	return STELE_EDAMAGED;
}

/* --- step 2 ------------------------------------------------------------------------- */

/* Whether the directory may be taken; *again when a restore was begun in it. */
static int
look_at(struct restoring *r)
{
	char other[256] = "";
	struct dirent *e;
	DIR *d = opendir(r->opts->dir);

	if (!d)
		return fail(r, r->opts->dir, stele_err_from_errno(errno));
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, "RESTORE.partial") == 0)
			r->again = true;
		else if (e->d_name[0] != '.' && strcmp(e->d_name, "lost+found") != 0 &&
			 strcmp(e->d_name, "LOCK") != 0 &&
			 strcmp(e->d_name, "RESTORE.partial.tmp") != 0)
			snprintf(other, sizeof other, "%s", e->d_name);
	}
	closedir(d);
	if (r->again || !other[0])
		return 0;
	buf_printf(r->why,
		   "%s holds files (%s): a restore goes into an empty directory, or one that does "
		   "not exist yet",
		   r->opts->dir, other);
	return STELE_EEXIST;
}

static int
begin(struct restoring *r)
{
	char path[PATH_MAX];
	int err = look_at(r);

	if (err == 0)
		err = join(path, r->opts->dir, "RESTORE.partial");
	if (err == 0)
		err = file_replace(path, "not a store yet\n", 16, 0600);
	return fail(r, r->opts->dir, err);
}

/* --- step 3 ------------------------------------------------------------------------- */

/* Calls fn for every line of LIST but LOCK's: the directory has its own. */
static int
each_file(struct restoring *r, int (*fn)(struct restoring *r, const char *rel, const char *source,
					 const uint8_t hash[32]))
{
	struct lines l;
	int err = 0;

	lines_init(&l, buf_slice(&r->list));
	while (err == 0 && l.rest.n) {
		char rel[512], source[PATH_MAX];
		struct slice path;
		uint8_t hash[32];
		backup_line_take(&l, hash, &path);
		if (lines_err(&l) || path.n >= sizeof rel) {
			buf_printf(r->why, "%s/LIST has a line that is not understood",
				   r->opts->backup);
			return STELE_EVERSION;
		}
		if (slice_eq_str(path, "LOCK"))
			continue;
		snprintf(rel, sizeof rel, "%.*s", (int)path.n, (const char *)path.p);
		err = join(source, r->opts->backup, rel);
		if (err == 0)
			err = fn(r, rel, source, hash);
	}
	return err;
}

static int
count_file(struct restoring *r, const char *rel, const char *source, const uint8_t hash[32])
{
	struct stat sb;

	(void)rel;
	(void)hash;
	if (stat(source, &sb) != 0)
		return fail(r, source, stele_err_from_errno(errno));
	r->total_bytes += (uint64_t)sb.st_size;
	return 0;
}

/* The folders that rel lies in. */
static int
make_folders(struct restoring *r, const char *rel)
{
	char folder[512];
	int err = 0;

	snprintf(folder, sizeof folder, "%s", rel);
	for (char *slash = strchr(folder, '/'); err == 0 && slash; slash = strchr(slash + 1, '/')) {
		char path[PATH_MAX];
		*slash = '\0';
		err = join(path, r->opts->dir, folder);
		if (err == 0 && access(path, F_OK) != 0)
			err = backup_folder(&r->files, folder);
		*slash = '/';
	}
	return err;
}

static int
copy_file(struct restoring *r, const char *rel, const char *source, const uint8_t hash[32])
{
	int err = make_folders(r, rel);

	if (err == 0)
		err = backup_file(&r->files, source, rel, UINT64_MAX, hash);
	if (err == STELE_EDAMAGED) {
		buf_reset(&r->files.why);
		buf_printf(r->why,
			   "%s has not the digest that LIST says: it was damaged or changed. In "
			   "that folder, sha256sum -c LIST names all such files; take them from "
			   "another backup",
			   source);
	}
	return err;
}

static void
show(void *ctx)
{
	struct restoring *r = ctx;

	r->opts->progress(r->opts->ctx, atomic_load(&r->files.bytes), r->total_bytes);
}

static int
copy_files(struct restoring *r)
{
	int err = each_file(r, count_file);

	if (err == 0)
		err = each_file(r, copy_file);
	/* what an earlier try wrote behind the backup's end; segments and objects that nothing
	   names, opening removes */
	if (err == 0 && r->again)
		err = backup_prune(&r->files, "wal");
	if (err != 0 && r->why->n == 0)
		buf_put_slice(r->why, buf_slice(&r->files.why));
	return err;
}

/* --- step 4 ------------------------------------------------------------------------- */

static int
copy_key(struct restoring *r, const char *from, const char *name)
{
	char to[PATH_MAX];
	int err = join(to, r->opts->dir, name);

	if (err == 0)
		err = keyfile_copy(from, r->seal, to, r->seal);
	return fail(r, from, err);
}

static int
copy_keys(struct restoring *r)
{
	char folder[PATH_MAX], identity[PATH_MAX];
	int err = join(folder, r->opts->dir, "keys");

	if (err == 0 && mkdir(folder, 0700) != 0 && errno != EEXIST)
		err = stele_err_from_errno(errno);
	if (err == 0)
		err = file_sync_dir(r->opts->dir);
	if (err != 0)
		return fail(r, folder, err);
	snprintf(identity, sizeof identity, "%s.identity", r->opts->keyring);
	err = copy_key(r, identity, "keys/identity");
	return err == 0 ? copy_key(r, r->opts->keyring, "keys/keyring") : err;
}

/* --- steps 5 to 9 ------------------------------------------------------------------- */

static int
check_purges(struct store *st, const struct restore_options *o, struct buf *why)
{
	struct identity *id;
	int err;

	if (!o->check_purges)
		return 0;
	id = store_identity(st);
	err = o->check_purges(o->ctx, identity_vkey(id), why);
	identity_unref(id);
	return err;
}

/* The lock is the store's while it is open. */
static int
change_store(struct restoring *r, struct restore_result *result)
{
	const struct restore_options *o = r->opts;
	struct store_options so = {.dir = o->dir,
				   .passphrase = o->passphrase,
				   .moved = true,
				   .restoring = true,
				   .say = o->say,
				   .say_ctx = o->ctx};
	struct store *st;
	int err = store_open(&st, &so, r->why);

	if (err != 0)
		return err;
	err = check_purges(st, o, r->why);
	if (err == 0)
		err = restore_logs(st, &r->note, o, r->files.tools, r->why);
	if (err == 0)
		err = restore_purges(st, o, r->why);
	result->logs = restore_count(st);
	store_close(st);
	return fail(r, o->dir, err);
}

static int
end(struct restoring *r)
{
	char path[PATH_MAX];
	int err = join(path, r->opts->dir, "RESTORE.partial");

	if (err == 0 && unlink(path) != 0)
		err = stele_err_from_errno(errno);
	if (err == 0)
		err = file_sync_dir(r->opts->dir);
	return fail(r, path, err);
}

/* --- all of it ---------------------------------------------------------------------- */

static int
run(struct restoring *r, struct restore_result *result)
{
	struct place place;
	int err = read_backup(r);

	if (err == 0)
		err = place_lock(&place, r->opts->dir, true, r->why);
	if (err != 0)
		return err;
	err = begin(r);
	if (err == 0)
		err = copy_files(r);
	if (err == 0)
		err = copy_keys(r);
	place_unlock(&place);
	if (err == 0)
		err = change_store(r, result);
	return err == 0 ? end(r) : err;
}

static int
make_tools(struct restoring *r)
{
	struct backup_files *f = &r->files;
	int err = crypto_init();

	f->dir = r->opts->dir;
	f->stop = &r->stop;
	f->copies = true;
	if (r->opts->progress) {
		f->step = show;
		f->step_ctx = r;
	}
	buf_init(&f->list);
	buf_init(&f->why);
	buf_init(&r->signed_note);
	buf_init(&r->list);
	f->sha = sha256_new();
	f->tools = toolbox_new();
	f->window = malloc(BACKUP_WINDOW_BYTES);
	if (err == 0 && (!f->sha || !f->tools || !f->window))
		err = STELE_ENOMEM;
	if (err == 0)
		err = keyfile_seal_new(&r->seal, r->opts->passphrase);
	return fail(r, r->opts->dir, err);
}

int
store_restore(const struct restore_options *o, struct restore_result *result, struct buf *why)
{
	struct restoring r = {.opts = o, .why = why};
	int err = make_tools(&r);

	memset(result, 0, sizeof *result);
	if (err == 0)
		err = run(&r, result);
	if (err == 0) {
		snprintf(result->server, sizeof result->server, "%.*s", (int)r.note.server.n,
			 (const char *)r.note.server.p);
		result->commit = r.note.commit;
		result->begun_ns = r.note.begun_ns;
		result->ended_ns = r.note.ended_ns;
	}
	result->files = r.files.files;
	result->kept = r.files.kept;
	result->bytes = atomic_load(&r.files.bytes);
	keyfile_seal_free(r.seal);
	sha256_free(r.files.sha);
	toolbox_free(r.files.tools);
	free(r.files.window);
	buf_fini(&r.files.list);
	buf_fini(&r.files.why);
	buf_fini(&r.signed_note);
	buf_fini(&r.list);
	return err;
}
