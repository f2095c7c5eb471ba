/* The names are a row of states: each is one of those that may follow the one before. */
#include "verify/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/entry.h"
#include "proto/err.h"

enum { INDEX_DIGITS = 15 };

static const char *const part_names[PARTS] = {
	[PART_BAGIT] = "bagit.txt",
	[PART_BUNDLE] = "data/bundle.json",
	[PART_CUSTODY] = "data/custody.ndjson",
	[PART_CERTIFICATE] = "data/certificate.search",
	[PART_TIMESTAMPED] = ".checkpoint",
	[PART_HEADS] = ".ndjson",
	[PART_TIMESTAMP] = ".tsr",
	[PART_CHECKPOINT] = "checkpoint",
	[PART_KEYS] = "keys.txt",
	[PART_CONSISTENCY] = "consistency.ndjson",
	[PART_CONTROLS] = "controls.ndjson",
	[PART_PROOFS] = "proofs.ndjson",
	[PART_RECORDS] = "records.ndjson",
	[PART_CSV] = "records.csv",
	[PART_PAYLOADS] = "files",
	[PART_README] = "README.txt",
	[PART_CERTIFICATE_HTML] = "certificate.html",
	[PART_VERIFY_HTML] = "verify.html",
	[PART_BAG_INFO] = "bag-info.txt",
	[PART_MANIFEST] = "manifest-sha256.txt",
	[PART_TAG_MANIFEST] = "tagmanifest-sha256.txt",
	[PART_SIGNATURE] = "signature",
};

static const char timestamps[] = "data/timestamps/";

static bool
of_a_log(enum part p)
{
	return p >= PART_CHECKPOINT && p <= PART_PAYLOADS;
}

static bool
of_timestamps(enum part p)
{
	return p >= PART_TIMESTAMPED && p <= PART_TIMESTAMP;
}

/* What a path says beside its part. */
struct place_in {
	char log[LIMIT_LOG_NAME_BYTES + 1];
	uint64_t index;
	unsigned authority;
};

/* --- names --------------------------------------------------------------------------------- */

/* No folder has this name everywhere. */
static bool
is_awkward(const char *log)
{
	static const char *const devices[] = {"con", "prn", "aux", "nul"};
	size_t n = strcspn(log, ".");

	if (strcmp(log, "bundle.json") == 0 || strcmp(log, "custody.ndjson") == 0 ||
	    strcmp(log, "certificate.search") == 0 || strcmp(log, "timestamps") == 0 ||
	    log[strlen(log) - 1] == '.')
		return true;
	for (size_t i = 0; i < 4; i++)
		if (n == 3 && strncmp(log, devices[i], 3) == 0)
			return true;
	return n == 4 && (strncmp(log, "com", 3) == 0 || strncmp(log, "lpt", 3) == 0) &&
	       log[3] >= '0' && log[3] <= '9';
}

void
archive_folder(char out[LIMIT_LOG_NAME_BYTES + 3], const char *log)
{
	const char *tilde = is_awkward(log) ? "~" : "";

	snprintf(out, LIMIT_LOG_NAME_BYTES + 3, "%s%.*s%s", tilde, (int)LIMIT_LOG_NAME_BYTES, log,
		 tilde);
}

void
archive_path(const struct archive *a, size_t file, char path[FINDING_PATH_BYTES])
{
	const struct archive_file *x = &a->files[file];

	if (x->part == PART_TIMESTAMP)
		snprintf(path, FINDING_PATH_BYTES, "%s%0*llu-%u%s", timestamps, INDEX_DIGITS,
			 (unsigned long long)x->index, (unsigned)x->log, part_names[x->part]);
	else if (of_timestamps(x->part))
		snprintf(path, FINDING_PATH_BYTES, "%s%0*llu%s", timestamps, INDEX_DIGITS,
			 (unsigned long long)x->index, part_names[x->part]);
	else if (!of_a_log(x->part))
		snprintf(path, FINDING_PATH_BYTES, "%s", part_names[x->part]);
	else if (x->part == PART_PAYLOADS)
		snprintf(path, FINDING_PATH_BYTES, "data/%s/files/%0*llu.bin",
			 a->logs[x->log].folder, INDEX_DIGITS, (unsigned long long)x->index);
	else
		snprintf(path, FINDING_PATH_BYTES, "data/%s/%s", a->logs[x->log].folder,
			 part_names[x->part]);
}

