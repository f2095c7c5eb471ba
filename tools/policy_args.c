/* Member by member; the server judges what they say together. */
#include "tools/policy_args.h"

#include <string.h>

#include "tools/api.h"

/* A member of an object that is a member itself, made when it is not there. */
static json_t *
inner(json_t *policy, const char *name)
{
	json_t *o = json_object_get(policy, name);

	if (!json_is_object(o)) {
		o = json_object();
		json_object_set_new(policy, name, o);
	}
	return o;
}

static void
put_period(json_t *policy, const char *name, const char *value)
{
	if (!value)
		return;
	if (strcmp(value, "none") == 0)
		json_object_del(inner(policy, "retain"), name);
	else
		json_object_set_new(inner(policy, "retain"), name, json_string(value));
}

static int
put_quota(const struct cli_command *self, json_t *policy, const char *name, const char *value)
{
	uint64_t n;

	if (!value)
		return CLI_GO;
	if (strcmp(value, "none") == 0) {
		json_object_del(inner(policy, "quota"), name);
		return CLI_GO;
	}
	if (!cli_number(value, &n))
		return cli_usage(self, "--quota-%s takes a number such as 1000 or 500G, or none",
				 name);
	json_object_set_new(inner(policy, "quota"), name, json_integer((json_int_t)n));
	return CLI_GO;
}

/* An object without members says nothing, and a quota may not be empty. */
static void
drop_empty(json_t *policy, const char *name)
{
	json_t *o = json_object_get(policy, name);

	if (json_is_object(o) && json_object_size(o) == 0)
		json_object_del(policy, name);
}

int
policy_args_put(const struct cli_command *self, const struct policy_args *a, json_t *policy)
{
	int rc;

	if (a->mode)
		json_object_set_new(policy, "mode", json_string(a->mode));
	put_period(policy, "default", a->retain);
	put_period(policy, "min", a->min);
	put_period(policy, "max", a->max);
	if (a->event_based)
		json_object_set_new(policy, "event_based", json_true());
	if (a->dual_control.n == 1 && strcmp(a->dual_control.text[0], "none") == 0)
		json_object_del(policy, "dual_control");
	else if (a->dual_control.n)
		json_object_set_new(policy, "dual_control", api_words(&a->dual_control));
	rc = put_quota(self, policy, "bytes", a->quota_bytes);
	if (rc == CLI_GO)
		rc = put_quota(self, policy, "records", a->quota_records);
	if (a->public)
		json_object_set_new(policy, "public", json_true());
	drop_empty(policy, "retain");
	drop_empty(policy, "quota");
	return rc;
}

int
policy_args_get(struct cli *cli, const char *log, json_t **policy)
{
	json_t *doc = NULL, *found;
	struct buf target;
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/policy");
	rc = api_ask(cli, "GET", api_cstr(&target), NULL, &doc, "read the log's policy");
	buf_fini(&target);
	found = json_object_get(doc, "policy");
	if (rc == CLI_GO && !json_is_object(found)) {
		cli_say("cannot read the log's policy: the server's answer has none");
		rc = CLI_REFUSED;
	}
	if (rc == CLI_GO)
		*policy = json_incref(found);
	json_decref(doc);
	return rc;
}
