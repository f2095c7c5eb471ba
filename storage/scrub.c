/*
 * A cursor over (log id, index), a pass in the making, and the check of one segment, then of
 * the objects its records name, piece by piece; at the end of those that the tails name.
 */
#include "storage/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/locate.h"
#include "storage/object.h"
#include "storage/read.h"
#include "storage/segbuild.h"
#include "storage/segcache.h"

enum { READ_BYTES = 1 << 20, READ_ALIGN = 4096 };

struct scrub {
	struct toolbox *t; /* the scrubbing thread's */
	uint8_t *window;   /* READ_BYTES, aligned for reads past the page cache */
	uint64_t log_id;   /* the cursor: the next segment holds this index of this log */
	uint64_t index;
	uint64_t next_ms; /* the pace: the next step's time, by the monotonic clock */

	bool tails;              /* every segment was looked at: now what is not sealed */
	struct segment *segment; /* the one whose objects are looked at, sound; or NULL */
	struct log *log;         /* its log, or the object's */
	struct object *object;   /* the one under way, or NULL */
	uint64_t at;             /* bytes of its payload read */

	pthread_mutex_t mu; /* all below */
	bool wanted;
	struct scrub_state state; /* total_bytes is not kept */
};

struct scrub *
scrub_new(void)
{
	struct scrub *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	pthread_mutex_init(&s->mu, NULL);
	s->t = toolbox_new();
	s->window = aligned_alloc(READ_ALIGN, READ_BYTES);
	if (!s->t || !s->window) {
		scrub_free(s);
		return NULL;
	}
	return s;
}

void
scrub_free(struct scrub *s)
{
	if (!s)
		return;
	object_close(s->object);
	segment_unref(s->segment);
	toolbox_free(s->t);
	free(s->window);
	pthread_mutex_destroy(&s->mu);
	free(s);
}

/* --- one segment -------------------------------------------------------------------- */

/* n bytes at offset, or up to the file's end: pread of whole blocks into aligned memory. */
static int
read_window(int fd, uint8_t *p, size_t n, uint64_t offset)
{
	size_t whole = (n + READ_ALIGN - 1) / READ_ALIGN * READ_ALIGN;
	ssize_t got;

	do
		got = pread(fd, p, whole, (off_t)offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return STELE_EIO;
	return (size_t)got >= n ? 0 : STELE_EDAMAGED;
}

/*
 * The file's SHA-256 out of the disk and not out of the page cache, which may hold pages
 * that open segments have mapped: what readers see there is not what would survive. On
 * a file system without such reads the cache is asked to let go of them first.
 */
static int
hash_disk(struct scrub *s, const char *path, const struct sealed *want, struct buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT), err = 0;
	struct stat sb;
	uint8_t hash[32];

	if (fd < 0 && errno == EINVAL) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	if (fd < 0 || fstat(fd, &sb) != 0)
		err = stele_err_from_errno(errno);
	else if ((uint64_t)sb.st_size != want->file_bytes)
		err = STELE_EDAMAGED;
	sha256_begin(s->t->sha);
	for (uint64_t at = 0; err == 0 && at < want->file_bytes; at += READ_BYTES) {
		uint64_t left = want->file_bytes - at;
		size_t n = left < READ_BYTES ? (size_t)left : READ_BYTES;
		err = read_window(fd, s->window, n, at);
		if (err == 0)
			sha256_update(s->t->sha, slice_of(s->window, n));
	}
	sha256_end(s->t->sha, hash);
	if (fd >= 0)
		close(fd);
	if (err == 0 && memcmp(hash, want->file_hash, 32) != 0)
		err = STELE_EDAMAGED;
	if (err != 0)
		buf_printf(why, "%s: %s", path,
			   err == STELE_EDAMAGED ? "what the disk holds is not what was written"
						 : stele_strerror(err));
	return err;
}

/* Every byte of it: the disk's, then what they mean, against the tree. 0: *out is open. */
static int
verify(struct scrub *s, struct log *log, const struct sealed *want, struct segment **out,
       struct buf *why)
{
	struct node_source nodes = {log->store, log, s->t, false};
	const struct segment_name name = {want->first, want->count, want->generation};
	char dir[4096], id[SEGMENT_NAME_BYTES], path[PATH_MAX];
	struct merkle_frontier before;
	struct segment *segment = NULL;
	int err = segcache_dir(dir, sizeof dir, log);

