/* What changes a log's keys, and what lies in the same commit. */
#include "proto/err.h"
#include "storage/internal.h"
#include "storage/rotate.h"
#include "storage/writer.h"

bool
writer_fits(struct writer *w, const struct append_job *jobs)
{
	uint64_t records = 0, bytes = 0;

	for (; jobs; jobs = jobs->next) {
		records += jobs->n_items;
		bytes += jobs->bytes;
	}
	return commit_fits(writer_store(w), records, bytes);
}

/* Founds the log together with what is to lie in the same commit. */
static int
bear(struct writer *w, struct append_job *job, struct log *log, const struct writer_birth *birth)
{
	int err = birth->fill(birth->ctx, log, &job->next);

	job->tied = job->next != NULL;
	if (err == 0 && !writer_fits(w, job))
		err = STELE_ELIMIT;
	if (err == 0)
		(void)writer_append(w, job); /* job->err tells */
	else
		job->err = err;
	return store_log_born(writer_store(w), job);
}

/* The one record, or none. */
static int
one_record(void *ctx, struct log *log, struct append_job **jobs)
{
	(void)log;
	*jobs = ctx;
	return 0;
}

int
writer_create_log(struct writer *w, struct slice name, const struct policy *policy, struct slice by,
		  struct append_job *record, struct log **out, bool *created)
{
	const struct writer_birth birth = {one_record, record};

	return writer_bear_log(w, name, policy, by, &birth, out, created);
}

int
writer_bear_log(struct writer *w, struct slice name, const struct policy *policy, struct slice by,
		const struct writer_birth *birth, struct log **out, bool *created)
{
	struct append_job job;
	struct log *log;
	int err;

	pthread_mutex_lock(&writer_store(w)->creating);
	err = store_log_conceive(writer_store(w), name, policy, by, &job, &log);
	if (err == 0) {
		err = bear(w, &job, log, birth);
		append_job_fini(&job);
		*created = err == 0;
	} else if (err == STELE_EEXIST) {
		*out = log;
		if (policy_equal(log_policy(log), policy)) {
			err = 0;
			*created = false;
		}
	}
	if (err == 0)
		*out = log;
	pthread_mutex_unlock(&writer_store(w)->creating);
	return err;
}

int
writer_rotate_key(struct writer *w, struct log *log, struct slice by, struct append_job *record,
		  struct toolbox *tools, bool *destroyed)
{
	struct append_job job;
	int err;

	append_job_init(&job);
	pthread_mutex_lock(&writer_store(w)->creating);
	err = rotate_begin(&job, log, by, tools);
	if (err == 0) {
		job.next = record;
		job.tied = record != NULL;
		(void)writer_append(w, &job); /* job.err tells */
		err = rotate_end(&job, destroyed);
	}
	pthread_mutex_unlock(&writer_store(w)->creating);
	append_job_fini(&job);
	return err;
}
