/*
 * stele get: a record's payload, or the whole record as JSON. A payload goes to
 * a file of its own beside the one asked for, which takes its name once it is
 * whole: what is there already is where the next run goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/sha256.h"
#include "proto/check.h"
#include "proto/dec.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/progress.h"

struct get {
	struct cli *cli;
	const char *target, *output, *range;
	struct progress progress;
	uint64_t had; /* bytes of an earlier run */
	char part[4096];
	char range_line[128];
};

static void
show(struct http_call *c)
{
	struct get *g = c->owner;

	progress_show(&g->progress, 0, g->had + c->moved_bytes, g->had ? "(resumed)" : "");
}

/* OUTPUT.<8 hex>.part: the same for the same record and range of the same server, only. */
static bool
name_part(struct get *g)
{
	const struct slice parts[] = {slice_of(g->cli->server, strlen(g->cli->server) + 1),
				      slice_of(g->target, strlen(g->target) + 1),
				      slice_str(g->range ? g->range : "")};
	struct sha256 *h = sha256_new();
	uint8_t hash[SHA256_BYTES];
	int n;

	CHECK(h);
	sha256_hash_parts(h, hash, parts, 3);
	sha256_free(h);
	n = snprintf(g->part, sizeof g->part, "%s.%02x%02x%02x%02x.part", g->output, hash[0],
		     hash[1], hash[2], hash[3]);
	return n < (int)sizeof g->part;
}

enum { RANGE_BAD = -1, RANGE_SEND, RANGE_HAVE };

/*
 * The Range field: what was asked for, without what is there. RANGE_HAVE: all of
 * it is there. RANGE_BAD: not A-B, A- or -N.
 */
static int
make_range(struct get *g)
{
	const char *dash = g->range ? strchr(g->range, '-') : NULL, *end;
	uint64_t first = 0, last = UINT64_MAX;

	if (!g->range) {
		if (g->had)
			snprintf(g->range_line, sizeof g->range_line, "Range: bytes=%llu-",
				 (unsigned long long)g->had);
		return RANGE_SEND;
	}
	if (!dash || strlen(g->range) > 64)
		return RANGE_BAD;
	end = dash + 1;
	if ((*end && dec_parse(&last, slice_str(end), INT64_MAX) != 0) ||
	    (dash > g->range &&
	     dec_parse(&first, slice_of(g->range, (size_t)(dash - g->range)), INT64_MAX) != 0) ||
	    (dash == g->range && !*end) || last < first)
		return RANGE_BAD;
	if (dash > g->range && first + g->had > last)
		return RANGE_HAVE;
	if (dash == g->range)
		snprintf(g->range_line, sizeof g->range_line, "Range: bytes=%s", g->range);
	else
		snprintf(g->range_line, sizeof g->range_line, "Range: bytes=%llu-%s",
			 (unsigned long long)(first + g->had), end);
	return RANGE_SEND;
}

