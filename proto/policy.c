/* A policy is small and read seldom: jansson, then member by member, nothing ignored. */
#include "proto/policy.h"

#include <string.h>

#include <jansson.h>

#include "proto/err.h"

/*
 * 2100-01-01: a policy whose lock could not be written down for a record of
 * that day is refused now, rather than its appends later.
 */
#define FAR_START_NS INT64_C(4102444800000000000)

static int
refuse(struct buf *why, int err, const char *sentence)
{
	buf_put_str(why, sentence);
	return err;
}

/* One of retain's members: the text is kept as written, *d is its meaning. */
static int
read_duration(char text[32], struct duration *d, json_t *value, const char *name, struct buf *why)
{
	const char *s = json_string_value(value);
	size_t n = s ? json_string_length(value) : 0;
	int64_t end;
	int err;

	if (!s || n == 0 || n >= 32) {
		buf_printf(why,
			   "retain.%s must be a duration in a string, such as \"7y\" or \"90d\".",
			   name);
		return STELE_ESYNTAX;
	}
	err = duration_parse(d, slice_of(s, n));
	if (!err)
		err = duration_add(&end, FAR_START_NS, d);
	if (err == STELE_ELIMIT) {
		buf_printf(why,
			   "retain.%s is too long: a lock must end before the year 2262, "
			   "whenever it starts; at most 160y.",
			   name);
		return STELE_ESYNTAX;
	}
	if (err) {
		buf_printf(why,
			   "retain.%s is not a duration that can be kept: write years, months, "
			   "days or hours such as \"7y\", \"6mo\", \"90d\" or \"P1Y6M\".",
			   name);
		return STELE_ESYNTAX;
	}
	memcpy(text, s, n);
	text[n] = '\0';
	return 0;
}

/*
 * Orders two durations by where they end when they start at the epoch: exact
 * between years and months and between days and seconds; a month against days
 * is as long as January's. Unrepresentable ends were refused before.
 */
static bool
longer(const struct duration *a, const struct duration *b)
{
	int64_t end_a = INT64_MAX, end_b = INT64_MAX;

	(void)duration_add(&end_a, 0, a);
	(void)duration_add(&end_b, 0, b);
	return end_a > end_b;
}

static int
read_retain(struct policy *p, json_t *retain, struct buf *why)
{
	struct duration min = {0}, max = {0};
	const char *name;
	json_t *value;
	int err;

	if (!json_is_object(retain))
		return refuse(why, STELE_ESYNTAX,
			      "retain must be an object with default, min and max.");
	json_object_foreach(retain, name, value)
	{
		if (strcmp(name, "default") == 0)
			err = read_duration(p->retain_default, &p->default_for, value, name, why);
		else if (strcmp(name, "min") == 0)
			err = read_duration(p->retain_min, &min, value, name, why);
		else if (strcmp(name, "max") == 0)
			err = read_duration(p->retain_max, &max, value, name, why);
		else
			err = refuse(
				why, STELE_ESYNTAX,
				"retain has an unknown member; it takes default, min and max.");
		if (err)
			return err;
	}
	if (p->retain_min[0] && p->retain_max[0] && longer(&min, &max))
		return refuse(why, STELE_ESYNTAX, "retain.min is longer than retain.max.");
	if (p->retain_min[0] && p->retain_default[0] && longer(&min, &p->default_for))
		return refuse(why, STELE_ESYNTAX, "retain.min is longer than retain.default.");
	if (p->retain_max[0] && p->retain_default[0] && longer(&p->default_for, &max))
		return refuse(why, STELE_ESYNTAX, "retain.default is longer than retain.max.");
	return 0;
}

static int
read_mode(struct policy *p, json_t *value, struct buf *why)
{
	const char *s = json_string_value(value);

	if (!s || entry_mode_parse(&p->mode, slice_of(s, json_string_length(value))) != 0)
		return refuse(why, STELE_ESYNTAX,
			      "mode must be \"none\", \"governance\" or \"compliance\".");
	if (p->mode == ENTRY_MODE_COMPLIANCE)
		return refuse(why, STELE_EUNSUPPORTED,
			      "mode \"compliance\" is not offered by this version; use "
			      "\"governance\".");
	return 0;
}

