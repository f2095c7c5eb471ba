/*
 * The order of work: directory, bundle.json, keys, signature; then each log on a thread, and what
 * is left to be hashed; then the manifests, which all digests are held against. The order of checks
 * is that of the verdict, not of work.
 */
#include "verify/bundle.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "verify/bundlewords.h"
#include "verify/bundlework.h"
#include "verify/os.h"

enum { THREADS_MOST = 64, PROGRESS_NS = 100 * 1000 * 1000 };

struct place
bundle_place(struct bundle_work *w, size_t file, char path[FINDING_PATH_BYTES], uint64_t line,
	     uint64_t index)
{
	if (file == ARCHIVE_NONE)
		return (struct place){0, "", line, index};
	archive_path(&w->archive, file, path);
	return (struct place){file, path, line, index};
}

bool
bundle_is(struct slice head)
{
	return head.n >= 4 && memcmp(head.p, "PK\3\4", 4) == 0;
}

/* --- threads ------------------------------------------------------------------------------- */

/* What is to be done by whoever is free: n things, by number. */
struct pool {
	struct bundle_work *w;
	void (*one)(struct bundle_work *w, size_t i);
	size_t n;
	atomic_size_t next;
	pthread_mutex_t mu;
	pthread_cond_t ended;
	unsigned running;
};

static void *
work(void *arg)
{
	struct pool *p = arg;
	size_t i;

	while ((i = atomic_fetch_add(&p->next, 1)) < p->n)
		p->one(p->w, i);
	pthread_mutex_lock(&p->mu);
	p->running--;
	pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->mu);
	return NULL;
}

/* Waits for the others, and says how far they are. */
static void
watch(struct pool *p)
{
	const struct bundle_options *o = p->w->options;

	pthread_mutex_lock(&p->mu);
	while (p->running) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += PROGRESS_NS;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&p->ended, &p->mu, &t);
		if (o->progress)
			o->progress(o->ctx, atomic_load(&p->w->done_records),
				    atomic_load(&p->w->done_bytes));
	}
	pthread_mutex_unlock(&p->mu);
}

