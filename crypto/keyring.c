/*
 * Two sorted arrays. New logs have the highest ids, so adding is appending; a
 * commit writes both arrays whole, about 220 bytes a log.
 *
 * Secrets never lie in memory that was given back: arrays grow by copying and
 * wiping, and the body is reserved before it is filled.
 */
#include "crypto/keyring.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "crypto/random.h"
#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/le.h"

enum {
	VERSION = 3,
	UNSTATED_VERSION = 2, /* the same, when nothing is stated */
	HEADER_BYTES = 4 + 8 + 4 + 4,
	DATA_BYTES = 8 + 8 + 4 + 4 + 32,
	SEED_BYTES = 8 + 4 + 8 + 1 + 32 + 1, /* and the name, and the statement */
};

enum { SEED_SIGNS, SEED_ENDED, SEED_PREPARED, SEED_STATED = 4 }; /* states in the file */

struct keyring {
	char path[LIMIT_PATH_BYTES];
	struct keyfile_seal *seal;
	uint64_t next_key_id;
	struct keyring_data *data;
	size_t n_data, cap_data;
	struct keyring_seed *seeds;
	size_t n_seeds, cap_seeds;
};

/* Room for one more element of size bytes in *array, which holds n and has room for *cap. */
static int
grow(void *array, size_t n, size_t *cap, size_t size)
{
	void *old, *p;
	size_t more = *cap ? *cap * 2 : 64;

	if (n < *cap)
		return 0;
	p = calloc(more, size);
	if (!p)
		return STELE_ENOMEM;
	memcpy(&old, array, sizeof old);
	if (old) {
		memcpy(p, old, n * size);
		sodium_memzero(old, n * size);
		free(old);
	}
	memcpy(array, &p, sizeof p);
	*cap = more;
	return 0;
}

