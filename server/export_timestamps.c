/*
 * First where in `_system` each log's last entry is covered, then which timestamps are the earliest
 * behind that, then what proves it. The row of timestamps is walked from the newest back, a record
 * each; heads are looked for from the time of an entry on, since they are recorded within a second.
 */
#include "server/export_timestamps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/proof.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/kit.h"
#include "server/server.h"
#include "server/timestamp_record.h"

enum {
	LOOK_BACK = 64, /* records of timestamps, when none covers everything */
	PAST = 32,      /* so many in a row that are too early end the walk: answers may overtake */
	EARLIER_S = 2,  /* a head that is not recorded yet: look so much before, then twice */
	RENEW_DAYS = 365,
};

#define SECOND_NS INT64_C(1000000000)
#define NOWHERE UINT64_MAX

/* A head of a log in a record of _system. */
struct place_of_head {
	uint64_t record, size; /* NOWHERE: there is none */
};

/* What one authority has said. */
struct said {
	char *authority;
	struct timestamp_record newest, earliest; /* earliest that covers all; index 0: none */
	bool covers;
};

struct picked {
	const struct timestamp_record *r;
	unsigned authority; /* its number, from 1 */
};

struct work {
	struct export_timestamps *out;
	struct trail trail;
	const struct export_part *parts;
	size_t n;
	const atomic_bool *stop;
	struct place_of_head *cover; /* of each part: the first that covers its last entry */
	uint64_t need;               /* a checkpoint of more than this size covers all; NOWHERE */
	struct said of[LIMIT_AUTHORITIES];
	size_t n_of;
	struct picked picked[2 * LIMIT_AUTHORITIES]; /* by size, then by number */
	size_t n_picked;
};

/* --- heads -------------------------------------------------------------------------------------
 */

static bool
is_system(const struct work *w, const struct export_part *p)
{
	return p->log == w->trail.log;
}

/* The size of the log's head in a record, 0 when it has none. */
static uint64_t
head_in(const struct record *r, const char *log)
{
	json_t *doc = json_loadb((const char *)r->payload.p, r->payload.n, 0, NULL);
	const json_t *heads = json_object_get(doc, "heads"), *v;
	const char *type = json_string_value(json_object_get(doc, "type"));
	json_int_t size = 0;
	size_t i;

	json_array_foreach(heads, i, v)
	{
		const char *name = json_string_value(json_object_get(v, "log"));
		if (type && strcmp(type, "heads") == 0 && name && strcmp(name, log) == 0)
			size = json_integer_value(json_object_get(v, "size"));
	}
	json_decref(doc);
	return size > 0 ? (uint64_t)size : 0;
}

static int
time_of(struct work *w, struct log *log, uint64_t index, int64_t *ns)
{
	struct arena arena;
	struct record r;
	int err;

	arena_init(&arena);
	err = read_entry(w->trail.s->store, log, index, w->trail.kit->tools, &arena, &r);
	if (err == 0)
		*ns = r.entry.time_ns;
	arena_fini(&arena);
	return err;
}

/* The first record that has a head of the log which covers that entry. */
static int
find_cover(struct work *w, struct log *log, uint64_t entry, struct place_of_head *out)
{
	int64_t ns = 0;
	uint64_t at = 0;
	int err = time_of(w, log, entry, &ns);

	*out = (struct place_of_head){NOWHERE, NOWHERE};
	err = err ? err : trail_first_at(&w->trail, ns, &at);
	for (; err == 0 && at < w->trail.head->size && out->record == NOWHERE; at++) {
		struct arena arena;
		struct record r;
		uint64_t size;

		arena_init(&arena);
		err = trail_read(&w->trail, at, &arena, &r);
		size = err == 0 && r.entry.kind == ENTRY_RECORD ? head_in(&r, log_name(log)) : 0;
		if (size > entry)
			*out = (struct place_of_head){at, size};
		arena_fini(&arena);
		if (err == 0 && atomic_load(w->stop))
			err = STELE_ECLOSED;
	}
	return err;
}

