/* Of a segment, before it is open: where its file is, its SHA-256, where its boxes belong. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/segseal.h"
#include "storage/toolbox.h"

enum { READ_BYTES = 256 << 10 };

void
segment_box_ad(uint8_t ad[SEGMENT_AD_BYTES], uint64_t log_id, uint64_t first, uint64_t count,
	       enum segment_box kind)
{
	le_put64(ad, log_id);
	le_put64(ad + 8, first);
	le_put64(ad + 16, count);
	le_put32(ad + 24, kind);
}

int
segment_path(char *out, const char *dir, const struct segment_facts *facts, const char *suffix)
{
	struct segment_name name = {facts->first, facts->count, facts->generation};
	char stem[SEGMENT_NAME_BYTES];

	segment_name_format(stem, &name);
	return snprintf(out, PATH_MAX, "%s/%s%s", dir, stem, suffix) < PATH_MAX ? 0 : STELE_ELIMIT;
}

static int
hash_fd(int fd, uint64_t bytes, struct toolbox *t, uint8_t hash[32])
{
	int err = 0;

	buf_reset(&t->plain);
	if (buf_reserve(&t->plain, READ_BYTES) != 0)
		return STELE_ENOMEM;
	sha256_begin(t->sha);
	for (uint64_t at = 0; err == 0 && at < bytes;) {
		size_t n = bytes - at < READ_BYTES ? (size_t)(bytes - at) : READ_BYTES;
		err = file_pread(fd, t->plain.p, n, at);
		if (err == 0)
			sha256_update(t->sha, slice_of(t->plain.p, n));
		at += n;
	}
	sha256_end(t->sha, hash);
	return err;
}

int
segment_hash_file(const char *path, uint64_t file_bytes, struct toolbox *t, uint8_t hash[32])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat sb;

	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fstat(fd, &sb) != 0)
		err = STELE_EIO;
	else if (!S_ISREG(sb.st_mode) || (uint64_t)sb.st_size != file_bytes)
		err = STELE_EDAMAGED;
	if (err == 0)
		err = hash_fd(fd, file_bytes, t, hash);
	close(fd);
	return err;
}
