#include "verify/logrange.h"

#include <inttypes.h>

/* Below what was asked for: -1; in it: 0; beyond it: 1. */
static int
side(const struct bundledoc_request *q, const struct entry *e)
{
	if ((q->has_first && e->index < q->first) || (q->has_from && e->time_ns < q->from_ns))
		return -1;
	return (q->has_last && e->index > q->last) || (q->has_to && e->time_ns >= q->to_ns);
}

/* An entry of a range: nothing that was asked for is left out of it. */
static void
check_ranged(struct logrange *r, struct bundle_work *w, const char *name,
	     const struct record_line *l, const struct place *where)
{
	const struct bundledoc_request *q = &w->doc.asked;
	uint64_t index = l->e.index;
	int lies = side(q, &l->e);

	if (r->any && index != r->last + 1)
		findings_fail(&w->findings, CHECK_COMPLETENESS, where,
			      "entries %" PRIu64 " to %" PRIu64 " are missing in the range",
			      r->last + 1, index - 1);
	r->before += lies < 0;
	r->after += lies > 0;
	if (lies != 0)
		return;
	if (!r->asked)
		r->low = index;
	r->high = index;
	r->asked = true;
	if (l->has != RECORD_WITHHELD || l->withheld != WITHHELD_NOT_REQUESTED || q->judged)
		return;
	if (!q->by_records || bundledoc_has_record(&w->doc, name, index))
		findings_fail(&w->findings, CHECK_COMPLETENESS, where,
			      "the record is withheld as not requested, and was requested");
}

/* Whether the bundle has an entry as one that was asked for, which the certificate is about. */
static bool
is_match(const struct bundle_work *w, const struct record_line *l)
{
	return l->e.kind == ENTRY_RECORD && (!w->doc.is_range || l->has != RECORD_WITHHELD ||
					     l->withheld != WITHHELD_NOT_REQUESTED);
}

static void
check_match(struct logrange *r, struct bundle_work *w, const struct bundle_log *log, uint64_t index,
	    const struct place *where)
{
	const struct ranges *m = &log->matches;

	while (r->match < m->n && m->r[r->match].last < index)
		r->match++;
	r->matched++;
	if (r->match == m->n || m->r[r->match].first > index)
		findings_fail(&w->findings, CHECK_COMPLETENESS, where,
			      "the record is none of the search certificate's matches");
}

void
logrange_entry(struct logrange *r, struct bundle_work *w, const struct bundle_log *log,
	       const char *name, const struct record_line *l, const struct place *where)
{
	if (w->doc.is_range)
		check_ranged(r, w, name, l, where);
	if (log->certified && is_match(w, l))
		check_match(r, w, log, l->e.index, where);
	if (!r->any)
		r->first = l->e.index;
	r->any = true;
	r->last = l->e.index;
}

/* Both ends of a range: nothing of what was asked for lies beyond them. */
static void
check_ends(struct logrange *r, struct bundle_work *w, const struct bundle_log *log,
	   const struct place *where)
{
	const struct bundledoc_request *q = &w->doc.asked;

	if (r->before > 1 || r->after > 1)
		findings_fail(&w->findings, CHECK_COMPLETENESS, where,
			      "it goes further than what was asked for");
	if (r->before == 0 && r->any && r->first != 0 &&
	    !(q->has_first && r->asked && r->low == q->first))
		findings_fail(&w->findings, CHECK_COMPLETENESS, where,
			      "nothing shows that no entry before %" PRIu64 " was asked for, too",
			      r->first);
	if (r->after == 0 && r->any && r->last != log->size - 1 &&
	    !(q->has_last && r->asked && r->high == q->last))
		findings_fail(&w->findings, CHECK_COMPLETENESS, where,
			      "nothing shows that no entry after %" PRIu64 " was asked for, too",
			      r->last);
	if (!r->any && !(q->has_first && q->first >= log->size))
		findings_fail(&w->findings, CHECK_COMPLETENESS, where,
			      "a range of the log was asked for, and nothing of it is here");
}

void
logrange_end(struct logrange *r, struct bundle_work *w, const struct bundle_log *log,
	     const struct bundledoc_log *doc, const struct archive_log *files)
{
	char path[FINDING_PATH_BYTES];
	struct place where = bundle_place(w, files->part[PART_RECORDS], path, 0, FINDING_NOWHERE);
	uint64_t matches = ranges_count(&log->matches);

	(void)doc;
	if (w->doc.is_range)
		check_ends(r, w, log, &where);
	if (log->certified && r->matched != matches)
		findings_fail(&w->findings, CHECK_COMPLETENESS, &where,
			      "the search certificate has %" PRIu64 " matches, and %" PRIu64
			      " of them are here",
			      matches, r->matched);
}
