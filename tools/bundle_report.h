/* An evidence bundle as stele verify has it: what each check found, as lines or as JSON. */
#ifndef STELE_TOOLS_BUNDLE_REPORT_H
#define STELE_TOOLS_BUNDLE_REPORT_H

#include "verify/bundle.h"
#include "tools/report.h"

/*
 * Checks the bundle at path with progress on a terminal, says what each check found, and counts
 * it in r.
 */
void bundle_report(struct report *r, const char *path, const struct bundle_options *options);

#endif
