/*
 * HTTP/1.1 requests from bytes (RFC 9112), one at a time, without a socket.
 *
 *   http_room -> the caller reads bytes there -> http_fill -> http_step ...
 *   STEP_HEAD:  the head is complete; the caller decides, then http_accept
 *   STEP_READY: the body is complete; after the answer, http_next
 *   STEP_PIECE: only after http_accept_stream: a piece of a large body is there, see there
 *
 * llhttp parses the head; what it is lenient about is refused before or after
 * it: bare CR or LF, folded lines, any body length that two parsers could
 * read differently. Chunks are taken apart here, by the RFC's grammar alone. Slices of the head
 * point into the request's own buffer and live until http_next.
 */
#ifndef STELE_SERVER_HTTP_H
#define STELE_SERVER_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "server/problem.h"

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OTHER
};

/* Fields that the server reads. All but ACCEPT and PREFER may come once only. */
enum header {
	HEADER_HOST,
	HEADER_CONTENT_LENGTH,
	HEADER_CONTENT_TYPE,
	HEADER_CONTENT_ENCODING,
	HEADER_TRANSFER_ENCODING,
	HEADER_AUTHORIZATION,
	HEADER_ACCEPT,
	HEADER_PREFER,
	HEADER_EXPECT,
	HEADER_RANGE,
	HEADER_IF_RANGE,
	HEADER_IF_NONE_MATCH,
	HEADER_IDEMPOTENCY_KEY,
	HEADER_UPLOAD_COMPLETE,
	HEADER_UPLOAD_OFFSET,
	HEADER_UPLOAD_LENGTH,
	HEADER_COUNT
};

struct http_field {
	struct slice name, value;
};

enum http_step {
	STEP_MORE,  /* needs bytes: read into http_room */
	STEP_HEAD,  /* head complete: look, then http_accept or answer and close */
	STEP_READY, /* body complete: answer, then http_next */
	STEP_PIECE, /* the body is too large to gather: take what is there, give a window */
	STEP_BAD,   /* problem and detail say why: answer and close */
};

/* Bytes of one kind that all requests together may hold. */
struct http_budget {
	atomic_ullong used_bytes;
	uint64_t max_bytes;
};

struct http {
	enum http_step state;
	enum problem problem;
	const char *detail;
	struct arena *arena;        /* the caller's, for joined field values */
	struct http_budget *budget; /* the caller's */

	/* the head, once STEP_HEAD */
	enum method method;
	bool http_1_1, keep_alive, chunked, expect_continue;
	struct slice target, path, query;
	struct http_field fields[LIMIT_HTTP_HEADERS];
	size_t n_fields;
	struct slice known[HEADER_COUNT]; /* p NULL: absent */
	uint64_t length;                  /* of the body, unless chunked */

	/* the body, or the rest of one that came in pieces, once STEP_READY */
	struct slice body;

	/* inside */
	size_t line_n, scanned_n; /* start of the current line; bytes looked at for its end */
	size_t fields_n;          /* start of the first field line; 0 while unknown */
	size_t head_n;            /* bytes of the head; 0 while unknown */
	size_t used_n;            /* bytes of buf that belong to this message, once known */
	uint64_t max_body;
	enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_LAST } chunk; /* what comes next */
	uint64_t chunk_left; /* bytes of the current chunk's data */
	uint64_t raw_bytes;  /* of a chunked body, as it came */
	uint8_t *large;      /* the body when it is not in buf */
	size_t large_n, large_cap;
	uint64_t charged_bytes;  /* taken from budget */
	uint64_t max_stream;     /* of a body that may come in pieces; 0: it may not */
	bool streaming;          /* it does */
	uint64_t streamed_bytes; /* in pieces that were taken */
	uint8_t *window;         /* the caller's, where data goes while streaming */
	size_t window_n, window_cap;
	bool complete; /* llhttp has seen the end of the head */
	size_t n;      /* bytes in buf */
	uint8_t buf[LIMIT_HTTP_BUFFER_BYTES];
};

/* Prepares h for a connection's first request. */
void http_init(struct http *h, struct arena *arena, struct http_budget *budget);

/* Frees a large body; h is then as after http_init. */
void http_fini(struct http *h);

/* Where the next bytes go, and how many at most: 0 when nothing more is taken now. */
size_t http_room(struct http *h, uint8_t **p);

/* n bytes were put there. */
void http_fill(struct http *h, size_t n);

/* Goes as far as the bytes allow. Repeats its last answer until something changes. */
enum http_step http_step(struct http *h);

/* After STEP_HEAD: a body of at most max_bytes is wanted. Go on with http_step. */
void http_accept(struct http *h, uint64_t max_bytes);

/*
 * The same, for a body of at most max_bytes of which at most gather_bytes
 * (LIMIT_HTTP_BUFFER_BYTES at least) are gathered. A longer one comes in pieces: at each STEP_PIECE
 * the caller takes http_piece, then gives the memory where the next bytes go with http_window, and
 * goes on with http_step. At STEP_READY h->body is the last piece: the window's.
 */
void http_accept_stream(struct http *h, uint64_t gather_bytes, uint64_t max_bytes);

/*
 * At STEP_PIECE: the bytes of the body that came since the last one. *gathered
 * is the memory they lie in, the caller's to free from now on; NULL when they
 * lie in its own window.
 */
struct slice http_piece(struct http *h, uint8_t **gathered);

/* Then: where the next bytes go; cap is LIMIT_HTTP_BUFFER_BYTES at least. */
void http_window(struct http *h, uint8_t *p, size_t cap);

/*
 * Counts memory that a body takes once it is decoded against the same budget, until the body goes.
 * False: there is no room, and nothing is counted. Any thread that has the request.
 */
bool http_body_charge(struct http *h, uint64_t bytes);

/* After STEP_READY: forgets the request, keeps what came behind it. */
void http_next(struct http *h);

/* True when no byte of a next request is there. */
bool http_idle(const struct http *h);

/* True when the rest of the message is in hand already: an early answer may keep the connection. */
bool http_whole(const struct http *h);

/* A field by its lower-case name: *value and true, or false. The first, when repeated. */
bool http_field_find(const struct http *h, const char *name, struct slice *value);

#endif