/* Opens where the bytes go; what an earlier run left there counts. */
static int
open_output(struct get *g, int *fd)
{
	struct stat st;

	if (!g->output || strcmp(g->output, "-") == 0) {
		*fd = STDOUT_FILENO;
		return CLI_GO;
	}
	if (stat(g->output, &st) == 0 && !S_ISREG(st.st_mode)) { /* a device, a pipe: as it is */
		*fd = open(g->output, O_WRONLY | O_CLOEXEC);
	} else if (name_part(g)) {
		/* where the last N bytes begin is not known here: they are taken anew */
		int anew = g->range && g->range[0] == '-' ? O_TRUNC : 0;

		*fd = open(g->part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | anew, 0666);
		g->had = *fd >= 0 && fstat(*fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	}
	if (*fd >= 0)
		return CLI_GO;
	cli_say("cannot write %s: %s", g->output, strerror(errno));
	return CLI_USAGE;
}

/* The bytes are all there: they get their name. */
static int
keep(struct get *g, int fd)
{
	if (!g->part[0])
		return CLI_GO;
	if (fsync(fd) == 0 && rename(g->part, g->output) == 0)
		return CLI_GO;
	cli_say("cannot write %s: %s", g->output, strerror(errno));
	return CLI_USAGE;
}

static int
fail(struct get *g, struct http_call *c)
{
	if (c->io_errno) {
		cli_say("cannot write %s: %s", g->output ? g->output : "standard output",
			strerror(c->io_errno));
		return CLI_USAGE;
	}
	if (c->status == 0 && c->moved_bytes) {
		cli_say("the payload broke off after %llu bytes: %s. A server that finds damage "
			"cuts it off there, and says so in its log.%s",
			(unsigned long long)(g->had + c->moved_bytes), c->trouble,
			g->part[0] ? " The same command goes on from there" : "");
		return CLI_UNREACHABLE;
	}
	return api_refused(g->cli, c, "get the record");
}

static int
transfer(struct get *g, struct http_call *c, int fd)
{
	const char *const headers[] = {g->range_line, NULL};

	c->method = "GET";
	c->target = g->target;
	c->headers = g->range_line[0] ? headers : NULL;
	c->answer_fd = fd;
	c->answer_status = g->range_line[0] ? 206 : 200;
	c->moved = show;
	c->owner = g;
	progress_init(&g->progress);
	transport_call(g->cli->transport, c);
	progress_clear(&g->progress);
	if (c->status == 416 && g->had) /* an earlier run had all of it */
		return keep(g, fd);
	if (http_call_good(c) && c->status != c->answer_status) {
		cli_say("cannot get the record: %s does not send ranges of it. Is it steled?",
			g->cli->server);
		return CLI_REFUSED;
	}
	return http_call_good(c) ? keep(g, fd) : fail(g, c);
}

static int
get_payload(struct get *g)
{
	struct http_call c;
	int fd = -1, range, rc = open_output(g, &fd);

	http_call_init(&c);
	range = rc == CLI_GO ? make_range(g) : RANGE_BAD;
	if (rc == CLI_GO && range == RANGE_BAD) {
		cli_say("--range takes FIRST-LAST, FIRST- or -LAST_N, in bytes, as HTTP does");
		rc = CLI_USAGE;
	}
	if (rc == CLI_GO)
		rc = range == RANGE_HAVE ? keep(g, fd) : transfer(g, &c, fd);
	if (g->part[0] && fd >= 0 && rc != CLI_GO && g->had + c.moved_bytes == 0)
		(void)unlink(g->part); /* empty */
	if (fd > STDOUT_FILENO)
		close(fd);
	http_call_fini(&c);
	return rc;
}

static int
get_json(struct get *g)
{
	struct http_call c;
	int rc = api_get(g->cli, &c, g->target, "application/json", "get the record");

	if (rc == CLI_GO)
		rc = !g->output ? cli_write_json(buf_slice(&c.answer))
				: cli_write_file(g->output, buf_slice(&c.answer));
	http_call_fini(&c);
	return rc;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct get g = {.cli = cli};
	const struct cli_option options[] = {
		{"output", 'o', CLI_TEXT, &g.output, "FILE",
		 "write there (default: standard output)"},
		{"range", 0, CLI_TEXT, &g.range, "A-B", "these bytes only, from 0, both included"},
		{NULL},
	};
	struct buf target;
	uint64_t index;
	int n, rc = cli_parse(cli, self, options, argc, argv, 2, 2, &n);

	if (rc == CLI_GO)
		rc = cli_index(self, argv[1], &index);
	if (rc == CLI_GO && g.range && cli->json)
		rc = cli_usage(self, "--range is of the payload: it does not go with --json");
	if (rc == CLI_GO)
		rc = cli_transport(cli);
	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_log_target(&target, argv[0], "/records/%llu", (unsigned long long)index);
	g.target = api_cstr(&target);
	rc = cli->json ? get_json(&g) : get_payload(&g);
	buf_fini(&target);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_get = {
	.name = "get",
	.operands = "LOG INDEX [-o FILE] [--range A-B]",
	.summary = "read a record back",
	.about =
		"Writes the record's payload, byte for byte as it was stored. The server verifies "
		"it\n"
		"before it sends it, a large one piece by piece as it goes: one that turns out "
		"damaged\n"
		"breaks off, and the command fails. With -o, what came is kept beside FILE under a "
		"name\n"
		"that ends in .part, and the same command goes on from there; FILE appears when it "
		"is\n"
		"whole. With --json: entry, salt, payload, proof and checkpoint together, which\n"
		"'stele verify' takes; a large payload is not in it.\n"
		"\n"
		"  stele get payments 70211\n"
		"  stele get scans 12 -o report.pdf\n"
		"  stele get scans 13 --range 0-511 -o boot-sector.bin",
	.run = run,
};
