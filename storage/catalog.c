/* One unnamed database; full sync; one thread at a time, guarded by DATA/LOCK. */
#include "storage/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lmdb.h>

#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/pages.h"

enum { STATE_BYTES = 256, STATE_HASHED = 224, KEY_MAX = 64, CHECK_SECONDS = 60 };

#define MAP_BYTES (64ull << 30) /* address space, reserved once; the file grows as it is used */

static const uint8_t state_key[] = "mstate";

struct catalog {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn;
	int err; /* sticky, of the transaction */
	bool abandoned;
	struct catalog *next_abandoned;
	struct sha256 *sha;
	uint64_t count, txn_count;
	uint64_t sum[4], txn_sum[4]; /* of the hashes of all entries, modulo 2^256 */
};

/* Those closed without their environment, which stays: so that a debugger, and a search for leaks,
 * finds them. */
static struct catalog *_Atomic abandoned;

static int
from_mdb(int rc)
{
	if (rc == 0)
		return 0;
	if (rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT)
		return STELE_ENOSPACE;
	if (rc == ENOMEM)
		return STELE_ENOMEM;
	return rc > 0 ? STELE_EIO : STELE_EDAMAGED; /* after half a write errno may be stale */
}

/* Adds (sign +1) or takes away (-1) an entry's hash. */
static void
sum_entry(struct catalog *c, uint64_t sum[4], MDB_val k, MDB_val v, bool add)
{
	uint8_t length[8], hash[32];
	const struct slice parts[] = {slice_of(length, 8), slice_of(k.mv_data, k.mv_size),
				      slice_of(v.mv_data, v.mv_size)};
	unsigned char carry = 0;

	le_put64(length, k.mv_size);
	sha256_hash_parts(c->sha, hash, parts, 3);
	for (int i = 0; i < 4; i++) {
		uint64_t x = le_get64(hash + 8 * i), before = sum[i];
		if (add) {
			sum[i] += x + carry;
			carry = sum[i] < before || (carry && sum[i] == before);
		} else {
			sum[i] -= x + carry;
			carry = before < x || (carry && before == x);
		}
	}
}

static void
encode_state(struct catalog *c, uint8_t out[STATE_BYTES], const struct catalog_state *s)
{
	memset(out, 0, STATE_BYTES);
	le_put64(out, s->incarnation);
	le_put64(out + 8, s->sequence);
	memcpy(out + 16, s->hash, 32);
	le_put32(out + 48, s->end.file);
	le_put64(out + 56, s->end.offset);
	le_put64(out + 64, s->keys_sequence);
	memcpy(out + 72, s->keys_prev, 32);
	le_put32(out + 104, s->keys_from.file);
	le_put64(out + 112, s->keys_from.offset);
	le_put32(out + 120, s->first_run);
	le_put32(out + 124, s->last_run);
	le_put64(out + 128, s->next_log_id);
	le_put64(out + 136, c->txn_count);
	for (int i = 0; i < 4; i++)
		le_put64(out + 144 + 8 * i, c->txn_sum[i]);
	le_put64(out + 176, (uint64_t)s->wall_ns);
	le_put64(out + 184, (uint64_t)s->lock_ns);
	le_put32(out + 192, s->era);
	sha256_hash(c->sha, out + STATE_HASHED, slice_of(out, STATE_HASHED));
}

static int
decode_state(struct catalog *c, MDB_val v, struct catalog_state *s)
{
	const uint8_t *p = v.mv_data;
	uint8_t hash[32];

	if (v.mv_size != STATE_BYTES)
		return STELE_EDAMAGED;
	sha256_hash(c->sha, hash, slice_of(p, STATE_HASHED));
	if (memcmp(hash, p + STATE_HASHED, 32) != 0)
		return STELE_EDAMAGED;
	s->incarnation = le_get64(p);
	s->sequence = le_get64(p + 8);
	memcpy(s->hash, p + 16, 32);
	s->end = (struct wal_pos){le_get32(p + 48), le_get64(p + 56)};
	s->keys_sequence = le_get64(p + 64);
	memcpy(s->keys_prev, p + 72, 32);
	s->keys_from = (struct wal_pos){le_get32(p + 104), le_get64(p + 112)};
	s->first_run = le_get32(p + 120);
	s->last_run = le_get32(p + 124);
	s->next_log_id = le_get64(p + 128);
	c->count = le_get64(p + 136);
	for (int i = 0; i < 4; i++)
		c->sum[i] = le_get64(p + 144 + 8 * i);
	s->wall_ns = (int64_t)le_get64(p + 176);
	s->lock_ns = (int64_t)le_get64(p + 184);
	s->era = le_get32(p + 192);
	return 0;
}