/* --- the order ----------------------------------------------------------------------------- */

struct reading {
	struct archive *a;
	const char *why;
	enum part next; /* the first that may come */
};

static bool
optional(enum part p)
{
	return p == PART_CERTIFICATE || p == PART_TIMESTAMPED || p == PART_CONSISTENCY ||
	       p == PART_PAYLOADS;
}

/* Whether p may come now: what would be between is optional, or another log begins. */
static bool
may_come(const struct reading *r, enum part p)
{
	bool behind = r->a->n && r->a->files[r->a->n - 1].part == PART_TIMESTAMP;
	enum part at = r->next;

	if (p == PART_CHECKPOINT && at == PART_PAYLOADS)
		return true; /* the next log */
	if (behind && (p == PART_TIMESTAMP || p == PART_TIMESTAMPED))
		return true; /* one more of a checkpoint, or the next one */
	while (at < p && optional(at))
		at = at == PART_TIMESTAMPED ? PART_CHECKPOINT : at + 1;
	return at == p;
}

/* "data/FOLDER/": the log whose name that is, or none. */
static bool
take_folder(const char *path, char log[LIMIT_LOG_NAME_BYTES + 1], const char **rest)
{
	const char *slash = strchr(path, '/');
	char folder[LIMIT_LOG_NAME_BYTES + 3];
	size_t n = slash ? (size_t)(slash - path) : 0, skip = path[0] == '~';

	if (n <= 2 * skip || n - 2 * skip > LIMIT_LOG_NAME_BYTES)
		return false;
	memcpy(log, path + skip, n - 2 * skip);
	log[n - 2 * skip] = 0;
	if (!entry_log_name_valid(slice_str(log)))
		return false;
	archive_folder(folder, log);
	if (strlen(folder) != n || memcmp(folder, path, n) != 0)
		return false;
	*rest = slash + 1;
	return true;
}

static bool
take_digits(const char *name, uint64_t *index)
{
	*index = 0;
	for (int i = 0; i < INDEX_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		*index = *index * 10 + (uint64_t)(name[i] - '0');
	}
	return true;
}

static bool
take_index(const char *name, uint64_t *index)
{
	return take_digits(name, index) && strcmp(name + INDEX_DIGITS, ".bin") == 0;
}

/* What is under data/timestamps/: SIZE.checkpoint, SIZE.ndjson, SIZE-K.tsr. */
static enum part
timestamp_part(const char *name, struct place_in *in)
{
	const char *end = name + INDEX_DIGITS;

	if (!take_digits(name, &in->index) || in->index == 0)
		return PARTS;
	if (end[0] == '-' && end[1] >= '1' && end[1] <= '0' + (int)LIMIT_AUTHORITIES) {
		in->authority = (unsigned)(end[1] - '0');
		return strcmp(end + 2, part_names[PART_TIMESTAMP]) == 0 ? PART_TIMESTAMP : PARTS;
	}
	return strcmp(end, part_names[PART_TIMESTAMPED]) == 0 ? PART_TIMESTAMPED
	       : strcmp(end, part_names[PART_HEADS]) == 0     ? PART_HEADS
							      : PARTS;
}

/* Which part a path is; a log's is in in->log then. PARTS: none. */
static enum part
part_of(const char *path, struct place_in *in)
{
	const char *rest;

	for (enum part p = 0; p < PARTS; p++)
		if (!of_a_log(p) && !of_timestamps(p) && strcmp(path, part_names[p]) == 0)
			return p;
	if (strncmp(path, timestamps, sizeof timestamps - 1) == 0)
		return timestamp_part(path + sizeof timestamps - 1, in);
	if (strncmp(path, "data/", 5) != 0 || !take_folder(path + 5, in->log, &rest))
		return PARTS;
	if (strncmp(rest, "files/", 6) == 0)
		return take_index(rest + 6, &in->index) ? PART_PAYLOADS : PARTS;
	for (enum part p = PART_CHECKPOINT; p < PART_PAYLOADS; p++)
		if (strcmp(rest, part_names[p]) == 0)
			return p;
	return PARTS;
}

static int
grow(void **list, size_t n, size_t *cap, size_t element)
{
	size_t more = *cap ? 2 * *cap : 32;
	void *p;

	if (n < *cap)
		return 0;
	p = realloc(*list, more * element);
	if (!p)
		return STELE_ENOMEM;
	*list = p;
	*cap = more;
	return 0;
}

