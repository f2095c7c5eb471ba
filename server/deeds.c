/* The list of them, and what they share. */
#include "server/deeds.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/store.h"
#include "storage/writer.h"

static const struct deed *const deeds[] = {&deed_policy_change, &deed_retain_extend,
					   &deed_retain_shorten, &deed_retain_event};

const struct deed *
deed_of(const json_t *act)
{
	const char *type = json_string_value(json_object_get(act, "type"));

	for (size_t i = 0; type && i < sizeof deeds / sizeof(deeds[0]); i++)
		if (strcmp(deeds[i]->type, type) == 0)
			return deeds[i];
	return NULL;
}

void
deed_outcome_init(struct deed_outcome *o)
{
	*o = (struct deed_outcome){.problem = PROBLEM_NONE};
	buf_init(&o->why);
}

void
deed_outcome_fini(struct deed_outcome *o)
{
	buf_fini(&o->why);
	json_decref(o->told);
	o->told = NULL;
}

int
deed_refuse(const struct deed_turn *turn, int err, enum problem p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	turn->outcome->problem = p;
	buf_reset(&turn->outcome->why);
	buf_put_str(&turn->outcome->why, text);
	return err;
}

void
deed_tell(const struct deed_turn *turn, const char *name, json_t *value)
{
	if (!turn->outcome->told)
		turn->outcome->told = json_object();
	json_object_set_new(turn->outcome->told, name, value);
}

int
deed_log(const struct deed_turn *turn, const json_t *act, struct log **out)
{
	const json_t *name = json_object_get(act, "log");
	struct slice s = slice_of(json_is_string(name) ? json_string_value(name) : "",
				  json_string_length(name));

	if (store_log_find(turn->s->store, s, out) == 0)
		return 0;
	return deed_refuse(turn, STELE_ENOTFOUND, PROBLEM_UNKNOWN_LOG, "There is no log %.*s.",
			   (int)s.n, (const char *)s.p);
}

struct control_actors
deed_actors(const struct deed_turn *turn)
{
	return (struct control_actors){turn->by, turn->approver};
}

void
deed_put_actors(const struct deed_turn *turn, struct buf *b)
{
	const struct control_actors actors = deed_actors(turn);

	control_put_actors(b, &actors);
}

int
deed_write(const struct deed_turn *turn, struct deed_entry *entries, size_t n,
	   struct append_job *record)
{
	struct append_job *jobs = calloc(n ? n : 1, sizeof *jobs);
	int err = jobs ? 0 : STELE_ENOMEM;
	size_t made = 0;

	for (; err == 0 && made < n; made++) {
		struct deed_entry *e = &entries[made];
		append_job_init(&jobs[made]);
		err = e->json.err ? e->json.err
				  : append_control(&jobs[made], e->log, e->kind, turn->by,
						   buf_slice(&e->json), turn->kit->tools);
		jobs[made].tied = true;
		jobs[made].next = made + 1 < n ? &jobs[made + 1] : record;
	}
	if (err == 0)
		err = writer_append(turn->s->writer, n ? jobs : record);
	for (size_t i = 0; i < made; i++) {
		entries[i].index = jobs[i].first;
		append_job_fini(&jobs[i]);
	}
	free(jobs);
	return err;
}
