/* Which logs, under which key, and what was cosigned before. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "crypto/random.h"
#include "proto/checkpoint.h"
#include "proto/err.h"
#include "server/config.h"
#include "server/cosigner_state.h"
#include "server/server.h"
#include "storage/file.h"
#include "storage/store.h"

/* --- the list
 * ------------------------------------------------------------------------------------- */

static struct slice
word(struct slice *line)
{
	size_t n = 0;
	struct slice w;

	while (line->n && (line->p[0] == ' ' || line->p[0] == '\t'))
		*line = slice_of(line->p + 1, line->n - 1);
	while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t' && line->p[n] != '\r')
		n++;
	w = slice_of(line->p, n);
	*line = slice_of(line->p + n, line->n - n);
	return w;
}

/* Keys of one origin stand together, in whatever order they came. */
static const char *
take_key(struct cosigner *c, const struct note_vkey *key)
{
	struct cosigner_log *l = c->logs;

	while (l < c->logs + c->n && !slice_eq(l->origin, key->name))
		l++;
	if (l == c->logs + c->n) {
		if (c->n == LIMIT_WITNESS_FOR)
			return "there are more than 1000 logs";
		l->origin = key->name;
		pthread_mutex_init(&l->mu, NULL);
		c->n++;
	}
	if (l->n_keys == LIMIT_WITNESS_KEYS)
		return "the log has more than 4 keys";
	l->keys[l->n_keys++] = *key;
	return NULL;
}

/* What is wrong with a line; NULL: nothing. */
static const char *
read_line(struct cosigner *c, struct sha256 *h, struct slice line)
{
	struct slice first = word(&line);
	struct note_vkey key;

	if (first.n == 0 || first.p[0] == '#')
		return NULL;
	if (slice_eq_str(first, "log"))
		first = word(&line);
	if (sign_vkey_parse(h, &key, first) != 0 || key.type != NOTE_ED25519)
		return "it is no verifier key of a log (nor \"log\" and one)";
	return take_key(c, &key);
}

static int
by_origin(const void *a, const void *b)
{
	const struct cosigner_log *x = a, *y = b;
	size_t n = x->origin.n < y->origin.n ? x->origin.n : y->origin.n;
	int d = memcmp(x->origin.p, y->origin.p, n);

	return d ? d : (x->origin.n > y->origin.n) - (x->origin.n < y->origin.n);
}

static int
read_list(struct cosigner *c, struct sha256 *h, const char *path, struct buf *why)
{
	const char *what = NULL;
	struct slice rest;
	size_t number = 0;
	int err = file_read_all(path, &c->list, LIMIT_WITNESS_FOR_BYTES);

	if (err != 0) {
		buf_printf(why, "witness-for: %s cannot be read: %s.", path, stele_strerror(err));
		return STELE_EINVAL;
	}
	for (rest = buf_slice(&c->list); !what && rest.n; number++) {
		const uint8_t *lf = memchr(rest.p, '\n', rest.n);
		size_t n = lf ? (size_t)(lf - rest.p) : rest.n;

		what = read_line(c, h, slice_of(rest.p, n));
		n += lf != NULL;
		rest = slice_of(rest.p + n, rest.n - n);
	}
	if (what)
		buf_printf(why, "witness-for: %s, line %zu: %s.", path, number, what);
	else if (c->n == 0)
		buf_printf(why, "witness-for: %s names no log.", path);
	else
		qsort(c->logs, c->n, sizeof *c->logs, by_origin);
	return what || c->n == 0 ? STELE_EINVAL : 0;
}

/* --- the key
 * ---------------------------------------------------------------------------------------- */

static bool
has_state(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool has = !d && errno != ENOENT; /* who cannot look does not know that there is none */

	while (d && !has && (e = readdir(d)))
		has = strstr(e->d_name, ".note") != NULL;
	if (d)
		closedir(d);
	return has;
}

/* u8 length, name, seed. */
static int
make_key(struct cosigner *c, const char *path, struct keyfile_seal *seal, struct buf *body)
{
	const char *name = c->s->config->witness_name;
	uint8_t seed[SIGN_SEED_BYTES];
	struct buf text;
	int err;

	buf_init(&text);
	if (name)
		buf_put_str(&text, name);
	else
		buf_printf(&text, "%s/witness", store_server_name(c->s->store));
	random_bytes(seed, sizeof seed);
	buf_put_u8(body, (uint8_t)text.n);
	buf_put_slice(body, buf_slice(&text));
	buf_put(body, seed, sizeof seed);
	explicit_bzero(seed, sizeof seed);
	err = text.err || body->err ? STELE_ENOMEM
	      : text.n > LIMIT_ORIGIN_BYTES || !note_name_valid(buf_slice(&text))
		      ? STELE_EINVAL
		      : keyfile_write(path, buf_slice(body), seal);
	buf_fini(&text);
	return err;
}

static int
take_body(struct cosigner *c, struct sha256 *h, struct slice body)
{
	const char *name = c->s->config->witness_name;
	struct slice is;
	int err;

	if (body.n < 1 || body.n != 1 + (size_t)body.p[0] + SIGN_SEED_BYTES)
		return STELE_EDAMAGED;
	is = slice_of(body.p + 1, body.p[0]);
	if (name && !slice_eq_str(is, name))
		return STELE_EEXIST;
	err = signer_new_witness(&c->key, h, is, is.p + is.n);
	return err ? err : note_put_vkey(&c->vkey, signer_vkey(c->key));
}