/* A log's checkpoint: its part of the table begins. */
static int
begin_log(struct reading *r, const char *name)
{
	struct archive *a = r->a;
	struct archive_log *l;
	int err;

	if (a->n_logs && strcmp(a->logs[a->n_logs - 1].name, name) >= 0) {
		r->why = "its logs are not in ascending order of their names";
		return STELE_EVERIFY;
	}
	err = grow((void **)&a->logs, a->n_logs, &a->cap_logs, sizeof *a->logs);
	if (err)
		return err;
	l = &a->logs[a->n_logs++];
	*l = (struct archive_log){.first = a->n};
	snprintf(l->name, sizeof l->name, "%s", name);
	archive_folder(l->folder, name);
	for (size_t i = 0; i <= PART_PAYLOADS; i++)
		l->part[i] = ARCHIVE_NONE;
	return 0;
}

/* A file under timestamps/: by sizes, and of one size by authorities. */
static int
add_timestamp(struct reading *r, enum part p, const struct place_in *in)
{
	struct archive *a = r->a;
	const struct archive_file *before = a->n ? &a->files[a->n - 1] : NULL;
	bool first = p == PART_TIMESTAMPED && a->n_timestamped == 0;

	if (p == PART_TIMESTAMPED && a->n_timestamped == LIMIT_TIMESTAMP_SIZES)
		r->why = "it has more than 16 checkpoints with timestamps";
	else if (!first && (p == PART_TIMESTAMPED ? before->index >= in->index
						  : before->index != in->index ||
							    (before->part == PART_TIMESTAMP &&
							     before->log >= in->authority)))
		r->why = "files of timestamps/ are not in order, or belong to no checkpoint there";
	if (r->why)
		return STELE_EVERIFY;
	if (p == PART_TIMESTAMPED)
		a->timestamped[a->n_timestamped++].first = a->n;
	else if (p == PART_TIMESTAMP)
		a->timestamped[a->n_timestamped - 1].n_timestamps++;
	return 0;
}

/* Puts a file that may come now into the table. */
static int
add(struct reading *r, const struct zip_file *z, enum part p, const struct place_in *in)
{
	struct archive *a = r->a;
	struct archive_log *l;
	int err = p == PART_CHECKPOINT ? begin_log(r, in->log) : 0;

	if (of_timestamps(p))
		err = add_timestamp(r, p, in);
	if (!err)
		err = grow((void **)&a->files, a->n, &a->cap, sizeof *a->files);
	if (err)
		return err;
	l = a->n_logs ? &a->logs[a->n_logs - 1] : NULL;
	if (of_a_log(p)) {
		if (strcmp(l->name, in->log) != 0 || (p == PART_PAYLOADS && l->n_payloads &&
						      a->files[a->n - 1].index >= in->index)) {
			r->why = "files of a log are not where they have to be, or not in order";
			return STELE_EVERIFY;
		}
		if (l->part[p] == ARCHIVE_NONE)
			l->part[p] = a->n;
		l->n_payloads += p == PART_PAYLOADS;
	} else if (!of_timestamps(p)) {
		a->part[p] = a->n;
	}
	a->files[a->n++] = (struct archive_file){
		.where = {z->at, z->packed, z->size, z->crc, z->method == ZIP_DEFLATED},
		.index = in->index,
		.log = of_timestamps(p) ? in->authority : (uint32_t)(a->n_logs - (a->n_logs > 0)),
		.part = (uint8_t)p,
	};
	r->next = p == PART_PAYLOADS ? p : p + 1;
	return 0;
}

/* The folder that all names begin with: stele-x-abcdefghij/. */
static bool
take_root(struct archive *a, const struct zip_file *z, const char **path)
{
	static const char prefix[] = "stele-";
	const char *id = z->name + sizeof prefix - 1;

	if (strlen(z->name) != z->n_name || strncmp(z->name, prefix, sizeof prefix - 1) != 0 ||
	    strncmp(id, "x-", 2) != 0 ||
	    strspn(id + 2, "abcdefghijklmnopqrstuvwxyz234567") != EXPORT_ID_CHARS - 2 ||
	    id[EXPORT_ID_CHARS] != '/')
		return false;
	if (!a->export[0])
		memcpy(a->export, id, EXPORT_ID_CHARS);
	*path = id + EXPORT_ID_CHARS + 1;
	return memcmp(a->export, id, EXPORT_ID_CHARS) == 0;
}

