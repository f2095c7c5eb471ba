/* What people send as evidence; anything else is bytes. */
#include "tools/media.h"

#include <stddef.h>
#include <string.h>

const char *
media_by_name(const char *file)
{
	static const char *const types[][2] = {
		{".json", "application/json"}, {".txt", "text/plain"},
		{".log", "text/plain"},        {".csv", "text/csv"},
		{".pdf", "application/pdf"},   {".xml", "application/xml"},
		{".png", "image/png"},         {".jpg", "image/jpeg"},
		{".zip", "application/zip"},
	};
	const char *dot = strrchr(file, '.');

	for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
		if (strcmp(dot, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}
