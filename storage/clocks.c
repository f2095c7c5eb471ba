/*
 * What is changed is a copy of the clocks, which is saved where it must be and then put in their
 * place, and its line where readers take it.
 */
#include "storage/clocks.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "storage/clockfile.h"
#include "storage/clockline.h"
#include "storage/clocknews.h"
#include "storage/internal.h"

enum { TAKES = 5, TOGETHER_NS = 1000000, BOOT_ID_TEXT = 36 };

struct clocks {
	struct clockline line;
	_Atomic uint64_t sequence;            /* of the last commit whose frame was stamped */
	_Atomic int64_t credited_ns;          /* since the process began */
	uint8_t boot_id[CLOCK_BOOT_ID_BYTES]; /* fixed */

	pthread_mutex_t changing; /* whoever changes them, also over a save; before mu */
	struct clockfile file;
	int64_t saved_ns; /* by CLOCK_BOOTTIME */

	pthread_mutex_t mu; /* for moments alone: the event loops wait for it */
	struct clock clock; /* changed under both, read under either */
};

/* --- the machine's clocks --------------------------------------------------------------- */

static int64_t
machine_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t
boot_now(struct store *st)
{
	return st->opts.boot_ns ? st->opts.boot_ns(st->opts.clock) : machine_ns(CLOCK_BOOTTIME);
}

/* Zeros when the machine does not say. */
static void
read_boot_id(const struct store *st, uint8_t out[CLOCK_BOOT_ID_BYTES])
{
	char text[BOOT_ID_TEXT] = "";
	size_t n = 0;
	int fd;

	memset(out, 0, CLOCK_BOOT_ID_BYTES);
	if (st->opts.boot_ns) {
		if (st->opts.boot_id)
			memcpy(out, st->opts.boot_id, CLOCK_BOOT_ID_BYTES);
		return;
	}
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof text) == sizeof text) {
		for (size_t i = 0; i < sizeof text && n < CLOCK_BOOT_ID_BYTES; i++) {
			const char *hex = "0123456789abcdef";
			const char *high, *low;
			if (text[i] == '-')
				continue;
			high = memchr(hex, text[i], 16);
			low = i + 1 < sizeof text ? memchr(hex, text[i + 1], 16) : NULL;
			if (!high || !low)
				break;
			out[n++] = (uint8_t)((high - hex) << 4 | (low - hex));
			i++;
		}
	}
	close(fd);
	if (n != CLOCK_BOOT_ID_BYTES)
		memset(out, 0, CLOCK_BOOT_ID_BYTES);
}

/* Both clocks within a millisecond of each other, however busy the machine, or nearly. */
static void
take_now(struct store *st, struct clock_now *out)
{
	int64_t before = boot_now(st);

	for (int i = 0; i < TAKES; i++) {
		out->wall_ns = store_wall_ns(st);
		out->boot_ns = boot_now(st);
		if (out->boot_ns - before <= TOGETHER_NS)
			break;
		before = out->boot_ns;
	}
	if (out->wall_ns < 0)
		out->wall_ns = 0;
	if (out->wall_ns > TIMESTAMP_MAX_NS)
		out->wall_ns = TIMESTAMP_MAX_NS;
	memcpy(out->boot_id, st->clocks->boot_id, sizeof out->boot_id);
}

/* --- reading them ------------------------------------------------------------------------ */

void
store_clock_get(struct store *st, struct clock_reading *out)
{
	struct clock_line line;

	clockline_take(&st->clocks->line, &line);
	clock_read(&line, boot_now(st), out);
}

void
clocks_stamp(struct store *st, uint64_t sequence, struct clock_mark *out)
{
	struct clock_reading r;
	struct clock_line line;

	atomic_store(&st->clocks->sequence, sequence); /* before the clock: clockstart.c */
	clockline_take(&st->clocks->line, &line);
	clock_read(&line, boot_now(st), &r);
	*out = (struct clock_mark){.sequence = sequence,
				   .era = line.era,
				   .wall_ns = store_wall_ns(st),
				   .lock_ns = r.lock_ns};
}

/* --- changing them --------------------------------------------------------------------------- */

