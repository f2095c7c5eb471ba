/* Beside the output lies a .part with the plain bytes until all is done. */
#include "tools/export_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/age.h"
#include "crypto/sha256.h"
#include "proto/check.h"
#include "proto/hex.h"
#include "tools/api.h"
#include "tools/progress.h"

enum { PIECE_BYTES = 1 << 20, TRIES = 5, WAIT_S = 1, NAME_BYTES = 4200 };

struct getting {
	struct export_file *f;
	const char *sha256;
	uint64_t bytes; /* of the bundle */
	char output[4096], part[NAME_BYTES];
	int fd; /* of the part */
	uint64_t had;
	struct progress progress;
};

static int
cannot(const char *verb, const char *path)
{
	cli_say("cannot %s %s: %s", verb, path, strerror(errno));
	return CLI_USAGE;
}

/* --- what was said -------------------------------------------------------------------------------
 */

static void
name_piece(const char *output, bool split, uint64_t number, char name[NAME_BYTES])
{
	if (split)
		snprintf(name, NAME_BYTES, "%s.%03llu", output, (unsigned long long)number);
	else
		snprintf(name, NAME_BYTES, "%s", output);
}

/*
 * What is there already is kept: an earlier bundle of that name, or pieces of one, which with these
 * would make a file that nobody exported. One piece more than there can be is looked for, since a
 * longer row of an earlier time would go on behind this one.
 */
static int
nothing_there(const struct export_file *f, const char *output, uint64_t bytes)
{
	uint64_t split = f->split_bytes, n = split ? bytes / split + 2 : 1;
	char name[NAME_BYTES];
	struct stat st;

	/* what age adds: a header, and 16 bytes for each 64 KiB */
	if (split && f->recipients.n)
		n += (4096 + f->recipients.n * 256 + bytes / 4096) / split + 1;
	for (uint64_t i = 1; i <= n; i++) {
		name_piece(output, split > 0, i, name);
		if (lstat(name, &st) == 0) {
			cli_say("%s is there already: take it away, or name another with -o", name);
			return CLI_USAGE;
		}
		if (errno != ENOENT)
			return cannot("write", name);
	}
	return CLI_GO;
}

int
export_file_check(const struct export_file *f, const struct cli_command *self)
{
	uint8_t key[AGE_RECIPIENT_BYTES];

	for (size_t i = 0; i < f->recipients.n; i++)
		if (age_recipient_read(key, slice_str(f->recipients.text[i])) != 0)
			return cli_usage(self,
					 "--encrypt-to takes a recipient as age-keygen prints it: "
					 "age1 and 58 characters; this is none: %.80s",
					 f->recipients.text[i]);
	if (f->split_bytes && f->split_bytes < 1024)
		return cli_usage(self, "--split takes a size from 1K on");
	if (f->output && (strcmp(f->output, "-") == 0 || strlen(f->output) >= 4000))
		return cli_usage(self, "-o takes the name of a file");
	return f->output ? nothing_there(f, f->output, 0) : CLI_GO;
}

static int
read_recipients(const struct export_file *f, uint8_t (**out)[AGE_RECIPIENT_BYTES])
{
	uint8_t(*keys)[AGE_RECIPIENT_BYTES] = calloc(f->recipients.n + 1, sizeof *keys);

	CHECK(keys);
	for (size_t i = 0; i < f->recipients.n; i++)
		CHECK(age_recipient_read(keys[i], slice_str(f->recipients.text[i])) == 0);
	*out = keys;
	return CLI_GO;
}

/* --- download ------------------------------------------------------------------------------------
 */

static void
show(struct http_call *c)
{
	struct getting *g = c->owner;
	char note[64];

	snprintf(note, sizeof note, "of %.1f MB", (double)g->bytes / 1e6);
	progress_show(&g->progress, 0, g->had + c->moved_bytes, note);
}

/* What an earlier run left counts, when it was of the same bundle. */
static int
open_part(struct getting *g)
{
	struct stat st;

	snprintf(g->part, sizeof g->part, "%s.%.8s.part", g->output, g->sha256);
	g->fd = open(g->part, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		     0600);
	if (g->fd < 0 || fstat(g->fd, &st) != 0)
		return cannot("write", g->part);
	if (!S_ISREG(st.st_mode)) {
		cli_say("%s is no file: take it away", g->part);
		return CLI_USAGE;
	}
	g->had = (uint64_t)st.st_size;
	if (g->had > g->bytes) {
		g->had = 0;
		if (ftruncate(g->fd, 0) != 0)
			return cannot("write", g->part);
	}
	return CLI_GO;
}

