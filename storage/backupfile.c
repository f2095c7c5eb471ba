/* One way to copy, one way to check, one list. */
#include "storage/backupfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/backuplist.h"
#include "storage/file.h"

static int
fail(struct backup_files *b, const char *path, int err)
{
	if (b->why.n == 0)
		buf_printf(&b->why, "%s: %s", path, stele_strerror(err));
	return err;
}

static int
path_of(const struct backup_files *b, const char *rel, const char *suffix, char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%s%s", b->dir, rel, suffix) < PATH_MAX ? 0
										  : STELE_ELIMIT;
}

static void
list(struct backup_files *b, const uint8_t hash[32], const char *rel)
{
	backup_line_put(&b->list, hash, rel);
	b->files++;
}

/* The file's hash, from the disk unless the kernel keeps its pages all the same. */
static int
hash_file(struct backup_files *b, const char *path, uint8_t hash[32])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	uint64_t at = 0;
	struct stat sb;

	if (fd < 0)
		return stele_err_from_errno(errno);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (fstat(fd, &sb) != 0)
		err = STELE_EIO;
	sha256_begin(b->sha);
	while (err == 0 && at < (uint64_t)sb.st_size) {
		uint64_t left = (uint64_t)sb.st_size - at;
		size_t n = left < BACKUP_WINDOW_BYTES ? (size_t)left : BACKUP_WINDOW_BYTES;
		err = atomic_load(b->stop) ? STELE_ECLOSED : file_pread(fd, b->window, n, at);
		if (err == 0)
			sha256_update(b->sha, slice_of(b->window, n));
		at += n;
	}
	sha256_end(b->sha, hash);
	close(fd);
	return err;
}

/* Bytes [0, n) of in to out, and out as long as in; *hash is of all that out then holds. */
static int
copy_fd(struct backup_files *b, int in, int out, uint64_t size, uint64_t n, uint8_t hash[32])
{
	int err = ftruncate(out, (off_t)size) == 0 ? 0 : stele_err_from_errno(errno);

	sha256_begin(b->sha);
	for (uint64_t at = 0; err == 0 && at < size;) {
		uint64_t end = at < n ? n : size;
		size_t k =
			end - at < BACKUP_WINDOW_BYTES ? (size_t)(end - at) : BACKUP_WINDOW_BYTES;
		if (atomic_load(b->stop)) {
			err = STELE_ECLOSED;
		} else if (at < n) {
			err = file_pread(in, b->window, k, at);
			if (err == 0)
				err = file_pwrite(out, b->window, k, at);
		} else {
			memset(b->window, 0, k); /* a hole, as ftruncate left it */
		}
		if (err == 0)
			sha256_update(b->sha, slice_of(b->window, k));
		at += k;
		atomic_fetch_add(&b->bytes, k);
		if (b->step)
			b->step(b->step_ctx);
	}
	sha256_end(b->sha, hash);
	return err == 0 && fsync(out) != 0 ? STELE_EIO : err;
}

static int
copy(struct backup_files *b, const char *source, const char *tmp, uint64_t n, uint8_t hash[32])
{
	int in = open(source, O_RDONLY | O_CLOEXEC), out = -1, err = 0;
	struct stat sb;

	if (in < 0)
		return fail(b, source, stele_err_from_errno(errno));
	out = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0 || fstat(in, &sb) != 0)
		err = fail(b, tmp, stele_err_from_errno(errno));
	if (err == 0 && n > (uint64_t)sb.st_size)
		n = (uint64_t)sb.st_size;
	if (err == 0)
		err = copy_fd(b, in, out, (uint64_t)sb.st_size, n, hash);
	if (err == 0 && fchmod(out, sb.st_mode & 0777) != 0)
		err = STELE_EIO;
	if (out >= 0)
		close(out);
	close(in);
	return err;
}

/* tmp, which should have this hash and does, takes its name. */
static int
settle(struct backup_files *b, const char *tmp, const char *path, const char *rel,
       const uint8_t hash[32])
{
	uint8_t again[32];
	int err = hash_file(b, tmp, again);

	if (err == 0 && memcmp(hash, again, 32) != 0)
		err = STELE_EDAMAGED;
	if (err == 0 && rename(tmp, path) != 0)
		err = stele_err_from_errno(errno);
	if (err == 0)
		err = file_sync_parent(path);
	if (err != 0)
		return fail(b, path, err);
	list(b, hash, rel);
	return 0;
}