/* Saves them as `next` has them; changing is held. */
static int
save(struct store *st, const struct clock *next, const struct clock_now *now)
{
	struct clocks *k = st->clocks;
	struct clock_saved s;
	int err;

	clock_save(next, now, 0, &s);
	s.sequence = atomic_load(&k->sequence); /* after the clock: clockstart.c */
	err = clockfile_write(&k->file, &s);
	if (err == 0)
		k->saved_ns = now->boot_ns;
	return err;
}

/* Puts them in the place of those there are; changing is held. What is new goes into news. */
static void
replace(struct clocks *k, const struct clock *next, struct clock *news)
{
	pthread_mutex_lock(&k->mu);
	k->clock = *next;
	k->clock.n_events = 0;
	clockline_put(&k->line, &k->clock.line);
	pthread_mutex_unlock(&k->mu);
	*news = *next;
	for (size_t i = 0; i < next->n_events; i++)
		if (next->events[i].kind == CLOCK_EVENT_CREDIT)
			atomic_fetch_add(&k->credited_ns, next->events[i].by_ns);
}

static int
save_failed(struct store *st, int err)
{
	if (err == STELE_EIO && !atomic_exchange(&st->read_only, true))
		store_say(st, STORE_ERROR,
			  "writing %s/clock failed: the store is read-only until restart; check "
			  "the disk, then restart",
			  st->dir);
	return err;
}

int
clocks_tend(struct store *st)
{
	struct clocks *k = st->clocks;
	struct clock next, news;
	struct clock_now now;
	int err = 0;

	pthread_mutex_lock(&k->changing);
	take_now(st, &now);
	next = k->clock;
	clock_tick(&next, &now);
	replace(k, &next, &news);
	if ((news.n_events || now.boot_ns - k->saved_ns >= LIMIT_CLOCK_SAVE_NS) &&
	    !atomic_load(&st->read_only))
		err = save(st, &k->clock, &now);
	pthread_mutex_unlock(&k->changing);
	clocknews_tell(st, &news);
	return err;
}

int
store_clock_confirm(struct store *st, int64_t step_ns, enum clock_by by)
{
	struct clocks *k = st->clocks;
	struct clock next, news;
	struct clock_now now;
	int err, late = 0;

	pthread_mutex_lock(&k->changing);
	take_now(st, &now);
	next = k->clock;
	err = clock_confirm(&next, &now, step_ns, by);
	replace(k, &next, &news);
	if (news.n_events && !atomic_load(&st->read_only))
		late = save(st, &k->clock, &now);
	pthread_mutex_unlock(&k->changing);
	clocknews_tell(st, &news);
	return err ? err : save_failed(st, late);
}

int
store_clock_credit(struct store *st, int64_t until_ns, int64_t *moved_ns)
{
	struct clocks *k = st->clocks;
	struct clock next, news;
	struct clock_now now;
	int64_t moved;
	int err = 0;

	if (atomic_load(&st->read_only))
		return STELE_EREADONLY;
	pthread_mutex_lock(&k->changing);
	take_now(st, &now);
	next = k->clock;
	moved = clock_credit(&next, &now, until_ns);
	err = save(st, &next, &now);
	if (err == 0)
		replace(k, &next, &news);
	pthread_mutex_unlock(&k->changing);
	if (err != 0)
		return save_failed(st, err);
	clocknews_tell(st, &news);
	*moved_ns = moved;
	return 0;
}

void
store_clock_info(struct store *st, struct clock_info *out)
{
	struct clocks *k = st->clocks;
	struct clock c;
	struct clock_now now;

	pthread_mutex_lock(&k->mu);
	c = k->clock;
	pthread_mutex_unlock(&k->mu);
	take_now(st, &now);
	*out = (struct clock_info){
		.wall_ns = now.wall_ns,
		.boot_ns = now.boot_ns,
		.cause = c.cause,
		.disagreement_ns = c.disagreement_ns,
		.stepped = c.stepped,
		.credit_left_ns = clock_credit_left(&c),
		.credited_ns = atomic_load(&k->credited_ns),
		.limits = c.limits,
	};
	clock_read(&c.line, now.boot_ns, &out->now);
	if (c.stepped) {
		out->step_ns = c.step_ns;
		out->step_since_ns = c.step_since_ns;
		out->step_stood_ns = now.boot_ns - c.step_since_ns;
		out->step_wait_ns = clock_persistence(c.step_ns);
	}
}

