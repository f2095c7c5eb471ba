/*
 * A ring of pieces: the side that unpacks fills the one after the last that is full, the other side
 * takes the first. Without a thread of its own each piece is made when it is asked for.
 */
#include "verify/stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/err.h"

enum { PIECES = 4 };

struct stream {
	struct source *source;
	struct stream_file file;
	/* the side that unpacks */
	uint64_t taken, given; /* stored bytes read, plain ones made */
	uint32_t crc;
	bool over;
	struct unpack *unpack; /* NULL: stored */
	struct sha256 *sha;
	/* between the two */
	bool ahead, started;
	pthread_t thread;
	pthread_mutex_t mu;
	pthread_cond_t changed;
	bool stop;
	size_t full;            /* pieces that were filled, less those given back */
	size_t first;           /* the first of these */
	uint8_t *piece[PIECES]; /* STREAM_PIECE_BYTES each, and what unpacking takes */
	size_t n[PIECES];
	int err;         /* behind the full ones */
	const char *why; /* of err */
	/* the side that takes */
	const char *line_why; /* of an error of stream_line's own */
	bool lent;            /* the first full piece is being looked at */
	bool done;
	int failed;
	struct slice rest; /* of the piece, not yet given as lines */
	struct buf line;   /* one that began in an earlier piece */
	uint64_t number;
	uint8_t digest[32];
};

/* --- unpacking ----------------------------------------------------------------------------- */

static int
broken(struct stream *s, const char *why)
{
	s->why = why;
	return STELE_EVERIFY;
}

static int
copy_piece(struct stream *s, uint8_t *out, size_t *n)
{
	uint64_t left = s->file.packed - s->taken;
	int err;

	*n = left < STREAM_PIECE_BYTES ? (size_t)left : STREAM_PIECE_BYTES;
	err = source_read(s->source, s->file.at + s->taken, out, *n);
	s->taken += *n;
	s->over = s->taken == s->file.packed;
	return err;
}

/* One more piece; of no bytes when it is over and all of it held. */
static int
make_piece(struct stream *s, uint8_t *out, size_t *n)
{
	int err = 0;

	*n = 0;
	if (!s->over)
		err = s->unpack ? unpack_piece(s->unpack, out, n, &s->over, &s->why)
				: copy_piece(s, out, n);
	if (err)
		return err;
	s->given += *n;
	if (s->given > s->file.size)
		return broken(s, "it unpacks to more bytes than its header says");
	s->crc = libdeflate_crc32(s->crc, out, *n);
	sha256_update(s->sha, slice_of(out, *n));
	if (!s->over)
		return 0;
	if (s->given != s->file.size)
		return broken(s, "it unpacks to fewer bytes than its header says");
	if (s->crc != s->file.crc)
		return broken(s, "its CRC-32 is not the one in its header");
	return 0;
}

static void *
unpack(void *arg)
{
	struct stream *s = arg;
	size_t at = 0, n = 0;
	bool last;
	int err = 0;

	do {
		pthread_mutex_lock(&s->mu);
		while (s->full == PIECES && !s->stop)
			pthread_cond_wait(&s->changed, &s->mu);
		last = s->stop;
		pthread_mutex_unlock(&s->mu);
		if (last)
			break;
		err = make_piece(s, s->piece[at], &n);
		pthread_mutex_lock(&s->mu);
		s->n[at] = n;
		s->err = err;
		s->full++;
		last = err || n == 0;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->mu);
		at = (at + 1) % PIECES;
	} while (!last);
	return NULL;
}

/* --- the life of one ----------------------------------------------------------------------- */

static bool
set_up(struct stream *s)
{
	size_t pieces = s->ahead ? PIECES : 1;

	s->sha = sha256_new();
	if (!s->sha)
		return false;
	sha256_begin(s->sha);
	for (size_t i = 0; i < pieces; i++) {
		s->piece[i] = malloc(STREAM_PIECE_BYTES + UNPACK_SPARE_BYTES);
		if (!s->piece[i])
			return false;
	}
	if (s->file.deflated) {
		s->unpack = unpack_open(source_read, s->source, s->file.at, s->file.packed);
		if (!s->unpack)
			return false;
	}
	s->started = s->ahead && pthread_create(&s->thread, NULL, unpack, s) == 0;
	return !s->ahead || s->started;
}

