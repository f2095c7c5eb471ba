/*
 * Sealed segments for fsck. First each log's list is made from the manifests, which
 * gives the trees; then threads take segments from the lists, one at a time.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/fsckwork.h"
#include "storage/locate.h"
#include "storage/read.h"
#include "storage/rebuild.h"
#include "storage/segbuild.h"
#include "storage/segcache.h"
#include "storage/segterms.h"

enum { THREADS_MAX = 64 };

/* The segments to check, and how far the threads are. */
struct checking {
	struct fsck *f;
	size_t log, segment; /* the next one; under f->mu */
	uint64_t done_bytes; /* under f->mu */
	int err;             /* under f->mu: what ends it all */
};

void
fsck_progress(struct fsck *f, uint64_t done_bytes)
{
	pthread_mutex_lock(&f->mu);
	if (f->opts->progress)
		f->opts->progress(f->opts->ctx, done_bytes, f->total_bytes);
	pthread_mutex_unlock(&f->mu);
}

/* The next segment of the lists, copied; false at the end. */
static bool
take(struct checking *c, struct log **log, struct sealed *s)
{
	struct store *st = c->f->st;
	bool found = false;

	pthread_mutex_lock(&c->f->mu);
	while (!found && c->err == 0 && c->log < st->n_logs) {
		*log = st->by_name[c->log];
		found = c->segment < (*log)->sealed.n;
		if (found) {
			*s = (*log)->sealed.s[c->segment++];
		} else {
			c->log++;
			c->segment = 0;
		}
	}
	pthread_mutex_unlock(&c->f->mu);
	return found;
}

static void
finish(struct checking *c, const struct sealed *s, bool sound, int err)
{
	struct fsck_result *r = c->f->result;

	pthread_mutex_lock(&c->f->mu);
	r->segments++;
	r->segment_bytes += s->file_bytes;
	if (sound) {
		r->records += s->count;
		r->payload_bytes += s->payload_bytes;
	}
	c->done_bytes += s->file_bytes;
	c->f->blind |= !sound;
	if (err == STELE_EIO || err == STELE_ENOMEM)
		c->err = err;
	pthread_mutex_unlock(&c->f->mu);
}

/* The payloads that lie in files of their own: every byte of each. */
static int
check_objects(struct checking *c, struct log *log, struct segment *segment, struct toolbox *t)
{
	const struct segment_facts *facts = segment_facts(segment);
	struct fsck *f = c->f;
	uint64_t index = facts->first;
	struct arena a;
	int err = 0;

	arena_init(&a);
	while (err == 0 && index < facts->first + facts->count) {
		struct segment_record r;
		err = segment_next_object(segment, &index, t);
		if (err == 0)
			err = segment_read(segment, index, t, &a, &r);
		if (err != 0)
			break;
		pthread_mutex_lock(&f->looking);
		err = fsck_objects_check(&f->objects, f->st, log, index, r.payload, r.salt,
					 r.commitment, t);
		pthread_mutex_unlock(&f->looking);
		arena_reset(&a);
		index++;
	}
	arena_fini(&a);
	return err == 1 ? 0 : err;
}

/*
 * What its control entries say, walked from the last one back. The segment is verified, so
 * each of them points to one before it.
 */
static int
check_controls(struct checking *c, struct log *log, struct segment *segment, struct toolbox *t)
{
	const struct segment_facts *facts = segment_facts(segment);
	uint64_t index = facts->ctl;
	struct arena a;
	int err = 0;

	arena_init(&a);
	while (err == 0 && index && index >= facts->first) {
		struct segment_record r;
		arena_reset(&a);
		err = segment_read(segment, index, t, &a, &r);
		if (err == 0 && (r.kind == ENTRY_KEY || r.kind == ENTRY_RESTORE) &&
		    !log_statement_holds(log, index + 1, r.payload, t->sha))
			fsck_find(c->f, log_statement_wrong, "log %s, record %llu", log->name,
				  (unsigned long long)index);
		if (err == 0 && r.kind == ENTRY_PURGE)
			err = fsck_purges_entry(c->f, log, index, r.payload);
		index = err == 0 ? r.ctl : 0;
	}
	arena_fini(&a);
	return err;
}

/*
 * Whether its index says what its records say: if not, they are sound all the same. An index of
 * another mapping is not used, and not looked at here.
 */
static int
check_index(struct checking *c, struct log *log, struct segment *segment, struct toolbox *t)
{
	const struct segment_facts *f = segment_facts(segment);
	const char *dir = getenv("TMPDIR");
	struct buf why;
	int err;

	buf_init(&why);
	err = segterms_compare(segment, log->store->mapping, dir ? dir : "/tmp", t, &why);
	buf_put_str(&why, ". Run stele log reindex --all for the log");
	buf_put_u8(&why, 0);
	if (err == STELE_EDAMAGED)
		fsck_find(c->f, why.err ? "its index is wrong" : (const char *)why.p,
			  "segments/%s/%llu-%llu.%u.seg", log->name, (unsigned long long)f->first,
			  (unsigned long long)f->count, f->generation);
	buf_fini(&why);
	if (err == STELE_ENOTFOUND) {
		pthread_mutex_lock(&c->f->mu);
		c->f->result->unindexed++;
		pthread_mutex_unlock(&c->f->mu);
	}
	return err == STELE_EDAMAGED || err == STELE_ENOTFOUND ? 0 : err;
}

