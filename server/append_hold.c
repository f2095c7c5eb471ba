/* The header field. */
#include "server/append_hold.h"

#include <string.h>
#include <strings.h>

#include "server/access.h"
#include "server/audit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/server.h"

static const char field[] = "Stele-Legal-Hold";

bool
append_hold_is(struct slice name)
{
	return name.n == sizeof field - 1 && strncasecmp((const char *)name.p, field, name.n) == 0;
}

/* --- the field ---------------------------------------------------------------------------- */

/* Adds one id; false: it is none, or one too many. */
static bool
add_id(struct append_hold *h, struct slice id)
{
	while (id.n && (id.p[0] == ' ' || id.p[0] == '\t'))
		id = slice_of(id.p + 1, id.n - 1);
	while (id.n && (id.p[id.n - 1] == ' ' || id.p[id.n - 1] == '\t'))
		id.n--;
	if (id.n != CONTROL_HOLD_ID_CHARS || h->n == LIMIT_HOLD_HEADER_IDS)
		return false;
	for (size_t i = 0; i < h->n; i++)
		if (slice_eq_str(id, h->ids[i]))
			return true;
	memcpy(h->ids[h->n], id.p, id.n);
	h->ids[h->n++][id.n] = '\0';
	return true;
}

static bool
add_ids(struct append_hold *h, struct slice value)
{
	const uint8_t *comma;

	while ((comma = memchr(value.p, ',', value.n))) {
		size_t n = (size_t)(comma - value.p);
		if (!add_id(h, slice_of(value.p, n)))
			return false;
		value = slice_of(value.p + n + 1, value.n - n - 1);
	}
	return add_id(h, value);
}

bool
append_hold_read(struct request *r, struct append_hold *h)
{
	memset(h, 0, sizeof *h);
	h->problem = PROBLEM_NONE;
	for (size_t i = 0; i < r->http.n_fields; i++) {
		if (!append_hold_is(r->http.fields[i].name))
			continue;
		if (!add_ids(h, r->http.fields[i].value)) {
			reply_problem(r, PROBLEM_INVALID_HEADER,
				      "%s names 1 to %u holds by their ids, with commas between "
				      "them.",
				      field, LIMIT_HOLD_HEADER_IDS);
			return false;
		}
	}
	if (h->n == 0 || token_may(r->token, SCOPE_HOLD, r->param[0]))
		return true;
	audit_denied(r->server->audit, r, r->param[0], PROBLEM_INSUFFICIENT_SCOPE);
	reply_problem(r, PROBLEM_INSUFFICIENT_SCOPE,
		      "The header %s needs the scope hold on the log; nothing was stored.", field);
	return false;
}