	segment_name_format(id, &name);
	if (err == 0 && snprintf(path, sizeof path, "%s/%s.seg", dir, id) >= (int)sizeof path)
		err = STELE_ELIMIT;
	if (err == 0)
		err = hash_disk(s, path, want, why);
	if (err == 0)
		err = segcache_open(log, want, s->t, &segment, why);
	if (err == 0)
		err = node_frontier(&nodes, want->first, &before);
	if (err == 0)
		err = segment_verify(segment, &before, s->t, why);
	if (err == 0)
		*out = segment;
	else
		segment_unref(segment);
	return err;
}

/* What became of a segment. */
enum verdict { SOUND, DAMAGED, UNREAD, MOVED };

static enum verdict
judge(struct scrub *s, struct log *log, const struct location *l)
{
	enum verdict v = SOUND;
	struct buf why;
	int err;

	buf_init(&why);
	err = verify(s, log, &l->segment, &s->segment, &why);
	if (err == 0) {
		s->log = log;
		location_release(log, &l->segment); /* put back, by hand perhaps */
	} else if (location_moved(log, l->segment.first, l)) {
		v = MOVED; /* a seal replaced it: its files may be gone */
	} else if (err == STELE_ENOTFOUND || err == STELE_EDAMAGED || err == STELE_EVERSION) {
		location_quarantine(log, &l->segment, buf_slice(&why));
		v = DAMAGED;
	} else {
		v = UNREAD;
		store_say(log->store, STORE_ERROR,
			  "scrub: log %s, segment %llu-%llu.%u cannot be checked (%s%s%.*s); the "
			  "next pass tries again",
			  log->name, (unsigned long long)l->segment.first,
			  (unsigned long long)l->segment.count, l->segment.generation,
			  stele_strerror(err), why.n ? ": " : "", (int)why.n,
			  why.n ? (const char *)why.p : "");
	}
	buf_fini(&why);
	return v;
}

/* --- the walk ----------------------------------------------------------------------- */

/* The segment at the cursor, or the first one of a later log; NULL at the end. */
static struct log *
find_next(struct store *st, struct scrub *s, struct location *out)
{
	struct log *found = NULL;

	*out = (struct location){.released = true, .found = true, .sealed = true};
	pthread_rwlock_rdlock(&st->lock);
	for (; !found && s->log_id < st->cap_ids; s->log_id += !found) {
		struct log *log = st->by_id[s->log_id];
		const struct sealed *next = log ? sealed_find(&log->sealed, s->index) : NULL;
		if (next) {
			out->segment = *next;
			found = log;
		} else {
			s->index = 0;
		}
	}
	pthread_rwlock_unlock(&st->lock);
	return found;
}

static void
begin_pass(struct store *st, struct scrub *s)
{
	s->log_id = s->index = 0;
	s->tails = false;
	pthread_mutex_lock(&s->mu);
	s->wanted = false;
	s->state.running = true;
	s->state.now = (struct scrub_pass){.begun_ns = store_now_ns(st)};
	pthread_mutex_unlock(&s->mu);
}

static void
end_pass(struct store *st, struct scrub *s)
{
	struct scrub_pass p;

	pthread_mutex_lock(&s->mu);
	s->state.now.ended_ns = store_now_ns(st);
	s->state.last = p = s->state.now;
	s->state.running = false;
	s->state.passes++;
	pthread_mutex_unlock(&s->mu);
	store_record(st,
		     "{\"type\":\"scrub.end\",\"segments\":%llu,\"bytes\":%llu,\"objects\":%llu,"
		     "\"object_bytes\":%llu,\"damaged\":%llu,\"unread\":%llu}",
		     (unsigned long long)p.segments, (unsigned long long)p.bytes,
		     (unsigned long long)p.objects, (unsigned long long)p.object_bytes,
		     (unsigned long long)p.damaged, (unsigned long long)p.unread);
	if (p.segments || p.objects)
		store_say(
			st, p.damaged || p.unread ? STORE_ERROR : STORE_INFO,
			"scrub: %llu segments with %llu bytes and %llu objects with %llu bytes read "
			"again: %llu damaged, %llu not to be checked",
			(unsigned long long)p.segments, (unsigned long long)p.bytes,
			(unsigned long long)p.objects, (unsigned long long)p.object_bytes,
			(unsigned long long)p.damaged, (unsigned long long)p.unread);
}

