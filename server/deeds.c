/* The list of them, and what they share. */
#include "server/deeds.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/append.h"
#include "storage/ranges.h"
#include "storage/store.h"
#include "storage/writer.h"

static const struct deed *const deeds[] = {
	&deed_clock_credit, &deed_clock_confirm, &deed_policy_change, &deed_hold_place,
	&deed_hold_release, &deed_retain_extend, &deed_retain_event,  &deed_retain_shorten,
	&deed_purge,        &deed_trail_keep,    &deed_key_rotate,    &deed_identity_rotate,
};

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

bool
deed_index(const json_t *v, uint64_t *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > LIMIT_INTEGER)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

bool
deed_range(const json_t *v, struct control_range *out)
{
	return json_array_size(v) == 2 && deed_index(json_array_get(v, 0), &out->first) &&
	       deed_index(json_array_get(v, 1), &out->last) && out->first <= out->last;
}

json_t *
deed_ranges(const struct ranges *set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < set->n; i++)
		json_array_append_new(list, json_pack("[I, I]", (json_int_t)set->r[i].first,
						      (json_int_t)set->r[i].last));
	return list;
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

/* --- control entries in one commit ---------------------------------------------------------- */

struct deed_job {
	struct append_job job;
	struct deed_entry *entry;
};

struct deed_jobs {
	size_t n; /* made */
	struct deed_job jobs[];
};

/* On the writer's thread: the entry's index is known, and with it what the entry says. */
static int
place(struct append_job *job, uint64_t index, struct toolbox *tools)
{
	struct deed_job *d = (struct deed_job *)job; /* its first member */
	struct buf json;
	int err;

	buf_init(&json);
	err = d->entry->place(d->entry, index, &json);
	err = err ? err : json.err;
	if (err == 0) {
		control_free(job->control); /* of the one that it was weighed by */
		job->control = NULL;
		err = append_control(job, job->log, job->kind, job->writer, buf_slice(&json),
				     tools);
	}
	buf_fini(&json);
	return err;
}

int
deed_jobs_new(struct deed_jobs **out, struct deed_entry *entries, size_t n, struct slice by,
	      struct append_job *record, struct kit *kit, struct append_job **first)
{
	struct deed_jobs *d = calloc(1, sizeof *d + n * sizeof d->jobs[0]);
	int err = d ? 0 : STELE_ENOMEM;

	for (size_t i = 0; err == 0 && i < n; i++) {
		struct append_job *job = &d->jobs[i].job;
		d->jobs[i].entry = &entries[i];
		d->n++;
		append_job_init(job);
		err = entries[i].json.err ? entries[i].json.err
					  : append_control(job, entries[i].log, entries[i].kind, by,
							   buf_slice(&entries[i].json), kit->tools);
		job->place = entries[i].place ? place : NULL;
		job->next = i + 1 < n ? &d->jobs[i + 1].job : record;
		job->tied = job->next != NULL;
	}
	if (err != 0) {
		deed_jobs_free(d);
		return err;
	}
	*first = &d->jobs[0].job;
	*out = d;
	return 0;
}

void
deed_jobs_free(struct deed_jobs *d)
{
	for (size_t i = 0; d && i < d->n; i++) {
		d->jobs[i].entry->index = d->jobs[i].job.first;
		append_job_fini(&d->jobs[i].job);
	}
	free(d);
}

int
deed_write(const struct deed_turn *turn, struct deed_entry *entries, size_t n,
	   struct append_job *record)
{
	struct append_job *first = record;
	struct deed_jobs *jobs = NULL;
	int err = n ? deed_jobs_new(&jobs, entries, n, turn->by, record, turn->kit, &first) : 0;

	if (err == 0 && !writer_fits(turn->s->writer, first))
		err = STELE_ELIMIT;
	if (err == 0)
		err = writer_append(turn->s->writer, first);
	deed_jobs_free(jobs);
	return err;
}
