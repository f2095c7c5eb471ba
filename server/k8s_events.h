/*
 * A Kubernetes audit webhook's body taken apart: an EventList of audit.k8s.io, whose items are
 * events (k8s.io/apiserver, pkg/apis/audit). Items stay the bytes that were sent.
 *
 * Two readers share the work. Where items begin and end is found by a scan that knows strings and
 * brackets and nothing more, so that an item which is not valid JSON does not take the others with
 * it; what an item says is asked of proto/json.h, which is strict. Of valid JSON the scan finds the
 * exact values; of anything else it finds pieces of the list, or that there is no list.
 */
#ifndef STELE_SERVER_K8S_EVENTS_H
#define STELE_SERVER_K8S_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/arena.h"
#include "proto/json.h"
#include "proto/slice.h"

enum k8s_body {
	K8S_LIST,    /* one item at least */
	K8S_NOTHING, /* white space alone, or a list without items */
	K8S_OTHER,   /* valid JSON that says it is something else */
	K8S_BROKEN,  /* no JSON, cut off, or a list that cannot be told into items */
};

/* A list on its way through; the body is the caller's and stays. */
struct k8s_events {
	struct slice body;
	size_t at; /* of the next item, or white space before it */
};

/* What the body is, in *what; K8S_LIST: the items follow. STELE_ENOMEM. */
int k8s_events_open(struct k8s_events *e, struct json_scanner *js, struct arena *a,
		    struct slice body, enum k8s_body *what);

/* The next item, without the white space around it: 1 byte at least. False at the end. */
bool k8s_events_next(struct k8s_events *e, struct slice *item);

/*
 * What makes an event the same one: its auditID and its stage, in the arena. STELE_ESYNTAX when the
 * item is no valid JSON object, or has not one string of each that is not empty; STELE_ELIMIT (it
 * nests too deep), STELE_ENOMEM.
 */
int k8s_event_identity(struct json_scanner *js, struct slice item, struct arena *a,
		       struct slice id[2]);

#endif
