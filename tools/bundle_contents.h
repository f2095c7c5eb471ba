/* What a bundle is and what is in it, in the words of verify.html: of an invalid one, its claims.
 */
#ifndef STELE_TOOLS_BUNDLE_CONTENTS_H
#define STELE_TOOLS_BUNDLE_CONTENTS_H

#include "proto/buf.h"
#include "verify/bundle.h"

/* Lines for a person; none when the bundle does not even say. */
void bundle_contents_print(const struct bundle_report *b);

/* The member "covers", or "claims" when the bundle is invalid; none when it does not even say. */
void bundle_contents_put_json(struct buf *out, const struct bundle_report *b);

#endif