/* --- begin and end ------------------------------------------------------------------------- */

static struct clock_limits
limits_of(const struct store_options *o)
{
	struct clock_limits l = {.warn_ns = o->clock_warn_ns,
				 .freeze_ns = o->clock_freeze_ns,
				 .credit_each_ns = o->clock_credit_ns,
				 .credit_year_ns = o->clock_year_ns};

	if (l.warn_ns == 0)
		l.warn_ns = LIMIT_CLOCK_WARN_S * 1000000000ll;
	if (l.freeze_ns == 0)
		l.freeze_ns = LIMIT_CLOCK_FREEZE_S * 1000000000ll;
	return l;
}

/* The newest entry's time. */
static int64_t
newest_entry(const struct store *st)
{
	int64_t newest = 0;

	for (size_t i = 0; i < st->n_logs; i++)
		if (st->by_name[i]->time_ns > newest)
			newest = st->by_name[i]->time_ns;
	return newest;
}

static int
begin(struct store *st, int found, const struct clock_saved *saved, bool restored)
{
	struct clocks *k = st->clocks;
	struct clock_limits limits = limits_of(&st->opts);
	const struct position *p = &st->position;
	struct clock_found f = {
		.saved = found == 0 && !restored ? saved : NULL,
		.trouble = restored                   ? CLOCK_RESTORED
			   : found == STELE_ENOTFOUND ? CLOCK_MISSING
						      : CLOCK_DAMAGED,
		.mark = {p->sequence, p->era, p->wall_ns, p->lock_ns},
		.floor_ns = newest_entry(st),
	};
	struct clock next, news;
	struct clock_now now;
	int err;

	st->taken_ns = st->released_ns = f.floor_ns;
	pthread_mutex_lock(&k->changing);
	take_now(st, &now);
	clock_start(&next, &limits, &f, &now);
	atomic_store(&k->sequence, p->sequence);
	err = save(st, &next, &now);
	if (err == STELE_ENOSPACE) { /* reads go on, and a commit needs space first, too */
		store_say(st, STORE_WARN, "%s/clock: not enough free space to save it", st->dir);
		err = 0;
	}
	replace(k, &next, &news);
	pthread_mutex_unlock(&k->changing);
	clocknews_tell(st, &news);
	return err;
}

int
clocks_open(struct store *st, bool restored, struct buf *why)
{
	struct clocks *k = calloc(1, sizeof *k);
	struct clock_saved saved;
	int err, found;

	if (!k)
		return STELE_ENOMEM;
	st->clocks = k;
	pthread_mutex_init(&k->changing, NULL);
	pthread_mutex_init(&k->mu, NULL);
	read_boot_id(st, k->boot_id);
	found = clockfile_open(&k->file, st->dir, st->place.incarnation, &saved);
	if (found == 0 && k->file.damaged)
		store_say(st, STORE_WARN,
			  "%s/clock: its newer half is damaged, as by a power loss: the one saved "
			  "before it counts",
			  st->dir);
	err = found == STELE_ENOTFOUND || found == STELE_EDAMAGED || found == STELE_EVERSION
		      ? 0
		      : found;
	if (err == 0)
		err = begin(st, found, &saved, restored);
	if (err != 0)
		buf_printf(why, "%s/clock cannot be used: %s", st->dir, stele_strerror(err));
	return err;
}

void
clocks_close(struct store *st)
{
	struct clocks *k = st->clocks;
	struct clock_now now;
	int err = 0;

	if (!k)
		return;
	pthread_mutex_lock(&k->changing);
	if (k->file.fd >= 0 && !atomic_load(&st->read_only)) {
		take_now(st, &now);
		err = save(st, &k->clock, &now);
	}
	pthread_mutex_unlock(&k->changing);
	if (err != 0)
		store_say(st, STORE_WARN,
			  "closing: %s/clock was not saved (%s): the next start takes what was "
			  "saved before",
			  st->dir, stele_strerror(err));
	clockfile_close(&k->file);
	pthread_mutex_destroy(&k->changing);
	pthread_mutex_destroy(&k->mu);
	free(k);
	st->clocks = NULL;
}
