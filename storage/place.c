/* A first start makes keys and WAL first and stele.id last, so its absence means nothing was ever
 * acknowledged here. */
#include "storage/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "crypto/random.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/frame.h"

enum {
	ID_BYTES = 512,
	ID_HASHED = 480,
	ID_VERSION = 1,
	LOCK_TRIES = 100, /* one second */
	LOCK_PAUSE_NS = 10000000,
};

static const char magic[8] = "stele id";

/* File systems whose locks and flushes another machine may not honour (statfs(2)). */
static const unsigned long network_types[] = {
	0x6969 /* NFS */,    0x517b /* SMB */,      0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */,
	0x01021997 /* 9P */, 0x00c36400 /* CEPH */, 0x5346414f /* AFS */,
};

static int
refuse_network(const char *dir, struct buf *why)
{
	struct statfs fs;

	if (statfs(dir, &fs) != 0)
		return stele_err_from_errno(errno);
	for (size_t i = 0; i < sizeof network_types / sizeof *network_types; i++) {
		if ((unsigned long)fs.f_type != network_types[i])
			continue;
		buf_printf(why,
			   "%s is on a network file system, which cannot promise that a flush "
			   "is durable; use a local disk",
			   dir);
		return STELE_EUNSUPPORTED;
	}
	return 0;
}

/* What a first start or a restore makes first, finished or not. */
static bool
is_ours(const char *name)
{
	static const char *const names[] = {"LOCK",
					    "keys",
					    "wal",
					    "catalog.mdb",
					    "stele.id.tmp",
					    "RESTORE.partial",
					    "RESTORE.partial.tmp"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* A store does not begin among somebody else's files: looked at before anything is made. */
static int
refuse_foreign(const char *dir, struct buf *why)
{
	char foreign[256] = "";
	bool ours = false;
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		return stele_err_from_errno(errno);
	while ((e = readdir(d))) {
		if (is_ours(e->d_name))
			ours = true;
		else if (e->d_name[0] != '.' && strcmp(e->d_name, "lost+found") != 0)
			snprintf(foreign, sizeof foreign, "%s", e->d_name);
	}
	closedir(d);
	if (ours || !foreign[0])
		return 0;
	buf_printf(why,
		   "%s holds files that are not stele's (%s): give an empty directory, or one "
		   "that does not exist yet",
		   dir, foreign);
	return STELE_EINVAL;
}

static bool
is_born(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/stele.id", dir);
	return access(path, F_OK) == 0;
}

/*
 * The kernel lets a killed process's lock go some tenths of a second after the process was
 * reaped, by when a service manager has started the next one.
 */
static bool
take_lock(int fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	int rc = flock(fd, LOCK_EX | LOCK_NB);

	for (int i = 0; rc != 0 && errno == EWOULDBLOCK && i < LOCK_TRIES; i++) {
		nanosleep(&pause, NULL);
		rc = flock(fd, LOCK_EX | LOCK_NB);
	}
	return rc == 0;
}

int
place_lock(struct place *p, const char *dir, bool create, struct buf *why)
{
	char path[PATH_MAX];
	int err = 0;

	p->lock_fd = -1;
	if (create && mkdir(dir, 0700) == 0)
		err = file_sync_parent(dir);
	else if (create && errno != EEXIST)
		err = stele_err_from_errno(errno);
	if (err == 0)
		err = refuse_network(dir, why);
	if (err == 0 && create && !is_born(dir))
		err = refuse_foreign(dir, why);
	if (err == 0 && snprintf(path, sizeof path, "%s/LOCK", dir) >= (int)sizeof path)
		err = STELE_ELIMIT;
	if (err == 0) {
		p->lock_fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
		if (p->lock_fd < 0)
			err = stele_err_from_errno(errno);
	}
	if (err == 0 && !take_lock(p->lock_fd)) {
		err = errno == EWOULDBLOCK ? STELE_EBUSY : STELE_EIO;
		buf_printf(why, "%s is in use by another process: stop that one first", dir);
	}
	if (err != 0 && why->n == 0)
		buf_printf(why, "%s: cannot be opened as a data directory (%s)", dir,
			   err == STELE_ELIMIT ? stele_strerror(err) : strerror(errno));
	if (err != 0)
		place_unlock(p);
	return err;
}

void
place_unlock(struct place *p)
{
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	p->lock_fd = -1;
}

int
place_complete(const char *dir, struct buf *why)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/RESTORE.partial", dir) >= (int)sizeof path)
		return STELE_ELIMIT;
	if (access(path, F_OK) != 0)
		return errno == ENOENT ? 0 : stele_err_from_errno(errno);
	buf_printf(why,
		   "%s holds a restore that was not finished: run the same stele restore again, "
		   "which goes on",
		   dir);
	return STELE_EINVAL;
}

/* What tells a file from its copy. */
static int
identity_of(int fd, uint64_t *inode, int64_t *birth_ns)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &sx) != 0)
		return STELE_EIO;
	*inode = sx.stx_ino;
	*birth_ns = sx.stx_mask & STATX_BTIME
			    ? sx.stx_btime.tv_sec * 1000000000 + sx.stx_btime.tv_nsec
			    : 0;
	return 0;
}

static void
encode(uint8_t out[ID_BYTES], const struct place *p, uint64_t inode, int64_t birth_ns,
       struct sha256 *h)
{
	memset(out, 0, ID_BYTES);
	memcpy(out, magic, sizeof magic);
	le_put32(out + 8, ID_VERSION);
	le_put64(out + 16, p->incarnation);
	memcpy(out + 24, p->server_id, 16);
	le_put64(out + 40, inode);
	le_put64(out + 48, (uint64_t)birth_ns);
	le_put32(out + 56, p->demo);
	le_put32(out + 60, (uint32_t)strlen(p->server_name));
	memcpy(out + 64, p->server_name, strlen(p->server_name));
	sha256_hash(h, out + ID_HASHED, slice_of(out, ID_HASHED));
}