static void
check_one(struct checking *c, struct log *log, const struct sealed *s, struct toolbox *t)
{
	struct node_source nodes = {log->store, log, t, false};
	struct merkle_frontier before;
	struct segment *segment = NULL;
	struct buf why;
	int err;

	buf_init(&why);
	err = segcache_get(log->store->segments, log, s, t, &segment, &why);
	if (err == 0)
		err = node_frontier(&nodes, s->first, &before);
	if (err == 0)
		err = segment_verify(segment, &before, t, &why);
	if (err == 0)
		err = check_controls(c, log, segment, t);
	if (err == 0)
		err = fsck_purges_gone(c->f, log, segment, t);
	if (err == 0)
		err = check_objects(c, log, segment, t);
	if (err == 0)
		err = check_index(c, log, segment, t);
	segment_unref(segment);
	segcache_forget(log->store->segments, log->id, s->first, s->first + 1);
	if (err != 0) {
		if (why.n == 0)
			buf_put_str(&why, stele_strerror(err));
		buf_put_u8(&why, 0);
		fsck_find(c->f, why.err ? "damaged" : (const char *)why.p,
			  "segments/%s/%llu-%llu.%u.seg", log->name, (unsigned long long)s->first,
			  (unsigned long long)s->count, s->generation);
	}
	finish(c, s, err == 0, err);
	fsck_progress(c->f, c->done_bytes);
	buf_fini(&why);
}

static void *
check_main(void *arg)
{
	struct checking *c = arg;
	struct toolbox *t = toolbox_new();
	struct sealed s;
	struct log *log;

	if (!t) {
		pthread_mutex_lock(&c->f->mu);
		c->err = STELE_ENOMEM;
		pthread_mutex_unlock(&c->f->mu);
		return NULL;
	}
	while (take(c, &log, &s))
		check_one(c, log, &s, t);
	toolbox_free(t);
	return NULL;
}

/* This thread is one of them. */
static int
check_all(struct fsck *f)
{
	struct checking c = {.f = f};
	pthread_t threads[THREADS_MAX];
	unsigned n = f->opts->threads, started = 0;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (n == 0)
		n = cores > 0 ? (unsigned)cores : 1;
	n = n < THREADS_MAX ? n : THREADS_MAX;
	while (started + 1 < n && pthread_create(&threads[started], NULL, check_main, &c) == 0)
		started++;
	check_main(&c);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return c.err;
}

/* What a manifest of each file there is says of it, for files that no list took. */
static int
note_file(void *ctx, enum segment_file kind, const struct segment_name *name, const char *file)
{
	struct log *log = ((struct checking *)ctx)->f->st->by_name[((struct checking *)ctx)->log];
	struct fsck *f = ((struct checking *)ctx)->f;
	const struct sealed *s = name ? sealed_find(&log->sealed, name->first) : NULL;

	if (kind == SEGMENT_FILE_OTHER)
		fsck_find(f, "nothing of stele's; remove it", "segments/%s/%s", log->name, file);
	else if (kind == SEGMENT_FILE_DATA &&
		 (!s || s->first + s->count < name->first + name->count))
		fsck_find(f,
			  "no manifest belongs to it, or it goes on behind a gap: restore what is "
			  "missing before it from a copy",
			  "segments/%s/%s", log->name, file);
	return 0;
}

static int
take_logs(struct fsck *f)
{
	const struct keyring_seed *seeds;
	size_t n;
	int err = 0;

	seeds = keyring_each_seed(f->st->keyring, &n);
	for (size_t i = 0; i < n; i++) {
		struct log *log;
		buf_reset(&f->why);
		err = rebuild_log(f->st, &seeds[i], f->t, &log, &f->why);
		if (err == STELE_EIO || err == STELE_ENOMEM)
			return err;
		buf_put_u8(&f->why, 0);
		f->blind |= err != 0;
		if (err != 0)
			fsck_find(f, f->why.n > 1 ? (const char *)f->why.p : stele_strerror(err),
				  "log %s, record %llu and on", seeds[i].name,
				  log ? (unsigned long long)log->frontier.size : 0ull);
	}
	return 0;
}

int
fsck_segments(struct fsck *f)
{
	struct checking c = {.f = f};
	int err = take_logs(f);

	for (; err == 0 && c.log < f->st->n_logs; c.log++) {
		struct log *log = f->st->by_name[c.log];
		char dir[4096];
		for (size_t i = 0; i < log->sealed.n; i++)
			f->segment_bytes += log->sealed.s[i].file_bytes;
		err = segcache_dir(dir, sizeof dir, log);
		if (err == 0)
			err = segment_list(dir, note_file, &c);
	}
	f->total_bytes = f->segment_bytes + wal_row(f->st->wal).disk_bytes;
	return err == 0 ? check_all(f) : err;
}

int
fsck_listed(void *ctx, struct slice key, struct slice value)
{
	struct fsck *f = ctx;
	const struct keyring_seed *seeds;
	const struct sealed *s;
	uint64_t first, count;
	uint32_t generation;
	struct bytes b;
	struct log *log;
	size_t n;

	if (key.n != 16)
		return STELE_EDAMAGED;
	bytes_init(&b, value);
	count = bytes_u64(&b);
	generation = bytes_u32(&b);
	first = be_get64(key.p + 8);
	log = log_by_id(f->st, be_get64(key.p));
	seeds = keyring_find_seeds(f->st->keyring, be_get64(key.p), &n);
	s = log ? sealed_find(&log->sealed, first) : NULL;
	if (bytes_err(&b) != 0)
		return STELE_EDAMAGED;
	if (!s || s->first + s->count < first + count)
		fsck_find(f,
			  "the catalogue lists this segment, and its two files are not there or "
			  "not to be read: restore them from a copy",
			  "segments/%s/%llu-%llu.%u.seg", n ? seeds->name : "?",
			  (unsigned long long)first, (unsigned long long)count, generation);
	return 0;
}
