/* The payload of a record that lies in a file of its own, verified chunk by chunk. */
#include "server/download.h"
#include "server/kit.h"
#include "server/reply.h"
#include "server/resources.h"
#include "storage/object.h"

static int
read_object(void *source, uint64_t at, void *out, size_t n, struct kit *kit)
{
	return object_read(source, at, out, n, kit->tools);
}

static void
close_object(void *source)
{
	object_close(source);
}

void
res_object_send(struct request *r, struct object *o, uint64_t from, uint64_t n)
{
	static const struct download_from how = {
		.piece_bytes = 2 * LIMIT_OBJECT_CHUNK_BYTES,
		.read = read_object,
		.failed = reply_err,
		.free = close_object,
	};

	download_send(r, &how, o, from, n);
}
