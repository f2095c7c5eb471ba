/* Three fields, at most one of which is there. */
#include "server/wish.h"

#include <string.h>
#include <strings.h>

#include "proto/control.h"
#include "proto/duration.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/append_hold.h"
#include "server/auth.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/scope.h"

const char wish_too_far[] = "A lock must end before the year 2262; nothing was stored.";

static bool
refuse(struct request *r, const char *sentence)
{
	reply_problem(r, PROBLEM_INVALID_RETENTION, "%s", sentence);
	return false;
}

/* --- the fields ------------------------------------------------------------------------- */

static bool
read_until(struct request *r, struct wish *w, struct slice v)
{
	w->is.kind = POLICY_WISH_UNTIL;
	return timestamp_read(&w->is.until_ns, v) == 0 ||
	       refuse(r, "Stele-Retain-Until is an instant in UTC before the year 2262, such as "
			 "2033-01-31T00:00:00Z.");
}

static bool
read_for(struct request *r, struct wish *w, struct slice v)
{
	int err = duration_parse(&w->is.period, v);

	w->is.kind = POLICY_WISH_FOR;
	if (err == STELE_ELIMIT)
		return refuse(r, wish_too_far);
	return err == 0 || refuse(r, "Stele-Retain-For is a period such as 7y, 18mo, 90d, 36h or "
				     "P1Y6M.");
}

static bool
read_event(struct request *r, struct wish *w, struct slice v)
{
	w->is.kind = POLICY_WISH_EVENT;
	if (!control_event_valid(v))
		return refuse(r, "Stele-Retain-Event is the name of an event: 1 to 63 printable "
				 "ASCII characters without space, quotes and backslashes.");
	memcpy(w->event, v.p, v.n);
	w->is.event = slice_of(w->event, v.n);
	return true;
}

static const struct {
	const char *name;
	bool (*read)(struct request *r, struct wish *w, struct slice value);
} fields[] = {
	{"Stele-Retain-Until", read_until},
	{"Stele-Retain-For", read_for},
	{"Stele-Retain-Event", read_event},
};

static bool
is_named(struct slice field, const char *name)
{
	return field.n == strlen(name) && strncasecmp((const char *)field.p, name, field.n) == 0;
}

/* One field whose name begins with Stele-. To ignore it would lose a lock, or evidence. */
static bool
read_field(struct request *r, struct wish *w, struct slice name, struct slice value)
{
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (!is_named(name, fields[i].name))
			continue;
		if (w->is.kind != POLICY_WISH_DEFAULT)
			return refuse(r, "Say one of Stele-Retain-Until, Stele-Retain-For and "
					 "Stele-Retain-Event, once.");
		return fields[i].read(r, w, value);
	}
	reply_problem(r, PROBLEM_RETENTION_UNSUPPORTED,
		      "This version does not offer the header %.*s. The log's policy locks its "
		      "records; nothing was stored.",
		      (int)(name.n < 64 ? name.n : 64), (const char *)name.p);
	return false;
}

bool
wish_read(struct request *r, struct wish *w)
{
	static const char prefix[] = "stele-";
	const size_t n = sizeof prefix - 1;

	w->is = (struct policy_wish){.kind = POLICY_WISH_DEFAULT};
	for (size_t i = 0; i < r->http.n_fields; i++) {
		struct slice name = r->http.fields[i].name;
		if (name.n > n && strncasecmp((const char *)name.p, prefix, n) == 0 &&
		    !append_hold_is(name) && !read_field(r, w, name, r->http.fields[i].value))
			return false;
	}
	return w->is.kind == POLICY_WISH_DEFAULT || auth_also(r, SCOPE_RETAIN, r->param[0]);
}

const struct policy_wish *
wish_of(struct wish *w)
{
	w->is.event.p = (const uint8_t *)w->event; /* it may have been copied */
	return w->is.kind == POLICY_WISH_DEFAULT ? NULL : &w->is;
}
