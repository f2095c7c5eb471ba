/*
 * Written in transactions of a few MiB, so that memory is bounded; each renews
 * some pages of the tree and frees the old ones, which the next but one takes. The
 * reader's one transaction is open as long as the file: what it points to never moves,
 * but may end up behind the file's end when somebody cuts it: every look is guarded.
 */
#include "storage/segfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lmdb.h>

#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/mapguard.h"

enum {
	VERSION = 1,
	KEY_BYTES = 5,
	TXN_BYTES = 2 << 20,
};

static const size_t map_step = (size_t)64 << 20; /* address space, also of readers */
static const char magic[8] = "steleseg";
static const char letters[SEGMENT_PARTS] = {'b', 'c', 'i', 't', 'd', 'k', 'x'};

struct part_writer {
	struct sha256 *sha;
	struct buf chunk; /* what waits for a full chunk */
	uint64_t bytes;
	uint32_t n_chunks;
};

struct segfile_writer {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	size_t map_bytes, used_bytes; /* used: an upper bound */
	size_t txn_bytes;
	struct part_writer part[SEGMENT_PARTS];
	int err;
};

static int
from_mdb(int rc)
{
	if (rc == 0)
		return 0;
	if (rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT)
		return STELE_ENOSPACE;
	if (rc == ENOMEM)
		return STELE_ENOMEM;
	if (rc == ENOENT || rc == EEXIST)
		return stele_err_from_errno(rc);
	return rc > 0 ? STELE_EIO : STELE_EDAMAGED;
}

static int
begin(struct segfile_writer *w)
{
	int rc;

	w->txn_bytes = 0;
	if (w->used_bytes + 2 * TXN_BYTES > w->map_bytes) {
		w->map_bytes += map_step;
		rc = mdb_env_set_mapsize(w->env, w->map_bytes);
		if (rc != 0)
			return from_mdb(rc);
	}
	return from_mdb(mdb_txn_begin(w->env, NULL, 0, &w->txn));
}

static int
commit(struct segfile_writer *w)
{
	MDB_txn *t = w->txn;

	w->txn = NULL;
	return from_mdb(mdb_txn_commit(t));
}

static int
open_writer(struct segfile_writer *w, const char *path)
{
	int rc, err;

	for (int i = 0; i < SEGMENT_PARTS; i++) {
		w->part[i].sha = sha256_new();
		if (!w->part[i].sha)
			return STELE_ENOMEM;
		sha256_begin(w->part[i].sha);
	}
	rc = mdb_env_create(&w->env);
	if (rc == 0)
		rc = mdb_env_set_mapsize(w->env, w->map_bytes = map_step);
	/* NOSYNC: nothing is believed before segfile_end has flushed all of it at once */
	if (rc == 0)
		rc = mdb_env_open(w->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600);
	if (rc != 0)
		return from_mdb(rc);
	err = begin(w);
	return err ? err : from_mdb(mdb_dbi_open(w->txn, NULL, 0, &w->dbi));
}

int
segfile_create(struct segfile_writer **out, const char *path)
{
	struct segfile_writer *w;
	int err;

	if (access(path, F_OK) == 0)
		return STELE_EEXIST;
	w = calloc(1, sizeof *w);
	if (!w)
		return STELE_ENOMEM;
	err = open_writer(w, path);
	if (err != 0) {
		segfile_free(w);
		unlink(path);
		return err;
	}
	*out = w;
	return 0;
}

static void
put(struct segfile_writer *w, MDB_val key, struct slice bytes)
{
	MDB_val v = {bytes.n, (void *)(uintptr_t)bytes.p};

	if (w->err)
		return;
	w->err = from_mdb(mdb_put(w->txn, w->dbi, &key, &v, MDB_NOOVERWRITE));
	w->txn_bytes += bytes.n;
	w->used_bytes += bytes.n + 4 * 4096; /* and pages of the tree */
	if (w->err == 0 && w->txn_bytes >= TXN_BYTES) {
		w->err = commit(w);
		if (w->err == 0)
			w->err = begin(w);
	}
}

static void
put_chunk(struct segfile_writer *w, enum segment_part part)
{
	struct part_writer *p = &w->part[part];
	uint8_t key[KEY_BYTES] = {(uint8_t)letters[part]};

	be_put32(key + 1, p->n_chunks++);
	put(w, (MDB_val){sizeof key, key}, buf_slice(&p->chunk));
	buf_reset(&p->chunk);
}

