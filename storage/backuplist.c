/* Both ways of the texts, and which paths there can be. */
#include "storage/backuplist.h"

#include <string.h>

#include "proto/entry.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/timestamp.h"

static int
digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
take_hex(struct lines *l, struct slice s, uint8_t hash[32])
{
	memset(hash, 0, 32);
	if (s.n != 64) {
		lines_fail(l);
		return;
	}
	for (int i = 0; i < 32; i++) {
		int hi = digit(s.p[2 * i]), lo = digit(s.p[2 * i + 1]);
		if (hi < 0 || lo < 0) {
			lines_fail(l);
			return;
		}
		hash[i] = (uint8_t)(hi << 4 | lo);
	}
}

static void
put_time(struct buf *out, const char *word, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_printf(out, "%s %.*s\n", word, TIMESTAMP_BYTES, text);
}

void
backup_note_put(struct buf *out, const struct backup_note *n)
{
	buf_put_str(out, "stele backup v1\n");
	buf_put_slice(out, n->server);
	buf_put_u8(out, '\n');
	put_time(out, "begun", n->begun_ns);
	put_time(out, "ended", n->ended_ns);
	buf_printf(out, "commit %llu\nfiles %llu\nlist ", (unsigned long long)n->commit,
		   (unsigned long long)n->files);
	buf_put_hex(out, n->list_hash, 32);
	buf_put_u8(out, '\n');
}

int
backup_note_parse(struct backup_note *n, struct slice text)
{
	struct slice version;
	struct lines l;

	lines_init(&l, text);
	version = lines_take_after(&l, "stele backup ");
	if (lines_err(&l) == 0 && !slice_eq_str(version, "v1"))
		return STELE_EVERSION;
	n->server = lines_take(&l);
	n->begun_ns = lines_take_time_after(&l, "begun ");
	n->ended_ns = lines_take_time_after(&l, "ended ");
	n->commit = lines_take_integer_after(&l, "commit ");
	n->files = lines_take_integer_after(&l, "files ");
	take_hex(&l, lines_take_after(&l, "list "), n->list_hash);
	return lines_end(&l);
}

void
backup_line_put(struct buf *out, const uint8_t hash[32], const char *path)
{
	buf_put_hex(out, hash, 32);
	buf_printf(out, "  %s\n", path);
}

/* The part of *path up to the next slash, taken off. */
static struct slice
take_part(struct slice *path)
{
	const uint8_t *slash = path->n ? memchr(path->p, '/', path->n) : NULL;
	size_t n = slash ? (size_t)(slash - path->p) : path->n;
	struct slice part = slice_of(path->p, n);

	*path = slash ? slice_of(slash + 1, path->n - n - 1) : slice_of(path->p + n, 0);
	return part;
}

static bool
is_file_name(struct slice s)
{
	if (s.n == 0 || s.n > 128 || s.p[0] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      c == '.' || c == '-' || c == '_'))
			return false;
	}
	return true;
}

static bool
is_path(struct slice path)
{
	struct slice rest = path, first = take_part(&rest);

	if (slice_eq_str(path, "stele.id") || slice_eq_str(path, "LOCK") ||
	    slice_eq_str(path, "catalog.mdb"))
		return true;
	if (slice_eq_str(first, "wal"))
		return is_file_name(rest);
	if (!slice_eq_str(first, "segments") && !slice_eq_str(first, "objects"))
		return false;
	return entry_log_name_valid(take_part(&rest)) && is_file_name(rest);
}

void
backup_line_take(struct lines *l, uint8_t hash[32], struct slice *path)
{
	struct slice line = lines_take(l);

	*path = slice_of("", 0);
	if (line.n <= 66 || line.p[64] != ' ' || line.p[65] != ' ' ||
	    !is_path(slice_of(line.p + 66, line.n - 66))) {
		lines_fail(l);
		return;
	}
	take_hex(l, slice_of(line.p, 64), hash);
	*path = slice_of(line.p + 66, line.n - 66);
}
