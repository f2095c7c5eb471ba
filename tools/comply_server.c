/* Checks of the server: what it is, what state it is in, who may do what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/timestamp.h"
#include "tools/api.h"
#include "tools/comply.h"

#define HOUR_NS INT64_C(3600000000000)
#define SETTLED_NS (72 * HOUR_NS) /* before that a new approver approves nothing */

/* A sample of /metrics: true and *v, or false after the finding says why there is none. */
static bool
metric(const struct comply_case *c, const char *name, double *v, struct comply_finding *out)
{
	struct comply_part none = {.why = "the server does not say"};
	const json_t *sample = json_object_get(c->facts->metrics.doc, name);

	if (!sample) {
		comply_unseen(out, c->facts->metrics.doc ? &none : &c->facts->metrics);
		return false;
	}
	*v = json_real_value(sample);
	return true;
}

/* The part, when what it says needs the server's time, too; or else the one that is not seen. */
static const struct comply_part *
timed(const struct comply_case *c, const struct comply_part *part)
{
	return part->doc && !c->facts->now_ns ? &c->facts->clock : part;
}

/* How long ago an instant is, in days; -1: it is none. */
static double
days_since(const struct comply_case *c, const char *instant)
{
	int64_t ns;

	if (!instant || timestamp_parse(&ns, slice_str(instant)) != 0)
		return -1;
	return ns > c->facts->now_ns ? 0 : (double)(c->facts->now_ns - ns) / TIMESTAMP_DAY_NS;
}

/* --- what it is ---------------------------------------------------------------------------- */

void
comply_origin(const struct comply_case *c, struct comply_finding *out)
{
	const json_t *log;
	size_t i;

	if (!c->facts->logs.doc) {
		comply_unseen(out, &c->facts->logs);
		return;
	}
	if (json_array_size(c->facts->logs.doc) == 0) {
		struct comply_part none = {.why = "there is no log that the token may see"};
		comply_unseen(out, &none);
		return;
	}
	json_array_foreach(c->facts->logs.doc, i, log)
	{
		if (json_is_true(json_object_get(log, "demo"))) {
			comply_gap(out, "the server's name was made up at its first start");
			return;
		}
	}
	comply_ok(out, "the server's name was given to it");
}

void
comply_transport(const struct comply_case *c, struct comply_finding *out)
{
	double exposed;

	if (!metric(c, "insecure", &exposed, out))
		return;
	if (exposed != 0)
		comply_gap(out, "it listens beyond its machine in clear");
	else if (strncmp(c->facts->server, "https://", 8) == 0)
		comply_ok(out, "TLS");
	else
		comply_ok(out, "it listens on its own machine alone");
}

void
comply_sealed(const struct comply_case *c, struct comply_finding *out)
{
	double sealed;

	if (!metric(c, "keys_sealed", &sealed, out))
		return;
	if (sealed != 0)
		comply_ok(out, "the key files are sealed with a passphrase");
	else
		comply_gap(out, "the key files hold secrets in clear");
}

/* --- its state ------------------------------------------------------------------------------ */

void
comply_clock(const struct comply_case *c, struct comply_finding *out)
{
	const json_t *clock = c->facts->clock.doc, *credit = json_object_get(clock, "credit");
	long long each = 0, year = 0;

	sscanf(c->arg, "%lld,%lld", &each, &year);
	if (!clock)
		comply_unseen(out, &c->facts->clock);
	else if (strcmp(api_text(clock, "state"), "ok") != 0)
		comply_gap(out, "the clocks' state is %s (%s)", api_text(clock, "state"),
			   api_text(clock, "cause"));
	else if (api_number(credit, "each_seconds") > each ||
		 api_number(credit, "year_seconds") > year)
		comply_gap(out,
			   "the lock clock is credited up to %lld s a gap and %lld s a year, more "
			   "than %lld and %lld",
			   api_number(credit, "each_seconds"), api_number(credit, "year_seconds"),
			   each, year);
	else
		comply_ok(out, "the clocks are ok; credit is at most %lld s a gap, %lld s a year",
			  api_number(credit, "each_seconds"), api_number(credit, "year_seconds"));
}

void
comply_scrub(const struct comply_case *c, struct comply_finding *out)
{
	const json_t *last = json_object_get(c->facts->scrub.doc, "last");
	const struct comply_part *part = timed(c, &c->facts->scrub);
	double days = days_since(c, json_string_value(json_object_get(last, "ended")));

	if (!part->doc)
		comply_unseen(out, part);
	else if (days < 0)
		comply_gap(out, "no pass has ended since the server's start");
	else if (api_number(last, "damaged") || api_number(last, "unread"))
		comply_gap(out, "the last pass found %lld damaged, and could not judge %lld",
			   api_number(last, "damaged"), api_number(last, "unread"));
	else if (days > atof(c->arg))
		comply_gap(out, "the last pass ended %.1f days ago, more than %s", days, c->arg);
	else
		comply_ok(out, "the last pass ended %.1f days ago, and found no damage", days);
}

void
comply_backup(const struct comply_case *c, struct comply_finding *out)
{
	const struct comply_part *part = timed(c, &c->facts->backup);
	const json_t *b = c->facts->backup.doc;
	const char *error = json_string_value(json_object_get(b, "error"));
	double days = days_since(c, json_string_value(json_object_get(b, "ended")));

	if (!part->doc)
		comply_unseen(out, part);
	else if (error)
		comply_gap(out, "the last backup failed: %.200s", error);
	else if (days < 0)
		comply_gap(out, "no backup has ended since the server's start");
	else if (days > atof(c->arg))
		comply_gap(out, "the last backup ended %.1f days ago, more than %s", days, c->arg);
	else
		comply_ok(out, "the last backup ended %.1f days ago", days);
}