/* Members of worm.md that this version has no code for: only their absence is honest. */
static int
read_unoffered(const char *name, json_t *value, struct buf *why)
{
	if (strcmp(name, "event_based") == 0 && json_is_boolean(value)) {
		if (json_is_false(value))
			return 0;
	} else if (strcmp(name, "dual_control") == 0 && json_is_array(value)) {
		if (json_array_size(value) == 0)
			return 0;
	} else if (strcmp(name, "quota") == 0) {
		if (json_is_null(value))
			return 0;
	} else if (strcmp(name, "event_based") == 0 || strcmp(name, "dual_control") == 0) {
		buf_printf(why, "%s has the wrong type.", name);
		return STELE_ESYNTAX;
	} else {
		return refuse(
			why, STELE_ESYNTAX,
			"the policy has an unknown member; it takes mode, retain and public.");
	}
	buf_printf(why, "%s is not offered by this version; leave it out.", name);
	return STELE_EUNSUPPORTED;
}

static int
read_members(struct policy *p, json_t *root, struct buf *why)
{
	const char *name;
	json_t *value;
	int err;

	json_object_foreach(root, name, value)
	{
		if (strcmp(name, "mode") == 0)
			err = read_mode(p, value, why);
		else if (strcmp(name, "retain") == 0)
			err = read_retain(p, value, why);
		else if (strcmp(name, "public") != 0)
			err = read_unoffered(name, value, why);
		else if (!json_is_boolean(value))
			err = refuse(why, STELE_ESYNTAX, "public must be true or false.");
		else
			err = 0, p->public = json_is_true(value);
		if (err)
			return err;
	}
	if (p->mode == ENTRY_MODE_NONE &&
	    (p->retain_default[0] || p->retain_min[0] || p->retain_max[0]))
		return refuse(why, STELE_ESYNTAX,
			      "mode \"none\" locks nothing: leave out retain, or choose "
			      "\"governance\".");
	return 0;
}

int
policy_read(struct policy *p, struct slice json, struct buf *why)
{
	struct policy fresh = {.mode = ENTRY_MODE_GOVERNANCE};
	json_error_t at;
	json_t *root;
	int err = 0;

	if (json.n == 0) {
		*p = fresh;
		return 0;
	}
	root = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(root)) {
		buf_printf(why, "the policy must be one JSON object%s%s.", root ? "" : ": ",
			   root ? "" : at.text);
		err = STELE_ESYNTAX;
	} else {
		err = read_members(&fresh, root, why);
	}
	json_decref(root);
	if (err)
		return err;
	*p = fresh;
	return 0;
}

static void
write_retain(struct buf *out, const struct policy *p)
{
	const char *name[] = {"default", "min", "max"};
	const char *text[] = {p->retain_default, p->retain_min, p->retain_max};
	const char *lead = ",\"retain\":{";
	size_t i;

	for (i = 0; i < 3; i++) {
		if (!text[i][0])
			continue;
		buf_printf(out, "%s\"%s\":\"%s\"", lead, name[i], text[i]);
		lead = ",";
	}
	if (lead[1] == '\0')
		buf_put_str(out, "}");
}

void
policy_write(struct buf *out, const struct policy *p)
{
	buf_printf(out, "{\"mode\":\"%s\"", entry_mode_name(p->mode));
	write_retain(out, p);
	buf_printf(out, ",\"public\":%s}", p->public ? "true" : "false");
}

bool
policy_equal(const struct policy *a, const struct policy *b)
{
	return a->mode == b->mode && a->public == b->public &&
	       strcmp(a->retain_default, b->retain_default) == 0 &&
	       strcmp(a->retain_min, b->retain_min) == 0 &&
	       strcmp(a->retain_max, b->retain_max) == 0;
}

int
policy_lock(const struct policy *p, int64_t time_ns, bool *locked, int64_t *until_ns)
{
	int64_t until;
	int err;

	if (p->mode == ENTRY_MODE_NONE || !p->retain_default[0]) {
		*locked = false;
		return 0;
	}
	err = duration_add(&until, time_ns, &p->default_for);
	if (err)
		return err;
	*until_ns = until;
	*locked = true;
	return 0;
}
