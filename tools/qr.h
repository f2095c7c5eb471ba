/*
 * A QR code (ISO/IEC 18004) of a text, by libqrencode, and what it looks like on paper.
 */
#ifndef STELE_TOOLS_QR_H
#define STELE_TOOLS_QR_H

#include <stdint.h>

#include "proto/buf.h"

enum { QR_QUIET = 4 }; /* modules of margin on each side, as the standard wants them */

struct qr {
	unsigned width;  /* modules on a side, without margin */
	uint8_t *module; /* width * width, row by row: 1 is dark; owned */
};

/*
 * Of a NUL-terminated text, kept byte for byte, with 15 % of it restorable (level M).
 * STELE_ELIMIT for a text that is too long; STELE_ENOMEM. qr_fini in any case.
 */
int qr_init(struct qr *q, const char *text);
void qr_fini(struct qr *q);

/*
 * Appends it with its margin in lines of Unicode half blocks, two modules on top of each other in
 * a character: a full character is dark, for dark ink on a light page. Errors stick to out.
 */
void qr_put_blocks(struct buf *out, const struct qr *q);

/* Appends it with its margin as an SVG element, a module being one unit. */
void qr_put_svg(struct buf *out, const struct qr *q);

#endif
