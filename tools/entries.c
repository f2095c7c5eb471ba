/* Nothing is verified here: what is compared with these entries has hashes of its own. */
#include "tools/entries.h"

#include <stdio.h>
#include <string.h>

#include "proto/checkpoint.h"
#include "proto/note.h"
#include "proto/tilepath.h"
#include "tools/api.h"

int
entries_init(struct entries *e, struct cli *cli, const char *log)
{
	struct http_call c;
	struct buf target;
	struct checkpoint head;
	struct note note;
	int rc;

	memset(e, 0, sizeof *e);
	e->cli = cli;
	e->log = log;
	for (unsigned i = 0; i < ENTRIES_BUNDLES; i++)
		buf_init(&e->bundle[i].bytes);
	buf_init(&target);
	buf_put_str(&target, "/logs/");
	cli_put_path(&target, log);
	buf_put_str(&target, "/checkpoint");
	rc = api_get(cli, &c, api_cstr(&target), NULL, "get the checkpoint");
	if (rc == CLI_GO &&
	    (note_parse(&note, buf_slice(&c.answer)) || checkpoint_parse(&head, note.text) ||
	     head.origin.n >= sizeof e->origin)) {
		cli_say("cannot use the server's answer: it is not a signed checkpoint");
		rc = CLI_REFUSED;
	}
	if (rc == CLI_GO) {
		memcpy(e->origin, head.origin.p, head.origin.n);
		e->size = head.size;
	}
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

void
entries_fini(struct entries *e)
{
	for (unsigned i = 0; i < ENTRIES_BUNDLES; i++)
		buf_fini(&e->bundle[i].bytes);
}

static int
fetch(struct entries *e, uint64_t n, struct entries_bundle *b)
{
	struct tilepath path = {.entries = true, .n = n, .width = tilepath_width(e->size, 0, n)};
	char text[TILEPATH_BYTES];
	struct http_call c;
	struct buf target;
	int rc;

	b->filled = false;
	buf_init(&target);
	buf_put_str(&target, "/logs/");
	cli_put_path(&target, e->log);
	buf_put_str(&target, "/tile/");
	buf_put(&target, text, tilepath_format(text, &path));
	rc = api_get(e->cli, &c, api_cstr(&target), NULL, "get the log's entries");
	if (rc == CLI_GO) {
		buf_reset(&b->bytes);
		buf_put_slice(&b->bytes, buf_slice(&c.answer));
		b->filled = b->bytes.err == 0;
		b->n = n;
	}
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

/* The number-th entry of a bundle: each has its length in two bytes before it. */
static int
take(const struct entries_bundle *b, uint64_t number, struct slice *text)
{
	struct slice rest = buf_slice(&b->bytes);

	for (uint64_t i = 0;; i++) {
		size_t n = rest.n < 2 ? SIZE_MAX : (size_t)rest.p[0] << 8 | rest.p[1];
		if (rest.n < 2 || rest.n - 2 < n) {
			cli_say("cannot use the server's answer: an entry bundle is cut off");
			return CLI_REFUSED;
		}
		*text = slice_of(rest.p + 2, n);
		if (i == number)
			return CLI_GO;
		rest = slice_of(rest.p + 2 + n, rest.n - 2 - n);
	}
}

int
entries_get(struct entries *e, uint64_t index, struct slice *text)
{
	uint64_t n = index / TILEPATH_FULL;
	struct entries_bundle *b = NULL;
	int rc = CLI_GO;

	*text = slice_of("", 0);
	if (index >= e->size)
		return CLI_GO;
	for (unsigned i = 0; i < ENTRIES_BUNDLES && !b; i++)
		if (e->bundle[i].filled && e->bundle[i].n == n)
			b = &e->bundle[i];
	if (!b) {
		b = &e->bundle[e->next++ % ENTRIES_BUNDLES];
		rc = fetch(e, n, b);
	}
	return rc == CLI_GO ? take(b, index % TILEPATH_FULL, text) : rc;
}
