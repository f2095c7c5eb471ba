/* A policy is small and read seldom: jansson, then member by member, nothing ignored. */
#include "proto/policy.h"

#include <string.h>

#include <jansson.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/timestamp.h"

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
	const struct duration *min = &p->min_for, *max = &p->max_for;
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
			err = read_duration(p->retain_min, &p->min_for, value, name, why);
		else if (strcmp(name, "max") == 0)
			err = read_duration(p->retain_max, &p->max_for, value, name, why);
		else
			err = refuse(
				why, STELE_ESYNTAX,
				"retain has an unknown member; it takes default, min and max.");
		if (err)
			return err;
	}
	if (p->retain_min[0] && p->retain_max[0] && longer(min, max))
		return refuse(why, STELE_ESYNTAX, "retain.min is longer than retain.max.");
	if (p->retain_min[0] && p->retain_default[0] && longer(min, &p->default_for))
		return refuse(why, STELE_ESYNTAX, "retain.min is longer than retain.default.");
	if (p->retain_max[0] && p->retain_default[0] && longer(&p->default_for, max))
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
	return 0;
}

/* --- dual control and quota ---------------------------------------------------------- */

static const char *const act_names[] = {"policy.change", "hold.release", "purge", "retain.shorten"};
enum { ACTS = sizeof act_names / sizeof *act_names };

const char *
policy_act_name(enum policy_act act)
{
	for (unsigned i = 0; i < ACTS; i++)
		if (act == 1u << i)
			return act_names[i];
	return "";
}

unsigned
policy_act_parse(struct slice s)
{
	for (unsigned i = 0; i < ACTS; i++)
		if (slice_eq_str(s, act_names[i]))
			return 1u << i;
	return 0;
}

static int
read_dual_control(struct policy *p, json_t *list, struct buf *why)
{
	json_t *v;
	size_t i;

	if (!json_is_array(list))
		return refuse(why, STELE_ESYNTAX, "dual_control must be a list of acts.");
	json_array_foreach(list, i, v)
	{
		unsigned act =
			policy_act_parse(slice_of(json_string_value(v), json_string_length(v)));
		if (!act)
			return refuse(why, STELE_ESYNTAX,
				      "dual_control may name policy.change, hold.release, purge "
				      "and retain.shorten.");
		p->dual_control |= act;
	}
	return 0;
}

static bool
quota_member(struct policy *p, const char *name, const json_t *v)
{
	uint64_t *bound = strcmp(name, "bytes") == 0     ? &p->quota_bytes
			  : strcmp(name, "records") == 0 ? &p->quota_records
							 : NULL;
	json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;

	if (!bound || n < 1 || (uint64_t)n > LIMIT_INTEGER)
		return false;
	*bound = (uint64_t)n;
	return true;
}

static int
read_quota(struct policy *p, json_t *quota, struct buf *why)
{
	bool good = json_is_object(quota) && json_object_size(quota) != 0;
	const char *name;
	json_t *v;

	if (json_is_null(quota))
		return 0;
	json_object_foreach(quota, name, v) good = good && quota_member(p, name, v);
	return good ? 0
		    : refuse(why, STELE_ESYNTAX,
			     "quota is an object with bytes, records or both: whole numbers from "
			     "1 to 2^53 - 1.");
}

/* --- the whole ----------------------------------------------------------------------- */

static int
read_flag(bool *flag, json_t *value, const char *name, struct buf *why)
{
	if (!json_is_boolean(value)) {
		buf_printf(why, "%s must be true or false.", name);
		return STELE_ESYNTAX;
	}
	*flag = json_is_true(value);
	return 0;
}

static int
read_member(struct policy *p, const char *name, json_t *value, struct buf *why)
{
	if (strcmp(name, "mode") == 0)
		return read_mode(p, value, why);
	if (strcmp(name, "retain") == 0)
		return read_retain(p, value, why);
	if (strcmp(name, "public") == 0)
		return read_flag(&p->public, value, name, why);
	if (strcmp(name, "event_based") == 0)
		return read_flag(&p->event_based, value, name, why);
	if (strcmp(name, "dual_control") == 0)
		return read_dual_control(p, value, why);
	if (strcmp(name, "quota") == 0)
		return read_quota(p, value, why);
	if (strcmp(name, "compliance_from") == 0) {
		struct slice s = slice_of(json_string_value(value), json_string_length(value));
		return timestamp_parse(&p->compliance_from_ns, s) == 0 && p->compliance_from_ns
			       ? 0
			       : refuse(why, STELE_ESYNTAX, "compliance_from must be an instant.");
	}
	return refuse(why, STELE_ESYNTAX,
		      "the policy has an unknown member; it takes mode, retain, event_based, "
		      "dual_control, quota and public.");
}