/* Some more of it. CLI_UNREACHABLE: it broke off, and may go on. */
static int
get_some(struct getting *g, const char *target)
{
	char range[64], match[96];
	const char *const headers[] = {range, match, NULL};
	struct http_call c;
	int rc;

	snprintf(range, sizeof range, "Range: bytes=%llu-", (unsigned long long)g->had);
	snprintf(match, sizeof match, "If-Range: \"%s\"", g->sha256);
	http_call_init(&c);
	c.method = "GET";
	c.target = target;
	c.headers = headers;
	c.answer_fd = g->fd;
	c.answer_status = 206;
	c.moved = show;
	c.owner = g;
	transport_call(g->f->cli->transport, &c);
	g->had += c.moved_bytes;
	if (c.io_errno) {
		errno = c.io_errno;
		rc = cannot("write", g->part);
	} else if (c.status == 0) {
		rc = CLI_UNREACHABLE;
	} else if (c.status == 206) {
		rc = CLI_GO;
	} else if (http_call_good(&c)) {
		cli_say("cannot download the bundle: the server has another one by now; ask again");
		rc = CLI_REFUSED;
	} else {
		rc = api_refused(g->f->cli, &c, "download the bundle");
	}
	http_call_fini(&c);
	return rc;
}

static int
download(struct getting *g, const char *id)
{
	struct buf target;
	unsigned tries = 0;
	int rc = CLI_GO;

	buf_init(&target);
	api_put_target(&target, "/api/v1/exports", id, "/bundle");
	progress_init(&g->progress);
	while (g->had < g->bytes && (rc == CLI_GO || rc == CLI_UNREACHABLE) && tries < TRIES) {
		uint64_t before = g->had;
		rc = get_some(g, api_cstr(&target));
		tries = g->had > before ? 0 : tries + 1;
		if (rc == CLI_UNREACHABLE && tries < TRIES)
			sleep(WAIT_S);
	}
	progress_clear(&g->progress);
	buf_fini(&target);
	if (g->had == g->bytes)
		return CLI_GO;
	if (rc == CLI_GO || rc == CLI_UNREACHABLE) {
		cli_say("the bundle broke off after %llu of %llu bytes; the same command goes on from "
			"there: stele export get %s",
			(unsigned long long)g->had, (unsigned long long)g->bytes, id);
		rc = CLI_UNREACHABLE;
	}
	return rc;
}

/* --- what came is what the server signed for
 * ---------------------------------------------------------- */

static int
check_digest(struct getting *g)
{
	uint8_t *piece = malloc(PIECE_BYTES), hash[SHA256_BYTES];
	struct sha256 *h = sha256_new();
	char hex[2 * SHA256_BYTES + 1];
	ssize_t n = 0;

	CHECK(piece && h);
	sha256_begin(h);
	for (off_t at = 0; (n = pread(g->fd, piece, PIECE_BYTES, at)) > 0; at += n)
		sha256_update(h, slice_of(piece, (size_t)n));
	sha256_end(h, hash);
	hex_format(hex, hash, sizeof hash);
	free(piece);
	sha256_free(h);
	if (n < 0)
		return cannot("read", g->part);
	if (strcmp(hex, g->sha256) == 0)
		return CLI_GO;
	(void)unlink(g->part);
	cli_say("what came is not the bundle: its SHA-256 is %s, the server's says %s. Nothing was "
		"kept; ask again",
		hex, g->sha256);
	return CLI_REFUSED;
}

/* --- pieces --------------------------------------------------------------------------------------
 */

struct pieces {
	const struct getting *g;
	json_t *names;
	int fd;
	uint64_t left; /* of the piece under way */
};

static int
close_piece(struct pieces *p)
{
	int rc = p->fd >= 0 && fsync(p->fd) != 0 ? cannot("write", p->g->output) : CLI_GO;

	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	return rc;
}

static int
next_piece(struct pieces *p)
{
	uint64_t split = p->g->f->split_bytes;
	size_t number = json_array_size(p->names) + 1;
	char name[NAME_BYTES];
	int rc = close_piece(p);

	if (rc != CLI_GO)
		return rc;
	name_piece(p->g->output, split > 0, number, name);
	p->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (p->fd < 0)
		return cannot("write", name);
	json_array_append_new(p->names, json_string(name));
	p->left = split ? split : UINT64_MAX;
	return CLI_GO;
}

static int
put(struct pieces *p, struct slice bytes)
{
	int rc = CLI_GO;

	while (rc == CLI_GO && bytes.n) {
		size_t n = bytes.n < p->left ? bytes.n : (size_t)p->left;
		ssize_t wrote;
		if (p->fd < 0 || p->left == 0) {
			rc = next_piece(p);
			continue;
		}
		wrote = write(p->fd, bytes.p, n);
		if (wrote < 0)
			return cannot("write", p->g->output);
		p->left -= (uint64_t)wrote;
		bytes = slice_of(bytes.p + wrote, bytes.n - (size_t)wrote);
	}
	return rc;
}

