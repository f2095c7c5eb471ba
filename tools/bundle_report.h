/* An evidence bundle as stele verify has it: what each check found, as lines or as JSON. */
#ifndef STELE_TOOLS_BUNDLE_REPORT_H
#define STELE_TOOLS_BUNDLE_REPORT_H

#include "verify/bundle.h"
#include "tools/report.h"

/*
 * Checks the bundle at path with progress on a terminal, says what each check found, with what key
 * (a verifier key's text) and version, and of which bytes (their SHA-256, of all pieces together),
 * and counts it in r.
 */
void bundle_report(struct report *r, const char *path, struct slice key,
		   const struct bundle_options *options);

#endif