void
segfile_put(struct segfile_writer *w, enum segment_part part, struct slice bytes)
{
	struct part_writer *p = &w->part[part];

	sha256_update(p->sha, bytes);
	p->bytes += bytes.n;
	while (bytes.n && w->err == 0) {
		size_t room = SEGFILE_CHUNK - p->chunk.n, n = bytes.n < room ? bytes.n : room;
		buf_put(&p->chunk, bytes.p, n);
		if (p->chunk.err)
			w->err = STELE_ENOMEM;
		if (p->chunk.n == SEGFILE_CHUNK)
			put_chunk(w, part);
		bytes = slice_of(bytes.p + n, bytes.n - n);
	}
}

uint64_t
segfile_put_bytes(const struct segfile_writer *w, enum segment_part part)
{
	return w->part[part].bytes;
}

static void
write_head(uint8_t out[SEGFILE_HEAD_BYTES], const struct segment_facts *facts)
{
	memset(out, 0, SEGFILE_HEAD_BYTES);
	memcpy(out, magic, sizeof magic);
	le_put32(out + 8, VERSION);
	le_put64(out + 16, facts->log_id);
	le_put64(out + 24, facts->first);
	le_put64(out + 32, facts->count);
	le_put64(out + 40, facts->data_key_id);
	le_put32(out + 48, facts->generation);
}

/* Nobody waits for this file, and somebody may for the disk. */
static int
trickle(struct segfile_writer *w)
{
	mdb_filehandle_t fd;
	int rc = mdb_env_get_fd(w->env, &fd);

	return rc ? from_mdb(rc) : file_trickle(fd);
}

int
segfile_end(struct segfile_writer *w, struct segment_facts *facts)
{
	uint8_t head[SEGFILE_HEAD_BYTES], name = 'h';

	write_head(head, facts);
	for (int i = 0; i < SEGMENT_PARTS; i++) {
		if (w->part[i].chunk.n)
			put_chunk(w, (enum segment_part)i);
		le_put64(head + 56 + 8 * i, w->part[i].bytes);
	}
	put(w, (MDB_val){1, &name}, slice_of(head, sizeof head));
	if (w->err == 0)
		w->err = commit(w);
	if (w->err == 0)
		w->err = trickle(w);
	if (w->err == 0)
		w->err = from_mdb(mdb_env_sync(w->env, 1));
	if (w->err != 0)
		return w->err;
	for (int i = 0; i < SEGMENT_PARTS; i++)
		sha256_end(w->part[i].sha, facts->part[i]);
	return 0;
}

void
segfile_free(struct segfile_writer *w)
{
	if (!w)
		return;
	if (w->txn)
		mdb_txn_abort(w->txn);
	if (w->env)
		mdb_env_close(w->env);
	for (int i = 0; i < SEGMENT_PARTS; i++) {
		sha256_free(w->part[i].sha);
		buf_fini(&w->part[i].chunk);
	}
	free(w);
}

struct part_reader {
	uint64_t bytes;
	const uint8_t **chunk; /* in the map */
	uint64_t n_chunks;
};

struct segfile {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	struct part_reader part[SEGMENT_PARTS];
};

static int
get(struct segfile *f, const void *key, size_t key_bytes, size_t want, const uint8_t **out)
{
	MDB_val k = {key_bytes, (void *)(uintptr_t)key}, v;
	int rc = mdb_get(f->txn, f->dbi, &k, &v);

	if (rc == MDB_NOTFOUND || (rc == 0 && v.mv_size != want))
		return STELE_EDAMAGED;
	*out = v.mv_data;
	return from_mdb(rc);
}

static int
read_head(struct segfile *f, const struct segment_facts *facts)
{
	uint8_t want[SEGFILE_HEAD_BYTES];
	const uint8_t *head;
	int err = get(f, "h", 1, SEGFILE_HEAD_BYTES, &head);

	if (err != 0)
		return err;
	if (memcmp(head, magic, sizeof magic) != 0)
		return STELE_EDAMAGED;
	if (le_get32(head + 8) != VERSION || le_get32(head + 12) != 0)
		return STELE_EVERSION;
	write_head(want, facts);
	if (memcmp(head, want, 56) != 0)
		return STELE_EDAMAGED;
	for (int i = 0; i < SEGMENT_PARTS; i++) {
		f->part[i].bytes = le_get64(head + 56 + 8 * i);
		if (f->part[i].bytes > facts->file_bytes)
			return STELE_EDAMAGED;
	}
	return 0;
}