int
place_write(const struct place *p, const char *dir, struct sha256 *h)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	uint8_t bytes[ID_BYTES];
	uint64_t inode;
	int64_t birth;
	int fd, err;

	if (snprintf(path, sizeof path, "%s/stele.id", dir) >= (int)sizeof path ||
	    snprintf(tmp, sizeof tmp, "%s/stele.id.tmp", dir) >= (int)sizeof tmp)
		return STELE_ELIMIT;
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return stele_err_from_errno(errno);
	err = identity_of(fd, &inode, &birth);
	if (err == 0) {
		encode(bytes, p, inode, birth, h);
		err = file_pwrite(fd, bytes, sizeof bytes, 0);
	}
	if (err == 0 && fsync(fd) != 0)
		err = STELE_EIO;
	close(fd);
	if (err == 0 && rename(tmp, path) != 0)
		err = STELE_EIO;
	return err == 0 ? file_sync_dir(dir) : err;
}

static int
decode(struct place *p, const uint8_t b[ID_BYTES], uint64_t *inode, int64_t *birth,
       struct sha256 *h)
{
	uint8_t hash[32];
	uint32_t n = le_get32(b + 60);

	sha256_hash(h, hash, slice_of(b, ID_HASHED));
	if (memcmp(b, magic, sizeof magic) != 0 || memcmp(hash, b + ID_HASHED, 32) != 0)
		return STELE_EDAMAGED;
	if (le_get32(b + 8) != ID_VERSION || le_get32(b + 12) != 0)
		return STELE_EVERSION;
	if (n > LIMIT_SERVER_NAME_BYTES)
		return STELE_EDAMAGED;
	p->incarnation = le_get64(b + 16);
	memcpy(p->server_id, b + 24, 16);
	*inode = le_get64(b + 40);
	*birth = (int64_t)le_get64(b + 48);
	p->demo = le_get32(b + 56) != 0;
	memcpy(p->server_name, b + 64, n);
	p->server_name[n] = '\0';
	return 0;
}

int
place_read(struct place *p, const char *dir, bool moved, struct sha256 *h, struct buf *why)
{
	char path[PATH_MAX];
	uint8_t bytes[ID_BYTES];
	uint64_t inode = 0, inode_now = 0;
	int64_t birth = 0, birth_now = 0;
	int fd, err;

	if (snprintf(path, sizeof path, "%s/stele.id", dir) >= (int)sizeof path)
		return STELE_ELIMIT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return stele_err_from_errno(errno);
	err = file_pread(fd, bytes, sizeof bytes, 0);
	if (err == 0)
		err = identity_of(fd, &inode_now, &birth_now);
	close(fd);
	if (err == 0)
		err = decode(p, bytes, &inode, &birth, h);
	if (err != 0) {
		buf_printf(why, "%s: %s; restore it from a copy of this directory", path,
			   stele_strerror(err));
		return err;
	}
	if (inode == inode_now && birth == birth_now)
		return 0;
	if (moved)
		return place_write(p, dir, h);
	buf_printf(why,
		   "%s is not where it was written: this directory is a copy or was moved. Two "
		   "servers on one history would sign contradicting checkpoints. If it was moved "
		   "and the original is gone for good, start once with --moved",
		   path);
	return STELE_EMOVED;
}

void
place_make(struct place *p, const char *name)
{
	uint8_t r[4];

	random_bytes(&p->incarnation, sizeof p->incarnation);
	random_bytes(p->server_id, sizeof p->server_id);
	random_bytes(r, sizeof r);
	p->demo = name == NULL;
	if (name)
		snprintf(p->server_name, sizeof p->server_name, "%s", name);
	else
		snprintf(p->server_name, sizeof p->server_name, "demo-%02x%02x%02x%02x", r[0], r[1],
			 r[2], r[3]);
}

/*
 * Whether there is a catalogue, or a frame in WAL file 1: then records may have
 * been acknowledged. What cannot be looked at counts as there.
 */
static bool
has_records(const char *dir)
{
	char path[PATH_MAX];
	uint8_t head[8] = {0};
	int fd, err;

	snprintf(path, sizeof path, "%s/catalog.mdb", dir);
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return true;
	snprintf(path, sizeof path, "%s/wal/00000001.wal", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	err = file_pread(fd, head, sizeof head, FRAME_ALIGN);
	close(fd);
	return err == STELE_EIO || memcmp(head, "\0\0\0\0\0\0\0\0", 8) != 0;
}

static int
empty_folder(const char *dir, const char *name)
{
	char path[PATH_MAX], file[PATH_MAX + 300];
	struct dirent *e;
	int err = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : STELE_EIO;
	while (err == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%s/%s", path, e->d_name);
		if (unlink(file) != 0)
			err = STELE_EIO;
	}
	closedir(d);
	return err == 0 ? file_sync_dir(path) : err;
}

int
place_clear_unborn(const char *dir, struct buf *why)
{
	int err;

	if (has_records(dir)) {
		buf_printf(why,
			   "%s/stele.id is missing but the directory holds records: restore "
			   "stele.id from a copy",
			   dir);
		return STELE_EDAMAGED;
	}
	err = empty_folder(dir, "keys");
	return err == 0 ? empty_folder(dir, "wal") : err;
}
