/* How spools end: the key first, then the files; whoever has one open is told. */
#include "storage/spoolkeep.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/seal.h"

static const char *const files[] = {"spool",    "spool.tmp", "bodies.0", "bodies.1",
				    "bodies.2", "rows",      "kept"};

bool
spool_id_valid(struct slice id)
{
	if (id.n != SPOOL_ID_BYTES || memcmp(id.p, "x-", 2) != 0)
		return false;
	for (size_t i = 2; i < id.n; i++)
		if (!(id.p[i] >= 'a' && id.p[i] <= 'z') && !(id.p[i] >= '2' && id.p[i] <= '7'))
			return false;
	return true;
}

/* --- who has one open ---------------------------------------------------------------------- */

int
spools_enter(struct store *st, struct spool_use *u)
{
	int err = 0;

	pthread_mutex_lock(&st->spools.mu);
	for (const struct spool_use *o = st->spools.uses; o; o = o->next)
		if (u->making && o->making && strcmp(o->id, u->id) == 0)
			err = STELE_EEXIST;
	if (err == 0) {
		u->next = st->spools.uses;
		st->spools.uses = u;
	}
	pthread_mutex_unlock(&st->spools.mu);
	return err;
}

void
spools_leave(struct store *st, struct spool_use *u)
{
	struct spool_use **at;

	pthread_mutex_lock(&st->spools.mu);
	at = &st->spools.uses;
	while (*at && *at != u)
		at = &(*at)->next;
	if (*at)
		*at = u->next;
	pthread_mutex_unlock(&st->spools.mu);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Removes the files of an export and its folder: what of it is not there is fine. */
static int
remove_files(struct store *st, const char *id)
{
	char path[SPOOL_PATH_BYTES];
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof files / sizeof *files; i++) {
		err = spool_path(path, st, id, files[i]);
		if (err == 0 && unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR)
			err = STELE_EIO;
	}
	if (err == 0)
		err = spool_path(path, st, id, "");
	if (err == 0 && rmdir(path) != 0 && errno != ENOENT)
		err = STELE_EIO;
	if (err == STELE_EIO)
		store_say(
			st, STORE_WARN,
			"%s cannot be removed: %s; what it holds cannot be read any more, and the "
			"next start tries again",
			path, strerror(errno));
	return err;
}

/* Destroys keys, durably. */
static int
drop_keys(struct store *st, const uint64_t *ids, size_t n)
{
	int err = n ? seal_drop_keys(st, ids, n) : 0;

	if (err == STELE_EIO)
		store_key_failed(st, "keyring");
	return err;
}

/* The list's lock is held. */
static int
destroy(struct store *st, const char *id)
{
	uint8_t key[AEAD_KEY_BYTES];
	struct spool_said said;
	uint64_t ids[2];
	size_t n = 0;
	int err = spool_said_read(&said, key, st, id);

	explicit_bzero(key, sizeof key);
	if (said.key_id)
		ids[n++] = said.key_id;
	spool_said_fini(&said);
	for (struct spool_use *u = st->spools.uses; u; u = u->next) {
		if (strcmp(u->id, id) != 0)
			continue;
		atomic_store(&u->lost, true);
		if (u->making && u->key_id)
			ids[n++] = u->key_id;
	}
	if (err == STELE_ENOMEM || err == STELE_EIO)
		return err;
	err = drop_keys(st, ids, n);
	return err ? err : remove_files(st, id);
}

int
spool_destroy(struct store *st, struct slice id)
{
	char text[SPOOL_ID_BYTES + 1];
	int err;

	if (!spool_id_valid(id))
		return STELE_EINVAL;
	snprintf(text, sizeof text, "%.*s", (int)id.n, (const char *)id.p);
	pthread_mutex_lock(&st->spools.mu);
	err = destroy(st, text);
	pthread_mutex_unlock(&st->spools.mu);
	return err;
}

/* --- a purge ------------------------------------------------------------------------------- */

static bool
covers_any(const struct spool_cover *c, size_t n, uint64_t log_id, const struct purge_set *set)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; c[i].log_id == log_id && k < set->n; k++)
			if (set->ranges[k].first <= c[i].last && set->ranges[k].last >= c[i].first)
				return true;
	return false;
}

/* Whether the spool of that id may have some of it; what cannot be read is none's any more. */
static int
holds_any(struct store *st, const char *id, uint64_t log_id, const struct purge_set *set,
	  bool *does)
{
	uint8_t key[AEAD_KEY_BYTES];
	struct spool_said said;
	int err = spool_said_read(&said, key, st, id);

	explicit_bzero(key, sizeof key);
	*does = false;
	for (const struct spool_use *u = st->spools.uses; u; u = u->next)
		if (u->making && !atomic_load(&u->lost) && strcmp(u->id, id) == 0)
			*does |= covers_any(u->covers, u->n_covers, log_id, set);
	if (err == 0)
		*does |= covers_any(said.covers, said.n_covers, log_id, set);
	else if (err != STELE_EKEY && err != STELE_ENOTFOUND && err != STELE_ENOMEM)
		*does = true; /* it cannot be told: its key goes too */
	spool_said_fini(&said);
	return err == STELE_ENOMEM ? err : 0;
}

