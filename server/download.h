/*
 * Bytes that lie on disk and may be many: read and verified piece by piece on workers, as the peer
 * takes them. The head goes out when the first piece is in; what fails later can only be said by a
 * connection that is cut short.
 */
#ifndef STELE_SERVER_DOWNLOAD_H
#define STELE_SERVER_DOWNLOAD_H

#include <stddef.h>
#include <stdint.h>

struct kit;
struct request;

/* What is read, and how. */
struct download_from {
	size_t piece_bytes;
	/* n bytes at `at` into out, on a worker: 0, or an error, which ends it. */
	int (*read)(void *source, uint64_t at, void *out, size_t n, struct kit *kit);
	/* Answers, on the loop, when it was the first piece that could not be read. */
	void (*failed)(struct request *r, int err);
	void (*free)(void *source);
};

/*
 * Answers with n bytes of the source from `from` on, behind a head that was begun (server/reply.h).
 * The source is its own from here on, also where nothing of it is sent: a HEAD, no bytes, no
 * memory. how outlives the request.
 */
void download_send(struct request *r, const struct download_from *how, void *source, uint64_t from,
		   uint64_t n);

#endif
