/* Columns are counted in characters: that is what an editor shows. */
#include "proto/texterror.h"

#include <stdarg.h>
#include <stdio.h>

int
text_error_set(struct text_error *err, int code, struct slice text, size_t offset, const char *fmt,
	       ...)
{
	va_list args;

	err->offset = offset;
	err->column = 1;
	for (size_t i = 0; i < offset; i++)
		err->column += (text.p[i] & 0xc0) != 0x80; /* not inside of a character */
	va_start(args, fmt);
	vsnprintf(err->message, sizeof err->message, fmt, args);
	va_end(args);
	return code;
}