static int
env_open(struct catalog **out, const char *data_dir, unsigned flags)
{
	struct catalog *c = calloc(1, sizeof *c);
	char path[PATH_MAX];
	MDB_txn *txn = NULL;
	int rc;

	if (!c)
		return STELE_ENOMEM;
	c->sha = sha256_new();
	snprintf(path, sizeof path, "%s/catalog.mdb", data_dir);
	rc = c->sha ? mdb_env_create(&c->env) : ENOMEM;
	if (rc == 0)
		rc = mdb_env_set_mapsize(c->env, MAP_BYTES);
	if (rc == 0)
		rc = mdb_env_open(c->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NORDAHEAD | flags,
				  0600);
	if (rc == 0)
		rc = mdb_txn_begin(c->env, NULL, flags & MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mdb_dbi_open(txn, NULL, 0, &c->dbi);
	if (txn && rc == 0) {
		MDB_txn *t = txn;
		txn = NULL;
		rc = mdb_txn_commit(t);
	}
	if (txn)
		mdb_txn_abort(txn);
	if (rc != 0) {
		catalog_close(c);
		return from_mdb(rc);
	}
	*out = c;
	return 0;
}

void
catalog_close(struct catalog *c)
{
	if (!c)
		return;
	sha256_free(c->sha);
	if (c->abandoned) {
		c->next_abandoned = atomic_load(&abandoned);
		while (!atomic_compare_exchange_weak(&abandoned, &c->next_abandoned, c))
			;
		return;
	}
	if (c->txn)
		mdb_txn_abort(c->txn);
	if (c->env)
		mdb_env_close(c->env);
	free(c);
}

void
catalog_abandon(struct catalog *c)
{
	c->abandoned = true;
}

/* Reads everything: each key is found again by look-up, the sum is the one written. */
static int
walk(struct catalog *c, struct catalog_state *state)
{
	MDB_val k = {sizeof state_key - 1, (void *)(uintptr_t)state_key}, v, again;
	uint64_t sum[4] = {0}, count = 0;
	MDB_cursor *cur = NULL;
	MDB_txn *txn = NULL;
	int rc, err;

	rc = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mdb_get(txn, c->dbi, &k, &v);
	err = rc == 0 ? decode_state(c, v, state) : from_mdb(rc);
	if (err == 0 && mdb_cursor_open(txn, c->dbi, &cur) != 0)
		err = STELE_EDAMAGED;
	while (err == 0 && (rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) == 0) {
		if (k.mv_size == sizeof state_key - 1 &&
		    memcmp(k.mv_data, state_key, k.mv_size) == 0)
			continue;
		if (mdb_get(txn, c->dbi, &k, &again) != 0 || again.mv_data != v.mv_data)
			err = STELE_EDAMAGED;
		sum_entry(c, sum, k, v, true);
		count++;
	}
	if (err == 0 &&
	    (rc != MDB_NOTFOUND || count != c->count || memcmp(sum, c->sum, sizeof sum) != 0))
		err = STELE_EDAMAGED;
	if (cur)
		mdb_cursor_close(cur);
	if (txn)
		mdb_txn_abort(txn);
	return err;
}

/*
 * The pages by hand, then the walk, in a child: what a damaged page does to
 * LMDB stays there.
 */
static int
check_in_child(const char *data_dir, const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return STELE_ENOMEM;
	if (pid == 0) {
		struct catalog_state state;
		struct catalog *c;
		alarm(CHECK_SECONDS);
		if (!freopen("/dev/null", "w", stderr)) /* LMDB's own last words */
			_exit(2);
		_exit(pages_check(path) == 0 && env_open(&c, data_dir, MDB_RDONLY) == 0 &&
				      walk(c, &state) == 0
			      ? 0
			      : 1);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return STELE_EIO;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : STELE_EDAMAGED;
}

int
catalog_open(struct catalog **out, const char *data_dir, struct catalog_state *state)
{
	char path[PATH_MAX];
	struct catalog *c;
	struct stat sb;
	int err;

	snprintf(path, sizeof path, "%s/catalog.mdb", data_dir);
	if (stat(path, &sb) != 0)
		return stele_err_from_errno(errno);
	err = check_in_child(data_dir, path);
	if (err == 0)
		err = env_open(&c, data_dir, 0);
	if (err != 0)
		return err;
	err = walk(c, state);
	if (err != 0) {
		catalog_close(c);
		return err;
	}
	*out = c;
	return 0;
}

int
catalog_create(struct catalog **out, const char *data_dir)
{
	char path[PATH_MAX];
	struct catalog *c;
	int err;

	snprintf(path, sizeof path, "%s/catalog.mdb", data_dir);
	if (unlink(path) != 0 && errno != ENOENT)
		return STELE_EIO;
	err = env_open(&c, data_dir, 0);
	if (err != 0)
		return err;
	err = file_sync_dir(data_dir);
	if (err != 0) {
		catalog_close(c);
		return err;
	}
	*out = c;
	return 0;
}

int
catalog_copy(struct catalog *c, const char *path)
{
	int fd, rc = mdb_env_copy2(c->env, path, 0), err = 0;

	if (rc != 0)
		return rc == EEXIST ? STELE_EEXIST : from_mdb(rc);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		err = STELE_EIO;
	if (fd >= 0)
		close(fd);
	return err;
}

int
catalog_each(struct catalog *c, enum catalog_table table,
	     int (*fn)(void *ctx, struct slice key, struct slice value), void *ctx)
{
	uint8_t prefix = (uint8_t)table;
	MDB_val k = {1, &prefix}, v;
	MDB_cursor *cur = NULL;
	MDB_txn *txn = NULL;
	int err = 0, rc;

	rc = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mdb_cursor_open(txn, c->dbi, &cur);
	if (rc == 0)
		rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
	while (rc == 0 && err == 0 && *(const uint8_t *)k.mv_data == prefix) {
		err = fn(ctx, slice_of((const uint8_t *)k.mv_data + 1, k.mv_size - 1),
			 slice_of(v.mv_data, v.mv_size));
		rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
	}
	if (cur)
		mdb_cursor_close(cur);
	if (txn)
		mdb_txn_abort(txn);
	return err == 0 && rc != 0 && rc != MDB_NOTFOUND ? from_mdb(rc) : err;
}

void
catalog_begin(struct catalog *c)
{
	c->err = from_mdb(mdb_txn_begin(c->env, NULL, 0, &c->txn));
	c->txn_count = c->count;
	memcpy(c->txn_sum, c->sum, sizeof c->sum);
}

/* The key with its table's byte, into bytes; false when the transaction has failed or it is too
 * long. */
static bool
make_key(struct catalog *c, enum catalog_table table, struct slice key, uint8_t bytes[KEY_MAX],
	 MDB_val *k)
{
	if (c->err == 0 && key.n + 1 > KEY_MAX)
		c->err = STELE_EINVAL;
	if (c->err != 0)
		return false;
	bytes[0] = (uint8_t)table;
	memcpy(bytes + 1, key.p, key.n);
	*k = (MDB_val){key.n + 1, bytes};
	return true;
}

void
catalog_put(struct catalog *c, enum catalog_table table, struct slice key, struct slice value)
{
	uint8_t bytes[KEY_MAX];
	MDB_val k, v = {value.n, (void *)(uintptr_t)value.p}, old;
	int rc;

	if (!make_key(c, table, key, bytes, &k))
		return;
	rc = mdb_get(c->txn, c->dbi, &k, &old);
	if (rc == 0)
		sum_entry(c, c->txn_sum, k, old, false);
	else
		c->txn_count++;
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = mdb_put(c->txn, c->dbi, &k, &v, 0);
	if (rc == 0)
		sum_entry(c, c->txn_sum, k, v, true);
	c->err = from_mdb(rc);
}

void
catalog_delete(struct catalog *c, enum catalog_table table, struct slice key)
{
	uint8_t bytes[KEY_MAX];
	MDB_val k, old;
	int rc;

	if (!make_key(c, table, key, bytes, &k))
		return;
	rc = mdb_get(c->txn, c->dbi, &k, &old);
	if (rc == MDB_NOTFOUND)
		return;
	if (rc == 0) {
		sum_entry(c, c->txn_sum, k, old, false);
		c->txn_count--;
		rc = mdb_del(c->txn, c->dbi, &k, NULL);
	}
	c->err = from_mdb(rc);
}

int
catalog_commit(struct catalog *c, const struct catalog_state *state)
{
	MDB_val k = {sizeof state_key - 1, (void *)(uintptr_t)state_key}, v;
	uint8_t bytes[STATE_BYTES];
	MDB_txn *txn = c->txn;

	c->txn = NULL; /* freed by commit and abort alike */
	v = (MDB_val){sizeof bytes, bytes};
	if (c->err == 0) {
		encode_state(c, bytes, state);
		c->err = from_mdb(mdb_put(txn, c->dbi, &k, &v, 0));
	}
	if (c->err == 0) {
		c->err = from_mdb(mdb_txn_commit(txn));
		txn = NULL;
	}
	if (txn)
		mdb_txn_abort(txn);
	if (c->err == 0) {
		c->count = c->txn_count;
		memcpy(c->sum, c->txn_sum, sizeof c->sum);
	}
	return c->err;
}