/* Whether the file is there as it should be. */
static bool
is_there(struct backup_files *b, const char *path, const uint8_t want[32])
{
	uint8_t hash[32];

	return hash_file(b, path, hash) == 0 && memcmp(hash, want, 32) == 0;
}

int
backup_file(struct backup_files *b, const char *source, const char *rel, uint64_t n,
	    const uint8_t want[32])
{
	char path[PATH_MAX], tmp[PATH_MAX];
	uint8_t hash[32];
	struct stat sb;
	int err = path_of(b, rel, "", path);

	if (err == 0)
		err = path_of(b, rel, ".tmp", tmp);
	if (err == 0 && unlink(tmp) != 0 && errno != ENOENT)
		err = stele_err_from_errno(errno);
	if (err != 0)
		return fail(b, path, err);
	if (want && is_there(b, path, want)) {
		b->kept++;
		list(b, want, rel);
		if (stat(path, &sb) == 0)
			atomic_fetch_add(&b->bytes, (uint64_t)sb.st_size);
		return 0;
	}
	if (want && !b->copies && n == UINT64_MAX && link(source, tmp) == 0) {
		if (stat(tmp, &sb) == 0)
			atomic_fetch_add(&b->bytes, (uint64_t)sb.st_size);
		return settle(b, tmp, path, rel, want);
	}
	err = copy(b, source, tmp, n, hash);
	if (err != 0)
		return fail(b, tmp, err);
	return settle(b, tmp, path, rel, want ? want : hash);
}

int
backup_hash(struct backup_files *b, const char *path, uint8_t hash[32])
{
	int err = hash_file(b, path, hash);

	return err == 0 ? 0 : fail(b, path, err);
}

int
backup_bytes(struct backup_files *b, struct slice bytes, const char *rel)
{
	char path[PATH_MAX];
	int err = path_of(b, rel, "", path);

	if (err == 0)
		err = file_replace(path, bytes.p, bytes.n, 0600);
	return err == 0 ? backup_listed(b, rel) : fail(b, path, err);
}

int
backup_listed(struct backup_files *b, const char *rel)
{
	char path[PATH_MAX];
	uint8_t hash[32];
	int err = path_of(b, rel, "", path);

	if (err == 0)
		err = hash_file(b, path, hash);
	if (err != 0)
		return fail(b, path, err);
	list(b, hash, rel);
	return 0;
}

int
backup_folder(struct backup_files *b, const char *rel)
{
	char path[PATH_MAX];
	int err = path_of(b, rel, "", path);

	if (err == 0 && mkdir(path, 0700) != 0)
		err = errno == EEXIST ? 0 : stele_err_from_errno(errno);
	if (err == 0)
		err = file_sync_parent(path);
	return err == 0 ? 0 : fail(b, path, err);
}

/* Whether "  REL/NAME\n" is in the list. */
static bool
is_listed(const struct backup_files *b, const char *rel, const char *name)
{
	char line[PATH_MAX + 300];
	int n = snprintf(line, sizeof line, "  %s/%s\n", rel, name);

	return memmem(b->list.p, b->list.n, line, (size_t)n) != NULL;
}

int
backup_prune(struct backup_files *b, const char *rel)
{
	char path[PATH_MAX], file[PATH_MAX + 300];
	struct dirent *e;
	int err = path_of(b, rel, "", path);
	DIR *d;

	if (err != 0)
		return err;
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : fail(b, path, STELE_EIO);
	while (err == 0 && (e = readdir(d))) {
		struct stat sb;
		snprintf(file, sizeof file, "%s/%s", path, e->d_name);
		if (lstat(file, &sb) != 0 || S_ISDIR(sb.st_mode) || is_listed(b, rel, e->d_name))
			continue;
		if (unlink(file) != 0)
			err = STELE_EIO;
	}
	closedir(d);
	if (err == 0)
		err = file_sync_dir(path);
	return err == 0 ? 0 : fail(b, path, err);
}