static int
open_key(struct cosigner *c, struct sha256 *h, const char *states, struct buf *why)
{
	char path[LIMIT_PATH_BYTES];
	struct keyfile_seal *seal = NULL;
	struct buf body;
	int err;

	if (snprintf(path, sizeof path, "%s/keys/witness", store_dir(c->s->store)) >=
	    (int)sizeof path)
		return STELE_ELIMIT;
	buf_init(&body);
	err = keyfile_seal_new(&seal, c->s->config->passphrase);
	if (err == 0)
		err = keyfile_read(path, &body, seal);
	if (err == STELE_ENOTFOUND && has_state(states)) {
		buf_printf(why,
			   "%s is gone, and %s has what it cosigned: restore the key, or, to begin "
			   "as another witness, move that folder away.",
			   path, states);
		err = STELE_EKEY;
	} else if (err == STELE_ENOTFOUND) {
		err = make_key(c, path, seal, &body);
	}
	if (err == 0)
		err = take_body(c, h, buf_slice(&body));
	if (err == STELE_EEXIST)
		buf_printf(why, "witness-name: the key in %s has another name, for life.", path);
	else if (err == STELE_EINVAL)
		buf_printf(why, "witness-name: \"%.200s\" is no name that a key can have.",
			   c->s->config->witness_name);
	else if (err != 0 && why->n == 0)
		buf_printf(why, "%s: %s.", path, stele_strerror(err));
	keyfile_wipe(&body);
	keyfile_seal_free(seal);
	return err == STELE_EEXIST ? STELE_EINVAL : err;
}

/* --- what was cosigned
 * ------------------------------------------------------------------------------- */

static int
read_state(struct cosigner *c, struct sha256 *h, struct cosigner_log *l, struct buf *text,
	   struct buf *why)
{
	char path[LIMIT_PATH_BYTES];
	struct checkpoint cp;
	struct note note;
	int err = cosigner_path(c, h, l, path);

	buf_reset(text);
	if (err == 0)
		err = file_read_all(path, text, LIMIT_NOTE_BYTES + 4096);
	if (err == STELE_ENOTFOUND)
		return 0;
	if (err == 0)
		err = note_parse(&note, buf_slice(text));
	if (err == 0)
		err = checkpoint_parse(&cp, note.text);
	if (err == 0 && !slice_eq(cp.origin, l->origin))
		err = STELE_EDAMAGED;
	if (err == 0)
		err = sign_verify_cosignature(signer_vkey(c->key), &note, &l->time_s);
	if (err != 0) {
		buf_printf(why,
			   "%s is not what this witness has cosigned (%s): restore it. Without it "
			   "two histories of a log could be cosigned.",
			   path, stele_strerror(err));
		return STELE_EDAMAGED;
	}
	l->size = cp.size;
	memcpy(l->root, cp.root, sizeof l->root);
	return 0;
}

/* At a first start, before the key: where that is there, what it cosigned is lost. */
static int
make_folder(const char *path, const char *parent, struct buf *why)
{
	char key[LIMIT_PATH_BYTES];

	if (snprintf(key, sizeof key, "%s/keys/witness", parent) >= (int)sizeof key)
		return STELE_ELIMIT;
	if (access(path, F_OK) != 0 && access(key, F_OK) == 0) {
		buf_printf(why,
			   "%s is gone, and %s is not: restore the folder as it was last. Without "
			   "it two histories of a log could be cosigned. To begin as another "
			   "witness, move the key away.",
			   path, key);
		return STELE_EKEY;
	}
	if (mkdir(path, 0700) == 0)
		return file_sync_dir(parent);
	return errno == EEXIST ? 0 : stele_err_from_errno(errno);
}

static int
load(struct cosigner *c, struct sha256 *h, struct buf *why)
{
	const char *dir = store_dir(c->s->store);
	char path[LIMIT_PATH_BYTES];
	struct buf text;
	int err;

	if (snprintf(path, sizeof path, "%s/witness", dir) >= (int)sizeof path)
		return STELE_ELIMIT;
	err = read_list(c, h, c->s->config->witness_for, why);
	if (err == 0)
		err = make_folder(path, dir, why);
	if (err == 0)
		err = open_key(c, h, path, why);
	buf_init(&text);
	for (size_t i = 0; err == 0 && i < c->n; i++)
		err = read_state(c, h, &c->logs[i], &text, why);
	buf_fini(&text);
	return err;
}

int
cosigner_new(struct cosigner **out, struct server *s, struct buf *why)
{
	struct cosigner *c;
	struct sha256 *h;
	int err;

	*out = NULL;
	if (!s->config->witness_for)
		return 0;
	c = calloc(1, sizeof *c);
	h = sha256_new();
	if (c) {
		c->s = s;
		random_bytes(&c->slots_key, sizeof c->slots_key);
		buf_init(&c->vkey);
		buf_init(&c->list);
		c->logs = calloc(LIMIT_WITNESS_FOR, sizeof *c->logs);
	}
	err = c && h && c->logs ? load(c, h, why) : STELE_ENOMEM;
	sha256_free(h);
	if (err == 0)
		*out = c;
	else
		cosigner_free(c);
	return err;
}

void
cosigner_free(struct cosigner *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		pthread_mutex_destroy(&c->logs[i].mu);
	free(c->logs);
	signer_free(c->key);
	buf_fini(&c->vkey);
	buf_fini(&c->list);
	free(c);
}
