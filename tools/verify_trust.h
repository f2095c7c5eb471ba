/* Whom stele verify believes: the key that was given, and notes that came from elsewhere. */
#ifndef STELE_TOOLS_VERIFY_TRUST_H
#define STELE_TOOLS_VERIFY_TRUST_H

#include "crypto/receipt.h"
#include "proto/buf.h"
#include "tools/cli.h"

/*
 * Pins the verifier key in text, or, after an @, in the file of that name; it is kept in *vkey,
 * which must outlive the trust. CLI_GO, or CLI_USAGE after saying what is wrong.
 */
int verify_trust_key(struct receipt_trust *trust, struct sha256 *h, struct buf *vkey,
		     const char *text);

/*
 * Adds the key statements and succession notes that are in the files, one after the other, or as
 * keys.txt of a bundle has them; they are kept in *keys, likewise.
 */
int verify_trust_notes(struct receipt_trust *trust, struct buf *keys,
		       const struct cli_texts *files);

#endif