/* *out = how many entries of the log are not later than that. */
static int
count_until(struct work *w, const struct export_part *p, int64_t ns, uint64_t *out)
{
	uint64_t low = 0, high = p->head->size;
	int err = 0;

	while (err == 0 && low < high) {
		uint64_t mid = low + (high - low) / 2;
		int64_t at_ns = 0;

		err = time_of(w, p->log, mid, &at_ns);
		if (err == 0 && at_ns <= ns)
			low = mid + 1;
		else if (err == 0)
			high = mid;
	}
	*out = low;
	return err;
}

/* A head of the log that is recorded before that record: as late as can be, but for seconds. */
static int
find_before(struct work *w, const struct export_part *p, uint64_t record, struct place_of_head *out)
{
	int64_t end_ns = 0, back_ns = 0;
	uint64_t entries = 0;
	int err = time_of(w, w->trail.log, record - 1, &end_ns);

	for (;;) {
		err = err ? err : count_until(w, p, end_ns - back_ns, &entries);
		*out = (struct place_of_head){NOWHERE, NOWHERE};
		if (err != 0 || entries == 0)
			return err;
		err = find_cover(w, p->log, entries - 1, out);
		if (err != 0 || out->record < record)
			return err;
		back_ns = back_ns ? 2 * back_ns : EARLIER_S * SECOND_NS;
	}
}

/* Where each part's last entry is covered, and so what covers all. */
static int
find_covers(struct work *w)
{
	int err = 0;

	w->cover = calloc(w->n, sizeof *w->cover);
	if (!w->cover)
		return STELE_ENOMEM;
	for (size_t i = 0; err == 0 && i < w->n; i++) {
		const struct export_part *p = &w->parts[i];
		uint64_t last = p->wanted.n ? p->wanted.r[p->wanted.n - 1].last : 0;

		last = p->is_run ? p->last : last;
		last = last < p->head->size ? last : p->head->size - 1;
		if (is_system(w, p))
			w->cover[i] = (struct place_of_head){last, last + 1};
		else
			err = find_cover(w, p->log, last, &w->cover[i]);
		if (w->cover[i].record > w->need)
			w->need = w->cover[i].record;
	}
	return err;
}

/* --- which timestamps --------------------------------------------------------------------------
 */

static struct said *
said_by(struct work *w, const char *authority)
{
	struct said *s = w->of;

	while (s < w->of + w->n_of && strcmp(s->authority, authority) != 0)
		s++;
	if (s == w->of + w->n_of && w->n_of < LIMIT_AUTHORITIES) {
		s->authority = strdup(authority);
		w->n_of += s->authority != NULL;
	}
	return s < w->of + w->n_of ? s : NULL;
}

/* A record on the way back, which is then the work's. */
static void
meet(struct work *w, struct timestamp_record *r)
{
	struct said *s = said_by(w, r->authority);

	if (s && !s->newest.doc) {
		s->newest = *r;
		json_incref(r->doc);
	}
	if (s && r->size > w->need) {
		timestamp_record_fini(&s->earliest);
		s->earliest = *r;
		json_incref(r->doc);
		s->covers = true;
	}
}

/* One that is damaged ends the row, and the bundle has what came after it. */
static int
walk(struct work *w)
{
	struct timestamp_record r = {.before = -1};
	unsigned past = 0;
	int err = timestamp_record_newest(&w->trail, &r);

	while (err == 0 && past < (w->need == NOWHERE ? LOOK_BACK : PAST)) {
		meet(w, &r);
		past = r.size > w->need ? 0 : past + 1;
		err = atomic_load(w->stop) ? STELE_ECLOSED : timestamp_record_before(&w->trail, &r);
	}
	timestamp_record_fini(&r);
	return err == STELE_ENOTFOUND || err == STELE_EDAMAGED ? 0 : err;
}

static int
by_size(const void *left, const void *right)
{
	const struct picked *a = left, *b = right;

	if (a->r->size != b->r->size)
		return a->r->size < b->r->size ? -1 : 1;
	return (int)a->authority - (int)b->authority;
}

