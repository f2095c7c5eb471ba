/*
 * A segment's manifest: a note (proto/note.h) signed with the log's key over
 * the lines of docs/formats.md, "stele segment v1".
 */
#ifndef STELE_STORAGE_MANIFEST_H
#define STELE_STORAGE_MANIFEST_H

#include "crypto/sign.h"
#include "proto/buf.h"
#include "storage/segment.h"

/*
 * Appends the text that is signed. replaces is a row of FIRST-COUNT.GEN, each
 * followed by a newline. STELE_EINVAL, and nothing appended, when a fact or a
 * name is out of its range, or they are more than LIMIT_SEGMENT_REPLACES.
 */
int manifest_put(struct buf *out, const struct segment_facts *facts, struct slice replaces);

/*
 * Reads the text of a manifest, which must be exactly what manifest_put gives.
 * *replaces, unless NULL, points into text, each name behind "replaces " and
 * followed by a newline. STELE_EVERSION for another version; STELE_ESYNTAX.
 */
int manifest_parse(struct segment_facts *facts, struct slice *replaces, struct slice text);

/*
 * Appends the names of a section that manifest_parse gave, as manifest_put takes them. When memory
 * is out, out->err says so.
 */
void manifest_names(struct buf *out, struct slice section);

/*
 * Writes DIR/FIRST-COUNT.GEN.manifest, mode 0444, durably and atomically.
 * Errors as manifest_put and file_replace.
 */
int manifest_write(const char *dir, const struct segment_facts *facts, struct slice replaces,
		   const struct signer *signer);

/*
 * Reads DIR/FIRST-COUNT.GEN.manifest of that name: signed by one of the n keys
 * (the log's, of any epoch), and about origin, log_id and the range and
 * generation that its name says. Appends to replaces, unless NULL, what
 * manifest_write was given. STELE_ENOTFOUND; STELE_EIO; STELE_EVERSION; STELE_EDAMAGED for
 * all else that is wrong with it, and why says what.
 */
int manifest_read(struct segment_facts *facts, struct buf *replaces, const char *dir,
		  const struct segment_name *name, struct slice origin, uint64_t log_id,
		  const struct note_vkey *keys, size_t n, struct buf *why);

#endif