static int
read_file(struct reading *r, const struct zip_file *z)
{
	struct place_in in = {.index = 0};
	const char *path;
	enum part p;

	if (!take_root(r->a, z, &path)) {
		r->why = "a file is not in the one folder stele-EXPORT/ of the bundle";
		return STELE_EVERIFY;
	}
	p = part_of(path, &in);
	if (p == PARTS)
		r->why = "a file is none that evidence bundles have";
	else if (!may_come(r, p))
		r->why = "a file is missing before this one, or it is not in its place, or there "
			 "twice";
	return r->why ? STELE_EVERIFY : add(r, z, p, &in);
}

/* A name that may be anything, as one that can be shown. */
static void
put_plain(char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name[i] < 0x20 || name[i] > 0x7e)
			name[i] = '?';
	name[n] = 0;
}

int
archive_read(struct archive *a, struct findings *f)
{
	struct reading r = {.a = a};
	struct place where = {0, "", 0, FINDING_NOWHERE};
	struct zip_read z;
	struct zip_file file = {.n_name = 0};
	const char *wrong;
	int more = zip_read_open(&z, source_read, &a->source, a->source.bytes), err = more;

	for (enum part p = 0; p < PARTS; p++)
		a->part[p] = ARCHIVE_NONE;
	while (err == 0 && (more = zip_read_next(&z, &file)) > 0)
		err = read_file(&r, &file);
	if (err == 0)
		err = more;
	if (err == 0 && r.next != PARTS) {
		r.why = "files are missing at its end";
		err = STELE_EVERIFY;
	}
	if (err == STELE_EIO)
		return findings_stop(f, err, "the file cannot be read");
	if (err == STELE_ENOMEM)
		return findings_stop(f, err, "there is not enough memory");
	if (err == 0)
		return 0;
	put_plain(file.name, file.n_name);
	where.path = file.name;
	wrong = z.why ? z.why : r.why;
	findings_fail(f, CHECK_ARCHIVE, &where, "%s%s: ask for the original file", wrong,
		      strstr(wrong, "cut off") ? ""
					       : "; it was probably unpacked and packed again");
	return STELE_EVERIFY;
}

void
archive_fini(struct archive *a)
{
	source_close(&a->source);
	free(a->files);
	free(a->logs);
	*a = (struct archive){.n = 0};
}

/* --- reading one --------------------------------------------------------------------------- */

struct stream *
archive_stream(struct archive *a, size_t file, bool ahead, struct findings *f)
{
	struct stream *s = stream_open(&a->source, &a->files[file].where, ahead);

	if (!s)
		findings_stop(f, STELE_ENOMEM, "there is not enough memory, or no more threads");
	return s;
}

/* Why a stream ended early. */
static void
damaged(struct archive *a, size_t file, const struct stream *s, int err, struct findings *f)
{
	char path[FINDING_PATH_BYTES];
	struct place where = {file, path, 0, FINDING_NOWHERE};

	archive_path(a, file, path);
	if (err == STELE_EVERIFY)
		findings_fail(f, CHECK_ARCHIVE, &where, "%s: ask for the original file",
			      stream_why(s));
	else
		findings_stop(f, err,
			      err == STELE_EIO ? "the file cannot be read"
					       : "there is not enough memory");
}

void
archive_done(struct archive *a, size_t file, struct stream *s, struct findings *f)
{
	struct archive_file *x = &a->files[file];
	int err = stream_digest(s, x->digest);

	if (err)
		damaged(a, file, s, err, f);
	x->digested = err == 0;
	stream_close(s);
}

int
archive_load(struct archive *a, size_t file, size_t most, enum check check, struct buf *out,
	     struct findings *f)
{
	char path[FINDING_PATH_BYTES];
	struct place where = {file, path, 0, FINDING_NOWHERE};
	struct stream *s = archive_stream(a, file, false, f);
	struct slice piece;
	int err = 0;

	if (!s)
		return STELE_ENOMEM;
	archive_path(a, file, path);
	if (a->files[file].where.size > most) {
		findings_fail(f, check, &where, "it is larger than it can be: %zu bytes at most",
			      most);
		err = STELE_EVERIFY;
	}
	while (!err) {
		err = stream_next(s, &piece);
		if (err || piece.n == 0)
			break;
		buf_put_slice(out, piece);
		err = out->err;
	}
	archive_done(a, file, s, f);
	return err;
}
