#include "tools/bundle_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/check.h"
#include "proto/hex.h"
#include "tools/bundle_contents.h"
#include "tools/progress.h"
#include "verify/source.h"

enum { PIECE_BYTES = 1 << 20, HEX_BYTES = 2 * SHA256_BYTES + 1 };

/* What a report is about, so that it still says so when it is read elsewhere, years later. */
struct about {
	const char *path;
	struct slice key;
	char sha256[HEX_BYTES];
};

static const char *const verdicts[] = {"valid", "invalid", "incomplete"};

static void
show(void *ctx, uint64_t records, uint64_t bytes)
{
	progress_show(ctx, records, bytes, "verified");
}

/* Where a check fails. */
static void
put_place(struct buf *out, const struct bundle_check *c)
{
	if (c->path[0])
		buf_put_str(out, c->path);
	if (c->line)
		buf_printf(out, ", line %" PRIu64, c->line);
	if (c->index != FINDING_NOWHERE)
		buf_printf(out, ", entry %" PRIu64, c->index);
	if (out->n)
		buf_put_str(out, ": ");
}

/* The checks behind the one that failed: whether they hold nobody knows. */
static void
print_unchecked(const struct bundle_report *b)
{
	const char *before = "  not checked: ";

	for (enum check i = 0; i < CHECKS; i++) {
		if (b->checks[i].reached)
			continue;
		printf("%s%s", before, check_name(i));
		before = ", ";
	}
	if (before[0] == ',')
		putchar('\n');
}

static void
print_lines(const struct about *a, const struct bundle_report *b)
{
	struct buf out;

	printf("%s\n", a->path);
	buf_init(&out);
	for (enum check i = 0; i < CHECKS && b->checks[i].reached; i++) {
		const struct bundle_check *c = &b->checks[i];
		buf_reset(&out);
		if (!c->ok)
			put_place(&out, c);
		buf_put_str(&out, c->words);
		printf("  %-7s  %-12s  %.*s\n",
		       c->open                           ? "open"
		       : c->ok                           ? "ok"
		       : b->verdict == BUNDLE_INCOMPLETE ? "OPEN"
							 : "INVALID",
		       check_name(i), (int)out.n, (const char *)out.p);
	}
	print_unchecked(b);
	bundle_contents_print(b);
	printf("  checked by stele " STELE_VERSION " with the key %.*s; SHA-256 of the file: %s\n",
	       (int)a->key.n, (const char *)a->key.p, a->sha256);
	buf_fini(&out);
}

static void
put_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	buf_put_json_str(out, slice_str(text));
}

/* One word for what "ok" and "open" say together, that cannot be taken for another. */
static const char *
result(const struct bundle_check *c)
{
	return !c->reached ? "not_checked" : !c->ok ? "failed" : c->open ? "open" : "ok";
}

static void
put_check(struct buf *out, enum check i, const struct bundle_check *c)
{
	buf_printf(out, "%s{\"name\":\"%s\",\"ok\":%s", i ? "," : "", check_name(i),
		   !c->reached ? "null"
		   : c->ok     ? "true"
			       : "false");
	if (c->open)
		buf_put_str(out, ",\"open\":true");
	put_text(out, "result", result(c));
	if (c->reached)
		put_text(out, c->ok ? "words" : "reason", c->words);
	if (c->reached && !c->ok && c->path[0])
		put_text(out, "path", c->path);
	if (c->line)
		buf_printf(out, ",\"line\":%" PRIu64, c->line);
	if (c->index != FINDING_NOWHERE)
		buf_printf(out, ",\"index\":%" PRIu64, c->index);
	buf_put_u8(out, '}');
}

static void
print_json(const struct about *a, const struct bundle_report *b)
{
	struct buf out;

	buf_init(&out);
	buf_printf(&out, "{\"verdict\":\"%s\"", verdicts[b->verdict]);
	put_text(&out, "file", a->path);
	put_text(&out, "sha256", a->sha256);
	buf_put_str(&out, ",\"key\":");
	buf_put_json_str(&out, a->key);
	put_text(&out, "verifier", "stele " STELE_VERSION);
	put_text(&out, "export", b->export);
	put_text(&out, "server", b->server);
	buf_printf(&out,
		   ",\"kind\":\"%s\",\"files\":%" PRIu64 ",\"logs\":%" PRIu64
		   ",\"entries\":%" PRIu64 ",\"payloads\":%" PRIu64 ",\"purged\":%" PRIu64
		   ",\"withheld\":%" PRIu64 ",\"controls\":%" PRIu64 ",\"bytes\":%" PRIu64,
		   b->is_range ? "range" : "selection", b->files, b->logs, b->entries, b->payloads,
		   b->purged, b->withheld, b->controls, b->bytes);
	bundle_contents_put_json(&out, b);
	buf_put_str(&out, ",\"checks\":[");
	for (enum check i = 0; i < CHECKS; i++)
		put_check(&out, i, &b->checks[i]);
	buf_put_str(&out, "]}\n");
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
}

/* Of the bytes that were checked, if nobody changes them at that moment. */
static int
digest(const char *path, char out[HEX_BYTES])
{
	struct source *s = malloc(sizeof *s);
	uint8_t *piece = malloc(PIECE_BYTES), hash[SHA256_BYTES];
	struct sha256 *h = sha256_new();
	int err;

	CHECK(s && piece && h);
	sha256_begin(h);
	err = source_open(s, path);
	if (!err) {
		for (uint64_t at = 0; !err && at < s->bytes; at += PIECE_BYTES) {
			uint64_t left = s->bytes - at;
			size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
			err = source_read(s, at, piece, n);
			sha256_update(h, slice_of(piece, n));
		}
		source_close(s);
	}
	sha256_end(h, hash);
	hex_format(out, hash, sizeof hash);
	sha256_free(h);
	free(piece);
	free(s);
	return err;
}

void
bundle_report(struct report *r, const char *path, struct slice key,
	      const struct bundle_options *options)
{
	struct about about = {.path = path, .key = key};
	struct report_item item = {.file = path};
	struct bundle_options o = *options;
	struct bundle_report b;
	struct progress progress;
	char why[FINDING_WHY_BYTES];
	bool has;
	int err;

	progress_init(&progress);
	o.progress = show;
	o.ctx = &progress;
	err = bundle_verify(path, &o, &b, why, sizeof why);
	progress_clear(&progress);
	has = err == 0;
	if (has && (err = digest(path, about.sha256)) != 0)
		snprintf(why, sizeof why, "it cannot be read again");
	if (err) {
		report_unreadable(r, &item, why);
		if (has)
			bundle_report_fini(&b);
		return;
	}
	if (r->json)
		print_json(&about, &b);
	else
		print_lines(&about, &b);
	r->n_of[REPORT_BUNDLE]++;
	for (enum check i = 0; i < CHECKS; i++)
		r->open += b.checks[i].open;
	report_check_end(r, b.verdict != BUNDLE_INVALID, b.verdict == BUNDLE_VALID);
	bundle_report_fini(&b);
}