/* Whether a pass is under way, if need be from now on. */
static bool
is_running(struct store *st, struct scrub *s)
{
	bool running, due;

	pthread_mutex_lock(&s->mu);
	running = s->state.running;
	due = s->wanted || (st->opts.scrub_rate &&
			    store_now_ns(st) - s->state.last.begun_ns >= st->opts.scrub_every_ns);
	pthread_mutex_unlock(&s->mu);
	if (!running && due)
		begin_pass(st, s);
	return running || due;
}

static void
count(struct scrub *s, const struct sealed *seg, enum verdict v)
{
	pthread_mutex_lock(&s->mu);
	s->state.now.segments++;
	s->state.now.bytes += seg->file_bytes;
	s->state.now.damaged += v == DAMAGED;
	s->state.now.unread += v == UNREAD;
	pthread_mutex_unlock(&s->mu);
}

static uint64_t
monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* How long so many bytes are to take. */
static uint64_t
pace_ms(const struct store *st, uint64_t bytes)
{
	uint64_t rate = st->opts.scrub_rate ? st->opts.scrub_rate : LIMIT_SCRUB_RATE;

	return bytes * 1000 / rate;
}

static unsigned
until_next(const struct scrub *s)
{
	uint64_t now = monotonic_ms(), left = s->next_ms > now ? s->next_ms - now : 0;

	return left < LIMIT_SCRUB_IDLE_MS ? (unsigned)left : LIMIT_SCRUB_IDLE_MS;
}

/* --- objects ------------------------------------------------------------------------ */

static void
count_unread(struct scrub *s)
{
	pthread_mutex_lock(&s->mu);
	s->state.now.unread++;
	pthread_mutex_unlock(&s->mu);
}

static void
count_object(struct scrub *s, int err)
{
	object_close(s->object);
	s->object = NULL;
	pthread_mutex_lock(&s->mu);
	s->state.now.objects++;
	s->state.now.damaged += err == STELE_EDAMAGED;
	s->state.now.unread += err != 0 && err != STELE_EDAMAGED;
	pthread_mutex_unlock(&s->mu);
}

/* What a record's block says of an object: it is opened, or counted as what is wrong with it. */
static void
begin_object(struct store *st, struct scrub *s, struct log *log, uint64_t index,
	     struct slice descriptor)
{
	int err = object_open(&s->object, st, log, index, descriptor);

	s->log = log;
	s->at = 0;
	if (err == STELE_EGONE)
		return; /* purged, since what is being read was opened */
	if (err != 0)
		count_object(s, err); /* damage was said by object_open */
	else
		object_uncache(s->object);
}

/* The next bytes of the object under way; how many. */
static uint64_t
read_piece(struct scrub *s)
{
	uint64_t left = object_size(s->object) - s->at;
	size_t n = left < READ_BYTES ? (size_t)left : READ_BYTES;
	int err = object_read(s->object, s->at, s->window, n, s->t);

	s->at += n;
	pthread_mutex_lock(&s->mu);
	s->state.now.object_bytes += n;
	pthread_mutex_unlock(&s->mu);
	if (err != 0 || n == left)
		count_object(s, err);
	return n;
}

/* The next object that a record of the open segment names: false when that was all of them. */
static bool
next_sealed_object(struct store *st, struct scrub *s)
{
	const struct segment_facts *f = segment_facts(s->segment);
	struct segment_record r;
	struct arena a;
	int err = s->index < f->first + f->count ? segment_next_object(s->segment, &s->index, s->t)
						 : 1;

	arena_init(&a);
	if (err == 0)
		err = segment_read(s->segment, s->index, s->t, &a, &r);
	if (err == 0)
		begin_object(st, s, s->log, s->index++, r.payload);
	arena_fini(&a);
	if (err == 0)
		return true;
	if (err != 1) /* it was sound a moment ago: memory is out, or the disk just broke */
		count_unread(s);
	s->index = f->first + f->count;
	segment_unref(s->segment);
	s->segment = NULL;
	return false;
}