static void
run_all(struct bundle_work *w, size_t n, void (*one)(struct bundle_work *w, size_t i))
{
	size_t most = w->options->threads ? w->options->threads : os_processors();
	struct pool p = {.w = w, .one = one, .n = n};
	pthread_t thread[THREADS_MOST];
	size_t started = 0;

	most = most < THREADS_MOST ? most : THREADS_MOST;
	pthread_mutex_init(&p.mu, NULL);
	pthread_cond_init(&p.ended, NULL);
	for (size_t i = 0; i < most && i < n; i++) {
		pthread_mutex_lock(&p.mu);
		p.running++;
		pthread_mutex_unlock(&p.mu);
		if (pthread_create(&thread[started], NULL, work, &p) != 0) {
			pthread_mutex_lock(&p.mu);
			p.running--;
			pthread_mutex_unlock(&p.mu);
			break;
		}
		started++;
	}
	watch(&p);
	for (size_t i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	for (size_t i = atomic_load(&p.next); started == 0 && i < n; i++)
		one(w, i);
	pthread_cond_destroy(&p.ended);
	pthread_mutex_destroy(&p.mu);
}

/* --- the parts of the work ----------------------------------------------------------------- */

/* A file that nothing else reads. */
static void
digest_one(struct bundle_work *w, size_t file)
{
	struct archive_file *x = &w->archive.files[file];
	struct stream *s;

	if (x->digested || x->part == PART_TAG_MANIFEST || x->part == PART_MANIFEST ||
	    findings_failed(&w->findings, CHECK_ARCHIVE))
		return;
	s = archive_stream(&w->archive, file, false, &w->findings);
	if (s)
		archive_done(&w->archive, file, s, &w->findings);
}

/* Even numbers are logs, odd ones their spreadsheets. */
static void
check_one(struct bundle_work *w, size_t i)
{
	if (i % 2 == 0)
		bundle_check_log(w, i / 2);
	else
		digest_one(w, w->archive.logs[i / 2].part[PART_CSV]);
}

/* bundle.json, which names the same logs as the archive. */
static bool
read_doc(struct bundle_work *w)
{
	size_t file = w->archive.part[PART_BUNDLE];
	char path[FINDING_PATH_BYTES];
	struct place where = bundle_place(w, file, path, 1, FINDING_NOWHERE);
	const char *what = NULL;
	bool same;
	int err;

	if (archive_load(&w->archive, file, LIMIT_BUNDLE_DOC_BYTES, CHECK_ENTRIES, &w->doc_text,
			 &w->findings))
		return false;
	err = bundledoc_read(&w->doc, buf_slice(&w->doc_text), &what);
	if (err == STELE_ENOMEM)
		findings_stop(&w->findings, err, "there is not enough memory");
	else if (err)
		findings_fail(&w->findings, CHECK_ENTRIES, &where, "%s", what);
	if (err)
		return false;
	same = w->doc.n_logs == w->archive.n_logs;
	for (size_t i = 0; same && i < w->doc.n_logs; i++)
		same = strcmp(w->doc.logs[i].name, w->archive.logs[i].name) == 0;
	if (!same)
		findings_fail(&w->findings, CHECK_ENTRIES, &where,
			      "the logs it names are not those that are here");
	if (strcmp(w->doc.export, w->archive.export) != 0)
		findings_fail(&w->findings, CHECK_ENTRIES, &where,
			      "it is of another export than the folder's name");
	w->has_doc = same;
	return same;
}

/* Keys and signature: whether it makes sense to look at what is signed. */
static bool
check_head(struct bundle_work *w, struct sha256 *h)
{
	bool read = read_doc(w);

	w->logs = calloc(w->archive.n_logs, sizeof *w->logs);
	if (!w->logs) {
		findings_stop(&w->findings, STELE_ENOMEM, "there is not enough memory");
		return false;
	}
	for (size_t i = 0; i < w->archive.n_logs; i++) {
		buf_init(&w->logs[i].origin);
		buf_init(&w->logs[i].checkpoint_text);
		buf_init(&w->logs[i].keys_text);
	}
	read = bundle_read_keys(w) && read;
	bundle_check_signature(w, h);
	if (read)
		bundle_check_keys(w, h);
	return read && !findings_failed(&w->findings, CHECK_SIGNATURE) &&
	       !findings_failed(&w->findings, CHECK_KEYS);
}

static void
check_all(struct bundle_work *w, struct sha256 *h)
{
	if (archive_read(&w->archive, &w->findings) != 0)
		return;
	if (check_head(w, h)) {
		bundle_check_custody(w, h);
		bundle_check_timestamps(w, h);
		bundle_check_request(w);
		bundle_check_certificate(w, h);
		run_all(w, 2 * w->archive.n_logs, check_one);
	}
	if (w->findings.err)
		return;
	run_all(w, w->archive.n, digest_one);
	if (!findings_failed(&w->findings, CHECK_ARCHIVE))
		bundle_check_bag(w);
}

static void
work_fini(struct bundle_work *w)
{
	for (size_t i = 0; w->logs && i < w->archive.n_logs; i++) {
		struct bundle_log *log = &w->logs[i];
		for (size_t k = 0; k < log->n_statements; k++)
			buf_fini(&log->statements[k]);
		free(log->statements);
		free(log->olders);
		buf_fini(&log->origin);
		buf_fini(&log->checkpoint_text);
		buf_fini(&log->keys_text);
		ranges_fini(&log->matches);
	}
	free(w->logs);
	for (size_t i = 0; i < w->n_successions; i++)
		buf_fini(&w->successions[i]);
	free(w->successions);
	for (size_t i = 0; i < LIMIT_TIMESTAMP_SIZES; i++)
		buf_fini(&w->timestamped[i].note);
	bundledoc_fini(&w->doc);
	buf_fini(&w->doc_text);
	archive_fini(&w->archive);
	findings_fini(&w->findings);
	free(w);
}

int
bundle_verify(const char *path, const struct bundle_options *options, struct bundle_report *r,
	      char *why, size_t n)
{
	struct bundle_work *w = calloc(1, sizeof *w);
	struct sha256 *h = sha256_new();
	int err = w && h ? source_open(&w->archive.source, path) : STELE_ENOMEM, was = errno;

	if (err) {
		snprintf(why, n, "%s", w && h ? strerror(was) : "there is not enough memory");
		free(w);
		sha256_free(h);
		errno = was;
		return err;
	}
	findings_init(&w->findings);
	buf_init(&w->doc_text);
	for (size_t i = 0; i < LIMIT_TIMESTAMP_SIZES; i++)
		buf_init(&w->timestamped[i].note);
	w->options = options;
	w->trust = *options->trust;
	check_all(w, h);
	err = w->findings.err;
	if (err)
		snprintf(why, n, "%s", w->findings.io);
	else
		bundle_words(w, r);
	work_fini(w);
	sha256_free(h);
	return err;
}
