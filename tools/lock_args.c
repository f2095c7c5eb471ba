/* The server judges what they say; here they only become a field. */
#include "tools/lock_args.h"

#include <stdio.h>
#include <string.h>

/* Text that would end the field, or begin another one, is none of these. */
static bool
is_plain(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

int
lock_args_check(const struct cli_command *self, struct lock_args *a)
{
	const char *value = a->until ? a->until : a->period ? a->period : a->event;
	const char *name = a->until ? "Until" : a->period ? "For" : "Event";

	a->field[0] = '\0';
	if (!value)
		return CLI_GO;
	if ((a->until != NULL) + (a->period != NULL) + (a->event != NULL) > 1)
		return cli_usage(self, "say one of --retain-until, --retain-for and "
				       "--retain-event");
	if (!*value || !is_plain(value) || strlen(value) > 255)
		return cli_usage(self, "what --retain-%s takes is printable ASCII", name);
	snprintf(a->field, sizeof a->field, "Stele-Retain-%s: %s", name, value);
	return CLI_GO;
}

const char *
lock_args_field(const struct lock_args *a)
{
	return a->field[0] ? a->field : NULL;
}