/* The log at the cursor, or the first one after it, and where its tail begins; or NULL. */
static struct log *
find_tail(struct store *st, struct scrub *s)
{
	struct log *found = NULL;
	uint64_t end;

	pthread_rwlock_rdlock(&st->lock);
	for (; !found && s->log_id < st->cap_ids; s->log_id += !found) {
		found = st->by_id[s->log_id];
		end = found ? sealed_end(&found->sealed) : 0;
		if (found && s->index < end)
			s->index = end;
	}
	pthread_rwlock_unlock(&st->lock);
	return found;
}

/* The next object that an unsealed record names: false when there is none in any log. */
static bool
next_tail_object(struct store *st, struct scrub *s)
{
	bool found = false;
	struct log *log;

	while (!found && (log = find_tail(st, s))) {
		struct record r;
		struct arena a;
		int err;
		arena_init(&a);
		err = read_next_object(st, log, s->index, s->t, &a, &r);
		if (err == 0) {
			s->index = r.entry.index + 1;
			begin_object(st, s, log, r.entry.index, r.payload);
			found = true;
		} else {
			if (err != STELE_ENOTFOUND)
				count_unread(s);
			s->log_id++;
			s->index = 0;
		}
		arena_fini(&a);
	}
	return found;
}

/* --- a step ------------------------------------------------------------------------- */

/* The segment at the cursor, and how many bytes were read: false when there is none left. */
static bool
next_segment(struct store *st, struct scrub *s, uint64_t *bytes)
{
	struct location l;
	struct log *log = find_next(st, s, &l);
	enum verdict v;

	if (!log) {
		s->tails = true;
		s->log_id = s->index = 0;
		return false;
	}
	v = judge(s, log, &l);
	*bytes = l.segment.file_bytes;
	if (v == MOVED)
		return true;
	count(s, &l.segment, v);
	s->index = v == SOUND ? l.segment.first : l.segment.first + l.segment.count;
	return true;
}

/* What is next of the pass: a piece of an object, a segment, or false at its end. */
static bool
go_on(struct store *st, struct scrub *s, uint64_t *bytes)
{
	*bytes = 0;
	if (s->object) {
		*bytes = read_piece(s);
		return true;
	}
	if (s->segment && next_sealed_object(st, s))
		return true;
	if (!s->tails && next_segment(st, s, bytes))
		return true;
	return next_tail_object(st, s);
}

int
store_scrub_step(struct store *st, unsigned *wait_ms)
{
	struct scrub *s = st->scrub;
	uint64_t begun_ms = monotonic_ms(), bytes;

	*wait_ms = until_next(s);
	if (*wait_ms)
		return 0;
	*wait_ms = LIMIT_SCRUB_IDLE_MS;
	if (!is_running(st, s))
		return 0;
	if (!go_on(st, s, &bytes)) {
		end_pass(st, s);
		return 0;
	}
	s->next_ms = begun_ms + pace_ms(st, bytes);
	*wait_ms = until_next(s);
	return 1;
}

void
store_scrub_start(struct store *st)
{
	pthread_mutex_lock(&st->scrub->mu);
	st->scrub->wanted = true;
	pthread_mutex_unlock(&st->scrub->mu);
}

void
store_scrub_get(struct store *st, struct scrub_state *out)
{
	struct scrub_state now;

	pthread_mutex_lock(&st->scrub->mu);
	now = st->scrub->state;
	now.running |= st->scrub->wanted;
	if (!st->scrub->state.running)
		now.now = (struct scrub_pass){0};
	pthread_mutex_unlock(&st->scrub->mu);
	now.total_bytes = 0;
	pthread_rwlock_rdlock(&st->lock);
	for (size_t i = 0; i < st->n_logs; i++) {
		const struct sealed_list *l = &st->by_name[i]->sealed;
		for (size_t k = 0; k < l->n; k++)
			now.total_bytes += l->s[k].file_bytes;
	}
	pthread_rwlock_unlock(&st->lock);
	*out = now;
}
