#include "tools/bundle_contents.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/timestamp.h"

enum { TIME_BYTES = 32 };

/* What somebody wrote, on one line, and out of the terminal's way. */
static void
put_plain(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool c1 = c == 0xc2 && i + 1 < s.n && s.p[i + 1] < 0xa0; /* U+0080 to U+009F */

		i += c1;
		buf_put_u8(out, c1 || c < ' ' || c == 0x7f ? '?' : c);
	}
}

/* An instant without the digits that say nothing: "2026-03-01 09:30:00 UTC". */
static const char *
when(char out[TIME_BYTES], int64_t ns)
{
	char time[TIMESTAMP_BYTES];

	timestamp_format(time, ns);
	snprintf(out, TIME_BYTES, "%.10s %.8s UTC", time, time + 11);
	return out;
}

static void row(struct buf *out, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void
row(struct buf *out, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	buf_printf(out, "    %-16s  %s\n", name, text);
}

static void
row_plain(struct buf *out, const char *name, struct slice s)
{
	buf_printf(out, "    %-16s  ", name);
	put_plain(out, s);
	buf_put_u8(out, '\n');
}

static void
put_facts(struct buf *out, const struct bundle_report *b)
{
	char begun[TIME_BYTES];

	row(out, "Export", "%s", b->export);
	row_plain(out, "Server", slice_str(b->server));
	row_plain(out, "Asked for by", buf_slice(&b->requester));
	row_plain(out, "Reason", b->reason.n ? buf_slice(&b->reason) : slice_str("none was given"));
	row(out, "Begun", "%s", when(begun, b->begun_ns));
	row(out, "Kind", "%s",
	    b->is_range ? "range: all entries of a stretch of each log"
			: "selection: what was asked for, and no more");
}

static bool
is_whole(const struct bundle_contents *c)
{
	return c->entries == c->size;
}

static void
put_log(struct buf *out, const struct bundle_report *b, const struct bundle_contents *c)
{
	char from[TIME_BYTES], to[TIME_BYTES];

	buf_put_str(out, "  Log ");
	put_plain(out, slice_str(b->server));
	buf_printf(out, "/%s\n", c->name);
	row(out, "Entries here", "%" PRIu64 " of %" PRIu64 " in the log%s", c->entries, c->size,
	    is_whole(c) ? ": the whole log" : "");
	if (b->verdict == BUNDLE_INVALID) {
		row(out, "Control entries", "%" PRIu64 " of the log", c->controls);
		return;
	}
	if (c->entries) {
		row(out, "Their indexes", "%" PRIu64 " to %" PRIu64 "%s", c->first, c->last,
		    c->runs > 1 ? ", with gaps" : "");
		row(out, "Received", "%s to %s, by the server's clock", when(from, c->first_ns),
		    when(to, c->last_ns));
	}
	row(out, "Records", "%" PRIu64 " of these entries", c->entries - c->controls_here);
	row(out, "Control entries", "%" PRIu64 " of these entries; the log has %" PRIu64,
	    c->controls_here, c->controls);
	row(out, "With payload", "%" PRIu64 " (%" PRIu64 " bytes)", c->payloads, c->bytes);
	row(out, "Purged", "%" PRIu64, c->purged);
	row(out, "Withheld", "%" PRIu64, c->withheld);
}

void
bundle_contents_print(const struct bundle_report *b)
{
	struct buf out;

	if (!b->n_contents)
		return;
	buf_init(&out);
	buf_put_str(&out, b->verdict == BUNDLE_INVALID
				  ? "  What it claims to be, and none of it is proven\n"
				  : "  What it is\n");
	put_facts(&out, b);
	for (size_t i = 0; i < b->n_contents; i++)
		put_log(&out, b, &b->contents[i]);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static void
put_time(struct buf *out, const char *name, int64_t ns)
{
	char time[TIMESTAMP_BYTES];

	timestamp_format(time, ns);
	buf_printf(out, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, time);
}

static void
put_log_json(struct buf *out, const struct bundle_report *b, const struct bundle_contents *c)
{
	struct buf origin;

	buf_init(&origin);
	buf_printf(&origin, "%s/%s", b->server, c->name);
	buf_put_str(out, "{\"origin\":");
	buf_put_json_str(out, buf_slice(&origin));
	buf_fini(&origin);
	buf_printf(out, ",\"size\":%" PRIu64 ",\"whole\":%s,\"entries\":%" PRIu64, c->size,
		   is_whole(c) ? "true" : "false", c->entries);
	if (b->verdict != BUNDLE_INVALID) {
		buf_printf(out, ",\"records\":%" PRIu64 ",\"control_entries\":%" PRIu64,
			   c->entries - c->controls_here, c->controls_here);
		if (c->entries) {
			buf_printf(out,
				   ",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"runs\":%" PRIu64,
				   c->first, c->last, c->runs);
			put_time(out, "received_from", c->first_ns);
			put_time(out, "received_to", c->last_ns);
		}
	}
	buf_printf(out,
		   ",\"payloads\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"purged\":%" PRIu64
		   ",\"withheld\":%" PRIu64 ",\"controls_of_log\":%" PRIu64 "}",
		   c->payloads, c->bytes, c->purged, c->withheld, c->controls);
}

void
bundle_contents_put_json(struct buf *out, const struct bundle_report *b)
{
	if (!b->n_contents)
		return;
	buf_printf(out,
		   ",\"%s\":{\"requester\":", b->verdict == BUNDLE_INVALID ? "claims" : "covers");
	buf_put_json_str(out, buf_slice(&b->requester));
	buf_put_str(out, ",\"reason\":");
	buf_put_json_str(out, buf_slice(&b->reason));
	put_time(out, "begun", b->begun_ns);
	buf_put_str(out, ",\"logs\":[");
	for (size_t i = 0; i < b->n_contents; i++) {
		buf_put_str(out, i ? "," : "");
		put_log_json(out, b, &b->contents[i]);
	}
	buf_put_str(out, "]}");
}
