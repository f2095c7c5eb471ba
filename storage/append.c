/*
 * Preparing a job on any thread: what does not depend on the order of records
 * is done here, beside the writer.
 */
#include "storage/append.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/salt.h"
#include "proto/control.h"
#include "proto/err.h"
#include "storage/internal.h"
#include "storage/toolbox.h"

void
append_job_init(struct append_job *job)
{
	memset(job, 0, sizeof *job);
	arena_init(&job->arena);
}

void
append_job_fini(struct append_job *job)
{
	head_unref(job->head);
	job->head = NULL;
	control_free(job->control);
	job->control = NULL;
	arena_fini(&job->arena);
}

/* What entry_write would refuse later is refused now. */
static int
check_job(struct append_job *job)
{
	job->bytes = job->payload_bytes = 0;
	if (job->n_items == 0 || job->writer.n == 0)
		return STELE_EINVAL;
	if (job->n_items > LIMIT_BATCH_RECORDS || job->writer.n > LIMIT_WRITER_BYTES)
		return STELE_ELIMIT;
	for (size_t i = 0; i < job->n_items; i++) {
		const struct append_item *item = &job->items[i];
		if (item->media_type.n == 0)
			return STELE_EINVAL;
		if (item->object && (job->n_items != 1 || item->size > LIMIT_INTEGER))
			return STELE_EINVAL;
		if (item->payload.n > LIMIT_RECORD_BYTES ||
		    item->media_type.n > LIMIT_MEDIA_TYPE_BYTES)
			return STELE_ELIMIT;
		job->bytes += item->payload.n;
		job->payload_bytes += item->object ? item->size : item->payload.n;
	}
	return job->bytes > LIMIT_COMMIT_BYTES ? STELE_ELIMIT : 0;
}

struct keyed {
	const uint8_t *key;
	size_t number;
};

static int
by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int d = memcmp(x->key, y->key, 16);

	return d ? d : x->number < y->number ? -1 : 1;
}

/* Items of one job with the same key: twins of the first, or a conflict. */
static int
find_twins(struct append_job *job, bool *any)
{
	struct keyed *k = job->n_items > 1 ? malloc(job->n_items * sizeof *k) : NULL;
	size_t n = 0, lead = 0;
	int err = 0;

	*any = false;
	if (job->n_items == 1)
		return 0;
	if (!k)
		return STELE_ENOMEM;
	for (size_t i = 0; i < job->n_items; i++) {
		if (job->items[i].has_key)
			k[n++] = (struct keyed){job->items[i].key, i};
	}
	qsort(k, n, sizeof *k, by_key);
	for (size_t i = 1; err == 0 && i < n; i++) {
		struct append_item *first = &job->items[k[lead].number];
		struct append_item *item = &job->items[k[i].number];
		if (memcmp(k[lead].key, k[i].key, 16) != 0) {
			lead = i;
			continue;
		}
		if (!slice_eq(first->payload, item->payload)) {
			err = STELE_ECONFLICT;
			break;
		}
		item->state = APPEND_TWIN;
		item->index = k[lead].number;
		*any = true;
	}
	free(k);
	return err;
}

/* Items from on that make a block: its number of items, *raw their bytes. */
static size_t
next_block(const struct append_job *job, size_t from, size_t *raw)
{
	size_t n = 0;

	*raw = 0;
	while (from + n < job->n_items && *raw < LIMIT_BLOCK_BYTES)
		*raw += job->items[from + n++].payload.n;
	return n;
}

/* What an item's salt says of its payload. */
static void
commit_item(struct append_item *item, struct toolbox *tools)
{
	sha256_commitment(tools->sha, item->commitment, item->salt, item->payload);
}

/* Salts of the n items from a seed, which is the first of the block's bytes. */
static int
salt_block(struct append_job *job, size_t from, size_t n, struct toolbox *tools)
{
	struct buf *packed = &tools->packed, *salts = &tools->salts;
	uint8_t seed[SALT_SEED_BYTES];

	random_stream_take(&tools->random, seed, sizeof seed);
	buf_put(packed, seed, sizeof seed);
	buf_reset(salts);
	if (buf_reserve(salts, n * SALT_BYTES) != 0)
		return STELE_ENOMEM;
	salt_expand(seed, 0, (uint32_t)n, (uint8_t(*)[SALT_BYTES])salts->p);
	for (size_t i = 0; i < n; i++) {
		memcpy(job->items[from + i].salt, salts->p + i * SALT_BYTES, SALT_BYTES);
		commit_item(&job->items[from + i], tools);
	}
	return 0;
}