/* The first seed not before (log_id, epoch), or n_seeds. */
static size_t
seed_position(const struct keyring *kr, uint64_t log_id, uint32_t epoch)
{
	size_t lo = 0, hi = kr->n_seeds;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct keyring_seed *s = &kr->seeds[mid];

		if (s->log_id < log_id || (s->log_id == log_id && s->epoch < epoch))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct keyring_seed *
keyring_find_seeds(const struct keyring *kr, uint64_t log_id, size_t *n)
{
	size_t i = seed_position(kr, log_id, 0);

	*n = 0;
	while (i + *n < kr->n_seeds && kr->seeds[i + *n].log_id == log_id &&
	       !kr->seeds[i + *n].prepared)
		(*n)++;
	return kr->seeds + i;
}

static int
compare_data(const void *key_id, const void *element)
{
	uint64_t want = *(const uint64_t *)key_id;
	uint64_t have = ((const struct keyring_data *)element)->key_id;

	return want < have ? -1 : want > have;
}

const struct keyring_data *
keyring_find_data(const struct keyring *kr, uint64_t key_id)
{
	if (kr->n_data == 0)
		return NULL;
	return bsearch(&key_id, kr->data, kr->n_data, sizeof *kr->data, compare_data);
}

const struct keyring_data *
keyring_each_data(const struct keyring *kr, size_t *n)
{
	*n = kr->n_data;
	return kr->data;
}

const struct keyring_seed *
keyring_each_seed(const struct keyring *kr, size_t *n)
{
	*n = kr->n_seeds;
	return kr->seeds;
}

/* Inserts a seed where it belongs; there is room. */
static struct keyring_seed *
insert_seed(struct keyring *kr, uint64_t log_id, uint32_t epoch, struct slice name)
{
	size_t i = seed_position(kr, log_id, epoch);
	struct keyring_seed *s = &kr->seeds[i];

	memmove(s + 1, s, (kr->n_seeds - i) * sizeof *s);
	memset(s, 0, sizeof *s);
	s->log_id = log_id;
	s->epoch = epoch;
	s->first_size = 1;
	memcpy(s->name, name.p, name.n);
	kr->n_seeds++;
	return s;
}

/* Room for one more seed, within the limit. */
static int
seed_room(struct keyring *kr)
{
	if (kr->n_seeds >= LIMIT_KEYRING_KEYS)
		return STELE_ELIMIT;
	return grow(&kr->seeds, kr->n_seeds, &kr->cap_seeds, sizeof *kr->seeds);
}

/* Room for one more data key, within the limit. */
static int
data_room(struct keyring *kr)
{
	if (kr->n_data >= LIMIT_KEYRING_KEYS)
		return STELE_ELIMIT;
	return grow(&kr->data, kr->n_data, &kr->cap_data, sizeof *kr->data);
}

/* A new random key at the end; there is room. Its id. */
static uint64_t
new_data(struct keyring *kr, uint64_t log_id, enum keyring_kind kind, uint32_t epoch)
{
	struct keyring_data *d = &kr->data[kr->n_data++];

	*d = (struct keyring_data){kr->next_key_id++, log_id, kind, epoch, {0}};
	random_bytes(d->key, sizeof d->key);
	return d->key_id;
}

int
keyring_add_log(struct keyring *kr, uint64_t log_id, struct slice name, uint64_t *key_id)
{
	size_t n;
	int err;

	if (name.n == 0 || name.n > LIMIT_LOG_NAME_BYTES)
		return STELE_EINVAL;
	keyring_find_seeds(kr, log_id, &n);
	if (n)
		return STELE_EEXIST;
	err = data_room(kr);
	if (err == 0)
		err = seed_room(kr);
	if (err != 0)
		return err;
	*key_id = new_data(kr, log_id, KEYRING_TAIL, 0);
	random_bytes(insert_seed(kr, log_id, 0, name)->seed, 32);
	return 0;
}

/* What is left of a seed whose epoch is over. */
static void
end_seed(struct keyring_seed *s)
{
	uint8_t secret[crypto_sign_SECRETKEYBYTES];

	crypto_sign_seed_keypair(s->public_key, secret, s->seed);
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(s->seed, sizeof s->seed);
	s->ended = true;
}

/* The place behind the log's seeds, where a prepared one is; *n of them are before it. */
static size_t
behind_seeds(const struct keyring *kr, uint64_t log_id, size_t *n)
{
	return (size_t)(keyring_find_seeds(kr, log_id, n) - kr->seeds) + *n;
}

const struct keyring_seed *
keyring_prepared(const struct keyring *kr, uint64_t log_id)
{
	size_t n, i = behind_seeds(kr, log_id, &n);

	return n && i < kr->n_seeds && kr->seeds[i].log_id == log_id ? &kr->seeds[i] : NULL;
}

int
keyring_prepare_epoch(struct keyring *kr, uint64_t log_id, uint64_t first_size, uint64_t at_least)
{
	struct keyring_seed *next;
	uint64_t epoch;
	size_t n, i = behind_seeds(kr, log_id, &n);
	int err;

	if (n == 0)
		return STELE_ENOTFOUND;
	if (first_size <= kr->seeds[i - 1].first_size)
		return STELE_EINVAL;
	epoch = (uint64_t)kr->seeds[i - 1].epoch + 1;
	epoch = at_least > epoch ? at_least : epoch;
	if (epoch > UINT32_MAX)
		return STELE_ELIMIT;
	if (keyring_prepared(kr, log_id)) {
		next = &kr->seeds[i];
		next->epoch = (uint32_t)epoch;
	} else {
		err = seed_room(kr);
		if (err != 0)
			return err;
		next = insert_seed(kr, log_id, (uint32_t)epoch, slice_str(kr->seeds[i - 1].name));
	}
	next->prepared = true;
	next->stated = false;
	memset(next->statement, 0, sizeof next->statement);
	next->first_size = first_size;
	random_bytes(next->seed, sizeof next->seed);
	return 0;
}

int
keyring_begin_epoch(struct keyring *kr, uint64_t log_id)
{
	size_t n, i = behind_seeds(kr, log_id, &n);

	if (!keyring_prepared(kr, log_id))
		return STELE_ENOTFOUND;
	end_seed(&kr->seeds[i - 1]);
	kr->seeds[i].prepared = false;
	return 0;
}

int
keyring_state(struct keyring *kr, uint64_t log_id, uint32_t epoch,
	      const uint8_t statement[KEYRING_STATEMENT_BYTES])
{
	size_t i = seed_position(kr, log_id, epoch);
	struct keyring_seed *s = &kr->seeds[i];

	if (i == kr->n_seeds || s->log_id != log_id || s->epoch != epoch)
		return STELE_ENOTFOUND;
	if (s->stated)
		return STELE_EEXIST;
	memcpy(s->statement, statement, sizeof s->statement);
	s->stated = true;
	return 0;
}

int
keyring_add_data(struct keyring *kr, uint64_t log_id, enum keyring_kind kind, uint32_t epoch,
		 uint64_t *key_id)
{
	int err = data_room(kr);

	if (err == 0)
		*key_id = new_data(kr, log_id, kind, epoch);
	return err;
}

void
keyring_drop_data(struct keyring *kr, uint64_t key_id)
{
	const struct keyring_data *found = keyring_find_data(kr, key_id);
	size_t i;

	if (!found)
		return;
	i = (size_t)(found - kr->data);
	memmove(kr->data + i, kr->data + i + 1, (kr->n_data - i - 1) * sizeof *kr->data);
	sodium_memzero(&kr->data[--kr->n_data], sizeof *kr->data);
}

void
keyring_drop_log(struct keyring *kr, uint64_t log_id)
{
	size_t kept = 0;

	for (size_t i = 0; i < kr->n_data; i++) {
		if (kr->data[i].log_id != log_id)
			kr->data[kept++] = kr->data[i];
	}
	if (kr->n_data > kept)
		sodium_memzero(kr->data + kept, (kr->n_data - kept) * sizeof *kr->data);
	kr->n_data = kept;
	kept = 0;
	for (size_t i = 0; i < kr->n_seeds; i++) {
		if (kr->seeds[i].log_id != log_id)
			kr->seeds[kept++] = kr->seeds[i];
	}
	if (kr->n_seeds > kept)
		sodium_memzero(kr->seeds + kept, (kr->n_seeds - kept) * sizeof *kr->seeds);
	kr->n_seeds = kept;
}

static void
put_data(uint8_t *p, const struct keyring_data *d)
{
	le_put64(p, d->key_id);
	le_put64(p + 8, d->log_id);
	le_put32(p + 16, (uint32_t)d->kind);
	le_put32(p + 20, d->epoch);
	memcpy(p + 24, d->key, sizeof d->key);
}

static size_t
put_seed(uint8_t *p, const struct keyring_seed *s)
{
	size_t n = strlen(s->name);

	le_put64(p, s->log_id);
	le_put32(p + 8, s->epoch);
	le_put64(p + 12, s->first_size);
	p[20] = (uint8_t)((s->ended      ? SEED_ENDED
			   : s->prepared ? SEED_PREPARED
					 : SEED_SIGNS) |
			  (s->stated ? SEED_STATED : 0));
	memcpy(p + 21, s->ended ? s->public_key : s->seed, 32);
	p[53] = (uint8_t)n;
	memcpy(p + SEED_BYTES, s->name, n);
	n += SEED_BYTES;
	if (!s->stated)
		return n;
	memcpy(p + n, s->statement, sizeof s->statement);
	return n + sizeof s->statement;
}

/* The body of the key file, into an empty buffer. */
static int
encode(const struct keyring *kr, struct buf *out)
{
	size_t most = HEADER_BYTES + kr->n_data * DATA_BYTES +
		      kr->n_seeds * (SEED_BYTES + LIMIT_LOG_NAME_BYTES + KEYRING_STATEMENT_BYTES);
	uint8_t *p;

	if (buf_reserve(out, most) != 0)
		return STELE_ENOMEM;
	p = out->p;
	le_put32(p, VERSION);
	le_put64(p + 4, kr->next_key_id);
	le_put32(p + 12, (uint32_t)kr->n_data);
	le_put32(p + 16, (uint32_t)kr->n_seeds);
	p += HEADER_BYTES;
	for (size_t i = 0; i < kr->n_data; i++, p += DATA_BYTES)
		put_data(p, &kr->data[i]);
	for (size_t i = 0; i < kr->n_seeds; i++)
		p += put_seed(p, &kr->seeds[i]);
	out->n = (size_t)(p - out->p);
	return 0;
}

/* One data key; ids must ascend and lie below the next. */
static int
take_data(struct keyring *kr, struct bytes *b)
{
	uint64_t last = kr->n_data ? kr->data[kr->n_data - 1].key_id : 0;
	struct keyring_data d = {0};
	uint32_t kind;
	int r;

	d.key_id = bytes_u64(b);
	d.log_id = bytes_u64(b);
	kind = bytes_u32(b);
	d.epoch = bytes_u32(b);
	bytes_copy(b, d.key, sizeof d.key);
	if (bytes_err(b) || d.key_id <= last || d.key_id >= kr->next_key_id)
		return STELE_EDAMAGED;
	if (kind < KEYRING_TAIL || kind > KEYRING_EXPORT)
		return STELE_EVERSION;
	d.kind = (enum keyring_kind)kind;
	r = grow(&kr->data, kr->n_data, &kr->cap_data, sizeof *kr->data);
	if (r == 0)
		kr->data[kr->n_data++] = d;
	sodium_memzero(&d, sizeof d);
	return r;
}

/*
 * Whether this seed may come next: epochs ascend from 0, first sizes too; after those that
 * ended comes the one that signs, and after that at most a prepared one.
 */
static bool
seed_follows(const struct keyring *kr, const struct keyring_seed *next)
{
	const struct keyring_seed *last = kr->n_seeds ? &kr->seeds[kr->n_seeds - 1] : NULL;

	if (!last || last->log_id < next->log_id)
		return (!last || !last->ended) && next->epoch == 0 && next->first_size == 1 &&
		       !next->prepared;
	return last->log_id == next->log_id && !last->prepared && last->ended != next->prepared &&
	       next->epoch > last->epoch && next->first_size > last->first_size;
}

/* One seed, behind those it must follow. */
static int
take_seed(struct keyring *kr, struct bytes *b)
{
	struct keyring_seed next = {.log_id = bytes_u64(b)};
	struct keyring_seed *s;
	struct slice key, name, statement = {0};
	uint8_t state;

	next.epoch = bytes_u32(b);
	next.first_size = bytes_u64(b);
	state = bytes_u8(b);
	next.stated = (state & SEED_STATED) != 0;
	state &= (uint8_t)~SEED_STATED;
	next.ended = state == SEED_ENDED;
	next.prepared = state == SEED_PREPARED;
	key = bytes_take(b, 32);
	name = bytes_take(b, bytes_u8(b));
	if (next.stated)
		statement = bytes_take(b, KEYRING_STATEMENT_BYTES);
	if (bytes_err(b) || name.n == 0 || name.n > LIMIT_LOG_NAME_BYTES || state > SEED_PREPARED ||
	    memchr(name.p, 0, name.n) || !seed_follows(kr, &next))
		return STELE_EDAMAGED;
	if (grow(&kr->seeds, kr->n_seeds, &kr->cap_seeds, sizeof *kr->seeds) != 0)
		return STELE_ENOMEM;
	s = insert_seed(kr, next.log_id, next.epoch, name);
	s->first_size = next.first_size;
	s->ended = next.ended;
	s->prepared = next.prepared;
	s->stated = next.stated;
	if (next.stated)
		memcpy(s->statement, statement.p, statement.n);
	memcpy(next.ended ? s->public_key : s->seed, key.p, key.n);
	return 0;
}

static int
decode(struct keyring *kr, struct slice body)
{
	struct bytes b;
	uint32_t version, n_data, n_seeds;
	int r = 0;

	bytes_init(&b, body);
	version = bytes_u32(&b);
	if (bytes_err(&b))
		return STELE_EDAMAGED;
	if (version != VERSION && version != UNSTATED_VERSION)
		return STELE_EVERSION;
	kr->next_key_id = bytes_u64(&b);
	n_data = bytes_u32(&b);
	n_seeds = bytes_u32(&b);
	for (uint32_t i = 0; i < n_data && r == 0; i++)
		r = take_data(kr, &b);
	for (uint32_t i = 0; i < n_seeds && r == 0; i++)
		r = take_seed(kr, &b);
	if (r == 0 && (bytes_end(&b) != 0 || (kr->n_seeds && kr->seeds[kr->n_seeds - 1].ended)))
		r = STELE_EDAMAGED;
	return r;
}

int
keyring_commit(struct keyring *kr)
{
	struct buf body;
	int r;

	buf_init(&body);
	r = encode(kr, &body);
	if (r == 0)
		r = keyfile_write(kr->path, buf_slice(&body), kr->seal);
	keyfile_wipe(&body);
	return r;
}

int
keyring_open(struct keyring **out, const char *path, struct keyfile_seal *seal, bool create)
{
	struct keyring *kr;
	struct buf body;
	int r;

	if (strlen(path) >= LIMIT_PATH_BYTES)
		return STELE_EINVAL;
	kr = calloc(1, sizeof *kr);
	if (!kr)
		return STELE_ENOMEM;
	memcpy(kr->path, path, strlen(path) + 1);
	kr->seal = seal;
	kr->next_key_id = 1;
	buf_init(&body);
	r = keyfile_read(path, &body, seal);
	if (r == 0)
		r = decode(kr, buf_slice(&body));
	else if (r == STELE_ENOTFOUND && create)
		r = keyring_commit(kr);
	keyfile_wipe(&body);
	if (r != 0) {
		keyring_free(kr);
		return r;
	}
	*out = kr;
	return 0;
}

void
keyring_free(struct keyring *kr)
{
	if (!kr)
		return;
	if (kr->data)
		sodium_memzero(kr->data, kr->cap_data * sizeof *kr->data);
	if (kr->seeds)
		sodium_memzero(kr->seeds, kr->cap_seeds * sizeof *kr->seeds);
	free(kr->data);
	free(kr->seeds);
	free(kr);
}