static void
pick(struct work *w)
{
	int64_t soon_ns = server_now_ns(w->trail.s) + RENEW_DAYS * TIMESTAMP_DAY_NS;

	for (unsigned i = 0; i < w->n_of; i++) {
		const struct said *s = &w->of[i];
		const struct timestamp_record *r = s->covers ? &s->earliest : &s->newest;

		w->picked[w->n_picked++] = (struct picked){r, i + 1};
		if (r->expires_ns < soon_ns && s->newest.size > r->size)
			w->picked[w->n_picked++] = (struct picked){&s->newest, i + 1};
	}
	if (w->n_picked)
		qsort(w->picked, w->n_picked, sizeof *w->picked, by_size);
}

/* --- files -------------------------------------------------------------------------------------
 */

/* The next file; its bytes are to be appended to what is returned. */
static struct buf *
next_file(struct work *w, uint64_t size, const char *end)
{
	struct export_timestamps *t = w->out;

	snprintf(t->files[t->n].path, sizeof t->files->path, "data/timestamps/%015" PRIu64 "%s",
		 size, end);
	return &t->bytes[t->n++];
}

/* A record whose receipt is due, among others, once and in order. */
static void
add_index(uint64_t *list, size_t *n, uint64_t index)
{
	size_t at = *n;

	while (at > 0 && list[at - 1] > index)
		at--;
	if (at > 0 && list[at - 1] == index)
		return;
	memmove(list + at + 1, list + at, (*n - at) * sizeof *list);
	list[at] = index;
	++*n;
}

static int
put_receipts(struct work *w, const struct timestamp_record *r, const struct place_of_head *heads,
	     size_t first, struct buf *out)
{
	const struct trail_checkpoint at = {r->size, r->checkpoint};
	uint64_t *list = calloc(w->n + w->n_picked + 1, sizeof *list);
	size_t n = 0;
	int err = list ? 0 : STELE_ENOMEM;

	for (size_t i = 0; err == 0 && i < w->n; i++)
		if (heads[i].record != NOWHERE && !is_system(w, &w->parts[i]))
			add_index(list, &n, heads[i].record);
	for (size_t i = 0; err == 0 && i < first; i++)
		if (w->picked[i].r && w->picked[i].r->index < r->size)
			add_index(list, &n, w->picked[i].r->index);
	for (size_t i = 0; err == 0 && i < n; i++) {
		struct arena arena;
		struct record record;

		arena_init(&arena);
		err = trail_read(&w->trail, list[i], &arena, &record);
		err = err ? err : trail_receipt(&w->trail, list[i], &record, &at, out);
		arena_fini(&arena);
	}
	free(list);
	return err;
}

static int
put_log(struct work *w, const struct export_part *p, const struct place_of_head *head,
	struct buf *out)
{
	uint64_t from = head->size, to = p->head->size;
	struct proof proof;
	int err;

	buf_printf(out, "{\"log\":\"%s\"", log_name(p->log));
	if (head->record == NOWHERE) {
		buf_put_str(out, "}\n");
		return out->err;
	}
	if (from > to) {
		from = p->head->size;
		to = head->size;
	}
	err = read_consistency(w->trail.s->store, p->log, from, to, w->trail.kit->tools, &proof);
	buf_printf(out, ",\"size\":%" PRIu64, head->size);
	if (!is_system(w, p))
		buf_printf(out, ",\"record\":%" PRIu64, head->record);
	buf_put_str(out, ",\"proof\":");
	if (err == 0)
		proof_put_json(out, (const uint8_t(*)[32])proof.hash, proof.n);
	buf_put_str(out, "}\n");
	return err ? err : out->err;
}

