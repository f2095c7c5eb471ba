/* Records on the command line, by their indexes: "17-20", "3,7-9". */
#ifndef STELE_TOOLS_RANGE_ARGS_H
#define STELE_TOOLS_RANGE_ARGS_H

#include <jansson.h>
#include <stdbool.h>

/* "17-20" as [17,20], and with open "17-" as [17,null]; NULL when it is none. */
json_t *range_args_pair(const char *text, bool open);

/* "3,7-9" as [[3,3],[7,9]]; NULL when it is none, or empty. */
json_t *range_args_list(const char *text);

#endif
