/* The names are what people write in queries and schemas: they never change. */
#include "proto/field.h"

#include "proto/check.h"

static const char *const names[] = {
	[FIELD_TIME] = "time",
	[FIELD_RECEIVE_TIME] = "receive_time",
	[FIELD_WRITER] = "writer",
	[FIELD_ACTOR] = "actor",
	[FIELD_ACTION] = "action",
	[FIELD_RESOURCE] = "resource",
	[FIELD_OUTCOME] = "outcome",
	[FIELD_SOURCE_IP] = "source_ip",
	[FIELD_TRACE_ID] = "trace_id",
	[FIELD_EVENT_ID] = "event_id",
	[FIELD_EVENT_TYPE] = "event_type",
	[FIELD_SEVERITY] = "severity",
	[FIELD_ANY] = "any",
};

const char *
field_name(enum field field)
{
	CHECK((unsigned)field <= FIELD_ANY);
	return names[field];
}

int
field_find(struct slice name)
{
	for (int i = 0; i <= FIELD_ANY; i++) {
		if (slice_eq_str(name, names[i]))
			return i;
	}
	return -1;
}