static int
read_chunks(struct segfile *f, enum segment_part part)
{
	struct part_reader *p = &f->part[part];
	uint8_t key[KEY_BYTES] = {(uint8_t)letters[part]};
	int err = 0;

	p->n_chunks = (p->bytes + SEGFILE_CHUNK - 1) / SEGFILE_CHUNK;
	p->chunk = calloc(p->n_chunks + 1, sizeof *p->chunk);
	if (!p->chunk)
		return STELE_ENOMEM;
	for (uint64_t i = 0; err == 0 && i < p->n_chunks; i++) {
		uint64_t left = p->bytes - i * SEGFILE_CHUNK;
		be_put32(key + 1, (uint32_t)i);
		err = get(f, key, sizeof key, left < SEGFILE_CHUNK ? left : SEGFILE_CHUNK,
			  &p->chunk[i]);
	}
	return err;
}

struct opening {
	struct segfile *f;
	const char *path;
	const struct segment_facts *facts;
};

/* LMDB without locks takes none here, and what it allocates hangs on the environment. */
static int
open_map(void *arg)
{
	const struct opening *o = arg;
	struct segfile *f = o->f;
	int err, rc = mdb_env_open(
			 f->env, o->path,
			 MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_RDONLY | MDB_NORDAHEAD, 0);

	if (rc == 0)
		rc = mdb_txn_begin(f->env, NULL, MDB_RDONLY, &f->txn);
	if (rc == 0)
		rc = mdb_dbi_open(f->txn, NULL, 0, &f->dbi);
	err = rc == EINVAL ? STELE_EDAMAGED : from_mdb(rc); /* LMDB's word for no meta page */
	if (err == 0)
		err = read_head(f, o->facts);
	for (int i = 0; err == 0 && i < SEGMENT_PARTS; i++)
		err = read_chunks(f, (enum segment_part)i);
	return err;
}

int
segfile_open(struct segfile **out, const char *path, const struct segment_facts *facts)
{
	struct segfile *f = calloc(1, sizeof *f);
	struct opening o = {f, path, facts};
	int err;

	if (!f)
		return STELE_ENOMEM;
	err = from_mdb(mdb_env_create(&f->env));
	if (err == 0)
		err = map_guarded(open_map, &o);
	if (err != 0) {
		segfile_close(f);
		return err;
	}
	*out = f;
	return 0;
}

void
segfile_close(struct segfile *f)
{
	if (!f)
		return;
	if (f->txn)
		mdb_txn_abort(f->txn);
	if (f->env)
		mdb_env_close(f->env);
	for (int i = 0; i < SEGMENT_PARTS; i++)
		free(f->part[i].chunk);
	free(f);
}

uint64_t
segfile_bytes(const struct segfile *f, enum segment_part part)
{
	return f->part[part].bytes;
}

int
segfile_copy(const struct segfile *f, enum segment_part part, uint64_t offset, size_t n, void *out)
{
	const struct part_reader *p = &f->part[part];
	uint64_t i = offset / SEGFILE_CHUNK;
	size_t at = offset % SEGFILE_CHUNK;
	uint8_t *to = out;
	int err = 0;

	if (offset > p->bytes || n > p->bytes - offset)
		return STELE_EDAMAGED;
	for (; n && err == 0; at = 0, i++) {
		size_t take = n < SEGFILE_CHUNK - at ? n : SEGFILE_CHUNK - at;
		err = map_copy(to, p->chunk[i] + at, take);
		to += take;
		n -= take;
	}
	return err;
}

int
segfile_read(const struct segfile *f, enum segment_part part, uint64_t offset, size_t n,
	     struct buf *out)
{
	int err;

	buf_reset(out);
	if (buf_reserve(out, n) != 0)
		return STELE_ENOMEM;
	err = segfile_copy(f, part, offset, n, out->p);
	out->n = err == 0 ? n : 0;
	return err;
}