struct stream *
stream_open(struct source *source, const struct stream_file *file, bool ahead)
{
	struct stream *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->source = source;
	s->file = *file;
	s->over = !file->deflated && file->packed == 0;
	/* what fits a piece needs no thread */
	s->ahead = ahead && file->size > STREAM_PIECE_BYTES;
	pthread_mutex_init(&s->mu, NULL);
	pthread_cond_init(&s->changed, NULL);
	buf_init(&s->line);
	if (set_up(s))
		return s;
	stream_close(s);
	return NULL;
}

void
stream_close(struct stream *s)
{
	if (!s)
		return;
	if (s->started) {
		pthread_mutex_lock(&s->mu);
		s->stop = true;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->mu);
		pthread_join(s->thread, NULL);
	}
	unpack_close(s->unpack);
	for (size_t i = 0; i < PIECES; i++)
		free(s->piece[i]);
	sha256_free(s->sha);
	buf_fini(&s->line);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mu);
	free(s);
}

/* --- taking -------------------------------------------------------------------------------- */

/* The first full piece; the one lent before goes back. */
static int
take_ahead(struct stream *s, struct slice *piece)
{
	int err = 0;

	pthread_mutex_lock(&s->mu);
	if (s->lent) {
		s->first = (s->first + 1) % PIECES;
		s->full--;
		pthread_cond_broadcast(&s->changed);
	}
	while (s->full == 0)
		pthread_cond_wait(&s->changed, &s->mu);
	s->lent = true;
	if (s->full == 1) /* an error comes behind all pieces */
		err = s->err;
	*piece = slice_of(s->piece[s->first], err ? 0 : s->n[s->first]);
	pthread_mutex_unlock(&s->mu);
	return err;
}

int
stream_next(struct stream *s, struct slice *piece)
{
	size_t n = 0;
	int err;

	*piece = slice_of("", 0);
	if (s->failed || s->done)
		return s->failed;
	if (s->ahead) {
		err = take_ahead(s, piece);
		n = piece->n;
	} else {
		err = make_piece(s, s->piece[0], &n);
		*piece = slice_of(s->piece[0], n);
	}
	s->failed = err;
	if (err)
		*piece = slice_of("", 0);
	if (!err && n == 0) {
		s->done = true;
		sha256_end(s->sha, s->digest);
	}
	return err;
}

const char *
stream_why(const struct stream *s)
{
	return s->line_why                  ? s->line_why
	       : s->failed == STELE_EVERIFY ? s->why
					    : "it cannot be read";
}

/* A line that goes on in the next piece. */
static int
gather(struct stream *s)
{
	if (s->line.n + s->rest.n > STREAM_LINE_BYTES) {
		s->line_why = "a line has more than 16 MiB";
		s->number++;
		return STELE_ELIMIT;
	}
	buf_put_slice(&s->line, s->rest);
	return s->line.err;
}

int
stream_line(struct stream *s, struct slice *line)
{
	buf_reset(&s->line);
	for (;;) {
		const uint8_t *lf = s->rest.n ? memchr(s->rest.p, '\n', s->rest.n) : NULL;
		struct slice head = slice_of(s->rest.p, lf ? (size_t)(lf - s->rest.p) : 0);
		int err;

		if (lf && s->line.n == 0)
			*line = head;
		if (lf && s->line.n) {
			buf_put_slice(&s->line, head);
			*line = buf_slice(&s->line);
		}
		if (lf) {
			s->rest = slice_of(lf + 1, s->rest.n - head.n - 1);
			s->number++;
			return s->line.err ? s->line.err : 1;
		}
		err = gather(s);
		if (!err)
			err = stream_next(s, &s->rest);
		if (err)
			return err;
		if (s->rest.n == 0 && s->line.n == 0)
			return 0;
		if (s->rest.n == 0) {
			s->line_why = "its last line has no newline";
			s->number++;
			return STELE_ESYNTAX;
		}
	}
}

uint64_t
stream_line_number(const struct stream *s)
{
	return s->number;
}

int
stream_digest(struct stream *s, uint8_t digest[32])
{
	struct slice piece;
	int err;

	do {
		err = stream_next(s, &piece);
	} while (!err && piece.n);
	if (!err)
		memcpy(digest, s->digest, sizeof s->digest);
	return err;
}
