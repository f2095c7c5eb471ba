/*
 * A payload coming in that is too large to hold: its bytes go from the socket
 * into one of two windows of memory while a worker thread writes the other one
 * (storage/deposit.h). While both are full nothing is read from the socket, so
 * memory is the same for a megabyte and for a hundred gigabytes.
 *
 * The upload belongs to the request that feeds it. A resumable one outlives
 * that request: it then waits in the server's table, without windows, for the
 * next one, until it is complete, cancelled, or too old. Nothing of it survives
 * the process: the next start removes what it has written.
 */
#ifndef STELE_SERVER_UPLOAD_H
#define STELE_SERVER_UPLOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "proto/limits.h"
#include "proto/slice.h"
#include "server/append_hold.h"
#include "server/wish.h"
#include "storage/object.h"

struct append;
struct deposit;
struct log;
struct loop;
struct request;
struct server;
struct upload_ending;

enum { UPLOAD_WINDOW_BYTES = LIMIT_OBJECT_CHUNK_BYTES };

/* What becomes of an upload when its request has its answer. */
enum upload_fate {
	UPLOAD_STAYS, /* resumable: it waits for its next request */
	UPLOAD_KEEP,  /* its record is committed */
	UPLOAD_DROP,  /* it is no record, or its payload went into the record itself */
	UPLOAD_LEAVE, /* whether its record is committed is not known: the next start finds out */
};

struct upload {
	/* fixed */
	struct server *server;
	struct log *log;
	char id[OBJECT_NAME_BYTES];
	char writer[LIMIT_WRITER_BYTES + 1]; /* the principal that began it */
	struct append_hold hold;             /* that its record is to be under */
	char type[LIMIT_MEDIA_TYPE_BYTES + 1];
	bool json; /* of its own type; it is stored as it comes, not validated */
	bool has_key, resumable;
	uint8_t key[16];
	struct wish wish; /* the lock that its record is to have */

	/* its owner's: the request, then its work, then the sweep */
	uint64_t length; /* as announced; UINT64_MAX: not yet */
	struct deposit *deposit;
	bool sealed;
	bool completes; /* this request brings the last byte */
	bool seals;     /* its last piece is being written */
	int err;        /* the first error of its work; then nothing more is written */
	struct loop *loop;
	struct request *r;              /* NULL: the connection is gone, or it waits */
	void (*next)(struct upload *u); /* when the work is done */
	bool busy;
	enum upload_fate fate;
	uint8_t *window[2];
	unsigned filling;       /* the window that the socket fills */
	size_t left_n;          /* bytes in it when the connection went */
	struct slice piece;     /* what the work writes */
	uint8_t *gathered;      /* the piece's memory, to be freed */
	uint64_t charged_bytes; /* taken from server->bodies */
	uv_work_t work;
	struct upload_ending *ending; /* memory for its last work, until that has begun */

	/* in the table, under its lock */
	struct upload *prev_upload, *next_upload;
	bool taken; /* it has an owner */
	bool done;  /* only its index is left, for a client that missed the answer */
	uint64_t index, size, idle_since_ms;
};

struct upload_table {
	pthread_mutex_t lock;
	struct upload *all;
	size_t n, max;
	uint64_t timeout_ms;
};

/* An empty table; a resumable upload may wait timeout_ms for its next request. */
void upload_table_init(struct upload_table *t, uint64_t timeout_ms);
/* After the loops have ended: drops what waits. */
void upload_table_fini(struct upload_table *t);

/*
 * Begins an upload for r, whose head a is; length is what it will have, or
 * UINT64_MAX. A resumable one is in the table from here on. NULL when there is
 * no memory for it, within its bounds: answered. Then http_accept_stream.
 */
struct upload *upload_begin(struct request *r, const struct append *a, bool resumable,
			    uint64_t length);

/*
 * Takes a waiting upload for r: 0 and *out; STELE_ENOTFOUND when there is none of that id,
 * log and principal; STELE_EBUSY while another request has it. It must be given
 * to upload_attach or upload_release.
 */
int upload_take(struct request *r, struct slice id, struct upload **out);
void upload_release(struct upload *u);

/* Removes a taken upload and its files. A worker's. */
void upload_cancel(struct upload *u);

/* r feeds a taken upload: false when there is no memory for it, then answered and released. */
bool upload_attach(struct request *r, struct upload *u);

/* Payload bytes that it has. Its owner's to ask. */
uint64_t upload_offset(const struct upload *u);

/* r->piece: a piece of the body is there. */
void upload_piece(struct request *r);

/* The body is complete: writes the rest, seals it when u->completes, then r->then(r). */
void upload_end(struct request *r);

/* True when what came is little enough to be a record of its own: its payload, until it settles. */
bool upload_is_small(const struct upload *u, struct slice *payload);

/* The request has its outcome, and is about to be answered; index as for UPLOAD_KEEP. */
void upload_settle(struct request *r, enum upload_fate fate, uint64_t index);

/* The request goes without an answer: its connection is closed. */
void upload_abandon(struct request *r);

/* On a loop's tick: drops what waits for too long. */
void upload_sweep(struct loop *l);

#endif
