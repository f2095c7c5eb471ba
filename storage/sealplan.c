/*
 * Sizes are bytes on disk: sections in the WAL, files of segments. A new segment takes
 * in the neighbours before it while they are not much larger than itself, so that a
 * log that is sealed often has few segments and each record is rewritten a few times
 * only, whatever the log's size.
 */
#include "storage/sealplan.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/segment.h"

/* WAL bytes of the log's extents from index `from` on; up to *end when they pass cap. */
static uint64_t
tail_bytes(const struct log *log, uint64_t from, uint64_t cap, uint64_t *end)
{
	uint64_t bytes = 0;

	*end = from;
	for (size_t i = 0; i < log->tail.n; i++) {
		const struct extent *e = &log->tail.extents[i];
		if (bytes && bytes + e->bytes > cap)
			break;
		bytes += e->bytes;
		*end = e->first + e->count;
	}
	return bytes;
}

/* How many segments at the end of the list the new one takes in; false: it may not be built. */
static bool
choose_neighbours(const struct log *log, uint64_t new_bytes, size_t *n)
{
	const struct sealed_list *l = &log->sealed;
	uint64_t bytes = new_bytes;

	*n = 0;
	while (*n < l->n && *n < LIMIT_SEGMENT_REPLACES) {
		const struct sealed *s = &l->s[l->n - 1 - *n];
		bool ragged = *n == 0 && (s->first + s->count) % TREE_TILE != 0;
		bool small = s->file_bytes <= 2 * bytes &&
			     bytes + s->file_bytes <= LIMIT_SEGMENT_FILE_BYTES;
		if (s->quarantined)
			return !ragged;
		if (!ragged && !small)
			break;
		bytes += s->file_bytes;
		++*n;
	}
	return true;
}

/* Where a segment of [first, …) ends that may reach to `end`; `size` is all there is. */
static uint64_t
choose_end(uint64_t sealed, uint64_t end, uint64_t size, uint64_t bytes, bool whole)
{
	uint64_t even = end / TREE_TILE * TREE_TILE;

	if (!whole || end < size)
		return even > sealed ? even : whole ? end : sealed;
	/* a large ragged tail would be rewritten as a whole next time: its even part goes first */
	if (bytes >= LIMIT_SEAL_SPLIT_BYTES && even > sealed)
		return even;
	return end;
}

/* The names of the last n segments and the generation that comes after theirs. */
static bool
name_replaced(const struct log *log, size_t n, struct sealplan *p)
{
	struct buf names;

	buf_init(&names);
	p->generation = 1;
	for (size_t i = log->sealed.n - n; i < log->sealed.n; i++) {
		const struct sealed *s = &log->sealed.s[i];
		const struct segment_name name = {s->first, s->count, s->generation};
		char text[SEGMENT_NAME_BYTES];
		segment_name_format(text, &name);
		buf_put_str(&names, text);
		buf_put_u8(&names, '\n');
		if (s->generation >= p->generation)
			p->generation = s->generation + 1;
	}
	buf_put_u8(&names, 0);
	p->replaces = (char *)names.p;
	if (names.err)
		buf_fini(&names);
	return names.err == 0;
}

bool
sealplan_make(struct log *log, bool whole, struct sealplan *out)
{
	struct sealplan p = {0};
	uint64_t sealed, size, end, bytes;
	bool made = false;

	pthread_rwlock_rdlock(&log->store->lock);
	sealed = sealed_end(&log->sealed);
	size = log->head ? log->head->size : 0;
	bytes = tail_bytes(log, sealed, LIMIT_SEAL_WAL_BYTES, &end);
	p.end = size > sealed ? choose_end(sealed, end, size, bytes, whole) : sealed;
	if (p.end > sealed && choose_neighbours(log, bytes, &p.n_replaced)) {
		p.first = p.n_replaced ? log->sealed.s[log->sealed.n - p.n_replaced].first : sealed;
		made = p.first % TREE_TILE == 0 && name_replaced(log, p.n_replaced, &p);
	}
	pthread_rwlock_unlock(&log->store->lock);
	if (made)
		*out = p;
	return made;
}

void
sealplan_fini(struct sealplan *p)
{
	free(p->replaces);
	p->replaces = NULL;
}

/* --- what is due ----------------------------------------------------------------- */

/* The oldest WAL file when there are more than the row is to have, else 0. */
static uint32_t
file_to_free(struct store *st)
{
	struct wal_row row = wal_row(st->wal);

	return st->position.end.file - row.first >= st->opts.wal_files ? row.first : 0;
}

static bool
is_due(const struct log *log, uint32_t file, int64_t now_ns, struct sealdue *d)
{
	const struct tail *t = &log->tail;
	uint64_t end;

	*d = (struct sealdue){.log = NULL};
	if (now_ns < log->seal_again_ns)
		return false;
	if (file && t->n && t->extents[0].at.file <= file) {
		d->seal = d->whole = true;
	} else if (t->n && tail_bytes(log, 0, UINT64_MAX, &end) >= LIMIT_SEAL_WAL_BYTES) {
		d->seal = true;
	} else if (t->n && now_ns - log->tail_since_ns >= log->store->opts.seal_after_ns) {
		d->seal = d->whole = true;
	}
	for (size_t i = 0; file && i < log->n_dicts; i++) {
		const struct dict_place *p = &log->dicts[i];
		if (p->at.file > file)
			continue;
		if (!p->use.retired)
			d->retire_before = file + 1;
		else if (p->use.bounded && t->n && sealed_end(&log->sealed) < p->use.used_until)
			d->seal = d->whole = true; /* what was packed with it */
	}
	return d->seal || d->retire_before;
}

bool
sealplan_due(struct store *st, struct sealdue *out)
{
	int64_t now_ns = store_now_ns(st);
	bool due = false;
	uint32_t file;

	pthread_rwlock_rdlock(&st->lock);
	file = file_to_free(st);
	for (size_t i = 0; !due && i < st->n_logs; i++) {
		due = is_due(st->by_name[i], file, now_ns, out);
		out->log = st->by_name[i];
	}
	pthread_rwlock_unlock(&st->lock);
	return due;
}