/* Seed and compressed payloads of n items into one piece of the job's arena. */
static int
pack_block(struct append_job *job, size_t from, size_t n, size_t raw, struct compress_dict *dict,
	   struct toolbox *tools, struct append_block *out)
{
	struct buf *plain = &tools->plain, *packed = &tools->packed;
	size_t bound = compress_bound(raw), zipped;
	const void *copy;
	int err;

	buf_reset(plain);
	buf_reset(packed);
	err = salt_block(job, from, n, tools);
	for (size_t i = from; i < from + n; i++)
		buf_put_slice(plain, job->items[i].payload);
	if (err != 0 || plain->err || buf_reserve(packed, bound) != 0)
		return STELE_ENOMEM;
	err = compress_block(tools->zip, dict, buf_slice(plain), packed->p + packed->n, bound,
			     &zipped);
	if (err != 0)
		return err;
	packed->n += zipped;
	copy = arena_dup(&job->arena, packed->p, packed->n);
	if (!copy)
		return STELE_ENOMEM;
	*out = (struct append_block){(uint32_t)n, dict ? compress_dict_id(dict) : 0, (uint32_t)raw,
				     slice_of(copy, packed->n)};
	return 0;
}

static int
pack_job(struct append_job *job, struct toolbox *tools)
{
	struct store *st = job->log->store;
	size_t cap = (size_t)(job->bytes / LIMIT_BLOCK_BYTES + 2), raw, n;
	struct append_block *blocks = arena_alloc(&job->arena, cap * sizeof *blocks);
	struct compress_dict *dict;
	size_t n_blocks = 0;
	int err = 0;

	if (!blocks)
		return STELE_ENOMEM;
	pthread_rwlock_rdlock(&st->lock);
	dict = compress_dict_ref(job->log->dict);
	pthread_rwlock_unlock(&st->lock);
	for (size_t from = 0; err == 0 && from < job->n_items; from += n) {
		n = next_block(job, from, &raw);
		err = pack_block(job, from, n, raw, dict, tools, &blocks[n_blocks++]);
	}
	compress_dict_unref(dict);
	if (err != 0)
		return err;
	job->blocks = blocks;
	job->n_blocks = n_blocks;
	return 0;
}

int
append_prepare(struct append_job *job, struct toolbox *tools)
{
	bool twins;
	int err = check_job(job);

	if (err == 0)
		err = find_twins(job, &twins);
	if (err != 0)
		return err;
	if (!twins && job->bytes >= LIMIT_BLOCK_BYTES / 2)
		return pack_job(job, tools);
	for (size_t i = 0; i < job->n_items; i++) {
		struct append_item *item = &job->items[i];
		if (item->object)
			continue;
		random_stream_take(&tools->random, item->salt, sizeof item->salt);
		commit_item(item, tools);
	}
	return 0;
}

static int
read_control(struct append_job *job, enum entry_kind kind, struct slice json)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = control_read(&job->control, kind, 0, json, &why);
	buf_fini(&why);
	return err;
}

int
append_control(struct append_job *job, struct log *log, enum entry_kind kind, struct slice writer,
	       struct slice json, struct toolbox *tools)
{
	struct append_item *item = arena_alloc(&job->arena, sizeof *item);
	void *payload = arena_dup(&job->arena, json.p, json.n);
	void *id = arena_dup(&job->arena, writer.p, writer.n);

	if (!item || !payload || !id)
		return STELE_ENOMEM;
	memset(item, 0, sizeof *item);
	item->payload = slice_of(payload, json.n);
	item->media_type = slice_str("application/json");
	job->log = log;
	job->writer = slice_of(id, writer.n);
	job->items = item;
	job->n_items = 1;
	job->kind = kind;
	if (control_kind(kind) && read_control(job, kind, item->payload) != 0)
		return STELE_EINVAL;
	return append_prepare(job, tools);
}
