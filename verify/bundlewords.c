#include "verify/bundlewords.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/check.h"
#include "proto/timestamp.h"

#define TEXT(s) (int)(s).n, (const char *)(s).p

/* Sums over all logs. */
struct sums {
	uint64_t chained, runs, older, same, cosignatures;
	struct rules_counts rules;
};

/* A number as people write it: 12,031. */
static void
put_number(struct buf *out, uint64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%" PRIu64, v);

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf_put_u8(out, ',');
		buf_put_u8(out, (uint8_t)digits[i]);
	}
}

/* Puts text in which each % stands for the next of the numbers. */
static void
put(struct buf *out, const char *text, const uint64_t *numbers)
{
	for (; *text; text++) {
		if (*text == '%')
			put_number(out, *numbers++);
		else
			buf_put_u8(out, (uint8_t)*text);
	}
}

#define PUT(out, text, ...) put((out), (text), (const uint64_t[]){__VA_ARGS__, 0})

static void
say_signature(struct buf *out, const struct bundle_work *w)
{
	char time[TIMESTAMP_BYTES];

	timestamp_format(time, w->signed_ns);
	buf_printf(out, "These lists, and so the bundle, are signed by %.*s, at %.*s",
		   TEXT(w->trust.pinned.name), TIMESTAMP_BYTES, time);
	if (w->ids.n > 1)
		PUT(out, "; % succession notes tie its identities together", w->ids.n - 1);
}

static void
say_payloads(struct buf *out, const struct bundle_report *r)
{
	PUT(out, "Every payload matches its commitment: % of %", r->payloads, r->entries);
	if (r->purged)
		PUT(out, "; % purged", r->purged);
	if (r->withheld)
		PUT(out, "; % withheld", r->withheld);
}

static void
say_consistency(struct buf *out, const struct sums *s)
{
	if (s->older == 0)
		buf_put_str(out, "Not checked: no older checkpoint was given (--since), so a log "
				 "that was rewritten before would not show");
	else if (s->same == s->older)
		buf_put_str(
			out,
			"The checkpoint given (--since) has the bundle's own size and root, which "
			"shows nothing of growth: one out of this bundle says nothing at all; one "
			"that was kept elsewhere, that both are of one history");
	else
		PUT(out, "The log grew out of the older checkpoints given: % held against it",
		    s->older - s->same);
	if (s->same && s->same < s->older)
		PUT(out, "; % more as large as the bundle's own: of growth they show nothing",
		    s->same);
}

static void
say_rules(struct buf *out, const struct sums *s)
{
	if (s->rules.purges == 0)
		buf_put_str(out, "What was done to locks was allowed; no payload was purged");
	else
		PUT(out,
		    "What was done to locks and payloads was allowed: % purges; no lock or hold kept "
		    "what is purged of these records, %",
		    s->rules.purges, s->rules.judged);
}

static void
say_timestamps(struct buf *out, const struct bundle_work *w, const struct bundle_report *r)
{
	char time[TIMESTAMP_BYTES];
	uint64_t uncovered = 0;
	size_t best = bundle_best_timestamped(w, &uncovered);
	const struct tsp_token *t = &w->timestamped[best].first;

	if (w->archive.n_timestamped == 0) {
		buf_put_str(out, "Not checked: there are no timestamps here, so when the records "
				 "came to be is the server's word");
		return;
	}
	timestamp_format(time, t->time_ns + t->accuracy_ns);
	PUT(out, "% of % entries existed no later than ", r->entries - uncovered, r->entries);
	buf_printf(out, "%.*s according to %s", TIMESTAMP_BYTES, time, t->name);
	if (uncovered)
		PUT(out, "; % are younger than what was timestamped", uncovered);
	if (!w->options->tsa_roots)
		buf_put_str(out, "; nobody has judged that authority: give its root (--tsa-ca)");
}

static void
say_completeness(struct buf *out, const struct bundle_work *w)
{
	if (w->has_certificate)
		buf_put_str(out, "The records are exactly the matches of the search certificate");
	else if (!w->doc.is_range)
		buf_put_str(out, "Completeness is not claimed: this is a selection, and says "
				 "nothing about what is not in it");
	else if (w->doc.asked.judged)
		buf_put_str(out, "No entry of the range is missing; which of them the filter is "
				 "about is the server's word");
	else
		buf_put_str(out, "No entry of the range that was asked for is missing");
}

/* Whether nothing was there to look at: the words say so. */
static bool
is_open(enum check check, const struct bundle_work *w, const struct sums *s)
{
	return (check == CHECK_CONSISTENCY && s->older == s->same) ||
	       (check == CHECK_TIMESTAMPS && w->archive.n_timestamped == 0) ||
	       (check == CHECK_COMPLETENESS && !w->has_certificate && !w->doc.is_range);
}

