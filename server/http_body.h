/*
 * The body's half of server/http.c: where its bytes lie, how they grow, what
 * they may cost. For http.c only.
 */
#ifndef STELE_SERVER_HTTP_BODY_H
#define STELE_SERVER_HTTP_BODY_H

#include "server/http.h"

/* Records why and makes STEP_BAD the state; returns it. */
enum http_step http_bad(struct http *h, enum problem problem, const char *detail);

/* Takes what has come of the body. */
enum http_step http_body_step(struct http *h);

/* Frees a large body and gives its budget back. */
void http_body_drop(struct http *h);

#endif
