/* That the export was begun, for this, and earlier ones of the same records: receipts of _system.
 */
#include <string.h>

#include "proto/err.h"
#include "proto/jsonline.h"
#include "verify/bundlework.h"
#include "verify/receipt_json.h"

enum { CUSTODY_LINES_MOST = 1001 };

struct custody {
	struct bundle_work *w;
	struct sha256 *h;
	size_t file;
	uint64_t line, before; /* before: index of the line before */
	char path[FINDING_PATH_BYTES];
};

static void
refuse(struct custody *c, const char *why)
{
	struct place where = bundle_place(c->w, c->file, c->path, c->line, FINDING_NOWHERE);

	findings_fail(&c->w->findings, CHECK_CUSTODY, &where, "%s", why);
}

static bool
is_text(const json_t *o, const char *name, struct slice want)
{
	const json_t *v = json_object_get(o, name);

	return json_is_string(v) &&
	       slice_eq(slice_of(json_string_value(v), json_string_length(v)), want);
}

/* The record that this export was begun by. */
static const char *
check_begin(struct custody *c, const json_t *act, const struct entry *e)
{
	const struct bundledoc *d = &c->w->doc;
	const json_t *request = json_object_get(act, "request"),
		     *reason = json_object_get(request, "reason");

	if (!is_text(act, "type", slice_str("export.begin")) ||
	    !is_text(act, "export", slice_str(d->export)))
		return "it is not the record that this export was begun by";
	if (!json_equal(request, d->request_doc))
		return "its request is not the one in bundle.json";
	if (!is_text(json_object_get(act, "by"), "principal", d->requester) ||
	    e->time_ns != d->begun_ns ||
	    (reason ? !is_text(request, "reason", d->reason) : d->reason.n != 0))
		return "who asked, when or why is not what bundle.json says";
	return NULL;
}

static const char *
check_act(struct custody *c, const struct receipt_json *d, const struct receipt_verdict *v)
{
	const struct slice text = d->receipt.payload;
	json_t *act = json_loadb((const char *)text.p, text.n,
				 JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	const char *wrong = NULL;

	if (c->line == 1)
		wrong = check_begin(c, act, &v->entry);
	else if (!is_text(act, "type", slice_str("export.finish")))
		wrong = "it is not the record of an export that was finished";
	else if (c->line > 2 && v->entry.index >= c->before)
		wrong = "earlier exports are not in their order, the newest first";
	c->before = v->entry.index;
	json_decref(act);
	return wrong;
}

/* Its origin is that of _system, on this server. */
static bool
is_system(const struct bundle_work *w, struct slice origin)
{
	static const char log[] = "/_system";
	struct slice server = w->trust.pinned.name;
	size_t n = sizeof log - 1;

	return origin.n == server.n + n && memcmp(origin.p, server.p, server.n) == 0 &&
	       memcmp(origin.p + server.n, log, n) == 0;
}

static const char *
judge(struct bundle_work *w, struct sha256 *h, struct receipt_json *d, struct receipt_verdict *v,
      struct buf *why)
{
	struct receipt_trust trust = w->trust;

	if (receipt_json_trust(d, w->options->successions, &trust, why) != 0)
		return "it brings too many notes along";
	if (receipt_check(h, &d->receipt, &trust, v) != 0)
		return v->why;
	if (!v->payload_checked)
		return "it is without its payload";
	return is_system(w, v->entry.origin) ? NULL : "it is no record of the server's _system";
}

int
bundle_read_receipt(struct bundle_work *w, struct sha256 *h, struct slice line,
		    struct receipt_json *d, struct receipt_verdict *v, struct buf *why)
{
	const char *wrong = NULL;
	struct jsonline j;

	memset(d, 0, sizeof *d);
	jsonline_init(&j, line);
	(void)jsonline_value(&j);
	if (jsonline_end(&j) != 0) {
		wrong = j.what;
	} else if (receipt_json_read(d, line, why) != 0) {
		buf_put_u8(why, 0);
		return STELE_EVERIFY;
	} else {
		wrong = judge(w, h, d, v, why);
	}
	if (!wrong)
		return 0;
	buf_reset(why);
	buf_put_str(why, wrong);
	buf_put_u8(why, 0);
	return STELE_EVERIFY;
}

static void
check_line(struct custody *c, struct slice line)
{
	struct receipt_verdict v;
	struct receipt_json d;
	const char *wrong = NULL;
	struct buf why;

	buf_init(&why);
	if (bundle_read_receipt(c->w, c->h, line, &d, &v, &why) != 0)
		wrong = (const char *)why.p;
	else
		wrong = check_act(c, &d, &v);
	if (wrong)
		refuse(c, wrong);
	receipt_json_fini(&d);
	buf_fini(&why);
}

void
bundle_check_custody(struct bundle_work *w, struct sha256 *h)
{
	struct custody c = {.w = w, .h = h, .file = w->archive.part[PART_CUSTODY]};
	struct stream *s = archive_stream(&w->archive, c.file, false, &w->findings);
	struct slice line;
	int got = 0;

	if (!s)
		return;
	while (c.line < CUSTODY_LINES_MOST && (got = stream_line(s, &line)) > 0) {
		c.line = stream_line_number(s);
		check_line(&c, line);
	}
	if (got == STELE_ESYNTAX || got == STELE_ELIMIT)
		refuse(&c, stream_why(s));
	else if (c.line == 0)
		refuse(&c, "there is no record of the export's begin");
	else if (got > 0 && stream_line(s, &line) > 0)
		refuse(&c, "it has more than 1,001 lines");
	w->custody = c.line;
	archive_done(&w->archive, c.file, s, &w->findings);
}