/* What a check that holds has shown. */
static void
say(struct buf *out, enum check check, const struct bundle_work *w, const struct bundle_report *r,
    const struct sums *s)
{
	switch (check) {
	case CHECK_ARCHIVE:
		PUT(out, "The archive is a strict ZIP with exactly the files it has to have: %",
		    r->files);
		return;
	case CHECK_MANIFEST:
		PUT(out,
		    "Every file is as the lists in the bundle say: %; whose lists they are, the "
		    "signature alone says",
		    r->files - 2);
		return;
	case CHECK_SIGNATURE:
		say_signature(out, w);
		return;
	case CHECK_KEYS:
		PUT(out, "The checkpoint of each log is signed by the key that speaks for it: %",
		    r->logs);
		if (w->options->policy)
			PUT(out, "; the policy's witnesses cosigned: % times", s->cosignatures);
		return;
	case CHECK_ENTRIES:
		PUT(out,
		    "Every entry follows the grammar and is of its log: %; the logs have % "
		    "control entries",
		    r->entries, r->controls);
		return;
	case CHECK_CHAIN:
		PUT(out,
		    "Times never decrease, and neighbours are chained by their hashes: % pairs",
		    s->chained);
		return;
	case CHECK_COMMITMENTS:
		say_payloads(out, r);
		return;
	case CHECK_INCLUSION:
		PUT(out, "Every entry is in the tree that the checkpoint signs: % runs", s->runs);
		return;
	case CHECK_CONSISTENCY:
		say_consistency(out, s);
		return;
	case CHECK_CONTROLS:
		PUT(out, "All control entries of the logs are here: %", r->controls);
		return;
	case CHECK_RULES:
		say_rules(out, s);
		return;
	case CHECK_CUSTODY:
		PUT(out, "The server recorded this export; earlier ones of these records: %",
		    w->custody - 1);
		return;
	case CHECK_TIMESTAMPS:
		say_timestamps(out, w, r);
		return;
	default:
		say_completeness(out, w);
	}
}

static void
sum_up(const struct bundle_work *w, struct bundle_report *r, struct sums *s)
{
	memset(s, 0, sizeof *s);
	r->files = w->archive.n;
	r->logs = w->archive.n_logs;
	r->is_range = w->doc.is_range;
	memcpy(r->export, w->archive.export, sizeof r->export);
	snprintf(r->server, sizeof r->server, "%.*s", TEXT(w->doc.server));
	for (size_t i = 0; i < w->doc.n_logs; i++) {
		const struct bundledoc_log *d = &w->doc.logs[i];
		r->entries += d->entries;
		r->payloads += d->payloads;
		r->purged += d->purged;
		r->withheld += d->withheld;
		r->controls += d->controls;
		r->bytes += d->bytes;
	}
	for (size_t i = 0; w->logs && i < w->archive.n_logs; i++) {
		const struct bundle_log *l = &w->logs[i];
		s->chained += l->chained;
		s->runs += l->runs;
		s->cosignatures += l->cosignatures;
		s->older += l->n_olders;
		for (size_t k = 0; k < l->n_olders; k++)
			s->same += l->olders[k].size == l->size;
		s->rules.purges += l->rules.purges;
		s->rules.judged += l->rules.judged;
	}
}

/* What bundle.json says, and what was counted beside it; nothing when it was not read. */
static void
tell_contents(const struct bundle_work *w, struct bundle_report *r)
{
	const struct bundledoc *d = &w->doc;

	buf_init(&r->requester);
	buf_init(&r->reason);
	if (!w->has_doc)
		return;
	r->contents = calloc(d->n_logs, sizeof *r->contents);
	CHECK(r->contents || d->n_logs == 0);
	r->n_contents = d->n_logs;
	r->begun_ns = d->begun_ns;
	buf_put_slice(&r->requester, d->requester);
	buf_put_slice(&r->reason, d->reason);
	for (size_t i = 0; i < d->n_logs; i++) {
		const struct bundledoc_log *said = &d->logs[i];
		const struct bundle_log *log = &w->logs[i];
		struct bundle_contents *c = &r->contents[i];

		*c = (struct bundle_contents){.size = said->size,
					      .entries = said->entries,
					      .payloads = said->payloads,
					      .purged = said->purged,
					      .withheld = said->withheld,
					      .bytes = said->bytes,
					      .controls = said->controls};
		memcpy(c->name, said->name, sizeof c->name);
		c->controls_here = log->controls;
		c->runs = log->runs;
		c->first = log->first;
		c->last = log->last;
		c->first_ns = log->first_ns;
		c->last_ns = log->last_ns;
	}
}

void
bundle_report_fini(struct bundle_report *r)
{
	buf_fini(&r->requester);
	buf_fini(&r->reason);
	free(r->contents);
	r->contents = NULL;
}

/* The failure, where it is and why. */
static void
tell(struct bundle_check *c, const struct finding *f)
{
	memcpy(c->path, f->path, sizeof c->path);
	c->line = f->line;
	c->index = f->index;
	snprintf(c->words, sizeof c->words, "%.*s", BUNDLE_WORDS_BYTES - 1, f->why);
}

void
bundle_words(struct bundle_work *w, struct bundle_report *r)
{
	enum check first = findings_first(&w->findings);
	struct sums sums;
	struct buf out;

	memset(r, 0, sizeof *r);
	sum_up(w, r, &sums);
	r->verdict = first == CHECKS               ? BUNDLE_VALID
		     : first == CHECK_COMPLETENESS ? BUNDLE_INCOMPLETE
						   : BUNDLE_INVALID;
	tell_contents(w, r);
	buf_init(&out);
	for (enum check c = 0; c < CHECKS; c++) {
		struct bundle_check *x = &r->checks[c];
		x->index = FINDING_NOWHERE;
		x->reached = c <= first;
		x->ok = c < first;
		x->open = x->ok && is_open(c, w, &sums);
		if (c == first)
			tell(x, &w->findings.of[c]);
		if (!x->ok)
			continue;
		buf_reset(&out);
		say(&out, c, w, r, &sums);
		snprintf(x->words, sizeof x->words, "%.*s", (int)out.n, (const char *)out.p);
	}
	buf_fini(&out);
}
