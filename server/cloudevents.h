/*
 * CloudEvents 1.0 over HTTP (CNCF: CloudEvents specification, JSON event
 * format, HTTP protocol binding). Structured events are kept as they came;
 * binary ones are put into structured form, attributes in order of their
 * names, so that a retry gives the same bytes.
 */
#ifndef STELE_SERVER_CLOUDEVENTS_H
#define STELE_SERVER_CLOUDEVENTS_H

#include <stdbool.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/json.h"
#include "proto/slice.h"
#include "server/http.h"

#define CLOUDEVENTS_TYPE "application/cloudevents+json"
#define CLOUDEVENTS_BATCH_TYPE "application/cloudevents-batch+json"

/* What makes an event the same event (section 3.1: source and id together). */
struct cloudevents_identity {
	struct slice source, id; /* in the arena */
};

/*
 * Checks a structured event: a JSON object whose specversion is "1.0" and that
 * has non-empty strings id, source and type. STELE_ESYNTAX with one sentence in
 * *why (static), STELE_ELIMIT (nesting), STELE_ENOMEM.
 */
int cloudevents_check(struct json_scanner *js, struct slice event, struct arena *a,
		      struct cloudevents_identity *id, const char **why);

/* True when the request is a binary event: it has a ce-specversion field. */
bool cloudevents_is_binary(const struct http *h);

/*
 * Appends the structured form of a binary event whose data is data, of the
 * normalised media type type (empty: none); json says that data is valid JSON.
 * Errors as cloudevents_check, and for values that are not percent-encoded
 * UTF-8.
 */
int cloudevents_from_binary(const struct http *h, struct slice type, bool json, struct slice data,
			    struct arena *a, struct buf *out, struct cloudevents_identity *id,
			    const char **why);

#endif
