/* Checks of one log's policy. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/duration.h"
#include "proto/timestamp.h"
#include "tools/api.h"
#include "tools/comply.h"

/* --- findings ------------------------------------------------------------------------------ */

static void
say(struct comply_finding *out, enum comply_state state, const char *fmt, va_list ap)
{
	out->state = state;
	vsnprintf(out->says, sizeof out->says, fmt, ap);
}

void
comply_ok(struct comply_finding *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(out, COMPLY_OK, fmt, ap);
	va_end(ap);
}

void
comply_gap(struct comply_finding *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(out, COMPLY_GAP, fmt, ap);
	va_end(ap);
}

void
comply_unseen(struct comply_finding *out, const struct comply_part *part)
{
	out->state = COMPLY_UNSEEN;
	snprintf(out->says, sizeof out->says, "%s", part->why);
}

/* --- periods ------------------------------------------------------------------------------- */

/* Months differ, and years do: counted from each month of a cycle of four years. */
enum { CYCLE_MONTHS = 48, CYCLE_YEAR = 2024 };

static bool
read_period(struct duration *d, const char *text)
{
	return text && duration_parse(d, slice_str(text)) == 0;
}

bool
comply_lasts(const char *period, const char *needed)
{
	struct duration have, want;

	if (!read_period(&have, period) || !read_period(&want, needed))
		return false;
	for (unsigned m = 0; m < CYCLE_MONTHS; m++) {
		struct timestamp_date day = {CYCLE_YEAR + m / 12, 1 + m % 12, 1};
		int64_t from = (int64_t)timestamp_days(day) * TIMESTAMP_DAY_NS, a, b;

		if (duration_add(&b, from, &want) != 0 ||
		    (duration_add(&a, from, &have) == 0 && a < b))
			return false;
	}
	return true;
}

/* A period of the log's policy, or NULL. */
static const char *
period_of(const json_t *log, const char *name)
{
	const json_t *retain = json_object_get(json_object_get(log, "policy"), "retain");

	return json_string_value(json_object_get(retain, name));
}

const char *
comply_default_of(const json_t *log)
{
	const char *period = period_of(log, "default");

	return period ? period : period_of(log, "min");
}

/* --- mode ---------------------------------------------------------------------------------- */

static const char *
mode_of(const json_t *log)
{
	return api_text(json_object_get(log, "policy"), "mode");
}

void
comply_mode_compliance(const struct comply_case *c, struct comply_finding *out)
{
	const char *from =
		json_string_value(json_object_get(json_object_get(c->log, "compliance"), "from"));

	if (strcmp(mode_of(c->log), "compliance") == 0)
		comply_ok(out, "the mode is compliance");
	else if (from)
		comply_gap(out, "compliance begins at %s, and can be called off until then", from);
	else
		comply_gap(out, "the mode is %s", mode_of(c->log));
}

void
comply_mode_locks(const struct comply_case *c, struct comply_finding *out)
{
	const char *mode = mode_of(c->log);

	if (strcmp(mode, "governance") == 0 || strcmp(mode, "compliance") == 0)
		comply_ok(out, "the mode is %s", mode);
	else
		comply_gap(out, "the mode is %s: no record is locked", mode);
}

/* --- periods ------------------------------------------------------------------------------- */

static void
check_period(const struct comply_case *c, const char *period, const char *what,
	     struct comply_finding *out)
{
	if (comply_lasts(period, c->arg))
		comply_ok(out, "%s is %s", what, period);
	else if (period)
		comply_gap(out, "%s is %s, less than %s", what, period, c->arg);
	else
		comply_gap(out, "%s is not set, and %s is asked for", what, c->arg);
}

void
comply_default(const struct comply_case *c, struct comply_finding *out)
{
	check_period(c, comply_default_of(c->log), "the default period", out);
}

void
comply_shortest(const struct comply_case *c, struct comply_finding *out)
{
	check_period(c, period_of(c->log, "min"), "the shortest period that a producer may ask for",
		     out);
}

void
comply_bounds(const struct comply_case *c, struct comply_finding *out)
{
	const char *longest = period_of(c->log, "max");
	const json_t *quota = json_object_get(json_object_get(c->log, "policy"), "quota");

	if (!longest && !json_object_size(quota))
		comply_gap(out, "there is no longest period and no quota");
	else if (!longest)
		comply_gap(out, "there is no longest period");
	else if (!json_object_size(quota))
		comply_gap(out, "there is no quota");
	else
		comply_ok(out, "the longest period is %s, and there is a quota", longest);
}

/* --- who may see it --------------------------------------------------------------------------- */

void
comply_private(const struct comply_case *c, struct comply_finding *out)
{
	if (json_is_true(json_object_get(json_object_get(c->log, "policy"), "public")))
		comply_gap(out, "entries, with who wrote them, need no token");
	else
		comply_ok(out, "entries need a token");
}