/* Calls fn for each folder of an export, until that is not 0, which is returned. */
static int
each_folder(struct store *st, int (*fn)(void *ctx, struct store *st, const char *id), void *ctx)
{
	char path[SPOOL_PATH_BYTES];
	struct dirent *e;
	DIR *dir;
	int err = spool_path(path, st, "", "");

	if (err != 0)
		return err;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : STELE_EIO;
	while (err == 0 && (errno = 0, e = readdir(dir)) != NULL)
		if (spool_id_valid(slice_str(e->d_name)))
			err = fn(ctx, st, e->d_name);
	if (err == 0 && !e && errno)
		err = STELE_EIO;
	closedir(dir);
	return err;
}

struct purging_spools {
	uint64_t log_id;
	const struct purge_set *set;
	size_t n;
};

static int
purge_one(void *ctx, struct store *st, const char *id)
{
	struct purging_spools *p = ctx;
	bool does;
	int err = holds_any(st, id, p->log_id, p->set, &does);

	if (err != 0 || !does)
		return err;
	p->n++;
	return destroy(st, id);
}

int
spools_purge(struct store *st, uint64_t log_id, const struct purge_set *set, size_t *n)
{
	struct purging_spools p = {log_id, set, 0};
	int err;

	pthread_mutex_lock(&st->spools.mu);
	err = each_folder(st, purge_one, &p);
	pthread_mutex_unlock(&st->spools.mu);
	*n = p.n;
	return err;
}

/* --- at start ------------------------------------------------------------------------------ */

struct sweep {
	uint64_t *used; /* keys of spools that are whole */
	size_t n, cap;
};

static int
sweep_one(void *ctx, struct store *st, const char *id)
{
	struct sweep *s = ctx;
	uint8_t key[AEAD_KEY_BYTES];
	struct spool_said said;
	int err = spool_said_read(&said, key, st, id);

	explicit_bzero(key, sizeof key);
	spool_said_fini(&said);
	if (err == STELE_ENOMEM || err == STELE_EIO)
		return err;
	if (err != 0) {
		store_say(st, STORE_INFO, "removed exports/%s: it was not finished, or destroyed",
			  id);
		(void)remove_files(st, id); /* said; its key goes below */
		return 0;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;
		uint64_t *grown = realloc(s->used, cap * sizeof *grown);
		if (!grown)
			return STELE_ENOMEM;
		s->used = grown;
		s->cap = cap;
	}
	s->used[s->n++] = said.key_id;
	return 0;
}

/* Keys of exports that no spool names. */
static int
sweep_keys(struct store *st, const struct sweep *s)
{
	const struct keyring_data *data;
	size_t n, n_drop = 0;
	uint64_t *drop;
	int err;

	data = keyring_each_data(st->keyring, &n);
	drop = malloc((n + 1) * sizeof *drop);
	if (!drop)
		return STELE_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		bool used = data[i].kind != KEYRING_EXPORT;

		for (size_t k = 0; !used && k < s->n; k++)
			used = s->used[k] == data[i].key_id;
		if (!used)
			drop[n_drop++] = data[i].key_id;
	}
	err = drop_keys(st, drop, n_drop);
	free(drop);
	return err;
}

int
spool_sweep(struct store *st)
{
	struct sweep s = {NULL, 0, 0};
	int err = each_folder(st, sweep_one, &s);

	if (err == 0)
		err = sweep_keys(st, &s);
	free(s.used);
	return err;
}

/* --- asking -------------------------------------------------------------------------------- */

struct each {
	int (*fn)(void *ctx, struct slice id, uint64_t disk_bytes);
	void *ctx;
};

static int
tell(void *ctx, struct store *st, const char *id)
{
	const struct each *e = ctx;
	char path[SPOOL_PATH_BYTES];
	uint64_t bytes = 0;
	struct stat sb;

	if (spool_path(path, st, id, "spool") != 0 || stat(path, &sb) != 0)
		return errno == ENOENT ? 0 : STELE_EIO; /* it is being made */
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (spool_path(path, st, id, files[i]) == 0 && stat(path, &sb) == 0)
			bytes += (uint64_t)sb.st_size;
	return e->fn(e->ctx, slice_str(id), bytes);
}

int
spool_each(struct store *st, int (*fn)(void *ctx, struct slice id, uint64_t disk_bytes), void *ctx)
{
	struct each e = {fn, ctx};

	return each_folder(st, tell, &e);
}