/* What members say together. */
static int
check_whole(const struct policy *p, struct buf *why)
{
	bool compliance = p->mode == ENTRY_MODE_COMPLIANCE || p->compliance_from_ns;

	if (p->mode == ENTRY_MODE_NONE &&
	    (p->retain_default[0] || p->retain_min[0] || p->retain_max[0] || p->event_based ||
	     p->compliance_from_ns))
		return refuse(why, STELE_ESYNTAX,
			      "mode \"none\" locks nothing: leave out retain and event_based, or "
			      "choose \"governance\".");
	if (p->mode == ENTRY_MODE_COMPLIANCE && p->compliance_from_ns)
		return refuse(why, STELE_ESYNTAX, "compliance has begun: compliance_from is over.");
	if (compliance && (!p->retain_max[0] || !(p->quota_bytes || p->quota_records)))
		return refuse(why, STELE_ESYNTAX,
			      "compliance needs retain.max and a quota: nobody can delete what "
			      "fills the disk then.");
	if (p->event_based && !p->retain_default[0])
		return refuse(why, STELE_ESYNTAX,
			      "event_based needs retain.default: how long a lock lasts after its "
			      "event.");
	return 0;
}

static int
read_members(struct policy *p, json_t *root, struct buf *why)
{
	const char *name;
	json_t *value;
	int err;

	json_object_foreach(root, name, value)
	{
		err = read_member(p, name, value, why);
		if (err)
			return err;
	}
	return check_whole(p, why);
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

static void
write_quota(struct buf *out, const struct policy *p)
{
	if (!p->quota_bytes && !p->quota_records)
		return;
	buf_put_str(out, ",\"quota\":{");
	if (p->quota_bytes)
		buf_printf(out, "\"bytes\":%llu%s", (unsigned long long)p->quota_bytes,
			   p->quota_records ? "," : "");
	if (p->quota_records)
		buf_printf(out, "\"records\":%llu", (unsigned long long)p->quota_records);
	buf_put_u8(out, '}');
}

static void
write_dual_control(struct buf *out, const struct policy *p)
{
	const char *lead = ",\"dual_control\":[";

	for (unsigned i = 0; i < ACTS; i++) {
		if (!(p->dual_control & 1u << i))
			continue;
		buf_printf(out, "%s\"%s\"", lead, act_names[i]);
		lead = ",";
	}
	if (lead[1] == '\0')
		buf_put_u8(out, ']');
}

void
policy_write(struct buf *out, const struct policy *p)
{
	char from[TIMESTAMP_BYTES];

	buf_printf(out, "{\"mode\":\"%s\"", entry_mode_name(p->mode));
	write_retain(out, p);
	if (p->event_based)
		buf_put_str(out, ",\"event_based\":true");
	write_dual_control(out, p);
	write_quota(out, p);
	buf_printf(out, ",\"public\":%s", p->public ? "true" : "false");
	if (p->compliance_from_ns) {
		timestamp_format(from, p->compliance_from_ns);
		buf_printf(out, ",\"compliance_from\":\"%.*s\"", TIMESTAMP_BYTES, from);
	}
	buf_put_u8(out, '}');
}

bool
policy_equal(const struct policy *a, const struct policy *b)
{
	return a->mode == b->mode && a->public == b->public && a->event_based == b->event_based &&
	       a->dual_control == b->dual_control && a->quota_bytes == b->quota_bytes &&
	       a->quota_records == b->quota_records &&
	       a->compliance_from_ns == b->compliance_from_ns &&
	       strcmp(a->retain_default, b->retain_default) == 0 &&
	       strcmp(a->retain_min, b->retain_min) == 0 &&
	       strcmp(a->retain_max, b->retain_max) == 0;
}

enum entry_mode
policy_mode(const struct policy *p, int64_t now_ns)
{
	return p->compliance_from_ns && now_ns >= p->compliance_from_ns ? ENTRY_MODE_COMPLIANCE
									: p->mode;
}

struct policy
policy_at(const struct policy *p, int64_t now_ns)
{
	struct policy at = *p;

	at.mode = policy_mode(p, now_ns);
	if (at.mode == ENTRY_MODE_COMPLIANCE)
		at.compliance_from_ns = 0;
	return at;
}

/* --- order --------------------------------------------------------------------------- */

static bool
shorter(const char *old_text, const struct duration *old, const char *text,
	const struct duration *next)
{
	return old_text[0] && (!text[0] || !duration_covers(next, old));
}

bool
policy_weakens(const struct policy *old, const struct policy *next, struct buf *what)
{
	const char *sentence = NULL;

	if (next->mode < old->mode ||
	    (old->compliance_from_ns && next->mode == old->mode &&
	     (!next->compliance_from_ns || next->compliance_from_ns > old->compliance_from_ns)))
		sentence = "its mode would be weaker.";
	else if (shorter(old->retain_default, &old->default_for, next->retain_default,
			 &next->default_for))
		sentence = "retain.default would be shorter.";
	else if (shorter(old->retain_min, &old->min_for, next->retain_min, &next->min_for))
		sentence = "retain.min would be shorter.";
	else if (next->retain_max[0] &&
		 (!old->retain_max[0] || !duration_covers(&next->max_for, &old->max_for)))
		sentence = "retain.max would be shorter.";
	else if (old->dual_control & ~next->dual_control)
		sentence = "fewer acts would need a second principal.";
	if (sentence && what)
		buf_put_str(what, sentence);
	return sentence != NULL;
}

/* --- locks --------------------------------------------------------------------------- */

/* What policies refuse; why may be NULL. */
static int
deny(struct buf *why, const char *sentence)
{
	if (why)
		buf_put_str(why, sentence);
	return STELE_EPERM;
}

int
policy_allows_until(const struct policy *p, int64_t from_ns, int64_t until_ns, struct buf *why)
{
	int64_t bound;
	int err;

	if (!p->retain_max[0])
		return 0;
	err = duration_add(&bound, from_ns, &p->max_for);
	if (err == 0 && until_ns > bound)
		return deny(why, "It would end later than the policy's retain.max allows.");
	return err;
}

/* An end that somebody asks for: within the policy's bounds, counted from now. */
static int
check_end(const struct policy *p, int64_t now_ns, int64_t until_ns, struct buf *why)
{
	int64_t bound;
	int err;

	if (until_ns <= now_ns)
		return deny(why, "It would be over already.");
	if (p->retain_min[0]) {
		err = duration_add(&bound, now_ns, &p->min_for);
		if (err != 0)
			return err;
		if (until_ns < bound)
			return deny(why,
				    "It would end sooner than the policy's retain.min asks for.");
	}
	return policy_allows_until(p, now_ns, until_ns, why);
}

static int
default_lock(const struct policy *p, int64_t now_ns, struct policy_lock *out)
{
	const struct duration *period = p->retain_default[0] ? &p->default_for
					: p->retain_min[0]   ? &p->min_for
							     : NULL;
	struct policy_lock lock = {.mode = policy_mode(p, now_ns)};
	int err = period ? duration_add(&lock.until_ns, now_ns, period) : 0;

	if (err != 0)
		return err;
	if (!period)
		lock.mode = ENTRY_MODE_NONE;
	*out = lock;
	return 0;
}

int
policy_lock(const struct policy *p, const struct policy_wish *wish, int64_t now_ns,
	    struct policy_lock *out, struct buf *why)
{
	struct policy_lock lock = {.mode = policy_mode(p, now_ns)};
	int err = 0;

	if (!wish || wish->kind == POLICY_WISH_DEFAULT)
		return default_lock(p, now_ns, out);
	if (lock.mode == ENTRY_MODE_NONE)
		return deny(why, "The log's mode is none: nothing in it is locked.");
	if (wish->kind == POLICY_WISH_EVENT) {
		if (!p->event_based)
			return deny(why, "The log's policy is not event_based.");
		*out = lock;
		return 0;
	}
	lock.until_ns = wish->until_ns;
	if (wish->kind == POLICY_WISH_FOR)
		err = duration_add(&lock.until_ns, now_ns, &wish->period);
	if (err == 0)
		err = check_end(p, now_ns, lock.until_ns, why);
	if (err == 0)
		*out = lock;
	return err;
}
