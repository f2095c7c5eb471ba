/* Only what the default does not give is asked for, since that takes the scope retain. */
#include "tools/replay_lock.h"

#include <stdio.h>

#include "proto/timestamp.h"
#include "tools/policy_args.h"

/* Its default is what locks records that ask for nothing, or else its least period. */
static void
read_policy(struct replay_lock *l, const json_t *policy)
{
	const json_t *retain = json_object_get(policy, "retain"),
		     *text = json_object_get(retain, "default");

	text = text ? text : json_object_get(retain, "min");
	l->locks = text && duration_parse(&l->period, slice_of(json_string_value(text),
							       json_string_length(text))) == 0;
}

int
replay_lock_init(struct replay_lock *l, struct cli *cli, const char *log)
{
	json_t *policy = NULL;
	int rc = policy_args_get(cli, log, &policy);

	if (rc == CLI_GO)
		read_policy(l, policy);
	json_decref(policy);
	return rc;
}

bool
replay_lock_field(const struct replay_lock *l, const struct entry *e, int64_t now_ns,
		  char text[REPLAY_LOCK_BYTES])
{
	char until[TIMESTAMP_BYTES];
	int64_t end_ns;

	if (e->event.n) {
		snprintf(text, REPLAY_LOCK_BYTES, "Stele-Retain-Event: %.*s", (int)e->event.n,
			 (const char *)e->event.p);
		return true;
	}
	if (e->retain_until_ns <= now_ns)
		return false;
	if (l->locks && duration_add(&end_ns, now_ns, &l->period) == 0 &&
	    end_ns >= e->retain_until_ns)
		return false;
	timestamp_format(until, e->retain_until_ns);
	snprintf(text, REPLAY_LOCK_BYTES, "Stele-Retain-Until: %.*s", TIMESTAMP_BYTES, until);
	return true;
}
