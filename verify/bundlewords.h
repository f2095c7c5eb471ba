/* What the checks of a bundle found, in an auditor's words. */
#ifndef STELE_VERIFY_BUNDLEWORDS_H
#define STELE_VERIFY_BUNDLEWORDS_H

#include "verify/bundlework.h"

/* Fills in the report of a bundle that was looked at. */
void bundle_words(struct bundle_work *w, struct bundle_report *r);

#endif
