/*
 * A library to preload: it records, in the order they took effect, every
 * operation of a program that changes files under one folder, and every flush.
 * replay.py makes from the record what a power loss could have left.
 *
 *   STELE_TRACE       the record to append to
 *   STELE_TRACE_ROOT  the folder, absolute and without symbolic links
 *
 * A change and its record happen under one lock, so records are in the order
 * of the changes. A flush is recorded when it returned, with the position the
 * record had when it was called: only what was there then is surely flushed.
 * Each record is one append to the file, so that a test client may add its own
 * marks ("this answer reached me"), which then stand after the flush that the
 * answer waited for.
 *
 * System calls are made directly: there is no next library to ask. What the
 * record cannot follow (stdio streams, shared writable mappings, unnamed
 * files) is written down as UNTRACKED, and replay.py refuses it unless told
 * that the file does not matter.
 */
#undef _FILE_OFFSET_BITS /* here both names of each call are ours */
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The same numbers stand in replay.py. */
enum op {
	OP_OPEN = 1,  /* ino path: an existing file, opened for writing */
	OP_CREATE,    /* ino path */
	OP_WRITE,     /* ino offset data; flags 1: durable when it returned */
	OP_TRUNCATE,  /* ino offset: the new size */
	OP_ALLOCATE,  /* ino offset: the size is at least this */
	OP_FLUSH,     /* ino covers */
	OP_FLUSH_DIR, /* path covers */
	OP_FLUSH_ALL, /* covers */
	OP_RENAME,    /* path path2 */
	OP_LINK,      /* path path2 */
	OP_UNLINK,    /* path */
	OP_MKDIR,     /* path */
	OP_RMDIR,     /* path */
	OP_MARK,      /* path: the text */
	OP_UNTRACKED, /* path */
};

enum { FLAG_DURABLE = 1 };

struct record {
	uint32_t op;
	uint32_t flags;
	uint32_t path_len;
	uint32_t path2_len;
	uint64_t ino;
	uint64_t offset;
	uint64_t data_len;
	uint64_t covers; /* position in the record */
};

/* An open file under the folder. */
struct tracked {
	bool used;
	bool is_dir;
	bool durable; /* O_DSYNC or O_SYNC */
	bool append;
	uint64_t ino;
	char path[256]; /* below the folder; of folders only */
};

static struct tracked files[4096];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace_fd = -1;
static char root[PATH_MAX];
static size_t root_len;

