/* Attributes are read by statx(2) and set by the ioctls of the file system. */
#include "storage/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/segcache.h"

enum { VERITY_BLOCK_BYTES = 4096 };

static unsigned
state_of(const char *path)
{
	struct statx sx;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &sx) != 0)
		return 0;
	return (sx.stx_attributes & STATX_ATTR_IMMUTABLE ? PROTECT_IMMUTABLE : 0) |
	       (sx.stx_attributes & STATX_ATTR_VERITY ? PROTECT_VERITY : 0);
}

static int
set_immutable(int fd, bool on)
{
	int flags, wanted;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return -1;
	wanted = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	return wanted == flags ? 0 : ioctl(fd, FS_IOC_SETFLAGS, &wanted);
}

/* Verity first: what is immutable cannot have it any more. */
static void
protect(const char *path)
{
	struct fsverity_enable_arg verity = {.version = 1,
					     .hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
					     .block_size = VERITY_BLOCK_BYTES};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	(void)ioctl(fd, FS_IOC_ENABLE_VERITY, &verity);
	(void)set_immutable(fd, true);
	close(fd);
}

unsigned
protect_segment(const char *dir, const struct segment_name *name, bool set)
{
	static const char *const suffixes[] = {".seg", ".manifest"};
	unsigned both = PROTECT_IMMUTABLE | PROTECT_VERITY;
	char id[SEGMENT_NAME_BYTES], path[4096 + SEGMENT_NAME_BYTES + 16];

	segment_name_format(id, name);
	for (int i = 0; i < 2; i++) {
		unsigned has;
		snprintf(path, sizeof path, "%s/%s%s", dir, id, suffixes[i]);
		has = state_of(path);
		if (set && !(has & PROTECT_IMMUTABLE)) {
			protect(path);
			has = state_of(path);
		}
		both &= has;
	}
	return both;
}

int
protect_clear(const char *path)
{
	int fd, err = 0;

	if (!(state_of(path) & PROTECT_IMMUTABLE))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return stele_err_from_errno(errno);
	if (set_immutable(fd, false) != 0)
		err = errno == EPERM ? STELE_EPERM : STELE_EIO;
	close(fd);
	return err;
}

int
protect_unlink(const char *path)
{
	int err = protect_clear(path);

	if (err == 0 && unlink(path) != 0 && errno != ENOENT)
		err = errno == EPERM ? STELE_EPERM : STELE_EIO;
	return err;
}

void
protect_all(struct store *st)
{
	unsigned long long n = 0, immutable = 0, verity = 0;

	for (size_t i = 0; i < st->n_logs; i++) {
		struct log *log = st->by_name[i];
		char dir[4096];
		if (segcache_dir(dir, sizeof dir, log) != 0)
			continue;
		for (size_t k = 0; k < log->sealed.n; k++) {
			struct sealed *s = &log->sealed.s[k];
			const struct segment_name name = {s->first, s->count, s->generation};
			s->protection = protect_segment(dir, &name, st->opts.protect);
			n++;
			immutable += (s->protection & PROTECT_IMMUTABLE) != 0;
			verity += (s->protection & PROTECT_VERITY) != 0;
		}
	}
	if (n && (st->opts.protect || immutable || verity))
		store_say(st, STORE_INFO,
			  "%llu sealed segments: %llu immutable, %llu with fs-verity; the others "
			  "have mode 0444 alone",
			  n, immutable, verity);
}
