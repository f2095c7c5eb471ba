/*
 * What somebody asks to export: the body of a request, read strictly and made into what the
 * export.begin says: names in the place of patterns, one filter in canonical text in the place of
 * simple terms, instants as entries spell them (docs/formats.md section 10).
 */
#ifndef STELE_SERVER_EXPORT_REQUEST_H
#define STELE_SERVER_EXPORT_REQUEST_H

#include <jansson.h>

#include "proto/buf.h"
#include "server/problem.h"

struct server;
struct token;

struct export_asked {
	json_t *request;      /* the canonical one */
	json_t *logs;         /* [{"log","size","read","hold"},…] of the act */
	enum problem problem; /* of a refusal; PROBLEM_NONE: the error's own */
	struct buf why;       /* one sentence of it */
};

/*
 * Reads it for whoever has the token, as the logs are now. An error has the problem and the
 * sentence, or is STELE_ENOMEM. export_asked_fini in any case. A worker thread.
 */
int export_request_read(struct export_asked *out, struct server *s, struct token *token,
			const json_t *body);

/* Frees what it has, after an error too. */
void export_asked_fini(struct export_asked *a);

#endif