static void __attribute__((constructor)) recorder_start(void)
{
	const char *path = getenv("STELE_TRACE"), *folder = getenv("STELE_TRACE_ROOT");

	if (!path || !folder || strlen(folder) >= sizeof root)
		return;
	strcpy(root, folder);
	root_len = strlen(root);
	trace_fd = (int)syscall(SYS_openat, AT_FDCWD, path,
				O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Appends one record in one write. The trace's own failure ends the program: it would lie. */
static void
put(struct record r, const char *path, const char *path2, const struct iovec *data, int n_data)
{
	struct iovec v[4 + 64] = {{&r, sizeof r}};
	size_t left = r.data_len, total;
	int n = 1;

	r.path_len = path ? (uint32_t)strlen(path) : 0;
	r.path2_len = path2 ? (uint32_t)strlen(path2) : 0;
	total = sizeof r + r.path_len + r.path2_len + r.data_len;
	v[n++] = (struct iovec){(void *)(uintptr_t)path, r.path_len};
	v[n++] = (struct iovec){(void *)(uintptr_t)path2, r.path2_len};
	for (int i = 0; i < n_data && left; i++) {
		size_t take = data[i].iov_len < left ? data[i].iov_len : left;

		if (n == 4 + 64)
			abort();
		v[n++] = (struct iovec){data[i].iov_base, take};
		left -= take;
	}
	if (syscall(SYS_writev, trace_fd, v, n) != (long)total)
		abort();
}

/* Where the record ends now. */
static uint64_t
position(void)
{
	struct stat st;

	return fstat(trace_fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/*
 * The path below the folder of name as seen from dir, or false when it is
 * elsewhere. The folder itself is "".
 */
static bool
resolve(char out[PATH_MAX], int dir, const char *name)
{
	char full[PATH_MAX], link[64];
	ssize_t n = 0;

	if (trace_fd < 0 || !name)
		return false;
	if (name[0] != '/') {
		if (dir == AT_FDCWD) {
			if (!getcwd(full, sizeof full))
				return false;
			n = (ssize_t)strlen(full);
		} else {
			snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
			n = readlink(link, full, sizeof full - 1);
		}
		if (n <= 0)
			return false;
		full[n++] = '/';
	}
	if ((size_t)n + strlen(name) >= sizeof full)
		return false;
	strcpy(full + n, name);
	n = (ssize_t)strlen(full);
	while (n > 1 && full[n - 1] == '/')
		full[--n] = 0;
	if (strncmp(full, root, root_len) != 0 || (full[root_len] && full[root_len] != '/'))
		return false;
	strcpy(out, full[root_len] ? full + root_len + 1 : "");
	return true;
}

static struct tracked *
tracked_of(int fd)
{
	return fd >= 0 && fd < 4096 && files[fd].used ? &files[fd] : NULL;
}

static void
note_open(int fd, int flags, bool existed, const char *path)
{
	struct tracked *t = &files[fd];
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	struct stat st;

	if (fd >= 4096 || fstat(fd, &st) != 0)
		abort();
	*t = (struct tracked){.used = true, .ino = st.st_ino, .is_dir = S_ISDIR(st.st_mode)};
	t->durable = flags & O_DSYNC; /* O_SYNC contains it */
	t->append = flags & O_APPEND;
	if (strlen(path) >= sizeof t->path)
		abort();
	strcpy(t->path, path);
	if ((flags & O_TMPFILE) == O_TMPFILE)
		put((struct record){.op = OP_UNTRACKED}, path, NULL, NULL, 0);
	else if (!existed)
		put((struct record){.op = OP_CREATE, .ino = t->ino}, path, NULL, NULL, 0);
	else if (writes)
		put((struct record){.op = OP_OPEN, .ino = t->ino}, path, NULL, NULL, 0);
	if (existed && writes && flags & O_TRUNC)
		put((struct record){.op = OP_TRUNCATE, .ino = t->ino}, NULL, NULL, NULL, 0);
}

static int
do_open(int dir, const char *name, int flags, mode_t mode)
{
	char path[PATH_MAX];
	struct stat st;
	bool existed;
	int fd;

	if (!resolve(path, dir, name))
		return (int)syscall(SYS_openat, dir, name, flags, mode);
	pthread_mutex_lock(&lock);
	existed = fstatat(dir, name, &st, 0) == 0;
	fd = (int)syscall(SYS_openat, dir, name, flags, mode);
	if (fd >= 0)
		note_open(fd, flags, existed, path);
	pthread_mutex_unlock(&lock);
	return fd;
}

static mode_t
mode_of(int flags, va_list ap)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

/* The C library has each of these under several names. */
#define ALIAS(new_name, old_name)                                                                  \
	extern __typeof(old_name) new_name __attribute__((alias(#old_name)))

int
open(const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return do_open(AT_FDCWD, name, flags, mode);
}
ALIAS(open64, open);

int
openat(int dir, const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return do_open(dir, name, flags, mode);
}
ALIAS(openat64, openat);

int
creat(const char *name, mode_t mode)
{
	return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
ALIAS(creat64, creat);

int __open_2(const char *name, int flags);
int
__open_2(const char *name, int flags)
{
	return do_open(AT_FDCWD, name, flags, 0);
}
ALIAS(__open64_2, __open_2);

int __openat_2(int dir, const char *name, int flags);
int
__openat_2(int dir, const char *name, int flags)
{
	return do_open(dir, name, flags, 0);
}
ALIAS(__openat64_2, __openat_2);

int
close(int fd)
{
	int r;

	pthread_mutex_lock(&lock);
	if (tracked_of(fd))
		files[fd].used = false;
	r = (int)syscall(SYS_close, fd);
	pthread_mutex_unlock(&lock);
	return r;
}

int
dup3(int from, int to, int flags)
{
	int fd = (int)syscall(SYS_dup3, from, to, flags);

	if (fd >= 0 && fd < 4096 && from < 4096)
		files[fd] = files[from];
	return fd;
}

int
dup2(int from, int to)
{
	return from == to ? to : dup3(from, to, 0);
}

int
dup(int from)
{
	int fd = (int)syscall(SYS_dup, from);

	if (fd >= 0 && fd < 4096 && from < 4096)
		files[fd] = files[from];
	return fd;
}

/* --- writes ------------------------------------------------------------------ */

/* offset < 0: the file's own position. */
static ssize_t
do_writev(int fd, const struct iovec *v, int n_v, off_t offset)
{
	struct tracked *t = tracked_of(fd);
	struct record r = {.op = OP_WRITE};
	struct stat st;
	ssize_t n;

	if (!t)
		return offset < 0 ? syscall(SYS_writev, fd, v, n_v)
				  : syscall(SYS_pwritev, fd, v, n_v, offset, 0);
	pthread_mutex_lock(&lock);
	r.ino = t->ino;
	r.flags = t->durable ? FLAG_DURABLE : 0;
	if (t->append && fstat(fd, &st) == 0)
		r.offset = (uint64_t)st.st_size;
	else
		r.offset = (uint64_t)(offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset);
	n = offset < 0 ? syscall(SYS_writev, fd, v, n_v)
		       : syscall(SYS_pwritev, fd, v, n_v, offset, 0);
	if (n > 0) {
		r.data_len = (uint64_t)n;
		put(r, NULL, NULL, v, n_v);
	}
	pthread_mutex_unlock(&lock);
	return n;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	struct iovec v = {(void *)(uintptr_t)p, n};

	return tracked_of(fd) ? do_writev(fd, &v, 1, -1) : syscall(SYS_write, fd, p, n);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	return do_writev(fd, v, n, -1);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
	struct iovec v = {(void *)(uintptr_t)p, n};

	return do_writev(fd, &v, 1, offset);
}
ALIAS(pwrite64, pwrite);

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
	return do_writev(fd, v, n, offset);
}
ALIAS(pwritev64, pwritev);

/* One that changes an open file's size, or nothing when it is not ours. */
static int
sized(int fd, enum op op, uint64_t size, long result)
{
	struct tracked *t = tracked_of(fd);

	if (t && result == 0)
		put((struct record){.op = op, .ino = t->ino, .offset = size}, NULL, NULL, NULL, 0);
	pthread_mutex_unlock(&lock);
	return (int)result;
}

int
ftruncate(int fd, off_t size)
{
	pthread_mutex_lock(&lock);
	return sized(fd, OP_TRUNCATE, (uint64_t)size, syscall(SYS_ftruncate, fd, size));
}
ALIAS(ftruncate64, ftruncate);

int
fallocate(int fd, int mode, off_t offset, off_t n)
{
	uint64_t end = mode & FALLOC_FL_KEEP_SIZE ? 0 : (uint64_t)(offset + n);

	if (tracked_of(fd) && mode & ~FALLOC_FL_KEEP_SIZE)
		abort(); /* holes and shifts: nobody here makes them */
	pthread_mutex_lock(&lock);
	return sized(fd, OP_ALLOCATE, end, syscall(SYS_fallocate, fd, mode, offset, n));
}
ALIAS(fallocate64, fallocate);

int
posix_fallocate(int fd, off_t offset, off_t n)
{
	return fallocate(fd, 0, offset, n) == 0 ? 0 : errno;
}
ALIAS(posix_fallocate64, posix_fallocate);

/* --- flushes ------------------------------------------------------------------ */

static int
do_flush(int fd, long call)
{
	struct tracked *t = tracked_of(fd);
	struct record r = {.op = OP_FLUSH};
	long result;

	if (!t)
		return (int)syscall(call, fd);
	pthread_mutex_lock(&lock);
	r.covers = position();
	r.ino = t->ino;
	if (t->is_dir)
		r.op = OP_FLUSH_DIR;
	pthread_mutex_unlock(&lock);
	result = syscall(call, fd);
	pthread_mutex_lock(&lock);
	if (result == 0)
		put(r, t->is_dir ? t->path : NULL, NULL, NULL, 0);
	pthread_mutex_unlock(&lock);
	return (int)result;
}

int
fsync(int fd)
{
	return do_flush(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return do_flush(fd, SYS_fdatasync);
}

int
syncfs(int fd)
{
	struct record r = {.op = OP_FLUSH_ALL};
	long result;

	if (trace_fd >= 0)
		r.covers = position();
	result = syscall(SYS_syncfs, fd);
	if (trace_fd >= 0 && result == 0)
		put(r, NULL, NULL, NULL, 0);
	return (int)result;
}

/* --- names --------------------------------------------------------------------- */

/* Records a change of names that was made under the lock, and lets the lock go. */
static int
named(enum op op, const char *path, const char *path2, long result)
{
	if (result == 0 && path)
		put((struct record){.op = op}, path, path2, NULL, 0);
	pthread_mutex_unlock(&lock);
	return (int)result;
}

/* One that takes a name from here to there: both must be in the folder, or neither. */
static int
two_names(enum op op, int from_dir, const char *from, int to_dir, const char *to, long call,
	  unsigned flags)
{
	char path[PATH_MAX], path2[PATH_MAX];
	bool ours = resolve(path, from_dir, from);

	if (resolve(path2, to_dir, to) != ours)
		abort();
	pthread_mutex_lock(&lock);
	return named(op, ours ? path : NULL, path2,
		     syscall(call, from_dir, from, to_dir, to, flags));
}

int
renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return two_names(OP_RENAME, from_dir, from, to_dir, to, SYS_renameat2, flags);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return renameat2(from_dir, from, to_dir, to, 0);
}

int
rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	return two_names(OP_LINK, from_dir, from, to_dir, to, SYS_linkat, (unsigned)flags);
}

int
link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlinkat(int dir, const char *name, int flags)
{
	char path[PATH_MAX];
	bool ours = resolve(path, dir, name);

	pthread_mutex_lock(&lock);
	return named(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, ours ? path : NULL, NULL,
		     syscall(SYS_unlinkat, dir, name, flags));
}

int
unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int
rmdir(const char *name)
{
	return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int
mkdirat(int dir, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	bool ours = resolve(path, dir, name);

	pthread_mutex_lock(&lock);
	return named(OP_MKDIR, ours ? path : NULL, NULL, syscall(SYS_mkdirat, dir, name, mode));
}

int
mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}

/* --- what cannot be followed ---------------------------------------------------- */

FILE *
fopen(const char *name, const char *mode)
{
	FILE *(*next)(const char *, const char *) =
		(FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
	char path[PATH_MAX];

	if (strpbrk(mode, "wa+") && resolve(path, AT_FDCWD, name)) {
		pthread_mutex_lock(&lock);
		put((struct record){.op = OP_UNTRACKED}, path, NULL, NULL, 0);
		pthread_mutex_unlock(&lock);
	}
	return next(name, mode);
}
ALIAS(fopen64, fopen);

void *
mmap(void *p, size_t n, int prot, int flags, int fd, off_t offset)
{
	struct tracked *t = tracked_of(fd);

	if (t && flags & MAP_SHARED && prot & PROT_WRITE) {
		pthread_mutex_lock(&lock);
		put((struct record){.op = OP_UNTRACKED}, t->path, NULL, NULL, 0);
		pthread_mutex_unlock(&lock);
	}
	return (void *)syscall(SYS_mmap, p, n, prot, flags, fd, offset);
}
ALIAS(mmap64, mmap);