/* The head of each log that the checkpoint has; *any: one at least. */
static int
find_heads(struct work *w, const struct timestamp_record *r, struct place_of_head *heads, bool *any)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < w->n; i++) {
		if (is_system(w, &w->parts[i]))
			heads[i] = (struct place_of_head){0, r->size};
		else if (w->cover[i].record < r->size)
			heads[i] = w->cover[i];
		else
			err = find_before(w, &w->parts[i], r->size, &heads[i]);
		*any |= err == 0 && heads[i].record != NOWHERE;
	}
	return err;
}

static int
put_tokens(struct work *w, size_t first, size_t end)
{
	int err = 0;

	for (size_t i = first; err == 0 && i < end; i++) {
		const struct timestamp_record *r = w->picked[i].r;
		uint8_t der[LIMIT_TIMESTAMP_BYTES];
		char name[16];
		size_t n;
		struct buf *out;

		if (!slice_eq(r->checkpoint, w->picked[first].r->checkpoint)) {
			w->picked[i].r = NULL;
			continue;
		}
		snprintf(name, sizeof name, "-%u.tsr", w->picked[i].authority);
		out = next_file(w, r->size, name);
		err = base64_decode(der, sizeof der, &n, r->token) != 0 ? STELE_EDAMAGED : 0;
		if (err == 0)
			buf_put(out, der, n);
		err = err ? err : out->err;
	}
	return err;
}

/* All of one checkpoint: picked[first] to before picked[end]. Of notes of one size that are not the
 * same byte for byte, the first one counts. */
static int
put_checkpoint(struct work *w, size_t first, size_t end)
{
	const struct timestamp_record *r = w->picked[first].r;
	struct place_of_head *heads = calloc(w->n, sizeof *heads);
	bool any = false;
	struct buf *out;
	int err = heads ? find_heads(w, r, heads, &any) : STELE_ENOMEM;

	if (err == 0 && any) {
		out = next_file(w, r->size, ".checkpoint");
		buf_put_slice(out, r->checkpoint);
		err = out->err;
		out = next_file(w, r->size, ".ndjson");
		err = err ? err : put_receipts(w, r, heads, first, out);
		for (size_t i = 0; err == 0 && i < w->n; i++)
			err = put_log(w, &w->parts[i], &heads[i], out);
		err = err ? err : put_tokens(w, first, end);
	}
	for (size_t i = first; !any && i < end; i++)
		w->picked[i].r = NULL; /* not in the bundle, so no later one covers it there */
	free(heads);
	return err;
}

static int
put_all(struct work *w)
{
	size_t end;
	int err = 0;

	for (size_t i = 0; err == 0 && i < w->n_picked; i = end) {
		uint64_t size = w->picked[i].r->size;

		end = i + 1;
		while (end < w->n_picked && w->picked[end].r->size == size)
			end++;
		err = put_checkpoint(w, i, end);
	}
	for (size_t i = 0; i < w->out->n; i++)
		w->out->files[i].bytes = buf_slice(&w->out->bytes[i]);
	return err;
}

int
export_timestamps(struct export_timestamps *out, struct server *s, const struct export_part *parts,
		  size_t n, struct kit *kit, const atomic_bool *stop)
{
	struct work w = {.out = out, .parts = parts, .n = n, .stop = stop};
	int err = trail_open(&w.trail, s, kit);

	if (err != 0)
		return err;
	for (size_t i = 0; i < LIMIT_AUTHORITIES; i++)
		w.of[i].newest.before = w.of[i].earliest.before = -1;
	if (access_newest_timestamp(audit_access(s->audit))) {
		err = find_covers(&w);
		err = err ? err : walk(&w);
		if (err == 0)
			pick(&w);
		err = err ? err : put_all(&w);
	}
	for (size_t i = 0; i < w.n_of; i++) {
		timestamp_record_fini(&w.of[i].newest);
		timestamp_record_fini(&w.of[i].earliest);
		free(w.of[i].authority);
	}
	free(w.cover);
	trail_close(&w.trail);
	return err;
}

void
export_timestamps_fini(struct export_timestamps *t)
{
	for (size_t i = 0; i < t->n; i++)
		buf_fini(&t->bytes[i]);
	t->n = 0;
}
