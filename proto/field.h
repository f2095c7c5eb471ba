/*
 * The fields that auditors search by, the same for every producer. A schema
 * (proto/schema.h) says where each lies in a payload; receive time and writer
 * are the record's own and need no schema.
 */
#ifndef STELE_PROTO_FIELD_H
#define STELE_PROTO_FIELD_H

#include "proto/slice.h"

enum field {
	FIELD_TIME, /* time: when it happened; receive time where the payload does not say */
	FIELD_RECEIVE_TIME, /* receive_time: the entry's time */
	FIELD_WRITER,       /* writer: the entry's */
	FIELD_ACTOR,        /* actor: who did it */
	FIELD_ACTION,       /* action: what was done */
	FIELD_RESOURCE,     /* resource: to what */
	FIELD_OUTCOME,      /* outcome: success, failure, or what the producer says */
	FIELD_SOURCE_IP,    /* source_ip: from where */
	FIELD_TRACE_ID,     /* trace_id: request, trace or session */
	FIELD_EVENT_ID,     /* event_id: the producer's own id of this event */
	FIELD_EVENT_TYPE,   /* event_type: the producer's class of events */
	FIELD_SEVERITY,     /* severity */
	FIELD_ANY,          /* any: one of FIELD_ANY_MASK; in filters only */
};

enum { FIELD_COUNT = FIELD_ANY }; /* fields that a record has */

/* What `any` looks at, as bits 1 << field. */
#define FIELD_ANY_MASK                                                                             \
	(1u << FIELD_ACTOR | 1u << FIELD_ACTION | 1u << FIELD_RESOURCE | 1u << FIELD_OUTCOME |     \
	 1u << FIELD_SOURCE_IP | 1u << FIELD_EVENT_TYPE | 1u << FIELD_EVENT_ID)

/* The name of a field (FIELD_ANY included) as filters and schemas write it; static. */
const char *field_name(enum field field);

/* The field of that name, FIELD_ANY included; -1 when there is none. Case matters. */
int field_find(struct slice name);

#endif
