/*
 * What a filter finds for an export, by the query engine (server/query.h), at the heads that the
 * export pinned; and the search certificate of it.
 */
#ifndef STELE_SERVER_EXPORT_SEARCH_H
#define STELE_SERVER_EXPORT_SEARCH_H

#include "proto/slice.h"

struct export_find;
struct ranges;

/* The matches in each of f's parts, into out, which has room for as many and is empty. Errors as
 * export_find. */
int export_search(struct export_find *f, struct slice filter, struct ranges *out);

/* The certificate of the same, into f->certificate; its matches are the parts' wanted, or
 * STELE_ECONFLICT. */
int export_search_certify(struct export_find *f, struct slice filter);

#endif
