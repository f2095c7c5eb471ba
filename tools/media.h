/* Media types by file name. */
#ifndef STELE_TOOLS_MEDIA_H
#define STELE_TOOLS_MEDIA_H

/* The type that a file's name tells, static; NULL when it tells none. */
const char *media_by_name(const char *file);

#endif
