/*
 * Are a log's entries those that were asked for (docs/formats.md section 10, check 14)? As far as
 * indexes and times tell, and the search certificate.
 */
#ifndef STELE_VERIFY_LOGRANGE_H
#define STELE_VERIFY_LOGRANGE_H

#include "verify/bundlework.h"
#include "verify/recordline.h"

/* All zeros at first. */
struct logrange {
	bool any;
	uint64_t first, last;   /* entries so far */
	uint64_t low, high;     /* of these, those that were asked for; high < low: none */
	uint64_t before, after; /* how many lie before and behind what was asked for */
	bool asked;
	size_t match; /* in the certificate's matches: the next that must come */
	uint64_t matched;
};

/* The next entry; findings go where it is. */
void logrange_entry(struct logrange *r, struct bundle_work *w, const struct bundle_log *log,
		    const char *name, const struct record_line *l, const struct place *where);

/* After the last. */
void logrange_end(struct logrange *r, struct bundle_work *w, const struct bundle_log *log,
		  const struct bundledoc_log *doc, const struct archive_log *files);

#endif