void
comply_storage(const struct comply_case *c, struct comply_finding *out)
{
	double quarantined, damaged, read_only;

	if (!metric(c, "segments_quarantined", &quarantined, out) ||
	    !metric(c, "damaged_reads_total", &damaged, out) ||
	    !metric(c, "read_only", &read_only, out))
		return;
	if (quarantined > 0)
		comply_gap(out, "%.0f segments are damaged, and not served", quarantined);
	else if (damaged > 0)
		comply_gap(out, "%.0f reads met damage since the start", damaged);
	else if (read_only != 0)
		comply_gap(out, "it is read-only after a failed write: it takes no records");
	else
		comply_ok(out, "nothing is quarantined, and records are taken");
}

/* --- its own trail ---------------------------------------------------------------------------- */

static const json_t *
find_log(const json_t *logs, const char *name)
{
	const json_t *log;
	size_t i;

	json_array_foreach(logs, i, log) if (strcmp(api_text(log, "log"), name) == 0) return log;
	return NULL;
}

void
comply_trail(const struct comply_case *c, struct comply_finding *out)
{
	static const char *const names[] = {"_system", "_access"};
	struct comply_part none = {.why = "the token may not see _system and _access"};

	if (!c->facts->logs.doc) {
		comply_unseen(out, &c->facts->logs);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		const json_t *log = find_log(c->facts->logs.doc, names[i]);
		const json_t *policy = json_object_get(log, "policy");
		const char *period = comply_default_of(log);

		if (!log) {
			comply_unseen(out, &none);
			return;
		}
		if (strcmp(api_text(policy, "mode"), "none") == 0 ||
		    !comply_lasts(period, c->arg)) {
			comply_gap(out, "%s is kept for %s, less than %s", names[i],
				   period ? period : "no set time", c->arg);
			return;
		}
	}
	comply_ok(out, "_system and _access are kept for %s at least", c->arg);
}

/* --- who may do what ---------------------------------------------------------------------------
 */

static bool
listed(const json_t *list, const char *word)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) if (json_is_string(v) &&
					   strcmp(json_string_value(v), word) == 0) return true;
	return false;
}

/* Whether every log asks for a second principal by its own policy. */
static bool
logs_ask(const json_t *logs, const char *act)
{
	const json_t *log;
	size_t i;

	json_array_foreach(logs, i, log) if (!listed(json_object_get(json_object_get(log, "policy"),
								     "dual_control"),
						     act)) return false;
	return json_array_size(logs) > 0;
}

void
comply_dual(const struct comply_case *c, struct comply_finding *out)
{
	const json_t *acts = json_object_get(c->facts->dual.doc, "acts");
	struct buf missing, all;
	char words[200], *rest = words, *act;

	if (!acts) {
		comply_unseen(out, &c->facts->dual);
		return;
	}
	buf_init(&missing);
	buf_init(&all);
	api_put_joined(&all, acts);
	snprintf(words, sizeof words, "%s", c->arg);
	while ((act = strsep(&rest, ","))) {
		if (listed(acts, act) || logs_ask(c->logs, act))
			continue;
		buf_printf(&missing, "%s%s", missing.n ? ", " : "", act);
		buf_printf(&all, "%s%s", all.n ? "," : "", act);
	}
	snprintf(out->arg, sizeof out->arg, "%s", api_cstr(&all));
	if (missing.n)
		comply_gap(out, "one principal is enough for %s", api_cstr(&missing));
	else
		comply_ok(out, "two principals are needed for %s", c->arg);
	buf_fini(&missing);
	buf_fini(&all);
}

/* Whether somebody who is there has a scope on some log. */
static bool
may(const json_t *principal, const char *scope)
{
	const json_t *grant;
	size_t i;

	if (json_object_get(principal, "disabled"))
		return false;
	json_array_foreach(json_object_get(principal, "grants"), i,
			   grant) if (listed(json_object_get(grant, "scopes"), scope)) return true;
	return false;
}

/* As the server has it: without an end, and their grants have stood for 72 hours. */
static void
count_approvers(const struct comply_case *c, long *settled, long *fresh)
{
	const json_t *p;
	size_t i;

	*settled = *fresh = 0;
	json_array_foreach(c->facts->principals.doc, i, p)
	{
		const char *since = json_string_value(json_object_get(p, "widened"));
		int64_t ns = 0;

		if (!may(p, "approve") || json_object_get(p, "ends"))
			continue;
		if (since && timestamp_parse(&ns, slice_str(since)) == 0 &&
		    c->facts->now_ns - ns < SETTLED_NS)
			++*fresh;
		else
			++*settled;
	}
}

void
comply_approvers(const struct comply_case *c, struct comply_finding *out)
{
	const struct comply_part *part = timed(c, &c->facts->principals);
	long settled, fresh;

	if (!part->doc) {
		comply_unseen(out, part);
		return;
	}
	count_approvers(c, &settled, &fresh);
	if (settled >= atol(c->arg))
		comply_ok(out, "principals who may approve: %ld", settled);
	else
		comply_gap(
			out,
			"principals who may approve now: %ld, and %ld more once 72 hours have passed",
			settled, fresh);
}

void
comply_holds(const struct comply_case *c, struct comply_finding *out)
{
	const json_t *p;
	long n = 0;
	size_t i;

	if (!c->facts->holds.doc || !c->facts->principals.doc) {
		comply_unseen(out, c->facts->holds.doc ? &c->facts->principals : &c->facts->holds);
		return;
	}
	json_array_foreach(c->facts->principals.doc, i, p) n += may(p, "hold");
	if (n)
		comply_ok(out, "principals who may place legal holds: %ld", n);
	else
		comply_gap(out, "nobody may place a legal hold");
}
