/*
 * Putting a sealed segment back: its two files, from a copy, while the store is in use.
 * What comes is believed only when it is byte for byte what the store's list of segments
 * says was there, so that nobody can put anything else in its place.
 *
 * The protocol, each part with a call of its own:
 *   1. the manifest: signed with the log's key, about this segment, with the digest, length
 *      and data key of the list; written beside, flushed, renamed
 *   2. the file: of that length and digest; written beside, flushed, renamed; then opened
 *      and verified against the tree, from the disk
 *   3. quarantine is lifted, in memory and with the next save in the catalogue
 * A crash before a rename leaves *.tmp, which the next start removes with a line; behind it
 * the segment is whole and in quarantine until it is put back again or the next scrub
 * finds it sound.
 */
#ifndef STELE_STORAGE_MEND_H
#define STELE_STORAGE_MEND_H

#include "storage/segment.h"
#include "storage/store.h"

/*
 * Puts back FIRST-COUNT.GEN.manifest of the log. STELE_ENOTFOUND when the log has no such
 * segment; STELE_EVERIFY when it is not that segment's manifest, or what lies there is immutable;
 * STELE_EREADONLY, STELE_ENOSPACE, STELE_EIO, STELE_ENOMEM; with why. Any thread, with its own
 * toolbox.
 */
int mend_manifest(struct store *st, struct log *log, const struct segment_name *name,
		  struct slice bytes, struct buf *why);

/*
 * Puts back FIRST-COUNT.GEN.seg, whose manifest must be there, and lifts quarantine. Errors
 * as mend_manifest; STELE_EVERIFY also when the manifest on the disk is not good;
 * STELE_EKEY when its data key is gone; STELE_EDAMAGED when what was written does not verify:
 * it stays in quarantine.
 */
int mend_segment(struct store *st, struct log *log, const struct segment_name *name,
		 struct slice bytes, struct toolbox *t, struct buf *why);

#endif
