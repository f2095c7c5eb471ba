/* One allocation of everything a thread of work needs. */
#include "storage/toolbox.h"

#include <stdlib.h>

#include "storage/read.h"

struct toolbox *
toolbox_new(void)
{
	struct toolbox *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->sha = sha256_new();
	t->zip = compressor_new();
	if (!t->sha || !t->zip) {
		toolbox_free(t);
		return NULL;
	}
	random_stream_init(&t->random);
	return t;
}

void
toolbox_free(struct toolbox *t)
{
	if (!t)
		return;
	sha256_free(t->sha);
	compressor_free(t->zip);
	random_stream_fini(&t->random);
	buf_fini(&t->packed);
	buf_fini(&t->plain);
	buf_fini(&t->salts);
	buf_fini(&t->memo.meta);
	buf_fini(&t->memo.box);
	buf_fini(&t->memo.salts);
	buf_fini(&t->memo.payloads);
	buf_fini(&t->segment.column_bytes);
	buf_fini(&t->segment.box);
	buf_fini(&t->segment.joined);
	buf_fini(&t->segment.payloads);
	segtile_fini(&t->segment.columns);
	free(t);
}
