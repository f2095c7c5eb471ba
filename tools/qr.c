/* The only file that knows libqrencode. */
#include "tools/qr.h"

#include <errno.h>
#include <stdlib.h>

#include <qrencode.h>

#include "proto/err.h"

int
qr_init(struct qr *q, const char *text)
{
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
	size_t n;

	*q = (struct qr){.width = 0};
	if (!code)
		return errno == ERANGE ? STELE_ELIMIT : STELE_ENOMEM;
	n = (size_t)code->width * (size_t)code->width;
	q->module = malloc(n);
	if (q->module) {
		q->width = (unsigned)code->width;
		for (size_t i = 0; i < n; i++)
			q->module[i] = code->data[i] & 1; /* its other bits say what it is for */
	}
	QRcode_free(code);
	return q->module ? 0 : STELE_ENOMEM;
}

void
qr_fini(struct qr *q)
{
	free(q->module);
	*q = (struct qr){.width = 0};
}

/* Whether the module is dark; rows and columns count from the margin's edge. */
static bool
dark(const struct qr *q, unsigned row, unsigned column)
{
	row -= QR_QUIET; /* wraps beyond width within the margin */
	column -= QR_QUIET;
	return row < q->width && column < q->width && q->module[row * q->width + column];
}

void
qr_put_blocks(struct buf *out, const struct qr *q)
{
	static const char *const blocks[] = {" ", "\u2580", "\u2584", "\u2588"};
	unsigned side = q->width + 2 * QR_QUIET;

	for (unsigned row = 0; row < side; row += 2) {
		for (unsigned column = 0; column < side; column++)
			buf_put_str(out,
				    blocks[dark(q, row, column) + 2 * dark(q, row + 1, column)]);
		buf_put_u8(out, '\n');
	}
}

void
qr_put_svg(struct buf *out, const struct qr *q)
{
	unsigned side = q->width + 2 * QR_QUIET;

	buf_printf(out,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" "
		   "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%uv%uH0z\"/>"
		   "<path d=\"",
		   side, side, side, side);
	for (unsigned row = 0; row < side; row++) {
		for (unsigned column = 0; column < side; column++) {
			if (dark(q, row, column))
				buf_printf(out, "M%u %uh1v1h-1z", column, row);
		}
	}
	buf_put_str(out, "\"/></svg>");
}
