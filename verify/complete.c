/* What was asked for, and the search certificate; logrange.c has what is of each log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/certificate.h"
#include "proto/err.h"
#include "storage/certcheck.h"
#include "verify/bundlework.h"

struct certified {
	struct bundle_work *w;
	struct place where;
	char why[FINDING_WHY_BYTES];
};

static void
say(void *ctx, const char *check, enum certcheck_result result, struct slice text)
{
	struct certified *c = ctx;

	if (result != CERTCHECK_OK)
		snprintf(c->why, sizeof c->why, "%s: %.*s", check, (int)text.n,
			 (const char *)text.p);
}

static int
match(void *ctx, struct slice origin, uint64_t first, uint64_t last)
{
	struct bundle_work *w = ((struct certified *)ctx)->w;

	for (size_t i = 0; i < w->archive.n_logs; i++)
		if (slice_eq(origin, buf_slice(&w->logs[i].origin)))
			return ranges_add(&w->logs[i].matches, first, last);
	return 0;
}

/* The logs that were searched are these, at these sizes and roots. */
static const char *
check_logs(struct bundle_work *w, const struct certificate *said)
{
	if (said->n_logs != w->archive.n_logs)
		return "it is not about the logs of this bundle";
	for (size_t i = 0; i < said->n_logs; i++) {
		struct bundle_log *log = NULL;
		for (size_t k = 0; k < w->archive.n_logs; k++)
			if (slice_eq(said->logs[i].origin, buf_slice(&w->logs[k].origin)))
				log = &w->logs[k];
		if (!log)
			return "it is not about the logs of this bundle";
		if (said->logs[i].size != log->size ||
		    memcmp(said->logs[i].root, log->root, sizeof log->root) != 0)
			return "it is of another size or root than the checkpoints here";
		if (said->logs[i].scanned != log->size - w->doc.logs[log - w->logs].controls)
			return "it counts other records than the log has";
		log->certified = true;
	}
	return NULL;
}

/* A request that nothing else narrows is exactly what was searched for. */
static const char *
check_filter(struct bundle_work *w, const struct certificate *said)
{
	const json_t *o = w->doc.request_doc, *filter = json_object_get(o, "filter");
	struct slice text = slice_of(json_string_value(filter), json_string_length(filter));

	if (json_object_get(o, "hold") || json_object_get(o, "records") ||
	    json_object_get(o, "from") || json_object_get(o, "to"))
		return NULL;
	return slice_eq(said->filter, text) ? NULL : "it is of another filter than the request";
}

static const char *
check_statement(struct bundle_work *w, struct slice text)
{
	struct slice evidence, note_text;
	struct certificate *said = calloc(1, sizeof *said);
	const char *wrong = "it is no search certificate";
	struct note note;

	if (said && certificate_split(text, &evidence, &note_text) == 0 &&
	    note_parse(&note, note_text) == 0 && certificate_parse(said, note.text) == 0) {
		wrong = check_logs(w, said);
		if (!wrong)
			wrong = check_filter(w, said);
	}
	free(said);
	return wrong;
}

void
bundle_check_certificate(struct bundle_work *w, struct sha256 *h)
{
	size_t file = w->archive.part[PART_CERTIFICATE];
	char path[FINDING_PATH_BYTES];
	struct certified c = {.w = w};
	const struct certcheck_sink sink = {say, match, &c};
	const char *wrong = NULL;
	bool complete = false;
	struct buf text;
	int err;

	(void)h;
	if (file == ARCHIVE_NONE)
		return;
	w->has_certificate = true;
	c.where = bundle_place(w, file, path, 0, FINDING_NOWHERE);
	buf_init(&text);
	err = archive_load(&w->archive, file, LIMIT_CERTIFICATE_BYTES + LIMIT_NOTE_BYTES,
			   CHECK_COMPLETENESS, &text, &w->findings);
	if (!err)
		err = certcheck(buf_slice(&text), &w->trust, w->options->successions, &sink,
				&complete);
	if (!err)
		wrong = complete ? check_statement(w, buf_slice(&text))
				 : "it says of itself that not all records could be read";
	if (err == STELE_ENOMEM)
		findings_stop(&w->findings, err, "there is not enough memory");
	else if (err || wrong)
		findings_fail(&w->findings, CHECK_COMPLETENESS, &c.where, "%s",
			      wrong ? wrong : c.why);
	buf_fini(&text);
}

void
bundle_check_request(struct bundle_work *w)
{
	char path[FINDING_PATH_BYTES];
	struct place where =
		bundle_place(w, w->archive.part[PART_BUNDLE], path, 0, FINDING_NOWHERE);

	if (json_is_true(json_object_get(w->doc.request_doc, "certify")) &&
	    w->archive.part[PART_CERTIFICATE] == ARCHIVE_NONE)
		findings_fail(&w->findings, CHECK_COMPLETENESS, &where,
			      "a search certificate was asked for, and there is none");
	for (size_t i = 0; i < w->archive.n_logs; i++)
		if (!bundledoc_asks(&w->doc, w->archive.logs[i].name))
			findings_fail(&w->findings, CHECK_COMPLETENESS, &where,
				      "the log %s is here, and was not asked for",
				      w->archive.logs[i].name);
	if (bundledoc_asked_logs(&w->doc) != w->archive.n_logs)
		findings_fail(&w->findings, CHECK_COMPLETENESS, &where,
			      "the request names %zu logs, and %zu are here",
			      bundledoc_asked_logs(&w->doc), w->archive.n_logs);
}