/* The part's bytes, through age where that is wanted. */
static int
put_all(struct pieces *p, struct age_writer *age, struct buf *box)
{
	uint8_t *piece = malloc(PIECE_BYTES);
	ssize_t n = 0;
	int rc = CLI_GO;

	CHECK(piece);
	for (off_t at = 0; rc == CLI_GO && (n = pread(p->g->fd, piece, PIECE_BYTES, at)) > 0;
	     at += n) {
		struct slice bytes = slice_of(piece, (size_t)n);
		if (age) {
			age_writer_put(age, bytes, box);
			bytes = buf_slice(box);
		}
		rc = put(p, bytes);
		buf_reset(box);
	}
	free(piece);
	if (rc == CLI_GO && n < 0)
		rc = cannot("read", p->g->part);
	if (rc == CLI_GO && age) {
		age_writer_end(age, box);
		rc = put(p, buf_slice(box));
	}
	return rc;
}

/* Nothing half-written stays. */
static void
drop_pieces(const json_t *names)
{
	const json_t *v;
	size_t i;

	json_array_foreach(names, i, v)
	{
		(void)unlink(json_string_value(v));
	}
}

static int
transform(struct getting *g, json_t *names)
{
	const struct export_file *f = g->f;
	struct pieces p = {.g = g, .names = names, .fd = -1};
	uint8_t(*keys)[AGE_RECIPIENT_BYTES] = NULL;
	struct age_writer *age = NULL;
	struct buf box;
	int rc = read_recipients(f, &keys);

	buf_init(&box);
	if (f->recipients.n && age_writer_new(&age, (const uint8_t(*)[AGE_RECIPIENT_BYTES])keys,
					      f->recipients.n, &box) != 0) {
		cli_say("cannot encrypt: one of the recipients is a key that nobody can have");
		rc = CLI_USAGE;
	}
	if (rc == CLI_GO && box.n)
		rc = put(&p, buf_slice(&box));
	buf_reset(&box);
	if (rc == CLI_GO)
		rc = put_all(&p, age, &box);
	if (rc == CLI_GO)
		rc = close_piece(&p);
	if (p.fd >= 0)
		close(p.fd);
	if (rc != CLI_GO)
		drop_pieces(names);
	else if (unlink(g->part) != 0)
		rc = cannot("remove", g->part);
	age_writer_free(age);
	free(keys);
	buf_fini(&box);
	return rc;
}

/* --- all
 * ------------------------------------------------------------------------------------------ */

static int
name_output(struct getting *g, const char *id)
{
	const struct export_file *f = g->f;

	if (f->output)
		snprintf(g->output, sizeof g->output, "%s", f->output);
	else
		snprintf(g->output, sizeof g->output, "stele-%s.zip%s", id,
			 f->recipients.n ? ".age" : "");
	if (!f->split_bytes || g->bytes / f->split_bytes < EXPORT_FILE_PIECES - 1)
		return CLI_GO;
	cli_say("--split would make more than %d pieces of %llu bytes: take larger ones",
		EXPORT_FILE_PIECES, (unsigned long long)g->bytes);
	return CLI_USAGE;
}

/* One plain file: the part gets its name. */
static int
keep(struct getting *g, json_t *names)
{
	mode_t masked = umask(077);

	umask(masked);
	if (fchmod(g->fd, 0666 & ~masked) != 0 || fsync(g->fd) != 0 ||
	    rename(g->part, g->output) != 0)
		return cannot("write", g->output);
	json_array_append_new(names, json_string(g->output));
	return CLI_GO;
}

int
export_file_get(struct export_file *f, const json_t *shown, json_t **names)
{
	struct getting g = {.f = f,
			    .sha256 = api_text(shown, "sha256"),
			    .bytes = (uint64_t)api_number(shown, "bytes"),
			    .fd = -1};
	int rc = name_output(&g, api_text(shown, "id"));

	*names = json_array();
	if (rc == CLI_GO)
		rc = nothing_there(f, g.output, g.bytes);
	if (rc == CLI_GO)
		rc = open_part(&g);
	if (rc == CLI_GO)
		rc = download(&g, api_text(shown, "id"));
	if (rc == CLI_GO)
		rc = check_digest(&g);
	if (rc == CLI_GO)
		rc = f->recipients.n || f->split_bytes ? transform(&g, *names) : keep(&g, *names);
	if (g.fd >= 0 && rc != CLI_GO && g.had == 0)
		(void)unlink(g.part); /* empty */
	if (g.fd >= 0)
		close(g.fd);
	return rc;
}
